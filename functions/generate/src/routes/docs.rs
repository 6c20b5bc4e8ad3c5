//! The schema, and pages to read and try it, which load nothing from elsewhere.

use axum::Router;
use axum::http::{HeaderValue, header};
use axum::middleware::map_response;
use axum::response::Response;
use utoipa::openapi::OpenApi;
use utoipa_swagger_ui::{Config, SwaggerUi};

use crate::app::AppState;

/// `GET /openapi.json` and `GET /docs`.
pub fn docs(schema: OpenApi) -> Router<AppState> {
    // Relative, since API Gateway serves the API below the name of its stage.
    let config = Config::from("../openapi.json").validator_url("none").try_it_out_enabled(true);
    let pages: Router<AppState> = SwaggerUi::new("/docs").url("/openapi.json", schema).config(config).into();
    pages.layer(map_response(relative))
}

/// For the same reason `/docs` leads to `docs/` beside it, wherever that is.
async fn relative(mut response: Response) -> Response {
    if response.headers().get(header::LOCATION).is_some_and(|location| location == "/docs/") {
        response.headers_mut().insert(header::LOCATION, HeaderValue::from_static("docs/"));
    }
    response
}
