//! Network addresses of several types: `addrv2`.

use alloc::vec::Vec;
use core::fmt;
use core::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use super::addr::Services;
use super::error::{ErrorKind, at_most};
use super::format::{Hex, ShortHex};
use super::limits::{MAX_ADDRS, MAX_TIMESTAMP};
use super::payload::Payload;
use super::protocol::Protocol;
use super::reader::Reader;
use super::writer::Writer;

const IPV4: u8 = 1;
const IPV6: u8 = 2;
const TOR_V3: u8 = 3;

/// Minimum length of an address in bytes, which is that of IPv4.
const MIN_LEN: usize = 23;

/// The address of a host on one of the networks of `addrv2`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum HostAddress {
    /// An IPv4 address.
    Ipv4(Ipv4Addr),
    /// An IPv6 address.
    Ipv6(Ipv6Addr),
    /// The public key of a Tor service of version 3.
    TorV3([u8; 32]),
}

impl HostAddress {
    /// Converts an IPv4-mapped IPv6 address (`::ffff:a.b.c.d`) to IPv4.
    ///
    /// A received IPv4-mapped address stays IPv6, because it is encoded as such. Decred's nodes
    /// ban a peer that sends one, so convert addresses before they are relayed.
    #[must_use]
    pub const fn to_canonical(self) -> Self {
        match self {
            Self::Ipv6(ip) => Self::from_ip(IpAddr::V6(ip)),
            Self::Ipv4(_) | Self::TorV3(_) => self,
        }
    }

    const fn from_ip(ip: IpAddr) -> Self {
        match ip.to_canonical() {
            IpAddr::V4(ip) => Self::Ipv4(ip),
            IpAddr::V6(ip) => Self::Ipv6(ip),
        }
    }

    /// Returns the IP address, or `None` for a Tor service. An IPv4-mapped address is returned as
    /// IPv4.
    pub const fn ip(&self) -> Option<IpAddr> {
        match self.to_canonical() {
            Self::Ipv4(ip) => Some(IpAddr::V4(ip)),
            Self::Ipv6(ip) => Some(IpAddr::V6(ip)),
            Self::TorV3(_) => None,
        }
    }

    /// Returns the number of the address type on the wire.
    pub const fn type_number(&self) -> u8 {
        match self {
            Self::Ipv4(_) => IPV4,
            Self::Ipv6(_) => IPV6,
            Self::TorV3(_) => TOR_V3,
        }
    }

    /// Calls `put` with the encoded address.
    pub(super) fn put<R>(&self, put: impl FnOnce(&[u8]) -> R) -> R {
        match self {
            Self::Ipv4(ip) => put(&ip.octets()),
            Self::Ipv6(ip) => put(&ip.octets()),
            Self::TorV3(key) => put(key),
        }
    }

    fn read(reader: &mut Reader<'_>, type_number: u8) -> Result<Self, ErrorKind> {
        match type_number {
            IPV4 => Ok(Self::Ipv4(reader.array::<4>()?.into())),
            IPV6 => Ok(Self::Ipv6(reader.array::<16>()?.into())),
            TOR_V3 => Ok(Self::TorV3(reader.array()?)),
            unknown => Err(ErrorKind::UnknownNetAddrType(unknown)),
        }
    }
}

/// Converts an IPv4-mapped address to IPv4, as [`to_canonical`](HostAddress::to_canonical) does.
impl From<IpAddr> for HostAddress {
    fn from(ip: IpAddr) -> Self {
        Self::from_ip(ip)
    }
}

/// Shows the public key of a Tor service in hexadecimal.
impl fmt::Display for HostAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ipv4(ip) => ip.fmt(f),
            Self::Ipv6(ip) => ip.fmt(f),
            Self::TorV3(key) => Hex(key).fmt(f),
        }
    }
}

impl fmt::Debug for HostAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ipv4(ip) => f.debug_tuple("Ipv4").field(ip).finish(),
            Self::Ipv6(ip) => f.debug_tuple("Ipv6").field(ip).finish(),
            Self::TorV3(key) => f.debug_tuple("TorV3").field(&ShortHex(key)).finish(),
        }
    }
}

/// An address in `addrv2`: Decred from protocol version 12.
///
/// The timestamp is validated on receipt, and no other field.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[expect(clippy::exhaustive_structs, reason = "the wire form has these fields and no more")]
pub struct NetAddressV2 {
    /// The time of the last contact with the node, in Unix seconds. The maximum is
    /// 9,223,371,974,719,179,007, the latest time that Decred's nodes can represent.
    pub timestamp: u64,
    /// The services of the node.
    pub services: Services,
    /// The address of the node.
    pub addr: HostAddress,
    /// The TCP port.
    pub port: u16,
}

impl NetAddressV2 {
    /// Creates an IP address with its last contact at `timestamp`, in Unix seconds. An
    /// IPv4-mapped address becomes IPv4.
    pub fn new(timestamp: u64, services: Services, addr: SocketAddr) -> Self {
        Self { timestamp, services, addr: addr.ip().into(), port: addr.port() }
    }

    /// Returns the IP address and port, or `None` for a Tor service. An IPv4-mapped address is
    /// returned as IPv4.
    pub fn socket_addr(&self) -> Option<SocketAddr> {
        Some(SocketAddr::new(self.addr.ip()?, self.port))
    }

    fn read(reader: &mut Reader<'_>) -> Result<Self, ErrorKind> {
        let timestamp = reader.u64()?;
        check_timestamp(timestamp)?;
        let services = Services::from_bits_retain(reader.u64()?);
        let type_number = reader.u8()?;
        let addr = HostAddress::read(reader, type_number)?;
        Ok(Self { timestamp, services, addr, port: reader.u16()? })
    }

    fn write(&self, writer: &mut Writer) -> Result<(), ErrorKind> {
        check_timestamp(self.timestamp)?;
        writer.bytes(&self.timestamp.to_le_bytes());
        writer.bytes(&self.services.bits().to_le_bytes());
        writer.bytes(&[self.addr.type_number()]);
        self.addr.put(|octets| writer.bytes(octets));
        // Little-endian, unlike the port in `addr` (`docs/protocol.md`, 3.4).
        writer.bytes(&self.port.to_le_bytes());
        Ok(())
    }
}

fn check_timestamp(timestamp: u64) -> Result<(), ErrorKind> {
    at_most(timestamp, MAX_TIMESTAMP, ErrorKind::InvalidTimestamp)
}

fn check_some(count: usize) -> Result<(), ErrorKind> {
    if count == 0 { Err(ErrorKind::TooFewAddrs) } else { Ok(()) }
}

/// The addresses in an `addrv2`.
impl Payload for Vec<NetAddressV2> {
    fn decode(reader: &mut Reader<'_>, _: Protocol) -> Result<Self, ErrorKind> {
        let count = reader.count(MAX_ADDRS, ErrorKind::TooManyAddrs)?;
        // `addrv2`, unlike `addr`, must not be empty: `MsgAddrV2.BtcDecode` of dcrd returns
        // `ErrTooFewAddrs`.
        check_some(count)?;
        let mut addresses = Self::with_capacity(count.min(reader.remaining() / MIN_LEN));
        for _ in 0..count {
            addresses.push(NetAddressV2::read(reader)?);
        }
        Ok(addresses)
    }

    fn encode(&self, writer: &mut Writer, _: Protocol) -> Result<(), ErrorKind> {
        check_some(self.len())?;
        writer.count(self.len(), MAX_ADDRS, ErrorKind::TooManyAddrs)?;
        self.iter().try_for_each(|address| address.write(writer))
    }
}

#[cfg(test)]
mod tests {
    extern crate std;
    use alloc::vec;
    use std::string::ToString;

    use bytes::Bytes;

    use super::*;
    use crate::network::Chain;
    use crate::wire::command::Command;
    use crate::wire::error::Excess;
    use crate::wire::message::Message;
    use crate::wire::testing;

    const SEEN: NetAddressV2 = NetAddressV2 {
        timestamp: MAX_TIMESTAMP,
        services: Services::NODE_NETWORK,
        addr: HostAddress::Ipv4(Ipv4Addr::new(203, 0, 113, 7)),
        port: 0x1234,
    };

    fn encoded(addresses: Vec<NetAddressV2>) -> Result<Bytes, ErrorKind> {
        testing::encoded(Message::AddrV2(addresses))
    }

    fn decoded(payload: &[u8]) -> Result<Message, ErrorKind> {
        testing::decoded(Command::AddrV2, payload)
    }

    #[test]
    fn the_encoded_length_depends_on_the_type() {
        for (addr, len) in [
            (SEEN.addr, MIN_LEN),
            (HostAddress::Ipv6(Ipv6Addr::LOCALHOST), 35),
            (HostAddress::TorV3([7; 32]), 51),
        ] {
            let addresses = vec![NetAddressV2 { addr, ..SEEN }; 2];
            let payload = encoded(addresses.clone()).unwrap();
            assert_eq!(payload.len(), 1 + 2 * len);
            assert_eq!(decoded(&payload), Ok(Message::AddrV2(addresses)));
        }
    }

    #[test]
    fn ports_are_little_endian() {
        assert!(encoded(vec![SEEN]).unwrap().ends_with(&[203, 0, 113, 7, 0x34, 0x12]));
    }

    #[test]
    fn a_message_has_1_to_1000_addresses() {
        assert_eq!(encoded(vec![]), Err(ErrorKind::TooFewAddrs));
        let tor = NetAddressV2 { addr: HostAddress::TorV3([7; 32]), ..SEEN };
        let max = encoded(vec![tor; MAX_ADDRS]).unwrap();
        assert_eq!(max.len(), Command::AddrV2.max_payload(Protocol::new(Chain::Decred, 12)));
        assert_eq!(decoded(&max), Ok(Message::AddrV2(vec![tor; MAX_ADDRS])));
        let excess = Excess { seen: 1_001, allowed: 1_000 };
        assert_eq!(encoded(vec![SEEN; 1_001]), Err(ErrorKind::TooManyAddrs(excess)));
    }

    #[test]
    fn timestamps_beyond_the_maximum_are_not_encoded() {
        let beyond = NetAddressV2 { timestamp: MAX_TIMESTAMP + 1, ..SEEN };
        let excess = Excess { seen: MAX_TIMESTAMP + 1, allowed: MAX_TIMESTAMP };
        assert_eq!(encoded(vec![SEEN, beyond]), Err(ErrorKind::InvalidTimestamp(excess)));
    }

    #[test]
    fn ip_addresses_have_their_own_types() {
        let new = |addr: &str| NetAddressV2::new(1, Services::empty(), addr.parse().unwrap());
        assert_eq!(new("[::ffff:203.0.113.7]:9108"), new("203.0.113.7:9108"));
        for addr in ["203.0.113.7:9108", "[2001:db8::7]:1"] {
            assert_eq!(new(addr).socket_addr(), Some(addr.parse().unwrap()));
        }
        let tor = NetAddressV2 { addr: HostAddress::TorV3([7; 32]), ..SEEN };
        assert_eq!(tor.socket_addr(), None);
        assert_eq!(tor.addr.to_canonical(), tor.addr);
        assert_eq!(tor.addr.to_string(), "07".repeat(32));
        assert_eq!(SEEN.addr.to_string(), "203.0.113.7");
    }

    #[test]
    fn ipv4_mapped_addresses_are_returned_as_ipv4() {
        let IpAddr::V4(ip) = SEEN.addr.ip().unwrap() else { panic!("not IPv4") };
        let mapped = HostAddress::Ipv6(ip.to_ipv6_mapped());
        assert_eq!(mapped.to_canonical(), SEEN.addr);
        assert_eq!(HostAddress::from(IpAddr::V6(ip.to_ipv6_mapped())), SEEN.addr);
        let received = NetAddressV2 { addr: mapped, ..SEEN };
        assert_eq!(received.addr.ip(), Some(IpAddr::V4(ip)));
        assert_eq!(received.socket_addr(), SEEN.socket_addr());
        // A received message is encoded as it was received.
        let payload = encoded(vec![received]).unwrap();
        assert_eq!(payload.len(), 1 + 35);
        assert_eq!(decoded(&payload), Ok(Message::AddrV2(vec![received])));
    }
}
