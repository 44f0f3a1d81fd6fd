//! Spread, goals, and the two forms of a report.

use super::*;

fn report(rows: Vec<Row>) -> Report {
    let host = Host { platform: "QEMU emulator version 7.2".to_owned(), processors: 2, busy_percent: 3.0 };
    Report { bench: "boot".to_owned(), quick: false, host, rows }
}

#[test]
fn the_median_is_the_middle() {
    let spread = Spread::of(&[5.0, 1.0, 3.0]).expect("samples");
    assert_eq!((spread.n, spread.min, spread.median, spread.max), (3, 1.0, 3.0, 5.0));
    assert_eq!(Spread::of(&[4.0, 1.0, 2.0, 9.0]).expect("samples").median, 3.0);
    assert_eq!(Spread::of(&[]), None);
}

#[test]
fn a_bound_itself_is_allowed() {
    let row = Row::single("ready", 0.2, "s").beside(Some(4.0)).goal(Goal::ratio_at_most(0.05));
    assert_eq!(row.ratio, Some(0.05));
    assert_eq!(row.standing(), Standing::Met);
    assert_eq!(row.goal(Goal::ratio_at_most(0.049)).standing(), Standing::Missed);
    let rate = Row::single("out", 5.0, "kpps").beside(Some(6.0)).goal(Goal::ratio_at_least(1.0));
    assert_eq!(rate.standing(), Standing::Missed);
    assert_eq!(rate.beside(Some(5.0)).standing(), Standing::Met);
    assert_eq!(Row::single("image", 3.0, "MiB").goal(Goal::at_most(2.0)).standing(), Standing::Missed);
}

#[test]
fn a_goal_without_its_figure_is_not_kept() {
    let row = Row::single("ready", 0.1, "s").goal(Goal::ratio_at_most(0.05));
    assert_eq!(row.standing(), Standing::Unmeasured);
    assert!(!report(vec![row]).all_met());
    assert!(report(vec![Row::single("ready", 0.1, "s")]).all_met());
}

#[test]
fn a_peer_that_reached_nothing_gives_no_ratio() {
    let row = Row::single("out", 5.0, "kpps").beside(Some(0.0));
    assert_eq!((row.ratio, row.peer), (None, None));
}

#[test]
fn the_document_reads_back() {
    let rows = vec![
        Row::sampled("ready", &[0.1, 0.3, 0.2], "s")
            .expect("samples")
            .beside(Some(4.0))
            .goal(Goal::ratio_at_most(0.05)),
        Row::single("image", 1.5, "MiB").goal(Goal::at_most(2.0)),
    ];
    let report = report(rows);
    let text = serde_json::to_string(&report).expect("plain data");
    assert_eq!(serde_json::from_str::<Report>(&text).expect("its own form"), report);
    assert!(text.contains(r#""goal":{"of":"ratio","at":"most","bound":0.05}"#), "{text}");
    assert!(serde_json::from_str::<Report>(&text.replace("\"unit\"", "\"units\"")).is_err());
}

#[test]
fn the_table_has_a_line_for_each_row() {
    let missed = Row::single("out", 5.0, "kpps").beside(Some(6.0)).goal(Goal::ratio_at_least(1.0));
    let table = report(vec![missed, Row::single("image", 1.5, "MiB")]).table();
    let lines: Vec<&str> = table.lines().collect();
    assert_eq!(lines.len(), 5, "{table}");
    assert!(lines[2].contains("0.833") && lines[2].ends_with("MISSED"), "{table}");
    assert!(lines[3].trim_end().ends_with("MiB"), "{table}");
}
