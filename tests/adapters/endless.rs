//! Streams that are always ready. Drivers still keep deadlines and yield to other tasks.

use std::io;
use std::net::Shutdown;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::time::{Duration, Instant};

use excc_peer::adapter::{self, Events, Handle};
use excc_peer::wire::Message;
use excc_peer::{CloseReason, Direction, Event};

use crate::harness::*;

const TIME: Duration = Duration::from_millis(300);

/// A remote that sends its handshake and then messages forever, and accepts all bytes at once.
struct Endless {
    opening: Vec<u8>,
    repeated: Vec<u8>,
    read: AtomicUsize,
}

impl Endless {
    fn new() -> Self {
        let repeated = encode(Message::GetAddr).repeat(100);
        Self { opening: opening(), repeated, read: AtomicUsize::new(0) }
    }

    fn read_some(&self, buffer: &mut [u8]) -> usize {
        let offset = self.read.load(Relaxed);
        let source = match self.opening.get(offset..) {
            Some(remaining) if !remaining.is_empty() => remaining,
            _ => &self.repeated[(offset - self.opening.len()) % self.repeated.len()..],
        };
        let len = source.len().min(buffer.len());
        buffer[..len].copy_from_slice(&source[..len]);
        self.read.fetch_add(len, Relaxed);
        len
    }
}

impl adapter::threads::Stream for Endless {
    fn read(&self, buffer: &mut [u8]) -> io::Result<usize> {
        Ok(self.read_some(buffer))
    }

    fn write(&self, bytes: &[u8]) -> io::Result<usize> {
        Ok(bytes.len())
    }

    fn set_write_timeout(&self, _: Duration) -> io::Result<()> {
        Ok(())
    }

    fn shutdown(&self, _: Shutdown) -> io::Result<()> {
        Ok(())
    }
}

/// Shuts a peer down once it is established. Asserts that the shutdown ends in time.
async fn shut_down(handle: Handle, mut events: Events) {
    let mut began = None;
    while let Some(event) = events.recv().await {
        match event {
            Event::Established(_) => {
                began = Some(Instant::now());
                handle.shutdown(TIME);
            }
            Event::Closed(reason) => assert_eq!(reason, CloseReason::Local),
            _ => {}
        }
    }
    assert_eq!(handle.closed().await, CloseReason::Local);
    let elapsed = began.expect("established").elapsed();
    assert!((TIME..10 * TIME).contains(&elapsed), "{elapsed:?}");
}

#[test]
fn a_thread_keeps_deadlines_over_an_always_ready_stream() {
    let config = Arc::new(config().build().unwrap());
    let (handle, events) = start_std(Direction::Inbound, config, Endless::new()).unwrap();
    block_on(shut_down(handle, events));
}

#[cfg(feature = "tokio")]
mod task {
    use std::pin::Pin;
    use std::sync::mpsc;
    use std::task::{Context, Poll};
    use std::thread;

    use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
    use tokio::runtime::Builder;

    use super::*;

    impl AsyncRead for Endless {
        fn poll_read(
            self: Pin<&mut Self>,
            _: &mut Context<'_>,
            buffer: &mut ReadBuf<'_>,
        ) -> Poll<io::Result<()>> {
            let len = self.read_some(buffer.initialize_unfilled());
            buffer.advance(len);
            Poll::Ready(Ok(()))
        }
    }

    impl AsyncWrite for Endless {
        fn poll_write(
            self: Pin<&mut Self>,
            _: &mut Context<'_>,
            bytes: &[u8],
        ) -> Poll<io::Result<usize>> {
            Poll::Ready(Ok(bytes.len()))
        }

        fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Ok(()))
        }

        fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Ok(()))
        }
    }

    /// Runs a future and a peer on one thread. The future cannot run if the peer never yields.
    fn beside_a_peer<F: Future<Output = ()>>(then: impl FnOnce(Peer) -> F + Send + 'static) {
        let (done, is_done) = mpsc::channel();
        let thread = thread::spawn(move || {
            let runtime = Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async {
                let config = Arc::new(config().build().unwrap());
                then(start_tokio(Direction::Inbound, config, Endless::new()).unwrap()).await;
            });
            done.send(()).unwrap();
        });
        is_done.recv_timeout(PATIENCE).expect("the end in time");
        thread.join().unwrap();
    }

    #[test]
    fn a_task_keeps_deadlines_over_an_always_ready_stream() {
        beside_a_peer(|(handle, events)| shut_down(handle, events));
    }

    /// Another thread takes the events, so that the peer never waits for room.
    #[test]
    fn a_task_yields_to_others_over_an_always_ready_stream() {
        beside_a_peer(|(handle, events)| async move {
            let taking = thread::spawn(move || events.count());
            for _ in 0..100 {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
            handle.close();
            handle.closed().await;
            assert!(taking.join().unwrap() > 100);
        });
    }
}
