//! Many calls at once.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use futures_util::future::join_all;
use reqwest::RequestBuilder;

use crate::client::Client;

/// How many answers came of each kind: by status, and the gateway's code where it answered itself.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tally(pub BTreeMap<(u16, String), usize>);

impl Tally {
    /// Answers with this status.
    #[must_use]
    pub fn of(&self, status: u16) -> usize {
        let found = self.0.iter().filter(|((one, _), _)| *one == status);
        found.map(|(_, count)| count).sum()
    }

    /// Answers with this status and code.
    #[must_use]
    pub fn of_code(&self, status: u16, code: &str) -> usize {
        let key = (status, code.to_owned());
        self.0.get(&key).copied().unwrap_or(0)
    }

    #[must_use]
    pub fn total(&self) -> usize {
        self.0.values().sum()
    }

    pub fn add(&mut self, other: Self) {
        for (kind, count) in other.0 {
            *self.0.entry(kind).or_insert(0) += count;
        }
    }
}

/// Makes `calls` calls over so many connections at a time, each as soon as the one before it on
/// the same connection is answered.
///
/// # Panics
/// When a call is not answered.
pub async fn hammer(
    client: &Client,
    connections: usize,
    calls: usize,
    request: impl Fn(usize) -> RequestBuilder,
) -> Tally {
    let next = Arc::new(AtomicUsize::new(0));
    let request = &request;
    let callers = (0..connections).map(|_| {
        let next = Arc::clone(&next);
        async move {
            let mut tally = Tally::default();
            loop {
                let number = next.fetch_add(1, Ordering::Relaxed);
                if number >= calls {
                    return tally;
                }
                let answer = client.send(request(number)).await;
                let code = answer.header("x-apiverse-error").unwrap_or_default();
                *tally.0.entry((answer.status, code.to_owned())).or_insert(0) += 1;
            }
        }
    });
    let mut all = Tally::default();
    for tally in join_all(callers).await {
        all.add(tally);
    }
    all
}
