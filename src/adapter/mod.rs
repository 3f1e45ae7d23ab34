//! Ready-made drivers of a [`PeerState`](crate::PeerState). They move bytes and time, and
//! decide nothing.
//!
//! An adapter takes a configuration and a stream, and gives a [`Handle`], which the
//! application may clone, and the [`Events`]. Both are the same whatever drives the peer, and
//! can be used by threads and tasks alike:
//!
//! | | [`std`] | [`tokio`] |
//! |---|---|---|
//! | resources per peer | two threads, one descriptor | one task, one descriptor |
//! | over | a [`Stream`](self::std::Stream): blocking, shared by two threads | any `AsyncRead + AsyncWrite` |
//! | TCP | [`connect`](self::std::connect), [`accept`](self::std::accept) | [`connect`](self::tokio::connect), [`accept`](self::tokio::accept) |
//! | streams of yours | [`outbound`](self::std::outbound), [`inbound`](self::std::inbound) | [`outbound`](self::tokio::outbound), [`inbound`](self::tokio::inbound) |
//!
//! Streams of yours are those that a proxy or TLS gave you, or one in memory; the remote's address
//! is told apart from them, as only you know what is behind. For another runtime,
//! [write an adapter](crate::writing_adapters).
//!
//! # Promises
//!
//! - Nobody holds the lock on the peer while reading, writing or waiting, so that the
//!   handle's methods do not wait for the network.
//! - Events that are not taken hold the remote back: the socket is not read. A remote that
//!   does not read leaves messages queued, up to
//!   [`max_queued_bytes`](crate::ConfigBuilder::max_queued_bytes).
//! - [`Handle::shutdown`] lets everything queued arrive, within a time; [`Handle::close`] drops
//!   it. Either way each message that was queued is told as [`Sent`](crate::Event::Sent) or
//!   [`NotSent`](crate::Event::NotSent).
//! - [`Events`] that are dropped close the peer, as nobody would hear it any more. Handles that
//!   are dropped change nothing.
//! - The end is the event [`Closed`](crate::Event::Closed), after all that came before it.
//!   [`Handle::closed`] and [`Handle::wait_closed`] also wait for the driver, so that no thread,
//!   task or socket is left behind.
//! - A driver that is ended from outside, by a panic in a stream or by a runtime that is shut
//!   down, ends its peer, as [`ConnectionLost`](crate::CloseReason::ConnectionLost).

mod events;
mod guard;
mod handle;
mod shared;
pub mod std;
#[cfg(feature = "tokio")]
pub mod tokio;

pub use events::Events;
pub use handle::Handle;
