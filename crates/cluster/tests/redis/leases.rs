//! Limits that two nodes share over a real Redis.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant, UNIX_EPOCH};

use crate::server::{PATIENCE, RedisServer};
use apiverse_cluster::Leases;
use apiverse_limits::{Counter, Moment, Period, Spec, Verdict, check};

/// An hour: nothing comes back while a test runs.
const WINDOW_S: u32 = 3600;

struct Node {
    leases: Leases,
    counter: Counter,
}

impl Node {
    async fn new(url: &str, spec: Spec, name: &str) -> Self {
        let leases = Leases::redis(url, None).unwrap();
        let counter = Counter::shared(spec, Arc::clone(leases.hub()), name);
        let node = Self { leases, counter };
        node.until("redis to answer", |leases| leases.is_well())
            .await;
        node
    }

    async fn until(&self, what: &str, is_so: impl Fn(&Leases) -> bool) {
        let start = Instant::now();
        while !is_so(&self.leases) {
            assert!(start.elapsed() < PATIENCE, "waited too long for {what}");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    fn now(&self) -> Moment {
        let since = self.leases.origin().elapsed();
        Moment {
            mono_ns: u64::try_from(since.as_nanos()).unwrap(),
            // The exchange goes by the calendar too.
            unix_s: i64::try_from(UNIX_EPOCH.elapsed().unwrap().as_secs()).unwrap(),
        }
    }

    /// Whether a call passes, after what has to be waited for.
    async fn call(&self) -> bool {
        let mut levels = Vec::new();
        loop {
            let exchanged = self.leases.exchanged();
            match check([&self.counter].into_iter(), 1, self.now(), &mut levels) {
                Verdict::Allowed => return true,
                Verdict::Refused => return false,
                Verdict::Pending => {
                    // An exchange that ended before is asked for once more, so this ends.
                    let _ = tokio::time::timeout(Duration::from_millis(100), exchanged).await;
                }
            }
        }
    }
}

/// Every node is called from many tasks at once; how many pass.
async fn hammer(nodes: &[Arc<Node>], tasks: usize, calls: u32) -> u32 {
    let passed = Arc::new(AtomicU32::new(0));
    let mut all = tokio::task::JoinSet::new();
    for task in 0..tasks {
        let (node, passed) = (Arc::clone(&nodes[task % nodes.len()]), Arc::clone(&passed));
        all.spawn(async move {
            for _ in 0..calls {
                passed.fetch_add(u32::from(node.call().await), Ordering::Relaxed);
                tokio::task::yield_now().await;
            }
        });
    }
    tokio::time::timeout(PATIENCE, all.join_all())
        .await
        .expect("all calls end");
    passed.load(Ordering::Relaxed)
}

fn specs(limit: u32) -> [(&'static str, Spec); 3] {
    [
        (
            "gcra",
            Spec::Gcra {
                limit,
                window_s: WINDOW_S,
                burst: limit,
                count_denied: false,
            },
        ),
        (
            "window",
            Spec::SlidingWindow {
                limit,
                window_s: WINDOW_S,
                count_denied: false,
            },
        ),
        (
            "quota",
            Spec::Quota {
                limit: u64::from(limit),
                period: Period::Month,
            },
        ),
    ]
}

#[tokio::test(flavor = "multi_thread")]
async fn two_nodes_stay_within_the_bound() {
    let Some(server) = RedisServer::start(None).await else {
        return;
    };
    for limit in [10, 1_000] {
        for (name, spec) in specs(limit) {
            let name = format!("{name}{limit}");
            let nodes = [
                Arc::new(Node::new(&server.url(), spec, &name).await),
                Arc::new(Node::new(&server.url(), spec, &name).await),
            ];
            let passed = hammer(&nodes, 64, 100).await;
            let most = limit + 2 * spec.rule().credit();
            println!("{name}: {passed} passed of {limit} allowed, at most {most}");
            assert!(passed <= most, "{name}: {passed} > {most}");
            // What a node holds and does not use comes back, and is used in the end.
            let start = Instant::now();
            let mut all = passed;
            while all < limit {
                all += hammer(&nodes, 2, 1).await;
                assert!(start.elapsed() < PATIENCE, "{name}: only {all} of {limit}");
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
            assert!(all <= most, "{name}: {all} > {most}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn without_redis_nodes_go_alone_and_with_it_together_again() {
    let Some(mut server) = RedisServer::start(None).await else {
        return;
    };
    let (_, spec) = specs(20)[0];
    let nodes = [
        Arc::new(Node::new(&server.url(), spec, "a").await),
        Arc::new(Node::new(&server.url(), spec, "a").await),
    ];
    assert!(nodes[0].call().await);
    server.kill();
    for node in &nodes {
        // Calls pass or wait for a moment; none fails, and after it they go by their own count.
        let passed = hammer(&[Arc::clone(node)], 8, 10).await;
        assert!((1..=20).contains(&passed), "{passed}");
        node.until("redis to be missed", |leases| !leases.is_well())
            .await;
        let rest = hammer(&[Arc::clone(node)], 8, 10).await;
        assert!(passed + rest <= 20, "{passed} and {rest}");
    }
    server.restart().await;
    for node in &nodes {
        node.until("redis to be back", Leases::is_well).await;
    }
    // Each node's own count has held on.
    assert_eq!(hammer(&nodes, 8, 10).await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_quota_that_redis_lost_is_made_again_from_what_nodes_know() {
    let Some(mut server) = RedisServer::start(None).await else {
        return;
    };
    let (_, spec) = specs(100)[2];
    let first = Arc::new(Node::new(&server.url(), spec, "q").await);
    first.counter.restore(90, first.now().unix_s);
    assert_eq!(hammer(&[Arc::clone(&first)], 1, 5).await, 5);
    server.kill();
    let _ = hammer(&[Arc::clone(&first)], 1, 1).await;
    first
        .until("redis to be missed", |leases| !leases.is_well())
        .await;
    server.restart().await;
    first.until("redis to be back", Leases::is_well).await;
    let second = Arc::new(Node::new(&server.url(), spec, "q").await);
    // The first node's next call tells what it knows.
    let told = first.leases.exchanged();
    assert!(first.call().await);
    tokio::time::timeout(PATIENCE, told)
        .await
        .expect("an exchange");
    let passed = hammer(&[Arc::clone(&second), first], 4, 20).await;
    assert!(passed <= 3 + 2 * spec.rule().credit(), "{passed}");
}
