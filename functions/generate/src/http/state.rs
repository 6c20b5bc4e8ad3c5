//! Application state that the routes share.

use std::sync::Arc;

use super::settings::Settings;
use crate::domain::{Models, Pipeline};

/// The pipeline to the model, and the settings of the API. Clones share it.
#[derive(Clone)]
pub struct AppState(Arc<Shared>);

struct Shared {
    pipeline: Pipeline,
    settings: Settings,
}

impl AppState {
    /// The state of an API that serves `models`.
    pub fn new(models: Arc<Models>, settings: Settings) -> Self {
        let pipeline = Pipeline::new(models, settings.max_concurrent, settings.max_waiting);
        Self(Arc::new(Shared { pipeline, settings }))
    }

    /// The pipeline from requests to continuations.
    pub fn pipeline(&self) -> &Pipeline {
        &self.0.pipeline
    }

    /// The served model.
    pub fn models(&self) -> &Arc<Models> {
        self.0.pipeline.models()
    }

    /// The settings of the API.
    pub fn settings(&self) -> &Settings {
        &self.0.settings
    }
}
