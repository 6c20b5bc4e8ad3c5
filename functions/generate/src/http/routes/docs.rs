//! OpenAPI schema and Swagger UI, whose files are compiled in.

use axum::Router;
use axum::http::{HeaderValue, header};
use axum::middleware::map_response;
use axum::response::Response;
use utoipa::openapi::OpenApi;
use utoipa_swagger_ui::{Config, SwaggerUi};

use crate::http::state::AppState;

/// `GET /openapi.json` and `GET /docs`.
pub fn docs(schema: OpenApi) -> Router<AppState> {
    // A relative path, since a gateway may serve the API below a path of its own.
    let config = Config::from("../openapi.json").validator_url("none").try_it_out_enabled(true);
    let pages: Router<AppState> = SwaggerUi::new("/docs").url("/openapi.json", schema).config(config).into();
    pages.layer(map_response(relative))
}

/// Makes the redirect from `/docs` to `/docs/` relative, for the same reason.
async fn relative(mut response: Response) -> Response {
    if response.headers().get(header::LOCATION).is_some_and(|location| location == "/docs/") {
        response.headers_mut().insert(header::LOCATION, HeaderValue::from_static("docs/"));
    }
    response
}
