//! Prints how fast each adapter receives over a loopback socket, beside a socket that is read
//! and nothing else.
//!
//! Everything is measured in turns, and the fastest turn of each counts, so that other load on the
//! machine hardly matters.

mod shapes;

use std::env;
use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::Arc;
use std::thread;
use std::time::Instant;

use excc_peer::adapter::{self, Events};
use excc_peer::wire::{EncodedMessage, Message, Version};
use excc_peer::{Config, Event, Network};
use rand_core::UnwrapErr;
use tokio::runtime::Runtime;

use shapes::{Case, Shape};

const NETWORK: Network = Network::EXCC_MAINNET;

const SHAPES: [Shape; 5] =
    [Shape::Ping, Shape::Inv(30), Shape::Inv(1_000), Shape::Headers(2_000), Shape::Block(4_000)];

const TURNS: usize = 7;

/// Minimum number of bytes of a turn. Fewer will do for small messages, which take longer.
const LARGE_TURN: usize = 256 * 1024 * 1024;
const SMALL_TURN: usize = 16 * 1024 * 1024;

/// A receiver. It returns the number of messages, if it knows it.
#[derive(Clone, Copy)]
enum Receiver {
    Socket,
    Threads,
    Task,
}

impl Receiver {
    const ALL: [Self; 3] = [Self::Socket, Self::Threads, Self::Task];

    fn receive(self, socket: TcpStream, runtime: &Runtime) -> io::Result<Option<usize>> {
        let config = shapes::accept_unsolicited(Config::builder(NETWORK));
        let config = config.build().map_err(io::Error::other)?;
        let (remote, mut rng) = (socket.peer_addr()?, UnwrapErr(getrandom::SysRng));
        match self {
            Self::Socket => {
                let mut socket = socket;
                let mut chunk = vec![0; 64 * 1024];
                while socket.read(&mut chunk)? > 0 {}
                Ok(None)
            }
            Self::Threads => {
                let (_peer, events) = adapter::threads::inbound(config, socket, remote, &mut rng)?;
                Ok(Some(events.filter(is_message).count()))
            }
            Self::Task => runtime.block_on(async {
                socket.set_nonblocking(true)?;
                let socket = tokio::net::TcpStream::from_std(socket)?;
                let (_peer, events) = adapter::tasks::inbound(config, socket, remote, &mut rng)?;
                Ok(Some(count(events).await))
            }),
        }
    }
}

fn is_message(event: &Event) -> bool {
    matches!(event, Event::Message { .. })
}

async fn count(mut events: Events) -> usize {
    let mut messages = 0;
    while let Some(event) = events.recv().await {
        messages += usize::from(is_message(&event));
    }
    messages
}

/// The bytes of a remote: its opening, and a run of messages, repeated.
struct Stream {
    opening: Vec<u8>,
    run: Vec<u8>,
    repeated: usize,
    messages: usize,
}

impl Stream {
    fn new(shape: Shape, least: usize) -> Self {
        let version = Version { protocol_version: 8, nonce: 1, ..Version::default() };
        let opening = [version.into(), Message::VerAck].map(|message| {
            EncodedMessage::new(&NETWORK, 8, &message).expect("can be encoded").to_bytes()
        });
        let mut next = Case { network: NETWORK, shape }.frames();
        let (mut run, mut messages) = (Vec::new(), 0);
        while run.len() < 64 * 1024 || messages % 2 != 0 {
            run.extend_from_slice(&next());
            messages += 1;
        }
        let repeated = least.div_ceil(run.len());
        Self { opening: opening.concat(), run, repeated, messages: messages * repeated }
    }

    fn len(&self) -> usize {
        self.opening.len() + self.run.len() * self.repeated
    }

    fn send(&self, mut socket: TcpStream) -> io::Result<()> {
        socket.write_all(&self.opening)?;
        (0..self.repeated).try_for_each(|_| socket.write_all(&self.run))?;
        socket.shutdown(Shutdown::Write)
    }
}

/// Megabytes a second.
fn measure(stream: &Arc<Stream>, receiver: Receiver, runtime: &Runtime) -> io::Result<f64> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let near = TcpStream::connect(listener.local_addr()?)?;
    let (far, _) = listener.accept()?;
    let mut pongs = near.try_clone()?;
    // Unread pongs would fill the socket.
    let drain = thread::spawn(move || io::copy(&mut pongs, &mut io::sink()));
    let started = Instant::now();
    let sent = stream.clone();
    let send = thread::spawn(move || sent.send(near));
    let messages = receiver.receive(far, runtime)?;
    let seconds = started.elapsed().as_secs_f64();
    send.join().expect("no panic")?;
    // Ends with the connection, with or without an error.
    let _ = drain.join().expect("no panic");
    assert!(messages.is_none_or(|messages| messages == stream.messages), "{messages:?}");
    Ok(stream.len() as f64 / seconds / 1e6)
}

fn main() -> io::Result<()> {
    // Anything but `cargo bench` only checks that it works.
    let is_bench = env::args().any(|arg| arg == "--bench");
    let runtime = Runtime::new()?;
    println!("Received over loopback, in MB/s, and as a part of what the socket alone brings:\n");
    println!("| message | socket alone | threads | | tokio | |");
    println!("|---|--:|--:|--:|--:|--:|");
    for shape in SHAPES {
        let is_small = matches!(shape, Shape::Ping | Shape::Inv(30));
        let (turns, least) = match is_bench {
            true if is_small => (TURNS, SMALL_TURN),
            true => (TURNS, LARGE_TURN),
            false => (1, 1),
        };
        let stream = Arc::new(Stream::new(shape, least));
        let mut fastest = [0.0_f64; 3];
        for _ in 0..turns {
            for (receiver, fastest) in Receiver::ALL.into_iter().zip(&mut fastest) {
                *fastest = fastest.max(measure(&stream, receiver, &runtime)?);
            }
        }
        let [alone, threads, task] = fastest;
        println!(
            "| {shape} | {alone:.0} | {threads:.0} | {:.2} | {task:.0} | {:.2} |",
            threads / alone,
            task / alone
        );
    }
    Ok(())
}
