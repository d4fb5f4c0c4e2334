//! All that a run has measured.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::machine::Machine;
use crate::rival::Readings;
use crate::stats::median;
use crate::workload::{Better, Load, Metric, Row, Setting, Unit, Workload};

/// The first rival is ours; all others are compared with it.
pub(crate) struct Table {
    pub(crate) title: String,
    pub(crate) mode: &'static str,
    pub(crate) repetitions: usize,
    pub(crate) workers: usize,
    pub(crate) machine: Machine,
    pub(crate) rivals: Vec<String>,
    pub(crate) limits: Vec<Raw>,
    pub(crate) lines: Vec<Line>,
    /// What was not measured, and why.
    pub(crate) left_out: Vec<String>,
}

pub(crate) struct Raw {
    pub(crate) name: &'static str,
    pub(crate) unit: Unit,
    pub(crate) samples: Vec<f64>,
}

/// One metric of one row: the samples of each rival.
pub(crate) struct Line {
    pub(crate) row: Row,
    pub(crate) metric: Metric,
    pub(crate) samples: Vec<Vec<f64>>,
}

impl Line {
    pub(crate) fn median(&self, rival: usize) -> Option<f64> {
        median(self.samples.get(rival)?)
    }

    /// How many times ours is better than that rival; below 1, it is worse.
    pub(crate) fn factor(&self, rival: usize) -> Option<f64> {
        // Latencies at different rates are no match for each other.
        if let Workload::Open {
            load: Load::OfOwn(_),
            ..
        } = self.row.workload
        {
            return None;
        }
        let (ours, theirs) = (self.median(0)?, self.median(rival)?);
        let factor = match self.metric.better {
            Better::More => ours / theirs,
            Better::Less => theirs / ours,
            Better::Neither => return None,
        };
        (rival > 0 && factor.is_finite() && factor > 0.0).then_some(factor)
    }

    /// Whether it is the most telling line of its row.
    pub(crate) fn leads(&self) -> bool {
        let metrics = self.row.workload.metrics();
        metrics.first() == Some(&self.metric)
    }

    pub(crate) fn title(&self) -> String {
        let setting = self.row.setting.title();
        let row = self.row.workload.title();
        if setting.is_empty() {
            row
        } else {
            format!("{row}, {setting}")
        }
    }
}

/// What a pool wins on idle CPUs alone, by more than runs differ.
pub(crate) struct IdleOnly {
    pub(crate) row: String,
    pub(crate) metric: &'static str,
    pub(crate) rival: String,
    pub(crate) quiet: f64,
    pub(crate) elsewhere: Vec<(Setting, f64)>,
}

impl Table {
    pub(crate) fn new_lines(rows: &[Row], rivals: usize) -> Vec<Line> {
        let of = |row: &Row| {
            let row = *row;
            row.workload.metrics().iter().map(move |metric| Line {
                row,
                metric: *metric,
                samples: vec![Vec::new(); rivals],
            })
        };
        rows.iter().flat_map(of).collect()
    }

    pub(crate) fn add(&mut self, row: Row, rival: usize, readings: &Readings) {
        for line in self.lines.iter_mut().filter(|line| line.row == row) {
            if let Some(value) = readings.get(line.metric.name) {
                line.samples[rival].push(*value);
            }
        }
    }

    pub(crate) fn leave_out(&mut self, what: String) {
        if !self.left_out.contains(&what) {
            self.left_out.push(what);
        }
    }

    pub(crate) fn won_on_idle_cpus_only(&self) -> Vec<IdleOnly> {
        let mut found = Vec::new();
        for line in &self.lines {
            if line.row.setting != Setting::Quiet {
                continue;
            }
            for (rival, name) in self.rivals.iter().enumerate() {
                let Some(quiet) = line.factor(rival).filter(|factor| *factor > 1.05) else {
                    continue;
                };
                let others = self.lines.iter().filter(|other| {
                    other.row.workload == line.row.workload
                        && other.metric == line.metric
                        && other.row.setting != Setting::Quiet
                });
                let elsewhere: Vec<(Setting, f64)> = others
                    .filter_map(|other| Some((other.row.setting, other.factor(rival)?)))
                    .filter(|(_, factor)| *factor < 0.95)
                    .collect();
                if !elsewhere.is_empty() {
                    found.push(IdleOnly {
                        row: line.title(),
                        metric: line.metric.name,
                        rival: name.clone(),
                        quiet,
                        elsewhere,
                    });
                }
            }
        }
        found
    }

    pub(crate) fn json(&self) -> Value {
        let limits: Vec<Value> = self
            .limits
            .iter()
            .map(|limit| {
                json!({
                    "limit": limit.name,
                    "unit": limit.unit.name(),
                    "median": median(&limit.samples),
                    "samples": limit.samples,
                })
            })
            .collect();
        let lines: Vec<Value> = self.lines.iter().map(|line| self.line(line)).collect();
        json!({
            "title": self.title,
            "mode": self.mode,
            "repetitions": self.repetitions,
            "workers": self.workers,
            "machine": self.machine,
            "factor": "how many times ours is better than the rival, below 1: worse",
            "ours": self.rivals.first(),
            "rivals": self.rivals,
            "limits": limits,
            "lines": lines,
            "left_out": self.left_out,
        })
    }

    fn line(&self, line: &Line) -> Value {
        let values: BTreeMap<&str, Value> = self
            .rivals
            .iter()
            .enumerate()
            .filter(|(rival, _)| !line.samples[*rival].is_empty())
            .map(|(rival, name)| {
                let value = json!({
                    "median": line.median(rival),
                    "factor": line.factor(rival),
                    "samples": line.samples[rival],
                });
                (name.as_str(), value)
            })
            .collect();
        json!({
            "row": line.row.workload.id(),
            "title": line.row.workload.title(),
            "setting": line.row.setting.title(),
            "metric": line.metric.name,
            "unit": line.metric.unit.name(),
            "better": line.metric.better.name(),
            "values": values,
        })
    }
}

impl Better {
    fn name(self) -> &'static str {
        match self {
            Better::Less => "less",
            Better::More => "more",
            Better::Neither => "neither",
        }
    }
}

impl Unit {
    fn name(self) -> &'static str {
        match self {
            Unit::Seconds => "s",
            Unit::PerSecond => "1/s",
            Unit::BytesPerSecond => "B/s",
            Unit::Bytes => "B",
            Unit::Number => "",
        }
    }

    /// With three digits and a prefix.
    pub(crate) fn show(self, value: f64) -> String {
        let kibi = 1024.0;
        let steps: &[(f64, &str)] = match self {
            Unit::Seconds => &[(1.0, "s"), (1e-3, "ms"), (1e-6, "us"), (1e-9, "ns")],
            Unit::PerSecond => &[(1e9, "G/s"), (1e6, "M/s"), (1e3, "k/s"), (1.0, "/s")],
            Unit::BytesPerSecond => &[(1e9, "GB/s"), (1e6, "MB/s"), (1e3, "kB/s")],
            // What a task takes is told to the byte.
            Unit::Bytes if value < 16.0 * kibi => &[(1.0, "B")],
            Unit::Bytes => &[(kibi * kibi, "MiB"), (kibi, "KiB")],
            Unit::Number => &[],
        };
        let fits = steps.iter().find(|(step, _)| value >= *step);
        match fits.or(steps.last()) {
            Some((step, unit)) => format!("{} {unit}", digits(value / step)),
            None => digits(value),
        }
    }
}

/// Three digits that count.
pub(crate) fn digits(value: f64) -> String {
    match value.abs() {
        size if size >= 100.0 => format!("{value:.0}"),
        size if size >= 10.0 => format!("{value:.1}"),
        size if size >= 1.0 => format!("{value:.2}"),
        size if size >= 0.0005 => format!("{value:.3}"),
        0.0 => "0".to_owned(),
        _ => format!("{value:.0e}"),
    }
}

#[cfg(test)]
mod tests {
    use super::{Line, Unit};
    use crate::workload::{Row, Setting, Workload};

    #[test]
    fn values_have_three_digits_and_a_prefix() {
        assert_eq!(Unit::Seconds.show(6.8e-7), "680 ns");
        assert_eq!(Unit::Seconds.show(2.5e-3), "2.50 ms");
        assert_eq!(Unit::PerSecond.show(2.34e6), "2.34 M/s");
        assert_eq!(Unit::Bytes.show(232.0), "232 B");
        assert_eq!(Unit::Bytes.show(186.0 * 1024.0), "186 KiB");
        assert_eq!(Unit::Number.show(0.0), "0");
        assert_eq!(Unit::Number.show(0.00003), "3e-5");
    }

    #[test]
    fn a_factor_above_one_is_in_our_favour_whatever_the_metric() {
        let line = |workload: Workload, samples: [f64; 2]| Line {
            row: Row {
                workload,
                setting: Setting::Quiet,
            },
            metric: workload.metrics()[0],
            samples: samples.map(|sample| vec![sample]).into(),
        };
        assert_eq!(line(Workload::OneAtATime, [1.0, 4.0]).factor(1), Some(4.0));
        assert_eq!(line(Workload::Burst, [4.0, 1.0]).factor(1), Some(4.0));
        assert_eq!(line(Workload::Burst, [4.0, 1.0]).factor(0), None);
    }
}
