//! `GET /`, `/model`, `/v1/models` and `/health`: the state of the server and its model.

use axum::extract::State;
use axum::{Extension, Json};

use crate::domain::served_model::ServedModel;
use crate::http::context::LoadPatience;
use crate::http::error::ErrorBody;
use crate::http::state::AppState;
use crate::http::wire::model::{Health, Model, ModelDetails, ModelList, StartTimes, Status};

/// The state of the server and its model, without waiting for it.
#[utoipa::path(get, path = "/", responses(
    (status = 200, description = "The state of the model", body = Status),
    (status = 401, description = "The API key is missing or wrong", body = ErrorBody),
))]
pub async fn status(State(state): State<AppState>) -> Json<Status> {
    let models = state.models();
    models.check();
    Json(match models.current() {
        Some(model) => Status {
            status: "ready",
            model: Some((&*model).into()),
            model_info: Some((&*model).into()),
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

/// Details of the model: manifest, training losses, start-up times. Does not wait for the model.
#[utoipa::path(get, path = "/model", responses(
    (status = 200, description = "The model", body = ModelDetails),
    (status = 401, description = "The API key is missing or wrong", body = ErrorBody),
))]
pub async fn model(
    State(state): State<AppState>,
    patience: Option<Extension<LoadPatience>>,
) -> Json<ModelDetails> {
    let models = state.models();
    models.check();
    if let Some(Extension(LoadPatience(limit))) = patience
        && models.current().is_none()
    {
        models.settle(limit).await;
    }
    Json(match models.current() {
        Some(model) => ModelDetails {
            status: "ready",
            reason: None,
            loading: None,
            model: Some((&*model).into()),
            model_info: Some((&*model).into()),
            manifest: Some(model.manifest().clone()),
            curve: model.curve().iter().map(Into::into).collect(),
            start: Some(StartTimes::new(model.load_times(), models.cold_start())),
        },
        None => {
            let reason = models.public_failure();
            ModelDetails {
                status: if reason.is_some() { "unavailable" } else { "loading" },
                reason,
                loading: reason.is_none().then(|| models.progress().into()),
                model: None,
                model_info: None,
                manifest: None,
                curve: Vec::new(),
                start: None,
            }
        }
    })
}

/// Liveness: whether the server runs, with or without a model.
#[utoipa::path(get, path = "/health", responses((status = 200, description = "It runs", body = Health)))]
pub async fn health() -> Json<Health> {
    Json(Health { status: "ok" })
}

/// Lists the served model, once it is loaded.
#[utoipa::path(get, path = "/v1/models", responses(
    (status = 200, description = "The models", body = ModelList),
    (status = 401, description = "The API key is missing or wrong", body = ErrorBody),
))]
pub async fn models(State(state): State<AppState>) -> Json<ModelList> {
    let models = state.models();
    models.check();
    let data = models.current().into_iter().map(|model| Model {
        id: model.id(),
        object: "model",
        created: created(&model),
        owned_by: "troelsllm",
    });
    Json(ModelList { object: "list", data: data.collect() })
}

/// Time of a model's creation, in seconds since 1970.
fn created(model: &ServedModel) -> u64 {
    let time = model.manifest().created_at.parse::<jiff::Timestamp>();
    time.map_or(0, |time| time.as_second().max(0) as u64)
}
