//! Connection to a client: half-closed ones get their answer, vanished and stalled ones are noticed.
//!
//! A client that has sent its last request may close its side and wait for the answer, and one that has gone closes it
//! too: both look the same. So after a while an interim response is written, which HTTP/1.1 allows at any time and
//! clients ignore. To a client that has gone it brings back an error.

use std::future::Future;
use std::io::{self, ErrorKind, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::{Instant, Sleep, sleep};

use super::exchange::Exchange;

/// The interim response.
const CONTINUE: &[u8] = b"HTTP/1.1 100 Continue\r\n\r\n";
/// How long a client whose side is closed is taken to be there.
const FIRST_LOOK: Duration = Duration::from_secs(1);
/// How long an error may take to come back.
const ECHO: Duration = Duration::from_millis(200);
/// How long it is taken to be there then.
const NEXT_LOOK: Duration = Duration::from_secs(5);

/// A connection that hides from HTTP that the client has closed its side, as long as an answer is owed to it, and for
/// a moment if it seems to have done so within a body.
pub struct Connection {
    stream: TcpStream,
    exchange: Exchange,
    /// The longest time in which a client may take nothing of what is written.
    stall_limit: Duration,
    /// Since the client has taken nothing.
    stall: Option<Pin<Box<Sleep>>>,
    /// The next look for a client that has closed its side.
    look: Option<Pin<Box<Sleep>>>,
    /// Whether something was written to it since the last look.
    asked: bool,
}

impl Connection {
    /// A connection with this exchange on it.
    pub fn new(stream: TcpStream, exchange: Exchange, stall_limit: Duration) -> Self {
        Self { stream, exchange, stall_limit, stall: None, look: None, asked: false }
    }

    /// The client has closed its side: ready when it has gone.
    fn poll_gone(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        loop {
            let look = self.look.get_or_insert_with(|| Box::pin(sleep(FIRST_LOOK)));
            ready!(look.as_mut().poll(context));
            if !self.exchange.is_owed() {
                // In the middle of a body. Its end would have been noticed by now, were it there.
                return Poll::Ready(Ok(()));
            }
            if let Some(error) = self.stream.take_error()? {
                return Poll::Ready(Err(error));
            }
            self.asked = !self.asked && self.exchange.takes_interim();
            look.as_mut().reset(Instant::now() + if self.asked { ECHO } else { NEXT_LOOK });
            if self.asked {
                match self.stream.try_write(CONTINUE) {
                    // All of it or nothing, as nothing else is waiting to be sent.
                    Ok(written) if written == CONTINUE.len() => {}
                    Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                    Ok(_) => return Poll::Ready(Err(ErrorKind::WriteZero.into())),
                    Err(error) => return Poll::Ready(Err(error)),
                }
            }
        }
    }

    /// A write that has come so far, unless the client has taken nothing for too long.
    fn poll_taken(
        &mut self,
        context: &mut Context<'_>,
        written: Poll<io::Result<usize>>,
    ) -> Poll<io::Result<usize>> {
        if written.is_ready() {
            self.stall = None;
            self.exchange.written();
            return written;
        }
        let limit = self.stall_limit;
        let stall = self.stall.get_or_insert_with(|| Box::pin(sleep(limit)));
        ready!(stall.as_mut().poll(context));
        Poll::Ready(Err(io::Error::new(ErrorKind::TimedOut, "the client does not read")))
    }
}

impl AsyncRead for Connection {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        ready!(Pin::new(&mut self.stream).poll_read(context, buffer))?;
        let is_end = buffer.filled().len() == before && buffer.remaining() > 0;
        if is_end && !self.exchange.is_idle() { self.poll_gone(context) } else { Poll::Ready(Ok(())) }
    }
}

impl AsyncWrite for Connection {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write(context, bytes);
        self.poll_taken(context, written)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write_vectored(context, bytes);
        self.poll_taken(context, written)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}
