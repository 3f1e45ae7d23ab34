//! Random setups and scripts.

mod messages;
mod script;
mod setup;

pub(crate) use script::script;
pub(crate) use setup::setup;
