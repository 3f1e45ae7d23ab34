//! A peer and its socket, which tells by events when it is ready.

use std::io::{self, IoSlice, Read, Write};

use bytes::{Buf, BytesMut};
use excc_peer::{Instant, PeerState};
use mio::net::TcpStream;

/// Slices written at once, at most.
const WRITE_SLICES: usize = 64;

/// A peer and its socket.
pub(crate) struct Connection {
    pub(crate) socket: TcpStream,
    pub(crate) peer: PeerState,
    /// What the peer has not taken: the beginning of a frame, or what it has no room for.
    buffer: BytesMut,
    is_connected: bool,
    /// Readiness is told once and holds until a call would block, for however long the peer
    /// wants nothing to be read meanwhile.
    pub(crate) is_readable: bool,
    pub(crate) is_writable: bool,
    /// Its entry in the deadlines of the runtime.
    pub(crate) deadline: Option<Instant>,
}

impl Connection {
    pub(crate) fn new(socket: TcpStream, peer: PeerState) -> Self {
        Self {
            socket,
            peer,
            buffer: BytesMut::new(),
            is_connected: false,
            is_readable: false,
            is_writable: false,
            deadline: None,
        }
    }

    /// Whether the socket is connected. The peer is there before that, and its deadline for the
    /// handshake is one for connecting as well.
    fn connect(&mut self) -> io::Result<bool> {
        if !self.is_connected && self.is_writable {
            if let Some(error) = self.socket.take_error()? {
                return Err(error);
            }
            self.is_connected = self.socket.peer_addr().is_ok();
            // If it is not, readiness was told too early and will be again.
            self.is_writable = self.is_connected;
            if self.is_connected {
                self.socket.set_nodelay(true)?;
            }
        }
        Ok(self.is_connected)
    }

    /// Reads once, so that nobody keeps the others waiting. Tells whether there may be more.
    pub(crate) fn read(&mut self, now: Instant, chunk: &mut [u8]) -> io::Result<bool> {
        let is_connected = self.connect()?;
        if !self.peer.can_resume() {
            if !(is_connected && self.is_readable && self.peer.wants_read()) {
                return Ok(false);
            }
            match self.socket.read(chunk) {
                Ok(0) => {
                    self.peer.handle_eof(now);
                    return Ok(true);
                }
                Ok(len) => self.buffer.extend_from_slice(&chunk[..len]),
                Err(error) => return try_again(error, &mut self.is_readable),
            }
        }
        // An error is also the last event.
        let _ = self.peer.handle_input(now, &mut self.buffer);
        Ok(true)
    }

    /// Writes once. Tells whether there may be more.
    pub(crate) fn write(&mut self, now: Instant) -> io::Result<bool> {
        // To ask for the bytes counts as trying to write them.
        if !(self.is_writable && self.peer.wants_write()) {
            return Ok(false);
        }
        let mut out = self.peer.transmit(now);
        let mut slices = [IoSlice::new(&[]); WRITE_SLICES];
        let used = out.chunks_vectored(&mut slices);
        match self.socket.write_vectored(&slices[..used]) {
            Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
            Ok(len) => out.advance(len),
            Err(error) => return try_again(error, &mut self.is_writable),
        }
        Ok(true)
    }

    /// There is more to do: the peer closes.
    pub(crate) fn lose(&mut self, now: Instant, error: &io::Error) -> bool {
        eprintln!("{}: {error}", self.peer);
        self.peer.handle_connection_lost(now);
        true
    }
}

/// Whether a call that failed can be made again at once. If later, the socket is not ready.
fn try_again(error: io::Error, is_ready: &mut bool) -> io::Result<bool> {
    match error.kind() {
        io::ErrorKind::Interrupted => Ok(true),
        io::ErrorKind::WouldBlock => {
            *is_ready = false;
            Ok(false)
        }
        _ => Err(error),
    }
}
