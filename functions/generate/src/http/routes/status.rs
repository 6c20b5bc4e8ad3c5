//! `GET /`, `/model`, `/v1/models`, `/health` and `/ready`: the state of the server and its model.

use axum::extract::State;
use axum::http::Uri;
use axum::{Extension, Json};
use percent_encoding::percent_decode_str;

use crate::http::context::LoadPatience;
use crate::http::error::{ApiError, ErrorBody};
use crate::http::state::AppState;
use crate::http::wire::model::{
    Health, Model, ModelDetails, ModelList, Ready, StartTimes, Status, chat_template,
};

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
            chat_template: chat_template(&model),
            example_prompts: model.manifest().example_prompts.clone(),
        },
        None => Status {
            status: if models.public_failure().is_some() { "unavailable" } else { "loading" },
            model: None,
            model_info: None,
            chat_template: None,
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
            chat_template: chat_template(&model),
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
                chat_template: None,
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

/// Readiness: whether a model is loaded, so that requests need not wait for one.
#[utoipa::path(get, path = "/ready", responses(
    (status = 200, description = "A model is loaded", body = Ready),
    (status = 503, description = "No model is loaded yet, or none can be", body = ErrorBody),
))]
pub async fn ready(State(state): State<AppState>) -> Result<Json<Ready>, ApiError> {
    let models = state.models();
    models.check();
    if models.current().is_some() {
        return Ok(Json(Ready { status: "ready" }));
    }
    Err(models.public_failure().map_or(ApiError::Loading, |reason| ApiError::NoModel { reason }))
}

/// Lists the served model, once it is loaded, and a challenger's.
#[utoipa::path(get, path = "/v1/models", responses(
    (status = 200, description = "The models", body = ModelList),
    (status = 401, description = "The API key is missing or wrong", body = ErrorBody),
))]
pub async fn models(State(state): State<AppState>) -> Json<ModelList> {
    let models = state.models();
    models.check();
    let data = models.all().into_iter().map(|model| Model::from(&*model));
    Json(ModelList { object: "list", data: data.collect() })
}

/// The served model by its name, or by its name and version with `%2F` between them.
#[utoipa::path(get, path = "/v1/models/{model}",
    params(("model" = String, Path, description = "Name of the served model", example = "the-verdict")),
    responses(
        (status = 200, description = "The model", body = Model),
        (status = 400, description = "The name is not valid UTF-8", body = ErrorBody),
        (status = 401, description = "The API key is missing or wrong", body = ErrorBody),
        (status = 404, description = "This model is not served", body = ErrorBody),
        (status = 503, description = "No model is loaded yet, or none can be", body = ErrorBody),
    ))]
pub async fn model_by_name(State(state): State<AppState>, uri: Uri) -> Result<Json<Model>, ApiError> {
    named(&state, &uri)
}

/// The served model by its name and version.
#[utoipa::path(get, path = "/v1/models/{model}/{version}",
    params(
        ("model" = String, Path, description = "Name of the served model", example = "the-verdict"),
        ("version" = String, Path, description = "Its version"),
    ),
    responses(
        (status = 200, description = "The model", body = Model),
        (status = 400, description = "The name is not valid UTF-8", body = ErrorBody),
        (status = 401, description = "The API key is missing or wrong", body = ErrorBody),
        (status = 404, description = "This model is not served", body = ErrorBody),
        (status = 503, description = "No model is loaded yet, or none can be", body = ErrorBody),
    ))]
pub async fn model_by_version(State(state): State<AppState>, uri: Uri) -> Result<Json<Model>, ApiError> {
    named(&state, &uri)
}

/// The served model or a challenger's, if the path ends with its name.
fn named(state: &AppState, uri: &Uri) -> Result<Json<Model>, ApiError> {
    let name = uri.path().strip_prefix("/v1/models/").unwrap_or_default();
    let name = percent_decode_str(name).decode_utf8().map_err(|_| ApiError::InvalidField {
        field: "model".to_owned(),
        message: "`model` is not valid UTF-8".to_owned(),
    })?;
    let models = state.models();
    models.check();
    let all = models.all();
    let Some(served) = all.first() else {
        return Err(models.public_failure().map_or(ApiError::Loading, |reason| ApiError::NoModel { reason }));
    };
    match all.iter().find(|model| model.is_named(&name)) {
        Some(model) => Ok(Json(Model::from(&**model))),
        None => Err(ApiError::UnknownModel { model: name.into_owned(), served: served.id() }),
    }
}
