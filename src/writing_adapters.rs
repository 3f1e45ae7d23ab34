//! For those who write an adapter: what to call, when, in which order, and what never happens.
//!
//! An adapter joins a [`PeerState`] to a stream, a clock and an application. It moves bytes,
//! events and time, and decides nothing. [`adapter::std`](crate::adapter::std) does it with
//! threads, [`adapter::tokio`](crate::adapter::tokio) as a task, the example `custom_runtime` for
//! many peers on one thread.
//!
//! # The contract
//!
//! **Whatever goes in may bring anything out.** After an input or a command, go through the
//! outputs, and again until a whole round brings nothing: taking some is the cause of others.
//! Only then wait.
//!
//! | output | what it means | what changes it |
//! |---|---|---|
//! | [`poll_event`](PeerState::poll_event) | what happened; take events until there are none | inputs, commands, bytes that left |
//! | [`transmit`](PeerState::transmit) | bytes to be written; [`wants_write`](PeerState::wants_write) tells whether there are any | inputs, commands |
//! | [`can_resume`](PeerState::can_resume) | there is room for frames that stayed in your buffer: call [`handle_input`](PeerState::handle_input) before you wait | events taken, pongs that left, [`accept_version`](PeerState::accept_version) |
//! | [`wants_read`](PeerState::wants_read) | whether to read from the stream | the same, and inputs |
//! | [`poll_timeout`](PeerState::poll_timeout) | when to call [`handle_timeout`](PeerState::handle_timeout) at the latest; if there is no time, nothing will be due | inputs, commands, `transmit`, bytes that left: ask for it last |
//!
//! Begin with the outputs, too: an outbound peer is made with its `version` to be written, and
//! every peer with a deadline.
//!
//! | input | when |
//! |---|---|
//! | [`handle_input`](PeerState::handle_input) | bytes were read, or [`can_resume`](PeerState::can_resume) |
//! | [`handle_timeout`](PeerState::handle_timeout) | the time of [`poll_timeout`](PeerState::poll_timeout) has come, or whenever it suits you |
//! | [`handle_eof`](PeerState::handle_eof) | a read told the end of the stream, after all its bytes were given to the peer |
//! | [`handle_connection_lost`](PeerState::handle_connection_lost) | reading, writing or connecting failed, other than for the moment |
//!
//! Take events before you write. Nothing that answers a remote's `version` has left then, so
//! that the application can [refuse](PeerState::refuse_version) it in silence. Where that order
//! cannot be kept, it must ask for a [review](crate::ConfigBuilder::review_version).
//!
//! A command that is given elsewhere, by another task or thread, must wake the loop, as it may
//! bring anything out.
//!
//! # In code
//!
//! This is all of it, for one peer, over anything that reads and writes without blocking:
//!
//! ```
//! use std::io;
//!
//! use bytes::{Buf, BytesMut};
//! use excc_peer::{Event, Instant, PeerState};
//!
//! /// A stream and a clock.
//! trait Runtime {
//!     fn now(&self) -> Instant;
//!     /// Fails with `WouldBlock` if there is nothing to read yet.
//!     fn read(&mut self, chunk: &mut [u8]) -> io::Result<usize>;
//!     /// Fails with `WouldBlock` if nothing can be written yet.
//!     fn write(&mut self, bytes: &[u8]) -> io::Result<usize>;
//!     /// Waits until a call that would have blocked can be made, or for the deadline.
//!     fn wait(&mut self, deadline: Option<Instant>);
//! }
//!
//! /// Runs a peer to its end.
//! fn drive(
//!     peer: &mut PeerState,
//!     runtime: &mut impl Runtime,
//!     mut on_event: impl FnMut(&mut PeerState, Event),
//! ) {
//!     let mut buffer = BytesMut::new();
//!     loop {
//!         // What has come goes before the time: it is not late because this loop is.
//!         let mut has_more = take_input(peer, runtime, &mut buffer);
//!         peer.handle_timeout(runtime.now());
//!         while let Some(event) = peer.poll_event() {
//!             on_event(peer, event);
//!             has_more = true;
//!         }
//!         if peer.close_reason().is_some() {
//!             return;
//!         }
//!         has_more |= give_output(peer, runtime);
//!         if !has_more {
//!             runtime.wait(peer.poll_timeout());
//!         }
//!     }
//! }
//!
//! fn take_input(
//!     peer: &mut PeerState,
//!     runtime: &mut impl Runtime,
//!     buffer: &mut BytesMut,
//! ) -> bool {
//!     if !peer.can_resume() {
//!         if !peer.wants_read() {
//!             return false;
//!         }
//!         let mut chunk = [0; 4096];
//!         match runtime.read(&mut chunk) {
//!             Ok(0) => {
//!                 peer.handle_eof(runtime.now());
//!                 return true;
//!             }
//!             Ok(len) => buffer.extend_from_slice(&chunk[..len]),
//!             Err(error) => return try_again(peer, runtime, &error),
//!         }
//!     }
//!     // An error is also the last event.
//!     let _ = peer.handle_input(runtime.now(), buffer);
//!     true
//! }
//!
//! fn give_output(peer: &mut PeerState, runtime: &mut impl Runtime) -> bool {
//!     let mut out = peer.transmit(runtime.now());
//!     if !out.has_remaining() {
//!         return false;
//!     }
//!     match runtime.write(out.chunk()) {
//!         Ok(0) => peer.handle_connection_lost(runtime.now()),
//!         Ok(len) => out.advance(len),
//!         Err(error) => return try_again(peer, runtime, &error),
//!     }
//!     true
//! }
//!
//! /// Whether there is more to do after a call that failed.
//! fn try_again(peer: &mut PeerState, runtime: &impl Runtime, error: &io::Error) -> bool {
//!     match error.kind() {
//!         io::ErrorKind::WouldBlock => return false,
//!         io::ErrorKind::Interrupted => {}
//!         _ => peer.handle_connection_lost(runtime.now()),
//!     }
//!     true
//! }
//! # // The remote is another peer, and time passes only while everybody waits.
//! # use std::time::Duration;
//! #
//! # use excc_peer::{CloseReason, Config, Network};
//! #
//! # struct Loopback {
//! #     now: Instant,
//! #     remote: PeerState,
//! #     buffer: BytesMut,
//! #     calls: usize,
//! # }
//! #
//! # impl Loopback {
//! #     fn fails(&mut self) -> io::Result<()> {
//! #         self.calls += 1;
//! #         match self.calls % 5 {
//! #             0 => Err(io::ErrorKind::WouldBlock.into()),
//! #             1 => Err(io::ErrorKind::Interrupted.into()),
//! #             _ => Ok(()),
//! #         }
//! #     }
//! # }
//! #
//! # impl Runtime for Loopback {
//! #     fn now(&self) -> Instant {
//! #         self.now
//! #     }
//! #     fn read(&mut self, chunk: &mut [u8]) -> io::Result<usize> {
//! #         self.fails()?;
//! #         let mut out = self.remote.transmit(self.now);
//! #         let len = out.remaining().min(chunk.len()).min(7);
//! #         if len == 0 {
//! #             return Err(io::ErrorKind::WouldBlock.into());
//! #         }
//! #         out.copy_to_slice(&mut chunk[..len]);
//! #         Ok(len)
//! #     }
//! #     fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
//! #         self.fails()?;
//! #         let len = bytes.len().min(11);
//! #         self.buffer.extend_from_slice(&bytes[..len]);
//! #         self.remote.handle_input(self.now, &mut self.buffer).unwrap();
//! #         while self.remote.poll_event().is_some() {}
//! #         Ok(len)
//! #     }
//! #     fn wait(&mut self, deadline: Option<Instant>) {
//! #         let deadline = deadline.expect("an open peer of these settings has one");
//! #         self.now = deadline.min(self.now + Duration::from_millis(1));
//! #     }
//! # }
//! #
//! # let mut rng = rand_core::UnwrapErr(getrandom::SysRng);
//! # let config = || Config::builder(Network::EXCC_SIMNET).max_waiting_events(1, 1).build().unwrap();
//! # let address = "127.0.0.1:9666".parse().unwrap();
//! # let (now, unix_time) = (Instant::ZERO, 1_700_000_000);
//! # let remote = PeerState::inbound(config(), address, now, unix_time, &mut rng);
//! # let mut runtime = Loopback { now, remote, buffer: BytesMut::new(), calls: 0 };
//! # let mut peer = PeerState::outbound(config(), address, now, unix_time, &mut rng);
//! # let mut last = None;
//! # drive(&mut peer, &mut runtime, |peer, event| {
//! #     match event {
//! #         Event::Established(_) => _ = peer.ping().unwrap(),
//! #         Event::RoundTrip { .. } => peer.close(),
//! #         _ => {}
//! #     }
//! #     last = Some(event);
//! # });
//! # assert_eq!(last, Some(Event::Closed(CloseReason::Local)));
//! ```
//!
//! # Reading
//!
//! - The receive buffer is yours, one for each peer. Append to it what you read and leave the
//!   rest to the peer, which takes headers and payloads from the front once they are whole. What
//!   it does not take stays there: the beginning of a frame, or frames for which there is no room.
//!   So the length of the buffer does not tell whether there is something to do.
//! - While [`wants_read`](PeerState::wants_read) says no, do not read. Then the remote feels it,
//!   and your buffer has an end. Where readiness is told only once, as by edge-triggered polling,
//!   remember it until a read would block: nobody tells it again when the peer wants to read.
//! - Once the handshake is done, the time in which the application holds the remote back does not
//!   count against the remote. As [`poll_event`](PeerState::poll_event) is not told the time, such
//!   a span lasts until the next call that is: do not wait between taking events and that.
//! - The end of the stream is an input like any other. If frames are still in your buffer for want
//!   of room, the peer lives on until they are taken, and
//!   [`can_resume`](PeerState::can_resume) tells when. A connection that is lost ends it at once.
//! - An end inside a frame is [`Decode`](crate::CloseReason::Decode), one between two frames
//!   [`RemoteClosed`](crate::CloseReason::RemoteClosed); neither is an error of yours. That
//!   [`handle_input`](PeerState::handle_input) returns an error may be passed over: it is told by
//!   the last event as well.
//!
//! # Writing
//!
//! - [`Transmit`](crate::Transmit) is a [`Buf`](bytes::Buf): write from
//!   [`chunk`](bytes::Buf::chunk), which is one frame or a part of it, or from `chunks_vectored`,
//!   which spans many and comes with the feature `std`. Then advance by exactly what was taken.
//!   Partial writes need no other care.
//! - To ask for it counts as trying to write. From then on a frame has its
//!   [time to leave](crate::ConfigBuilder::write_timeout), and each one after it when the one
//!   before has left. So ask only when you are going to write; whether to wait until you can,
//!   [`wants_write`](PeerState::wants_write) tells.
//! - Advancing is what makes bytes leave: it brings [`Sent`](crate::Event::Sent), starts the time
//!   of a `ping` and of a request, and makes room for input where pongs were in the way. "Left"
//!   means taken by the socket; whether it arrives nobody knows.
//! - What leaves does so at the time given to [`transmit`](PeerState::transmit). Where a write may
//!   block, ask for a new `Transmit` after it, with the time it is then, and advance that: else
//!   round trips seem longer than they are.
//! - To write without holding the peer, [`share`](crate::Transmit::share) the first frames. The
//!   [`Outgoing`](crate::Outgoing) borrows nothing. After the write, advance a new `Transmit` by as
//!   much. Meanwhile the queue grows only at its end, so that they still are the first ones, as
//!   long as there is but one who writes. If the peer was closed meanwhile, advancing does nothing.
//! - What the application queues is bounded, too. A message beyond
//!   [`max_queued_bytes`](crate::ConfigBuilder::max_queued_bytes) is given back; receipts tell when
//!   there is room again.
//!
//! # Time
//!
//! - Any clock will do that counts from a fixed point, and no tick is needed. It may stand still.
//!   Where it goes backwards, it counts as standing still until it has caught up.
//! - What is due is done by [`handle_timeout`](PeerState::handle_timeout) and by nothing else. Too
//!   early, it does nothing. Too late, it does everything that is due by then, in the order of the
//!   deadlines, and takes the time as it is. So give the peer first what has come meanwhile.
//! - Deadlines move both ways: nearly every frame that comes or leaves moves one. Ask for
//!   [`poll_timeout`](PeerState::poll_timeout) before each wait; it costs next to nothing.
//! - Whoever keeps the deadlines of many peers in order moves an entry only if its time has
//!   changed, or looks again when an outdated one comes. A deadline that has passed is never
//!   told again: after `handle_timeout` the next one lies later, or there is none.
//! - A peer can be made before its connection is there. Then its
//!   [deadline for the handshake](crate::ConfigBuilder::handshake_timeout) is one for connecting,
//!   too.
//!
//! # The end
//!
//! - A peer is closed by a command, by any input, or by the last byte that leaves after a
//!   [`shutdown`](PeerState::shutdown): look after advancing, too, and take the events then.
//! - [`close_reason`](PeerState::close_reason) is there from the moment a peer is closed, whatever
//!   closed it, and never changes. From then on nothing is to be written or read, there is no
//!   deadline, inputs do nothing, and nothing can be queued.
//! - The events that wait can still be taken. After those comes a
//!   [`NotSent`](crate::Event::NotSent) for each queued message whose last byte had not left, and
//!   then [`Closed`](crate::Event::Closed), exactly once and last. Each
//!   [`SendId`](crate::SendId) is told as sent or not sent, exactly once. Announcements that
//!   trickle have none.
//! - Take the events until there are none, then drop the socket. Nothing else is to be released.
//!   Frames that you [shared](crate::Transmit::share) need not be written any more.
//! - After a shutdown with everything sent, [`linger_until`](PeerState::linger_until) is a time.
//!   Then flush the stream if it has a buffer of its own, end it in the direction of the remote,
//!   and read and pass over what comes until the remote ends it in yours, or until that time. A
//!   socket that is dropped at once may take with it what the remote has not received.
//!
//! # What never happens
//!
//! - A panic, whatever the remote sends, in whatever order you call, and whatever the clock says.
//! - A callback, a thread, a lock, a call that blocks.
//! - A look at a clock, or randomness that is not drawn from the generator given to the
//!   constructor: the same numbers, inputs and commands give the same bytes and events.
//! - Something by itself: between two calls nothing changes.
//! - A change by a getter, [`wants_read`](PeerState::wants_read),
//!   [`can_resume`](PeerState::can_resume) and [`poll_timeout`](PeerState::poll_timeout) among
//!   them: all take `&self`.
//! - An event after `Closed`, or bytes to be written after the peer is closed.
//! - A deadline that is due again right after it was handled.

#[expect(unused_imports, reason = "for the links above")]
use crate::PeerState;
