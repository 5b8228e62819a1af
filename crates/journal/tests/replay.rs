//! What was appended comes back once, whatever happens to the process and to the files.

use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};

use apiverse_journal::{Batch, Journal, Kept, Options, Reader, open};
use proptest::prelude::*;
use uuid::Uuid;

const SEGMENT: u64 = 4096;

fn options(folder: &Path) -> Options {
    Options {
        folder: folder.to_owned(),
        segment_bytes: SEGMENT,
        max_bytes: 1 << 20,
        overflow_bytes: 2000,
    }
}

fn start(folder: &Path) -> (Journal, Reader) {
    open(options(folder)).unwrap()
}

/// A database: rows, and the positions stored with them.
#[derive(Default)]
struct Database {
    rows: Vec<Vec<u8>>,
    positions: HashMap<Uuid, u64>,
}

impl Database {
    fn commit(&mut self, batch: &Batch) {
        for mark in batch.marks() {
            let known = self.positions.entry(mark.journal).or_default();
            assert_eq!(*known, mark.from, "no gap, no overlap");
            assert!(mark.to > mark.from);
            *known = mark.to;
        }
        self.rows.extend(batch.records().map(<[u8]>::to_vec));
    }

    fn position_all(&self, reader: &mut Reader) {
        for journal in reader.unpositioned() {
            let position = self.positions.get(&journal).copied().unwrap_or(0);
            reader.set_position(journal, position);
        }
    }

    /// Stores everything there is.
    fn drain(&mut self, reader: &mut Reader, at_once: usize) {
        reader.adopt().unwrap();
        self.position_all(reader);
        let mut batch = Batch::default();
        loop {
            reader.fill(&mut batch, at_once);
            if batch.is_empty() {
                return;
            }
            assert!(batch.len() <= at_once);
            self.commit(&batch);
            reader.acknowledge(batch.marks());
        }
    }
}

fn record(number: u32, len: usize) -> Vec<u8> {
    let mut bytes = number.to_le_bytes().to_vec();
    bytes.resize(len.max(4), number as u8);
    bytes
}

fn segments(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for process in fs::read_dir(folder).unwrap() {
        let process = process.unwrap().path();
        if process.is_dir() {
            let files = fs::read_dir(process).unwrap().map(|e| e.unwrap().path());
            found.extend(files.filter(|path| path.extension().is_some_and(|e| e == "seg")));
        }
    }
    found.sort();
    found
}

#[derive(Clone, Debug)]
enum Step {
    Append {
        writer: usize,
        len: usize,
    },
    /// Read and store, but be interrupted before the acknowledgement.
    Store {
        at_once: usize,
        acknowledged: bool,
    },
    /// The process ends without a word, and another one starts.
    Kill,
    /// A thread ends.
    Close {
        writer: usize,
    },
    Sync,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        20 => (0..3usize, 4..1500usize).prop_map(|(writer, len)| Step::Append { writer, len }),
        4 => (1..40usize, any::<bool>()).prop_map(|(at_once, acknowledged)| Step::Store { at_once, acknowledged }),
        1 => Just(Step::Kill),
        1 => (0..3usize).prop_map(|writer| Step::Close { writer }),
        1 => Just(Step::Sync),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(100))]

    #[test]
    fn every_record_is_stored_once(steps in prop::collection::vec(step(), 1..150)) {
        let folder = tempfile::tempdir().unwrap();
        let mut database = Database::default();
        let (mut journal, mut reader) = start(folder.path());
        let mut writers: Vec<_> = (0..3).map(|_| journal.writer()).collect();
        let mut appended = Vec::new();
        let mut batch = Batch::default();
        for step in steps {
            match step {
                Step::Append { writer, len } => {
                    let bytes = record(appended.len() as u32, len);
                    let kept = writers[writer].append(bytes.len(), |to| to.copy_from_slice(&bytes));
                    prop_assert_eq!(kept, Kept::File);
                    appended.push(bytes);
                }
                Step::Store { at_once, acknowledged } => {
                    database.position_all(&mut reader);
                    reader.fill(&mut batch, at_once);
                    database.commit(&batch);
                    if acknowledged {
                        reader.acknowledge(batch.marks());
                    } else {
                        // As after a commit whose answer was lost.
                        for mark in batch.marks() {
                            reader.set_position(mark.journal, database.positions[&mark.journal]);
                        }
                    }
                }
                Step::Kill => {
                    drop((writers, reader, journal));
                    (journal, reader) = start(folder.path());
                    reader.adopt().unwrap();
                    writers = (0..3).map(|_| journal.writer()).collect();
                }
                Step::Close { writer } => writers[writer] = journal.writer(),
                Step::Sync => reader.sync().unwrap(),
            }
        }
        database.drain(&mut reader, 17);
        database.rows.sort();
        appended.sort();
        prop_assert_eq!(&database.rows, &appended);
        drop(writers);
        database.drain(&mut reader, 17);
        prop_assert_eq!(journal.status().file_bytes, 0);
        reader.close();
        prop_assert_eq!(segments(folder.path()), Vec::<PathBuf>::new());
    }

    /// The process dies while it writes: the last frame is there in part.
    #[test]
    fn a_torn_tail_loses_the_record_that_was_being_written_alone(
        lens in prop::collection::vec(4..900usize, 1..30),
        torn in any::<prop::sample::Index>(),
        garbage in any::<bool>(),
    ) {
        let folder = tempfile::tempdir().unwrap();
        let (journal, reader) = start(folder.path());
        let mut writer = journal.writer();
        let records: Vec<_> = lens.iter().enumerate().map(|(n, len)| record(n as u32, *len)).collect();
        for bytes in &records {
            writer.append(bytes.len(), |to| to.copy_from_slice(bytes));
        }
        drop((writer, reader, journal));
        let last = segments(folder.path()).pop().unwrap();
        let mut bytes = fs::read(&last).unwrap();
        let end = bytes.iter().rposition(|byte| *byte != 0).unwrap() + 1;
        let tail = &records[records.len() - 1];
        let frame = tail.len() + 8;
        // Where the frame began; a record may end with zeros.
        let begin = (64..=end).rev().find(|at| bytes[*at..].starts_with(&(tail.len() as u32).to_le_bytes())).unwrap();
        let keep = torn.index(frame);
        for (n, byte) in bytes[begin + keep..begin + frame].iter_mut().enumerate() {
            let damaged = if garbage { byte.wrapping_add(1 + n as u8 % 7) } else { 0 };
            *byte = damaged;
        }
        let changed = fs::read(&last).unwrap() != bytes;
        fs::write(&last, &bytes).unwrap();

        let mut database = Database::default();
        let (journal, mut reader) = start(folder.path());
        database.drain(&mut reader, 100);
        let expected = if changed { &records[..records.len() - 1] } else { &records[..] };
        prop_assert_eq!(&database.rows[..], expected);
        prop_assert_eq!(journal.status().file_bytes, 0);
    }

    /// Any file may be cut, or have any byte changed: no panic, nothing twice, nothing invented,
    /// and all that stands before the damage is there.
    #[test]
    fn damage_is_survived(
        lens in prop::collection::vec(4..600usize, 1..60),
        file in any::<prop::sample::Index>(),
        at in any::<prop::sample::Index>(),
        with in prop::option::of(1u8..),
    ) {
        let folder = tempfile::tempdir().unwrap();
        let (journal, reader) = start(folder.path());
        let mut writer = journal.writer();
        let records: Vec<_> = lens.iter().enumerate().map(|(n, len)| record(n as u32, *len)).collect();
        for bytes in &records {
            writer.append(bytes.len(), |to| to.copy_from_slice(bytes));
        }
        drop((writer, reader, journal));
        let files = segments(folder.path());
        let damaged = file.index(files.len());
        let mut bytes = fs::read(&files[damaged]).unwrap();
        let at = at.index(bytes.len());
        match with {
            Some(with) => bytes[at] ^= with,
            None => bytes.truncate(at),
        }
        fs::write(&files[damaged], &bytes).unwrap();

        let mut database = Database::default();
        let (_journal, mut reader) = start(folder.path());
        database.drain(&mut reader, 7);
        let mut expected = records.iter();
        for row in &database.rows {
            prop_assert!(expected.any(|record| record == row), "out of order, twice or invented");
        }
        if with.is_some() && at >= 64 {
            // One record, or in the worst case the rest of one file.
            let frames = |bytes: &Vec<u8>| bytes.len() as u64 + 8;
            let lost: u64 = records.iter().filter(|r| !database.rows.contains(r)).map(frames).sum();
            prop_assert!(lost <= SEGMENT);
        }
    }
}

#[test]
fn a_running_process_keeps_its_journal() {
    let folder = tempfile::tempdir().unwrap();
    let (journal, mut reader) = start(folder.path());
    let mut writer = journal.writer();
    writer.append(4, |to| to.copy_from_slice(b"mine"));

    let (_other, mut other_reader) = start(folder.path());
    let mut database = Database::default();
    database.drain(&mut other_reader, 10);
    assert!(database.rows.is_empty());
    database.drain(&mut reader, 10);
    assert_eq!(database.rows, [b"mine"]);
}

#[test]
fn memory_takes_what_the_disk_does_not() {
    let folder = tempfile::tempdir().unwrap();
    let mut limited = options(folder.path());
    limited.max_bytes = SEGMENT;
    let (journal, mut reader) = open(limited).unwrap();
    let mut writer = journal.writer();
    let mut kept = HashMap::new();
    let mut number = 0;
    while journal.status().dropped < 3 {
        let bytes = record(number, 100);
        let place = writer.append(bytes.len(), |to| to.copy_from_slice(&bytes));
        *kept.entry(format!("{place:?}")).or_insert(0) += 1;
        number += 1;
    }
    assert_eq!(kept["File"], (SEGMENT as usize - 64 - 4) / 108);
    assert_eq!(kept["Memory"], 2000 / 108);
    let status = journal.status();
    assert!(status.is_failing);
    assert_eq!(status.taken, u64::from(number) - 3);

    let mut database = Database::default();
    database.drain(&mut reader, 5);
    assert_eq!(database.rows.len() as u64, status.taken);
    // Room again: in memory at once, in a file after a while.
    while writer.append(4, |to| to.fill(1)) != Kept::File {
        database.drain(&mut reader, 5);
    }
    drop(writer);
    database.drain(&mut reader, 5);
    assert!(!journal.status().is_failing);
    assert_eq!(database.rows.len() as u64, journal.status().taken);
    assert_eq!(journal.status().file_bytes, 0);
    reader.close();
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1, "the lock");
}

#[test]
fn a_batch_that_was_not_stored_comes_again() {
    let folder = tempfile::tempdir().unwrap();
    let (journal, mut reader) = start(folder.path());
    let mut writer = journal.writer();
    for number in 0..10 {
        writer.append(4, |to| to.copy_from_slice(&record(number, 4)));
    }
    let mut batch = Batch::default();
    for _ in 0..3 {
        reader.fill(&mut batch, 4);
        assert_eq!(batch.len(), 4);
        assert!(batch.is_full());
    }
    let mut database = Database::default();
    database.drain(&mut reader, 4);
    assert_eq!(database.rows.len(), 10);
}

#[test]
fn records_that_no_segment_holds_are_dropped() {
    let folder = tempfile::tempdir().unwrap();
    let (journal, _reader) = start(folder.path());
    let mut writer = journal.writer();
    assert_eq!(writer.append(0, |_| {}), Kept::Dropped);
    assert_eq!(
        writer.append(apiverse_journal::MAX_RECORD + 1, |_| {}),
        Kept::Dropped
    );
    assert_eq!(journal.status().dropped, 2);
}

#[test]
fn a_folder_that_cannot_be_made_is_an_error() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("file");
    fs::write(&file, "").unwrap();
    let error = open(options(&file.join("journal")))
        .map(|_| ())
        .unwrap_err();
    assert!(error.to_string().contains("file/journal"));
}
