//! The time limit for the headers of a request, in two parts: until its first byte arrives, and from
//! then on.
//!
//! hyper has one limit for both. A request that starts shortly before that limit would be cut off.
//!
//! Invariant: a connection is closed for inactivity only if no byte of a request has arrived.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use hyper::rt::{Sleep, Timer};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::sleep_until;

/// The time of the first byte since the start of the present wait. Clones share it.
type Arrival = Arc<Mutex<Option<Instant>>>;

/// Returns the stream and the timer of one connection. The timer extends each limit by `limit` from
/// the first byte that arrives.
pub(super) fn observed<S>(stream: S, limit: Duration) -> (ObservedStream<S>, HeaderTimer) {
    let arrival = Arrival::default();
    (ObservedStream { stream, arrival: Arc::clone(&arrival) }, HeaderTimer { arrival, limit })
}

/// A stream that notes when data arrives.
#[derive(Debug)]
pub(super) struct ObservedStream<S> {
    stream: S,
    arrival: Arrival,
}

impl<S: AsyncRead + Unpin> AsyncRead for ObservedStream<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        ready!(Pin::new(&mut self.stream).poll_read(cx, buffer))?;
        if buffer.filled().len() > before {
            let now = tokio::time::Instant::now().into_std();
            self.arrival.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(now);
        }
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for ObservedStream<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(cx, bytes)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

/// The timer of a connection. hyper starts it when it begins to wait for a request.
#[derive(Clone, Debug)]
pub(super) struct HeaderTimer {
    arrival: Arrival,
    limit: Duration,
}

impl Timer for HeaderTimer {
    fn sleep(&self, duration: Duration) -> Pin<Box<dyn Sleep>> {
        self.sleep_until(self.now() + duration)
    }

    fn sleep_until(&self, deadline: Instant) -> Pin<Box<dyn Sleep>> {
        *self.arrival.lock().unwrap_or_else(PoisonError::into_inner) = None;
        Box::pin(HeaderSleep {
            sleep: Box::pin(sleep_until(deadline.into())),
            arrival: Arc::clone(&self.arrival),
            limit: self.limit,
            is_extended: false,
        })
    }

    fn now(&self) -> Instant {
        tokio::time::Instant::now().into_std()
    }
}

/// Ends at its deadline, or later if a request has begun before that.
struct HeaderSleep {
    sleep: Pin<Box<tokio::time::Sleep>>,
    arrival: Arrival,
    limit: Duration,
    is_extended: bool,
}

impl Sleep for HeaderSleep {}

impl Future for HeaderSleep {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        ready!(self.sleep.as_mut().poll(cx));
        let arrived = *self.arrival.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(arrived) = arrived.filter(|_| !self.is_extended) else { return Poll::Ready(()) };
        self.is_extended = true;
        let deadline = arrived + self.limit;
        self.sleep.as_mut().reset(deadline.into());
        self.sleep.as_mut().poll(cx)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, duplex};

    const LIMIT: Duration = Duration::from_secs(3_600);

    #[tokio::test]
    async fn limit_of_an_idle_connection_is_extended_by_the_first_byte() {
        let (mut client, stream) = duplex(64);
        let (mut stream, timer) = observed(stream, LIMIT);
        timer.sleep(Duration::ZERO).await;
        let mut begun = timer.sleep(Duration::ZERO);
        client.write_all(b"G").await.expect("a pipe in memory");
        assert_eq!(stream.read_u8().await.expect("the byte"), b'G');
        tokio::select! {
            biased;
            () = &mut begun => panic!("a request has begun"),
            // A later deadline, so it is over after that of the request.
            () = tokio::time::sleep(Duration::from_millis(10)) => {}
        }
        // Bytes of the previous request do not extend the next wait.
        timer.sleep(Duration::ZERO).await;
    }

    #[tokio::test]
    async fn limit_is_extended_only_once() {
        let (mut client, stream) = duplex(64);
        let (mut stream, timer) = observed(stream, Duration::ZERO);
        let slow = timer.sleep(Duration::ZERO);
        client.write_all(b"GE").await.expect("a pipe in memory");
        stream.read_u8().await.expect("the first byte");
        slow.await;
    }
}
