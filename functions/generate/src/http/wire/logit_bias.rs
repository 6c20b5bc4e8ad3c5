//! Logit bias of a request: token ids, as names of an object's fields, with what is added to their logits.

use std::collections::BTreeMap;

use serde::{Deserialize, Deserializer, de};
use serde_json::json;
use utoipa::openapi::schema::{AdditionalProperties, ObjectBuilder, SchemaType, Type};
use utoipa::openapi::{RefOr, Schema};
use utoipa::{PartialSchema, ToSchema};

use super::validate::check;
use crate::http::error::ApiError;
use crate::http::limits::{MAX_BIAS, MAX_BIASES};

/// What is added to the logits of token ids.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct LogitBias(pub Vec<(u32, f64)>);

impl<'de> Deserialize<'de> for LogitBias {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let biases = BTreeMap::<String, f64>::deserialize(deserializer)?.into_iter();
        let biases = biases.map(|(name, bias)| match name.parse() {
            Ok(id) => Ok((id, bias)),
            Err(_) => Err(de::Error::custom(format!("expected token ids for names, found `{name}`"))),
        });
        biases.collect::<Result<_, _>>().map(Self)
    }
}

impl LogitBias {
    /// Checks their number and sizes.
    ///
    /// # Errors
    /// If one is out of range.
    pub fn check(&self) -> Result<(), ApiError> {
        check("logit_bias", self.0.len(), 0..=MAX_BIASES)?;
        self.0
            .iter()
            .try_for_each(|&(id, bias)| check(&format!("logit_bias.{id}"), bias, -MAX_BIAS..=MAX_BIAS))
    }
}

impl PartialSchema for LogitBias {
    fn schema() -> RefOr<Schema> {
        let bias = ObjectBuilder::new()
            .schema_type(SchemaType::new(Type::Number))
            .minimum(Some(-MAX_BIAS))
            .maximum(Some(MAX_BIAS));
        let id =
            ObjectBuilder::new().schema_type(SchemaType::new(Type::String)).pattern(Some("^[0-9]{1,9}$"));
        ObjectBuilder::new()
            .description(Some("Added to the logits of token ids, which are the names of the fields."))
            .property_names(Some(Schema::Object(id.build())))
            .additional_properties(Some(AdditionalProperties::from(bias)))
            .max_properties(Some(MAX_BIASES))
            .examples([json!({"464": -100})])
            .into()
    }
}

impl ToSchema for LogitBias {}
