//! What a bench leaves behind: rows of figures, as a table for people and as `target/bench/NAME.json` for scripts,
//! and the comparison of those rows with their goals. How figures are taken is the benches' own matter.

use super::error::{Error, Result};
use ravelin_tests::paths;
use serde::{Deserialize, Serialize};
use std::fs;
use std::path::PathBuf;

/// The peer that ratios refer to.
pub(crate) const APPLIANCE: &str = "Linux + strongSwan appliance";

/// One bench's rows and the circumstances that they were taken in.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Report {
    /// The bench's name.
    pub(crate) bench: String,
    /// Whether this was a smoke run: few samples, no peer, no figures to quote.
    pub(crate) quick: bool,
    /// The machine.
    pub(crate) host: Host,
    /// The figures.
    pub(crate) rows: Vec<Row>,
}

/// Where and under what load the figures were taken.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Host {
    /// What the benches ran on: QEMU's first version line, or the processor where there is no QEMU.
    pub(crate) platform: String,
    /// Processors online.
    pub(crate) processors: usize,
    /// Highest share of all processors that was busy with other things right before a sample, in percent.
    pub(crate) busy_percent: f64,
}

/// One figure.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Row {
    /// What was measured; unique in its report.
    pub(crate) name: String,
    /// The figure: the median where there are several samples.
    pub(crate) value: f64,
    /// Its unit.
    pub(crate) unit: String,
    /// How the samples lay.
    pub(crate) spread: Option<Spread>,
    /// What the figure is held against.
    pub(crate) goal: Option<Goal>,
    /// `value` divided by the peer's value.
    pub(crate) ratio: Option<f64>,
    /// The peer of `ratio`.
    pub(crate) peer: Option<String>,
}

/// Several samples of one figure.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub(crate) struct Spread {
    /// How many.
    pub(crate) n: usize,
    /// The smallest.
    pub(crate) min: f64,
    /// The middle one, or the mean of the middle two.
    pub(crate) median: f64,
    /// The largest.
    pub(crate) max: f64,
}

impl Spread {
    /// Of samples in any order; none for no samples.
    pub(crate) fn of(samples: &[f64]) -> Option<Self> {
        let mut sorted = samples.to_vec();
        sorted.sort_by(f64::total_cmp);
        let (min, max) = (*sorted.first()?, *sorted.last()?);
        let middle = sorted.len() / 2;
        let median = if sorted.len() % 2 == 1 {
            sorted[middle]
        } else {
            f64::midpoint(sorted[middle - 1], sorted[middle])
        };
        Some(Self { n: sorted.len(), min, median, max })
    }
}

/// A bound on a row's figure.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub(crate) struct Goal {
    /// Which figure is bounded.
    pub(crate) of: Of,
    /// From which side.
    pub(crate) at: At,
    /// The bound, itself allowed.
    pub(crate) bound: f64,
}

/// Which of a row's figures a goal bounds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Of {
    /// `value`, in the row's unit.
    Value,
    /// `ratio`.
    Ratio,
}

/// The side of a bound.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum At {
    /// The figure may be smaller.
    Most,
    /// The figure may be larger.
    Least,
}

impl Goal {
    /// The value may not exceed `bound`.
    pub(crate) fn at_most(bound: f64) -> Self {
        Self { of: Of::Value, at: At::Most, bound }
    }

    /// The ratio to the peer may not exceed `bound`.
    pub(crate) fn ratio_at_most(bound: f64) -> Self {
        Self { of: Of::Ratio, at: At::Most, bound }
    }

    /// The ratio to the peer may not fall below `bound`.
    pub(crate) fn ratio_at_least(bound: f64) -> Self {
        Self { of: Of::Ratio, at: At::Least, bound }
    }
}

/// How a row stands to its goal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Standing {
    /// It has none.
    NoGoal,
    /// Kept.
    Met,
    /// Missed.
    Missed,
    /// The goal bounds a ratio and there was no peer in the run.
    Unmeasured,
}

impl Row {
    /// A figure of one reading, without goal or peer.
    pub(crate) fn single(name: &str, value: f64, unit: &str) -> Self {
        let (name, unit) = (name.to_owned(), unit.to_owned());
        Self { name, value, unit, spread: None, goal: None, ratio: None, peer: None }
    }

    /// The median of samples; none for no samples.
    pub(crate) fn sampled(name: &str, samples: &[f64], unit: &str) -> Option<Self> {
        let spread = Spread::of(samples)?;
        Some(Self { spread: Some(spread), ..Self::single(name, spread.median, unit) })
    }

    /// The same row, held against a goal.
    pub(crate) fn goal(self, goal: Goal) -> Self {
        Self { goal: Some(goal), ..self }
    }

    /// The same row, compared with the appliance's value where there is one.
    pub(crate) fn beside(self, appliance: Option<f64>) -> Self {
        let ratio = appliance.filter(|theirs| *theirs > 0.0).map(|theirs| self.value / theirs);
        Self { ratio, peer: ratio.map(|_| APPLIANCE.to_owned()), ..self }
    }

    /// The same row with its ratio to something else that was measured in the same run.
    pub(crate) fn against(self, ratio: f64, peer: &str) -> Self {
        Self { ratio: Some(ratio), peer: Some(peer.to_owned()), ..self }
    }

    /// How the row stands to its goal.
    pub(crate) fn standing(&self) -> Standing {
        let Some(goal) = self.goal else { return Standing::NoGoal };
        let figure = match goal.of {
            Of::Value => Some(self.value),
            Of::Ratio => self.ratio,
        };
        match (figure, goal.at) {
            (None, _) => Standing::Unmeasured,
            (Some(figure), At::Most) if figure <= goal.bound => Standing::Met,
            (Some(figure), At::Least) if figure >= goal.bound => Standing::Met,
            (Some(_), _) => Standing::Missed,
        }
    }
}

impl Report {
    /// Where the report of a bench lies. A smoke run never takes the place of figures.
    pub(crate) fn path(bench: &str, quick: bool) -> PathBuf {
        let dir = if quick { "bench/quick" } else { "bench" };
        paths::target().join(dir).join(format!("{bench}.json"))
    }

    /// Writes the JSON file and returns where.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub(crate) fn write(&self) -> Result<PathBuf> {
        let path = Self::path(&self.bench, self.quick);
        let dir = path.parent().unwrap_or(&path);
        fs::create_dir_all(dir).map_err(Error::io("creating", dir))?;
        let text = serde_json::to_string_pretty(self)
            .map_err(|source| Error::Json { path: path.clone(), source })?;
        fs::write(&path, text + "\n").map_err(Error::io("writing", &path))?;
        Ok(path)
    }

    /// Reads the report of a bench's last whole run.
    ///
    /// # Errors
    /// When there is none, or it is not well-formed.
    pub(crate) fn read(bench: &str) -> Result<Self> {
        let path = Self::path(bench, false);
        let text = fs::read_to_string(&path).map_err(Error::io("reading", &path))?;
        serde_json::from_str(&text).map_err(|source| Error::Json { path, source })
    }

    /// Whether every goal of the report is kept. A goal whose figure was not taken is not kept.
    pub(crate) fn all_met(&self) -> bool {
        self.rows.iter().all(|row| matches!(row.standing(), Standing::NoGoal | Standing::Met))
    }

    /// The table that a person reads.
    pub(crate) fn table(&self) -> String {
        let header = ["", "value", "unit", "min … max (n)", "÷ peer", "goal", ""].map(str::to_owned);
        let mut lines = vec![header];
        lines.extend(self.rows.iter().map(cells));
        let mut widths = [0; 7];
        for line in &lines {
            for (width, cell) in widths.iter_mut().zip(line) {
                *width = (*width).max(cell.chars().count());
            }
        }
        let mode = if self.quick { " (quick: a smoke test, not figures)" } else { "" };
        let mut text = format!("{}{mode}\n", self.bench);
        for line in &lines {
            let mut rendered = String::new();
            for (index, (cell, width)) in line.iter().zip(widths).enumerate() {
                let gap = " ".repeat(width - cell.chars().count());
                // Names, units and verdicts lean left; numbers lean right.
                let leans_left = matches!(index, 0 | 2 | 6);
                rendered += &if leans_left { format!("{cell}{gap}  ") } else { format!("{gap}{cell}  ") };
            }
            text += rendered.trim_end();
            text.push('\n');
        }
        text += &format!(
            "{}, {} processors, others busy up to {:.0} %\n",
            self.host.platform, self.host.processors, self.host.busy_percent
        );
        text
    }
}

/// One row's cells of the table.
fn cells(row: &Row) -> [String; 7] {
    let spread = row.spread.map_or_else(String::new, |spread| {
        format!("{} … {} ({})", figure(spread.min), figure(spread.max), spread.n)
    });
    let goal = row.goal.map_or_else(String::new, |goal| {
        let sign = if goal.at == At::Most { "≤" } else { "≥" };
        let unit = if goal.of == Of::Ratio { "×" } else { "" };
        format!("{sign} {}{unit}", figure(goal.bound))
    });
    let verdict = match row.standing() {
        Standing::NoGoal => "",
        Standing::Met => "met",
        Standing::Missed => "MISSED",
        Standing::Unmeasured => "not measured",
    };
    let ratio = row.ratio.map_or_else(String::new, figure);
    [row.name.clone(), figure(row.value), row.unit.clone(), spread, ratio, goal, verdict.to_owned()]
}

/// Three significant places, or all of a whole number.
fn figure(value: f64) -> String {
    match value.abs() {
        size if size >= 100.0 || value.fract() == 0.0 => format!("{value:.0}"),
        size if size >= 10.0 => format!("{value:.1}"),
        size if size >= 1.0 => format!("{value:.2}"),
        size if size >= 0.1 => format!("{value:.3}"),
        _ => format!("{value:.4}"),
    }
}

#[cfg(test)]
mod tests;
