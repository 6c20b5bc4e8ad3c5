//! Schema of a request that is read as several types from one object: an object with the fields of all.

use utoipa::PartialSchema;
use utoipa::openapi::schema::AdditionalProperties;
use utoipa::openapi::{RefOr, Schema};

/// The schema of an object with the fields of `A` and `B`, which may have others only if `is_open`.
pub fn merged<A: PartialSchema, B: PartialSchema>(is_open: bool) -> RefOr<Schema> {
    let (mut all, more) = (A::schema(), B::schema());
    if let (RefOr::T(Schema::Object(all)), RefOr::T(Schema::Object(more))) = (&mut all, more) {
        all.properties.extend(more.properties);
        all.required.extend(more.required);
        all.additional_properties = (!is_open).then(|| Box::new(AdditionalProperties::FreeForm(false)));
    }
    all
}
