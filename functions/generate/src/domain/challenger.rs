//! Challenger: the model of another channel, which answers a share of the requests beside the served one (an A/B test).
//!
//! Both are loaded. The numbers of each channel are reported beside each other, so that they decide which is promoted.

use std::sync::Arc;
use std::time::Instant;

use super::models::Models;
use super::seed::{MAX_SEED, draw_seed};
use super::served_model::ServedModel;
use super::source::{Challenge, Source};

/// The model of another channel, and its share of the requests.
pub struct Challenger {
    models: Arc<Models>,
    share: f64,
}

impl Challenger {
    /// No model yet: [`check`](Self::check) starts to load it.
    pub(super) fn new(source: &Source, challenge: &Challenge, started: Instant) -> Self {
        Self { models: Models::new(source.of_challenger(challenge), started), share: challenge.share }
    }

    /// Starts to look for another version and to load it, if that is due.
    pub(super) fn check(&self) {
        self.models.check();
    }

    /// Its model, if one is loaded.
    pub fn current(&self) -> Option<Arc<ServedModel>> {
        self.models.current()
    }

    /// Its model, if it is to answer a request in place of `served`: one that names its version, or a share of those that
    /// either of the two may answer.
    pub(super) fn takes(&self, wanted: Option<&str>, served: &ServedModel) -> Option<Arc<ServedModel>> {
        let model = self.current()?;
        let is_drawn = || (draw_seed() as f64) < self.share * MAX_SEED as f64;
        let takes = match wanted {
            Some(wanted) if !served.is_named(wanted) => model.is_named(wanted),
            Some(wanted) => wanted != served.id() && model.is_named(wanted) && is_drawn(),
            None => is_drawn(),
        };
        takes.then_some(model)
    }

    pub(super) fn forget_connections(&self) {
        self.models.forget_connections();
    }
}
