//! Chains and networks, and their constants.

use core::fmt;
use core::str::FromStr;

use crate::hash::{Hash, HashFunction};

/// A chain: the networks that share one variant of the protocol.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Chain {
    /// Exchangecoin: SHA-256, and headers of 280 bytes with an Equihash solution.
    Exchangecoin,
    /// Decred: BLAKE-256, and headers of 180 bytes.
    Decred,
}

impl Chain {
    /// Returns the hash function for frame checksums, blocks and transactions.
    pub const fn hash_function(self) -> HashFunction {
        match self {
            Self::Exchangecoin => HashFunction::Sha256,
            Self::Decred => HashFunction::Blake256,
        }
    }

    /// Returns the length of a block header in bytes: 280 on Exchangecoin, 180 on Decred.
    /// Exchangecoin's Equihash solution is the last 100 bytes.
    pub const fn header_len(self) -> usize {
        match self {
            Self::Exchangecoin => 280,
            Self::Decred => 180,
        }
    }

    /// Returns the latest protocol version of the chain's messages: 9 on Exchangecoin, 12 on
    /// Decred.
    pub const fn newest_version(self) -> u32 {
        // `ProtocolVersion` of the reference wire packages (`docs/protocol.md`, 1.4).
        match self {
            Self::Exchangecoin => 9,
            Self::Decred => 12,
        }
    }

    /// Returns the protocol version that the chain's nodes advertise: 8 on Exchangecoin, 12 on
    /// Decred.
    pub const fn advertised_version(self) -> u32 {
        // `MaxProtocolVersion` of the reference peer packages. exccd's is lower than the version
        // of its wire package (`docs/protocol.md`, 1.1).
        match self {
            Self::Exchangecoin => 8,
            Self::Decred => 12,
        }
    }

    /// Returns the minimum protocol version that the chain's nodes accept from a remote: 3 on
    /// Exchangecoin, 9 on Decred.
    pub const fn min_remote_version(self) -> u32 {
        // `SendHeadersVersion` and `RemoveRejectVersion`, which the servers of exccd and dcrd
        // require (`docs/protocol.md`, 5.2). exccd's peer package alone accepts version 1.
        match self {
            Self::Exchangecoin => 3,
            Self::Decred => 9,
        }
    }

    /// Returns the prefix of all user agents of the chain.
    pub const fn user_agent_prefix(self) -> &'static str {
        match self {
            Self::Exchangecoin => "/exccwire:1.0.0/",
            Self::Decred => "/dcrwire:1.0.0/",
        }
    }
}

impl fmt::Display for Chain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Exchangecoin => "Exchangecoin",
            Self::Decred => "Decred",
        })
    }
}

/// A network: a chain, and the constants that distinguish it from the chain's other networks.
///
/// The eight public networks are constants. [`Network::new`] creates a private one.
///
/// ```
/// use excc_peer::{Chain, Network};
///
/// let network: Network = "excc-mainnet".parse()?;
/// assert_eq!(network, Network::EXCC_MAINNET);
/// assert_eq!(network.chain(), Chain::Exchangecoin);
/// assert_eq!(network.default_port(), 9666);
/// # Ok::<(), excc_peer::UnknownNetwork>(())
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Network {
    name: &'static str,
    chain: Chain,
    magic: u32,
    default_port: u16,
    genesis: Hash,
}

impl Network {
    /// Exchangecoin's main network.
    pub const EXCC_MAINNET: Self = Self::new(
        "excc-mainnet",
        Chain::Exchangecoin,
        0x9917_d7e1,
        9666,
        Hash::from_display("5f91ddfa5e9ffc4b837b81035dd0b0ddf1a1c59116aa5f5ef5f4121a64a69478"),
    );
    /// Exchangecoin's public test network.
    pub const EXCC_TESTNET: Self = Self::new(
        "excc-testnet",
        Chain::Exchangecoin,
        0x5aa4_752a,
        11999,
        Hash::from_display("38f3ab514a59d5a682a780b89a204154513c008f7590d023842bf58a5fc549c0"),
    );
    /// Exchangecoin's simulation network.
    pub const EXCC_SIMNET: Self = Self::new(
        "excc-simnet",
        Chain::Exchangecoin,
        0xbc87_76ff,
        11998,
        Hash::from_display("9e57347692a4a6cd8a1e56076cc753c0827da88fff810c8e8a5567b356e802fd"),
    );
    /// Exchangecoin's regression test network.
    pub const EXCC_REGNET: Self = Self::new(
        "excc-regnet",
        Chain::Exchangecoin,
        0xeceb_6037,
        11997,
        Hash::from_display("97073ced6852d5cf90a2572866a0bb18e0c7543c57e5db01019e43ea01b9a6c4"),
    );
    /// Decred's main network.
    pub const DCR_MAINNET: Self = Self::new(
        "dcr-mainnet",
        Chain::Decred,
        0xd9b4_00f9,
        9108,
        Hash::from_display("298e5cc3d985bfe7f81dc135f360abe089edd4396b86d2de66b0cef42b21d980"),
    );
    /// Decred's public test network, version 3.
    pub const DCR_TESTNET: Self = Self::new(
        "dcr-testnet",
        Chain::Decred,
        0xb194_aa75,
        19108,
        Hash::from_display("a649dce53918caf422e9c711c858837e08d626ecfcd198969b24f7b634a49bac"),
    );
    /// Decred's simulation network.
    pub const DCR_SIMNET: Self = Self::new(
        "dcr-simnet",
        Chain::Decred,
        0x1214_1c16,
        18555,
        Hash::from_display("6bef82c645999585f7255cb02672921ac2f5492820090cd635fe3a59d16b4f87"),
    );
    /// Decred's regression test network.
    pub const DCR_REGNET: Self = Self::new(
        "dcr-regnet",
        Chain::Decred,
        0xdab5_00fa,
        18655,
        Hash::from_display("2ced94b4ae95bba344cfa043268732d230649c640f92dce2d9518823d3057cb0"),
    );

    /// The eight public networks.
    pub const ALL: [Self; 8] = [
        Self::EXCC_MAINNET,
        Self::EXCC_TESTNET,
        Self::EXCC_SIMNET,
        Self::EXCC_REGNET,
        Self::DCR_MAINNET,
        Self::DCR_TESTNET,
        Self::DCR_SIMNET,
        Self::DCR_REGNET,
    ];

    /// Creates a private network. Frames begin with `magic` in little-endian byte order.
    pub const fn new(
        name: &'static str,
        chain: Chain,
        magic: u32,
        default_port: u16,
        genesis: Hash,
    ) -> Self {
        Self { name, chain, magic, default_port, genesis }
    }

    /// Returns the name, such as `excc-mainnet`. [`FromStr`] parses the names of public networks.
    pub const fn name(&self) -> &'static str {
        self.name
    }

    /// Returns the chain.
    pub const fn chain(&self) -> Chain {
        self.chain
    }

    /// Returns the number at the start of all frames, in little-endian byte order.
    pub const fn magic(&self) -> u32 {
        self.magic
    }

    /// Returns the default TCP port of nodes.
    pub const fn default_port(&self) -> u16 {
        self.default_port
    }

    /// Returns the hash of the genesis block.
    pub const fn genesis(&self) -> Hash {
        self.genesis
    }
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name)
    }
}

impl fmt::Debug for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Network({}, magic {:#010x})", self.name, self.magic)
    }
}

/// Parses the name of a public network.
impl FromStr for Network {
    type Err = UnknownNetwork;

    fn from_str(name: &str) -> Result<Self, UnknownNetwork> {
        Self::ALL.into_iter().find(|network| network.name == name).ok_or(UnknownNetwork)
    }
}

/// An error of parsing a [`Network`]: the text is not the name of a public network.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("unknown network, expected {{excc,dcr}}-{{mainnet,testnet,simnet,regnet}}")]
pub struct UnknownNetwork;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_network_is_found_by_its_name() {
        for network in Network::ALL {
            assert_eq!(network.name().parse(), Ok(network));
        }
        assert_eq!("mainnet".parse::<Network>(), Err(UnknownNetwork));
    }

    #[test]
    fn no_two_networks_share_a_magic_or_a_port() {
        for (i, a) in Network::ALL.iter().enumerate() {
            for b in &Network::ALL[..i] {
                assert_ne!(a.magic(), b.magic());
                assert_ne!(a.default_port(), b.default_port());
            }
        }
    }
}
