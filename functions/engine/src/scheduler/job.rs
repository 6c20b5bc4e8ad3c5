//! Jobs of the model's thread.

use std::sync::mpsc::Sender;

use crate::continuation::Continuation;
use crate::error::EngineError;
use crate::inspection::Inspection;
use crate::prefix_cache::Claim;

/// Number of a request, whose texts share its part of the slots.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Group(pub(crate) u64);

/// What a caller wants.
pub(crate) enum Job {
    /// A text.
    Text { group: Group, text: Box<Continuation>, claim: Claim },
    /// The activations of a run over `ids`; none if the graph does not have them.
    Inspection { group: Group, ids: Vec<u32>, reply: Sender<Result<Option<Inspection>, EngineError>> },
}

impl Job {
    pub(crate) fn group(&self) -> Group {
        match self {
            Self::Text { group, .. } | Self::Inspection { group, .. } => *group,
        }
    }
}
