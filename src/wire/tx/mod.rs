//! Transactions: `tx`.

mod build;
mod encoded;
mod layout;
mod outpoint;
#[cfg(test)]
mod tests;
mod view;

pub use build::{Transaction, TxIn, TxOut};
pub use encoded::Tx;
pub use layout::TxSerialization;
pub use outpoint::OutPoint;
pub use view::{Inputs, Outputs, TxInRef, TxOutRef, TxRef};
