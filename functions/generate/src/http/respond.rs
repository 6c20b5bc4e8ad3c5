//! Responses of continuations: collected into a JSON body, or streamed as server-sent events.

use axum::Json;
use axum::response::sse::Event as SseEvent;
use axum::response::{IntoResponse, Response};
use serde::Serialize;

use super::error::{ApiError, ErrorBody};
use super::sse::{self, ClientLeft, EventSink};
use crate::domain::continuation::{Event, Events};

/// The format of a route: takes the events of a continuation in, and has a response when they are complete.
pub trait Format: Send + 'static {
    /// The JSON body.
    type Body: Serialize;

    /// Server-sent events before the first token.
    fn first(&self) -> Vec<SseEvent> {
        Vec::new()
    }

    /// Adds an event of a continuation, given by its index. Gives the server-sent event for it, if it has
    /// one.
    ///
    /// # Errors
    /// If the tokenizer does not know the token.
    fn add(&mut self, index: usize, event: Event) -> Result<Option<SseEvent>, ApiError>;

    /// The complete response; `None` if a continuation has not ended.
    fn body(self) -> Option<Self::Body>;

    /// Server-sent events after the last token; `None` as of [`body`](Self::body).
    fn last(self) -> Option<Vec<SseEvent>>;

    /// The server-sent event of an error.
    fn error(body: &ErrorBody) -> SseEvent;
}

/// The response of a continuation.
///
/// # Errors
/// Those of the generation; in a stream they are events, since its head has been sent.
pub async fn respond<F: Format>(format: F, events: Events, streamed: bool) -> Result<Response, ApiError> {
    if streamed {
        return Ok(sse::stream(move |sink| stream(format, events, sink)));
    }
    collect(format, events).await.map(|body| Json(body).into_response())
}

async fn collect<F: Format>(mut format: F, mut events: Events) -> Result<F::Body, ApiError> {
    while let Some(event) = events.recv().await {
        let (index, event) = event?;
        format.add(index, event)?;
    }
    // Events that end before the continuation does come from a thread that panicked.
    format.body().ok_or(ApiError::Internal)
}

async fn stream<F: Format>(mut format: F, mut events: Events, sink: EventSink) -> Result<(), ClientLeft> {
    format.first().into_iter().try_for_each(|event| sink.send(event))?;
    while let Some(event) = events.recv().await {
        let event = event.map_err(ApiError::from).and_then(|(index, event)| format.add(index, event));
        match event {
            Ok(event) => event.map_or(Ok(()), |event| sink.send(event))?,
            Err(error) => return sink.send(F::error(&error.body())),
        }
    }
    match format.last() {
        Some(events) => events.into_iter().try_for_each(|event| sink.send(event)),
        None => sink.send(F::error(&ApiError::Internal.body())),
    }
}
