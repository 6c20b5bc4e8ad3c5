//! Localhost.

use std::future::{Future, IntoFuture};
use std::io::Write;
use std::net::SocketAddr;

use anyhow::{Context, Result};
use axum::Router;
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};

/// Takes an address. It is taken before the model is loaded, so that a conflict shows at once.
///
/// # Errors
/// If another program listens there.
pub async fn bind(address: SocketAddr) -> Result<TcpListener> {
    TcpListener::bind(address)
        .await
        .with_context(|| format!("listening on {address}; choose another address with --listen"))
}

/// Serves until SIGINT or SIGTERM; requests in flight are finished. A second signal ends at once.
/// Prints one line to standard output when `ready` completes: `listening on http://…`. Requests that come
/// before wait by themselves.
///
/// # Errors
/// What `ready` fails with; or if that line cannot be written or the listener fails.
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
    let served = axum::serve(listener, app).with_graceful_shutdown(shutdown).into_future();
    tokio::select! { result = served => result?, result = announced => result?, }
    tracing::info!("stopped");
    Ok(())
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
