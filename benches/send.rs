//! The cost of making frames, beside the checksum over every byte, which is the minimum, and beside
//! the `bitcoin` crate. Compare one message across the groups.

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

/// Existing messages: lists of a `Vec`, transactions and blocks as bytes.
#[divan::bench(args = cases())]
fn encode(bencher: Bencher<'_, '_>, case: &Case) {
    let message = case.message();
    bencher
        .counter(case.bytes_count())
        .counter(case.shape.items_count())
        .with_inputs(|| message.clone())
        .bench_local_refs(work::encode(*case));
}

/// Messages that are built from their parts first: headers, transactions and blocks become bytes,
/// lists are those of a `Vec` again.
#[divan::bench(args = cases())]
fn build_and_encode(bencher: Bencher<'_, '_>, case: &Case) {
    let parts = case.parts();
    bencher
        .counter(case.bytes_count())
        .counter(case.shape.items_count())
        .with_inputs(|| parts.clone())
        .bench_local_refs(work::build(*case));
}

/// Always builds and encodes, because its messages are values.
#[divan::bench(args = SHAPES)]
fn bitcoin_crate(bencher: Bencher<'_, '_>, shape: Shape) {
    let message = theirs::message(shape);
    bencher
        .counter(theirs::bytes_count(shape))
        .counter(shape.items_count())
        .with_inputs(|| message.clone())
        .bench_local_refs(theirs::encode);
}
