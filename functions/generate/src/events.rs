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

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::response::TextPiece;

    proptest! {
        /// Whatever a text has in it, line ends of any kind included: an event stays one event, and what is
        /// read is what was sent.
        #[test]
        fn any_text_arrives_as_it_was_sent(texts in prop::collection::vec(any::<String>(), 1..4)) {
            let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
            let sent = texts.clone();
            let body = runtime.block_on(async move {
                let response = stream(move |sink| async move {
                    sent.into_iter().try_for_each(|text| sink.send("token", &TextPiece { text }))
                });
                axum::body::to_bytes(response.into_body(), usize::MAX).await.unwrap()
            });
            let body = String::from_utf8(body.to_vec()).unwrap();
            let read = body.lines().filter_map(|line| line.strip_prefix("data: ")).map(|data| {
                serde_json::from_str::<serde_json::Value>(data).unwrap()["text"].as_str().unwrap().to_owned()
            });
            prop_assert_eq!(read.collect::<Vec<_>>(), texts.clone());
            prop_assert_eq!(body.matches("event: token").count(), texts.len());
        }
    }
}
