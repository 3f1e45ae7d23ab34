//! Frames built byte by byte, with the outcome of decoding that each must have.

use excc_peer::wire::{Command, PeerAddress, Services, Version};
use excc_peer::{Chain, Network};

use super::common::{DCR, EXCC, raw_frame, raw_header};

/// Most bytes of a `version` (`docs/protocol.md`, 2.5).
const MAX_VERSION: usize = 358;

/// The last second of a timestamp that a node of Decred represents (`docs/protocol.md`, 3.3).
pub(crate) const LAST_SECOND: i64 = i64::MAX - 62_135_596_800;

/// How the payload of a `version` is encoded.
#[derive(Debug, Clone, Copy)]
pub(crate) struct VersionEncoding {
    pub(crate) user_agent: UserAgent,
    pub(crate) end: PayloadEnd,
}

#[derive(Debug, Clone, Copy)]
pub(crate) enum UserAgent {
    Usual,
    Empty,
    /// As many bytes as are allowed.
    Longest,
    /// One byte more.
    TooLong,
    NotAscii,
}

pub(crate) const USER_AGENTS: [UserAgent; 5] = [
    UserAgent::Usual,
    UserAgent::Empty,
    UserAgent::Longest,
    UserAgent::TooLong,
    UserAgent::NotAscii,
];

#[derive(Debug, Clone, Copy)]
pub(crate) enum PayloadEnd {
    Whole,
    /// After that field: 0 is the receiver, 5 the relay flag.
    AfterField(usize),
    /// After that many bytes, modulo the length.
    Cut(usize),
    /// Whole, with a number of trailing bytes.
    Trailing(usize),
}

/// The name of a decoding error.
pub(crate) type ErrorName = &'static str;

impl UserAgent {
    fn bytes(self) -> Vec<u8> {
        match self {
            Self::Usual => b"/remote:1/".to_vec(),
            Self::Empty => Vec::new(),
            Self::Longest => vec![b'~'; 256],
            Self::TooLong => vec![b'~'; 257],
            Self::NotAscii => vec![b'a', 0x80],
        }
    }

    const fn error(self) -> Option<ErrorName> {
        match self {
            Self::TooLong => Some("UserAgentTooLong"),
            Self::NotAscii => Some("MalformedStrictString"),
            _ => None,
        }
    }
}

impl VersionEncoding {
    /// The frame of a `version`, and the outcome of decoding it: fields may be missing from the
    /// end, and Decred allows no trailing bytes and no timestamp that its nodes cannot represent
    /// (`docs/protocol.md`, 4.1). `rejects` says whether trailing bytes are rejected.
    pub(crate) fn frame(
        self,
        network: Network,
        mut version: Version,
        rejects: bool,
    ) -> (Vec<u8>, Result<Version, ErrorName>) {
        let agent = self.user_agent.bytes();
        let (mut payload, ends) = payload(&version, &agent);
        let whole = payload.len();
        let end = match self.end {
            PayloadEnd::Whole | PayloadEnd::Trailing(_) => whole,
            PayloadEnd::AfterField(field) => ends[field % ends.len()],
            PayloadEnd::Cut(len) => len % whole,
        };
        payload.truncate(end);
        let trailing = if let PayloadEnd::Trailing(bytes) = self.end { bytes } else { 0 };
        payload.resize(end + trailing, 0);

        let absent = Version::default();
        version.user_agent = String::from_utf8(agent).unwrap_or_default();
        if end < ends[2] {
            version.nonce = absent.nonce;
        }
        if end < ends[3] {
            version.user_agent = absent.user_agent;
        }
        if end < ends[4] {
            version.start_height = absent.start_height;
        }
        if end < ends[5] {
            version.relay = absent.relay;
        }
        let is_decred = network.chain() == Chain::Decred;
        let is_late = is_decred && !(0..=LAST_SECOND).contains(&version.timestamp);
        let error = if payload.len() > MAX_VERSION {
            Some("PayloadTooLarge")
        } else if is_late && end >= 20 {
            Some("InvalidTimestamp")
        } else if end >= ends[3] && self.user_agent.error().is_some() {
            self.user_agent.error()
        } else if !ends.contains(&end) {
            Some("Truncated")
        } else if rejects && trailing > 0 {
            Some("TrailingBytes")
        } else {
            None
        };
        let frame = raw_frame(network, Command::Version.as_str().as_bytes(), &payload);
        (frame, error.map_or(Ok(version), Err))
    }
}

/// The payload of a `version`, and where it may end: behind the receiver, the sender, the nonce,
/// the user agent, the height or the flag.
fn payload(version: &Version, user_agent: &[u8]) -> (Vec<u8>, [usize; 6]) {
    let mut bytes = Vec::new();
    let mut ends = [0; 6];
    bytes.extend_from_slice(&version.protocol_version.to_le_bytes());
    bytes.extend_from_slice(&version.services.bits().to_le_bytes());
    bytes.extend_from_slice(&version.timestamp.to_le_bytes());
    for (end, address) in ends.iter_mut().zip([&version.receiver, &version.sender]) {
        bytes.extend_from_slice(&address.services().bits().to_le_bytes());
        bytes.extend_from_slice(&address.wire_ip().octets());
        bytes.extend_from_slice(&address.port().to_be_bytes());
        *end = bytes.len();
    }
    bytes.extend_from_slice(&version.nonce.to_le_bytes());
    ends[2] = bytes.len();
    match user_agent.len() {
        len @ ..0xfd => bytes.push(len as u8),
        len => bytes.extend_from_slice(&[0xfd, len as u8, (len >> 8) as u8]),
    }
    bytes.extend_from_slice(user_agent);
    ends[3] = bytes.len();
    bytes.extend_from_slice(&version.start_height.to_le_bytes());
    ends[4] = bytes.len();
    bytes.push(version.relay.into());
    ends[5] = bytes.len();
    (bytes, ends)
}

/// A frame that no version accepts.
#[derive(Debug, Clone, Copy)]
pub(crate) enum BadFrame {
    /// A `verack` of the other chain.
    WrongNetwork,
    UnknownCommand,
    /// A command with a byte behind its padding.
    MalformedCommand,
    /// A length of more than 32 MiB, which is checked before everything else.
    LongerThanAnyFrame,
    /// A payload of one byte more than the command allows.
    TooLong(Command),
    /// A `ping` of 7 bytes.
    Truncated,
    /// A `ping` with a wrong checksum.
    WrongChecksum,
}

pub(crate) const BAD_FRAMES: [BadFrame; 9] = [
    BadFrame::WrongNetwork,
    BadFrame::UnknownCommand,
    BadFrame::MalformedCommand,
    BadFrame::LongerThanAnyFrame,
    BadFrame::TooLong(Command::VerAck),
    BadFrame::TooLong(Command::Version),
    BadFrame::TooLong(Command::Ping),
    BadFrame::Truncated,
    BadFrame::WrongChecksum,
];

impl BadFrame {
    /// The bytes, and the error (`docs/protocol.md`, 2.3).
    pub(crate) fn bytes(self, network: Network) -> (Vec<u8>, ErrorName) {
        let other = if network.chain() == Chain::Decred { EXCC } else { DCR };
        match self {
            Self::WrongNetwork => (raw_frame(other, b"verack", &[]), "WrongNetwork"),
            Self::UnknownCommand => (raw_frame(network, b"verakc", &[]), "UnknownCmd"),
            Self::MalformedCommand => (raw_frame(network, b"ver\0ack", &[]), "MalformedCmd"),
            Self::LongerThanAnyFrame => {
                (raw_header(other, b"\xff", (32 << 20) + 1, [0; 4]), "PayloadTooLarge")
            }
            Self::TooLong(command) => {
                let max = match command {
                    Command::Version => MAX_VERSION,
                    Command::Ping | Command::Pong => 8,
                    _ => 0,
                };
                let command = if max == 0 { Command::VerAck } else { command };
                let payload = vec![0; max + 1];
                (raw_frame(network, command.as_str().as_bytes(), &payload), "PayloadTooLarge")
            }
            Self::Truncated => (raw_frame(network, b"ping", &[0; 7]), "Truncated"),
            Self::WrongChecksum => {
                let mut frame = raw_frame(network, b"ping", &[0; 8]);
                frame[20] ^= 1;
                (frame, "PayloadChecksum")
            }
        }
    }
}

/// The services that a remote offers.
pub(crate) const OFFERED: Services = Services::NODE_NETWORK.union(Services::NODE_CF);

/// The `version` of a remote, with the usual fields.
pub(crate) fn remote_version() -> Version {
    Version {
        services: OFFERED,
        receiver: PeerAddress::UNSPECIFIED,
        sender: PeerAddress::UNSPECIFIED,
        user_agent: "/remote:1/".into(),
        ..Version::default()
    }
}
