//! Exchange on a connection: how far the request is, and whether its answer has begun.
//!
//! The bodies of request and response tell the connection below them, which sees bytes alone.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::task::{Context, Poll};

use axum::body::{Body, Bytes, HttpBody};
use axum::http::header::CONNECTION;
use axum::http::{HeaderValue, Request, Response, Version};
use hyper::body::{Frame, SizeHint};

/// No request, or one of which the head has not come yet.
const IDLE: u8 = 0;
/// The head has come, and the body not all.
const SENDING: u8 = 1;
/// The request is complete, and nothing of its answer has been written.
const WAITING: u8 = 2;
/// The same, of a client that may be told to go on waiting (HTTP/1.1).
const WAITING_PATIENTLY: u8 = 3;
/// The answer is being written.
const ANSWERED: u8 = 4;

/// State of the exchange on a connection; clones share it.
#[derive(Clone, Debug, Default)]
pub struct Exchange(Arc<AtomicU8>);

impl Exchange {
    /// Whether there is no request.
    pub fn is_idle(&self) -> bool {
        self.state() == IDLE
    }

    /// Whether a complete request has not been answered completely.
    pub fn is_owed(&self) -> bool {
        self.state() >= WAITING
    }

    /// Whether the client may be sent an interim response: its answer has not begun.
    pub fn takes_interim(&self) -> bool {
        self.state() == WAITING_PATIENTLY
    }

    /// Something has been written to the client.
    pub fn written(&self) {
        if self.is_owed() {
            self.set(ANSWERED);
        }
    }

    /// A request whose head has come; its body tells when it is complete.
    pub fn request<B>(&self, request: Request<B>) -> Request<Body>
    where
        B: HttpBody<Data = Bytes> + Send + Unpin + 'static,
        B::Error: Into<axum::BoxError>,
    {
        let complete = if request.version() == Version::HTTP_11 { WAITING_PATIENTLY } else { WAITING };
        self.set(if request.body().is_end_stream() { complete } else { SENDING });
        let exchange = self.clone();
        request.map(|body| Body::new(RequestBody { body, exchange, complete }))
    }

    /// The response to that request; its body tells when it is done with. If the request `is_long` and was not read to its
    /// end, its rest will not be: the client is told that the connection ends, and sends its next request on another.
    pub fn response(&self, mut response: Response<Body>, is_long: bool) -> Response<Body> {
        if is_long && self.state() == SENDING {
            response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
        }
        let exchange = Ended(self.clone());
        response.map(|body| Body::new(ResponseBody { body, _exchange: exchange }))
    }

    fn state(&self) -> u8 {
        self.0.load(Ordering::Acquire)
    }

    fn set(&self, state: u8) {
        self.0.store(state, Ordering::Release);
    }
}

struct RequestBody<B> {
    body: B,
    exchange: Exchange,
    /// The state when it is complete.
    complete: u8,
}

impl<B: HttpBody + Unpin> HttpBody for RequestBody<B> {
    type Data = B::Data;
    type Error = B::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<B::Data>, B::Error>>> {
        let polled = Pin::new(&mut self.body).poll_frame(context);
        let is_last = match &polled {
            Poll::Ready(Some(Ok(_))) => self.body.is_end_stream(),
            Poll::Ready(None) => true,
            Poll::Ready(Some(Err(_))) | Poll::Pending => false,
        };
        if is_last && self.exchange.state() == SENDING {
            self.exchange.set(self.complete);
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// Ends the exchange when it is dropped.
struct Ended(Exchange);

impl Drop for Ended {
    fn drop(&mut self) {
        self.0.set(IDLE);
    }
}

struct ResponseBody {
    body: Body,
    _exchange: Ended,
}

impl HttpBody for ResponseBody {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        Pin::new(&mut self.body).poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

#[cfg(test)]
mod tests {
    use http_body_util::{BodyExt, Full};

    use super::*;

    #[tokio::test]
    async fn an_answer_is_owed_from_the_end_of_the_request_to_the_end_of_the_response() {
        let exchange = Exchange::default();
        assert!(exchange.is_idle() && !exchange.is_owed());
        let request = exchange.request(Request::new(Full::from("prompt")));
        assert!(!exchange.is_idle() && !exchange.is_owed());
        request.into_body().collect().await.unwrap();
        assert!(exchange.is_owed() && exchange.takes_interim());
        let response = exchange.response(Response::new(Body::from("text")), true);
        assert!(response.headers().is_empty());
        exchange.written();
        assert!(exchange.is_owed() && !exchange.takes_interim());
        drop(response);
        assert!(exchange.is_idle());
    }

    #[test]
    fn who_sends_more_than_is_read_is_told_that_the_connection_ends() {
        for (is_long, expected) in [(true, Some("close")), (false, None)] {
            let exchange = Exchange::default();
            let _unread = exchange.request(Request::new(Full::from("prompt")));
            let response = exchange.response(Response::new(Body::empty()), is_long);
            let connection = response.headers().get(CONNECTION).map(|value| value.to_str().unwrap());
            assert_eq!(connection, expected);
        }
    }

    #[test]
    fn a_client_of_http_1_0_knows_no_interim_responses() {
        let exchange = Exchange::default();
        let mut request = Request::new(Full::<Bytes>::default());
        *request.version_mut() = Version::HTTP_10;
        drop(exchange.request(request));
        assert!(exchange.is_owed() && !exchange.takes_interim());
    }
}
