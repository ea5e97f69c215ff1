//! Fills from sockets and from REST, matched against each other.
//!
//! Knows: which source came first. Never: the network.

use contract::ids::ConditionId;
use contract::money::Price;
use proptest::prelude::*;

use super::*;

const SETTLEMENT: Duration = Duration::from_mins(1);

fn at(ms: i64) -> Timestamp {
    Timestamp::from_millis(1_790_000_000_000 + ms)
}

fn row(transaction: &str, price: &str, size: &str) -> RestTrade {
    RestTrade {
        condition_id: ConditionId::try_from("0xab").unwrap(),
        token_id: TokenId::try_from("71").unwrap(),
        side: Some(Side::Buy),
        price: Price::of_text(price).unwrap(),
        size: Size::of_text(size).unwrap(),
        executed_at: at(2_000),
        transaction_hash: (!transaction.is_empty()).then(|| TransactionHash::try_from(transaction).unwrap()),
    }
}

/// The same fill as its socket tells it: earlier, and with its own price.
fn socket_trade(transaction: &str, price: &str, size: &str) -> Trade {
    let row = RestTrade { executed_at: at(345), ..row(transaction, price, size) };
    let mut trade = Trade { origin: Origin::Socket, ..trade_of(&row, at(400)) };
    trade.id = trade.content_id();
    trade
}

fn fills() -> Fills {
    Fills::new(SETTLEMENT)
}

fn missing_fills(fills: &Fills, rows: &[RestTrade]) -> usize {
    fills.missing_fills(rows, at(9_000)).len()
}

#[test]
fn a_fill_that_a_socket_told_is_not_told_again() {
    let fills = fills();
    assert_eq!(fills.record_socket_trade(&socket_trade("0x1", "0.55", "3")), Seen::New);
    assert_eq!(missing_fills(&fills, &[row("0x1", "0.55", "3")]), 0);
    assert_eq!(missing_fills(&fills, &[row("0x1", "0.5499999956851844", "3")]), 0, "an average off the grid");
    assert_eq!(missing_fills(&fills, &[row("0x2", "0.55", "3")]), 1, "another transaction");
    assert_eq!(missing_fills(&fills, &[row("0x1", "0.55", "4")]), 1, "another size");
    assert_eq!(missing_fills(&fills, &[row("0x1", "0.5506", "3")]), 1, "another price");
    assert_eq!(missing_fills(&fills, &[row("0x1", "0.5505", "3")]), 0, "exactly half a step away");
}

#[test]
fn a_fill_of_the_future_is_remembered_until_its_time_has_come() {
    let fills = fills();
    let trade = Trade { executed_at: at(1_800_000), ..socket_trade("0x1", "0.55", "3") };
    fills.record_socket_trade(&trade);
    fills.record_socket_trade(&socket_trade("0x2", "0.55", "3"));
    assert_eq!(fills.received_since(at(1_000_000)), Some(trade.received_at), "the bus has it since then");
    assert_eq!(fills.received_since(at(1_800_001)), None);
    fills.forget(at(900_000));
    let row = |transaction| RestTrade { executed_at: at(1_800_000), ..row(transaction, "0.55", "3") };
    assert_eq!((missing_fills(&fills, &[row("0x1")]), missing_fills(&fills, &[row("0x3")])), (0, 1));
    fills.forget(at(1_900_000));
    assert_eq!(missing_fills(&fills, &[row("0x1")]), 1);
}

#[test]
fn a_fill_whose_side_the_socket_did_not_tell_is_the_row_of_either_side() {
    let fills = fills();
    let nameless = Trade { side: None, ..socket_trade("0x1", "0.55", "3") };
    fills.record_socket_trade(&nameless);
    let sell = RestTrade { side: Some(Side::Sell), ..row("0x1", "0.55", "3") };
    assert_eq!(missing_fills(&fills, std::slice::from_ref(&sell)), 0);
    assert_eq!(
        missing_fills(&fills, &[sell.clone(), row("0x1", "0.55", "3")]),
        1,
        "one of them is another fill"
    );
    fills.record_socket_trade(&socket_trade("0x2", "0.55", "3"));
    let other = RestTrade { side: Some(Side::Sell), ..row("0x2", "0.55", "3") };
    assert_eq!(missing_fills(&fills, &[other]), 1, "a sale is no purchase");
}

#[test]
fn on_a_fine_grid_two_fills_within_the_tolerance_are_two() {
    let fills = fills();
    fills.record_socket_trade(&socket_trade("0x1", "0.5001", "3"));
    let rows = [row("0x1", "0.5003", "3"), row("0x1", "0.5001", "3")];
    let missing = fills.missing_fills(&rows, at(9_000));
    assert_eq!(missing.iter().map(|trade| trade.price.to_string()).collect::<Vec<_>>(), ["0.5003"]);
    fills.record_backfilled(&missing[0]);
    fills.record_backfilled(&Trade { price: Price::of_text("0.5005").unwrap(), ..missing[0].clone() });
    assert_eq!(
        fills.record_socket_trade(&socket_trade("0x1", "0.5005", "3")),
        Seen::Duplicate,
        "the nearest is its twin"
    );
    assert_eq!(fills.record_socket_trade(&socket_trade("0x1", "0.5003", "3")), Seen::Duplicate);
}

#[test]
fn of_two_identical_fills_the_one_that_was_missed_is_told() {
    let fills = fills();
    fills.record_socket_trade(&socket_trade("0x1", "0.55", "3"));
    let rows = [row("0x1", "0.55", "3"), row("0x1", "0.55", "3")];
    let missing = fills.missing_fills(&rows, at(9_000));
    assert_eq!((missing.len(), missing[0].origin), (1, Origin::Rest));
    fills.record_backfilled(&missing[0]);
    assert_eq!(missing_fills(&fills, &rows), 0, "asked again");
    let third = [rows.to_vec(), vec![row("0x1", "0.55", "3")]].concat();
    let missing_next = fills.missing_fills(&third, at(9_000));
    assert_ne!(missing_next[0].id, missing[0].id, "identical fills have ids of their own");
}

#[test]
fn a_fill_that_comes_over_a_socket_after_rest_told_it_is_recognised_once() {
    let fills = fills();
    for trade in fills.missing_fills(&[row("0x1", "0.55", "3")], at(9_000)) {
        fills.record_backfilled(&trade);
    }
    assert_eq!(fills.record_socket_trade(&socket_trade("0x1", "0.55", "3")), Seen::Duplicate);
    assert_eq!(fills.recognised(), 1);
    assert_eq!(
        fills.record_socket_trade(&socket_trade("0x1", "0.55", "3")),
        Seen::New,
        "a second one is another fill"
    );
}

#[test]
fn an_order_that_met_several_makers_is_one_row_with_the_sum_of_their_sizes() {
    let fills = fills();
    fills.record_socket_trade(&socket_trade("0x1", "0.55", "3"));
    fills.record_socket_trade(&socket_trade("0x1", "0.57", "2"));
    assert_eq!(missing_fills(&fills, &[row("0x1", "0.558", "5")]), 0);
    assert_eq!(missing_fills(&fills, &[row("0x1", "0.558", "5.000001")]), 0);
    assert_eq!(missing_fills(&fills, &[row("0x1", "0.558", "5.000002")]), 1);
}

#[test]
fn a_fill_without_a_size_or_without_a_transaction_is_known_by_the_rest() {
    let fills = fills();
    fills.record_socket_trade(&Trade { size: None, ..socket_trade("0x1", "0.55", "3") });
    fills.record_socket_trade(&socket_trade("", "0.60", "7"));
    assert_eq!(missing_fills(&fills, &[row("0x1", "0.55", "3"), row("0x9", "0.60", "7")]), 0);
    assert_eq!(
        missing_fills(&fills, &[row("0x9", "0.60", "7"), row("0x8", "0.60", "7")]),
        1,
        "it is only one fill"
    );
    let late = RestTrade {
        executed_at: at(345).plus(SETTLEMENT).plus(Duration::from_secs(1)),
        ..row("0x9", "0.60", "7")
    };
    assert_eq!(missing_fills(&fills, &[late]), 1, "too late to be its block");
}

#[test]
fn what_the_buffer_did_not_take_was_never_told() {
    let fills = fills();
    let trade = socket_trade("0x1", "0.55", "3");
    fills.record_socket_trade(&trade);
    fills.withdraw(&trade);
    assert_eq!(missing_fills(&fills, &[row("0x1", "0.55", "3")]), 1);
}

#[test]
fn the_old_is_forgotten_and_the_memory_is_bounded() {
    let fills = fills();
    fills.seed(&socket_trade("0x1", "0.55", "3"));
    fills.forget(at(400));
    assert_eq!(missing_fills(&fills, &[row("0x1", "0.55", "3")]), 0);
    fills.forget(at(401));
    assert_eq!(missing_fills(&fills, &[row("0x1", "0.55", "3")]), 1);
    assert_eq!(fills.known_since(), Some(at(401)));
    assert!(fills.memory().fills.is_empty() && fills.memory().order.is_empty());
}

proptest! {
    #[test]
    fn whoever_tells_first_every_fill_is_told_exactly_once(
        fates in prop::collection::vec((0u8..3, 0u8..3, 1u8..3, any::<bool>()), 1..40)
    ) {
        let (fills, mut missing, mut rows) = (fills(), 0, Vec::new());
        let mut late = Vec::new();
        for (transaction, price, size, on_time) in &fates {
            let texts = (format!("0x{transaction}"), format!("0.5{price}"), size.to_string());
            rows.push(row(&texts.0, &texts.1, &texts.2));
            let trade = socket_trade(&texts.0, &texts.1, &texts.2);
            if *on_time { missing += usize::from(fills.record_socket_trade(&trade) == Seen::New) } else { late.push(trade) }
        }
        for _round in 0..2 {
            for trade in fills.missing_fills(&rows, at(9_000)) {
                fills.record_backfilled(&trade);
                missing += 1;
            }
        }
        for trade in &late {
            missing += usize::from(fills.record_socket_trade(trade) == Seen::New);
        }
        // Rows that are the sum of others are published by nobody; sizes of 1 and 2 can make such a sum.
        let sums = fates.iter().any(|(_, _, size, _)| *size == 2) && fates.iter().any(|(_, _, size, _)| *size == 1);
        prop_assert!(missing == fates.len() || (sums && missing <= fates.len()), "{} of {}", missing, fates.len());
    }
}
