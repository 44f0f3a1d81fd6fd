use super::*;
use mlx5_model::snapshot::Entry;
use mlx5_pci::prm::CmdStatus;

fn seen() -> Snapshot {
    let queue =
        |kind, number, state, counter, pending| Queue { kind, number, state, size: 64, counter, pending };
    let entry = |index, does: &str, hits| Entry { index, does: does.into(), hits };
    let sa = Association {
        object: 1,
        spi: Some(0x1001),
        mode: "receive",
        esn: true,
        sequence: 750,
        window: 64,
        seen: 62,
        left: Some(188),
        removed: false,
    };
    Snapshot {
        stage: "initialized",
        driver: "Linux,mlx5_core,6.12.94".into(),
        link: true,
        pages: 6412,
        commands: vec![
            Commands { opcode: Opcode::QUERY_HCA_CAP.0, given: 24, refused: vec![] },
            Commands {
                opcode: Opcode::ALLOC_PD.0,
                given: 3,
                refused: vec![(CmdStatus::BAD_RES, 1), (CmdStatus::LIM_ERR, 2)],
            },
            Commands { opcode: 0xfff, given: 1, refused: vec![] },
        ],
        refusals: 1,
        objects: vec![(Kind::Uar, 3), (Kind::Eq, 1), (Kind::EncryptionKey, 2)],
        queues: vec![
            queue(Kind::Eq, 1, "armed", 12, Some(0)),
            queue(Kind::Cq, 0x401, "ready", 70, Some(3)),
            queue(Kind::Cq, 0x402, "ready", 0, Some(0)),
            queue(Kind::Sq, 2, "error", 0, None),
        ],
        tables: vec![
            Table {
                number: 5,
                kind: "NicRx".into(),
                level: 1,
                root: true,
                groups: 2,
                entries: vec![entry(3, "decrypt 0x1, table 0x6", 812), entry(7, "drop", 0)],
            },
            Table { number: 6, kind: "NicTx".into(), level: 2, root: false, groups: 0, entries: vec![] },
        ],
        associations: vec![
            sa.clone(),
            Association {
                object: 2,
                spi: None,
                mode: "send",
                esn: false,
                window: 0,
                left: None,
                removed: true,
                ..sa
            },
        ],
        counters: vec![("wire_rx_frames", 812), ("wire_rx_discards", 0)],
    }
}

#[test]
fn a_page_has_everything() {
    let text = page("A", &seen(), Style { columns: 100, idle: true });
    let lines = [
        "A  initialized  link up  Linux,mlx5_core,6.12.94  6412 pages  1 refusal",
        "  SA        0x1 SPI 0x00001001 receive ESN, window of 64 from 750, 62 of it seen, 188 packets left",
        "  SA        0x2 no SPI send, next 750, hard lifetime over",
        "  EQ        0x1 armed 12/64",
        "  CQ        0x401 ready 70/64 +3  0x402 ready 0/64",
        "  SQ        0x2 error 0/64",
        "  counters  wire_rx_frames 812  wire_rx_discards 0",
        "  table     0x5 NicRx level 1, root, 2 groups",
        "               3: decrypt 0x1, table 0x6                                   812 hits",
        "               7: drop                                                     0 hits",
        "  table     0x6 NicTx level 2, 0 groups",
        "  commands  QUERY_HCA_CAP 24  ALLOC_PD 3 (1 BAD_RES, 2 LIM_ERR)  unknown(0xfff) 1",
        "  objects   UAR 3  DEK 2",
    ];
    assert_eq!(text.lines().collect::<Vec<_>>(), lines);
}

#[test]
fn what_stands_still_is_left_out_when_not_asked_for() {
    let text = page("A", &seen(), Style { columns: 100, idle: false });
    let lines: Vec<&str> = text.lines().skip(3).take(7).collect();
    let expected = [
        "  EQ        0x1 armed 12/64",
        "  CQ        0x401 ready 70/64 +3",
        "  SQ        0x2 error 0/64",
        "  counters  wire_rx_frames 812",
        "  table     0x5 NicRx level 1, root, 2 groups, 1 entry without hits",
        "               3: decrypt 0x1, table 0x6                                   812 hits",
        "  tables    1 without hits",
    ];
    assert_eq!(lines, expected);
}

#[test]
fn lines_are_folded_between_items() {
    let text = page("A", &seen(), Style { columns: 48, idle: true });
    let commands: Vec<&str> =
        text.lines().skip_while(|line| !line.starts_with("  commands")).take(3).collect();
    let folded = [
        "  commands  QUERY_HCA_CAP 24",
        "            ALLOC_PD 3 (1 BAD_RES, 2 LIM_ERR)",
        "            unknown(0xfff) 1",
    ];
    assert_eq!(commands, folded);
}

#[test]
fn a_device_that_nobody_drives_is_a_heading() {
    let fresh = Snapshot { stage: "reset", ..Snapshot::default() };
    let text = page("B", &fresh, Style { columns: 80, idle: false });
    assert_eq!(text, "B  reset  link down  no driver  0 pages  0 refusals\n");
}
