//! Calls into code of the application, which may panic: streams and wakers.

use core::mem;
#[cfg(feature = "tokio")]
use core::task::Poll;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};

/// Runs `call` and returns its result, or `None` if it panicked.
pub(super) fn catch<T>(call: impl FnOnce() -> T) -> Option<T> {
    match catch_unwind(AssertUnwindSafe(call)) {
        Ok(value) => Some(value),
        Err(payload) => {
            // The payload belongs to the application as well. If dropping it panics, it is leaked.
            catch_unwind(AssertUnwindSafe(|| drop(payload))).unwrap_or_else(mem::forget);
            None
        }
    }
}

/// A stream of the application. A panic in one of its methods becomes an error of the call. A
/// panic in its destructor is ignored.
///
/// Drivers call streams in destructors and while another panic unwinds. For example, they end a
/// stream whose `read` panicked. A second panic there would abort the process.
pub(super) struct Guarded<S>(Option<S>);

impl<S> Guarded<S> {
    pub(super) fn new(stream: S) -> Self {
        Self(Some(stream))
    }

    pub(super) fn call<T>(&self, call: impl FnOnce(&S) -> io::Result<T>) -> io::Result<T> {
        let stream = self.0.as_ref().ok_or(io::ErrorKind::NotConnected)?;
        catch(|| call(stream)).unwrap_or_else(|| Err(panicked()))
    }

    #[cfg(feature = "tokio")]
    pub(super) fn poll<T>(
        &mut self,
        poll: impl FnOnce(&mut S) -> Poll<io::Result<T>>,
    ) -> Poll<io::Result<T>> {
        let stream = self.0.as_mut().ok_or(io::ErrorKind::NotConnected)?;
        catch(|| poll(stream)).unwrap_or_else(|| Poll::Ready(Err(panicked())))
    }
}

impl<S> Drop for Guarded<S> {
    fn drop(&mut self) {
        let stream = self.0.take();
        catch(|| drop(stream));
    }
}

fn panicked() -> io::Error {
    io::Error::other("the stream panicked")
}
