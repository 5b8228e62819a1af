//! Answers that nodes share: looked for when this node has none, and given to the others when one
//! is stored here.

use std::sync::Arc;
use std::time::Duration;

use apiverse_cache::{Asked, Audience, Entry, KeyWriter, Stored, decode, encode, variant_of};
use apiverse_cluster::{Count, New, Place};

use super::call::Caching;
use super::hints::Hint;
use super::{Caches, now_ms};

/// Answers that are of use for less time are not worth a place.
const SHORTEST_MS: i64 = 1000;
/// An answer with more tags than that is kept by its node.
const MOST_MARKS: usize = 200;

impl Caching {
    /// The answer that another node has stored, if it is newer than ours; it is in the memory
    /// then. What is fetched after this look may be shared in turn.
    pub(super) async fn consult(
        &mut self,
        caches: &Caches,
        sample: Option<&Entry>,
    ) -> Option<Arc<Entry>> {
        let answers = caches.spread.answers()?;
        let api = self.api.id.0.as_u128();
        // Before anything else: a purge from here on voids what is found.
        self.begun = caches.memory.purges().count();
        let is_kept = caches.hints.get(self.keys.common(), now_ms()) != Hint::NotStored;
        if !is_kept || caches.spread.is_behind(api) {
            return None;
        }
        // Who wants it from the upstream only needs the count.
        let all = self.visitor.audiences(&self.policy.rules);
        let mut audiences: Vec<Audience> = all.into_iter().flatten().collect();
        if self.directives.no_cache {
            audiences.clear();
        }
        let places: Vec<Place> = audiences
            .iter()
            .map(|audience| place(&mut self.keys, audience))
            .collect();
        let fields = &self.fields;
        let mut known: Vec<[u8; 16]> = variant_of("", fields).into_iter().collect();
        known.extend(sample.and_then(|sample| variant_of(&sample.varies_by(), fields)));
        known.dedup();
        let variant = |list: &str| variant_of(list, fields);
        let found = answers.find(api, &places, &known, variant).await?;
        self.count = Some(found.count);
        let (at, bytes) = found.answer?;
        let entry = decode(&bytes).ok()?;
        let now = now_ms();
        let asked = Asked {
            visitor: self.visitor,
            directives: self.directives,
            fields: &self.fields,
        };
        let is_newer = self
            .entry
            .as_ref()
            .is_none_or(|own| own.freshness.came_ms < entry.freshness.came_ms);
        // That it is for this caller is part of where it is; this is the second look.
        let is_mine = audiences.get(at) == Some(&entry.audience) && entry.is_for(&asked);
        if !is_newer || !is_mine || entry.freshness.useful_ms(now) <= 0 {
            return None;
        }
        let entry = caches.memory.prepare(entry, api, self.begun);
        match caches.memory.store(&mut self.keys, entry, now) {
            Stored::Yes(entry) => Some(entry),
            Stored::Purged => None,
        }
    }
}

impl Caches {
    /// Gives an answer to the other nodes. `begun`: as Redis counted purges before it was asked
    /// for; `None`: nobody knows, so that it stays here.
    pub(super) fn share(&self, keys: &mut KeyWriter, entry: &Arc<Entry>, begun: Option<Count>) {
        let (Some(answers), Some(begun)) = (self.spread.answers(), begun) else {
            return;
        };
        let keep_ms = entry.freshness.useful_ms(now_ms());
        let marks = entry.signs();
        let is_fit = entry.size() <= answers.largest() && marks.len() <= MOST_MARKS;
        let keep = match u64::try_from(keep_ms) {
            Ok(keep) if is_fit && keep_ms >= SHORTEST_MS => Duration::from_millis(keep),
            _ => return,
        };
        let new = New {
            api: entry.api,
            place: place(keys, &entry.audience),
            variant: entry.variant(),
            names: entry.varies_by(),
            begun,
            marks,
            keep,
            size: entry.size(),
        };
        let entry = Arc::clone(entry);
        answers.store(new, move |out| encode(&entry, out));
    }
}

/// The same on every node.
fn place(keys: &mut KeyWriter, audience: &Audience) -> Place {
    Place(*blake3::hash(keys.key(audience)).as_bytes())
}
