//! What a peer does, for whoever watches: events of `tracing`, and nothing at all without
//! that feature.

/// An event about a peer, at a level: `trace!(DEBUG, peer, field = value, "message")`.
#[cfg(feature = "tracing")]
macro_rules! trace {
    ($level:ident, $peer:expr, $($fields:tt)+) => {
        tracing::event!(
            target: "excc_peer",
            tracing::Level::$level,
            peer = %$peer,
            $($fields)+
        )
    };
}

#[cfg(not(feature = "tracing"))]
macro_rules! trace {
    ($($event:tt)+) => {};
}
