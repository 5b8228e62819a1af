use std::pin::pin;
use std::task::{Context, Poll, Waker};

use super::*;

fn at(seconds: i64) -> DateTime<Utc> {
    DateTime::from_timestamp(1_790_000_000 + seconds, 0).expect("a moment")
}

fn ip(text: &str) -> Option<IpAddr> {
    Some(text.parse().expect("an address"))
}

#[test]
fn what_other_nodes_count_counts_here() {
    let throttle = Throttle::new(ThrottleConfig::default(), [7; 32], None);
    let from = ip("198.51.100.1");
    let account = throttle.key(Place::Account(blake3::hash(b"a@b.co"), Network::of(from)));
    for _ in 0..5 {
        throttle.hear(Change::Failure(account), at(0));
    }
    assert_eq!(wait(&throttle, "a@b.co", from, at(0)), 1);
    assert_eq!(wait(&throttle, "a@b.co", ip("198.51.100.2"), at(0)), 0);
    assert_eq!(wait(&throttle, "b@b.co", from, at(0)), 0);
    throttle.hear(Change::Forgiven(account), at(0));
    assert_eq!(wait(&throttle, "a@b.co", from, at(0)), 0);
    // Another installation at the same Redis has another secret.
    let other = Throttle::new(ThrottleConfig::default(), [8; 32], None);
    for _ in 0..5 {
        other.hear(Change::Failure(account), at(0));
    }
    assert_eq!(wait(&other, "a@b.co", from, at(0)), 0);
}

#[test]
fn who_is_nobody_here_waits_longer_each_time() {
    let throttle = Throttle::new(ThrottleConfig::default(), [7; 32], None);
    let wait = |subject: &str, now| throttle.elsewhere("https://id.example", subject, now);
    for _ in 0..5 {
        assert_eq!(wait("ann", at(0)), Ok(()));
        throttle.elsewhere_failed("https://id.example", "ann", at(0));
    }
    assert_eq!(wait("ann", at(0)), Err(SlowDown { retry_after: 1 }));
    assert_eq!(wait("bob", at(0)), Ok(()));
    assert_eq!(wait("ann", at(1)), Ok(()));
    throttle.elsewhere_failed("https://id.example", "ann", at(1));
    assert_eq!(wait("ann", at(2)), Err(SlowDown { retry_after: 1 }));
    // Asking alone does not count.
    assert_eq!(wait("ann", at(3)), Ok(()));
}

/// What an attempt comes to without waiting for others.
fn attempt<'a>(
    throttle: &'a Throttle,
    email: &str,
    from: Option<IpAddr>,
    now: DateTime<Utc>,
) -> Poll<Result<Attempt<'a>, SlowDown>> {
    let login = pin!(throttle.login(email, from, now));
    login.poll(&mut Context::from_waker(Waker::noop()))
}

fn begin<'a>(
    throttle: &'a Throttle,
    email: &str,
    from: Option<IpAddr>,
    now: DateTime<Utc>,
) -> Attempt<'a> {
    match attempt(throttle, email, from, now) {
        Poll::Ready(Ok(attempt)) => attempt,
        Poll::Ready(Err(slow)) => panic!("is refused: {slow}"),
        Poll::Pending => panic!("waits for others"),
    }
}

fn fail(throttle: &Throttle, email: &str, from: Option<IpAddr>, now: DateTime<Utc>) {
    begin(throttle, email, from, now).failed();
}

/// Seconds to wait, 0 when an attempt is let through; it is not counted.
fn wait(throttle: &Throttle, email: &str, from: Option<IpAddr>, now: DateTime<Utc>) -> u32 {
    match attempt(throttle, email, from, now) {
        Poll::Ready(Ok(_)) => 0,
        Poll::Ready(Err(slow)) => slow.retry_after,
        Poll::Pending => panic!("waits for others"),
    }
}

#[test]
fn waits_double_and_end() {
    let throttle = Throttle::new(ThrottleConfig::default(), [7; 32], None);
    let from = ip("198.51.100.1");
    for _ in 0..5 {
        fail(&throttle, "a@b.co", from, at(0));
    }
    assert_eq!(wait(&throttle, "a@b.co", from, at(0)), 1);
    let mut now = 0;
    for seconds in [1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 900, 900] {
        assert_eq!(wait(&throttle, "a@b.co", from, at(now)), seconds);
        now += i64::from(seconds);
        fail(&throttle, "a@b.co", from, at(now));
    }
    assert_eq!(wait(&throttle, "a@b.co", from, at(now + 3600)), 0);
}

#[test]
fn guesses_at_the_same_time_share_the_allowance() {
    let throttle = Throttle::new(ThrottleConfig::default(), [7; 32], None);
    let from = ip("198.51.100.1");
    let open = |now| -> Vec<Attempt<'_>> {
        (0..100)
            .filter_map(|_| match attempt(&throttle, "a@b.co", from, now) {
                Poll::Ready(Ok(attempt)) => Some(attempt),
                Poll::Ready(Err(slow)) => panic!("is refused: {slow}"),
                Poll::Pending => None,
            })
            .collect()
    };
    let first = open(at(0));
    assert_eq!(first.len(), 5);
    first.into_iter().for_each(Attempt::failed);
    assert_eq!(wait(&throttle, "a@b.co", from, at(0)), 1);
    // After the wait one of many gets through, not all.
    assert_eq!(open(at(1)).len(), 1);
}

#[tokio::test]
async fn who_waits_goes_on_when_the_others_are_decided() {
    let throttle = Throttle::new(ThrottleConfig::default(), [7; 32], None);
    let from = ip("198.51.100.1");
    let mut open: Vec<Attempt<'_>> = (0..5)
        .map(|_| begin(&throttle, "a@b.co", from, at(0)))
        .collect();
    let waiting = async {
        let attempt = throttle.login("a@b.co", from, at(0)).await;
        attempt.expect("is let through").succeeded();
    };
    let deciding = async {
        tokio::task::yield_now().await;
        open.pop().expect("is there").succeeded();
    };
    tokio::join!(waiting, deciding);
    // Right passwords leave nothing behind, however many there were at once.
    open.into_iter().for_each(Attempt::succeeded);
    assert!(throttle.counts.lock().is_empty());

    // Wrong ones refuse those who wait.
    let open: Vec<Attempt<'_>> = (0..5)
        .map(|_| begin(&throttle, "a@b.co", from, at(0)))
        .collect();
    let waiting = throttle.login("a@b.co", from, at(0));
    let deciding = async {
        tokio::task::yield_now().await;
        open.into_iter().for_each(Attempt::failed);
    };
    let (waited, ()) = tokio::join!(waiting, deciding);
    assert_eq!(waited.err(), Some(SlowDown { retry_after: 1 }));
    assert_eq!(throttle.waiting.load(Ordering::Relaxed), 0);
}

#[test]
fn not_everybody_may_wait() {
    let throttle = Throttle::new(ThrottleConfig::default(), [7; 32], None);
    let _open: Vec<Attempt<'_>> = (0..5)
        .map(|_| begin(&throttle, "a@b.co", None, at(0)))
        .collect();
    let mut context = Context::from_waker(Waker::noop());
    let mut waiting: Vec<_> = (0..MOST_WAITING)
        .map(|_| Box::pin(throttle.login("a@b.co", None, at(0))))
        .collect();
    for one in &mut waiting {
        assert!(one.as_mut().poll(&mut context).is_pending());
    }
    assert_eq!(wait(&throttle, "a@b.co", None, at(0)), 1);
    waiting.pop();
    assert!(attempt(&throttle, "a@b.co", None, at(0)).is_pending());
}

#[test]
fn what_could_not_be_checked_does_not_count() {
    let throttle = Throttle::new(ThrottleConfig::default(), [7; 32], None);
    let from = ip("198.51.100.1");
    for _ in 0..5 {
        fail(&throttle, "a@b.co", from, at(0));
    }
    for _ in 0..20 {
        drop(begin(&throttle, "a@b.co", from, at(10)));
    }
    // As it was: the wait of one second, and that is long over.
    assert_eq!(wait(&throttle, "a@b.co", from, at(10)), 0);
    fail(&throttle, "a@b.co", from, at(10));
    assert_eq!(wait(&throttle, "a@b.co", from, at(10)), 2);
}

#[test]
fn a_success_clears_the_account_at_this_address() {
    let throttle = Throttle::new(ThrottleConfig::default(), [7; 32], None);
    let (here, there) = (ip("198.51.100.1"), ip("203.0.113.9"));
    for from in [here, there] {
        for _ in 0..5 {
            fail(&throttle, "a@b.co", from, at(0));
        }
    }
    begin(&throttle, "a@b.co", here, at(1)).succeeded();
    for _ in 0..5 {
        fail(&throttle, "a@b.co", here, at(1));
    }
    assert_eq!(wait(&throttle, "a@b.co", here, at(1)), 1);
    assert_eq!(wait(&throttle, "a@b.co", there, at(0)), 1);
}

#[test]
fn a_stranger_does_not_lock_the_owner_out() {
    let throttle = Throttle::new(ThrottleConfig::default(), [7; 32], None);
    for n in 0..1000 {
        let from = IpAddr::from([198, 51, (n / 200) as u8, (n % 200) as u8]);
        fail(&throttle, "a@b.co", Some(from), at(0));
    }
    let home = ip("203.0.113.9");
    assert_eq!(wait(&throttle, "a@b.co", home, at(0)), 0);
    // While the account is being guessed at, one mistake is enough to have to wait …
    fail(&throttle, "a@b.co", home, at(0));
    assert_eq!(wait(&throttle, "a@b.co", home, at(0)), 1);
    // … others are not concerned, and it passes.
    fail(&throttle, "c@b.co", home, at(0));
    assert_eq!(wait(&throttle, "c@b.co", home, at(0)), 0);
    fail(&throttle, "a@b.co", home, at(3600));
    assert_eq!(wait(&throttle, "a@b.co", home, at(3600)), 0);
}

#[test]
fn an_address_that_tries_many_accounts_waits() {
    let throttle = Throttle::new(ThrottleConfig::default(), [7; 32], None);
    for n in 0..30 {
        fail(&throttle, &format!("{n}@b.co"), ip("2001:db8::1"), at(0));
    }
    // The whole /64 is one place.
    assert_eq!(wait(&throttle, "new@b.co", ip("2001:db8::ffff"), at(0)), 1);
    assert_eq!(wait(&throttle, "new@b.co", ip("2001:db8:0:1::1"), at(0)), 0);
    begin(&throttle, "own@b.co", ip("2001:db8::1"), at(1)).succeeded();
    // A success neither shortens nor renews the address' wait.
    assert_eq!(wait(&throttle, "new@b.co", ip("2001:db8::1"), at(0)), 1);
    assert_eq!(wait(&throttle, "new@b.co", ip("2001:db8::1"), at(1)), 0);
}

#[test]
fn registrations_are_bounded_by_address() {
    let throttle = Throttle::new(ThrottleConfig::default(), [7; 32], None);
    for _ in 0..60 {
        assert_eq!(throttle.register(ip("198.51.100.1"), at(0)), Ok(()));
    }
    assert!(throttle.register(ip("198.51.100.1"), at(0)).is_err());
    assert_eq!(throttle.register(ip("198.51.100.2"), at(0)), Ok(()));
}

#[test]
fn it_can_be_switched_off() {
    let throttle = Throttle::new(
        ThrottleConfig {
            enabled: false,
            ..ThrottleConfig::default()
        },
        [7; 32],
        None,
    );
    for _ in 0..100 {
        fail(&throttle, "a@b.co", None, at(0));
        assert_eq!(throttle.register(None, at(0)), Ok(()));
    }
    assert!(throttle.counts.lock().is_empty());
}

#[test]
fn memory_is_bounded() {
    let throttle = Throttle::new(ThrottleConfig::default(), [7; 32], None);
    for n in 0..CAPACITY as u32 {
        let from = IpAddr::from((0x0a00_0000 + n).to_be_bytes());
        fail(
            &throttle,
            &format!("{n}@b.co"),
            Some(from),
            at(i64::from(n / 1000)),
        );
        assert!(throttle.counts.lock().len() <= CAPACITY + 2);
    }
    // The newest are kept.
    let last = IpAddr::from((0x0a00_0000 + CAPACITY as u32 - 1).to_be_bytes());
    let counts = throttle.counts.lock();
    assert!(counts.contains_key(&throttle.key(Place::Address(Network::of(Some(last))))));
}
