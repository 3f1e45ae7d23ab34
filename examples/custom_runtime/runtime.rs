//! A loop over many connections, on `mio`.

use std::collections::{BTreeSet, HashMap};
use std::error::Error;
use std::io;
use std::mem;
use std::net::Ipv4Addr;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use excc_peer::{Config, Event, Instant, PeerState, UnixTime};
use getrandom::SysRng;
use mio::net::{TcpListener, TcpStream};
use mio::{Events, Interest, Poll, Token};
use rand_core::UnwrapErr;

use crate::connection::Connection;

pub(crate) type Result<T = ()> = std::result::Result<T, Box<dyn Error>>;

/// Handles the events of all peers.
pub(crate) trait Application {
    fn on_event(
        &mut self,
        now: Instant,
        token: Token,
        peer: &mut PeerState,
        event: Event,
    ) -> Result;
}

const LISTENER: Token = Token(0);

/// All connections, those that are ready, and the deadlines of all.
pub(crate) struct Runtime {
    poll: Poll,
    events: Events,
    listener: TcpListener,
    config: Arc<Config>,
    epoch: std::time::Instant,
    connections: HashMap<Token, Connection>,
    /// Tokens are unique, so that a late event cannot reach another connection.
    last_token: Token,
    /// Connections that may have something to do now.
    ready: BTreeSet<Token>,
    /// Deadlines of all connections.
    deadlines: BTreeSet<(Instant, Token)>,
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
        })
    }

    pub(crate) fn now(&self) -> Instant {
        Instant::ZERO + self.epoch.elapsed()
    }

    pub(crate) fn call(&mut self, config: Arc<Config>) -> Result {
        let remote = self.listener.local_addr()?;
        let socket = TcpStream::connect(remote)?;
        let (now, mut rng) = (self.now(), UnwrapErr(SysRng));
        self.add(
            socket,
            PeerState::outbound(config, remote, now, UnixTime::from_secs(unix_time()?), &mut rng),
        )
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
            self.add(
                socket,
                PeerState::inbound(
                    config,
                    remote,
                    now,
                    UnixTime::from_secs(unix_time()?),
                    &mut rng,
                ),
            )?;
        }
    }

    fn add(&mut self, mut socket: TcpStream, peer: PeerState) -> Result {
        self.last_token.0 += 1;
        let (token, interest) = (self.last_token, Interest::READABLE | Interest::WRITABLE);
        self.poll.registry().register(&mut socket, token, interest)?;
        self.connections.insert(token, Connection::new(socket, peer));
        // Its first run sets its deadline.
        self.ready.insert(token);
        Ok(())
    }

    /// Gives commands to every peer, and runs all of them.
    pub(crate) fn command(&mut self, mut give: impl FnMut(&mut PeerState, Instant)) {
        let now = self.now();
        self.ready.extend(self.connections.keys());
        self.connections.values_mut().for_each(|connection| give(&mut connection.peer, now));
    }

    /// Waits until a connection may have something to do, or until `latest`. Polls the sockets in
    /// any case, so that a peer reads arrived bytes before it judges its deadline.
    fn wait(&mut self, latest: Instant) -> Result {
        let next = self.deadlines.first().map_or(latest, |&(at, _)| at.min(latest));
        let timeout = if self.ready.is_empty() { next - self.now() } else { Duration::ZERO };
        match self.poll.poll(&mut self.events, Some(timeout)) {
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

    /// Runs a connection once, and records whether it has more to do and its next deadline.
    fn run_once(&mut self, token: Token, application: &mut impl Application) -> Result {
        let epoch = self.epoch;
        let clock = || Instant::ZERO + epoch.elapsed();
        let Some(connection) = self.connections.get_mut(&token) else { return Ok(()) };
        let (is_open, has_more) = if connection.is_lingering() {
            connection.linger(clock())
        } else {
            run_peer(token, connection, clock, application)?
        };
        let deadline = connection.next_deadline().filter(|_| is_open);
        let previous = mem::replace(&mut connection.deadline, deadline);
        if deadline != previous {
            previous.map(|at| self.deadlines.remove(&(at, token)));
            deadline.map(|at| self.deadlines.insert((at, token)));
        }
        if !is_open {
            self.poll.registry().deregister(&mut connection.socket)?;
            self.connections.remove(&token);
        } else if has_more {
            self.ready.insert(token);
        }
        Ok(())
    }

    /// Runs until `is_done` returns `true`. Fails at `latest`.
    pub(crate) fn run<A: Application>(
        &mut self,
        application: &mut A,
        latest: Instant,
        is_done: impl Fn(&A) -> bool,
    ) -> Result {
        while !is_done(application) {
            self.step(application, latest)?;
        }
        Ok(())
    }

    /// Runs until every connection has ended. Fails at `latest`.
    pub(crate) fn run_to_end(
        &mut self,
        application: &mut impl Application,
        latest: Instant,
    ) -> Result {
        while !self.connections.is_empty() {
            self.step(application, latest)?;
        }
        Ok(())
    }

    fn step(&mut self, application: &mut impl Application, latest: Instant) -> Result {
        if self.now() >= latest {
            return Err("not done in time".into());
        }
        self.wait(latest)?;
        for token in mem::take(&mut self.ready) {
            self.run_once(token, application)?;
        }
        Ok(())
    }
}

/// Reads once, handles deadlines, delivers events and writes once, in this order. Returns whether
/// the connection is still needed, and whether there may be more to do at once.
fn run_peer(
    token: Token,
    connection: &mut Connection,
    clock: impl Fn() -> Instant,
    application: &mut impl Application,
) -> Result<(bool, bool)> {
    let now = clock();
    let read = connection.read(now);
    let mut has_more = read.unwrap_or_else(|error| connection.lose(now, &error));
    // After the read, because received bytes extend deadlines and this thread may be late itself.
    connection.peer.handle_timeout(now);
    // Before the write, because the application may refuse the remote's `version`.
    let mut is_open = true;
    while let Some(event) = connection.peer.poll_event() {
        // A closed peer may still write, so only the last event is the end.
        is_open &= !matches!(event, Event::Closed(_));
        application.on_event(now, token, &mut connection.peer, event)?;
        // There may be room for more input, or the application gave a command.
        has_more = true;
    }
    if !is_open {
        return Ok((connection.end(), true));
    }
    // The time before the write, so that round trips include it.
    let now = clock();
    let written = connection.write(now);
    has_more |= written.unwrap_or_else(|error| connection.lose(now, &error));
    Ok((true, has_more))
}

fn unix_time() -> Result<u64> {
    Ok(SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs())
}
