//! Writing records, on one thread.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use crate::frame::{FRAME_HEADER, MAX_RECORD, seal};
use crate::header::{SEGMENT_HEADER, SegmentHeader};
use crate::journal::{Shared, WriterShared};
use crate::map::MappedFile;
use crate::stream::{SegmentFile, Slot, delete};

/// How long a writer that got no file waits before it asks for one again.
const RETRY: Duration = Duration::from_millis(500);
/// Files that were read and wait to be used again. The first touch of a page of a new file costs
/// some microseconds, as much as writing fifty records; a page that is in use costs nothing.
const SPARE_FILES: usize = 5;
/// What stands behind the last frame: a length of zero.
const TERMINATOR: usize = 4;

/// Where a record is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kept {
    /// In a file: it outlives the process.
    File,
    /// In memory: no file could take it.
    Memory,
    /// Nowhere: memory is full as well, or the record is longer than [`MAX_RECORD`] or empty.
    Dropped,
}

/// Appends records to a journal of its own.
pub struct Writer {
    shared: Arc<Shared>,
    journal: Arc<WriterShared>,
    open: Option<OpenSegment>,
    /// Files that the reader has read, or will have.
    spare: Vec<SpareFile>,
    /// Position where the next segment begins.
    next_base: u64,
    /// Not before then a file is asked for again.
    retry_at: Option<Instant>,
}

struct OpenSegment {
    file: SpareFile,
    base: u64,
    /// Where in the map the next frame begins.
    at: usize,
}

/// A file and its map.
struct SpareFile {
    path: PathBuf,
    map: MappedFile,
    slot: Arc<Slot>,
}

impl Writer {
    pub(crate) fn new(shared: Arc<Shared>, journal: Arc<WriterShared>) -> Self {
        Self {
            shared,
            journal,
            open: None,
            spare: Vec::new(),
            next_base: 0,
            retry_at: None,
        }
    }

    /// Appends a record of exactly `len` bytes, which `write` fills in; they may be of an earlier
    /// record before. When this returns [`Kept::File`], the record outlives the process, however
    /// that ends.
    ///
    /// It costs no system call and no allocation, but for one in some thousand records, when a
    /// file is full.
    pub fn append(&mut self, len: usize, write: impl FnOnce(&mut [u8])) -> Kept {
        if len == 0 || len > MAX_RECORD {
            self.shared.dropped.fetch_add(1, Ordering::Relaxed);
            return Kept::Dropped;
        }
        let size = FRAME_HEADER + len;
        let has_room = match &mut self.open {
            Some(open) => open.file.map.bytes_mut().len() - open.at >= size + TERMINATOR,
            None => false,
        };
        if !has_room && !self.next_segment(size) {
            return self.append_to_memory(len, write);
        }
        let Some(open) = &mut self.open else {
            return self.append_to_memory(len, write);
        };
        let position = open.base + open.at as u64;
        let bytes = &mut open.file.map.bytes_mut()[open.at..open.at + size + TERMINATOR];
        let (frame, terminator) = bytes.split_at_mut(size);
        terminator.fill(0);
        write(&mut frame[FRAME_HEADER..]);
        seal(frame, position);
        open.at += size;
        let end = position + size as u64;
        self.journal.published.store(end, Ordering::Release);
        self.count();
        Kept::File
    }

    /// This thread is the only one that writes the counter.
    fn count(&self) {
        let taken = self.journal.taken.load(Ordering::Relaxed);
        self.journal.taken.store(taken + 1, Ordering::Relaxed);
    }

    #[cold]
    fn append_to_memory(&mut self, len: usize, write: impl FnOnce(&mut [u8])) -> Kept {
        if self.journal.overflow.push(len, write) {
            self.count();
            return Kept::Memory;
        }
        self.shared.dropped.fetch_add(1, Ordering::Relaxed);
        Kept::Dropped
    }

    /// Goes on in another file; whether there is one.
    #[cold]
    fn next_segment(&mut self, size: usize) -> bool {
        self.put_aside();
        if self.retry_at.is_some_and(|at| Instant::now() < at) {
            return false;
        }
        match self.find_segment(size) {
            Ok(open) => {
                if self.retry_at.take().is_some() {
                    tracing::info!("usage events go to the journal's files again");
                    self.journal.is_failing.store(false, Ordering::Relaxed);
                }
                self.open = Some(open);
                true
            }
            Err(error) => {
                if self.retry_at.is_none() {
                    tracing::error!(%error, "the journal gets no file: usage events are kept in memory");
                }
                self.journal.is_failing.store(true, Ordering::Relaxed);
                self.retry_at = Some(Instant::now() + RETRY);
                false
            }
        }
    }

    /// Keeps the file that is full for later, or leaves it to the reader to delete.
    fn put_aside(&mut self) {
        let Some(open) = self.open.take() else {
            return;
        };
        if self.spare.len() < SPARE_FILES {
            open.file.slot.keep();
            self.spare.push(open.file);
        }
        // Nothing follows in it: when it is read, it is free, even if there is no other one.
        self.journal
            .published
            .store(self.next_base, Ordering::Release);
    }

    fn find_segment(&mut self, size: usize) -> io::Result<OpenSegment> {
        let capacity = self.shared.options.segment_bytes;
        if capacity < SEGMENT_HEADER + (size + TERMINATOR) as u64 {
            return Err(io::Error::other("the record is larger than a file"));
        }
        let file = match self.spare.iter().position(|file| file.slot.take()) {
            Some(index) => self.spare.swap_remove(index),
            None => self.create_file(capacity)?,
        };
        Ok(self.begin(file, capacity))
    }

    fn create_file(&self, capacity: u64) -> io::Result<SpareFile> {
        let file_bytes = &self.shared.file_bytes;
        let before = file_bytes.fetch_add(capacity, Ordering::Relaxed);
        let path = self.shared.own.join(self.header(capacity).file_name());
        let made = if before + capacity > self.shared.options.max_bytes {
            Err(io::Error::other(
                "the journal's files have reached their limit",
            ))
        } else {
            MappedFile::create(&path, capacity)
        };
        match made {
            Ok(map) => Ok(SpareFile {
                path,
                map,
                slot: Arc::default(),
            }),
            Err(error) => {
                file_bytes.fetch_sub(capacity, Ordering::Relaxed);
                Err(error)
            }
        }
    }

    fn header(&self, capacity: u64) -> SegmentHeader {
        SegmentHeader {
            journal: self.journal.id,
            base: self.next_base,
            capacity,
        }
    }

    fn begin(&mut self, mut file: SpareFile, capacity: u64) -> OpenSegment {
        let header = self.header(capacity);
        let at = SEGMENT_HEADER as usize;
        let bytes = file.map.bytes_mut();
        // What stood here before must not look like the first record.
        bytes[at..at + TERMINATOR].fill(0);
        header.write(bytes);
        let segment = SegmentFile::new(file.path.clone(), header, Arc::clone(&file.slot));
        self.journal.new_segments.lock().push_back(segment);
        self.next_base += capacity;
        OpenSegment {
            file,
            base: header.base,
            at,
        }
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        for file in &self.spare {
            if file.slot.abandon() {
                delete(&file.path);
                let capacity = self.shared.options.segment_bytes;
                self.shared
                    .file_bytes
                    .fetch_sub(capacity, Ordering::Relaxed);
            }
        }
        self.journal.is_failing.store(false, Ordering::Relaxed);
        self.journal.is_closed.store(true, Ordering::Release);
    }
}
