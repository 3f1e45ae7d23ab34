//! Visits everything that a message lends, and checks that it fits together: shared by
//! the targets that decode messages.

use std::fmt::{self, Write};

use excc_peer::Chain;
use excc_peer::wire::{
    Block, BlockHeaderRef, BlockParts, DcNetMatrix, Headers, List, Message, Protocol, Record,
    SlotMatrix, Transaction, Transactions, Tx, TxRef, TxSerialization, VarItem, VarList,
};

/// Transactions of a block's tree that are taken apart. A small block has room for
/// thousands, each of which is hashed several times.
const TAKEN_APART: usize = 16;

/// Visits a message that was decoded as one of `protocol`.
pub(crate) fn walk(message: &Message, protocol: Protocol) {
    assert!(show_debug(message) < 4 * 1024, "a long text for a {}", message.command());
    match message {
        Message::Addr(addresses) => {
            list(addresses);
            addresses.iter().for_each(|entry| show(&entry.address().socket_addr()));
        }
        Message::Inv(vectors) | Message::GetData(vectors) | Message::NotFound(vectors) => {
            list(vectors);
            vectors.iter().for_each(show);
        }
        Message::GetBlocks(request) | Message::GetHeaders(request) => list(&request.locator),
        Message::Headers(it) => headers(it),
        Message::Block(it) => block(it, protocol),
        Message::Tx(it) => tx(it),
        Message::MiningState(state) => {
            list(&state.block_hashes);
            list(&state.vote_hashes);
        }
        Message::GetInitState(request) => var_list(&request.types),
        Message::InitState(state) => {
            list(&state.block_hashes);
            list(&state.vote_hashes);
            list(&state.tspend_hashes);
        }
        Message::GetCFHeaders(request) => list(&request.locator),
        Message::CFHeaders(filters) => list(&filters.header_hashes),
        Message::CFTypes(filters) => list(&filters.filter_types),
        Message::CFilterV2(filter) => list(&filter.proof_hashes),
        Message::CFiltersV2(run) => run.filters.iter().for_each(|it| list(&it.proof_hashes)),
        Message::AddrV2(addresses) => addresses.iter().for_each(|entry| {
            show(&entry.addr);
            assert_eq!(entry.socket_addr().map(|it| it.ip()), entry.addr.ip());
        }),
        Message::MixKeyXchg(mix) => list(&mix.seen_pair_requests),
        Message::MixCphrTxt(mix) => {
            list(&mix.ciphertexts);
            list(&mix.seen_key_exchanges);
        }
        Message::MixSlotRes(mix) => {
            slot_matrix(&mix.dc_mix);
            list(&mix.seen_ciphertexts);
        }
        Message::MixFactPoly(mix) => {
            var_list(&mix.roots);
            list(&mix.seen_slot_reserves);
        }
        Message::MixDCNet(mix) => {
            dc_net_matrix(&mix.dc_net);
            list(&mix.seen_slot_reserves);
        }
        Message::MixConfirm(mix) => {
            tx(&mix.mix);
            list(&mix.seen_dc_nets);
        }
        Message::MixSecrets(mix) => {
            var_list(&mix.slot_reserve_msgs);
            list(&mix.dc_net_msgs);
            list(&mix.seen_secrets);
        }
        _ => {}
    }
}

fn list<T: Record + Copy + fmt::Debug>(list: &List<T>) {
    assert_eq!(list.as_bytes().len(), list.len() * size_of::<T>());
    assert_eq!(&list.iter().copied().collect::<List<T>>(), list);
    assert_eq!(&List::from(list.to_vec()), list);
}

fn var_list<T: VarItem + AsRef<T> + fmt::Debug + ?Sized>(list: &VarList<T>) {
    assert_eq!(list.iter().len(), list.len());
    assert_eq!(list.iter().count(), list.len());
    assert_eq!(list.is_empty(), list.iter().next().is_none());
    assert_eq!(&list.iter().collect::<VarList<T>>(), list);
}

fn headers(headers: &Headers) {
    assert_eq!(headers.iter().len(), headers.len());
    assert_eq!(headers.iter().count(), headers.len());
    assert_eq!(headers.is_empty(), headers.iter().next().is_none());
    assert!(headers.get(headers.len()).is_none());
    for (index, header) in headers.iter().enumerate() {
        assert_eq!(headers.get(index).expect("within").raw(), header.raw());
    }
    let owned: Vec<_> = headers.iter().map(|header| header.to_header()).collect();
    assert_eq!(Headers::new(headers.chain(), &owned).as_ref(), Ok(headers));
    if let Some(last) = headers.iter().next_back() {
        header(last, headers.chain());
    }
}

fn header(header: BlockHeaderRef<'_>, chain: Chain) {
    assert_eq!(header.raw().len(), chain.header_len());
    let has_solution = chain == Chain::Exchangecoin;
    assert_eq!(header.equihash_solution().is_some(), has_solution);
    let owned = header.to_header();
    assert_eq!(owned.chain(), chain);
    assert_eq!(owned.block_hash(), header.block_hash());
    assert_eq!(header.block_hash(), chain.hash_function().digest(&[header.raw()]));
}

fn tx(tx: &Tx) {
    tx_ref(tx.view(), tx);
    assert_eq!(Tx::from_bytes(tx.chain(), tx.raw()).as_ref(), Ok(tx));
}

/// A transaction as a view and as a value.
fn tx_ref(view: TxRef<'_>, tx: &Tx) {
    assert_eq!(view.raw(), tx.raw());
    show_debug(&view.inputs().map(|input| (input, input.value_in())).collect::<Vec<_>>());
    show_debug(&view.outputs().collect::<Vec<_>>());

    let parts = view.to_transaction();
    assert_eq!(parts, tx.to_transaction());
    for inputs in [view.inputs().len(), view.inputs().count()] {
        assert_eq!(inputs, parts.inputs.len());
    }
    for outputs in [view.outputs().len(), view.outputs().count()] {
        assert_eq!(outputs, parts.outputs.len());
    }
    assert_eq!(parts.encoded_len(), view.raw().len());
    assert_eq!(parts.encode(tx.chain()).as_ref(), Ok(tx));

    // Each hash is that of what is left when the other half is left out.
    let function = tx.chain().hash_function();
    let half = |serialization| {
        let half = Transaction { serialization, ..parts.clone() };
        let half = half.encode(tx.chain()).expect("half of what was read can be built");
        function.digest(&[half.raw()])
    };
    let (prefix, witness) = (view.tx_hash(), view.witness_hash());
    assert_eq!(prefix, half(TxSerialization::NoWitness));
    assert_eq!(witness, half(TxSerialization::OnlyWitness));
    assert_eq!(view.full_hash(), function.digest(&[prefix.as_ref(), witness.as_ref()]));
    let hashes = (tx.tx_hash(), tx.witness_hash(), tx.full_hash());
    assert_eq!(hashes, (prefix, witness, view.full_hash()));
}

fn block(block: &Block, protocol: Protocol) {
    header(block.header(), block.chain());
    assert_eq!(block.block_hash(), block.header().block_hash());

    let parts = block.to_parts();
    tree(block.transactions(), &parts.transactions);
    tree(block.stake_transactions(), &parts.stake_transactions);
    assert_eq!(parts.encoded_len(), block.raw().len());
    // A payload that never was in a frame may be larger than a block may be.
    if let Ok(built) = parts.encode(protocol) {
        assert_eq!(&built, block);
        assert_eq!(Block::from_bytes(protocol, block.raw()).as_ref(), Ok(block));
    }
    let BlockParts { header, .. } = parts;
    assert_eq!(header, block.header().to_header());
}

fn tree(views: Transactions<'_>, transactions: &[Tx]) {
    assert_eq!(views.len(), transactions.len());
    assert!(views.clone().map(|view| view.raw()).eq(transactions.iter().map(Tx::raw)));
    for (view, tx) in views.zip(transactions).take(TAKEN_APART) {
        tx_ref(view, tx);
    }
}

fn slot_matrix(matrix: &SlotMatrix) {
    let (values, rows) = (matrix.values(), matrix.rows().len());
    var_list(values);
    assert_eq!(matrix.rows().count(), rows);
    assert!(matrix.rows().all(|row| row.len() == matrix.columns()));
    assert!(matrix.rows().flatten().eq(values));
    let rebuilt = SlotMatrix::new(rows, matrix.columns(), values.clone());
    assert_eq!(rebuilt.as_ref(), Ok(matrix));
}

fn dc_net_matrix(matrix: &DcNetMatrix) {
    let (messages, rows) = (matrix.messages(), matrix.rows().len());
    list(messages);
    assert_eq!(matrix.rows().count(), rows);
    assert!(matrix.rows().all(|row| row.len() == matrix.columns()));
    assert!(matrix.rows().flatten().eq(messages));
    let rebuilt = DcNetMatrix::new(rows, matrix.columns(), messages.clone());
    assert_eq!(rebuilt.as_ref(), Ok(matrix));
}

/// Formatting must not panic; nobody reads the text.
pub(crate) fn show(value: &impl fmt::Display) {
    write!(Count(0), "{value}").expect("there is always room");
}

/// Returns the length of the text.
fn show_debug(value: &impl fmt::Debug) -> usize {
    let mut count = Count(0);
    write!(count, "{value:?}").expect("there is always room");
    count.0
}

/// Bytes written.
struct Count(usize);

impl Write for Count {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.0 += text.len();
        Ok(())
    }
}
