//! The least that a proxy with the same checks costs in Rust: `bare hyper|plain PORT UPSTREAM KEYS LOG`.
//!
//! `hyper` is hyper on both sides with a pool of its own; `plain` copies bytes and reads only what it must. Both look
//! the key up in a table, limit each key's rate, take prefix and key out and write a buffered line for each call. Neither
//! is hardened against anybody: they are yardsticks.

mod checks;
mod over_hyper;
mod plain;

use std::net::{Ipv4Addr, SocketAddr};
use std::rc::Rc;

use tokio::net::TcpListener;
use tokio::task::{LocalSet, spawn_local};

use checks::Checks;

fn main() {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let [kind, port, upstream, keys, log] = &words[..] else {
        panic!("bare hyper|plain PORT UPSTREAM KEYS LOG");
    };
    let local = |port: &str| SocketAddr::from((Ipv4Addr::LOCALHOST, port.parse().expect("a port")));
    let (own, upstream) = (local(port), local(upstream));
    let checks = Rc::new(Checks::new(keys, log));
    let is_plain = kind == "plain";
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(LocalSet::new().run_until(async move {
        spawn_local(Rc::clone(&checks).flush_now_and_then());
        let listener = TcpListener::bind(own).await.expect("the port is free");
        loop {
            let Ok((io, _)) = listener.accept().await else { continue };
            io.set_nodelay(true).expect("a socket option");
            let checks = Rc::clone(&checks);
            if is_plain {
                spawn_local(plain::serve(checks, upstream, io));
            } else {
                spawn_local(over_hyper::serve(checks, upstream, io));
            }
        }
    }));
}
