//! History of a channel: what it has named, since when, by whose hand, and why.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

use crate::version::VersionRef;

/// How many moves a channel remembers: of one a week, those of four years.
pub(crate) const LONGEST_HISTORY: usize = 200;

/// A move of a channel to a version.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Move {
    /// What the channel names from then on.
    #[serde(flatten)]
    pub version: VersionRef,
    /// When, by whom and why.
    #[serde(flatten)]
    pub cause: Cause,
}

/// When a channel was moved, by whom and why.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Cause {
    /// The time, RFC 3339, UTC.
    pub at: String,
    /// A user of a machine, or a job.
    pub by: String,
    /// By what it was decided.
    pub reason: Reason,
    /// The figures that it was decided by, under their names: losses in nats per token, scores from 0 to 1.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub figures: BTreeMap<String, f64>,
}

/// By what a move of a channel was decided.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reason {
    /// By the promotion gate, which a new version has passed.
    Gate,
    /// By somebody who named the version.
    ByHand,
    /// By somebody who went back to an earlier version.
    Rollback,
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Gate => "passed the gate",
            Self::ByHand => "by hand",
            Self::Rollback => "rolled back",
        })
    }
}
