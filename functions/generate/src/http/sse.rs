//! Server-sent events (<https://html.spec.whatwg.org/multipage/server-sent-events.html>).

use std::convert::Infallible;
use std::future::Future;

use axum::response::sse::{Event, Sse};
use axum::response::{IntoResponse, Response};
use futures_util::stream;
use serde::Serialize;
use tokio::sync::mpsc;

/// Sender of a stream's events. They wait for the client without a bound, since the text is bounded.
pub struct EventSink(mpsc::UnboundedSender<Result<Event, Infallible>>);

/// The client has closed the stream.
#[derive(Debug)]
pub struct ClientLeft;

impl EventSink {
    /// Sends an event.
    ///
    /// # Errors
    /// If the client has left.
    pub fn send(&self, event: Event) -> Result<(), ClientLeft> {
        self.0.send(Ok(event)).map_err(|_| ClientLeft)
    }
}

/// An event with a name, and data as JSON.
pub fn named(name: &str, data: &impl Serialize) -> Event {
    with_data(Event::default().event(name), data)
}

/// An event without a name, as in OpenAI's API, and data as JSON.
pub fn unnamed(data: &impl Serialize) -> Event {
    with_data(Event::default(), data)
}

fn with_data(event: Event, data: &impl Serialize) -> Event {
    // The data of this API has string keys only, so it can always be written as JSON.
    event.json_data(data).unwrap_or_else(|error| Event::default().comment(error.to_string()))
}

/// A streamed response of the events that `write` sends. No layer compresses it: that would hold tokens back.
pub fn stream<F>(write: impl FnOnce(EventSink) -> F) -> Response
where
    F: Future<Output = Result<(), ClientLeft>> + Send + 'static,
{
    let (sender, receiver) = mpsc::unbounded_channel();
    // An error means that the client has left, so nobody can be told.
    tokio::spawn(write(EventSink(sender)));
    let events =
        stream::unfold(receiver, async |mut receiver| receiver.recv().await.map(|event| (event, receiver)));
    Sse::new(events).into_response()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    proptest! {
        /// Texts with line ends of any kind included: an event stays one event, and the data that arrives is
        /// the data that was sent.
        #[test]
        fn any_text_arrives_as_it_was_sent(texts in prop::collection::vec(any::<String>(), 1..4)) {
            let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
            let sent = texts.clone();
            let body = runtime.block_on(async move {
                let response = stream(move |sink| async move {
                    sent.into_iter().try_for_each(|text| sink.send(named("token", &json!({"text": text}))))
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
