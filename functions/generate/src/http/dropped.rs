//! Messages of a conversation that are left out: their number is in a response header, so that nobody wonders why the model
//! has forgotten them.

use std::convert::Infallible;

use axum::http::HeaderName;
use axum::response::{IntoResponseParts, ResponseParts};

/// Response header with the number of messages that did not fit into the context.
pub const DROPPED_MESSAGES: HeaderName = HeaderName::from_static("x-dropped-messages");

/// Number of messages that were left out; without any there is no header.
#[derive(Clone, Copy, Debug)]
pub struct DroppedMessages(pub usize);

impl IntoResponseParts for DroppedMessages {
    type Error = Infallible;

    fn into_response_parts(self, mut parts: ResponseParts) -> Result<ResponseParts, Infallible> {
        if self.0 > 0 {
            parts.headers_mut().insert(DROPPED_MESSAGES, self.0.into());
        }
        Ok(parts)
    }
}
