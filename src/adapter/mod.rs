//! Drivers of a [`PeerState`](crate::PeerState), for threads and for tokio. They move bytes and
//! time, and make no decisions.
//!
//! An adapter takes a configuration and a stream. It returns a [`Handle`], which can be cloned,
//! and the [`Events`]. Both types are the same for every driver. Threads and tasks alike can use
//! them.
//!
//! | | [`threads`] | [`tasks`] |
//! |---|---|---|
//! | resources per peer | two threads, one descriptor | one task, one descriptor |
//! | stream | a blocking [`Stream`](self::threads::Stream), shared by two threads | any `AsyncRead + AsyncWrite` |
//! | TCP | [`connect`](self::threads::connect), [`accept`](self::threads::accept) | [`connect`](self::tasks::connect), [`accept`](self::tasks::accept) |
//! | other streams | [`outbound`](self::threads::outbound), [`inbound`](self::threads::inbound) | [`outbound`](self::tasks::outbound), [`inbound`](self::tasks::inbound) |
//!
//! A stream may be a connection through a proxy, a TLS session, or a pipe in memory. Pass the
//! address of the remote beside it, because a stream may lead through other hosts.
//!
//! # TCP streams of your own need `set_nodelay`
//!
//! `connect` and `accept` call `set_nodelay(true)` on their sockets. `outbound` and `inbound`
//! leave the options of a stream unchanged. Without `set_nodelay`, Nagle's algorithm and delayed
//! acknowledgements delay small messages: a round trip over loopback takes 44 ms instead of
//! 0.3 ms. Set it on each TCP socket that you open, including one to a SOCKS proxy or below TLS.
//!
//! For another runtime, [write an adapter](crate::writing_adapters).
//!
//! # Guarantees
//!
//! Locks and panics:
//!
//! - No driver holds the lock on the peer while it reads, writes or waits. The methods of the
//!   handle never wait for the network.
//! - If a stream panics or a runtime is shut down, the peer ends with
//!   [`ConnectionLost`](crate::CloseReason::ConnectionLost). Other peers are not affected.
//! - A waker that panics has no effect.
//! - A stream that is always ready neither keeps other tasks from running nor delays a deadline.
//!
//! Back-pressure:
//!
//! - While events wait to be taken, the driver stops reading at the limits of the configuration.
//! - While the remote does not read, messages stay queued, up to
//!   [`max_queued_bytes`](crate::ConfigBuilder::max_queued_bytes).
//! - A deadline of the remote is judged after its bytes were read. This holds even if the process
//!   was suspended or another task blocked the runtime.
//!
//! The end:
//!
//! - [`Handle::shutdown`] sends queued messages within a timeout. [`Handle::close`] discards them.
//!   Both report each queued message by [`Sent`](crate::Event::Sent) or
//!   [`NotSent`](crate::Event::NotSent).
//! - When the remote ends the stream or sends fatal input, the driver tries once more to write the
//!   messages that were queued before, for up to one second. Then it ends the stream in our
//!   direction. It discards input until the remote ends the stream or that second is over. So the
//!   remote receives an end of stream and no reset.
//! - Dropping the [`Events`] closes the peer. Dropping handles has no effect.
//! - [`Closed`](crate::Event::Closed) is the last event. It does not wait for the remote.
//! - [`Handle::closed`] and [`Handle::wait_closed`] wait for the driver as well. After them, no
//!   thread or task uses the stream, and the stream is dropped.

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

const _: () = {
    const fn assert_send_and_sync<T: Send + Sync + 'static>() {}
    assert_send_and_sync::<Handle>();
    assert_send_and_sync::<Events>();
};
