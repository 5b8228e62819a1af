//! What callers are told, read by a parser that is not ours.

use apiverse_limits::header::{self, Policy, Unit};
use apiverse_limits::{Level, Period, Spec};
use proptest::prelude::*;
use sfv::{BareItem, Item, List, ListEntry, Parser};

fn items(text: &str) -> Vec<Item> {
    let list: List = Parser::new(text)
        .parse()
        .unwrap_or_else(|error| panic!("{text}: {error}"));
    list.into_iter()
        .map(|entry| match entry {
            ListEntry::Item(item) => item,
            ListEntry::InnerList(_) => panic!("an inner list"),
        })
        .collect()
}

fn name(item: &Item) -> &str {
    match &item.bare_item {
        BareItem::String(text) => text.as_str(),
        other => panic!("not a string: {other:?}"),
    }
}

fn number(item: &Item, parameter: &str) -> Option<i64> {
    item.params
        .iter()
        .find(|(key, _)| key.as_str() == parameter)
        .map(|(_, value)| match value {
            BareItem::Integer(number) => i64::from(*number),
            other => panic!("not an integer: {other:?}"),
        })
}

#[test]
fn the_drafts_own_example() {
    let burst = Policy::new("burst", 100, Some(60), Unit::Requests);
    let daily = Policy::of(
        "daily",
        &Spec::Quota {
            limit: 1_000,
            period: Period::Day,
        },
    );
    let monthly = Policy::of(
        "m",
        &Spec::Quota {
            limit: 5,
            period: Period::Month,
        },
    );
    let at_once = Policy::new("concurrency", 10, None, Unit::ConcurrentRequests);
    assert_eq!(
        header::policies([&burst, &daily, &monthly, &at_once]),
        "\"burst\";q=100;w=60, \"daily\";q=1000;w=86400, \"m\";q=5, \
         \"concurrency\";q=10;qu=\"concurrent-requests\""
    );
    let mut out = Vec::new();
    let level = |remaining, reset_ns| Level {
        remaining,
        reset_ns,
        is_refused: false,
    };
    header::write_rate_limit(&mut out, &burst, &level(50, 29_000_000_001));
    header::write_rate_limit(&mut out, &at_once, &level(0, u64::MAX));
    assert_eq!(out, b"\"burst\";r=50;t=30, \"concurrency\";r=0");
}

#[test]
fn the_tightest_is_named_and_waited_for() {
    let level = |remaining, reset_s: u64, is_refused| Level {
        remaining,
        reset_ns: reset_s * 1_000_000_000,
        is_refused,
    };
    assert_eq!(header::tightest(&[]), None);
    let all = [level(5, 9, false), level(2, 1, false), level(2, 3, false)];
    assert_eq!(header::tightest(&all), Some(2));
    assert_eq!(header::retry_after(&all), None);
    let all = [level(0, 90, false), level(0, 3, true), level(1, 7, true)];
    assert_eq!(header::tightest(&all), Some(2));
    assert_eq!(header::retry_after(&all), Some(7));
    let never = Level {
        remaining: 0,
        reset_ns: u64::MAX,
        is_refused: true,
    };
    assert_eq!(header::retry_after(&[never, level(0, 3, true)]), None);
    let soon = Level {
        remaining: 0,
        reset_ns: 1,
        is_refused: true,
    };
    assert_eq!(header::retry_after(&[soon]), Some(1));
}

proptest! {
    #[test]
    fn every_answer_can_be_read(
        all in prop::collection::vec(
            (".{0,70}", any::<u64>(), any::<Option<u64>>(), any::<u64>(), any::<u64>()), 1..12,
        ),
    ) {
        let policies: Vec<Policy> = all
            .iter()
            .map(|(name, limit, window, ..)| Policy::new(name, *limit, *window, Unit::Requests))
            .collect();
        let most = 999_999_999_999_999;
        let read = items(&header::policies(&policies));
        let mut out = Vec::new();
        for ((.., remaining, reset_ns), policy) in all.iter().zip(&policies) {
            let level = Level { remaining: *remaining, reset_ns: *reset_ns, is_refused: false };
            header::write_rate_limit(&mut out, policy, &level);
        }
        let levels = items(std::str::from_utf8(&out).unwrap());
        prop_assert_eq!(read.len(), all.len());
        prop_assert_eq!(levels.len(), all.len());
        for (at, (given, limit, window, remaining, reset_ns)) in all.iter().enumerate() {
            let kept: String = given.chars().filter(|c| (' '..='~').contains(c)).collect();
            prop_assert_eq!(name(&read[at]), &kept);
            prop_assert_eq!(name(&levels[at]), &kept);
            prop_assert_eq!(number(&read[at], "q"), Some((*limit).min(most) as i64));
            prop_assert_eq!(number(&read[at], "w"), window.map(|w| w.min(most) as i64));
            prop_assert_eq!(number(&levels[at], "r"), Some((*remaining).min(most) as i64));
            if *reset_ns < u64::MAX {
                let seconds = reset_ns.div_ceil(1_000_000_000) as i64;
                prop_assert_eq!(number(&levels[at], "t"), Some(seconds));
            }
        }
    }
}
