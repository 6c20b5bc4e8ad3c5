//! Local server: HTTP/1 connections of hyper, limited in time and number, and graceful shutdown.

use std::convert::Infallible;
use std::future::Future;
use std::io::Write;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result};
use axum::Router;
use axum::serve::Listener;
use hyper::Request;
use hyper::body::{Body as _, Incoming};
use hyper::server::conn::http1::Builder;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use tokio::net::{TcpListener, TcpStream};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore};
use tower::{ServiceBuilder, ServiceExt};
use tower_http::timeout::RequestBodyDeadlineLayer;

use super::connection::Connection;
use super::exchange::Exchange;

/// Limits on connections.
#[derive(Clone, Copy, Debug)]
pub struct ConnectionLimits {
    /// The longest time for the head of a request; an idle connection is closed after this time too.
    pub head: Duration,
    /// The longest time for the body of a request.
    pub body: Duration,
    /// The longest time in which a client takes nothing of its answer.
    pub stall: Duration,
    /// The most connections.
    pub number: usize,
}

impl ConnectionLimits {
    /// The limits with this number of connections.
    pub fn new(number: usize) -> Self {
        let patience = Duration::from_secs(30);
        Self { head: patience, body: patience, stall: patience, number }
    }
}

/// Bodies up to this length are read to their end even where nobody wants them, so that the connection can be kept.
const SHORT_BODY_BYTES: u64 = 1 << 13;

/// How often an idle connection is closed while others wait to be accepted.
const MAKE_ROOM: Duration = Duration::from_millis(10);

/// Binds an address. That comes before loading the model, so that a conflict is reported at once.
///
/// # Errors
/// If another program listens there.
pub async fn bind(address: SocketAddr) -> Result<TcpListener> {
    TcpListener::bind(address)
        .await
        .with_context(|| format!("listening on {address}; choose another address with --listen"))
}

/// Serves until SIGINT or SIGTERM, and then until requests in flight are finished; a second signal ends the
/// process at once. Prints the line `listening on http://…` to standard output when `ready` completes;
/// requests that come before wait for the model.
///
/// # Errors
/// The error of `ready`; or if that line cannot be written.
pub async fn serve(
    app: Router,
    listener: TcpListener,
    limits: ConnectionLimits,
    ready: impl Future<Output = Result<()>>,
) -> Result<()> {
    let shutdown = shutdown_signal()?;
    let address = listener.local_addr()?;
    let announced = async {
        ready.await?;
        writeln!(std::io::stdout(), "listening on http://{address}")?;
        std::future::pending::<Result<()>>().await
    };
    tokio::select! {
        () = serve_connections(app, listener, shutdown, limits) => {}
        result = announced => result?,
    }
    tracing::info!("stopped");
    Ok(())
}

/// Accepts connections until `shutdown` completes, then waits for those in which a request is in flight.
///
/// `axum::serve` does the same without limits.
async fn serve_connections(
    app: Router,
    mut listener: TcpListener,
    shutdown: impl Future<Output = ()>,
    limits: ConnectionLimits,
) {
    let mut builder = Builder::new();
    builder.timer(TokioTimer::new()).header_read_timeout(limits.head);
    let app = ServiceBuilder::new().layer(RequestBodyDeadlineLayer::new(limits.body)).service(app);
    let graceful = GracefulShutdown::new();
    let room = Room::new(limits.number);
    let mut shutdown = std::pin::pin!(shutdown);
    loop {
        let (stream, place) = tokio::select! {
            accepted = room.accept(&mut listener) => accepted,
            () = &mut shutdown => break,
        };
        // Small events of a stream leave at once; if that cannot be set, they come a little later.
        let _ = stream.set_nodelay(true);
        let (exchange, app) = (Exchange::default(), app.clone());
        let connection = Connection::new(stream, exchange.clone(), limits.stall);
        let of_service = exchange.clone();
        let service = service_fn(move |request: Request<Incoming>| {
            let (exchange, app) = (of_service.clone(), app.clone());
            let is_long = request.body().size_hint().upper().is_none_or(|length| length > SHORT_BODY_BYTES);
            // Now: before the future is polled, the end of the client's side may be read.
            let request = exchange.request(request);
            async move {
                let Ok(response) = app.oneshot(request).await;
                Ok::<_, Infallible>(exchange.response(response, is_long))
            }
        });
        let connection = graceful.watch(builder.serve_connection(TokioIo::new(connection), service));
        let room = room.clone();
        tokio::spawn(async move {
            tokio::select! {
                ended = connection => if let Err(error) = ended {
                    tracing::debug!(%error, "a connection ended early");
                },
                () = room.is_wanted(&exchange) => tracing::debug!("an idle connection is closed for others"),
            }
            drop(place);
        });
    }
    drop(listener);
    graceful.shutdown().await;
}

/// Room for connections; clones share it.
#[derive(Clone)]
struct Room {
    places: Arc<Semaphore>,
    /// Wakes the connection that has waited longest for this.
    wanted: Arc<Notify>,
}

impl Room {
    fn new(connections: usize) -> Self {
        Self { places: Arc::new(Semaphore::new(connections)), wanted: Arc::default() }
    }

    /// The next connection, when there is room for it. Connections that wait for their next request make room.
    async fn accept(&self, listener: &mut TcpListener) -> (TcpStream, OwnedSemaphorePermit) {
        let (stream, _) = Listener::accept(listener).await;
        loop {
            let place = Arc::clone(&self.places).acquire_owned();
            match tokio::time::timeout(MAKE_ROOM, place).await {
                Ok(Ok(place)) => return (stream, place),
                // Nobody closes the semaphore.
                Ok(Err(_)) => std::future::pending().await,
                Err(_) => self.wanted.notify_one(),
            }
        }
    }

    /// Ready when the place of a connection is wanted and no request is on it.
    async fn is_wanted(&self, exchange: &Exchange) {
        loop {
            self.wanted.notified().await;
            if exchange.is_idle() {
                return;
            }
        }
    }
}

/// Completes at the first signal; from then on another one ends the process.
fn shutdown_signal() -> Result<impl Future<Output = ()>> {
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    Ok(async move {
        tokio::select! { _ = interrupt.recv() => {}, _ = terminate.recv() => {} }
        tracing::info!("stopping when requests in flight are done; Ctrl-C again to stop now");
        tokio::spawn(async move {
            tokio::select! { _ = interrupt.recv() => {}, _ = terminate.recv() => {} }
            std::process::exit(130);
        });
    })
}

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;

    use axum::body::Bytes;
    use axum::routing::post;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpStream;
    use tokio::sync::oneshot;

    use super::*;

    const MOMENT: Duration = Duration::from_millis(200);
    const LIMITS: ConnectionLimits =
        ConnectionLimits { head: MOMENT, body: MOMENT, stall: MOMENT, number: 2 };

    /// A server and its switch. It answers after a while with the body of the request.
    async fn start(
        limits: ConnectionLimits,
    ) -> (SocketAddr, oneshot::Sender<()>, tokio::task::JoinHandle<()>) {
        let app = Router::new().route(
            "/",
            post(async |body: Bytes| {
                tokio::time::sleep(Duration::from_millis(300)).await;
                body
            }),
        );
        start_with(app, limits).await
    }

    async fn start_with(
        app: Router,
        limits: ConnectionLimits,
    ) -> (SocketAddr, oneshot::Sender<()>, tokio::task::JoinHandle<()>) {
        let listener = bind("127.0.0.1:0".parse().unwrap()).await.unwrap();
        let address = listener.local_addr().unwrap();
        let (stop, stopped) = oneshot::channel();
        let shutdown = async { drop(stopped.await) };
        (address, stop, tokio::spawn(serve_connections(app, listener, shutdown, limits)))
    }

    /// Sends a text, and reads until the server closes the connection.
    async fn send(address: SocketAddr, text: &str) -> String {
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream.write_all(text.as_bytes()).await.unwrap();
        let mut answer = String::new();
        let read = stream.read_to_string(&mut answer);
        tokio::time::timeout(Duration::from_secs(10), read).await.unwrap().unwrap();
        answer
    }

    #[tokio::test]
    async fn clients_that_send_nothing_or_too_slowly_are_closed() {
        let (address, _stop, _server) = start(LIMITS).await;
        assert_eq!(send(address, "").await, "");
        assert!(!send(address, "POST / HTTP/1.1\r\nhost: x\r\n").await.contains("200 OK"));
        let head = "POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 10\r\n\r\n";
        assert!(send(address, &format!("{head}12345")).await.starts_with("HTTP/1.1 400"));
        let answer = send(address, &format!("{head}1234567890")).await;
        assert!(answer.starts_with("HTTP/1.1 200") && answer.ends_with("1234567890"), "{answer}");
    }

    /// What is long and not wanted is not read: the connection ends, and the client knows.
    #[tokio::test]
    async fn an_answer_that_comes_before_the_request_ends_the_connection() {
        let (address, _stop, _server) = start(LIMITS).await;
        let head = |route: &str, length: usize| {
            format!("POST {route} HTTP/1.1\r\nhost: x\r\ncontent-length: {length}\r\n\r\n")
        };
        let answer = send(address, &head("/nowhere", 100 << 20)).await;
        assert!(answer.starts_with("HTTP/1.1 404") && answer.contains("connection: close"), "{answer}");
        let twice = format!("{0}ab{0}ab", head("/nowhere", 2));
        let answers = send(address, &twice).await;
        assert_eq!(answers.matches("HTTP/1.1 404").count(), 2, "{answers}");
        assert!(!answers.contains("connection: close"), "{answers}");
    }

    #[tokio::test]
    async fn requests_in_flight_are_finished() {
        let (address, stop, server) = start(LIMITS).await;
        let answer = tokio::spawn(async move {
            send(address, "POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 1\r\n\r\nx").await
        });
        tokio::time::sleep(Duration::from_millis(100)).await;
        stop.send(()).unwrap();
        server.await.unwrap();
        assert!(answer.await.unwrap().starts_with("HTTP/1.1 200"));
        assert!(TcpStream::connect(address).await.is_err());
    }

    const REQUEST: &str = "POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 1\r\n\r\nx";

    #[tokio::test]
    async fn a_client_that_closes_its_side_gets_its_answer() {
        let patient = ConnectionLimits { head: 20 * MOMENT, body: 20 * MOMENT, ..LIMITS };
        let (address, _stop, _server) = start(patient).await;
        // All of it is there before the server reads any of it: the runtime of this test has one thread.
        for request in [
            REQUEST,
            &REQUEST.replace(
                "content-length: 1\r\n\r\nx",
                "transfer-encoding: chunked\r\n\r\n1\r\nx\r\n0\r\n\r\n",
            ),
        ] {
            let mut stream = std::net::TcpStream::connect(address).unwrap();
            stream.write_all(request.as_bytes()).unwrap();
            stream.shutdown(std::net::Shutdown::Write).unwrap();
            stream.set_nonblocking(true).unwrap();
            let mut stream = TcpStream::from_std(stream).unwrap();
            let mut answer = String::new();
            stream.read_to_string(&mut answer).await.unwrap();
            assert!(answer.starts_with("HTTP/1.1 200") && answer.ends_with("\r\n\r\nx"), "{answer}");
        }
        // In the middle of a body it is an error of the request.
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream.write_all(REQUEST.replace(": 1", ": 2").as_bytes()).await.unwrap();
        stream.shutdown().await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        assert!(answer.starts_with("HTTP/1.1 400"), "{answer}");
    }

    /// What a request was to do is dropped soon when its client has gone, and goes on when it has closed its side.
    #[tokio::test]
    async fn a_client_that_has_gone_is_noticed() {
        let (begun, mut begins) = tokio::sync::mpsc::unbounded_channel();
        let app = Router::new().route(
            "/",
            post(async move || {
                let (end, ended) = oneshot::channel();
                begun.send(ended).unwrap();
                tokio::time::sleep(Duration::from_secs(3)).await;
                let _ = end.send(());
                "the text"
            }),
        );
        let (address, _stop, _server) =
            start_with(app, ConnectionLimits { head: 20 * MOMENT, ..LIMITS }).await;
        let mut gone = TcpStream::connect(address).await.unwrap();
        let mut waiting = TcpStream::connect(address).await.unwrap();
        gone.write_all(b"POST / HTTP/1.1\r\nhost: x\r\n\r\n").await.unwrap();
        let ended = begins.recv().await.unwrap();
        waiting.write_all(b"POST / HTTP/1.1\r\nhost: x\r\n\r\n").await.unwrap();
        waiting.shutdown().await.unwrap();
        drop(gone);
        assert!(ended.await.is_err(), "nobody waits for the text, and yet it was completed");
        let mut answer = String::new();
        waiting.read_to_string(&mut answer).await.unwrap();
        let interim = "HTTP/1.1 100 Continue\r\n\r\n";
        assert!(answer.starts_with(interim) && answer.ends_with("the text"), "{answer}");
    }

    #[tokio::test]
    async fn a_client_that_does_not_read_is_closed() {
        let app = Router::new().route("/", post(async || vec![b'x'; 64 << 20]));
        let (address, stop, server) = start_with(app, LIMITS).await;
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream.write_all(REQUEST.as_bytes()).await.unwrap();
        stream.readable().await.unwrap();
        stop.send(()).unwrap();
        // It would wait for the answer to be taken.
        tokio::time::timeout(Duration::from_secs(20), server).await.unwrap().unwrap();
    }

    /// Idle connections make room, those with a request do not.
    #[tokio::test]
    async fn there_are_no_more_connections_than_allowed() {
        let (address, _stop, _server) = start(ConnectionLimits { head: 100 * MOMENT, ..LIMITS }).await;
        let mut busy = TcpStream::connect(address).await.unwrap();
        busy.write_all(REQUEST.as_bytes()).await.unwrap();
        let mut idle = TcpStream::connect(address).await.unwrap();
        let answer = send(address, &REQUEST.replace("host", "connection: close\r\nhost")).await;
        assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
        assert_eq!(idle.read(&mut [0; 10]).await.unwrap(), 0);
        let mut status = [0; 12];
        busy.read_exact(&mut status).await.unwrap();
        assert_eq!(&status, b"HTTP/1.1 200");
    }
}
