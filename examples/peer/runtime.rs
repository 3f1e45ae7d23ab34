//! The drivers of the peers. Everything else is the same for all of them.

use std::io;
use std::net::TcpStream;
use std::str::FromStr;
use std::sync::Arc;

use excc_peer::adapter::{self, Events, Handle};
use excc_peer::{Config, Direction};
use rand_core::UnwrapErr;

#[derive(Clone, Copy)]
pub(crate) enum RuntimeName {
    /// Two threads for each peer.
    Std,
    /// A task for each peer.
    #[cfg(feature = "tokio")]
    Tokio,
}

impl FromStr for RuntimeName {
    type Err = &'static str;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        match name {
            "std" => Ok(Self::Std),
            #[cfg(feature = "tokio")]
            "tokio" => Ok(Self::Tokio),
            #[cfg(not(feature = "tokio"))]
            "tokio" => Err("this needs `cargo run --features tokio`"),
            _ => Err("neither std nor tokio"),
        }
    }
}

pub(crate) enum Runtime {
    Std,
    #[cfg(feature = "tokio")]
    Tokio(tokio::runtime::Runtime),
}

impl Runtime {
    pub(crate) fn new(name: RuntimeName) -> io::Result<Self> {
        match name {
            RuntimeName::Std => Ok(Self::Std),
            #[cfg(feature = "tokio")]
            RuntimeName::Tokio => tokio::runtime::Runtime::new().map(Self::Tokio),
        }
    }

    pub(crate) fn start(
        &self,
        config: Arc<Config>,
        socket: TcpStream,
        direction: Direction,
    ) -> io::Result<(Handle, Events)> {
        socket.set_nodelay(true)?;
        let remote = socket.peer_addr()?;
        let mut rng = UnwrapErr(getrandom::SysRng);
        match self {
            Self::Std => match direction {
                Direction::Inbound => adapter::threads::inbound(config, socket, remote, &mut rng),
                Direction::Outbound => adapter::threads::outbound(config, socket, remote, &mut rng),
            },
            #[cfg(feature = "tokio")]
            Self::Tokio(runtime) => {
                let _context = runtime.enter();
                socket.set_nonblocking(true)?;
                let socket = tokio::net::TcpStream::from_std(socket)?;
                match direction {
                    Direction::Inbound => adapter::tasks::inbound(config, socket, remote, &mut rng),
                    Direction::Outbound => {
                        adapter::tasks::outbound(config, socket, remote, &mut rng)
                    }
                }
            }
        }
    }
}
