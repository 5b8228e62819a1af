//! Upstreams that die, flap and come back, against a group and what surrounds it, on a clock that
//! is a number.

use apiverse_balance::{
    Attempt, Backoff, Breaker, BreakerRules, Budget, Failure, Group, GroupRules, Health, Member,
    Outcome, Way, hash, permit,
};
use proptest::prelude::*;

const BACKOFF: Backoff = Backoff {
    base_ms: 5,
    max_ms: 50,
};

struct World {
    group: Group,
    budget: Budget,
    now_ms: u64,
    random: u64,
    calls: u64,
    failed: u64,
    tries: Vec<u64>,
}

impl World {
    fn new(targets: u8) -> Self {
        let members = (0..targets)
            .map(|name| Member::new(hash(&[name]), 1))
            .collect();
        Self {
            group: Group::new(members, GroupRules::default()),
            budget: Budget::new(20, 3),
            now_ms: 0,
            random: 1,
            calls: 0,
            failed: 0,
            tries: vec![0; usize::from(targets)],
        }
    }

    fn random(&mut self) -> u64 {
        self.random = hash(&self.random.to_le_bytes());
        self.random
    }

    /// One call; `is_up` says which targets answer.
    fn call(&mut self, is_up: impl Fn(usize) -> bool) -> bool {
        self.calls += 1;
        self.budget.note_call(self.now_ms);
        let mut tried = 0;
        for tries in 1.. {
            let random = self.random();
            let Ok(picked) = self
                .group
                .pick(self.now_ms, Way::LeastRequest, random, tried, true)
            else {
                break;
            };
            assert!(self.group.begin(picked.index), "there is no limit");
            self.tries[picked.index] += 1;
            let is_good = is_up(picked.index);
            let outcome = if is_good {
                Outcome::Success
            } else {
                Outcome::Failure
            };
            self.group.settle(picked, outcome, self.now_ms);
            self.group.end(picked.index);
            if is_good {
                return true;
            }
            tried |= 1 << picked.index;
            let attempt = Attempt {
                failure: Failure::Closed,
                is_sent: true,
                is_idempotent: true,
                is_replayable: true,
                tries,
            };
            if permit(&attempt, 3, BACKOFF, &self.budget, random, self.now_ms).is_err() {
                break;
            }
        }
        self.failed += 1;
        false
    }
}

#[test]
fn one_of_three_dead_costs_no_call() {
    let mut world = World::new(3);
    for step in 0..10_000 {
        world.now_ms = step * 2;
        world.call(|index| index != 1);
    }
    assert_eq!(world.failed, 0, "each was repeated elsewhere");
    // Three calls until it was ejected, then one trial after each ejection: 2, 4, 8 … s.
    assert!(world.tries[1] <= 8, "{:?}", world.tries);
    let now_ms = world.now_ms;
    assert_ne!(world.group.view(now_ms)[1].health, Health::Healthy);

    // It comes back: within the longest ejection it serves its share again.
    let back_at = world.now_ms;
    while world.group.view(world.now_ms)[1].health != Health::Healthy {
        world.now_ms += 2;
        world.call(|_| true);
        assert!(world.now_ms < back_at + 61_000, "it does not come back");
    }
    let before = world.tries[1];
    for _ in 0..3_000 {
        world.now_ms += 2;
        world.call(|_| true);
    }
    let share = world.tries[1] - before;
    assert!((900..1_100).contains(&share), "{share}");
    assert_eq!(world.failed, 0);
}

#[test]
fn a_flapping_target_is_used_less_and_less() {
    let mut world = World::new(3);
    let calls = 60_000;
    for step in 0..calls {
        world.now_ms = step * 2;
        let is_up = (world.now_ms / 500).is_multiple_of(2);
        world.call(|index| index != 0 || is_up);
    }
    assert_eq!(world.failed, 0);
    assert!(
        world.tries[0] < calls / 6,
        "far below its share: {:?}",
        world.tries
    );
}

#[test]
fn an_outage_of_all_ends_by_itself_and_is_not_multiplied() {
    let mut world = World::new(3);
    let breaker = Breaker::new(BreakerRules::default());
    let mut reached = 0;
    for step in 0..20_000_u64 {
        world.now_ms = step * 2;
        let admission = breaker.admit(world.now_ms);
        if matches!(admission, apiverse_balance::Admission::Refused(_)) {
            continue;
        }
        reached += 1;
        let is_good = world.call(|_| false);
        breaker.settle(admission, Some(!is_good), world.now_ms);
    }
    assert!(
        reached < 100,
        "the circuit is open nearly always: {reached}"
    );

    let mut well_again = 0;
    for _ in 0..20_000 {
        world.now_ms += 2;
        let admission = breaker.admit(world.now_ms);
        if matches!(admission, apiverse_balance::Admission::Refused(_)) {
            continue;
        }
        let is_good = world.call(|_| true);
        breaker.settle(admission, Some(!is_good), world.now_ms);
        well_again += u64::from(is_good);
    }
    assert!(well_again > 14_000, "{well_again}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Whatever the targets do: when they are well again, every one of them serves again.
    #[test]
    fn everything_comes_back(
        targets in 1_u8..8,
        history in proptest::collection::vec((0_u64..2_000, any::<u8>()), 0..300),
    ) {
        let mut world = World::new(targets);
        for (step, up) in history {
            world.now_ms += step;
            world.call(|index| up & (1 << index) != 0);
        }
        let well_at = world.now_ms;
        let is_ill = |world: &World| {
            world.group.view(world.now_ms).iter().any(|target| target.health != Health::Healthy)
        };
        while is_ill(&world) {
            world.now_ms += 100;
            prop_assert!(world.call(|_| true));
            prop_assert!(world.now_ms <= well_at + 61_000, "it does not come back");
        }
    }

    /// As long as one target is well, a call that may be repeated often enough is answered.
    #[test]
    fn one_that_is_well_is_found(dead in proptest::collection::vec(0_usize..3, 200)) {
        let mut world = World::new(3);
        // Enough that the budget is not what decides.
        world.budget = Budget::new(100, 1_000);
        for index in dead {
            world.now_ms += 10;
            prop_assert!(world.call(|other| other != index));
        }
    }
}
