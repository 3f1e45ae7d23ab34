//! Network addresses: `addr`, and the addresses in `version`.

use core::fmt;
use core::net::{IpAddr, Ipv6Addr, SocketAddr};

use zerocopy::little_endian::{U32, U64};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned, big_endian};

use super::error::ErrorKind;
use super::limits::MAX_ADDRS;
use super::list::{List, Record, sealed::Sealed};
use super::payload::Payload;
use super::protocol::Protocol;
use super::reader::Reader;
use super::writer::Writer;

bitflags::bitflags! {
    /// Services of a node. Unknown bits are preserved.
    ///
    /// `Display` joins the names by `|`, as the reference nodes do. Unknown bits are hexadecimal,
    /// and no bits are `0x0`.
    #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
    pub struct Services: u64 {
        /// A full node, which serves blocks.
        const NODE_NETWORK = 1;
        /// Bloom filters: obsolete.
        const NODE_BLOOM = 2;
        /// Committed filters of version 1: obsolete, no node serves them.
        const NODE_CF = 4;
        // Makes unknown bits valid.
        const _ = !0;
    }
}

impl fmt::Display for Services {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut separator = "";
        for (name, flag) in [
            ("SFNodeNetwork", Self::NODE_NETWORK),
            ("SFNodeBloom", Self::NODE_BLOOM),
            ("SFNodeCF", Self::NODE_CF),
        ] {
            if self.contains(flag) {
                write!(f, "{separator}{name}")?;
                separator = "|";
            }
        }
        let unknown = self.bits() & !(Self::NODE_NETWORK | Self::NODE_BLOOM | Self::NODE_CF).bits();
        if unknown != 0 || separator.is_empty() {
            write!(f, "{separator}{unknown:#x}")?;
        }
        Ok(())
    }
}

/// The address and services of a node, as in `version`: 26 bytes.
///
/// No field is validated on receipt.
#[derive(
    Clone, Copy, PartialEq, Eq, Hash, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned,
)]
#[repr(C)]
pub struct PeerAddress {
    services: U64,
    ip: [u8; 16],
    /// The only big-endian number of the protocol (`docs/protocol.md`, 3.4).
    port: big_endian::U16,
}

impl PeerAddress {
    /// No services, address `::`, port 0.
    pub const UNSPECIFIED: Self =
        Self { services: U64::ZERO, ip: [0; 16], port: big_endian::U16::ZERO };

    /// Creates the address of a node. An IPv4 address and its IPv4-mapped form are equal.
    pub const fn new(services: Services, addr: SocketAddr) -> Self {
        let ip = match addr.ip() {
            IpAddr::V4(ip) => ip.to_ipv6_mapped(),
            IpAddr::V6(ip) => ip,
        };
        Self::from_parts(services, ip, addr.port())
    }

    /// Creates an address from the encoded fields.
    pub const fn from_parts(services: Services, ip: Ipv6Addr, port: u16) -> Self {
        Self {
            services: U64::new(services.bits()),
            ip: ip.octets(),
            port: big_endian::U16::new(port),
        }
    }

    /// Returns the services.
    pub const fn services(&self) -> Services {
        Services::from_bits_retain(self.services.get())
    }

    /// Returns the IP address. An IPv4-mapped address is returned as IPv4.
    pub fn ip(&self) -> IpAddr {
        self.wire_ip().to_canonical()
    }

    /// Returns the encoded IP address, in which IPv4 is IPv4-mapped.
    pub fn wire_ip(&self) -> Ipv6Addr {
        Ipv6Addr::from(self.ip)
    }

    /// Returns the TCP port.
    pub const fn port(&self) -> u16 {
        self.port.get()
    }

    /// Returns the IP address and port. An IPv4-mapped address is returned as IPv4.
    pub fn socket_addr(&self) -> SocketAddr {
        SocketAddr::new(self.ip(), self.port())
    }
}

impl fmt::Debug for PeerAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.socket_addr(), self.services())
    }
}

/// An address in `addr`, with the time of its last contact: 30 bytes.
#[derive(
    Clone, Copy, PartialEq, Eq, Hash, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned,
)]
#[repr(C)]
pub struct NetAddress {
    timestamp: U32,
    address: PeerAddress,
}

impl NetAddress {
    /// Creates an address with its last contact at `timestamp`, in Unix seconds.
    pub const fn new(timestamp: u32, address: PeerAddress) -> Self {
        Self { timestamp: U32::new(timestamp), address }
    }

    /// Returns the time of the last contact with the node, in Unix seconds.
    pub const fn timestamp(&self) -> u32 {
        self.timestamp.get()
    }

    /// Returns the address and services of the node.
    pub const fn address(&self) -> &PeerAddress {
        &self.address
    }
}

impl fmt::Debug for NetAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} seen {}", self.address, self.timestamp)
    }
}

impl Sealed for NetAddress {}
impl Record for NetAddress {}

/// The addresses in an `addr`.
impl Payload for List<NetAddress> {
    fn decode(reader: &mut Reader<'_>, _: Protocol) -> Result<Self, ErrorKind> {
        // An empty list is valid here. The nodes ban a peer that sends one (`docs/protocol.md`,
        // 4.3).
        Self::read(reader, MAX_ADDRS, ErrorKind::TooManyAddrs)
    }

    fn encode(&self, writer: &mut Writer, _: Protocol) -> Result<(), ErrorKind> {
        self.write(writer, MAX_ADDRS, ErrorKind::TooManyAddrs)
    }
}

#[cfg(test)]
mod tests {
    extern crate std;
    use std::string::ToString;

    use super::*;

    #[test]
    fn services_have_the_text_form_of_the_reference_nodes() {
        for (bits, text) in [
            (0, "0x0"),
            (1, "SFNodeNetwork"),
            (5, "SFNodeNetwork|SFNodeCF"),
            (0x8000_0000_0000_0002, "SFNodeBloom|0x8000000000000000"),
            (0xf8, "0xf8"),
        ] {
            assert_eq!(Services::from_bits_retain(bits).to_string(), text);
        }
    }

    #[test]
    fn ipv4_is_mapped_into_ipv6_and_back() {
        let addr: SocketAddr = "203.0.113.7:9666".parse().unwrap();
        let peer = PeerAddress::new(Services::NODE_NETWORK, addr);
        assert_eq!(peer.as_bytes()[18..24], [0xff, 0xff, 203, 0, 113, 7]);
        assert_eq!(peer.as_bytes()[24..], 9666_u16.to_be_bytes());
        assert_eq!(peer.socket_addr(), addr);

        let mapped = "[::ffff:203.0.113.7]:9666".parse().unwrap();
        assert_eq!(PeerAddress::new(Services::NODE_NETWORK, mapped), peer);
        let entry = NetAddress::new(1, peer);
        assert_eq!(entry.address().ip(), addr.ip());
    }

    #[test]
    fn an_ipv6_address_is_unchanged() {
        let addr: SocketAddr = "[2001:db8::7]:1".parse().unwrap();
        assert_eq!(PeerAddress::new(Services::empty(), addr).socket_addr(), addr);
        assert_eq!(PeerAddress::UNSPECIFIED.wire_ip(), Ipv6Addr::UNSPECIFIED);
    }
}
