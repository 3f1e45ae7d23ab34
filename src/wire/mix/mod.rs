//! Mixing messages, by which peers construct a transaction together without revealing who pays
//! whom: Decred from protocol version 10.
//!
//! All are signed by their sender and identified by their hash: see [`MixMessage`]. Their content
//! is not interpreted, and signatures are not verified here (`docs/protocol.md`, 4.12).

mod ciphertexts;
mod confirm;
mod dc_net;
mod factored_poly;
mod fields;
mod key_exchange;
mod pair_request;
mod records;
mod secrets;
mod signed;
mod slot_reserve;
#[cfg(test)]
mod testing;

pub use ciphertexts::MixCphrTxt;
pub use confirm::MixConfirm;
pub use dc_net::{DcNetMatrix, MixDCNet};
pub use factored_poly::MixFactPoly;
pub use key_exchange::{MixKeyXchg, PQ_KEY_LEN};
pub use pair_request::{MixPairReq, MixUtxo};
pub use records::{CIPHERTEXT_LEN, Ciphertext, DcNetMessage, MIXED_MESSAGE_LEN};
pub use secrets::MixSecrets;
pub use signed::MixMessage;
pub use slot_reserve::{MixSlotRes, SlotMatrix};
