//! Whether there is a model, and which.

use axum::Json;
use axum::extract::State;

use crate::app::AppState;
use crate::error::ErrorBody;
use crate::response::{Health, Model, ModelList, Status};
use crate::served_model::ServedModel;

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
            status: if models.failure().is_some() { "unavailable" } else { "loading" },
            model: None,
            model_info: None,
            example_prompts: Vec::new(),
        },
    })
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
