//! Rules for authors of adapters: the calls, their order, the deadlines and the guarantees.
//!
//! An adapter connects a [`PeerState`] to a stream, a clock and an application. It moves bytes,
//! events and time, and makes no decisions. Three adapters can serve as models:
//!
//! | | runs a peer as |
//! |---|---|
//! | [`adapter::threads`](crate::adapter::threads) | two threads |
//! | [`adapter::tasks`](crate::adapter::tasks) | a task of tokio |
//! | the example `custom_runtime` | one of many peers on one thread |
//!
//! # The contract
//!
//! **Any input may change any output.** After an input or a command, take all outputs. Repeat until
//! a whole round changes nothing. Only then wait.
//!
//! ## Outputs
//!
//! | output | meaning | changed by |
//! |---|---|---|
//! | [`poll_event`](PeerState::poll_event) | the next event; take events until there are none | inputs, commands, sent bytes |
//! | [`wants_write`](PeerState::wants_write) | whether [`transmit`](PeerState::transmit) has bytes to be written | inputs, commands |
//! | [`can_resume`](PeerState::can_resume) | whether to call [`handle_input`](PeerState::handle_input) before the next read | taken events, [`accept_version`](PeerState::accept_version) |
//! | [`wants_read`](PeerState::wants_read) | whether to read from the stream | taken events, inputs, [`accept_version`](PeerState::accept_version) |
//! | [`poll_timeout`](PeerState::poll_timeout) | the latest time to call [`handle_timeout`](PeerState::handle_timeout) | everything, so call it last |
//! | [`linger_until`](PeerState::linger_until) | how long to keep the stream after the last event | the end of the peer |
//!
//! Take the outputs before the first input. An outbound peer has its `version` to send from the
//! start, and every peer has a deadline.
//!
//! ## Inputs
//!
//! | input | when to call it |
//! |---|---|
//! | [`handle_input`](PeerState::handle_input) | after bytes were read, or when [`can_resume`](PeerState::can_resume) is `true` |
//! | [`handle_timeout`](PeerState::handle_timeout) | at [`poll_timeout`](PeerState::poll_timeout), **after a read**; earlier calls have no effect |
//! | [`handle_eof`](PeerState::handle_eof) | when a read returned the end of the stream, after all bytes before it |
//! | [`handle_connection_lost`](PeerState::handle_connection_lost) | when connecting, reading or writing failed for good |
//!
//! ## A round
//!
//! 1. Read once, if the peer wants to read and the stream has bytes.
//! 2. Call [`handle_timeout`](PeerState::handle_timeout).
//! 3. Take all events.
//! 4. Read the clock, then write once.
//! 5. Wait, if none of these steps did anything.
//!
//! Events come before the write for a reason: no answer to the remote's `version` was sent yet.
//! So the application can still [refuse](PeerState::refuse_version) it in silence. If you cannot
//! keep this order, enable the [review](crate::ConfigBuilder::review_version) of versions.
//!
//! One read and one write a round are enough. A loop that reads until the stream would block never
//! ends on a fast stream. Every loop over a stream must yield and look at the clock.
//!
//! The peer bounds its events, so you need no queue of your own. A command from another task or
//! thread must wake the loop.
//!
//! # Example
//!
//! The complete loop for one peer, over any stream that does not block:
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
//!         // First: received bytes extend deadlines, and this loop may be late itself.
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
//!     // The last event reports an error as well.
//!     let _ = peer.handle_input(runtime.now(), buffer);
//!     true
//! }
//!
//! /// Writes once. Returns whether there may be more to do.
//! fn write(peer: &mut PeerState, runtime: &mut impl Runtime) -> bool {
//!     if !peer.wants_write() {
//!         return false;
//!     }
//!     // The time before the write, so that round trips include it.
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
//! /// Handles a failed call. Returns whether there may be more to do.
//! fn try_again(peer: &mut PeerState, runtime: &impl Runtime, error: &io::Error) -> bool {
//!     match error.kind() {
//!         io::ErrorKind::WouldBlock => return false,
//!         io::ErrorKind::Interrupted => {}
//!         _ => peer.handle_connection_lost(runtime.now()),
//!     }
//!     true
//! }
//!
//! /// Ends the stream. Unread input would cause a reset, so it is discarded.
//! fn linger(runtime: &mut impl Runtime, until: Instant) {
//!     let mut has_ended = runtime.shutdown_write().is_err();
//!     while !has_ended && runtime.now() < until {
//!         has_ended = match runtime.read(&mut [0; 4096]) {
//!             Ok(read) => read == 0,
//!             Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
//!                 runtime.wait(Some(until));
//!                 false
//!             }
//!             Err(error) => error.kind() != io::ErrorKind::Interrupted,
//!         };
//!     }
//! }
//! # // The remote is another peer. Time passes only while both wait.
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
//! #     is_requested: bool,
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
//! #         if len == 0 && self.is_requested && !self.last_bytes.is_empty() {
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
//! #             self.is_requested |= matches!(event, Event::Message { message: Message::GetAddr, .. });
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
//! #         let deadline = deadline.expect("an open peer with these settings has a deadline");
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
//! #         is_requested: false,
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
//! **The buffer.** Use one [`InputBuffer`](crate::wire::InputBuffer) for each peer. It decides how
//! much memory to reserve, which payloads share it, and when to release it. There are three ways to
//! fill it:
//!
//! | call | use |
//! |---|---|
//! | [`read_from`](crate::wire::InputBuffer::read_from) | reads from a blocking or nonblocking `Read` |
//! | [`reserve`](crate::wire::InputBuffer::reserve) | lends room to read into: 4 KiB to 64 KiB, more for the rest of a large payload |
//! | [`extend_from_slice`](crate::wire::InputBuffer::extend_from_slice) | appends bytes that were read elsewhere |
//!
//! The peer takes complete headers and payloads from the front. The rest stays: the beginning of a
//! frame, or frames for which the peer has no room. So the length of the buffer does not show
//! whether there is something to do.
//!
//! **Back-pressure.** Do not read while [`wants_read`](PeerState::wants_read) returns `false`.
//! Either the application has not taken its events, or it has not reviewed a `version`. The remote
//! notices, and the buffer stays small. Pongs and other output never stop the reading.
//!
//! **Readiness.** If your system reports readiness once (edge-triggered polling), remember it until
//! a read would block.
//!
//! **Writes that block.** A blocked write must not stop the reading. Otherwise two drivers that
//! write to each other wait forever.
//!
//! **The end of the stream** is an input:
//!
//! - The buffer may still have frames for which there was no room. The peer then stays open until
//!   they are taken. [`can_resume`](PeerState::can_resume) shows when to continue.
//! - An end inside a frame is [`Cut`](crate::CloseReason::Cut). An end between two frames is
//!   [`RemoteClosed`](crate::CloseReason::RemoteClosed). Neither is a violation.
//!
//! **Errors.** You may ignore the error of [`handle_input`](PeerState::handle_input). The last event
//! reports it as well.
//!
//! # Writing
//!
//! **The bytes.** [`Transmit`](crate::Transmit) is a [`Buf`](bytes::Buf). Write from one of these,
//! then advance by exactly the number of written bytes. Partial writes need no other care.
//!
//! | call | lends |
//! |---|---|
//! | [`chunk`](bytes::Buf::chunk) | one frame or a part of it |
//! | `chunks_vectored` (feature `std`) | parts of many frames |
//! | [`batch`](crate::Transmit::batch) | a [`FrameBatch`](crate::FrameBatch) of the first frames, which borrows nothing |
//!
//! **The clock.** Read the clock **before** the write call, and advance a `Transmit` of that time.
//! Bytes count as sent at that time, and the times of `ping`s and requests start there. Other calls
//! may have given a later time in between.
//!
//! **Each `Transmit` counts.** A call of [`transmit`](PeerState::transmit) with something queued is
//! an attempt to write. It starts the [write deadline](#deadlines). Call it only if you are going
//! to write. [`wants_write`](PeerState::wants_write) shows whether to wait for the stream.
//!
//! **Writing without the peer.** A [batch](crate::Transmit::batch) can be written without a lock on
//! the peer. Advance the next `Transmit` by the number of written bytes. Let only one thread or
//! task write.
//!
//! **Advance in time.** Bytes that were written from one `Transmit` must be advanced in it or in
//! the next one. The peer remembers which frames it lent. It inserts no pong before them. It accepts
//! answers to them before it learns that they were sent.
//!
//! **Sent** means accepted by the socket. It is unknown whether the remote receives the bytes.
//!
//! **The queue is bounded.** A message beyond
//! [`max_queued_bytes`](crate::ConfigBuilder::max_queued_bytes) is returned to the application.
//! Receipts show when there is room again.
//!
//! # Pongs
//!
//! A `ping` never stops the reading, and its `pong` does not wait for queued messages.
//!
//! | stage | limit |
//! |---|---|
//! | waiting pongs, kept as nonces | 64; beyond that the oldest is dropped |
//! | frames of pongs in the queue, made by the next [`transmit`](PeerState::transmit) | 64, beside the 64 nonces |
//! | frames that a `Transmit` lends at once | 128 frames or about 256 KiB |
//!
//! Frames of pongs overtake all frames that the latest `Transmit` did not lend. They stay behind a
//! frame that is partly sent, and behind the handshake. So a `pong` waits for no more than one
//! `Transmit` lends.
//!
//! # Time
//!
//! - Any clock works that counts from a fixed point. It needs no tick and may stand still. If it
//!   goes backwards, it counts as standing still.
//! - Only [`handle_timeout`](PeerState::handle_timeout) acts on deadlines. An early call has no
//!   effect. A late call acts on all passed deadlines in their order.
//! - Deadlines move in both directions, with nearly every received and sent byte. Call
//!   [`poll_timeout`](PeerState::poll_timeout) before each wait. It is cheap.
//! - A sorted list of the deadlines of many peers needs an update only when the value changes.
//! - A deadline never stays due. After `handle_timeout` the next deadline is later, or there is
//!   none.
//! - A peer may be created before its connection is established. Its
//!   [handshake deadline](crate::ConfigBuilder::handshake_timeout) then includes the time to
//!   connect.
//!
//! # Deadlines
//!
//! | deadline | clock | extended by bytes | judged in two steps |
//! |---|---|---|---|
//! | handshake | yours | no | yes |
//! | `verack`, idle, `pong`, answer to a request | the remote's | received bytes | yes |
//! | write | yours | sent bytes | yes |
//! | the next `ping`, the next batch of announcements, the end of a shutdown | yours | no | no |
//!
//! ## The remote's clock
//!
//! The remote owes four things: a `verack`, any message (idle), a `pong`, and answers to requests.
//! Their deadlines run on **the remote's clock**. This clock stands still during back-pressure:
//! while [`wants_read`](PeerState::wants_read) is `false` because events wait or a `version` is
//! under review.
//!
//! [`poll_event`](PeerState::poll_event) takes no time. So the pause ends with the next call that
//! takes a time. Do not wait between the two calls.
//!
//! [`poll_timeout`](PeerState::poll_timeout) and [`deadlines`](PeerState::deadlines) return times
//! of your clock.
//!
//! ## Progress by received bytes
//!
//! Received bytes extend the deadlines on the remote's clock. All bytes count, because an answer
//! arrives behind the bytes that the remote sent before. Each deadline `at` becomes
//!
//! ```text
//! min(max(at, r) + n / read_rate, r + T)
//! ```
//!
//! | symbol | meaning |
//! |---|---|
//! | `T` | the timeout |
//! | `r` | the remote's clock |
//! | `n` | the bytes that are new in a call of [`handle_input`](PeerState::handle_input) |
//! | `read_rate` | the [setting](crate::ConfigBuilder::read_rate), by default 10,240 bytes a second |
//!
//! The consequences are:
//!
//! - A remote that keeps this rate is never closed while it sends.
//! - A slower remote, with `v` bytes a second, is closed after `T / (1 - v / read_rate)`.
//! - A silent remote is closed `T` after its last byte at the latest.
//!
//! A complete message sets the idle deadline to `r + T`. The handshake deadline is absolute, and
//! no byte extends it.
//!
//! ## Writing
//!
//! The write deadline has the mirror of this rule, on your clock. The first
//! [`transmit`](PeerState::transmit) at `t` with something queued sets it to `t + T`. `T` is the
//! [`write_timeout`](crate::ConfigBuilder::write_timeout), 20 s by default. `n` bytes that are sent
//! at `t` change it to
//!
//! ```text
//! min(max(at, t) + n / write_rate, t + T)
//! ```
//!
//! The [`write_rate`](crate::ConfigBuilder::write_rate) is 10,240 bytes a second by default. The
//! deadline is cleared when the queue is empty. The rule applies to the queue as a whole, not to
//! each frame.
//!
//! ## Two steps
//!
//! A process that was suspended finds its deadlines passed and the remote's bytes in the socket.
//! These bytes must be read before the remote is judged. So
//! [`handle_timeout`](PeerState::handle_timeout) judges in two steps:
//!
//! 1. When a deadline has passed, it moves to 50 ms from now.
//! 2. If that passes too, and nothing has set or extended the deadline in between, the peer closes.
//!
//! Read before you call `handle_timeout`. The second step is for drivers that cannot, because
//! another thread reads.
//!
//! Pings, batches of announcements and the end of a shutdown are not judged and act at once.
//!
//! ## Pings
//!
//! - The last 16 unanswered `ping`s are remembered.
//! - The `pong` deadline is that of the earliest unanswered `ping`. Later `ping`s do not move it.
//! - A `pong` answers its `ping` and all older ones. If later ones remain, the deadline becomes `T`
//!   from now.
//!
//! ## Requests
//!
//! Only requests with a [`response_timeout`](crate::ConfigBuilder::response_timeout) have a
//! deadline. By default these are `getdata` and `getinitstate`, with 30 s each.
//!
//! | | `getdata` | other requests |
//! |---|---|---|
//! | deadlines | one for all vectors whose `getdata` was sent | one for each command |
//! | set | when a `getdata` is sent and no vector was outstanding | when the request is sent, unless a deadline of its command runs |
//! | an answer | sets the deadline to `T` from now for the remaining vectors | clears the deadline, if it is of the right kind |
//! | more requests | do not move it | do not move it |
//!
//! A message that arrives before [`transmit`](PeerState::transmit) has lent its request answers
//! nothing.
//!
//! # The end
//!
//! A peer is closed by a command, by any input, or by the last byte that is sent after a
//! [`shutdown`](PeerState::shutdown). Take the events after each of these.
//!
//! From then on [`close_reason`](PeerState::close_reason) is `Some` and never changes. The peer
//! does not read, inputs have no effect, and no message can be queued.
//!
//! ## The last try
//!
//! The remote may end the conversation, by fatal input or by the end of its stream. Then messages
//! that were queued before may be sent once more. [`wants_write`](PeerState::wants_write) stays
//! `true`, and `Closed` is not emitted yet.
//!
//! 1. Take the events.
//! 2. If `Closed` was among them, stop.
//! 3. While the peer wants to write, write once more, and start again.
//!
//! Two `Transmit`s are granted: one to lend bytes, and one to advance past them. If a `Transmit`
//! lent bytes before the end, a third one is granted to advance past those.
//!
//! The rest is abandoned
//!
//! - when the last `Transmit` is dropped,
//! - when nothing remains to be sent,
//! - after 1 s, which [`poll_timeout`](PeerState::poll_timeout) returns.
//!
//! There is no last try
//!
//! - if nothing was queued,
//! - after [`close`](PeerState::close), a refused `version`, a timeout, or a lost connection.
//!
//! `close` and [`handle_connection_lost`](PeerState::handle_connection_lost) end a last try that is
//! in progress.
//!
//! ## The last events
//!
//! The last events are a [`NotSent`](crate::Event::NotSent) for each queued message whose last byte
//! was not sent, and then [`Closed`](crate::Event::Closed), exactly once.
//!
//! Each [`SendId`](crate::SendId) is reported exactly once, as sent or not sent. Batched
//! announcements have no `SendId`.
//!
//! After `Closed`, frames of a [batch](crate::Transmit::batch) need not be written any more.
//!
//! ## A clean end of the stream
//!
//! Most systems reset a connection that is closed with unread input. The remote may then lose the
//! bytes that were sent last. So after `Closed`, [`linger_until`](PeerState::linger_until) is `Some`
//! in two cases:
//!
//! | case | time |
//! |---|---|
//! | a shutdown that sent everything | the end of its timeout |
//! | fatal input | 1 s after it |
//!
//! 1. Flush the stream.
//! 2. Shut it down for writing.
//! 3. Read and discard, until the remote's end of stream or that time.
//!
//! In all other cases drop the stream at once. There is nothing else to release.
//!
//! # Guarantees
//!
//! The peer
//!
//! - does not panic, whatever the remote sends, in whatever order you call it, and whatever the
//!   clock shows;
//! - has no callback, no thread and no lock, and never blocks;
//! - reads no clock, and draws randomness only from the generator given to the constructor: the
//!   same numbers, inputs and commands give the same bytes and events;
//! - does not change between two calls;
//! - is not changed by getters, [`wants_read`](PeerState::wants_read),
//!   [`wants_write`](PeerState::wants_write), [`can_resume`](PeerState::can_resume) or
//!   [`poll_timeout`](PeerState::poll_timeout), which all take `&self`;
//! - makes progress with another peer, as long as both applications take their events and both
//!   drivers read;
//! - does not close a remote for silence while bytes arrive at the
//!   [`read_rate`](crate::ConfigBuilder::read_rate), nor for the time of back-pressure;
//! - emits no event after `Closed`, and has no bytes to send after it;
//! - has no deadline that is due again right after it was handled.

#[expect(unused_imports, reason = "for the links of this page")]
use crate::PeerState;
