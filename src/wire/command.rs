//! The commands: the names of all messages of both chains.

use core::fmt;

use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

macro_rules! commands {
    ($($(#[$doc:meta])* $name:ident = $command:literal;)*) => {
        /// The name of a message.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[non_exhaustive]
        pub enum Command {
            $($(#[$doc])* $name,)*
        }

        impl Command {
            /// All commands of both chains.
            pub const ALL: &'static [Self] = &[$(Self::$name,)*];

            /// Returns the command as text, without padding.
            pub const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$name => $command,)*
                }
            }

            /// Returns the command whose padded form has this [key](CommandField::key).
            const fn from_key(key: u128) -> Option<Self> {
                #[allow(non_upper_case_globals, reason = "named as the commands are")]
                mod keys {
                    $(pub(super) const $name: u128 =
                        super::CommandField::of(super::Command::$name).key();)*
                }
                match key {
                    $(keys::$name => Some(Self::$name),)*
                    _ => None,
                }
            }
        }
    };
}

commands! {
    /// Opens the handshake.
    Version = "version";
    /// Acknowledges a `version`.
    VerAck = "verack";
    /// Requests addresses of nodes.
    GetAddr = "getaddr";
    /// Addresses of nodes.
    Addr = "addr";
    /// Requests the hashes of the blocks after a block locator.
    GetBlocks = "getblocks";
    /// Requests the headers of the blocks after a block locator.
    GetHeaders = "getheaders";
    /// Headers of blocks.
    Headers = "headers";
    /// Announces transactions, blocks and mixing messages.
    Inv = "inv";
    /// Requests transactions, blocks and mixing messages.
    GetData = "getdata";
    /// Vectors of a `getdata` that the sender does not have.
    NotFound = "notfound";
    /// A block.
    Block = "block";
    /// A transaction.
    Tx = "tx";
    /// Requests a `pong`.
    Ping = "ping";
    /// Answers a `ping`.
    Pong = "pong";
    /// Requests the transactions in the memory pool.
    MemPool = "mempool";
    /// Requests that new blocks are announced by `headers`.
    SendHeaders = "sendheaders";
    /// Sets the minimum fee rate of transactions to be announced to the sender.
    FeeFilter = "feefilter";
    /// Reports a rejected message.
    Reject = "reject";
    /// Requests the blocks and votes to mine on.
    GetMinings = "getminings";
    /// The blocks and votes to mine on.
    MiningState = "miningstate";
    /// Requests the initial state: blocks and votes to mine on, and treasury spends.
    GetInitState = "getinitstate";
    /// The initial state.
    InitState = "initstate";
    /// Requests a committed filter of version 1.
    GetCFilter = "getcfilter";
    /// Requests headers of committed filters of version 1.
    GetCFHeaders = "getcfheaders";
    /// Requests the supported types of committed filters of version 1.
    GetCFTypes = "getcftypes";
    /// A committed filter of version 1.
    CFilter = "cfilter";
    /// Headers of committed filters of version 1.
    CFHeaders = "cfheaders";
    /// The supported types of committed filters of version 1.
    CFTypes = "cftypes";
    /// Requests a committed filter of version 2.
    GetCFilterV2 = "getcfilterv2";
    /// A committed filter of version 2.
    CFilterV2 = "cfilterv2";
    /// Requests the committed filters of version 2 of a range of blocks.
    GetCFsV2 = "getcfsv2";
    /// The committed filters of version 2 of a range of blocks.
    CFiltersV2 = "cfiltersv2";
    /// Addresses of nodes, including Tor addresses.
    AddrV2 = "addrv2";
    /// Offers to mix.
    MixPairReq = "mixpairreq";
    /// Public keys for a mix.
    MixKeyXchg = "mixkeyxchg";
    /// Ciphertexts of the shared secrets of a mix.
    MixCphrTxt = "mixcphrtxt";
    /// The slot reservation of a mix.
    MixSlotRes = "mixslotres";
    /// The solution of the slot reservation of a mix.
    MixFactPoly = "mixfactpoly";
    /// The DC-net of a mix.
    MixDCNet = "mixdcnet";
    /// The signed transaction of a mix.
    MixConfirm = "mixconfirm";
    /// The secrets of a failed mix.
    MixSecrets = "mixsecrets";
}

impl fmt::Display for Command {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// The command in a frame header: 12 bytes, padded with zeros.
///
/// `Display` escapes bytes that are not printable ASCII.
#[derive(
    Clone, Copy, PartialEq, Eq, Hash, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned,
)]
#[repr(transparent)]
pub struct CommandField([u8; 12]);

impl CommandField {
    /// Returns the 12 bytes, including the padding.
    pub const fn as_bytes(&self) -> &[u8; 12] {
        &self.0
    }

    /// Pads a command.
    const fn of(command: Command) -> Self {
        let name = command.as_str().as_bytes();
        let mut field = [0; 12];
        let mut at = 0;
        while at < name.len() {
            field[at] = name[at];
            at += 1;
        }
        Self(field)
    }

    /// Returns the bytes as a number, to find the command with one `match`.
    const fn key(&self) -> u128 {
        let [a, b, c, d, e, f, g, h, i, j, k, l] = self.0;
        u128::from_le_bytes([a, b, c, d, e, f, g, h, i, j, k, l, 0, 0, 0, 0])
    }

    /// Returns the command of either chain with exactly these bytes.
    pub(super) const fn command(&self) -> Option<Command> {
        Command::from_key(self.key())
    }

    /// Returns the bytes without trailing zeros.
    ///
    /// Zeros in front of another byte stay: they make the command malformed
    /// (`docs/protocol.md`, 2.2).
    pub(super) fn trimmed(&self) -> &[u8] {
        let len = self.0.iter().rposition(|&byte| byte != 0).map_or(0, |last| last + 1);
        &self.0[..len]
    }
}

impl From<Command> for CommandField {
    fn from(command: Command) -> Self {
        Self::of(command)
    }
}

impl fmt::Display for CommandField {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "\"{}\"", self.trimmed().escape_ascii())
    }
}

impl fmt::Debug for CommandField {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_is_found_by_its_field() {
        for command in Command::ALL {
            assert_eq!(CommandField::from(*command).command(), Some(*command));
        }
        assert_eq!(CommandField([0; 12]).command(), None);
    }
}
