//! Report on tasks: a table of the figures of each export, the tasks that went wrong, and all of it as JSON.

use std::fmt::{self, Display};

use artifact::manifest::Precision;
use comfy_table::{CellAlignment, Table, presets};
use serde_json::{Value, json};

use super::outcome::{Figures, Outcome};
use super::task::Task;

/// What exports of a model make of some tasks.
pub struct TaskReport {
    /// Each export: the one that serving chooses first.
    pub exports: Vec<ScoredExport>,
}

/// What an export makes of them.
pub struct ScoredExport {
    /// How its weights are stored.
    pub precision: Precision,
    /// Each task.
    pub outcomes: Vec<Outcome>,
    /// All of them.
    pub figures: Figures,
}

impl ScoredExport {
    /// The figures of an export with these outcomes.
    pub fn new(precision: Precision, tasks: &[Task], outcomes: Vec<Outcome>) -> Self {
        Self { precision, figures: Figures::of(tasks, &outcomes), outcomes }
    }
}

impl TaskReport {
    /// The first tasks that went wrong in the first export, with what was expected and found.
    pub fn wrong(&self, count: usize) -> String {
        let outcomes = self.exports.iter().take(1).flat_map(|export| &export.outcomes);
        let wrong = outcomes.filter(|outcome| !outcome.is_right).take(count);
        let line = |outcome: &Outcome| {
            let found = match &outcome.found {
                Some(found) => format!("{found:?}"),
                None => "nothing: it does not fit into the context".to_owned(),
            };
            format!("task {}: expected {:?}, found {found}\n", outcome.number, outcome.expected)
        };
        wrong.map(line).collect()
    }

    /// The figures of each export, and each task.
    pub fn as_json(&self) -> Value {
        let exports = self.exports.iter().map(|export| {
            json!({"precision": export.precision, "figures": export.figures, "tasks": export.outcomes})
        });
        exports.collect()
    }
}

impl Display for TaskReport {
    /// A table: each export in a row.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(ScoredExport { figures, outcomes, .. }) = self.exports.first() {
            let Figures { exact_match_tasks, multiple_choice_tasks, too_long, .. } = figures;
            writeln!(
                f,
                "evaluated on {} tasks: {exact_match_tasks} by exact match, {multiple_choice_tasks} by choice",
                outcomes.len()
            )?;
            if *too_long > 0 {
                writeln!(f, "{too_long} of them do not fit into the model's context, and are wrong")?;
            }
        }
        let mut table = Table::new();
        table.load_preset(presets::NOTHING);
        table.set_header(["", "exact match", "acc", "acc_norm", "log-likelihood", "bits/byte", "score"]);
        for ScoredExport { precision, figures, .. } in &self.exports {
            table.add_row([
                precision.to_string(),
                percent(figures.exact_match),
                percent(figures.acc),
                percent(figures.acc_norm),
                number(figures.log_likelihood),
                number(figures.bits_per_byte),
                percent(Some(figures.score)),
            ]);
        }
        for (index, column) in table.column_iter_mut().enumerate() {
            column.set_padding((0, 1));
            if index >= 1 {
                column.set_cell_alignment(CellAlignment::Right);
            }
        }
        f.write_str(&table.trim_fmt())
    }
}

fn percent(share: Option<f64>) -> String {
    share.map_or("-".to_owned(), |share| format!("{:.1}%", 100.0 * share))
}

fn number(value: Option<f64>) -> String {
    value.map_or("-".to_owned(), |value| format!("{value:.4}"))
}
