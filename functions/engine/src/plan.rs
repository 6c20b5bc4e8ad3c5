//! Plan of a pass: which texts it holds, for the attention operator, which alone looks from one position at others.
//!
//! The graph takes the new positions of all texts as one row. All other operators treat each position by itself, so
//! that the graph need not know where a text ends: the session and the operator share the plan beside it.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::cache::slot::SlotCache;

/// A text's part of a pass: its new positions, and its cache, which is here for as long as the pass runs.
pub(crate) struct PlannedText {
    pub(crate) new: usize,
    pub(crate) cache: SlotCache,
}

/// What the attention operator is to do in this pass.
#[derive(Default)]
pub(crate) struct Plan {
    /// Their new positions follow one another.
    pub(crate) texts: Vec<PlannedText>,
    /// Whether somebody asks for the attention weights.
    pub(crate) inspected: bool,
}

/// The plan that a session shares with its operators.
#[derive(Clone, Default)]
pub(crate) struct SharedPlan(Arc<Mutex<Plan>>);

impl SharedPlan {
    /// The plan. An operator that panicked leaves nothing in it that the next pass would look at.
    pub(crate) fn lock(&self) -> MutexGuard<'_, Plan> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
