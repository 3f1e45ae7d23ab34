//! A connection in memory for both drivers, with planned faults.

use std::collections::VecDeque;
use std::io::{self, IoSlice, Read, Write};
use std::net::Shutdown;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::task::Waker;
use std::time::{Duration, Instant};

use excc_peer::adapter::threads::Stream;
use excc_peer::{Config, Direction};

use crate::harness::{Driver, PATIENCE, Peer, Transport, start_std};

/// A call of a driver.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Call {
    Read,
    Write,
    Flush,
    SetTimeout,
    /// Only a panic has an effect on these two.
    Shutdown,
    Drop,
}

/// The result of a call.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Act {
    Go,
    /// Moves at most this number of bytes.
    AtMost(usize),
    /// Fails. An asynchronous stream turns `WouldBlock` into `Pending` and wakes the task at once.
    Fail(io::ErrorKind),
    /// Fails with an error of the operating system.
    #[cfg(target_os = "linux")]
    FailOs(i32),
    /// Returns `Ok(0)`.
    Zero,
    Panic,
}

type Plan = Arc<dyn Fn(Call) -> Act + Send + Sync>;

/// Number of calls by a driver.
#[derive(Default)]
pub(crate) struct Counts {
    pub(crate) reads: AtomicUsize,
    pub(crate) writes: AtomicUsize,
    pub(crate) flushes: AtomicUsize,
}

impl Counts {
    pub(crate) fn all(&self) -> usize {
        self.reads.load(Relaxed) + self.writes.load(Relaxed) + self.flushes.load(Relaxed)
    }
}

/// One end of a connection.
pub(crate) struct End {
    half: Arc<Half>,
    plan: Plan,
    pub(crate) counts: Arc<Counts>,
    /// Every thread that uses this end holds a clone until it ends.
    pub(crate) thread_token: Arc<()>,
    read_timeout: Option<Duration>,
    write_timeout: Mutex<Option<Duration>>,
}

/// One end of both streams. Dropping it ends them.
pub(crate) struct Half {
    link: Arc<Link>,
    side: usize,
    buffers_writes: bool,
}

struct Link {
    pipes: Mutex<[Pipe; 2]>,
    changed: Condvar,
}

/// One direction.
struct Pipe {
    bytes: VecDeque<u8>,
    /// Written bytes that were not flushed.
    unflushed: Vec<u8>,
    /// Maximum number of bytes before writes block.
    capacity: usize,
    has_ended: bool,
    /// Whether the reading end is shut down.
    is_read_closed: bool,
    reader_waits: bool,
    writer_waits: bool,
    wakers: Vec<Waker>,
}

/// Behaviour of the peer's end.
pub(crate) struct Setup {
    pub(crate) plan: Plan,
    pub(crate) capacity: usize,
    pub(crate) buffers_writes: bool,
}

impl Default for Setup {
    fn default() -> Self {
        Self { plan: Arc::new(|_| Act::Go), capacity: 1 << 20, buffers_writes: false }
    }
}

impl Setup {
    pub(crate) fn planned(plan: impl Fn(Call) -> Act + Send + Sync + 'static) -> Self {
        Self { plan: Arc::new(plan), ..Self::default() }
    }

    /// Returns the remote's end and the peer's.
    pub(crate) fn link(self) -> (End, End) {
        let pipe = || Pipe {
            bytes: VecDeque::new(),
            unflushed: Vec::new(),
            capacity: self.capacity,
            has_ended: false,
            is_read_closed: false,
            reader_waits: false,
            writer_waits: false,
            wakers: Vec::new(),
        };
        let link = Arc::new(Link { pipes: Mutex::new([pipe(), pipe()]), changed: Condvar::new() });
        let end = |side, buffers_writes, plan, timeout| End {
            half: Arc::new(Half { link: link.clone(), side, buffers_writes }),
            plan,
            counts: Arc::default(),
            thread_token: Arc::default(),
            read_timeout: timeout,
            write_timeout: Mutex::new(timeout),
        };
        let go: Plan = Arc::new(|_| Act::Go);
        (end(0, false, go, Some(PATIENCE)), end(1, self.buffers_writes, self.plan, None))
    }
}

impl Link {
    fn lock(&self) -> MutexGuard<'_, [Pipe; 2]> {
        self.pipes.lock().expect("no panic under the lock")
    }

    fn unlock_and_wake(&self, mut pipes: MutexGuard<'_, [Pipe; 2]>) {
        let wakers: Vec<_> = pipes.iter_mut().flat_map(|pipe| pipe.wakers.drain(..)).collect();
        drop(pipes);
        self.changed.notify_all();
        wakers.into_iter().for_each(Waker::wake);
    }
}

impl Drop for End {
    fn drop(&mut self) {
        self.panic_if_planned(Call::Drop);
    }
}

impl Drop for Half {
    fn drop(&mut self) {
        self.end(Shutdown::Both);
    }
}

impl Half {
    fn end(&self, how: Shutdown) {
        let mut pipes = self.link.lock();
        if how != Shutdown::Read {
            pipes[1 - self.side].has_ended = true;
        }
        if how != Shutdown::Write {
            pipes[self.side].is_read_closed = true;
        }
        self.link.unlock_and_wake(pipes);
    }

    /// Reads, or returns `None` if there are no bytes yet.
    fn try_read(&self, pipes: &mut [Pipe; 2], buffer: &mut [u8]) -> Option<usize> {
        let pipe = &mut pipes[self.side];
        let len = pipe.bytes.len().min(buffer.len());
        pipe.reader_waits = len == 0;
        if len == 0 {
            return (pipe.has_ended || pipe.is_read_closed).then_some(0);
        }
        pipe.bytes.drain(..len).zip(buffer).for_each(|(byte, place)| *place = byte);
        Some(len)
    }

    /// Writes, or returns `None` if there is no room yet.
    fn try_write(
        &self,
        pipes: &mut [Pipe; 2],
        parts: &[IoSlice<'_>],
        max_len: usize,
    ) -> Option<io::Result<usize>> {
        let pipe = &mut pipes[1 - self.side];
        if pipe.is_read_closed || pipe.has_ended {
            return Some(Err(io::ErrorKind::BrokenPipe.into()));
        }
        let bytes = parts.iter().flat_map(|part| part.iter().copied());
        if self.buffers_writes {
            let before = pipe.unflushed.len();
            pipe.unflushed.extend(bytes.take(max_len));
            return Some(Ok(pipe.unflushed.len() - before));
        }
        let room = pipe.capacity.saturating_sub(pipe.bytes.len());
        pipe.writer_waits = room == 0;
        if room == 0 {
            return None;
        }
        let before = pipe.bytes.len();
        pipe.bytes.extend(bytes.take(max_len.min(room)));
        Some(Ok(pipe.bytes.len() - before))
    }

    fn flush(&self) {
        let mut pipes = self.link.lock();
        let pipe = &mut pipes[1 - self.side];
        let unflushed = std::mem::take(&mut pipe.unflushed);
        pipe.bytes.extend(unflushed);
        self.link.unlock_and_wake(pipes);
    }
}

impl End {
    /// Applies the plan to a call. Returns the maximum number of bytes to move.
    fn act(&self, call: Call) -> io::Result<usize> {
        match call {
            Call::Read => _ = self.counts.reads.fetch_add(1, Relaxed),
            Call::Write => _ = self.counts.writes.fetch_add(1, Relaxed),
            Call::Flush => _ = self.counts.flushes.fetch_add(1, Relaxed),
            Call::SetTimeout | Call::Shutdown | Call::Drop => {}
        }
        match (self.plan)(call) {
            Act::Go => Ok(usize::MAX),
            Act::AtMost(max_len) => Ok(max_len),
            Act::Fail(kind) => Err(kind.into()),
            #[cfg(target_os = "linux")]
            Act::FailOs(code) => Err(io::Error::from_raw_os_error(code)),
            Act::Zero => Ok(0),
            // Prints no message to the terminal.
            Act::Panic => std::panic::resume_unwind(Box::new("as planned")),
        }
    }

    fn panic_if_planned(&self, call: Call) {
        self.act(call).ok();
    }

    fn keep_token(&self) {
        thread_local! {
            static TOKEN: std::cell::RefCell<Option<Arc<()>>> = const { std::cell::RefCell::new(None) };
        }
        TOKEN.with_borrow_mut(|token| *token = Some(self.thread_token.clone()));
    }

    /// Blocks until there is a result, for `timeout` at most.
    fn wait<T>(
        &self,
        timeout: Option<Duration>,
        mut attempt: impl FnMut(&mut [Pipe; 2]) -> Option<T>,
    ) -> io::Result<T> {
        let link = &self.half.link;
        let end = timeout.map(|timeout| Instant::now() + timeout);
        let mut pipes = link.lock();
        let mut has_notified = false;
        loop {
            if let Some(result) = attempt(&mut pipes) {
                link.unlock_and_wake(pipes);
                return Ok(result);
            }
            // A test may wait for this end to block.
            if !std::mem::replace(&mut has_notified, true) {
                link.changed.notify_all();
            }
            let remaining = end.map(|end| end.saturating_duration_since(Instant::now()));
            if remaining.is_some_and(|remaining| remaining.is_zero()) {
                return Err(io::ErrorKind::WouldBlock.into());
            }
            let remaining = remaining.unwrap_or(PATIENCE);
            pipes = link.changed.wait_timeout(pipes, remaining).unwrap().0;
        }
    }

    /// Ends the stream in this end's direction.
    pub(crate) fn end(&self) {
        self.half.end(Shutdown::Write);
    }

    /// Takes the received bytes.
    pub(crate) fn take(&self) -> Vec<u8> {
        let mut pipes = self.half.link.lock();
        let bytes = pipes[self.half.side].bytes.drain(..).collect();
        self.half.link.unlock_and_wake(pipes);
        bytes
    }

    /// Waits until the other end has read all bytes and waits for more.
    #[track_caller]
    pub(crate) fn wait_until_read(&self) {
        let other = 1 - self.half.side;
        let is_read = |pipes: &mut [Pipe; 2]| {
            (pipes[other].bytes.is_empty() && pipes[other].reader_waits).then_some(())
        };
        self.wait(Some(PATIENCE), is_read).expect("read in time");
    }

    /// Waits until a write of the other end is blocked.
    #[track_caller]
    pub(crate) fn wait_until_full(&self) {
        let side = self.half.side;
        let is_full = |pipes: &mut [Pipe; 2]| pipes[side].writer_waits.then_some(());
        self.wait(Some(PATIENCE), is_full).expect("written in time");
    }

    /// Returns a weak reference, to check whether this end was dropped.
    pub(crate) fn liveness(&self) -> std::sync::Weak<Half> {
        Arc::downgrade(&self.half)
    }
}

impl Stream for End {
    fn read(&self, buffer: &mut [u8]) -> io::Result<usize> {
        self.keep_token();
        let max_len = self.act(Call::Read)?.min(buffer.len());
        self.wait(self.read_timeout, |pipes| self.half.try_read(pipes, &mut buffer[..max_len]))
    }

    fn write(&self, bytes: &[u8]) -> io::Result<usize> {
        self.write_vectored(&[IoSlice::new(bytes)])
    }

    fn write_vectored(&self, parts: &[IoSlice<'_>]) -> io::Result<usize> {
        self.keep_token();
        match self.act(Call::Write)? {
            0 => Ok(0),
            max_len => {
                let timeout = *self.write_timeout.lock().unwrap();
                self.wait(timeout, |pipes| self.half.try_write(pipes, parts, max_len))?
            }
        }
    }

    fn flush(&self) -> io::Result<()> {
        self.act(Call::Flush)?;
        self.half.flush();
        Ok(())
    }

    fn set_write_timeout(&self, timeout: Duration) -> io::Result<()> {
        self.act(Call::SetTimeout)?;
        *self.write_timeout.lock().unwrap() = Some(timeout);
        Ok(())
    }

    fn shutdown(&self, how: Shutdown) -> io::Result<()> {
        self.panic_if_planned(Call::Shutdown);
        self.half.end(how);
        Ok(())
    }
}

impl Read for End {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        Stream::read(self, buffer)
    }
}

impl Write for End {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        Stream::write(self, bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Stream::flush(self)
    }
}

impl Transport for End {
    fn start(self, driver: Driver, direction: Direction, config: Arc<Config>) -> io::Result<Peer> {
        match driver {
            Driver::Std => start_std(direction, config, self),
            #[cfg(feature = "tokio")]
            Driver::Tokio => {
                let _context = crate::harness::runtime().enter();
                crate::harness::start_tokio(direction, config, self)
            }
        }
    }
}

#[cfg(feature = "tokio")]
mod asynchronous {
    use std::pin::Pin;
    use std::task::{Context, Poll, ready};

    use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

    use super::*;

    impl End {
        fn poll_act(&self, context: &Context<'_>, call: Call) -> Poll<io::Result<usize>> {
            match self.act(call) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    context.waker().wake_by_ref();
                    Poll::Pending
                }
                result => Poll::Ready(result),
            }
        }

        fn poll_wait<T>(
            &self,
            context: &Context<'_>,
            attempt: impl FnOnce(&mut [Pipe; 2]) -> Option<T>,
        ) -> Poll<T> {
            let link = &self.half.link;
            let mut pipes = link.lock();
            let Some(result) = attempt(&mut pipes) else {
                pipes[0].wakers.push(context.waker().clone());
                link.changed.notify_all();
                return Poll::Pending;
            };
            link.unlock_and_wake(pipes);
            Poll::Ready(result)
        }
    }

    impl AsyncRead for End {
        fn poll_read(
            self: Pin<&mut Self>,
            context: &mut Context<'_>,
            buffer: &mut ReadBuf<'_>,
        ) -> Poll<io::Result<()>> {
            let max_len = ready!(self.poll_act(context, Call::Read))?.min(buffer.remaining());
            let place = buffer.initialize_unfilled_to(max_len);
            let read = ready!(self.poll_wait(context, |pipes| self.half.try_read(pipes, place)));
            buffer.advance(read);
            Poll::Ready(Ok(()))
        }
    }

    impl AsyncWrite for End {
        fn poll_write(
            self: Pin<&mut Self>,
            context: &mut Context<'_>,
            bytes: &[u8],
        ) -> Poll<io::Result<usize>> {
            self.poll_write_vectored(context, &[IoSlice::new(bytes)])
        }

        fn poll_write_vectored(
            self: Pin<&mut Self>,
            context: &mut Context<'_>,
            parts: &[IoSlice<'_>],
        ) -> Poll<io::Result<usize>> {
            match ready!(self.poll_act(context, Call::Write))? {
                0 => Poll::Ready(Ok(0)),
                max_len => {
                    self.poll_wait(context, |pipes| self.half.try_write(pipes, parts, max_len))
                }
            }
        }

        fn is_write_vectored(&self) -> bool {
            true
        }

        fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
            ready!(self.poll_act(context, Call::Flush))?;
            self.half.flush();
            Poll::Ready(Ok(()))
        }

        fn poll_shutdown(
            mut self: Pin<&mut Self>,
            context: &mut Context<'_>,
        ) -> Poll<io::Result<()>> {
            self.panic_if_planned(Call::Shutdown);
            ready!(self.as_mut().poll_flush(context))?;
            self.half.end(Shutdown::Write);
            Poll::Ready(Ok(()))
        }
    }
}
