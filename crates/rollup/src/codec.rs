//! Sums as bytes.
//!
//! Version (1 byte), ids, texts, rows; each with its count before it. A row: flags, method, then
//! numbers: API, version, key (their place among the ids, from 1; 0: none), route (0: none, odd: an
//! id, even: a text), status (its sign in the lowest bit), error (a text's place from 1), calls,
//! cost of verifications, bytes in and out, the latencies' sum, in version 2 tokens read and
//! written, then the sketch's length and bytes. Without tokens it is version 1, which nodes that
//! know no tokens read too. Rows are in order, so the same sums are the same bytes.

use apiverse_contract::usage::CacheState;
use foldhash::HashMap;
use uuid::Uuid;

use crate::bytes::{Reader, put};
use crate::cells::{Cell, Cells};
use crate::dims::{Dims, Method, Route};
use crate::sketch::Sketch;

const VERSION: u8 = 1;
const WITH_TOKENS: u8 = 2;
const VERIFICATION: u8 = 1;
const REFUSED: u8 = 2;
const CACHE_SHIFT: u8 = 2;

/// Bytes that are no block of this version.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a block of usage sums is damaged")]
pub struct Corrupt;

/// One row of a block, read where it lies.
#[derive(Clone, Copy, Debug)]
pub struct Entry<'a> {
    pub is_verification: bool,
    pub refused: bool,
    pub cache: Option<CacheState>,
    pub api: Option<Uuid>,
    pub version: Option<Uuid>,
    pub route: RouteRef<'a>,
    pub key: Option<Uuid>,
    pub method: Method,
    pub status: i32,
    pub error: Option<&'a str>,
    pub calls: u64,
    pub cost: u64,
    pub bytes_in: u64,
    pub bytes_out: u64,
    pub latency_us: u64,
    pub tokens_in: u64,
    pub tokens_out: u64,
    pub(crate) sketch: &'a [u8],
}

/// [`Route`], borrowed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum RouteRef<'a> {
    None,
    Configured(Uuid),
    Learned(&'a str),
}

impl Entry<'_> {
    /// The row, to be kept.
    ///
    /// # Errors
    /// When its sketch is damaged.
    pub fn to_owned(&self) -> Result<(Dims, Cell), Corrupt> {
        let dims = Dims {
            is_verification: self.is_verification,
            api: self.api,
            version: self.version,
            route: match self.route {
                RouteRef::None => Route::None,
                RouteRef::Configured(id) => Route::Configured(id),
                RouteRef::Learned(text) => Route::Learned(text.into()),
            },
            key: self.key,
            method: self.method,
            status: self.status,
            error: self.error.map(Into::into),
            refused: self.refused,
            cache: self.cache,
        };
        let cell = Cell {
            calls: self.calls,
            cost: self.cost,
            bytes_in: self.bytes_in,
            bytes_out: self.bytes_out,
            latency_us: self.latency_us,
            tokens_in: self.tokens_in,
            tokens_out: self.tokens_out,
            sketch: Sketch::decode(self.sketch).ok_or(Corrupt)?,
        };
        Ok((dims, cell))
    }
}

/// Places of things that rows point to, from 1; 0 is none.
struct Places<T> {
    all: Vec<T>,
    known: HashMap<T, u64>,
}

impl<T: Clone + Eq + std::hash::Hash> Places<T> {
    fn new() -> Self {
        Self {
            all: Vec::new(),
            known: HashMap::default(),
        }
    }

    fn of(&mut self, value: Option<T>) -> u64 {
        let Some(value) = value else { return 0 };
        if let Some(place) = self.known.get(&value) {
            return *place;
        }
        self.all.push(value.clone());
        let place = self.all.len() as u64;
        self.known.insert(value, place);
        place
    }
}

impl Cells {
    /// The sums as a block.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut rows: Vec<(&Dims, &Cell)> = self.cells.iter().collect();
        rows.sort_unstable_by(|a, b| a.0.cmp(b.0));
        let mut ids = Places::new();
        let mut texts: Places<&str> = Places::new();
        let mut body = Vec::with_capacity(rows.len() * 32);
        let mut sketch = Vec::new();
        let has_tokens = rows
            .iter()
            .any(|(_, cell)| cell.tokens_in > 0 || cell.tokens_out > 0);
        for (dims, cell) in &rows {
            let mut flags = dims.cache.map_or(0, CacheState::code) << CACHE_SHIFT;
            if dims.is_verification {
                flags |= VERIFICATION;
            }
            if dims.refused {
                flags |= REFUSED;
            }
            body.push(flags);
            body.push(dims.method.code());
            put(&mut body, ids.of(dims.api));
            put(&mut body, ids.of(dims.version));
            put(&mut body, ids.of(dims.key));
            let route = match &dims.route {
                Route::None => 0,
                Route::Configured(id) => ids.of(Some(*id)) * 2 + 1,
                Route::Learned(text) => texts.of(Some(text)) * 2,
            };
            put(&mut body, route);
            let status = i64::from(dims.status);
            put(
                &mut body,
                status.unsigned_abs() << 1 | u64::from(status < 0),
            );
            put(&mut body, texts.of(dims.error.as_deref()));
            for number in [
                cell.calls,
                cell.cost,
                cell.bytes_in,
                cell.bytes_out,
                cell.latency_us,
            ] {
                put(&mut body, number);
            }
            if has_tokens {
                put(&mut body, cell.tokens_in);
                put(&mut body, cell.tokens_out);
            }
            sketch.clear();
            cell.sketch.encode(&mut sketch);
            put(&mut body, sketch.len() as u64);
            body.extend_from_slice(&sketch);
        }
        let mut out = Vec::with_capacity(body.len() + ids.all.len() * 16 + 64);
        out.push(if has_tokens { WITH_TOKENS } else { VERSION });
        put(&mut out, ids.all.len() as u64);
        for id in &ids.all {
            out.extend_from_slice(id.as_bytes());
        }
        put(&mut out, texts.all.len() as u64);
        for text in &texts.all {
            put(&mut out, text.len() as u64);
            out.extend_from_slice(text.as_bytes());
        }
        put(&mut out, rows.len() as u64);
        out.extend_from_slice(&body);
        out
    }

    /// # Errors
    /// When the bytes are no block.
    pub fn decode(bytes: &[u8]) -> Result<Self, Corrupt> {
        let mut cells = Self::default();
        entries(bytes, |entry| {
            let (dims, cell) = entry.to_owned()?;
            cells.merge(dims, &cell);
            Ok(())
        })?;
        Ok(cells)
    }
}

/// Calls `found` for each row of a block.
///
/// # Errors
/// When the bytes are no block, or with the first error of `found`; rows before were found.
pub fn entries<'a>(
    bytes: &'a [u8],
    mut found: impl FnMut(Entry<'a>) -> Result<(), Corrupt>,
) -> Result<(), Corrupt> {
    let mut reader = Reader(bytes);
    let Head {
        has_tokens,
        ids,
        texts,
        rows,
    } = head(&mut reader).ok_or(Corrupt)?;
    for _ in 0..rows {
        found(row(&mut reader, &ids, &texts, has_tokens).ok_or(Corrupt)?)?;
    }
    if reader.0.is_empty() {
        Ok(())
    } else {
        Err(Corrupt)
    }
}

struct Head<'a> {
    has_tokens: bool,
    ids: Vec<Uuid>,
    texts: Vec<&'a str>,
    rows: usize,
}

fn head<'a>(reader: &mut Reader<'a>) -> Option<Head<'a>> {
    let has_tokens = match reader.byte()? {
        VERSION => false,
        WITH_TOKENS => true,
        _ => return None,
    };
    let ids = (0..reader.count()?)
        .map(|_| reader.uuid())
        .collect::<Option<Vec<_>>>()?;
    let texts = (0..reader.count()?)
        .map(|_| reader.text())
        .collect::<Option<Vec<_>>>()?;
    Some(Head {
        has_tokens,
        ids,
        texts,
        rows: reader.count()?,
    })
}

fn row<'a>(
    reader: &mut Reader<'a>,
    ids: &[Uuid],
    texts: &[&'a str],
    has_tokens: bool,
) -> Option<Entry<'a>> {
    fn at<T: Copy>(all: &[T], place: u64) -> Option<Option<T>> {
        match usize::try_from(place).ok()?.checked_sub(1) {
            None => Some(None),
            Some(place) => all.get(place).copied().map(Some),
        }
    }
    let flags = reader.byte()?;
    let method = Method::from_code(reader.byte()?)?;
    let api = at(ids, reader.number()?)?;
    let version = at(ids, reader.number()?)?;
    let key = at(ids, reader.number()?)?;
    let route = reader.number()?;
    let route = match (route, route & 1) {
        (0, _) => RouteRef::None,
        (place, 1) => RouteRef::Configured(at(ids, place >> 1)??),
        (place, _) => RouteRef::Learned(at(texts, place >> 1)??),
    };
    let status = reader.number()?;
    let magnitude = i64::try_from(status >> 1).ok()?;
    let status = i32::try_from(if status & 1 == 1 {
        -magnitude
    } else {
        magnitude
    })
    .ok()?;
    let error = at(texts, reader.number()?)?;
    let mut numbers = [0; 5];
    for number in &mut numbers {
        *number = reader.number()?;
    }
    let [calls, cost, bytes_in, bytes_out, latency_us] = numbers;
    let [tokens_in, tokens_out] = match has_tokens {
        true => [reader.number()?, reader.number()?],
        false => [0, 0],
    };
    let sketch_len = reader.count()?;
    Some(Entry {
        is_verification: flags & VERIFICATION != 0,
        refused: flags & REFUSED != 0,
        cache: CacheState::from_code(flags >> CACHE_SHIFT),
        api,
        version,
        route,
        key,
        method,
        status,
        error,
        calls,
        cost,
        bytes_in,
        bytes_out,
        latency_us,
        tokens_in,
        tokens_out,
        sketch: reader.take(sketch_len)?,
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn dims() -> impl Strategy<Value = Dims> {
        let id = || prop::option::of((0u128..5).prop_map(Uuid::from_u128));
        let route = prop_oneof![
            Just(Route::None),
            (0u128..5).prop_map(|n| Route::Configured(Uuid::from_u128(n))),
            "/[a-cä]{0,3}".prop_map(|text| Route::Learned(text.into())),
        ];
        let cache = prop::option::of(prop::sample::select(&CacheState::ALL[..]));
        (
            (any::<bool>(), id(), id(), route, id()),
            (
                0u8..10,
                any::<i32>(),
                prop::option::of("[a-z_]{1,9}"),
                any::<bool>(),
                cache,
            ),
        )
            .prop_map(|(first, second)| Dims {
                is_verification: first.0,
                api: first.1,
                version: first.2,
                route: first.3,
                key: first.4,
                method: Method::from_code(second.0).expect("is one"),
                status: second.1,
                error: second.2.map(Into::into),
                refused: second.3,
                cache: second.4,
            })
    }

    fn cell() -> impl Strategy<Value = Cell> {
        let tokens = prop_oneof![Just([0, 0]), any::<[u64; 2]>()];
        let latencies = prop::collection::vec(any::<i64>(), 0..9);
        (any::<[u64; 5]>(), tokens, latencies).prop_map(|(n, tokens, latencies)| {
            let mut sketch = Sketch::default();
            for us in latencies {
                sketch.add(us);
            }
            Cell {
                tokens_in: tokens[0],
                tokens_out: tokens[1],
                calls: n[0],
                cost: n[1],
                bytes_in: n[2],
                bytes_out: n[3],
                latency_us: n[4],
                sketch,
            }
        })
    }

    proptest! {
        #[test]
        fn sums_come_back(rows in prop::collection::vec((dims(), cell()), 0..40)) {
            let mut cells = Cells::default();
            for (dims, cell) in rows {
                cells.merge(dims, &cell);
            }
            let bytes = cells.encode();
            prop_assert_eq!(Cells::decode(&bytes), Ok(cells.clone()));
            prop_assert_eq!(cells.encode(), bytes);
        }

        #[test]
        fn a_cut_block_is_an_error(rows in prop::collection::vec((dims(), cell()), 1..6), keep in any::<prop::sample::Index>()) {
            let mut cells = Cells::default();
            for (dims, cell) in rows {
                cells.merge(dims, &cell);
            }
            let bytes = cells.encode();
            prop_assert_eq!(Cells::decode(&bytes[..keep.index(bytes.len())]), Err(Corrupt));
        }

        #[test]
        fn any_bytes_are_safe(mut bytes in prop::collection::vec(any::<u8>(), 0..200), ours in any::<bool>()) {
            if let (true, Some(first)) = (ours, bytes.first_mut()) {
                *first = VERSION + *first % 2;
            }
            let _ = Cells::decode(&bytes);
        }
    }

    #[test]
    fn sums_without_tokens_are_written_as_before_there_were_any() {
        let mut cells = Cells::default();
        cells.merge(Dims::default(), &Cell::default());
        assert_eq!(cells.encode()[0], VERSION);
        let cell = Cell {
            tokens_out: 1,
            ..Cell::default()
        };
        cells.merge(Dims::default(), &cell);
        assert_eq!(cells.encode()[0], WITH_TOKENS);
    }
}
