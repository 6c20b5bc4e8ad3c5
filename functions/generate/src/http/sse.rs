//! Server-sent events (<https://html.spec.whatwg.org/multipage/server-sent-events.html>).

use std::convert::Infallible;
use std::future::Future;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use axum::response::sse::{Event, Sse};
use axum::response::{IntoResponse, Response};
use futures_util::stream;
use serde::Serialize;
use tokio::sync::mpsc;

/// Events that may wait for a client, beside those that its connection holds.
const MAX_UNREAD: usize = 4096;
/// How long a client may take none of the events that wait for it.
const MAX_PAUSE: Duration = Duration::from_secs(30);

/// Sender of a stream's events. It does not wait for the client, since a text must not: a client that reads too slowly
/// counts as one that has left.
pub struct EventSink {
    sender: mpsc::Sender<Result<Event, Infallible>>,
    /// Events that have been sent, those of them that had been taken at the last look, and when more had been taken for
    /// the last time.
    progress: Mutex<(usize, usize, Instant)>,
    max_pause: Duration,
}

/// The client has closed the stream, or does not read it.
#[derive(Debug)]
pub struct ClientLeft;

impl EventSink {
    fn new(max_unread: usize, max_pause: Duration) -> (Self, mpsc::Receiver<Result<Event, Infallible>>) {
        let (sender, receiver) = mpsc::channel(max_unread);
        (Self { sender, progress: Mutex::new((0, 0, Instant::now())), max_pause }, receiver)
    }

    /// Sends an event.
    ///
    /// # Errors
    /// If the client has left, has too many events to read, or has not taken any for too long.
    pub fn send(&self, event: Event) -> Result<(), ClientLeft> {
        let mut progress = self.progress.lock().unwrap_or_else(PoisonError::into_inner);
        let (sent, taken, last) = &mut *progress;
        let unread = self.sender.max_capacity() - self.sender.capacity();
        if unread == 0 || *sent - unread > *taken {
            (*taken, *last) = (*sent - unread, Instant::now());
        } else if last.elapsed() > self.max_pause {
            tracing::info!(unread, "the client does not read its text");
            return Err(ClientLeft);
        }
        self.sender.try_send(Ok(event)).map_err(|error| {
            if matches!(error, mpsc::error::TrySendError::Full(_)) {
                tracing::info!(unread, "the client reads its text too slowly");
            }
            ClientLeft
        })?;
        *sent += 1;
        Ok(())
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
    let (sink, receiver) = EventSink::new(MAX_UNREAD, MAX_PAUSE);
    // An error means that the client has left, so nobody can be told.
    tokio::spawn(write(sink));
    let events =
        stream::unfold(receiver, async |mut receiver| receiver.recv().await.map(|event| (event, receiver)));
    Sse::new(events).into_response()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    #[test]
    fn a_client_that_reads_too_slowly_has_left() {
        let event = || Event::default().data("x");
        let (sink, mut receiver) = EventSink::new(2, Duration::from_secs(3600));
        for _ in 0..2 {
            sink.send(event()).unwrap();
        }
        assert!(sink.send(event()).is_err(), "two are unread");
        assert!(receiver.try_recv().is_ok());
        sink.send(event()).unwrap();

        // Whoever has nothing to read may take any time; whoever has, but a little.
        let pause = Duration::from_millis(20);
        let (sink, mut receiver) = EventSink::new(100, pause);
        for _ in 0..2 {
            std::thread::sleep(2 * pause);
            sink.send(event()).unwrap();
            assert!(receiver.try_recv().is_ok());
        }
        sink.send(event()).unwrap();
        std::thread::sleep(2 * pause);
        assert!(sink.send(event()).is_err());
        assert!(receiver.try_recv().is_ok());
        sink.send(event()).unwrap();
        drop(receiver);
        assert!(sink.send(event()).is_err());
    }

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
