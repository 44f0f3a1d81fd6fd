//! The differences, and why each is one.

use crate::{Kind, Pair};
use mlx5_pci::prm::{self, Opcode};

/// Commands that Linux alone gives.
pub(crate) const ONLY_LINUX: &[(Kind, &str)] = &[
    (
        (Opcode::QUERY_HCA_CAP, 0x40),
        "the maximum of the second general capabilities: Linux sets some of them, we none",
    ),
    ((Opcode::QUERY_ADAPTER, 0), "the board's name, which Linux shows to users of RDMA"),
    (
        (Opcode::ALLOC_Q_COUNTER, 0),
        "counters of a queue set; what the queues drop we know of CQEs and port counters",
    ),
    ((Opcode::QUERY_Q_COUNTER, 0), "as ALLOC_Q_COUNTER"),
    (
        (Opcode::QUERY_VPORT_COUNTER, 0),
        "a timer of Linux's that reads counters; we read them when somebody asks",
    ),
    (
        (Opcode::MODIFY_CQ, 0),
        "moderation that follows the load; we poll, and arm a queue only before a sleep",
    ),
    (
        (Opcode::MODIFY_TIR, 0),
        "loopback is closed and opened anew when a link comes up; ours is as it was created",
    ),
    (
        (Opcode::MODIFY_RQT, 0),
        "Linux points tables at a drop queue until channels are there; ours come after channels",
    ),
];

/// Commands that we alone give.
pub(crate) const ONLY_OURS: &[(Kind, &str)] = &[];

/// Commands that both give, but not in the same place of the order.
pub(crate) const MOVED: &[(Kind, &str)] = &[
    (
        (Opcode::QUERY_HCA_CAP, 0x1),
        "what is set is read after what is possible: either way before SET_HCA_CAP",
    ),
    (
        (Opcode::QUERY_HCA_CAP, 0x41),
        "Linux sets some of the second general capabilities before INIT_HCA, we only read them",
    ),
    ((Opcode::SET_DRIVER_VERSION, 0), "given after the other capabilities are read: one step reads them all"),
    (
        (Opcode::ACCESS_REG, 0x1),
        "Linux reads first which registers there are, we read registers of the port when it is",
    ),
    (
        (Opcode::CREATE_FLOW_TABLE, 0),
        "Linux's first table is that of its transmit namespace, ours the one that receives",
    ),
    ((Opcode::SET_FLOW_TABLE_ROOT, 0), "as CREATE_FLOW_TABLE; and we set a root when all behind it is there"),
    ((Opcode::QUERY_NIC_VPORT_CONTEXT, 0), "asked for when the port is made, after the device is complete"),
    ((Opcode::MODIFY_NIC_VPORT_CONTEXT, 0), "as QUERY_NIC_VPORT_CONTEXT; ours sets the MTU"),
    ((Opcode::CREATE_SQ, 0), "Linux has steering with a drop queue before channels, we have channels first"),
    ((Opcode::MODIFY_SQ, 0), "as CREATE_SQ"),
];

const TREE: &str = "the trees of tables are each driver's own: the model holds either to the device's rules";

/// Kinds of which single commands do not correspond.
pub(crate) const UNCOMPARED: &[(Kind, &str)] = &[
    ((Opcode::CREATE_FLOW_TABLE, 0), TREE),
    ((Opcode::CREATE_FLOW_GROUP, 0), TREE),
    ((Opcode::SET_FLOW_TABLE_ENTRY, 0), TREE),
];

const NUMBER: &str = "a number that the device has given";
const PLACE: &str = "where the driver's memory lies";
const SIZE: &str = "a size of the driver's choice";

/// Fields that differ.
pub(crate) const FIELDS: &[(Kind, &str, &str)] = &[
    (
        (Opcode::ACCESS_REG, 1),
        "register_id",
        "PCAM, which registers there are, against PTYS, the link's speeds",
    ),
    (
        (Opcode::SET_HCA_CAP, 0),
        "log_max_qp",
        "Linux's profile asks for 2^18 queue pairs, of which we have no use",
    ),
    ((Opcode::SET_DRIVER_VERSION, 0), "driver_version", "each says its own name"),
    ((Opcode::CREATE_EQ, 0), "eq_context_entry.log_eq_size", SIZE),
    (
        (Opcode::CREATE_EQ, 0),
        "event_bitmask",
        "Linux asks for events of RDMA and temperature too; we have one queue for pages and the others",
    ),
    (
        (Opcode::CREATE_MKEY, 0),
        "memory_key_mkey_entry.mkey_7_0",
        "the part of a key that is the driver's choice",
    ),
    (
        (Opcode::MODIFY_NIC_VPORT_CONTEXT, 0),
        "field_select.disable_uc_local_lb",
        "Linux closes local loopback; ESP that was put together goes back to the card, so it stays open and TIRs close it",
    ),
    ((Opcode::MODIFY_NIC_VPORT_CONTEXT, 0), "field_select.disable_mc_local_lb", "as disable_uc_local_lb"),
    (
        (Opcode::MODIFY_NIC_VPORT_CONTEXT, 0),
        "field_select.mtu",
        "Linux sets the MTU in a command of its own, later",
    ),
    ((Opcode::MODIFY_NIC_VPORT_CONTEXT, 0), "nic_vport_context.disable_mc_local_lb", "as field_select"),
    ((Opcode::MODIFY_NIC_VPORT_CONTEXT, 0), "nic_vport_context.disable_uc_local_lb", "as field_select"),
    ((Opcode::MODIFY_NIC_VPORT_CONTEXT, 0), "nic_vport_context.mtu", "as field_select.mtu"),
    (
        (Opcode::CREATE_CQ, 0),
        "cq_context.cq_period_mode",
        "moderation by CQEs, which Linux's adapts; we have none",
    ),
    (
        (Opcode::CREATE_CQ, 0),
        "cq_context.cqe_comp_en",
        "Linux compresses CQEs where PCIe is the bottleneck, we always",
    ),
    ((Opcode::CREATE_CQ, 0), "cq_context.mini_cqe_res_format", "as cqe_comp_en"),
    ((Opcode::CREATE_CQ, 0), "cq_context.log_cq_size", SIZE),
    ((Opcode::CREATE_CQ, 0), "cq_context.c_eqn_or_apu_element", NUMBER),
    ((Opcode::CREATE_CQ, 0), "cq_context.dbr_addr", PLACE),
    ((Opcode::CREATE_RQ, 0), "ctx.vsd", "tags stay in frames unless the port's settings ask for them beside"),
    (
        (Opcode::CREATE_RQ, 0),
        "ctx.flush_in_error_en",
        "a queue in error gives its WQEs back, for its repair to count",
    ),
    ((Opcode::CREATE_RQ, 0), "ctx.cqn", NUMBER),
    ((Opcode::CREATE_RQ, 0), "ctx.counter_set_id", "as ALLOC_Q_COUNTER"),
    (
        (Opcode::CREATE_RQ, 0),
        "ctx.wq.end_padding_mode",
        "padding to cache lines, which costs PCIe for small packets",
    ),
    ((Opcode::CREATE_RQ, 0), "ctx.wq.uar_page", "not used by receive queues: Linux leaves it 0"),
    ((Opcode::CREATE_RQ, 0), "ctx.wq.dbr_addr", PLACE),
    ((Opcode::CREATE_RQ, 0), "ctx.wq.log_wqe_num_of_strides", SIZE),
    ((Opcode::MODIFY_RQ, 0), "rqn", NUMBER),
    (
        (Opcode::CREATE_SQ, 0),
        "ctx.allow_multi_pkt_send_wqe",
        "Linux has them only with the private flag skb_tx_mpwqe, we always",
    ),
    ((Opcode::CREATE_SQ, 0), "ctx.cqn", NUMBER),
    ((Opcode::CREATE_SQ, 0), "ctx.wq.dbr_addr", PLACE),
    ((Opcode::CREATE_SQ, 0), "ctx.wq.log_wq_sz", SIZE),
    ((Opcode::MODIFY_SQ, 0), "sqn", NUMBER),
    ((Opcode::CREATE_RQT, 0), "rqt_context.rqt_max_size", SIZE),
    ((Opcode::CREATE_RQT, 0), "rqt_context.rqt_actual_size", "Linux begins with its drop queue alone"),
    (
        (Opcode::CREATE_TIR, 0),
        "ctx.rx_hash_symmetric",
        "both ways of a flow need not meet: a gateway's ways are two SAs",
    ),
    (
        (Opcode::CREATE_TIR, 0),
        "ctx.rx_hash_toeplitz_key",
        "Linux draws one, ours is the published one, whose hashes are known",
    ),
    ((Opcode::SET_FLOW_TABLE_ROOT, 0), "table_id", NUMBER),
];

macro_rules! pairs {
    ($($opcode:ident $op_mod:literal, $linux:literal, $ours:literal: $layout:ident + $offset:literal;)*) => {
        &[$(Pair {
            opcode: Opcode::$opcode,
            op_mod: $op_mod,
            linux: $linux,
            ours: $ours,
            offset: $offset,
            fields: prm::$layout::FIELDS,
        }),*]
    };
}

/// One of each kind: which of Linux's, which of ours, and the layout that lies at an offset of the input.
pub(crate) const COMPARED: &[Pair] = pairs! {
    ENABLE_HCA 0x0, 0, 0: EnableHcaIn + 0;
    QUERY_ISSI 0x0, 0, 0: QueryIssiIn + 0;
    SET_ISSI 0x0, 0, 0: SetIssiIn + 0;
    QUERY_PAGES 0x1, 0, 0: QueryPagesIn + 0;
    QUERY_PAGES 0x2, 0, 0: QueryPagesIn + 0;
    MANAGE_PAGES 0x1, 0, 0: ManagePagesIn + 0;
    ACCESS_REG 0x0, 0, 0: AccessRegisterIn + 0;
    ACCESS_REG 0x1, 0, 0: AccessRegisterIn + 0;
    QUERY_HCA_CAP 0x0, 0, 0: QueryHcaCapIn + 0;
    QUERY_HCA_CAP 0x1, 0, 0: QueryHcaCapIn + 0;
    QUERY_HCA_CAP 0x3, 0, 0: QueryHcaCapIn + 0;
    QUERY_HCA_CAP 0xf, 0, 0: QueryHcaCapIn + 0;
    QUERY_HCA_CAP 0x19, 0, 0: QueryHcaCapIn + 0;
    QUERY_HCA_CAP 0x41, 0, 0: QueryHcaCapIn + 0;
    SET_HCA_CAP 0x0, 0, 0: CmdHcaCap + 0x10;
    INIT_HCA 0x0, 0, 0: InitHcaIn + 0;
    SET_DRIVER_VERSION 0x0, 0, 0: SetDriverVersionIn + 0;
    ALLOC_UAR 0x0, 0, 0: AllocUarIn + 0;
    CREATE_EQ 0x0, 1, 0: CreateEqIn + 0;
    ALLOC_PD 0x0, 0, 0: AllocPdIn + 0;
    ALLOC_TRANSPORT_DOMAIN 0x0, 0, 0: AllocTransportDomainIn + 0;
    CREATE_MKEY 0x0, 0, 0: CreateMkeyIn + 0;
    QUERY_NIC_VPORT_CONTEXT 0x0, 0, 0: QueryNicVportContextIn + 0;
    MODIFY_NIC_VPORT_CONTEXT 0x0, 0, 0: ModifyNicVportContextIn + 0;
    CREATE_TIS 0x0, 0, 0: CreateTisIn + 0;
    CREATE_CQ 0x0, 5, 0: CreateCqIn + 0;
    CREATE_RQ 0x0, 1, 0: CreateRqIn + 0;
    MODIFY_RQ 0x0, 1, 0: ModifyRqIn + 0;
    CREATE_SQ 0x0, 2, 0: CreateSqIn + 0;
    MODIFY_SQ 0x0, 2, 0: ModifySqIn + 0;
    CREATE_RQT 0x0, 0, 0: CreateRqtIn + 0;
    CREATE_TIR 0x0, 2, 2: CreateTirIn + 0;
    SET_FLOW_TABLE_ROOT 0x0, 0, 0: SetFlowTableRootIn + 0;
    QUERY_VPORT_STATE 0x0, 0, 0: QueryVportStateIn + 0;
};
