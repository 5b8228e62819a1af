//! The sums of a batch of calls, by minute, on their way into blocks.

use std::collections::BTreeMap;

use crate::bytes::{Reader, put};
use crate::cells::{Call, Cells};
use crate::codec::Corrupt;
use crate::step::Step;

/// Sums by the minute that calls began in.
#[derive(Clone, Debug, Default)]
pub struct Delta {
    minutes: BTreeMap<i64, Cells>,
}

impl Delta {
    /// Counts a call that began at `at_us`, microseconds since 1970.
    pub fn add(&mut self, at_us: i64, call: &Call<'_>) {
        let minute = Step::Minute.floor(at_us);
        self.minutes.entry(minute).or_default().add(call);
    }

    /// The first and the last minute; `None` when nothing was counted.
    #[must_use]
    pub fn span_us(&self) -> Option<(i64, i64)> {
        let (first, _) = self.minutes.first_key_value()?;
        let (last, _) = self.minutes.last_key_value()?;
        Some((*first, *last))
    }

    /// Minutes, ascending.
    pub fn iter(&self) -> impl Iterator<Item = (i64, &Cells)> {
        self.minutes.iter().map(|(minute, cells)| (*minute, cells))
    }

    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Vec::new();
        for (minute, cells) in &self.minutes {
            out.extend_from_slice(&minute.to_le_bytes());
            let block = cells.encode();
            put(&mut out, block.len() as u64);
            out.extend_from_slice(&block);
        }
        out
    }
}

/// Calls `found` with each minute of an encoded [`Delta`] and its block.
///
/// # Errors
/// When the bytes are none, or with the first error of `found`.
pub fn minutes<'a, E: From<Corrupt>>(
    bytes: &'a [u8],
    mut found: impl FnMut(i64, &'a [u8]) -> Result<(), E>,
) -> Result<(), E> {
    let mut reader = Reader(bytes);
    while !reader.0.is_empty() {
        let (minute, block) = minute(&mut reader).ok_or(Corrupt)?;
        found(minute, block)?;
    }
    Ok(())
}

fn minute<'a>(reader: &mut Reader<'a>) -> Option<(i64, &'a [u8])> {
    let start = i64::from_le_bytes(reader.take(8)?.try_into().ok()?);
    let len = reader.count()?;
    Some((start, reader.take(len)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn minutes_come_back() {
        let mut delta = Delta::default();
        assert_eq!(delta.span_us(), None);
        for at in [61_000_000, 5, -5, 119_999_999] {
            delta.add(at, &Call::default());
        }
        assert_eq!(delta.span_us(), Some((-60_000_000, 60_000_000)));
        let bytes = delta.encode();
        let mut seen = Vec::new();
        minutes::<Corrupt>(&bytes, |start, block| {
            let cells = Cells::decode(block)?;
            seen.push((start, cells.iter().map(|(_, cell)| cell.calls).sum::<u64>()));
            Ok(())
        })
        .expect("is well formed");
        assert_eq!(seen, [(-60_000_000, 1), (0, 1), (60_000_000, 2)]);
        for cut in 1..bytes.len() {
            let all =
                minutes::<Corrupt>(&bytes[..cut], |_, block| Cells::decode(block).map(|_| ()));
            let whole_minutes = minutes::<Corrupt>(&bytes, |_, _| Ok(())).is_ok();
            assert!(whole_minutes);
            // A cut between two minutes leaves the first ones readable; any other is an error.
            if all.is_ok() {
                let mut len = 0;
                for (_, cells) in delta.iter() {
                    len += 8 + 1 + cells.encode().len();
                    if len >= cut {
                        break;
                    }
                }
                assert_eq!(len, cut);
            }
        }
    }
}
