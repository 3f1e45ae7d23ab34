//! Steps in the life of a peer: messages of the remote, commands of the application, and time.

use std::time::Duration;

use excc_peer::Relay;
use excc_peer::wire::Command;

use super::frames::{BadFrame, VersionEncoding};
use super::messages::{MessageSpec, Object};

/// One step of a script.
#[derive(Debug, Clone)]
pub(crate) enum Step {
    /// The remote sends a `version`.
    ReceiveVersion(VersionFields, Delivery),
    /// The same, encoded in another form.
    ReceiveEncodedVersion(VersionFields, VersionEncoding, Delivery),
    /// The remote sends a frame that no version accepts.
    ReceiveBadFrame(BadFrame, Delivery),
    /// The remote sends a frame of that command with any payload.
    ReceivePayload(Command, Vec<u8>),
    /// The remote sends a message, or `getaddr` where the message would close the peer.
    Receive(MessageSpec, Delivery),
    /// The remote sends a message, whether or not it closes the peer.
    ReceiveUnchecked(MessageSpec),
    /// The remote sends a number of `ping`s.
    ReceivePings(u64, Delivery),
    /// The remote answers one of the `ping`s of the peer: sent or queued, known or not.
    ReceivePong(usize, Delivery),
    /// The remote answers one of the requests: sent or queued.
    ReceiveAnswer(usize, Delivery),
    /// The remote sends its latest frame once more.
    ReceiveAgain(Delivery),
    /// The remote sends a frame in pieces of that many bytes, with that time before each. The
    /// flag says whether `handle_timeout` is called before each.
    ReceiveSlowly(MessageSpec, usize, Duration, bool),
    /// The process is suspended for that time. A message waits in the socket then: it is received
    /// before `handle_timeout`, or after it, or never.
    Suspend(Duration, MessageSpec, Option<bool>),
    /// The remote sends a frame with one byte changed: at that place, modulo its length, by XOR
    /// with that value.
    ReceiveDamaged(MessageSpec, usize, u8, Delivery),
    /// The remote sends any bytes.
    ReceiveBytes(Vec<u8>),
    /// Bytes that are in flight are received.
    ReceiveRest,
    /// The rest of the buffer is offered once more.
    Resume,
    /// The remote ends its stream.
    EndOfStream,
    /// The connection breaks.
    ConnectionLost,
    /// The application sends a message.
    Send(MessageSpec),
    /// The application sends that many messages of a command, with that time after each.
    SendRepeatedly(Command, usize, Duration),
    /// The application sends a frame that was encoded before. The flag says whether it was
    /// encoded for another network.
    SendEncoded(MessageSpec, bool),
    /// Numbers of the hashes of the locator and of the stop.
    PushGetHeaders(Vec<u32>, u32),
    /// Numbers of the hashes of the locator and of the stop.
    PushGetBlocks(Vec<u32>, u32),
    /// A number of addresses, and how many of them are of Tor services.
    PushAddrs(usize, usize),
    PushReject,
    Announce(Object, Relay),
    Ping,
    /// The application sends a number of `ping`s of its own.
    SendPings(u64),
    AcceptVersion,
    RefuseVersion,
    Close,
    /// A shutdown with that timeout.
    Shutdown(Duration),
    AddKnownInventory(Object),
    IsKnownInventory(Object),
    UpdateLastBlock(i64),
    /// The other outbound peer of the process completes its handshake.
    OtherHandshakeCompletes,
    /// The application polls at most that many events.
    PollEvents(usize),
    /// At most that many bytes are sent, at a time that was read that much earlier.
    Transmit(usize, Access, Duration),
    /// Time passes without a call.
    Wait(Duration),
    SetClockBack(Duration),
    /// The clock shows the last time that it can.
    EndOfTime,
    /// A call of `handle_timeout`.
    HandleTimeout,
    /// A call of `handle_timeout` that much after the next deadline.
    SkipToDeadline(Duration),
    /// A call of `handle_timeout` at the next deadline, if that is of a `ping` or of the trickle.
    SkipToOwnDeadline,
}

/// The fields of a remote's `version`.
#[derive(Debug, Clone)]
pub(crate) struct VersionFields {
    /// The protocol version; none for that of the peer.
    pub(crate) number: Option<i32>,
    /// The nonce; none for that of the peer, if it has been seen.
    pub(crate) nonce: Option<u64>,
    pub(crate) timestamp: i64,
    pub(crate) start_height: i32,
    pub(crate) relay: bool,
}

/// How the bytes of a remote are received.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Delivery {
    AtOnce,
    /// In pieces of that many bytes.
    InPieces(usize),
    /// A number of bytes at once, the rest together with later ones.
    InPart(usize),
}

/// How the bytes to be sent are read from a `Transmit`.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Access {
    /// By `chunk`. The flag says whether one more chunk is read that is not written, as before
    /// a write that fails.
    Chunks(bool),
    /// By `chunk`, after a batch of that many frames that is not written.
    ChunksAfterBatch(usize),
    /// By `chunks_vectored` with that many slices.
    Vectored(usize),
    /// By `batch` of that many frames.
    Batch(usize),
    /// By `batch` of that many frames, of which the written bytes are advanced past in the next
    /// `Transmit`.
    BatchUntilNext(usize),
}

/// A step that sends all bytes.
pub(crate) const TRANSMIT_ALL: Step =
    Step::Transmit(usize::MAX, Access::Chunks(false), Duration::ZERO);
