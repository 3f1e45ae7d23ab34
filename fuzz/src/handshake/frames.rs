//! What the remote sends, made by hand, with what a peer must think of it.

use excc_peer::wire::{Command, FeeFilter, Message, PeerAddress, Ping, Pong, Services, Version};
use excc_peer::{Chain, Network};

use super::script::{SENT_NONCES, Script, UNIX_TIME};

/// Most bytes of a `version`.
const MAX_VERSION: usize = 358;

/// The last second that a `version` on Decred may tell.
const LAST_SECOND: i64 = i64::MAX - 62_135_596_800;

/// The name of a decoding error.
pub(super) type Fault = &'static str;

/// A frame of the remote's.
pub(super) struct Frame {
    pub(super) bytes: Vec<u8>,
    /// What it claims to be, if that exists.
    pub(super) command: Option<Command>,
    pub(super) payload_len: usize,
    /// What is wrong with its header, at any version.
    header_fault: Option<Fault>,
    /// The protocol versions that have the message.
    versions: std::ops::RangeInclusive<u32>,
    /// Whether no payload is allowed outside these.
    is_gated: bool,
    /// What comes of its payload.
    pub(super) payload: Result<Message, Fault>,
}

impl Frame {
    fn new(network: Network, command: Command, payload: &[u8], message: Message) -> Self {
        Self {
            bytes: frame(network, command.as_str().as_bytes(), payload),
            command: Some(command),
            payload_len: payload.len(),
            header_fault: None,
            versions: 0..=u32::MAX,
            is_gated: false,
            payload: Ok(message),
        }
    }

    /// A frame that is not worth reading on after its header.
    fn broken(network: Network, name: &[u8], payload: &[u8], fault: Fault) -> Self {
        Self {
            bytes: frame(network, name, payload),
            command: None,
            payload_len: payload.len(),
            header_fault: Some(fault),
            versions: 0..=u32::MAX,
            is_gated: false,
            payload: Err(fault),
        }
    }

    /// What is wrong with its header at a protocol version.
    pub(super) fn header_fault(&self, version: u32) -> Option<Fault> {
        let is_defined = self.versions.contains(&version);
        match self.header_fault {
            Some(fault) => Some(fault),
            None if is_defined => None,
            None if self.is_gated && self.payload_len > 0 => Some("PayloadTooLarge"),
            None => Some("MsgInvalidForPVer"),
        }
    }

    /// Any frame; `own_nonce` is that of our `version`, if it is known.
    pub(super) fn any(script: &mut Script<'_>, network: Network, own_nonce: Option<u64>) -> Self {
        let plain =
            |command, payload: &[u8], message| Self::new(network, command, payload, message);
        let mut frame = match script.byte() % 16 {
            0..=3 => version(script, network, own_nonce),
            4..=6 => plain(Command::VerAck, &[], Message::VerAck),
            7 | 8 => {
                let nonce = u64::from(script.byte());
                plain(Command::Ping, &nonce.to_le_bytes(), Message::Ping(Ping { nonce }))
            }
            9 => {
                let nonce = u64::from(script.byte());
                plain(Command::Pong, &nonce.to_le_bytes(), Message::Pong(Pong { nonce }))
            }
            10 => plain(Command::GetAddr, &[], Message::GetAddr),
            11 => Self {
                versions: 3..=u32::MAX,
                ..plain(Command::SendHeaders, &[], Message::SendHeaders)
            },
            12 => Self {
                versions: 5..=u32::MAX,
                ..plain(
                    Command::FeeFilter,
                    &5_u64.to_le_bytes(),
                    Message::FeeFilter(FeeFilter { min_fee: 5 }),
                )
            },
            13 => addr(script, network),
            _ => return broken(script, network),
        };
        // A checksum is looked at last of all.
        if script.byte() == 255 {
            frame.bytes[20] ^= 1;
            frame.payload = Err("PayloadChecksum");
        }
        frame
    }
}

/// `addr`, empty or cut off, which Decred has not had since version 12.
fn addr(script: &mut Script<'_>, network: Network) -> Frame {
    let is_whole = script.byte().is_multiple_of(2);
    let payload: &[u8] = if is_whole { &[0] } else { &[] };
    let message = Message::Addr(Vec::new().into());
    let frame = Frame::new(network, Command::Addr, payload, message);
    let is_gated = network.chain() == Chain::Decred;
    Frame {
        versions: 0..=if is_gated { 11 } else { u32::MAX },
        is_gated,
        payload: if is_whole { frame.payload } else { Err("Truncated") },
        ..frame
    }
}

fn broken(script: &mut Script<'_>, network: Network) -> Frame {
    let other = match network.chain() {
        Chain::Decred => Network::EXCC_MAINNET,
        _ => Network::DCR_MAINNET,
    };
    let too_large = |command: Command, payload: &[u8]| Frame {
        command: Some(command),
        ..Frame::broken(network, command.as_str().as_bytes(), payload, "PayloadTooLarge")
    };
    match script.byte() % 8 {
        0 => Frame::broken(other, b"version", &[], "WrongNetwork"),
        1 => Frame::broken(network, b"verakc", &[], "UnknownCmd"),
        2 => Frame::broken(network, b"ver\0ack", &[], "MalformedCmd"),
        3 => {
            // The length is judged before anything else.
            let mut frame = Frame::broken(other, b"\xff", &[], "PayloadTooLarge");
            frame.bytes[16..20].copy_from_slice(&33_554_433_u32.to_le_bytes());
            frame
        }
        4 => too_large(Command::VerAck, &[0]),
        5 => too_large(Command::Ping, &[0; 9]),
        6 => too_large(Command::Version, &[0; MAX_VERSION + 1]),
        _ => {
            let frame = Frame::new(network, Command::Ping, &[0; 7], Message::GetAddr);
            Frame { payload: Err("Truncated"), ..frame }
        }
    }
}

/// `version`, whole or cut off or with too much in it.
fn version(script: &mut Script<'_>, network: Network, own_nonce: Option<u64>) -> Frame {
    let chain = network.chain();
    let protocol_version = match script.byte() {
        0 => chain.advertised_version().cast_signed(),
        255 => i32::MAX,
        254 => -1,
        253 => i32::MIN,
        version => i32::from(version - 1) % 16,
    };
    let nonce = match script.byte() % 5 {
        0 => 1,
        1 => 0,
        2 => SENT_NONCES[0],
        3 => SENT_NONCES[1],
        _ => own_nonce.unwrap_or(2),
    };
    let [last, now] = [LAST_SECOND, UNIX_TIME.cast_signed()];
    let timestamp = script.one_of(&[now, now, 0, last, last + 1, i64::MAX, i64::MIN, -1]);
    let (agent, agent_fault): (Vec<u8>, _) = match script.byte() % 8 {
        0..=3 => (b"/remote:1/".to_vec(), None),
        4 => (Vec::new(), None),
        5 => (vec![b'~'; 256], None),
        6 => (vec![b'~'; 257], Some("UserAgentTooLong")),
        _ => (vec![b'a', 0x80], Some("MalformedStrictString")),
    };
    let flags = script.byte();
    let mut version = Version {
        protocol_version,
        services: Services::from_bits_retain(u64::from(flags) << 60),
        timestamp,
        receiver: PeerAddress::UNSPECIFIED,
        sender: PeerAddress::UNSPECIFIED,
        nonce,
        user_agent: String::from_utf8(agent.clone()).unwrap_or_default(),
        start_height: i32::from(flags) * 1_000,
        relay: flags & 1 == 0,
    };
    let (mut payload, ends) = payload(&version, &agent);
    let whole = payload.len();
    let cut = match script.byte() {
        0..=199 => whole,
        cut @ 200..=249 => ends[usize::from(cut) % ends.len()],
        _ => usize::from(script.byte()) % whole,
    };
    payload.truncate(cut);
    let trailing = if cut == whole { usize::from(script.byte().saturating_sub(240)) } else { 0 };
    payload.resize(cut + trailing, 0);

    // Fields that are left out have their defaults.
    let (has_nonce, has_agent) = (cut >= ends[2], cut >= ends[3]);
    let absent = Version::default();
    if !has_nonce {
        version.nonce = absent.nonce;
    }
    if !has_agent {
        version.user_agent = absent.user_agent;
    }
    if cut < ends[4] {
        version.start_height = absent.start_height;
    }
    if cut < ends[5] {
        version.relay = absent.relay;
    }

    let is_late = chain == Chain::Decred && !(0..=LAST_SECOND).contains(&timestamp);
    let fault = if is_late && cut >= 20 {
        Some("InvalidTimestamp")
    } else if has_agent && agent_fault.is_some() {
        agent_fault
    } else if !ends.contains(&cut) {
        Some("Truncated")
    } else if chain == Chain::Decred && trailing > 0 {
        Some("TrailingBytes")
    } else {
        None
    };
    let frame = Frame::new(network, Command::Version, &payload, version.into());
    Frame {
        header_fault: (payload.len() > MAX_VERSION).then_some("PayloadTooLarge"),
        payload: fault.map_or(frame.payload, Err),
        ..frame
    }
}

/// A `version`, and where it may end: behind the receiver, the sender, the nonce, the user
/// agent, the height or the flag.
pub(super) fn payload(version: &Version, user_agent: &[u8]) -> (Vec<u8>, [usize; 6]) {
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

/// A frame with a header that fits it, whatever is in it.
pub(super) fn frame(network: Network, name: &[u8], payload: &[u8]) -> Vec<u8> {
    let mut bytes = vec![0; 24];
    bytes[..4].copy_from_slice(&network.magic().to_le_bytes());
    bytes[4..][..name.len()].copy_from_slice(name);
    bytes[16..20].copy_from_slice(&(payload.len() as u32).to_le_bytes());
    bytes[20..].copy_from_slice(&network.chain().hash_function().checksum(&[payload]));
    bytes.extend_from_slice(payload);
    bytes
}
