//! The user agent of our `version` (`docs/protocol.md`, 5.3).

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use super::super::error::ConfigError;
use crate::network::Chain;
use crate::wire::check_user_agent;

/// The parts of a user agent that follow the prefix of the chain.
#[derive(Debug, Clone)]
pub(super) struct UserAgent {
    pub(super) name: String,
    pub(super) version: String,
    pub(super) comments: Vec<String>,
}

impl Default for UserAgent {
    fn default() -> Self {
        Self {
            name: env!("CARGO_PKG_NAME").into(),
            version: env!("CARGO_PKG_VERSION").into(),
            comments: Vec::new(),
        }
    }
}

impl UserAgent {
    /// Joins the parts as the reference nodes do: `PREFIX NAME:VERSION(COMMENT; COMMENT)/`.
    ///
    /// Reference nodes ignore an error here and advertise the prefix only (`localVersionMsg`).
    /// This crate reports it when the configuration is built (`docs/protocol.md`, 14).
    pub(super) fn assemble(&self, chain: Chain) -> Result<String, ConfigError> {
        let Self { name, version, comments } = self;
        let prefix = chain.user_agent_prefix();
        let comments =
            if comments.is_empty() { String::new() } else { format!("({})", comments.join("; ")) };
        let agent = format!("{prefix}{name}:{version}{comments}/");
        match check_user_agent(agent.as_bytes()) {
            Ok(()) => Ok(agent),
            Err(kind) => Err(ConfigError::UserAgent { agent, kind }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Config, ConfigBuilder};
    use super::*;
    use crate::network::Network;
    use crate::wire::ErrorKind;

    fn agent(set: impl FnOnce(ConfigBuilder) -> ConfigBuilder) -> Result<String, ConfigError> {
        let config = set(Config::builder(Network::EXCC_MAINNET)).build()?;
        Ok(config.user_agent)
    }

    #[test]
    fn user_agents_are_assembled_from_their_parts() {
        let own = concat!("/exccwire:1.0.0/excc-peer:", env!("CARGO_PKG_VERSION"), "/");
        assert_eq!(agent(|builder| builder).as_deref(), Ok(own));
        let exccd = |builder: ConfigBuilder| builder.user_agent("exccd", "2.7.6");
        assert_eq!(agent(exccd).as_deref(), Ok("/exccwire:1.0.0/exccd:2.7.6/"));
        assert_eq!(
            agent(|builder| exccd(builder).user_agent_comment("pre")).as_deref(),
            Ok("/exccwire:1.0.0/exccd:2.7.6(pre)/")
        );
        assert_eq!(
            agent(|builder| exccd(builder).user_agent_comment("a").user_agent_comment("b"))
                .as_deref(),
            Ok("/exccwire:1.0.0/exccd:2.7.6(a; b)/")
        );
    }

    #[test]
    fn a_user_agent_that_cannot_be_sent_is_refused() {
        let rest = "/exccwire:1.0.0/".len() + ":1/".len();
        assert!(agent(|builder| builder.user_agent("x".repeat(256 - rest), "1")).is_ok());
        assert!(matches!(
            agent(|builder| builder.user_agent("x".repeat(257 - rest), "1")),
            Err(ConfigError::UserAgent { kind: ErrorKind::UserAgentTooLong(_), .. })
        ));
        assert!(matches!(
            agent(|builder| builder.user_agent("n\u{e4}me", "1")),
            Err(ConfigError::UserAgent { kind: ErrorKind::MalformedStrictString { .. }, .. })
        ));
    }
}
