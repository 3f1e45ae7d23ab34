//! Bounds on the live heap of a connection over each adapter.

#[allow(dead_code, reason = "shared with a benchmark that uses other parts")]
#[path = "../connections/mod.rs"]
mod connections;

use connections::{Driver, measure};
use excc_peer::Network;

const KIB: i64 = 1024;

/// A single test, because the allocator counts for the whole process.
#[test]
fn connections_release_memory() {
    for (driver, bound) in [(Driver::Tokio, 12 * KIB), (Driver::Std, 24 * KIB)] {
        for (network, connections) in [(Network::EXCC_REGNET, 50), (Network::DCR_SIMNET, 3)] {
            let figures = measure(network, driver, connections, 300);
            println!("{driver:?}, {}: {figures:?}", network.chain());
            assert!(figures.idle <= bound, "{figures:?}");
            assert!(figures.after_largest <= bound, "{figures:?}");
            assert!(figures.kept <= 4 * figures.kept_payload, "{figures:?}");
        }
    }
}
