//! A loop over many connections, on `mio`.

use std::collections::{BTreeSet, HashMap};
use std::error::Error;
use std::io;
use std::mem;
use std::net::Ipv4Addr;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use excc_peer::{Config, Event, Instant, PeerState};
use getrandom::SysRng;
use mio::net::{TcpListener, TcpStream};
use mio::{Events, Interest, Poll, Token};
use rand_core::UnwrapErr;

use crate::connection::Connection;

pub(crate) type Result<T = ()> = std::result::Result<T, Box<dyn Error>>;

/// What is made of the events.
pub(crate) trait Application {
    fn on_event(&mut self, token: Token, peer: &mut PeerState, event: Event) -> Result;
}

/// Bytes read at once, at most.
const READ_SIZE: usize = 64 * 1024;

const LISTENER: Token = Token(0);

/// All connections, and what they wait for.
pub(crate) struct Runtime {
    poll: Poll,
    events: Events,
    listener: TcpListener,
    config: Arc<Config>,
    epoch: std::time::Instant,
    connections: HashMap<Token, Connection>,
    /// No token is given twice, so that no event is taken for another connection's.
    last_token: Token,
    /// Who may have something to do now.
    ready: BTreeSet<Token>,
    /// When the others will.
    deadlines: BTreeSet<(Instant, Token)>,
    chunk: Vec<u8>,
}

impl Runtime {
    pub(crate) fn listen(config: Config) -> io::Result<Self> {
        let poll = Poll::new()?;
        let mut listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0).into())?;
        poll.registry().register(&mut listener, LISTENER, Interest::READABLE)?;
        Ok(Self {
            poll,
            events: Events::with_capacity(1024),
            listener,
            config: config.into(),
            epoch: std::time::Instant::now(),
            connections: HashMap::new(),
            last_token: LISTENER,
            ready: BTreeSet::new(),
            deadlines: BTreeSet::new(),
            chunk: vec![0; READ_SIZE],
        })
    }

    pub(crate) fn now(&self) -> Instant {
        Instant::ZERO + self.epoch.elapsed()
    }

    pub(crate) fn call(&mut self, config: Arc<Config>) -> Result {
        let remote = self.listener.local_addr()?;
        let socket = TcpStream::connect(remote)?;
        let (now, mut rng) = (self.now(), UnwrapErr(SysRng));
        self.add(socket, PeerState::outbound(config, remote, now, unix_time()?, &mut rng))
    }

    fn accept(&mut self) -> Result {
        loop {
            let (socket, remote) = match self.listener.accept() {
                Ok(accepted) => accepted,
                Err(error) => match error.kind() {
                    io::ErrorKind::WouldBlock => return Ok(()),
                    io::ErrorKind::Interrupted | io::ErrorKind::ConnectionAborted => continue,
                    _ => return Err(error.into()),
                },
            };
            let (config, now, mut rng) = (self.config.clone(), self.now(), UnwrapErr(SysRng));
            self.add(socket, PeerState::inbound(config, remote, now, unix_time()?, &mut rng))?;
        }
    }

    fn add(&mut self, mut socket: TcpStream, peer: PeerState) -> Result {
        self.last_token.0 += 1;
        let (token, interest) = (self.last_token, Interest::READABLE | Interest::WRITABLE);
        self.poll.registry().register(&mut socket, token, interest)?;
        self.connections.insert(token, Connection::new(socket, peer));
        // For its first deadline.
        self.ready.insert(token);
        Ok(())
    }

    /// Gives commands to every peer, upon which all may have something to do.
    pub(crate) fn command(&mut self, mut give: impl FnMut(&mut PeerState, Instant)) {
        let now = self.now();
        self.ready.extend(self.connections.keys());
        self.connections.values_mut().for_each(|connection| give(&mut connection.peer, now));
    }

    /// Waits until anybody may have something to do, or until `latest`.
    fn wait(&mut self, latest: Instant) -> Result {
        let next = self.deadlines.first().map_or(latest, |&(at, _)| at.min(latest));
        let patience = if self.ready.is_empty() { next - self.now() } else { Duration::ZERO };
        match self.poll.poll(&mut self.events, Some(patience)) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => return Ok(()),
            polled => polled?,
        }
        for event in &self.events {
            if let Some(connection) = self.connections.get_mut(&event.token()) {
                connection.is_readable |= event.is_readable();
                connection.is_writable |= event.is_writable();
                self.ready.insert(event.token());
            }
        }
        let due = self.deadlines.range(..=(self.now(), Token(usize::MAX)));
        self.ready.extend(due.map(|&(_, token)| token));
        let is_called = self.events.iter().any(|event| event.token() == LISTENER);
        if is_called { self.accept() } else { Ok(()) }
    }

    /// Lets a connection do what it can, and notes when it can do more.
    fn turn(&mut self, token: Token, application: &mut impl Application) -> Result {
        let now = self.now();
        let Some(connection) = self.connections.get_mut(&token) else { return Ok(()) };
        let read = connection.read(now, &mut self.chunk);
        let mut has_more = read.unwrap_or_else(|error| connection.lose(now, &error));
        // After reading: what has come is not late because this thread is.
        connection.peer.handle_timeout(now);
        // Before writing: the application may refuse what would be answered.
        while let Some(event) = connection.peer.poll_event() {
            application.on_event(token, &mut connection.peer, event)?;
            // There is room for more input, or a command was given.
            has_more = true;
        }
        let is_over = connection.peer.close_reason().is_some();
        let written = connection.write(now);
        has_more |= written.unwrap_or_else(|error| connection.lose(now, &error));
        let deadline = connection.peer.poll_timeout();
        let previous = mem::replace(&mut connection.deadline, deadline);
        if deadline != previous {
            previous.map(|at| self.deadlines.remove(&(at, token)));
            deadline.map(|at| self.deadlines.insert((at, token)));
        }
        if is_over {
            self.poll.registry().deregister(&mut connection.socket)?;
            self.connections.remove(&token);
        } else if has_more {
            self.ready.insert(token);
        }
        Ok(())
    }

    /// Runs until the application is satisfied, which must be before `latest`.
    pub(crate) fn run<A: Application>(
        &mut self,
        application: &mut A,
        latest: Instant,
        is_done: impl Fn(&A) -> bool,
    ) -> Result {
        while !is_done(application) {
            if self.now() >= latest {
                return Err("not done in time".into());
            }
            self.wait(latest)?;
            for token in mem::take(&mut self.ready) {
                self.turn(token, application)?;
            }
        }
        Ok(())
    }
}

fn unix_time() -> Result<u64> {
    Ok(SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs())
}
