//! What the gateway asks of this crate for each call: `cargo bench -p apiverse-contract`.

use apiverse_contract::keys::Environment;
use apiverse_contract::routes::{RouteTable, RouteTemplate};
use apiverse_contract::{RouteId, key_format};
use divan::{Bencher, black_box};
use uuid::Uuid;

fn main() {
    divan::main();
}

/// Shape, checksum and the part that the key is looked up by.
#[divan::bench]
fn key_that_is_one(bencher: Bencher<'_, '_>) {
    let text = key_format::compose(Environment::Live, [7; 32]);
    bencher.bench(|| key_format::parse(black_box(text.as_bytes())).is_some());
}

/// One letter is wrong: the checksum finds it.
#[divan::bench]
fn key_with_a_typing_error(bencher: Bencher<'_, '_>) {
    let mut text = key_format::compose(Environment::Live, [7; 32]).into_bytes();
    text[20] = if text[20] == b'a' { b'b' } else { b'a' };
    bencher.bench(|| key_format::parse(black_box(&text)).is_none());
}

fn table(routes: usize) -> RouteTable<usize> {
    let mut table = RouteTable::default();
    for number in 0..routes {
        for (at, path) in [
            format!("/service{number}/users/{{id}}"),
            format!("/service{number}/users/{{id}}/orders/*"),
        ]
        .into_iter()
        .enumerate()
        {
            let template = RouteTemplate::parse(&path).expect("a template");
            let id = RouteId(Uuid::from_u128((number * 2 + at) as u128));
            table.insert(id, &template, &["GET".to_owned()], number);
        }
    }
    table
}

/// The route of a call among so many pairs of them.
#[divan::bench(args = [0, 1, 100, 10_000])]
fn route(bencher: Bencher<'_, '_>, routes: usize) {
    let table = table(routes);
    let path = format!("/service{}/users/4711/orders/2026/11", routes / 2);
    bencher.bench(|| table.find(black_box("GET"), black_box(&path)).copied());
}
