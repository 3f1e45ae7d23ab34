//! Tests of the adapters. Tests of both drivers have the names `::std` and `::tokio`.
#![cfg(feature = "std")]

/// Makes tests of functions that take a [`Driver`](harness::Driver): one for each driver.
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

#[allow(dead_code, reason = "shared with other tests, which use other parts of it")]
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
