//! What commands of EQs, CQs and SQs refuse, and with which status; `refusals_receive` has the others.

use super::rig::{Rig, pages};
use crate::Check;
use mlx5_pci::prm::*;

/// Rig, EQ, CQ, TIS.
pub(super) fn setup() -> (Rig, u32, u32, u32) {
    let mut rig = Rig::new();
    let eq = rig.eq(4, 0).number;
    let cq = rig.cq(eq, 4).number;
    let tis = rig.tis();
    (rig, eq, cq, tis)
}

pub(super) fn refused(rig: &mut Rig, input: &[u8], status: CmdStatus, check: Check, what: &str) {
    let answer = rig.host.exec(input, 16);
    assert_eq!((answer.status, answer.check()), (status, check as u16), "{what}");
}

/// What is wrong, what makes it so, status and check.
pub(super) type Case<'case, T> = (&'case str, &'case dyn Fn(&mut T), CmdStatus, Check);

pub(super) const PARAM: CmdStatus = CmdStatus::BAD_PARAM;
pub(super) const RES: CmdStatus = CmdStatus::BAD_RES;

#[test]
fn eqs() {
    let (mut rig, ..) = setup();
    let buffer = rig.host.memory.alloc(8192);
    let list = pages(buffer, 1024);
    let good = rig.eqc(4);
    let change = |change: &dyn Fn(&mut Eqc)| {
        let mut context = good.clone();
        change(&mut context);
        context
    };
    let cases: [(&str, Eqc, Vec<u8>, CmdStatus, Check); 8] = [
        ("no pages", good.clone(), vec![], CmdStatus::BAD_INP_LEN, Check::InputLength),
        ("too many pages", good.clone(), pages(buffer, 8192), CmdStatus::BAD_INP_LEN, Check::InputLength),
        ("unaligned", good.clone(), pages(buffer + 64, 1024), PARAM, Check::Alignment),
        ("unmapped", good.clone(), pages(0x1000, 1024), PARAM, Check::Unmapped),
        (
            "size",
            change(&|c| {
                c.set().log_eq_size(31);
            }),
            list.clone(),
            CmdStatus::LIM_ERR,
            Check::Limit,
        ),
        (
            "vector",
            change(&|c| {
                c.set().intr(0xfff);
            }),
            list.clone(),
            PARAM,
            Check::Limit,
        ),
        (
            "uar",
            change(&|c| {
                c.set().uar_page(0xffff);
            }),
            list.clone(),
            RES,
            Check::NoObject,
        ),
        (
            "state",
            change(&|c| {
                c.set().st(9);
            }),
            list.clone(),
            PARAM,
            Check::Value,
        ),
    ];
    for (what, context, list, status, check) in cases {
        let input = rig.create_eq_input(&context, 0, &list);
        refused(&mut rig, &input, status, check, what);
    }
}

#[test]
fn cqs() {
    let (mut rig, eq, ..) = setup();
    let buffer = rig.host.memory.alloc(8192);
    let record = rig.host.memory.alloc(64);
    let list = pages(buffer, 1024);
    let good = rig.cqc(eq, 4, record);
    let cases: [Case<Cqc>; 9] = [
        (
            "eq",
            &|c| {
                c.set().c_eqn_or_apu_element(77);
            },
            RES,
            Check::NoObject,
        ),
        (
            "uar",
            &|c| {
                c.set().uar_page(0xffff);
            },
            RES,
            Check::NoObject,
        ),
        (
            "size",
            &|c| {
                c.set().log_cq_size(31);
            },
            CmdStatus::LIM_ERR,
            Check::Limit,
        ),
        (
            "entry",
            &|c| {
                c.set().cqe_sz(3);
            },
            PARAM,
            Check::Value,
        ),
        (
            "mode",
            &|c| {
                c.set().cq_period_mode(2);
            },
            PARAM,
            Check::Value,
        ),
        (
            "format",
            &|c| {
                c.set().cqe_comp_en(true).mini_cqe_res_format(2);
            },
            PARAM,
            Check::Value,
        ),
        (
            "record",
            &|c| {
                c.set().dbr_addr(record + 4);
            },
            PARAM,
            Check::Alignment,
        ),
        (
            "record",
            &|c| {
                c.set().dbr_addr(0x1000);
            },
            PARAM,
            Check::Unmapped,
        ),
        (
            "apu",
            &|c| {
                c.set().apu_cq(true);
            },
            PARAM,
            Check::Capability,
        ),
    ];
    for (what, change, status, check) in cases {
        let mut context = good.clone();
        change(&mut context);
        let input = rig.create_cq_input(&context, &list);
        refused(&mut rig, &input, status, check, what);
    }
}

#[test]
fn sqs() {
    let (mut rig, _, cq, tis) = setup();
    let buffer = rig.host.memory.alloc(4096);
    let record = rig.host.memory.alloc(64);
    let wq = rig.wq(4, 6, record);
    let good = Sqc::build().cqn(cq).tis_lst_sz(1).tis_num_0(tis).wq(&wq).done();
    let of_wq = |change: &dyn Fn(&mut Wq)| {
        let mut wq = wq.clone();
        change(&mut wq);
        let mut context = good.clone();
        context.set().wq(&wq);
        context
    };
    let of_sq = |change: &dyn Fn(&mut Sqc)| {
        let mut context = good.clone();
        change(&mut context);
        context
    };
    let cases = [
        (
            "cq",
            of_sq(&|c| {
                c.set().cqn(1);
            }),
            RES,
            Check::NoObject,
        ),
        (
            "tis",
            of_sq(&|c| {
                c.set().tis_num_0(0xfff);
            }),
            RES,
            Check::NoObject,
        ),
        (
            "two tis",
            of_sq(&|c| {
                c.set().tis_lst_sz(2);
            }),
            PARAM,
            Check::Value,
        ),
        (
            "state",
            of_sq(&|c| {
                c.set().state(1);
            }),
            PARAM,
            Check::Value,
        ),
        (
            "inline",
            of_sq(&|c| {
                c.set().min_wqe_inline_mode(4);
            }),
            PARAM,
            Check::Value,
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
            "uar",
            of_wq(&|w| {
                w.set().uar_page(0xfff);
            }),
            RES,
            Check::NoObject,
        ),
        (
            "stride",
            of_wq(&|w| {
                w.set().log_wq_stride(7);
            }),
            PARAM,
            Check::Value,
        ),
        (
            "type",
            of_wq(&|w| {
                w.set().wq_type(0);
            }),
            PARAM,
            Check::Value,
        ),
        (
            "size",
            of_wq(&|w| {
                w.set().log_wq_sz(31);
            }),
            CmdStatus::LIM_ERR,
            Check::Limit,
        ),
        (
            "signature",
            of_wq(&|w| {
                w.set().wq_signature(true);
            }),
            PARAM,
            Check::Capability,
        ),
    ];
    for (what, context, status, check) in cases {
        let input = rig.create_sq_input(&context, &pages(buffer, 1024));
        refused(&mut rig, &input, status, check, what);
    }
}
