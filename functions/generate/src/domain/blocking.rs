//! Work on threads that may block, so that it does not stall the asynchronous runtime.

use super::error::GenerateError;

/// Runs `work` on a thread that may block, in the current tracing span.
///
/// # Errors
/// The error of `work`; [`GenerateError::Internal`] if it panics, which the panic hook logs.
pub async fn run_blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, GenerateError> + Send + 'static,
) -> Result<T, GenerateError> {
    let span = tracing::Span::current();
    let task = tokio::task::spawn_blocking(move || span.in_scope(work));
    task.await.unwrap_or(Err(GenerateError::Internal))
}

/// Logs an internal error and hides it from the client.
pub fn internal(message: &'static str) -> impl FnOnce(anyhow::Error) -> GenerateError {
    move |error| {
        tracing::error!(error = format!("{error:#}"), "{message}");
        GenerateError::Internal
    }
}
