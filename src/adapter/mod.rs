//! Drivers of a [`PeerState`](crate::PeerState) for threads and for tokio. They move bytes and
//! time, and make no decisions.
//!
//! An adapter takes a configuration and a stream, and returns a [`Handle`], which can be cloned,
//! and the [`Events`]. Both types are the same for every driver, and threads and tasks alike can
//! use them:
//!
//! | | [`threads`] | [`tasks`] |
//! |---|---|---|
//! | resources per peer | two threads, one descriptor | one task, one descriptor |
//! | stream | a blocking [`Stream`](self::threads::Stream), shared by two threads | any `AsyncRead + AsyncWrite` |
//! | TCP | [`connect`](self::threads::connect), [`accept`](self::threads::accept) | [`connect`](self::tasks::connect), [`accept`](self::tasks::accept) |
//! | your own stream | [`outbound`](self::threads::outbound), [`inbound`](self::threads::inbound) | [`outbound`](self::tasks::outbound), [`inbound`](self::tasks::inbound) |
//!
//! Your own stream may come from a proxy or from TLS, or may be in memory. The remote's address
//! is passed beside it, because a stream may lead through other hosts.
//!
//! # TCP streams of your own need `set_nodelay`
//!
//! `connect` and `accept` call `set_nodelay(true)` on their sockets. `outbound` and `inbound`
//! leave your stream as it is. Without it, Nagle's algorithm and delayed acknowledgements hold
//! small messages back: a round trip over loopback takes 44 ms instead of 0.3 ms. So set it on
//! each TCP socket that you open, also on one to a SOCKS proxy or below TLS.
//!
//! For another runtime, [write an adapter](crate::writing_adapters).
//!
//! # Guarantees
//!
//! - No driver holds the lock on the peer while it reads, writes or waits. The handle's methods
//!   never wait for the network.
//! - Events that are not taken are back-pressure: the driver stops reading. If the remote does
//!   not read, messages stay queued, up to
//!   [`max_queued_bytes`](crate::ConfigBuilder::max_queued_bytes).
//! - [`Handle::shutdown`] sends what is queued, within a timeout. [`Handle::close`] discards it.
//!   Both report each queued message by [`Sent`](crate::Event::Sent) or
//!   [`NotSent`](crate::Event::NotSent).
//! - When the remote ends the stream or sends fatal input, what was queued before is written once
//!   more, within a second. Then the driver ends the stream in our direction, and discards
//!   input until the remote ends it in its own or that second is over. So the remote sees a
//!   clean end and no reset.
//! - A deadline of the remote is judged after its bytes were read, also if the process was
//!   suspended or another task blocked the runtime.
//! - Dropping the [`Events`] closes the peer. Dropping handles has no effect.
//! - [`Closed`](crate::Event::Closed) is the last event, and does not wait for the remote.
//!   [`Handle::closed`] and [`Handle::wait_closed`] wait for the driver as well: after them no
//!   thread or task uses the stream, which is dropped.
//! - A stream that panics, or a runtime that is shut down, ends its peers with
//!   [`ConnectionLost`](crate::CloseReason::ConnectionLost) and affects no other peer. A waker that
//!   panics affects nothing.
//! - A stream that is always ready does not keep other tasks from running, and does not delay
//!   a deadline.

mod driver;
mod driver_guard;
mod events;
mod handle;
mod output;
mod panics;
mod shared;
mod state;
#[cfg(feature = "tokio")]
pub mod tasks;
pub mod threads;
mod waiters;
mod watch;

pub use events::Events;
pub use handle::Handle;

/// Size of a read whose bytes are discarded.
const DISCARD_SIZE: usize = 4 * 1024;

const _: () = {
    const fn assert_send_and_sync<T: Send + Sync + 'static>() {}
    assert_send_and_sync::<Handle>();
    assert_send_and_sync::<Events>();
};
