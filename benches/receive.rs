//! The cost of receiving, beside the checksum over every byte, which is the minimum, and beside the
//! `bitcoin` crate. Compare one message across the groups.

mod shapes;

use divan::{AllocProfiler, Bencher};

use shapes::{Case, SHAPES, Shape, bitcoin_crate as theirs, cases, work};

/// Counts allocations, which makes them slower. The benchmark `ratios` goes without, for a fair
/// comparison.
#[global_allocator]
static ALLOCATOR: AllocProfiler = AllocProfiler::system();

fn main() {
    divan::main();
}

#[divan::bench(args = cases())]
fn checksum_only(bencher: Bencher<'_, '_>, case: &Case) {
    bencher
        .counter(case.bytes_count())
        .counter(case.shape.items_count())
        .with_inputs(case.frames())
        .bench_local_refs(work::checksum(*case));
}

#[divan::bench(args = cases())]
fn decoder(bencher: Bencher<'_, '_>, case: &Case) {
    bencher
        .counter(case.bytes_count())
        .counter(case.shape.items_count())
        .with_inputs(case.received())
        .bench_local_refs(work::decode(*case));
}

#[divan::bench(args = cases())]
fn peer(bencher: Bencher<'_, '_>, case: &Case) {
    bencher
        .counter(case.bytes_count())
        .counter(case.shape.items_count())
        .with_inputs(case.received())
        .bench_local_refs(work::receive(*case));
}

/// The decoder's work without header and checksum.
#[divan::bench(args = cases())]
fn payload_only(bencher: Bencher<'_, '_>, case: &Case) {
    bencher
        .counter(case.bytes_count())
        .counter(case.shape.items_count())
        .with_inputs(case.received_payload())
        .bench_local_refs(work::parse(*case));
}

#[divan::bench(args = SHAPES)]
fn bitcoin_crate(bencher: Bencher<'_, '_>, shape: Shape) {
    bencher
        .counter(theirs::bytes_count(shape))
        .counter(shape.items_count())
        .with_inputs(theirs::received(shape))
        .bench_local_refs(theirs::decode);
}

#[divan::bench(args = SHAPES)]
fn bitcoin_crate_checksum_only(bencher: Bencher<'_, '_>, shape: Shape) {
    bencher
        .counter(theirs::bytes_count(shape))
        .counter(shape.items_count())
        .with_inputs(theirs::received(shape))
        .bench_local_refs(theirs::checksum);
}

#[divan::bench(args = SHAPES)]
fn bitcoin_crate_payload_only(bencher: Bencher<'_, '_>, shape: Shape) {
    bencher
        .counter(theirs::bytes_count(shape))
        .counter(shape.items_count())
        .with_inputs(theirs::received(shape))
        .bench_local_refs(theirs::parse(shape));
}
