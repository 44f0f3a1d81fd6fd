//! What tables, roots and groups are refused for, and with which status.

use super::bench::*;
use crate::Check;
use mlx5_pci::prm::{
    CmdStatus, CreateFlowGroupIn, CreateFlowTableIn, FlowTableContext, FteMatchParam, ModifyFlowTableIn,
    Opcode, QueryFlowGroupIn, QueryFlowGroupOut, QueryFlowTableIn, QueryFlowTableOut, SetFlowTableRootIn,
};

const NONE: (u32, u32) = (0, 0);

/// A changed command and why it has to be refused.
type Case<In> = (fn(&mut In), Check, &'static str);

fn any() -> FteMatchParam {
    FteMatchParam::default()
}

/// A changed CREATE_FLOW_TABLE of NIC_RX, level 1, and why it has to be refused.
type TableCase = (fn(&mut CreateFlowTableIn, &mut FlowTableContext), CmdStatus, Check, &'static str);

#[test]
fn tables_that_cannot_be() {
    use Check::*;
    let bad = CmdStatus::BAD_PARAM;
    let cases: &[TableCase] = &[
        (|t, _| void(t.set().other_vport(true)), bad, Capability, "other_vport"),
        (|t, _| void(t.set().vport_number(1)), bad, Value, "vport_number"),
        // FDB, an ACL, RDMA and a number that is no type.
        (|t, _| void(t.set().table_type(4)), bad, Capability, "table_type"),
        (|t, _| void(t.set().table_type(2)), bad, Capability, "table_type"),
        (|t, _| void(t.set().table_type(7)), bad, Capability, "table_type"),
        (|t, _| void(t.set().table_type(0x60)), bad, Capability, "table_type"),
        (|_, c| void(c.set().sw_owner(true)), bad, Capability, "sw_owner"),
        (|_, c| void(c.set().rtc_valid(true)), bad, Capability, "rtc_valid"),
        (|_, c| void(c.set().termination_table(true)), bad, Capability, "termination_table"),
        (|_, c| void(c.set().level(129)), bad, Limit, "level"),
        (|_, c| void(c.set().log_size(23)), bad, Limit, "log_size"),
        (|_, c| void(c.set().lag_master_next_table_id(1)), bad, Conflict, "lag_master_next_table_id"),
        (|_, c| void(c.set().sw_owner_icm_root_0(1)), bad, Conflict, "sw_owner_icm_root_1"),
        (|_, c| void(c.set().table_miss_action(3)), bad, Value, "table_miss_action"),
        (|_, c| void(c.set().table_miss_id(1)), bad, Conflict, "table_miss_id"),
        (
            |_, c| void(c.set().table_miss_action(1).table_miss_id(99)),
            CmdStatus::BAD_RES,
            NoObject,
            "table_miss_id",
        ),
    ];
    let mut bench = Bench::new();
    for (number, (change, status, check, field)) in cases.iter().enumerate() {
        let mut command = create_table(NIC_RX, 1, 0);
        let mut context = command.flow_table_context();
        change(&mut command, &mut context);
        command.set().flow_table_context(&context);
        assert_eq!(refusal(bench.run(command.as_bytes())), (*status, *check, *field), "case {number}");
    }
    assert_eq!(bench.device.steering.tables.len(), 0);
}

/// Statement form of a setter chain.
fn void<L, T>(_: mlx5_pci::prm::Build<L, T>) {}

#[test]
fn capabilities_decide() {
    let table = |path: &str, context: FlowTableContext| {
        let mut profile = profile();
        profile.set(&format!("flow_table.nic_receive.{path}"), 0).unwrap();
        let mut bench = Bench::with(profile);
        let next = bench.table(NIC_RX, 2, 0);
        let mut context = context;
        if context.table_miss_action() == 1 {
            context.set().table_miss_id(next);
        }
        refusal(bench.run(table_with(NIC_RX, context).as_bytes()))
    };
    let refused = |field| (CmdStatus::BAD_PARAM, Check::Capability, field);
    let context = FlowTableContext::build;
    assert_eq!(table("reformat", context().reformat_en(true).done()), refused("reformat_en"));
    assert_eq!(table("decap", context().decap_en(true).done()), refused("decap_en"));
    let miss = context().table_miss_action(1).done();
    assert_eq!(table("identified_miss_table_mode", miss), refused("table_miss_action"));
    let domain = context().table_miss_action(2).done();
    assert_eq!(table("table_miss_action_domain", domain), refused("table_miss_action"));
    // Without the capability to ignore levels a miss has to go up.
    let level = context().table_miss_action(1).level(2).done();
    assert_eq!(table("ignore_flow_level", level), (CmdStatus::BAD_PARAM, Check::Limit, "level"));
}

#[test]
fn a_miss_goes_to_a_table_of_the_same_type() {
    let mut bench = Bench::new();
    let next = bench.table(NIC_TX, 2, 0);
    let context = FlowTableContext::build().table_miss_action(1).table_miss_id(next).done();
    let refused = refusal(bench.run(table_with(NIC_RX, context).as_bytes()));
    assert_eq!(refused, (CmdStatus::BAD_RES, Check::Mismatch, "table_miss_id"));
}

#[test]
fn a_table_in_use_stays() {
    let mut bench = Bench::new();
    let in_use = (CmdStatus::BAD_RES_STATE, Check::InUse, "table_id");
    let (first, last) = (bench.table(NIC_RX, 0, 1), bench.table(NIC_RX, 1, 1));
    bench.root(NIC_RX, first);
    bench.run(modify_table(NIC_RX, first, Some(last)).as_bytes()).unwrap();
    assert_eq!(refusal(bench.run(destroy_table(NIC_RX, last).as_bytes())), in_use, "a table misses to it");
    bench.run(modify_table(NIC_RX, first, None).as_bytes()).unwrap();
    let group = bench.group(NIC_RX, first, NONE, &any());
    assert_eq!(refusal(bench.run(destroy_table(NIC_RX, first).as_bytes())), in_use, "it has a group");
    entry(NIC_RX, first, group, 0).forward(last).set(&mut bench).unwrap();
    assert_eq!(refusal(bench.run(destroy_table(NIC_RX, last).as_bytes())), in_use, "an entry forwards to it");
    let group_in_use = (CmdStatus::BAD_RES_STATE, Check::InUse, "group_id");
    assert_eq!(refusal(bench.run(destroy_group(NIC_RX, first, group).as_bytes())), group_in_use);
    bench.run(delete_entry(NIC_RX, first, 0).as_bytes()).unwrap();
    bench.run(destroy_table(NIC_RX, last).as_bytes()).unwrap();
    bench.run(destroy_group(NIC_RX, first, group).as_bytes()).unwrap();
    // The root goes without having been reset, as Linux does it.
    bench.run(destroy_table(NIC_RX, first).as_bytes()).unwrap();
    assert!(bench.device.steering.root(super::super::table_type::TableType::NicRx).is_none());
}

#[test]
fn names_that_mean_nothing() {
    let mut bench = Bench::new();
    let table = bench.table(NIC_RX, 0, 0);
    let no_table = (CmdStatus::BAD_RES, Check::NoObject, "table_id");
    let mismatch = (CmdStatus::BAD_RES, Check::Mismatch, "table_type");
    assert_eq!(refusal(bench.run(destroy_table(NIC_RX, table + 1).as_bytes())), no_table);
    assert_eq!(refusal(bench.run(destroy_table(NIC_TX, table).as_bytes())), mismatch);
    assert_eq!(refusal(bench.run(set_root(NIC_RX, table + 1).as_bytes())), no_table);
    assert_eq!(refusal(bench.run(set_root(NIC_TX, table).as_bytes())), mismatch);
    assert_eq!(refusal(bench.run(modify_table(NIC_TX, table, None).as_bytes())), mismatch);
    assert_eq!(refusal(bench.run(create_group(NIC_TX, table, NONE, &any()).as_bytes())), mismatch);
    let no_group = (CmdStatus::BAD_RES, Check::NoObject, "group_id");
    assert_eq!(refusal(bench.run(destroy_group(NIC_RX, table, 5).as_bytes())), no_group);
    assert_eq!(refusal(entry(NIC_RX, table, 5, 0).action(2).set(&mut bench)), no_group);
    let no_entry = (CmdStatus::BAD_RES, Check::NoObject, "flow_index");
    assert_eq!(refusal(bench.run(delete_entry(NIC_RX, table, 0).as_bytes())), no_entry);
    let outside = (CmdStatus::BAD_INDEX, Check::Limit, "flow_index");
    assert_eq!(refusal(bench.run(delete_entry(NIC_RX, table, 1).as_bytes())), outside);
}

#[test]
fn roots_are_of_this_function() {
    let mut bench = Bench::new();
    let table = bench.table(NIC_RX, 0, 0);
    let cases: [Case<SetFlowTableRootIn>; 6] = [
        (|r| void(r.set().other_vport(true)), Check::Capability, "other_vport"),
        (|r| void(r.set().table_of_other_vport(true)), Check::Capability, "table_of_other_vport"),
        (|r| void(r.set().table_vport_number(1)), Check::Capability, "table_of_other_vport"),
        (|r| void(r.set().underlay_qpn(1)), Check::Capability, "underlay_qpn"),
        (
            |r| void(r.set().table_eswitch_owner_vhca_id_valid(true)),
            Check::Capability,
            "table_eswitch_owner_vhca_id_valid",
        ),
        (|r| void(r.set().op_mod(1)), Check::Conflict, "table_id"),
    ];
    for (change, check, field) in cases {
        let mut command = set_root(NIC_RX, table);
        change(&mut command);
        assert_eq!(refusal(bench.run(command.as_bytes())), (CmdStatus::BAD_PARAM, check, field));
    }
    let mut without = profile();
    without.set("flow_table.nic_receive.modify_root", 0).unwrap();
    let mut bench = Bench::with(without);
    let table = bench.table(NIC_RX, 0, 0);
    let refused = (CmdStatus::BAD_PARAM, Check::Capability, "opcode");
    assert_eq!(refusal(bench.run(set_root(NIC_RX, table).as_bytes())), refused);
}

/// Before a root is set, and after it was reset, the table of level 0 is the root.
#[test]
fn the_root_by_default_is_the_table_of_level_0() {
    use super::super::table_type::TableType::NicRx;
    let mut bench = Bench::new();
    let (high, low) = (bench.table(NIC_RX, 3, 0), bench.table(NIC_RX, 0, 0));
    assert_eq!(bench.device.steering.root(NicRx), Some(low));
    bench.root(NIC_RX, high);
    assert_eq!(bench.device.steering.root(NicRx), Some(high));
    let mut reset = set_root(NIC_RX, 0);
    reset.set().op_mod(1);
    bench.run(reset.as_bytes()).unwrap();
    assert_eq!(bench.device.steering.root(NicRx), Some(low));
}

#[test]
fn only_the_miss_of_a_table_changes() {
    let mut bench = Bench::new();
    let table = bench.table(NIC_RX, 0, 0);
    let next = bench.table(NIC_RX, 1, 0);
    let cases: [Case<ModifyFlowTableIn>; 3] = [
        (|m| void(m.set().modify_field_select(0)), Check::Value, "modify_field_select"),
        (|m| void(m.set().modify_field_select(1 << 15)), Check::Value, "modify_field_select"),
        (
            |m| {
                let mut context = m.flow_table_context();
                context.set().level(1);
                m.set().flow_table_context(&context);
            },
            Check::Unmasked,
            "flow_table_context",
        ),
    ];
    for (change, check, field) in cases {
        let mut command = modify_table(NIC_RX, table, Some(next));
        change(&mut command);
        assert_eq!(refusal(bench.run(command.as_bytes())), (CmdStatus::BAD_PARAM, check, field));
    }
    let itself = refusal(bench.run(modify_table(NIC_RX, table, Some(table)).as_bytes()));
    assert_eq!(itself, (CmdStatus::BAD_PARAM, Check::Conflict, "table_miss_id"));
    bench.run(modify_table(NIC_RX, table, Some(next)).as_bytes()).unwrap();
    let query = QueryFlowTableIn::build()
        .opcode(Opcode::QUERY_FLOW_TABLE.0)
        .table_type(NIC_RX)
        .table_id(table)
        .done();
    let answer = QueryFlowTableOut::copy_from(&bench.ask(query.as_bytes(), 0).unwrap()).flow_table_context();
    assert_eq!((answer.table_miss_action(), answer.table_miss_id(), answer.level()), (1, next, 0));
}

/// A changed CREATE_FLOW_GROUP for indices 2 and 3 of a table of 8, where 4 and 5 are taken.
type GroupCase = (fn(&mut CreateFlowGroupIn), CmdStatus, Check, &'static str);

#[test]
fn groups_that_cannot_be() {
    use Check::*;
    let (bad, index) = (CmdStatus::BAD_PARAM, CmdStatus::BAD_INDEX);
    let cases: &[GroupCase] = &[
        (|g| void(g.set().start_flow_index(4)), bad, Value, "start_flow_index"),
        (|g| void(g.set().end_flow_index(8)), index, Limit, "end_flow_index"),
        (|g| void(g.set().end_flow_index(u32::MAX)), index, Limit, "end_flow_index"),
        (|g| void(g.set().end_flow_index(4)), bad, Conflict, "start_flow_index"),
        (|g| void(g.set().start_flow_index(5).end_flow_index(6)), bad, Conflict, "start_flow_index"),
        (|g| void(g.set().end_flow_index(7)), bad, Conflict, "start_flow_index"),
        (|g| void(g.set().group_type(1)), bad, Capability, "group_type"),
        (|g| void(g.set().match_definer_id(1)), bad, Capability, "match_definer_id"),
        (|g| void(g.set().match_criteria_enable(0x80)), bad, Reserved, "match_criteria_enable"),
    ];
    let mut bench = Bench::new();
    let table = bench.table(NIC_RX, 0, 3);
    bench.group(NIC_RX, table, (4, 5), &any());
    for (number, (change, status, check, field)) in cases.iter().enumerate() {
        let mut command = create_group(NIC_RX, table, (2, 3), &any());
        change(&mut command);
        assert_eq!(refusal(bench.run(command.as_bytes())), (*status, *check, *field), "case {number}");
    }
}

#[test]
fn criteria_stay_in_their_sections_and_in_what_the_type_offers() {
    let mut bench = Bench::new();
    let table = bench.table(NIC_RX, 0, 3);
    let mut group = |criteria: FteMatchParam, enable: Option<u8>| {
        let mut command = create_group(NIC_RX, table, (0, 0), &criteria);
        if let Some(enable) = enable {
            command.set().match_criteria_enable(enable);
        }
        let (status, check, field) = refusal(bench.run(command.as_bytes()));
        assert_eq!(status, CmdStatus::BAD_PARAM);
        (check, field)
    };
    let ethertype = param!(outer_headers: FteMatchSetLyr24 { ethertype: 0xffff });
    assert_eq!(group(ethertype.clone(), Some(2)), (Check::Conflict, "ethertype"));
    let inner = param!(inner_headers: FteMatchSetLyr24 { ip_version: 0xf });
    assert_eq!(group(inner, None), (Check::Capability, "ip_version"));
    // What only senders have.
    let register = param!(misc_parameters_2: FteMatchSetMisc2 { metadata_reg_a: 1 });
    assert_eq!(group(register, None), (Check::Capability, "metadata_reg_a"));
    let queue = param!(misc_parameters: FteMatchSetMisc { source_sqn: 1 });
    assert_eq!(group(queue, None), (Check::Capability, "source_sqn"));
    let sample = param!(misc_parameters_4: FteMatchSetMisc4 { prog_sample_field_id_0: 1 });
    assert_eq!(group(sample, None), (Check::Capability, "prog_sample_field_id_0"));
    // Reserved bits between the fields.
    let mut bytes = create_group(NIC_RX, table, (0, 0), &any()).as_bytes().to_vec();
    bytes[0x40 + 0x19] = 1;
    assert_eq!(refusal(bench.run(&bytes)), (CmdStatus::BAD_PARAM, Check::Reserved, "reserved"));
}

#[test]
fn a_field_can_be_offered_as_a_whole_only() {
    let mut whole = profile();
    whole.set("flow_table.nic_receive.ft_field_bitmask_support.outer_dmac", 0).unwrap();
    let mut bench = Bench::with(whole);
    let table = bench.table(NIC_RX, 0, 3);
    let multicast = param!(outer_headers: FteMatchSetLyr24 { dmac_47_16: 0x0100_0000 });
    let refused = refusal(bench.run(create_group(NIC_RX, table, (0, 0), &multicast).as_bytes()));
    assert_eq!(refused, (CmdStatus::BAD_PARAM, Check::Capability, "dmac_47_16"));
    let all = param!(outer_headers: FteMatchSetLyr24 { dmac_47_16: u32::MAX, dmac_15_0: 0xffff });
    bench.group(NIC_RX, table, (0, 0), &all);
}

#[test]
fn the_syndrome_is_there_with_decryption() {
    let syndrome = param!(misc_parameters_2: FteMatchSetMisc2 { ipsec_syndrome: 0xff });
    let mut bench = Bench::new();
    let table = bench.table(NIC_RX, 0, 0);
    bench.group(NIC_RX, table, (0, 0), &syndrome);
    let mut plain = profile();
    plain.set("flow_table.nic_receive.ipsec_decrypt", 0).unwrap();
    let mut bench = Bench::with(plain);
    let table = bench.table(NIC_RX, 0, 0);
    let refused = refusal(bench.run(create_group(NIC_RX, table, (0, 0), &syndrome).as_bytes()));
    assert_eq!(refused, (CmdStatus::BAD_PARAM, Check::Capability, "ipsec_syndrome"));
}

#[test]
fn a_group_is_reported_as_it_was_made() {
    let mut bench = Bench::new();
    let table = bench.table(NIC_RX, 0, 3);
    let criteria = param!(
        outer_headers: FteMatchSetLyr24 { ip_version: 0xf, frag: true },
        misc_parameters: FteMatchSetMisc { outer_esp_spi: u32::MAX },
    );
    let group = bench.group(NIC_RX, table, (2, 5), &criteria);
    let query =
        QueryFlowGroupIn::build().opcode(Opcode::QUERY_FLOW_GROUP.0).table_type(NIC_RX).table_id(table);
    let query = query.group_id(group).done();
    let answer = QueryFlowGroupOut::copy_from(&bench.ask(query.as_bytes(), 0).unwrap());
    assert_eq!(
        (answer.start_flow_index(), answer.end_flow_index(), answer.match_criteria_enable()),
        (2, 5, 3)
    );
    assert_eq!(answer.match_criteria(), criteria);
}

#[test]
fn there_are_only_so_many_tables() {
    let mut few = profile();
    few.set("flow_table.nic_receive.log_max_ft_num", 1).unwrap();
    let mut bench = Bench::with(few);
    bench.table(NIC_RX, 0, 0);
    bench.table(NIC_RX, 0, 0);
    bench.table(NIC_TX, 0, 0);
    let full = refusal(bench.run(create_table(NIC_RX, 0, 0).as_bytes()));
    assert_eq!(full, (CmdStatus::LIM_ERR, Check::Full, "opcode"));
}
