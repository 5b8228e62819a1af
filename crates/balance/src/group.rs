//! Which of several targets gets a call.

use std::sync::Arc;

use parking_lot::Mutex;

use crate::split::mix;
use crate::target::{Change, CheckRules, EjectionRules, Health, Outcome, Takes, Target};

/// Most targets of a group: those that were tried are bits of a number.
pub const MAX_TARGETS: usize = 64;

/// What a target is to its group.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Member {
    /// Of its address: the same target has the same one everywhere, wherever it stands in a list.
    pub hash: u64,
    /// Its share; 0 takes none unless it is the only one.
    pub weight: u32,
}

impl Member {
    #[must_use]
    pub const fn new(hash: u64, weight: u32) -> Self {
        Self { hash, weight }
    }
}

/// How a group judges its targets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GroupRules {
    /// `None`: calls eject nothing.
    pub ejection: Option<EjectionRules>,
    /// Targets of a hundred that may be ejected at once; one may in any case, all of them never.
    pub max_ejected_percent: u64,
    /// Where the share of the weights that takes calls is below this, health is ignored.
    pub panic_percent: u64,
    /// For consistent hashing: calls under way of one target, in hundredths of the average of its
    /// weight; 0: no bound.
    pub load_percent: u64,
    /// Most calls under way on one target; 0: no limit.
    pub most_under_way: u32,
}

impl Default for GroupRules {
    fn default() -> Self {
        Self {
            ejection: Some(EjectionRules::default()),
            max_ejected_percent: 50,
            panic_percent: 10,
            load_percent: 150,
            most_under_way: 0,
        }
    }
}

/// How a target is chosen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// Two are drawn by weight, and the one with less under way for its weight gets the call.
    LeastRequest,
    /// The same one for the same hash, as long as it takes calls and has room.
    Hash(u64),
}

/// A target for a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Picked {
    pub index: usize,
    /// The call decides whether the target's ejection ends; it has to be told how it went.
    pub is_trial: bool,
    /// Too few targets are well: health was ignored.
    pub is_panic: bool,
}

/// Why no target gets a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NoPick {
    /// None is well.
    NoneWell,
    /// Those that are well have as many calls as they take.
    Full,
}

/// What is known of a target now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TargetView {
    pub health: Health,
    /// Calls under way.
    pub under_way: u32,
    /// In the window of its ejection's rules.
    pub succeeded: u64,
    pub failed: u64,
}

/// Targets that share calls.
#[derive(Debug)]
pub struct Group {
    members: Box<[(Member, Arc<Target>)]>,
    rules: GroupRules,
    /// Held while one is ejected: two at once could be one too many.
    ejecting: Mutex<()>,
}

impl Group {
    /// Targets beyond [`MAX_TARGETS`] are left out.
    #[must_use]
    pub fn new(members: Vec<Member>, rules: GroupRules) -> Self {
        Self::with_states(members, rules, |_| None)
    }

    /// The same with new members or rules: targets that stay keep what is known of them.
    /// `has_checks`: active checks go on; without them what they said is forgotten.
    #[must_use]
    pub fn renew(&self, members: Vec<Member>, rules: GroupRules, has_checks: bool) -> Self {
        let renewed = Self::with_states(members, rules, |hash| {
            let known = self.members.iter().find(|(known, _)| known.hash == hash);
            known.map(|(_, target)| Arc::clone(target))
        });
        if !has_checks {
            for (_, target) in &renewed.members {
                target.forget_checks();
            }
        }
        renewed
    }

    fn with_states(
        members: Vec<Member>,
        rules: GroupRules,
        known: impl Fn(u64) -> Option<Arc<Target>>,
    ) -> Self {
        let window_ms = rules.ejection.unwrap_or_default().window_ms;
        let members = members
            .into_iter()
            .take(MAX_TARGETS)
            .map(|member| {
                let target = known(member.hash);
                (
                    member,
                    target.unwrap_or_else(|| Arc::new(Target::new(window_ms))),
                )
            })
            .collect();
        Self {
            members,
            rules,
            ejecting: Mutex::new(()),
        }
    }

    #[must_use]
    pub fn len(&self) -> usize {
        self.members.len()
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.members.is_empty()
    }

    /// A target for a call. `tried`: bits of those that failed it before, which are taken only
    /// when there is no other. `is_repeatable`: the call could be repeated should it fail, so it
    /// may go to a target on trial.
    ///
    /// # Errors
    /// None takes calls.
    pub fn pick(
        &self,
        now_ms: u64,
        way: Way,
        random: u64,
        tried: u64,
        is_repeatable: bool,
    ) -> Result<Picked, NoPick> {
        let claims = |target: &Target| target.claim_trial();
        self.pick_by(now_ms, way, random, tried, is_repeatable, claims)
    }

    /// What [`Group::pick`] would say to a first try now; nothing follows from it.
    ///
    /// # Errors
    /// None takes calls.
    pub fn preview(
        &self,
        now_ms: u64,
        way: Way,
        random: u64,
        is_repeatable: bool,
    ) -> Result<Picked, NoPick> {
        self.pick_by(now_ms, way, random, 0, is_repeatable, |_| true)
    }

    /// `claims`: whether the place of a target's trial call is the caller's.
    fn pick_by(
        &self,
        now_ms: u64,
        way: Way,
        random: u64,
        tried: u64,
        is_repeatable: bool,
        claims: impl Fn(&Target) -> bool,
    ) -> Result<Picked, NoPick> {
        let (mut all, mut serving, mut serving_weight, mut weight) = (0_u64, 0_u64, 0_u64, 0_u64);
        let mut full = 0_u64;
        let most = self.rules.most_under_way;
        for (index, (member, target)) in self.members.iter().enumerate() {
            let bit = 1 << index;
            all |= bit;
            weight += u64::from(member.weight);
            let is_full = most > 0 && target.under_way() >= most;
            if is_full {
                full |= bit;
            }
            if target.is_serving() {
                serving |= bit;
                serving_weight += u64::from(member.weight);
            } else if tried & bit == 0
                && !is_full
                && self.is_on_trial(target, is_repeatable, now_ms)
                && claims(target)
            {
                return Ok(Picked {
                    index,
                    is_trial: true,
                    is_panic: false,
                });
            }
        }
        let is_panic = serving == 0 && self.rules.panic_percent > 0
            || serving_weight * 100 < weight * self.rules.panic_percent;
        let well = if is_panic { all } else { serving };
        let usable = well & !full;
        let nothing = match well {
            0 => NoPick::NoneWell,
            _ => NoPick::Full,
        };
        let fresh = usable & !tried;
        let from = if fresh == 0 { usable } else { fresh };
        let index = match way {
            Way::LeastRequest => self.least_request(from, random),
            Way::Hash(hash) => self.by_hash(from, hash),
        };
        let index = index.ok_or(nothing)?;
        Ok(Picked {
            index,
            is_trial: false,
            is_panic,
        })
    }

    fn is_on_trial(&self, target: &Target, is_repeatable: bool, now_ms: u64) -> bool {
        let patience_ms = self.rules.ejection.unwrap_or_default().base_ms;
        target.takes(is_repeatable, patience_ms, now_ms) == Takes::Trial
    }

    fn least_request(&self, from: u64, random: u64) -> Option<usize> {
        let first = self.drawn(from, random)?;
        let Some(second) = self.drawn(from & !(1 << first), mix(random)) else {
            return Some(first);
        };
        // under way / weight, compared without dividing.
        let load = |index: usize| {
            let (_, target) = &self.members[index];
            u64::from(target.under_way())
        };
        let weight = |index: usize| u64::from(self.members[index].0.weight.max(1));
        let is_second_freer = (load(second) * weight(first)) < (load(first) * weight(second));
        Some(if is_second_freer { second } else { first })
    }

    /// One by weight; evenly when none has any.
    fn drawn(&self, from: u64, random: u64) -> Option<usize> {
        let members = || self.chosen(from);
        let total: u64 = members()
            .map(|(_, member, _)| u64::from(member.weight))
            .sum();
        let share = |member: &Member| match total {
            0 => 1,
            _ => u64::from(member.weight),
        };
        let all: u64 = members().map(|(_, member, _)| share(member)).sum();
        let place = u64::try_from((u128::from(random) * u128::from(all)) >> 64).unwrap_or(0);
        let mut passed = 0;
        for (index, member, _) in members() {
            passed += share(member);
            if place < passed {
                return Some(index);
            }
        }
        None
    }

    /// Weighted rendezvous hashing: every target has a score for the hash, the highest that has
    /// room gets it.
    fn by_hash(&self, from: u64, hash: u64) -> Option<usize> {
        let total: u64 = self
            .chosen(from)
            .map(|(_, member, _)| u64::from(member.weight))
            .sum();
        let under_way: u64 = self
            .chosen(from)
            .map(|(_, _, target)| u64::from(target.under_way()))
            .sum();
        let has_room = |member: &Member, target: &Target| {
            if self.rules.load_percent == 0 || total == 0 {
                return true;
            }
            // At least the average: below that there might be room nowhere.
            let percent = self.rules.load_percent.max(100);
            let fair = (under_way + 1) * u64::from(member.weight) * percent;
            u64::from(target.under_way()) < fair.div_ceil(total * 100)
        };
        let mut best: Option<(f64, usize)> = None;
        let mut best_of_all: Option<(f64, usize)> = None;
        for (index, member, target) in self.chosen(from) {
            let score = score(member, hash, total == 0);
            if best_of_all.is_none_or(|(most, _)| score > most) {
                best_of_all = Some((score, index));
            }
            if has_room(member, target) && best.is_none_or(|(most, _)| score > most) {
                best = Some((score, index));
            }
        }
        best.or(best_of_all).map(|(_, index)| index)
    }

    fn chosen(&self, from: u64) -> impl Iterator<Item = (usize, &Member, &Target)> {
        self.members
            .iter()
            .enumerate()
            .filter(move |(index, _)| from & (1 << index) != 0)
            .map(|(index, (member, target))| (index, member, &**target))
    }

    /// A call to a target begins; false: others were faster, and it has as many as it takes.
    #[must_use]
    pub fn begin(&self, index: usize) -> bool {
        let target = self.members.get(index).map(|(_, target)| target);
        target.is_some_and(|target| target.begin(self.rules.most_under_way))
    }

    /// A call that has begun is over.
    pub fn end(&self, index: usize) {
        if let Some((_, target)) = self.members.get(index) {
            target.end();
        }
    }

    /// How a call to a picked target went. Of a trial it must be told, be it [`Outcome::Neutral`]:
    /// no other is made before.
    pub fn settle(&self, picked: Picked, outcome: Outcome, now_ms: u64) -> Option<Change> {
        let (_, target) = self.members.get(picked.index)?;
        let Some(rules) = self.rules.ejection else {
            // For whoever looks at the target.
            target.note(outcome, &EjectionRules::default(), now_ms);
            return picked
                .is_trial
                .then(|| target.settle_trial(outcome, &EjectionRules::default(), now_ms))
                .flatten();
        };
        let wants_ejection = target.note(outcome, &rules, now_ms);
        if picked.is_trial {
            return target.settle_trial(outcome, &rules, now_ms);
        }
        if !wants_ejection {
            return None;
        }
        let _one_at_a_time = self.ejecting.lock();
        if target.is_ejected() || !self.may_eject() {
            return None;
        }
        Some(target.eject(&rules, now_ms))
    }

    fn may_eject(&self) -> bool {
        let count = self.members.len() as u64;
        let is_ejected = |(_, target): &&(Member, Arc<Target>)| target.is_ejected();
        let ejected = self.members.iter().filter(is_ejected).count() as u64;
        let most = (count * self.rules.max_ejected_percent / 100).max(1);
        ejected + 1 < count && ejected < most || (ejected == 0 && count > 1)
    }

    /// The result of an active check.
    pub fn check(
        &self,
        index: usize,
        is_good: bool,
        rules: CheckRules,
        now_ms: u64,
    ) -> Option<Change> {
        let (_, target) = self.members.get(index)?;
        target.check(is_good, rules, now_ms)
    }

    /// What is known of each target, in their order.
    #[must_use]
    pub fn view(&self, now_ms: u64) -> Vec<TargetView> {
        self.members
            .iter()
            .map(|(_, target)| {
                let (succeeded, failed) = target.counts(now_ms);
                TargetView {
                    health: target.health(now_ms),
                    under_way: target.under_way(),
                    succeeded,
                    failed,
                }
            })
            .collect()
    }
}

/// `-weight / ln(u)` for `u` evenly in (0, 1): the highest of several is each one's with its
/// weight's share (Schindelhauer and Schomaker).
fn score(member: &Member, hash: u64, is_even: bool) -> f64 {
    let mixed = mix(member.hash ^ mix(hash));
    // 53 bits, so that neither 0 nor 1 can come out.
    let unit = ((mixed >> 11) as f64 + 0.5) / (1_u64 << 53) as f64;
    let weight = if is_even {
        1.0
    } else {
        f64::from(member.weight)
    };
    -weight / unit.ln()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::split::hash;

    fn group(weights: &[u32], rules: GroupRules) -> Group {
        let member = |(index, weight): (usize, &u32)| Member::new(hash(&[index as u8]), *weight);
        Group::new(weights.iter().enumerate().map(member).collect(), rules)
    }

    fn spread(group: &Group, calls: u64, way: impl Fn(u64) -> Way) -> Vec<u64> {
        let mut counts = vec![0; group.len()];
        for number in 0..calls {
            let picked = group
                .pick(0, way(number), mix(number + 1), 0, true)
                .unwrap();
            counts[picked.index] += 1;
        }
        counts
    }

    fn fail(group: &Group, index: usize, now_ms: u64) -> Option<Change> {
        let picked = Picked {
            index,
            is_trial: false,
            is_panic: false,
        };
        (0..3).find_map(|_| group.settle(picked, Outcome::Failure, now_ms))
    }

    #[test]
    fn shares_are_by_weight_both_ways() {
        let group = group(&[1, 2, 5, 0], GroupRules::default());
        for way in [|_| Way::LeastRequest, |number| Way::Hash(mix(number))] {
            let counts = spread(&group, 80_000, way);
            for (count, share) in counts.iter().zip([10_000.0, 20_000.0, 50_000.0, 0.0_f64]) {
                assert!((*count as f64 - share).abs() <= share * 0.05, "{counts:?}");
            }
        }
    }

    #[test]
    fn the_freer_one_gets_the_call() {
        let group = group(&[1, 1], GroupRules::default());
        assert!(group.begin(0));
        assert_eq!(spread(&group, 100, |_| Way::LeastRequest), [0, 100]);
        group.end(0);
        assert!(spread(&group, 100, |_| Way::LeastRequest)[0] > 20);
    }

    #[test]
    fn a_full_target_gets_no_call() {
        let rules = GroupRules {
            most_under_way: 2,
            ..GroupRules::default()
        };
        let group = group(&[1, 1], rules);
        for way in [Way::LeastRequest, Way::Hash(5)] {
            for number in 0..4 {
                let picked = group.pick(0, way, mix(number), 0, true).unwrap();
                assert!(group.begin(picked.index));
            }
            assert_eq!(group.pick(0, way, 1, 0, true), Err(NoPick::Full));
            assert!(!group.begin(1), "who was slower");
            group.end(1);
            let picked = group.pick(0, way, 1, 0, true);
            assert_eq!(picked.map(|picked| picked.index), Ok(1));
            group.end(1);
            group.end(0);
            group.end(0);
        }
    }

    #[test]
    fn one_that_goes_moves_only_its_own_keys() {
        let whole = group(&[1, 1, 1, 1], GroupRules::default());
        let before: Vec<usize> = (0..2_000)
            .map(|key| {
                whole
                    .pick(0, Way::Hash(mix(key)), 0, 0, true)
                    .unwrap()
                    .index
            })
            .collect();
        assert!(fail(&whole, 2, 0).is_some());
        for (key, index) in before.iter().enumerate() {
            let now = whole
                .pick(0, Way::Hash(mix(key as u64)), 0, 0, false)
                .unwrap();
            if *index != 2 {
                assert_eq!(now.index, *index);
            }
            assert_ne!(now.index, 2);
        }
        // The order of the list means nothing.
        let members = [3_u8, 1, 0, 2].map(|name| Member::new(hash(&[name]), 1));
        let shuffled = Group::new(members.into(), GroupRules::default());
        for (key, index) in before.iter().enumerate() {
            let now = shuffled
                .pick(0, Way::Hash(mix(key as u64)), 0, 0, true)
                .unwrap();
            assert_eq!([3, 1, 0, 2][now.index], *index);
        }
    }

    #[test]
    fn a_hot_key_does_not_drown_its_target() {
        let group = group(
            &[1, 1, 1],
            GroupRules {
                load_percent: 125,
                ..GroupRules::default()
            },
        );
        let mut under_way = [0_u64; 3];
        for calls in 1..=300_u64 {
            let picked = group.pick(0, Way::Hash(7), 0, 0, true).unwrap();
            assert!(group.begin(picked.index));
            under_way[picked.index] += 1;
            let most = (calls * 125).div_ceil(300);
            assert!(
                under_way.iter().all(|count| *count <= most),
                "{under_way:?}"
            );
        }
    }

    #[test]
    fn tried_ones_are_taken_last() {
        let group = group(&[1, 1, 1], GroupRules::default());
        for number in 0..100 {
            let picked = group
                .pick(0, Way::LeastRequest, mix(number), 0b011, true)
                .unwrap();
            assert_eq!(picked.index, 2);
        }
        assert!(group.pick(0, Way::LeastRequest, 1, 0b111, true).is_ok());
        assert!(
            Group::new(Vec::new(), GroupRules::default())
                .pick(0, Way::LeastRequest, 1, 0, true)
                .is_err()
        );
    }

    #[test]
    fn never_too_many_are_ejected() {
        let four = group(&[1; 4], GroupRules::default());
        assert!(fail(&four, 0, 0).is_some());
        assert!(fail(&four, 1, 0).is_some());
        assert!(fail(&four, 2, 0).is_none(), "half is the most");
        let one = group(&[1], GroupRules::default());
        assert!(fail(&one, 0, 0).is_none(), "the only one stays");
        let all = GroupRules {
            max_ejected_percent: 100,
            ..GroupRules::default()
        };
        let two = group(&[1; 2], all);
        assert!(fail(&two, 0, 0).is_some());
        assert!(fail(&two, 1, 0).is_none(), "the last one stays");
    }

    #[test]
    fn in_a_panic_health_is_ignored() {
        let rules = CheckRules {
            healthy: 1,
            unhealthy: 1,
        };
        let three = group(
            &[1; 3],
            GroupRules {
                panic_percent: 50,
                ..GroupRules::default()
            },
        );
        three.check(0, false, rules, 0);
        assert_eq!(spread(&three, 300, |_| Way::LeastRequest)[0], 0);
        three.check(1, false, rules, 0);
        let counts = spread(&three, 300, |_| Way::LeastRequest);
        assert!(counts.iter().all(|count| *count > 50), "{counts:?}");
        assert!(
            three
                .pick(0, Way::LeastRequest, 0, 0, true)
                .unwrap()
                .is_panic
        );
        let strict = group(
            &[1],
            GroupRules {
                panic_percent: 0,
                ..GroupRules::default()
            },
        );
        strict.check(0, false, rules, 0);
        assert_eq!(
            strict.pick(0, Way::LeastRequest, 0, 0, true),
            Err(NoPick::NoneWell)
        );
    }

    #[test]
    fn what_is_known_outlives_a_change_of_the_list() {
        let three = group(&[1; 3], GroupRules::default());
        assert!(fail(&three, 1, 0).is_some());
        let members = vec![Member::new(hash(&[1]), 4), Member::new(hash(&[9]), 1)];
        let renewed = three.renew(members, GroupRules::default(), false);
        let view = renewed.view(1);
        assert!(matches!(view[0].health, Health::Ejected { .. }), "{view:?}");
        assert_eq!(view[1].health, Health::Healthy);
    }

    proptest! {
        #[test]
        fn a_pick_is_one_that_was_not_tried(
            weights in proptest::collection::vec(0_u32..1_000, 1..64),
            tried in any::<u64>(),
            random in any::<u64>(),
            by_hash in any::<bool>(),
        ) {
            let group = group(&weights, GroupRules::default());
            let way = if by_hash { Way::Hash(random) } else { Way::LeastRequest };
            let picked = group.pick(0, way, random, tried, true).unwrap();
            prop_assert!(picked.index < weights.len());
            let all = if weights.len() == 64 { u64::MAX } else { (1 << weights.len()) - 1 };
            if all & !tried != 0 {
                prop_assert_eq!(tried & (1 << picked.index), 0);
            }
        }
    }
}
