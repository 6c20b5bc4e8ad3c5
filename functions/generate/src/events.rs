//! Server-sent events (<https://html.spec.whatwg.org/multipage/server-sent-events.html>).

use std::convert::Infallible;
use std::future::Future;

use axum::response::sse::{Event, Sse};
use axum::response::{IntoResponse, Response};
use futures_util::stream;
use serde::Serialize;
use tokio::sync::mpsc;

/// Where events go. They wait for their reader; a text has an end, and so has their number.
pub struct EventSink(mpsc::UnboundedSender<Result<Event, Infallible>>);

/// Nobody reads the events any more.
#[derive(Debug)]
pub struct ClientLeft;

impl EventSink {
    /// Sends an event with a name.
    ///
    /// # Errors
    /// If nobody reads.
    pub fn send(&self, name: &str, data: &impl Serialize) -> Result<(), ClientLeft> {
        self.put(Event::default().event(name), data)
    }

    /// Sends an event without a name, as OpenAI's API does.
    ///
    /// # Errors
    /// If nobody reads.
    pub fn send_data(&self, data: &impl Serialize) -> Result<(), ClientLeft> {
        self.put(Event::default(), data)
    }

    /// Sends a text without a name.
    ///
    /// # Errors
    /// If nobody reads.
    pub fn send_text(&self, text: &str) -> Result<(), ClientLeft> {
        self.0.send(Ok(Event::default().data(text))).map_err(|_| ClientLeft)
    }

    fn put(&self, event: Event, data: &impl Serialize) -> Result<(), ClientLeft> {
        // What is sent here has string keys only, so that it always becomes JSON.
        let event = event.json_data(data).unwrap_or_else(|error| Event::default().comment(error.to_string()));
        self.0.send(Ok(event)).map_err(|_| ClientLeft)
    }
}

/// A response of the events that `write` sends.
pub fn stream<F>(write: impl FnOnce(EventSink) -> F) -> Response
where
    F: Future<Output = Result<(), ClientLeft>> + Send + 'static,
{
    let (sender, receiver) = mpsc::unbounded_channel();
    // If the client has left, there is nobody to tell.
    tokio::spawn(write(EventSink(sender)));
    let events =
        stream::unfold(receiver, async |mut receiver| receiver.recv().await.map(|event| (event, receiver)));
    Sse::new(events).into_response()
}
