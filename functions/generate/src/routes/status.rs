//! Whether there is a model, and which.

use std::time::Duration;

use axum::extract::State;
use axum::{Extension, Json};
use lambda_http::Context;

use crate::app::AppState;
use crate::error::ErrorBody;
use crate::models::Models;
use crate::response::{Health, Model, ModelDetails, ModelList, StartTimes, Status};
use crate::served_model::{LoadTimes, ServedModel};
use crate::telemetry::milliseconds;

/// Which model answers, without waiting for it.
#[utoipa::path(get, path = "/", responses(
    (status = 200, description = "The state of the model", body = Status),
    (status = 401, description = "The key is missing or wrong", body = ErrorBody),
))]
pub async fn status(State(state): State<AppState>) -> Json<Status> {
    let models = state.models();
    models.check();
    Json(match models.current() {
        Some(model) => Status {
            status: "ready",
            model: Some(model.model_ref()),
            model_info: Some(model.model_info()),
            example_prompts: model.manifest().example_prompts.clone(),
        },
        None => Status {
            status: if models.public_failure().is_some() { "unavailable" } else { "loading" },
            model: None,
            model_info: None,
            example_prompts: Vec::new(),
        },
    })
}

/// How long a function waits for its model before it says that it is being loaded: it stands still between
/// requests, so that nothing would be loaded by being asked about.
const LAMBDA_PATIENCE: Duration = Duration::from_secs(2);

/// All that is known about the model, without waiting for it: what a page shows of it.
#[utoipa::path(get, path = "/model", responses(
    (status = 200, description = "The model", body = ModelDetails),
    (status = 401, description = "The key is missing or wrong", body = ErrorBody),
))]
pub async fn model(State(state): State<AppState>, lambda: Option<Extension<Context>>) -> Json<ModelDetails> {
    let models = state.models();
    models.check();
    if lambda.is_some() && models.current().is_none() {
        models.settle(LAMBDA_PATIENCE).await;
    }
    Json(match models.current() {
        Some(model) => ModelDetails {
            status: "ready",
            reason: None,
            loading: None,
            model: Some(model.model_ref()),
            model_info: Some(model.model_info()),
            manifest: Some(model.manifest().clone()),
            curve: model.curve().to_vec(),
            start: Some(start_times(models, &model)),
        },
        None => {
            let reason = models.public_failure();
            ModelDetails {
                status: if reason.is_some() { "unavailable" } else { "loading" },
                reason,
                loading: reason.is_none().then(|| models.loading()),
                model: None,
                model_info: None,
                manifest: None,
                curve: Vec::new(),
                start: None,
            }
        }
    })
}

fn start_times(models: &Models, model: &ServedModel) -> StartTimes {
    let LoadTimes { files, runtime, tokenizer, session } = model.load_times();
    StartTimes {
        files_ms: milliseconds(files),
        runtime_ms: milliseconds(runtime),
        tokenizer_ms: milliseconds(tokenizer),
        session_ms: milliseconds(session),
        ready_ms: models.cold_start().map(milliseconds),
    }
}

/// Whether the program runs.
#[utoipa::path(get, path = "/health", responses((status = 200, description = "It runs", body = Health)))]
pub async fn health() -> Json<Health> {
    Json(Health { status: "ok" })
}

/// The models that can be asked: the one that is served, once it is loaded.
#[utoipa::path(get, path = "/v1/models", responses(
    (status = 200, description = "The models", body = ModelList),
    (status = 401, description = "The key is missing or wrong", body = ErrorBody),
))]
pub async fn models(State(state): State<AppState>) -> Json<ModelList> {
    let models = state.models();
    models.check();
    let data = models.current().into_iter().map(|model| Model {
        id: model_id(&model),
        object: "model",
        created: created(&model),
        owned_by: "troelsllm",
    });
    Json(ModelList { object: "list", data: data.collect() })
}

/// How OpenAI's API names a model: by its name and version.
pub fn model_id(model: &ServedModel) -> String {
    let reference = model.reference();
    format!("{}/{}", reference.name, reference.version)
}

/// When a model was made, in seconds since 1970.
fn created(model: &ServedModel) -> u64 {
    let time = model.manifest().created_at.parse::<jiff::Timestamp>();
    time.map_or(0, |time| time.as_second().max(0) as u64)
}
