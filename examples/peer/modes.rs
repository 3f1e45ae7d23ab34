//! `connect` and `listen`: peers that take commands from standard input.

use std::error::Error;
use std::io::{self, BufRead};
use std::net::{TcpListener, TcpStream};
use std::process;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use excc_peer::adapter::Events;
use excc_peer::{CloseReason, Direction, Event};

use crate::Options;
use crate::commands::{self, Command, HELP};
use crate::report::Report;
use crate::runtime::Runtime;
use crate::session::Session;
use crate::store::Store;

/// The connected peers, and the objects that they serve. Clones share both.
#[derive(Clone)]
struct Sessions {
    all: Arc<Mutex<Vec<Arc<Session>>>>,
    store: Arc<Mutex<Store>>,
    report: Report,
}

impl Sessions {
    fn new(options: &Options) -> Result<Self, Box<dyn Error>> {
        let store = Store::new(options.network, options.services())?;
        let report = Report::new(options.network.chain(), options.json);
        Ok(Self { all: Arc::default(), store: Arc::new(Mutex::new(store)), report })
    }

    fn change<T>(&self, change: impl FnOnce(&mut Vec<Arc<Session>>) -> T) -> T {
        change(&mut self.all.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn all(&self) -> Vec<Arc<Session>> {
        self.change(|sessions| sessions.clone())
    }

    fn read_commands(&self) {
        for line in io::stdin().lock().lines() {
            let Ok(line) = line else { return };
            let result = match commands::parse(&line) {
                Ok(Some(command)) => self.run(command),
                Ok(None) => Ok(()),
                Err(error) => Err(error.into()),
            };
            if let Err(error) = result {
                eprintln!("error: {error}");
            }
        }
    }

    /// Runs a command on every peer.
    fn run(&self, command: Command) -> Result<(), Box<dyn Error>> {
        let command = match command {
            Command::Help => {
                eprintln!("{HELP}");
                return Ok(());
            }
            Command::Make { kind, count, now } => {
                let mut store = self.store.lock().unwrap_or_else(PoisonError::into_inner);
                let vectors = (0..count).map(|_| store.make(kind)).collect::<Result<_, _>>()?;
                Command::Inv { vectors, now }
            }
            command => command,
        };
        if let Command::Inv { vectors, .. } = &command {
            let store = self.store.lock().unwrap_or_else(PoisonError::into_inner);
            if let Some(vector) = vectors.iter().find(|vector| store.get(vector).is_none()) {
                // Nodes ban a peer for 12 `notfound` answers.
                return Err(format!("{vector} was not created here and cannot be served").into());
            }
        }
        let sessions = self.all();
        if sessions.is_empty() {
            return Err("no peer is connected".into());
        }
        for session in sessions {
            if let Err(error) = session.run(&command, &self.report) {
                eprintln!("error: {}: {error}", session.remote);
            }
        }
        Ok(())
    }

    /// Reports the events of a peer up to the last one. Returns the end.
    fn report_events(&self, session: Session, events: Events) -> Ended {
        let session = Arc::new(session);
        self.change(|sessions| sessions.push(session.clone()));
        let mut was_established = false;
        for event in events {
            self.report.event(session.remote, &event);
            session.on_event(&event);
            was_established |= matches!(event, Event::Established(_));
        }
        let reason = session.peer.wait_closed();
        if let Some(error) = session.peer.io_error() {
            eprintln!("{}: {error}", session.remote);
        }
        self.report.stats(session.remote, &session.peer.stats());
        self.change(|sessions| sessions.retain(|other| !Arc::ptr_eq(other, &session)));
        Ended { was_established, reason }
    }

    fn close_after(&self, seconds: Option<u64>, on_closed: impl FnOnce() + Send + 'static) {
        let Some(seconds) = seconds else { return };
        let sessions = self.clone();
        thread::spawn(move || {
            thread::sleep(Duration::from_secs(seconds));
            sessions.all().iter().for_each(|session| session.peer.close());
            on_closed();
        });
    }
}

struct Ended {
    was_established: bool,
    reason: CloseReason,
}

pub(crate) fn connect(
    options: &Options,
    runtime: &Runtime,
    address: &str,
) -> Result<(), Box<dyn Error>> {
    let config = Arc::new(options.config().build()?);
    let sessions = Sessions::new(options)?;
    let socket = TcpStream::connect(address).map_err(|error| format!("{address}: {error}"))?;
    let (session, events) =
        Session::start(runtime, &config, socket, Direction::Outbound, &sessions.store)?;
    eprintln!("connected to {} on {}", session.remote, options.network);

    sessions.close_after(options.seconds, || {});
    let commands = sessions.clone();
    thread::spawn(move || commands.read_commands());
    let ended = sessions.report_events(session, events);
    match ended.reason {
        CloseReason::Local => Ok(()),
        CloseReason::RemoteClosed if ended.was_established => Ok(()),
        reason => Err(reason.into()),
    }
}

pub(crate) fn listen(
    options: &Options,
    runtime: &Runtime,
    address: &str,
) -> Result<(), Box<dyn Error>> {
    let config = Arc::new(options.config().build()?);
    let sessions = Sessions::new(options)?;
    let listener = TcpListener::bind(address).map_err(|error| format!("{address}: {error}"))?;
    eprintln!("listening on {} for {}", listener.local_addr()?, options.network);

    let closing = sessions.clone();
    sessions.close_after(options.seconds, move || {
        // The peers report their ends before the process exits.
        while !closing.all().is_empty() {
            thread::sleep(Duration::from_millis(10));
        }
        process::exit(0);
    });
    let commands = sessions.clone();
    thread::spawn(move || commands.read_commands());
    for socket in listener.incoming() {
        let started = socket.and_then(|socket| {
            Session::start(runtime, &config, socket, Direction::Inbound, &sessions.store)
        });
        match started {
            Ok((session, events)) => {
                eprintln!("accepted {}", session.remote);
                let sessions = sessions.clone();
                thread::spawn(move || sessions.report_events(session, events));
            }
            Err(error) => eprintln!("error: {error}"),
        }
    }
    Ok(())
}
