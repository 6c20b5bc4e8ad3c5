//! Local server: HTTP/1 connections of hyper with time limits, and graceful shutdown.

use std::future::Future;
use std::io::Write;
use std::net::SocketAddr;
use std::time::Duration;

use anyhow::{Context, Result};
use axum::Router;
use axum::serve::Listener;
use hyper::server::conn::http1::Builder;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use hyper_util::service::TowerToHyperService;
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tower::ServiceBuilder;
use tower_http::timeout::RequestBodyDeadlineLayer;

/// The longest times in which a client sends a request.
#[derive(Clone, Copy, Debug)]
struct TimeLimits {
    /// For its head; an idle connection is closed after this time too.
    head: Duration,
    /// For its body.
    body: Duration,
}

const TIME_LIMITS: TimeLimits = TimeLimits { head: Duration::from_secs(30), body: Duration::from_secs(30) };

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
        () = serve_connections(app, listener, shutdown, TIME_LIMITS) => {}
        result = announced => result?,
    }
    tracing::info!("stopped");
    Ok(())
}

/// Accepts connections until `shutdown` completes, then waits for those in which a request is in flight.
///
/// `axum::serve` does the same without time limits.
async fn serve_connections(
    app: Router,
    mut listener: TcpListener,
    shutdown: impl Future<Output = ()>,
    limits: TimeLimits,
) {
    let mut builder = Builder::new();
    builder.timer(TokioTimer::new()).header_read_timeout(limits.head);
    let app = ServiceBuilder::new().layer(RequestBodyDeadlineLayer::new(limits.body)).service(app);
    let graceful = GracefulShutdown::new();
    let mut shutdown = std::pin::pin!(shutdown);
    loop {
        let (stream, _) = tokio::select! {
            connection = Listener::accept(&mut listener) => connection,
            () = &mut shutdown => break,
        };
        // Small events of a stream leave at once; if that cannot be set, they come a little later.
        let _ = stream.set_nodelay(true);
        let service = TowerToHyperService::new(app.clone());
        let connection = graceful.watch(builder.serve_connection(TokioIo::new(stream), service));
        tokio::spawn(async move {
            if let Err(error) = connection.await {
                tracing::debug!(%error, "a connection ended early");
            }
        });
    }
    drop(listener);
    graceful.shutdown().await;
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

    const LIMITS: TimeLimits =
        TimeLimits { head: Duration::from_millis(200), body: Duration::from_millis(200) };

    /// A server and its switch.
    async fn start() -> (SocketAddr, oneshot::Sender<()>, tokio::task::JoinHandle<()>) {
        let app = Router::new().route(
            "/",
            post(async |body: Bytes| {
                tokio::time::sleep(Duration::from_millis(300)).await;
                body
            }),
        );
        let listener = bind("127.0.0.1:0".parse().unwrap()).await.unwrap();
        let address = listener.local_addr().unwrap();
        let (stop, stopped) = oneshot::channel();
        let shutdown = async { drop(stopped.await) };
        (address, stop, tokio::spawn(serve_connections(app, listener, shutdown, LIMITS)))
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
        let (address, _stop, _server) = start().await;
        assert_eq!(send(address, "").await, "");
        assert!(!send(address, "POST / HTTP/1.1\r\nhost: x\r\n").await.contains("200 OK"));
        let head = "POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 10\r\n\r\n";
        assert!(send(address, &format!("{head}12345")).await.starts_with("HTTP/1.1 400"));
        let answer = send(address, &format!("{head}1234567890")).await;
        assert!(answer.starts_with("HTTP/1.1 200") && answer.ends_with("1234567890"), "{answer}");
    }

    #[tokio::test]
    async fn requests_in_flight_are_finished() {
        let (address, stop, server) = start().await;
        let answer = tokio::spawn(async move {
            send(address, "POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 1\r\n\r\nx").await
        });
        tokio::time::sleep(Duration::from_millis(100)).await;
        stop.send(()).unwrap();
        server.await.unwrap();
        assert!(answer.await.unwrap().starts_with("HTTP/1.1 200"));
        assert!(TcpStream::connect(address).await.is_err());
    }
}
