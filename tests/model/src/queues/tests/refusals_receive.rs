//! What commands of RQs, TIRs, RQTs and TISs refuse, and with which status.

use super::refusals::{Case, PARAM, RES, refused, setup};
use super::rig::pages;
use crate::Check;
use mlx5_pci::prm::*;

#[test]
fn rqs() {
    let (mut rig, _, cq, _) = setup();
    let buffer = rig.host.memory.alloc(4096);
    let record = rig.host.memory.alloc(64);
    let wq = rig.wq(4, 6, record);
    let good = rig.rqc(cq, &wq);
    let of_wq = |change: &dyn Fn(&mut Wq)| {
        let mut wq = wq.clone();
        change(&mut wq);
        let mut context = good.clone();
        context.set().wq(&wq);
        context
    };
    let of_rq = |change: &dyn Fn(&mut Rqc)| {
        let mut context = good.clone();
        change(&mut context);
        context
    };
    let cases = [
        (
            "cq",
            of_rq(&|c| {
                c.set().cqn(1);
            }),
            RES,
            Check::NoObject,
        ),
        (
            "counter",
            of_rq(&|c| {
                c.set().counter_set_id(9);
            }),
            RES,
            Check::NoObject,
        ),
        (
            "rmp",
            of_rq(&|c| {
                c.set().mem_rq_type(1).rmpn(9);
            }),
            RES,
            Check::NoObject,
        ),
        (
            "memory",
            of_rq(&|c| {
                c.set().mem_rq_type(2);
            }),
            PARAM,
            Check::Value,
        ),
        (
            "delay drop",
            of_rq(&|c| {
                c.set().delay_drop_en(true);
            }),
            PARAM,
            Check::Capability,
        ),
        (
            "pd",
            of_wq(&|w| {
                w.set().pd(0xfff);
            }),
            RES,
            Check::NoObject,
        ),
        (
            "stride",
            of_wq(&|w| {
                w.set().log_wq_stride(3);
            }),
            PARAM,
            Check::Limit,
        ),
        (
            "linked stride",
            of_wq(&|w| {
                w.set().wq_type(0).log_wq_stride(4);
            }),
            PARAM,
            Check::Limit,
        ),
        (
            "type",
            of_wq(&|w| {
                w.set().wq_type(4);
            }),
            PARAM,
            Check::Value,
        ),
        (
            "strides",
            of_wq(&|w| {
                w.set().wq_type(2).log_wqe_num_of_strides(9);
            }),
            PARAM,
            Check::Limit,
        ),
    ];
    for (what, context, status, check) in cases {
        let input = rig.create_rq_input(&context, &pages(buffer, 1024));
        refused(&mut rig, &input, status, check, what);
    }
}

#[test]
fn tirs_and_tables() {
    let (mut rig, _, cq, _) = setup();
    let rq = rig.rq(cq, 3, 4, |_| ()).number;
    let good = Tirc::build().inline_rqn(rq).transport_domain(rig.domain).done();
    let select = RxHashFieldSelect::build().selected_fields(3).done();
    let cases: [Case<Tirc>; 6] = [
        (
            "rq",
            &|c| {
                c.set().inline_rqn(9);
            },
            RES,
            Check::NoObject,
        ),
        (
            "rqt",
            &|c| {
                c.set().disp_type(1).indirect_table(9);
            },
            RES,
            Check::NoObject,
        ),
        (
            "domain",
            &|c| {
                c.set().transport_domain(0xfff);
            },
            RES,
            Check::NoObject,
        ),
        (
            "kind",
            &|c| {
                c.set().disp_type(2);
            },
            PARAM,
            Check::Value,
        ),
        (
            "function",
            &|c| {
                c.set().rx_hash_fn(3);
            },
            PARAM,
            Check::Value,
        ),
        (
            "both",
            &|c| {
                c.set().rx_hash_field_selector_outer(&select).rx_hash_field_selector_inner(&select);
            },
            PARAM,
            Check::Conflict,
        ),
    ];
    for (what, change, status, check) in cases {
        let mut context = good.clone();
        change(&mut context);
        let input = rig.create_tir_input(&context);
        refused(&mut rig, &input, status, check, what);
    }
    for (max, actual, rqs, status, check) in [
        (4, 3, vec![rq; 3], PARAM, Check::Value),
        (4, 8, vec![rq; 8], PARAM, Check::Value),
        (4, 4, vec![rq; 3], CmdStatus::BAD_INP_LEN, Check::InputLength),
        (4, 2, vec![rq, 9], RES, Check::NoObject),
        (4, 1, vec![rq | 1 << 24], PARAM, Check::Reserved),
        (0, 1, vec![rq], CmdStatus::LIM_ERR, Check::Limit),
    ] {
        let context = Rqtc::build().rqt_max_size(max).rqt_actual_size(actual).done();
        let input = CreateRqtIn::build().opcode(Opcode::CREATE_RQT.0).rqt_context(&context).done();
        let mut input = input.as_bytes().to_vec();
        input.extend(rqs.iter().flat_map(|rq| rq.to_be_bytes()));
        refused(&mut rig, &input, status, check, "table");
    }
}

#[test]
fn tis_of_an_unknown_domain() {
    let (mut rig, _, cq, tis) = setup();
    let context = Tisc::build().transport_domain(0xfff).done();
    let input = CreateTisIn::build().opcode(Opcode::CREATE_TIS.0).ctx(&context).done();
    refused(&mut rig, input.as_bytes(), RES, Check::NoObject, "domain");
    rig.sq(cq, 3, |context| {
        context.set().tis_num_0(tis);
    });
    assert_eq!(rig.try_short(Opcode::DESTROY_TIS, tis).status, CmdStatus::BAD_RES_STATE);
}

#[test]
fn states_that_are_not_the_current_one() {
    let (mut rig, _, cq, _) = setup();
    let rq = rig.rq(cq, 3, 4, |_| ()).number;
    for (from, to, status) in [
        (0, 1, CmdStatus::BAD_RES_STATE),
        (1, 2, PARAM),
        (1, 1, CmdStatus::OK),
        (1, 3, CmdStatus::OK),
        (3, 1, CmdStatus::BAD_RES_STATE),
        (3, 0, CmdStatus::OK),
        (0, 1, CmdStatus::OK),
    ] {
        assert_eq!(rig.modify_rq(rq, from, to).status, status, "{from} to {to}");
    }
}

#[test]
fn a_tis_keeps_what_is_not_modified() {
    let (mut rig, _, _, tis) = setup();
    let mask = ModifyTisBitmask::build().prio(true).done();
    let context = Tisc::build().prio(6).lag_tx_port_affinity(1).done();
    let input =
        ModifyTisIn::build().opcode(Opcode::MODIFY_TIS.0).tisn(tis).bitmask(&mask).ctx(&context).done();
    rig.host.expect(input.as_bytes(), 16);
    let input = QueryTisIn::build().opcode(Opcode::QUERY_TIS.0).tisn(tis).done();
    let output = rig.host.expect(input.as_bytes(), QueryTisOut::SIZE).output;
    let found = QueryTisOut::copy_from(&output).tis_context();
    assert_eq!((found.prio(), found.lag_tx_port_affinity(), found.transport_domain()), (6, 0, rig.domain));
}
