//! Key, rate limit and log line.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::fs::File;
use std::io::Write;
use std::rc::Rc;
use std::time::{Duration, Instant, SystemTime};

use foldhash::fast::RandomState;

/// Nanoseconds that a call costs, at a million a second, and how far ahead a key may be.
const COST: u64 = 1000;
const BURST: u64 = 100_000 * COST;
const FULL: usize = 64 * 1024;

pub struct Checks {
    keys: HashMap<Vec<u8>, Key, RandomState>,
    began: Instant,
    log: RefCell<(File, Vec<u8>)>,
}

struct Key {
    consumer: String,
    /// GCRA: when the next call would be due.
    due: Cell<u64>,
}

pub enum Refused {
    Unknown,
    TooMany,
}

impl Refused {
    pub fn status(&self) -> u16 {
        match self {
            Self::Unknown => 401,
            Self::TooMany => 429,
        }
    }
}

impl Checks {
    /// `keys` has a key and a consumer on each line.
    pub fn new(keys: &str, log: &str) -> Self {
        let text = std::fs::read_to_string(keys).expect("the keys");
        let entry = |line: &str| {
            let (key, consumer) = line.split_once(' ').expect("a key and a consumer");
            let (consumer, due) = (consumer.to_owned(), Cell::new(0));
            (key.as_bytes().to_vec(), Key { consumer, due })
        };
        Self {
            keys: text.lines().map(entry).collect(),
            began: Instant::now(),
            log: RefCell::new((File::create(log).expect("the log"), Vec::with_capacity(FULL + 1024))),
        }
    }

    pub fn admit(&self, key: Option<&[u8]>) -> Result<&str, Refused> {
        let key = key.and_then(|key| self.keys.get(key)).ok_or(Refused::Unknown)?;
        let now = self.began.elapsed().as_nanos() as u64;
        if key.due.get() > now + BURST {
            return Err(Refused::TooMany);
        }
        key.due.set(key.due.get().max(now) + COST);
        Ok(&key.consumer)
    }

    pub fn note(&self, consumer: &str, method: &str, path: &str, status: u16, bytes: u64, began: Instant) {
        let at = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        let took = began.elapsed().as_micros();
        let (file, lines) = &mut *self.log.borrow_mut();
        let line = writeln!(lines, "{} {consumer} {method} {path} {status} {bytes} {took}", at.as_micros());
        line.expect("memory takes it");
        if lines.len() >= FULL {
            file.write_all(lines).expect("the disk takes it");
            lines.clear();
        }
    }

    pub async fn flush_now_and_then(self: Rc<Self>) {
        loop {
            tokio::time::sleep(Duration::from_secs(1)).await;
            let (file, lines) = &mut *self.log.borrow_mut();
            file.write_all(lines).expect("the disk takes it");
            lines.clear();
        }
    }
}

/// `/proxy/bench/rest` is `/rest` at the upstream.
pub fn below(address: &str) -> &str {
    let rest = address.strip_prefix("/proxy/").and_then(|rest| rest.find('/').map(|at| &rest[at..]));
    rest.unwrap_or(address)
}
