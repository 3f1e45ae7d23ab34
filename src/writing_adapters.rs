//! For authors of adapters: the calls, their order, the exact rules, and what never happens.
//!
//! An adapter joins a [`PeerState`] to a stream, a clock and an application. It moves bytes,
//! events and time, and decides nothing. [`adapter::threads`](crate::adapter::threads) does this with
//! threads, [`adapter::tasks`](crate::adapter::tasks) as a task, and the example
//! `custom_runtime` for many peers on one thread.
//!
//! # The contract
//!
//! **Any input can change any output.** After an input or a command, take all outputs, and repeat
//! until a whole round brings nothing. Only then wait.
//!
//! | output | meaning | changed by |
//! |---|---|---|
//! | [`poll_event`](PeerState::poll_event) | the next event; take events until there are none | inputs, commands, sent bytes |
//! | [`wants_write`](PeerState::wants_write) | whether [`transmit`](PeerState::transmit) has bytes to be written | inputs, commands |
//! | [`can_resume`](PeerState::can_resume) | whether to call [`handle_input`](PeerState::handle_input) before reading more | taken events, [`accept_version`](PeerState::accept_version) |
//! | [`wants_read`](PeerState::wants_read) | whether to read from the stream | taken events, inputs, [`accept_version`](PeerState::accept_version) |
//! | [`poll_timeout`](PeerState::poll_timeout) | when to call [`handle_timeout`](PeerState::handle_timeout) at the latest | everything: ask for it last |
//! | [`linger_until`](PeerState::linger_until) | how long to keep the stream after the last event | set when the peer closes |
//!
//! Take the outputs first of all: an outbound peer has its `version` to send from the start, and
//! every peer has a deadline.
//!
//! | input | when |
//! |---|---|
//! | [`handle_input`](PeerState::handle_input) | bytes were read, or [`can_resume`](PeerState::can_resume) |
//! | [`handle_timeout`](PeerState::handle_timeout) | at [`poll_timeout`](PeerState::poll_timeout), **after a read**; earlier calls do no harm |
//! | [`handle_eof`](PeerState::handle_eof) | a read returned the end of the stream, and all bytes before it were handed over |
//! | [`handle_connection_lost`](PeerState::handle_connection_lost) | connecting, reading or writing failed for good |
//!
//! Each round has this order:
//!
//! 1. Read once, if the peer wants it and the stream has bytes.
//! 2. Call [`handle_timeout`](PeerState::handle_timeout).
//! 3. Take all events. Nothing that answers the remote's `version` was sent yet, so that the
//!    application can still [refuse](PeerState::refuse_version) it in silence. If you cannot keep
//!    this order, ask for a [review](crate::ConfigBuilder::review_version).
//! 4. Read the clock, then write once.
//! 5. Wait, if nothing of this did anything.
//!
//! One read and one write a round are enough. A loop that reads until the stream would block
//! never ends on a fast stream: every loop over a stream must yield and look at the clock. The
//! bound on events is the peer's own, so that no queue of your own is needed.
//!
//! A command from another task or thread must wake the loop.
//!
//! # In code
//!
//! The whole of it, for one peer, over any stream that does not block:
//!
//! ```
//! # #[cfg(not(feature = "std"))]
//! # fn main() {}
//! # #[cfg(feature = "std")]
//! # fn main() {
//! use std::io::{self, Read, Write};
//!
//! use bytes::Buf;
//! use excc_peer::wire::InputBuffer;
//! use excc_peer::{Event, Instant, PeerState};
//!
//! /// A stream that fails with `WouldBlock` instead of waiting, and a clock.
//! trait Runtime: Read + Write {
//!     fn now(&self) -> Instant;
//!     /// Ends the stream in our direction.
//!     fn shutdown_write(&mut self) -> io::Result<()>;
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
//!     let mut buffer = InputBuffer::new();
//!     let mut is_closed = false;
//!     while !is_closed {
//!         // Before the deadlines are judged: the remote is not late because this loop is.
//!         let mut has_more = read(peer, runtime, &mut buffer);
//!         peer.handle_timeout(runtime.now());
//!         while let Some(event) = peer.poll_event() {
//!             // Until then a closed peer may still have bytes to send.
//!             is_closed |= matches!(event, Event::Closed(_));
//!             on_event(peer, event);
//!             has_more = true;
//!         }
//!         has_more |= write(peer, runtime);
//!         if !has_more {
//!             runtime.wait(peer.poll_timeout());
//!         }
//!     }
//!     if let Some(until) = peer.linger_until() {
//!         linger(runtime, until);
//!     }
//! }
//!
//! /// Reads once. Returns whether there may be more to do.
//! fn read(peer: &mut PeerState, runtime: &mut impl Runtime, buffer: &mut InputBuffer) -> bool {
//!     if !peer.can_resume() {
//!         if !peer.wants_read() {
//!             return false;
//!         }
//!         match buffer.read_from(runtime) {
//!             Ok(0) => {
//!                 peer.handle_eof(runtime.now());
//!                 return true;
//!             }
//!             Ok(_) => {}
//!             Err(error) => return try_again(peer, runtime, &error),
//!         }
//!     }
//!     // The last event reports an error, too.
//!     let _ = peer.handle_input(runtime.now(), buffer);
//!     true
//! }
//!
//! /// Writes once. Returns whether there may be more to do.
//! fn write(peer: &mut PeerState, runtime: &mut impl Runtime) -> bool {
//!     if !peer.wants_write() {
//!         return false;
//!     }
//!     // The time before the write: round trips count from here.
//!     let mut out = peer.transmit(runtime.now());
//!     let written = runtime.write(out.chunk());
//!     out.advance(*written.as_ref().unwrap_or(&0));
//!     drop(out);
//!     match written {
//!         Ok(0) => try_again(peer, runtime, &io::ErrorKind::WriteZero.into()),
//!         Ok(_) => true,
//!         Err(error) => try_again(peer, runtime, &error),
//!     }
//! }
//!
//! /// Returns whether there may be more to do after a call that failed.
//! fn try_again(peer: &mut PeerState, runtime: &impl Runtime, error: &io::Error) -> bool {
//!     match error.kind() {
//!         io::ErrorKind::WouldBlock => return false,
//!         io::ErrorKind::Interrupted => {}
//!         _ => peer.handle_connection_lost(runtime.now()),
//!     }
//!     true
//! }
//!
//! /// Ends the stream without a reset, which unread input would cause.
//! fn linger(runtime: &mut impl Runtime, until: Instant) {
//!     let mut ends = runtime.shutdown_write().is_err();
//!     while !ends && runtime.now() < until {
//!         ends = match runtime.read(&mut [0; 4096]) {
//!             Ok(read) => read == 0,
//!             Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
//!                 runtime.wait(Some(until));
//!                 false
//!             }
//!             Err(error) => error.kind() != io::ErrorKind::Interrupted,
//!         };
//!     }
//! }
//! # // The remote is another peer, and time passes only while everybody waits.
//! # use std::time::Duration;
//! #
//! # use excc_peer::wire::Message;
//! # use excc_peer::{CloseReason, Config, Network};
//! #
//! # struct Loopback {
//! #     now: Instant,
//! #     remote: PeerState,
//! #     buffer: InputBuffer,
//! #     /// Sent once, after a `getaddr`.
//! #     last_bytes: Vec<u8>,
//! #     is_asked: bool,
//! #     is_ended: bool,
//! #     calls: usize,
//! # }
//! #
//! # impl Loopback {
//! #     fn fail(&mut self) -> io::Result<()> {
//! #         self.calls += 1;
//! #         match self.calls % 5 {
//! #             0 => Err(io::ErrorKind::WouldBlock.into()),
//! #             1 => Err(io::ErrorKind::Interrupted.into()),
//! #             _ => Ok(()),
//! #         }
//! #     }
//! # }
//! #
//! # impl Read for Loopback {
//! #     fn read(&mut self, chunk: &mut [u8]) -> io::Result<usize> {
//! #         self.fail()?;
//! #         let mut out = self.remote.transmit(self.now);
//! #         let len = out.remaining().min(chunk.len()).min(7);
//! #         out.copy_to_slice(&mut chunk[..len]);
//! #         drop(out);
//! #         if len == 0 && self.is_asked && !self.last_bytes.is_empty() {
//! #             let last_bytes = std::mem::take(&mut self.last_bytes);
//! #             chunk[..last_bytes.len()].copy_from_slice(&last_bytes);
//! #             return Ok(last_bytes.len());
//! #         }
//! #         match len {
//! #             0 if self.is_ended => Ok(0),
//! #             0 => Err(io::ErrorKind::WouldBlock.into()),
//! #             _ => Ok(len),
//! #         }
//! #     }
//! # }
//! #
//! # impl Write for Loopback {
//! #     fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
//! #         self.fail()?;
//! #         let len = bytes.len().min(40);
//! #         self.buffer.extend_from_slice(&bytes[..len]);
//! #         self.remote.handle_input(self.now, &mut self.buffer).unwrap();
//! #         while let Some(event) = self.remote.poll_event() {
//! #             self.is_asked |= matches!(event, Event::Message { message: Message::GetAddr, .. });
//! #         }
//! #         Ok(len)
//! #     }
//! #     fn flush(&mut self) -> io::Result<()> {
//! #         Ok(())
//! #     }
//! # }
//! #
//! # impl Runtime for Loopback {
//! #     fn now(&self) -> Instant {
//! #         self.now
//! #     }
//! #     fn shutdown_write(&mut self) -> io::Result<()> {
//! #         self.remote.handle_eof(self.now);
//! #         self.is_ended = true;
//! #         Ok(())
//! #     }
//! #     fn wait(&mut self, deadline: Option<Instant>) {
//! #         let deadline = deadline.expect("an open peer of these settings has one");
//! #         self.now = deadline.min(self.now + Duration::from_millis(1));
//! #     }
//! # }
//! #
//! # fn run(last_bytes: &[u8]) -> (Vec<Event>, Loopback) {
//! #     let mut rng = rand_core::UnwrapErr(getrandom::SysRng);
//! #     let config = || Config::builder(Network::EXCC_SIMNET).max_waiting_events(9, 1).build().unwrap();
//! #     let address = "127.0.0.1:9666".parse().unwrap();
//! #     let (now, unix_time) = (Instant::ZERO, 1_700_000_000);
//! #     let remote = PeerState::inbound(config(), address, now, unix_time, &mut rng);
//! #     let mut runtime = Loopback {
//! #         now,
//! #         remote,
//! #         buffer: InputBuffer::new(),
//! #         last_bytes: last_bytes.to_vec(),
//! #         is_asked: false,
//! #         is_ended: false,
//! #         calls: 0,
//! #     };
//! #     let mut peer = PeerState::outbound(config(), address, now, unix_time, &mut rng);
//! #     let mut events = Vec::new();
//! #     drive(&mut peer, &mut runtime, |peer, event| {
//! #         match event {
//! #             Event::Established(_) => _ = peer.ping(now).unwrap(),
//! #             Event::RoundTrip { .. } if last_bytes.is_empty() => {
//! #                 peer.shutdown(now, Duration::from_secs(5));
//! #             }
//! #             Event::RoundTrip { .. } => {
//! #                 (0..9).for_each(|_| _ = peer.send(now, Message::GetAddr).unwrap());
//! #             }
//! #             _ => {}
//! #         }
//! #         events.push(event);
//! #     });
//! #     (events, runtime)
//! # }
//! #
//! # let (events, runtime) = run(&[]);
//! # assert_eq!(events.last(), Some(&Event::Closed(CloseReason::Local)));
//! # assert_eq!(runtime.remote.close_reason(), Some(&CloseReason::RemoteClosed));
//! # assert!(runtime.now < Instant::from_secs(1));
//! #
//! # let (events, runtime) = run(&[0; 24]);
//! # assert!(matches!(events.last(), Some(Event::Closed(CloseReason::Decode(_)))), "{events:?}");
//! # let sent = events.iter().filter(|event| matches!(event, Event::Sent(_))).count();
//! # let unsent = events.iter().filter(|event| matches!(event, Event::NotSent(_))).count();
//! # assert!(sent > 1 && unsent > 1 && sent + unsent == 9, "{events:?}");
//! # assert_eq!(runtime.remote.close_reason(), Some(&CloseReason::RemoteClosed));
//! # assert!(runtime.now < Instant::from_secs(1));
//! # }
//! ```
//!
//! # Reading
//!
//! - Use one [`InputBuffer`](crate::wire::InputBuffer) for each peer. It decides how much to
//!   reserve, which payloads share its memory, and when memory is given back. Read into it with
//!   [`read_from`](crate::wire::InputBuffer::read_from), or into the room that
//!   [`reserve`](crate::wire::InputBuffer::reserve) lends: 4 KiB to 64 KiB, and more for the rest
//!   of a larger payload. Or append bytes with
//!   [`extend_from_slice`](crate::wire::InputBuffer::extend_from_slice).
//! - The peer takes headers and payloads from the front once they are complete. The rest stays:
//!   the beginning of a frame, or frames for which the peer has no room. So the length of the
//!   buffer does not show whether there is something to do.
//! - Do not read while [`wants_read`](PeerState::wants_read) returns `false`. This is
//!   back-pressure: the application has not taken its events, or has not reviewed a `version`.
//!   The remote notices, and the buffer stays small. Nothing else stops the reading; pongs
//!   and other output never do.
//! - If your system reports readiness once (edge-triggered polling), remember it until a read
//!   would block.
//! - A write that blocks must not keep you from reading. Otherwise two such drivers that write to
//!   each other wait for ever.
//! - The end of the stream is an input. If the buffer still has frames for which there was no
//!   room, the peer lives on until they are taken. [`can_resume`](PeerState::can_resume)
//!   says when.
//! - An end inside a frame is [`Cut`](crate::CloseReason::Cut), an end between two frames
//!   [`RemoteClosed`](crate::CloseReason::RemoteClosed). Neither is a violation.
//! - The error of [`handle_input`](PeerState::handle_input) may be ignored, because the last event
//!   reports it as well.
//!
//! # Writing
//!
//! - [`Transmit`](crate::Transmit) is a [`Buf`](bytes::Buf). Write from [`chunk`](bytes::Buf::chunk),
//!   which is one frame or a part of it, or from `chunks_vectored`, which spans many frames and
//!   needs the feature `std`. Then advance by exactly the bytes that were written. Partial
//!   writes need no other care.
//! - Read the clock **before** the write call, and advance a `Transmit` of that time. Bytes count
//!   as sent at that time: `ping`s and requests start their time there. Other calls may
//!   have given a later time in between.
//! - A call of [`transmit`](PeerState::transmit) with something queued is an attempt to write, and
//!   starts the [write deadline](#deadlines). Call it only if you are going to write.
//!   [`wants_write`](PeerState::wants_write) says whether it is worth waiting for.
//! - To write without holding the peer, take a [batch](crate::Transmit::batch) of the first frames. The
//!   returned [`FrameBatch`](crate::FrameBatch) borrows nothing. Advance the next `Transmit` by
//!   the bytes that were written, and let only one thread or task write.
//! - Bytes that were written from one `Transmit` must be advanced in it or in the next one. The
//!   peer remembers which frames it lent. It inserts no pong before them, and takes
//!   answers to them although it was not told yet that they were sent.
//! - "Sent" means accepted by the socket. Whether the remote receives it is unknown.
//! - The queue is bounded. A message beyond
//!   [`max_queued_bytes`](crate::ConfigBuilder::max_queued_bytes) is returned to the application,
//!   and receipts say when there is room again.
//!
//! # Pongs
//!
//! - A `ping` never stops the reading, and its `pong` waits for no queue. Pongs that
//!   wait are nonces: 64 at most, beyond which the oldest is dropped. The next
//!   [`transmit`](PeerState::transmit) makes frames of them.
//! - These frames overtake everything that was not lent by the latest `Transmit`, and stay behind
//!   a frame that is partly sent, and behind the handshake. At most 64 pong frames are in the
//!   queue, beside the 64 nonces.
//! - A `Transmit` lends 128 frames or about 256 KiB at once, so that a `pong` waits for no more
//!   than that.
//!
//! # Time
//!
//! - Any clock will do that counts from a fixed point. It needs no tick and may stand still. A
//!   time that goes backwards counts as standing still.
//! - Only [`handle_timeout`](PeerState::handle_timeout) acts on deadlines. If it is called too
//!   early, it does nothing. If it is called late, it acts on all passed deadlines in their order.
//! - Deadlines move in both directions, with nearly every received and sent byte. Ask for
//!   [`poll_timeout`](PeerState::poll_timeout) before each wait; it is cheap.
//! - A sorted list of the deadlines of many peers needs an update only when the value changes. A
//!   deadline never stays due: after `handle_timeout` the next one is later, or there is none.
//! - A peer may be made before its connection is established. Its
//!   [handshake deadline](crate::ConfigBuilder::handshake_timeout) then covers connecting as well.
//!
//! # Deadlines
//!
//! The remote owes four things: a `verack`, any message (idle), a `pong`, and answers to requests.
//! These deadlines run on **the remote's clock**. It stands still while the application holds the
//! remote back, that is while [`wants_read`](PeerState::wants_read) is `false` because events
//! wait or a `version` is under review. [`poll_event`](PeerState::poll_event) takes no time, so
//! the pause ends with the next call that does: do not wait between the two.
//! [`poll_timeout`](PeerState::poll_timeout) and [`deadlines`](PeerState::deadlines) convert to
//! your clock.
//!
//! **Progress.** Received bytes extend what the remote owes, whatever the bytes are, because an
//! answer comes behind what the remote sent before. Let `T` be the timeout, `r` the
//! remote's clock, and `n` the bytes that are new in a call of
//! [`handle_input`](PeerState::handle_input). Each such deadline `at` becomes
//!
//! ```text
//! min(max(at, r) + n / read_rate, r + T)
//! ```
//!
//! with a [`read_rate`](crate::ConfigBuilder::read_rate) of 10,240 bytes a second by default. So
//!
//! - a line that keeps this rate is never closed while the remote sends;
//! - a slower one, of `v` bytes a second, is closed after `T / (1 - v / read_rate)`;
//! - silence closes `T` after the last byte at the latest.
//!
//! A complete message sets the idle deadline to `r + T`. The handshake deadline is absolute:
//! nothing extends it.
//!
//! **Writing** has the mirror of this rule, on your clock. The deadline is set to `t + T` by the
//! first [`transmit`](PeerState::transmit) at `t` with something queued, `T` being the
//! [`write_timeout`](crate::ConfigBuilder::write_timeout), 20 s by default. `n` bytes that are
//! sent at `t` make it
//!
//! ```text
//! min(max(at, t) + n / write_rate, t + T)
//! ```
//!
//! with a [`write_rate`](crate::ConfigBuilder::write_rate) of 10,240 bytes a second by default. It
//! is cleared when nothing is queued. The rule is for the queue as a whole, not for each frame.
//!
//! **Two steps.** When [`handle_timeout`](PeerState::handle_timeout) finds a deadline passed that
//! judges the remote (handshake, `verack`, idle, `pong`, answer, write), it first moves the deadline
//! to 50 ms from now. It closes the peer if that passes too and nothing has set or
//! extended the deadline in between. A process that was suspended finds its deadlines
//! passed and the remote's bytes in the socket. Read them first; the second step is for
//! drivers that cannot, because another thread reads. Pings, trickled announcements and the end
//! of a shutdown are not judged and act at once.
//!
//! **Pings.** The last 16 unanswered `ping`s are remembered. The `pong` deadline is that of the
//! earliest one, and later `ping`s do not move it. A `pong` answers its `ping` and all older
//! ones. If later ones remain, the deadline becomes `T` from now.
//!
//! **Requests.** All vectors whose `getdata` was sent have one deadline in common. It is set when a
//! `getdata` is sent and no vector was outstanding. Each answer sets it to `T` from now for the
//! rest; asking again or for more does not move it. Any other request has a deadline by
//! command, from when it was sent unless one of that command runs, and any answer of the right
//! kind clears it. Only requests with a
//! [`response_timeout`](crate::ConfigBuilder::response_timeout) have deadlines: by default
//! `getdata` and `getinitstate`, 30 s each. A message that came before its request was lent by
//! [`transmit`](PeerState::transmit) answers nothing.
//!
//! # The end
//!
//! - A peer is closed by a command, by any input, or by the last byte that is sent after a
//!   [`shutdown`](PeerState::shutdown). Take the events after each of these.
//! - [`close_reason`](PeerState::close_reason) is `Some` from then on and never changes. There is
//!   nothing to read, inputs have no effect, and nothing can be queued.
//! - **The last try.** If the remote ended the conversation, by fatal input or by the end of its
//!   stream, what was queued before may be sent once more. Then
//!   [`wants_write`](PeerState::wants_write) stays `true` and `Closed` is not emitted yet. Take the
//!   events; while the peer wants to write, write once more and take the events again, until
//!   [`Closed`](crate::Event::Closed). Two `Transmit`s are granted: one to lend bytes, one to
//!   advance past them. If a `Transmit` lent bytes before the end, a third one is granted to
//!   advance past those. When the last one is dropped, when nothing is left to send, or after
//!   1 s, the rest is abandoned. [`poll_timeout`](PeerState::poll_timeout) gives the end of that
//!   second.
//! - There is no last try after [`close`](PeerState::close), a refused `version`, a timeout, or a
//!   lost connection, nor if nothing was queued. `close` and
//!   [`handle_connection_lost`](PeerState::handle_connection_lost) end one that is under way.
//! - The last events are a [`NotSent`](crate::Event::NotSent) for each queued message whose last
//!   byte was not sent, and then `Closed`, exactly once. Each [`SendId`](crate::SendId) is reported
//!   as sent or not sent, exactly once. Trickled announcements have none.
//! - Frames of a [batch](crate::Transmit::batch) need not be written any more after `Closed`.
//! - **A clean end.** After `Closed`, [`linger_until`](PeerState::linger_until) is `Some` in two
//!   cases: after a shutdown with everything sent, until the end of its time, and after fatal
//!   input, for 1 s. Then flush the stream, shut it down for writing, and read and discard until
//!   the remote's end of stream or that time. A socket that is closed with unread input
//!   resets the connection on most systems, and the remote may lose what was sent last.
//! - In all other cases drop the stream at once. There is nothing else to release.
//!
//! # What never happens
//!
//! - A panic, whatever the remote sends, in whatever order you call, and whatever the clock says.
//! - A callback, a thread, a lock, or a call that blocks.
//! - A look at a clock, or randomness from another source than the generator given to the
//!   constructor. The same numbers, inputs and commands give the same bytes and events.
//! - A change between two calls.
//! - A change by a getter, by [`wants_read`](PeerState::wants_read),
//!   [`wants_write`](PeerState::wants_write), [`can_resume`](PeerState::can_resume) or
//!   [`poll_timeout`](PeerState::poll_timeout): all take `&self`.
//! - Two peers that wait for each other, as long as both applications take their events and both
//!   drivers read.
//! - A remote that is closed for silence while bytes arrive at the
//!   [`read_rate`](crate::ConfigBuilder::read_rate), or for time in which it was held back.
//! - An event after `Closed`, or bytes to send after it.
//! - A deadline that is due again right after it was handled.

#[expect(unused_imports, reason = "for the links above")]
use crate::PeerState;
