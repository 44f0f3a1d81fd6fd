//! Which output and which opcode belong to an input: the types of commands.

use crate::prm::*;

/// The input of a command.
pub trait Command: Layout {
    /// Its opcode, which [`Commands::exec`](super::Commands::exec) writes into dword 0.
    const OPCODE: Opcode;
    /// What the device answers.
    type Output: Layout;
}

macro_rules! commands {
    ($($input:ident => $output:ident: $opcode:ident;)*) => {
        $(impl Command for $input {
            const OPCODE: Opcode = Opcode::$opcode;
            type Output = $output;
        })*
    };
}

commands! {
    // The function.
    EnableHcaIn => EnableHcaOut: ENABLE_HCA;
    DisableHcaIn => DisableHcaOut: DISABLE_HCA;
    InitHcaIn => InitHcaOut: INIT_HCA;
    TeardownHcaIn => TeardownHcaOut: TEARDOWN_HCA;
    QueryIssiIn => QueryIssiOut: QUERY_ISSI;
    SetIssiIn => SetIssiOut: SET_ISSI;
    QueryPagesIn => QueryPagesOut: QUERY_PAGES;
    ManagePagesIn => ManagePagesOut: MANAGE_PAGES;
    QueryAdapterIn => QueryAdapterOut: QUERY_ADAPTER;
    SetDriverVersionIn => SetDriverVersionOut: SET_DRIVER_VERSION;
    QuerySpecialContextsIn => QuerySpecialContextsOut: QUERY_SPECIAL_CONTEXTS;
    QueryHcaCapIn => QueryHcaCapOut: QUERY_HCA_CAP;
    SetHcaCapIn => SetHcaCapOut: SET_HCA_CAP;
    NopIn => NopOut: NOP;
    // Domains and keys.
    AllocUarIn => AllocUarOut: ALLOC_UAR;
    DeallocUarIn => DeallocUarOut: DEALLOC_UAR;
    AllocPdIn => AllocPdOut: ALLOC_PD;
    DeallocPdIn => DeallocPdOut: DEALLOC_PD;
    AllocTransportDomainIn => AllocTransportDomainOut: ALLOC_TRANSPORT_DOMAIN;
    DeallocTransportDomainIn => DeallocTransportDomainOut: DEALLOC_TRANSPORT_DOMAIN;
    CreateMkeyIn => CreateMkeyOut: CREATE_MKEY;
    QueryMkeyIn => QueryMkeyOut: QUERY_MKEY;
    DestroyMkeyIn => DestroyMkeyOut: DESTROY_MKEY;
    // Event and completion queues.
    CreateEqIn => CreateEqOut: CREATE_EQ;
    QueryEqIn => QueryEqOut: QUERY_EQ;
    DestroyEqIn => DestroyEqOut: DESTROY_EQ;
    GenEqeIn => GenEqOut: GEN_EQE;
    ConfigIntModerationIn => ConfigIntModerationOut: CONFIG_INT_MODERATION;
    CreateCqIn => CreateCqOut: CREATE_CQ;
    ModifyCqIn => ModifyCqOut: MODIFY_CQ;
    QueryCqIn => QueryCqOut: QUERY_CQ;
    DestroyCqIn => DestroyCqOut: DESTROY_CQ;
    // Work queues and what stands before them.
    CreateSqIn => CreateSqOut: CREATE_SQ;
    ModifySqIn => ModifySqOut: MODIFY_SQ;
    QuerySqIn => QuerySqOut: QUERY_SQ;
    DestroySqIn => DestroySqOut: DESTROY_SQ;
    CreateRqIn => CreateRqOut: CREATE_RQ;
    ModifyRqIn => ModifyRqOut: MODIFY_RQ;
    QueryRqIn => QueryRqOut: QUERY_RQ;
    DestroyRqIn => DestroyRqOut: DESTROY_RQ;
    CreateRmpIn => CreateRmpOut: CREATE_RMP;
    ModifyRmpIn => ModifyRmpOut: MODIFY_RMP;
    QueryRmpIn => QueryRmpOut: QUERY_RMP;
    DestroyRmpIn => DestroyRmpOut: DESTROY_RMP;
    CreateTisIn => CreateTisOut: CREATE_TIS;
    ModifyTisIn => ModifyTisOut: MODIFY_TIS;
    QueryTisIn => QueryTisOut: QUERY_TIS;
    DestroyTisIn => DestroyTisOut: DESTROY_TIS;
    CreateTirIn => CreateTirOut: CREATE_TIR;
    ModifyTirIn => ModifyTirOut: MODIFY_TIR;
    QueryTirIn => QueryTirOut: QUERY_TIR;
    DestroyTirIn => DestroyTirOut: DESTROY_TIR;
    CreateRqtIn => CreateRqtOut: CREATE_RQT;
    ModifyRqtIn => ModifyRqtOut: MODIFY_RQT;
    QueryRqtIn => QueryRqtOut: QUERY_RQT;
    DestroyRqtIn => DestroyRqtOut: DESTROY_RQT;
    // The port and its counters.
    AccessRegisterIn => AccessRegisterOut: ACCESS_REG;
    QueryNicVportContextIn => QueryNicVportContextOut: QUERY_NIC_VPORT_CONTEXT;
    ModifyNicVportContextIn => ModifyNicVportContextOut: MODIFY_NIC_VPORT_CONTEXT;
    QueryVportStateIn => QueryVportStateOut: QUERY_VPORT_STATE;
    ModifyVportStateIn => ModifyVportStateOut: MODIFY_VPORT_STATE;
    QueryVportCounterIn => QueryVportCounterOut: QUERY_VPORT_COUNTER;
    QueryVnicEnvIn => QueryVnicEnvOut: QUERY_VNIC_ENV;
    AllocQCounterIn => AllocQCounterOut: ALLOC_Q_COUNTER;
    QueryQCounterIn => QueryQCounterOut: QUERY_Q_COUNTER;
    DeallocQCounterIn => DeallocQCounterOut: DEALLOC_Q_COUNTER;
    SetL2TableEntryIn => SetL2TableEntryOut: SET_L2_TABLE_ENTRY;
    DeleteL2TableEntryIn => DeleteL2TableEntryOut: DELETE_L2_TABLE_ENTRY;
    // Steering.
    CreateFlowTableIn => CreateFlowTableOut: CREATE_FLOW_TABLE;
    ModifyFlowTableIn => ModifyFlowTableOut: MODIFY_FLOW_TABLE;
    DestroyFlowTableIn => DestroyFlowTableOut: DESTROY_FLOW_TABLE;
    SetFlowTableRootIn => SetFlowTableRootOut: SET_FLOW_TABLE_ROOT;
    CreateFlowGroupIn => CreateFlowGroupOut: CREATE_FLOW_GROUP;
    DestroyFlowGroupIn => DestroyFlowGroupOut: DESTROY_FLOW_GROUP;
    SetFteIn => SetFteOut: SET_FLOW_TABLE_ENTRY;
    DeleteFteIn => DeleteFteOut: DELETE_FLOW_TABLE_ENTRY;
    AllocFlowCounterIn => AllocFlowCounterOut: ALLOC_FLOW_COUNTER;
    QueryFlowCounterIn => QueryFlowCounterOut: QUERY_FLOW_COUNTER;
    DeallocFlowCounterIn => DeallocFlowCounterOut: DEALLOC_FLOW_COUNTER;
    AllocModifyHeaderContextIn => AllocModifyHeaderContextOut: ALLOC_MODIFY_HEADER_CONTEXT;
    DeallocModifyHeaderContextIn => DeallocModifyHeaderContextOut: DEALLOC_MODIFY_HEADER_CONTEXT;
    AllocPacketReformatContextIn => AllocPacketReformatContextOut: ALLOC_PACKET_REFORMAT_CONTEXT;
    DeallocPacketReformatContextIn => DeallocPacketReformatContextOut: DEALLOC_PACKET_REFORMAT_CONTEXT;
    // General objects.
    CreateEncryptionKeyIn => GeneralObjOutCmdHdr: CREATE_GENERAL_OBJECT;
    CreateIpsecObjIn => GeneralObjOutCmdHdr: CREATE_GENERAL_OBJECT;
    ModifyIpsecObjIn => GeneralObjOutCmdHdr: MODIFY_GENERAL_OBJECT;
    QueryIpsecObjIn => QueryIpsecObjOut: QUERY_GENERAL_OBJECT;
    DestroyGeneralObjIn => GeneralObjOutCmdHdr: DESTROY_GENERAL_OBJECT;
}
