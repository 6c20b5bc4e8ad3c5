//! The schema, and pages to read and try it, which load nothing from elsewhere.

use axum::Router;
use utoipa::openapi::OpenApi;
use utoipa_swagger_ui::{Config, SwaggerUi};

use crate::app::AppState;

/// `GET /openapi.json` and `GET /docs`.
pub fn docs(schema: OpenApi) -> Router<AppState> {
    // Relative, since API Gateway serves the API below the name of its stage.
    let config = Config::from("../openapi.json").validator_url("none").try_it_out_enabled(true);
    SwaggerUi::new("/docs").url("/openapi.json", schema).config(config).into()
}
