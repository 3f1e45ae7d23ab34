//! A peer and its nonblocking socket.

use std::io::{self, IoSlice, Read, Write};
use std::net::Shutdown;

use bytes::Buf;
use excc_peer::wire::InputBuffer;
use excc_peer::{Instant, PeerState};
use mio::net::TcpStream;

/// Maximum number of slices in one write.
const WRITE_SLICES: usize = 64;

/// A peer and its socket.
pub(crate) struct Connection {
    pub(crate) socket: TcpStream,
    pub(crate) peer: PeerState,
    buffer: InputBuffer,
    is_connected: bool,
    /// Readiness, which the system reports once. It lasts until a call would block, even while the
    /// peer does not want to read.
    pub(crate) is_readable: bool,
    pub(crate) is_writable: bool,
    /// Set after the last event. The connection lingers until the remote ends the stream, or until
    /// this time.
    lingers_until: Option<Instant>,
    /// The entry of the connection in the deadlines of the runtime.
    pub(crate) deadline: Option<Instant>,
}

impl Connection {
    pub(crate) fn new(socket: TcpStream, peer: PeerState) -> Self {
        Self {
            socket,
            peer,
            buffer: InputBuffer::new(),
            is_connected: false,
            is_readable: false,
            is_writable: false,
            lingers_until: None,
            deadline: None,
        }
    }

    /// Returns whether the socket is connected. The peer exists earlier, so that its handshake
    /// deadline includes the time to connect.
    fn connect(&mut self) -> io::Result<bool> {
        if !self.is_connected && self.is_writable {
            if let Some(error) = self.socket.take_error()? {
                return Err(error);
            }
            self.is_connected = self.socket.peer_addr().is_ok();
            // If it is not, readiness was reported too early and will be reported again.
            self.is_writable = self.is_connected;
            if self.is_connected {
                self.socket.set_nodelay(true)?;
            }
        }
        Ok(self.is_connected)
    }

    /// Reads once, so that other connections get their turn. Returns whether there may be more.
    pub(crate) fn read(&mut self, now: Instant) -> io::Result<bool> {
        let is_connected = self.connect()?;
        if !self.peer.can_resume() {
            if !(is_connected && self.is_readable && self.peer.wants_read()) {
                return Ok(false);
            }
            match self.buffer.read_from(&mut self.socket) {
                Ok(0) => {
                    self.peer.handle_eof(now);
                    return Ok(true);
                }
                Ok(_) => {}
                Err(error) => return try_again(error, &mut self.is_readable),
            }
        }
        // The last event reports an error as well.
        let _ = self.peer.handle_input(now, &mut self.buffer);
        Ok(true)
    }

    /// Writes once, at `now`. Returns whether there may be more.
    pub(crate) fn write(&mut self, now: Instant) -> io::Result<bool> {
        // A call of `transmit` counts as an attempt to write.
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

    /// Reports an error to the peer, which closes it.
    pub(crate) fn lose(&mut self, now: Instant, error: &io::Error) -> bool {
        eprintln!("{}: {error}", self.peer);
        self.peer.handle_connection_lost(now);
        true
    }

    /// Ends the stream in our direction, after the last event. Returns whether the connection must
    /// linger, because closing the socket with unread input would reset it.
    pub(crate) fn end(&mut self) -> bool {
        self.lingers_until = self.peer.linger_until();
        self.lingers_until.is_some() && self.socket.shutdown(Shutdown::Write).is_ok()
    }

    pub(crate) fn is_lingering(&self) -> bool {
        self.lingers_until.is_some()
    }

    /// Reads once and discards the bytes. Returns whether the connection still lingers, and whether
    /// there may be more to read.
    pub(crate) fn linger(&mut self, now: Instant) -> (bool, bool) {
        if self.lingers_until.is_none_or(|until| now >= until) {
            return (false, false);
        }
        if !self.is_readable {
            return (true, false);
        }
        match self.socket.read(&mut [0; 4096]) {
            Ok(0) => (false, false),
            Ok(_) => (true, true),
            Err(error) => match try_again(error, &mut self.is_readable) {
                Ok(has_more) => (true, has_more),
                Err(_) => (false, false),
            },
        }
    }

    /// Returns the next deadline of the peer, or the end of lingering.
    pub(crate) fn next_deadline(&self) -> Option<Instant> {
        self.lingers_until.or_else(|| self.peer.poll_timeout())
    }
}

/// Returns whether a failed call can be repeated at once. If it would block, the socket is not
/// ready.
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
