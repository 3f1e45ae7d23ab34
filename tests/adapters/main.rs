//! Tests of the adapters. A test for both drivers has the variants `::std` and `::tokio`.
#![cfg(feature = "std")]

/// Turns functions that take a [`Driver`](harness::Driver) into tests, one for each driver.
macro_rules! over_both {
    ($($name:ident),* $(,)?) => {$(
        mod $name {
            use crate::harness::Driver;

            #[test]
            fn std() {
                super::$name(Driver::Std);
            }

            #[cfg(feature = "tokio")]
            #[test]
            fn tokio() {
                super::$name(Driver::Tokio);
            }
        }
    )*};
}

#[allow(dead_code, reason = "shared with tests that use other parts")]
#[path = "../common/mod.rs"]
mod common;

mod agreement;
mod child;
mod connecting;
mod endings;
mod endless;
mod faults;
mod harness;
mod link;
mod streams;
#[cfg(feature = "tokio")]
mod tasks;
mod timing;
#[cfg(feature = "tracing")]
mod tracing;
mod traffic;
mod waiting;
