//! The contract of an adapter: calls, their order, the exact rules, and guarantees.
//!
//! An adapter connects a [`PeerState`] to a stream, a clock and an application. It moves bytes,
//! events and time, and makes no decisions. [`adapter::threads`](crate::adapter::threads) does this
//! with threads, [`adapter::tasks`](crate::adapter::tasks) with a task, and the example
//! `custom_runtime` for many peers on one thread.
//!
//! # The contract
//!
//! **Any input can change any output.** After an input or a command, take all outputs, and repeat
//! until a whole round changes nothing. Only then wait.
//!
//! | output | meaning | changed by |
//! |---|---|---|
//! | [`poll_event`](PeerState::poll_event) | the next event; take events until there are none | inputs, commands, sent bytes |
//! | [`wants_write`](PeerState::wants_write) | whether [`transmit`](PeerState::transmit) has bytes to write | inputs, commands |
//! | [`can_resume`](PeerState::can_resume) | whether to call [`handle_input`](PeerState::handle_input) before reading more | taken events, [`accept_version`](PeerState::accept_version) |
//! | [`wants_read`](PeerState::wants_read) | whether to read from the stream | taken events, inputs, [`accept_version`](PeerState::accept_version) |
//! | [`poll_timeout`](PeerState::poll_timeout) | the latest time to call [`handle_timeout`](PeerState::handle_timeout) | everything: call it last |
//! | [`linger_until`](PeerState::linger_until) | how long to keep the stream after the last event | the end of the peer |
//!
//! Take the outputs before anything else: an outbound peer has its `version` to send from the
//! start, and every peer has a deadline.
//!
//! | input | when |
//! |---|---|
//! | [`handle_input`](PeerState::handle_input) | bytes were read, or [`can_resume`](PeerState::can_resume) is true |
//! | [`handle_timeout`](PeerState::handle_timeout) | at [`poll_timeout`](PeerState::poll_timeout), **after a read**; earlier calls have no effect |
//! | [`handle_eof`](PeerState::handle_eof) | a read returned the end of the stream, and all bytes before it were passed to the peer |
//! | [`handle_connection_lost`](PeerState::handle_connection_lost) | connecting, reading or writing failed permanently |
//!
//! Each round has this order:
//!
//! 1. Read once, if the peer wants it and the stream has bytes.
//! 2. Call [`handle_timeout`](PeerState::handle_timeout).
//! 3. Take all events. The remote's `version` is not answered yet, so the application can still
//!    [refuse](PeerState::refuse_version) it in silence. If you cannot keep this order, require a
//!    [review](crate::ConfigBuilder::review_version).
//! 4. Read the clock, then write once.
//! 5. Wait, if no step did anything.
//!
//! One read and one write a round are enough. A loop that reads until the stream would block never
//! ends on a fast stream. Every loop over a stream must yield and read the clock. The peer bounds
//! its events, so you need no queue of your own.
//!
//! A command from another task or thread must wake the loop.
//!
//! # In code
//!
//! A complete driver of one peer, over any stream that does not block:
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
//!         // Reads before deadlines are judged: the remote is not late because this loop is.
//!         let mut has_more = read(peer, runtime, &mut buffer);
//!         peer.handle_timeout(runtime.now());
//!         while let Some(event) = peer.poll_event() {
//!             // A closed peer may have bytes to send until this event.
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
//! /// Reads once. Returns whether there may be more work.
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
//!     // The last event reports an error as well.
//!     let _ = peer.handle_input(runtime.now(), buffer);
//!     true
//! }
//!
//! /// Writes once. Returns whether there may be more work.
//! fn write(peer: &mut PeerState, runtime: &mut impl Runtime) -> bool {
//!     if !peer.wants_write() {
//!         return false;
//!     }
//!     // The clock is read before the write: round trips count from then.
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
//! /// Handles the error of a read or write. Returns whether there may be more work.
//! fn try_again(peer: &mut PeerState, runtime: &impl Runtime, error: &io::Error) -> bool {
//!     match error.kind() {
//!         io::ErrorKind::WouldBlock => return false,
//!         io::ErrorKind::Interrupted => {}
//!         _ => peer.handle_connection_lost(runtime.now()),
//!     }
//!     true
//! }
//!
//! /// Ends the stream without a reset, which unread input could cause.
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
//! # // The remote is another peer, and time passes only while both wait.
//! # use std::time::Duration;
//! #
//! # use excc_peer::wire::Message;
//! # use excc_peer::{CloseReason, Config, Network, UnixTime};
//! #
//! # struct Loopback {
//! #     now: Instant,
//! #     remote: PeerState,
//! #     buffer: InputBuffer,
//! #     /// Sent once, after a `getaddr`.
//! #     last_bytes: Vec<u8>,
//! #     is_getaddr_received: bool,
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
//! #         if len == 0 && self.is_getaddr_received && !self.last_bytes.is_empty() {
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
//! #             self.is_getaddr_received |= matches!(event, Event::Message { message: Message::GetAddr, .. });
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
//! #     let (now, unix_time) = (Instant::ZERO, UnixTime::from_secs(1_700_000_000));
//! #     let remote = PeerState::inbound(config(), address, now, unix_time, &mut rng);
//! #     let mut runtime = Loopback {
//! #         now,
//! #         remote,
//! #         buffer: InputBuffer::new(),
//! #         last_bytes: last_bytes.to_vec(),
//! #         is_getaddr_received: false,
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
//! - Use one [`InputBuffer`](crate::wire::InputBuffer) for each peer. It decides how much memory to
//!   reserve, which payloads share it, and when to release it. Read into it with
//!   [`read_from`](crate::wire::InputBuffer::read_from), or into the room that
//!   [`reserve`](crate::wire::InputBuffer::reserve) lends: 4 KiB to 64 KiB, and more for the rest
//!   of a larger payload. Or append bytes with
//!   [`extend_from_slice`](crate::wire::InputBuffer::extend_from_slice).
//! - The peer takes headers and payloads from the front once they are complete. The rest stays:
//!   the beginning of a frame, or frames for which the peer has no room. So the length of the
//!   buffer does not show whether there is work.
//! - Do not read while [`wants_read`](PeerState::wants_read) returns `false`. This is
//!   back-pressure: the application has not taken its events, or has not reviewed a `version`.
//!   It reaches the remote, and the buffer stays small. Output, pongs included, never stops the
//!   reading.
//! - If your system reports readiness once (edge-triggered polling), remember it until a read
//!   would block.
//! - A blocking write must not keep you from reading. Otherwise two such drivers that write to
//!   each other wait forever.
//! - The end of the stream is an input. If the buffer still has frames for which there was no
//!   room, the peer stays open until they are taken. [`can_resume`](PeerState::can_resume) then
//!   becomes true.
//! - An end inside a frame is [`Cut`](crate::CloseReason::Cut), an end between two frames
//!   [`RemoteClosed`](crate::CloseReason::RemoteClosed). Neither is a violation.
//! - You may ignore the error of [`handle_input`](PeerState::handle_input), because the last event
//!   reports it as well.
//!
//! # Writing
//!
//! - [`Transmit`](crate::Transmit) is a [`Buf`](bytes::Buf). Write from [`chunk`](bytes::Buf::chunk),
//!   which is one frame or a part of it. With the feature `std`, `chunks_vectored` spans many
//!   frames. Then advance by exactly the number of written bytes. Partial writes need no other
//!   care.
//! - Read the clock **before** the write call, and advance a `Transmit` of that time. Bytes count
//!   as sent at that time, and `ping`s and requests start their time then. Other calls may have
//!   passed a later time in between.
//! - A call of [`transmit`](PeerState::transmit) with a non-empty queue is an attempt to write, and
//!   starts the [write deadline](#deadlines). Call it only if you are going to write.
//!   [`wants_write`](PeerState::wants_write) is no attempt.
//! - To write without access to the peer, take a [batch](crate::Transmit::batch) of the first
//!   frames. The returned [`FrameBatch`](crate::FrameBatch) borrows nothing from the peer. Advance
//!   the next `Transmit` by the number of written bytes. Only one thread or task may write.
//! - Bytes that were written from one `Transmit` must be advanced in it or in the next one. The
//!   peer remembers which frames it lent. It inserts no pong before them, and accepts answers to
//!   them before they are reported as sent.
//! - "Sent" means accepted by the socket. Whether the remote receives it is unknown.
//! - The queue is bounded. A message beyond
//!   [`max_queued_bytes`](crate::ConfigBuilder::max_queued_bytes) is returned to the application,
//!   and receipts show when there is room again.
//!
//! # Pongs
//!
//! - A `ping` never stops the reading, and its `pong` waits for no queue. Waiting pongs are
//!   nonces, at most 64. Beyond this the oldest is dropped. The next
//!   [`transmit`](PeerState::transmit) makes frames of them.
//! - These frames overtake all frames that the latest `Transmit` did not lend. They stay behind a
//!   frame that is partly sent, and behind the handshake. At most 64 pong frames are queued, in
//!   addition to the 64 nonces.
//! - A `Transmit` lends at most 128 frames or about 256 KiB, so a `pong` waits for no more than
//!   these.
//!
//! # Time
//!
//! - Any clock that counts from a fixed point is suitable. It needs no tick and may stand still. A
//!   time that goes backwards counts as standing still.
//! - Only [`handle_timeout`](PeerState::handle_timeout) acts on deadlines. An early call does
//!   nothing. A late call acts on all expired deadlines in their order.
//! - Nearly every received and sent byte moves a deadline, in either direction. Call
//!   [`poll_timeout`](PeerState::poll_timeout) before each wait; it is cheap.
//! - A sorted list of the deadlines of many peers needs an update only when the value changes. A
//!   deadline never stays due: after `handle_timeout` the next one is later, or there is none.
//! - A peer may be constructed before its connection exists. Its
//!   [handshake deadline](crate::ConfigBuilder::handshake_timeout) then covers connecting as well.
//!
//! # Deadlines
//!
//! The remote owes four things: a `verack`, any message (idle), a `pong`, and answers to requests.
//! These deadlines run on **the remote's clock**. It stands still under back-pressure: while
//! [`wants_read`](PeerState::wants_read) is `false` because events wait or a `version` is under
//! review. [`poll_event`](PeerState::poll_event) takes no time, so the pause ends with the next
//! call that does. Do not wait between the two. [`poll_timeout`](PeerState::poll_timeout) and
//! [`deadlines`](PeerState::deadlines) convert to your clock.
//!
//! **Progress.** Received bytes of any kind extend all four deadlines, because an answer comes
//! behind the bytes that the remote sent before it. Let `T` be the timeout, `r` the remote's clock,
//! and `n` the number of new bytes in a call of [`handle_input`](PeerState::handle_input). Each
//! deadline `at` becomes
//!
//! ```text
//! min(max(at, r) + n / read_rate, r + T)
//! ```
//!
//! with a [`read_rate`](crate::ConfigBuilder::read_rate) of 10,240 bytes a second by default. It
//! follows that
//!
//! - a line that keeps this rate is never closed while the remote sends;
//! - a slower line of `v` bytes a second is closed after `T / (1 - v / read_rate)`;
//! - a silent one is closed `T` after the last byte at the latest.
//!
//! A complete message sets the idle deadline to `r + T`. The handshake deadline is absolute:
//! received bytes do not extend it.
//!
//! **Writing** has the mirror of this rule, on your clock. Let `T` be the
//! [`write_timeout`](crate::ConfigBuilder::write_timeout), 20 s by default. The first
//! [`transmit`](PeerState::transmit) at `t` with a non-empty queue sets the deadline to `t + T`. `n`
//! bytes that are sent at `t` change it to
//!
//! ```text
//! min(max(at, t) + n / write_rate, t + T)
//! ```
//!
//! with a [`write_rate`](crate::ConfigBuilder::write_rate) of 10,240 bytes a second by default. It
//! is cleared when the queue is empty. The rule holds for the queue as a whole, not for each frame.
//!
//! **Two steps.** Six deadlines judge the remote: handshake, `verack`, idle, `pong`, answer and
//! write. When [`handle_timeout`](PeerState::handle_timeout) first finds one of them expired, it
//! moves the deadline to 50 ms from now. The peer closes if this expires too, unless the deadline
//! was set or extended in between. The reason is suspension: a process that was suspended finds its
//! deadlines expired and the remote's bytes in the socket. Read them first. The second step is for
//! drivers that cannot, because another thread reads. Pings, trickled announcements and the end of
//! a shutdown act at once.
//!
//! **Pings.** The last 16 unanswered `ping`s are remembered. The `pong` deadline belongs to the
//! earliest one, and later `ping`s do not move it. A `pong` answers its `ping` and all older ones.
//! If later ones remain, the deadline becomes `T` from now.
//!
//! **Requests.** All vectors whose `getdata` was sent share one deadline. It is set when a
//! `getdata` is sent and no vector is outstanding. Each answer sets it to `T` from now for the
//! rest. Requesting again, or more, does not move it. Any other request has a deadline by command,
//! set when the request is sent, unless one is set. Any answer of the right kind clears it. Only
//! requests with a [`response_timeout`](crate::ConfigBuilder::response_timeout) have deadlines: by
//! default `getdata` and `getinitstate`, 30 s each. A message that came before
//! [`transmit`](PeerState::transmit) lent its request answers no request.
//!
//! # The end
//!
//! - A command, any input, or the last sent byte after a [`shutdown`](PeerState::shutdown) can
//!   close a peer. Take the events after each of these.
//! - [`close_reason`](PeerState::close_reason) is `Some` from then on and never changes. Reading
//!   ends, inputs have no effect, and no message can be queued.
//! - **The last try.** If the remote ended the conversation, by fatal input or by the end of its
//!   stream, the queue may be sent once more. Then [`wants_write`](PeerState::wants_write) stays
//!   `true` and `Closed` is not emitted yet. Take the events. While the peer wants to write, write
//!   once more and take the events again, until [`Closed`](crate::Event::Closed). Two `Transmit`s
//!   are granted: one to lend bytes, one to advance past them. If a `Transmit` lent bytes before
//!   the end, a third one is granted to advance past those. The try ends when the queue is empty,
//!   when the last `Transmit` is dropped, or after 1 s. [`poll_timeout`](PeerState::poll_timeout)
//!   returns the end of that second. The rest of the queue is abandoned.
//! - There is no last try if the queue was empty, nor after [`close`](PeerState::close), a refused
//!   `version`, a timeout or a lost connection. `close` and
//!   [`handle_connection_lost`](PeerState::handle_connection_lost) end a last try.
//! - The last events are a [`NotSent`](crate::Event::NotSent) for each queued message whose last
//!   byte was not sent, and then `Closed`, exactly once. Each [`SendId`](crate::SendId) is reported
//!   as sent or not sent, exactly once. Trickled announcements have none.
//! - Frames of a [batch](crate::Transmit::batch) need not be written after `Closed`.
//! - **A clean end.** After `Closed`, [`linger_until`](PeerState::linger_until) is `Some` in two
//!   cases. After a shutdown with everything sent, it is the end of the shutdown's time. After fatal
//!   input, it is 1 s later. Then flush the stream and shut it down for writing. Read and discard
//!   until the remote's end of stream or that time. A socket that is closed with unread input resets
//!   the connection on most systems, and the remote may lose the last bytes.
//! - In all other cases drop the stream at once. There is nothing else to release.
//!
//! # Guarantees
//!
//! - No call panics, for any input, any order of calls and any time.
//! - No call blocks, calls back, takes a lock or starts a thread.
//! - No call reads a clock. Randomness comes only from the generator given to the constructor. The
//!   same numbers, inputs and commands give the same bytes and events.
//! - The state does not change between two calls.
//! - Getters, [`wants_read`](PeerState::wants_read), [`wants_write`](PeerState::wants_write),
//!   [`can_resume`](PeerState::can_resume) and [`poll_timeout`](PeerState::poll_timeout) change
//!   nothing: all take `&self`.
//! - Two peers never wait for each other, as long as both applications take their events and both
//!   drivers read.
//! - No remote is closed for silence while bytes arrive at the
//!   [`read_rate`](crate::ConfigBuilder::read_rate), or for time under back-pressure.
//! - No event and no bytes to send follow `Closed`.
//! - No deadline is due again right after it was handled.

#[expect(unused_imports, reason = "for the links of this page")]
use crate::PeerState;
