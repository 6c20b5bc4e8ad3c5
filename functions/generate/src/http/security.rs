//! API keys in the OpenAPI schema, so that pages and programs made of it ask for one.

use utoipa::openapi::security::{
    ApiKey, ApiKeyValue, Http, HttpAuthScheme, SecurityRequirement, SecurityScheme,
};
use utoipa::openapi::{OpenApi, PathItem};

use super::auth::{API_KEY, OPEN_PATHS};

const BEARER: &str = "bearer";
const HEADER: &str = "header";

/// The schema with the ways to send a key; needed everywhere but on open paths, if the server has keys.
pub fn described(mut schema: OpenApi, needs_key: bool) -> OpenApi {
    let components = schema.components.get_or_insert_default();
    let header = ApiKey::Header(ApiKeyValue::new(API_KEY.as_str()));
    components.add_security_scheme(BEARER, SecurityScheme::Http(Http::new(HttpAuthScheme::Bearer)));
    components.add_security_scheme(HEADER, SecurityScheme::ApiKey(header));
    if needs_key {
        let none: [&str; 0] = [];
        schema.security = Some([BEARER, HEADER].map(|name| SecurityRequirement::new(name, none)).into());
        for path in OPEN_PATHS {
            if let Some(item) = schema.paths.paths.get_mut(path) {
                needs_none(item);
            }
        }
    }
    schema
}

fn needs_none(item: &mut PathItem) {
    if let Some(operation) = &mut item.get {
        operation.security = Some(vec![SecurityRequirement::default()]);
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};
    use utoipa::openapi::path::{HttpMethod, OperationBuilder};
    use utoipa::openapi::{OpenApiBuilder, PathsBuilder};

    use super::*;

    fn schema(needs_key: bool) -> Value {
        let item = || PathItem::new(HttpMethod::Get, OperationBuilder::new());
        let paths = PathsBuilder::new().path("/health", item()).path("/model", item());
        serde_json::to_value(described(OpenApiBuilder::new().paths(paths).build(), needs_key)).unwrap()
    }

    #[test]
    fn keys_are_needed_where_there_are_some() {
        let without = schema(false);
        assert_eq!(without["components"]["securitySchemes"]["bearer"]["scheme"], "bearer");
        assert_eq!(without["components"]["securitySchemes"]["header"]["name"], "x-api-key");
        assert_eq!(without["security"], Value::Null);
        let with = schema(true);
        assert_eq!(with["security"], json!([{"bearer": []}, {"header": []}]));
        assert_eq!(with["paths"]["/health"]["get"]["security"], json!([{}]));
        assert_eq!(with["paths"]["/model"]["get"]["security"], Value::Null);
    }
}
