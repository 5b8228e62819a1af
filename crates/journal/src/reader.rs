//! Reading all journals, in batches.

use std::io;
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use uuid::Uuid;

use crate::adopt::{adopt, remove_folder};
use crate::frame::{Frame, MAX_RECORD};
use crate::journal::{Shared, WriterShared, lock_parent};
use crate::stream::{Room, Source, Stream};

/// Bytes of a batch: room for the largest record in any case.
const BATCH_BYTES: usize = 2 << 20;

/// How far a batch goes in one journal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mark {
    pub journal: Uuid,
    /// What was acknowledged before.
    pub from: u64,
    /// What is to be acknowledged when the batch is stored.
    pub to: u64,
}

/// Records of several journals. Its memory is used again.
#[derive(Default)]
pub struct Batch {
    bytes: Vec<u8>,
    records: Vec<(u32, u32)>,
    marks: Vec<Mark>,
    is_full: bool,
}

impl Batch {
    /// The records, in the order of each journal.
    pub fn records(&self) -> impl ExactSizeIterator<Item = &[u8]> {
        self.records.iter().map(|(start, end)| {
            let range: Range<usize> = *start as usize..*end as usize;
            &self.bytes[range]
        })
    }

    #[must_use]
    pub fn marks(&self) -> &[Mark] {
        &self.marks
    }

    #[must_use]
    pub fn len(&self) -> usize {
        self.records.len()
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.records.is_empty()
    }

    /// Whether more may be waiting.
    #[must_use]
    pub const fn is_full(&self) -> bool {
        self.is_full
    }
}

/// Reads what all writers of this process append, and what other processes left.
pub struct Reader {
    shared: Arc<Shared>,
    streams: Vec<Stream>,
    finished: Vec<Uuid>,
}

impl Reader {
    pub(crate) fn new(shared: Arc<Shared>) -> Self {
        Self {
            shared,
            streams: Vec::new(),
            finished: Vec::new(),
        }
    }

    /// Takes over what processes left in the folder that are gone; those that run hold a lock.
    ///
    /// # Errors
    /// When the folder cannot be read; what was found before is taken over.
    pub fn adopt(&mut self) -> io::Result<()> {
        let shared = &self.shared;
        let bytes = adopt(&shared.options.folder, &shared.own, &mut self.streams)?;
        shared.file_bytes.fetch_add(bytes, Ordering::Relaxed);
        Ok(())
    }

    /// Journals of others, of which only the database knows how far they were stored. Nothing of
    /// them is read before [`Reader::set_position`].
    #[must_use]
    pub fn unpositioned(&self) -> Vec<Uuid> {
        let unknown = self.streams.iter().filter(|s| s.acknowledged.is_none());
        unknown.map(|stream| stream.id).collect()
    }

    /// Says how far a journal is stored: 0 if the database knows nothing of it.
    pub fn set_position(&mut self, journal: Uuid, position: u64) {
        self.acknowledge_one(journal, position);
        self.rewind();
        self.remove_finished();
    }

    /// Reads at most `max_records` that were not acknowledged, from the beginning: a batch that
    /// was not stored comes again.
    pub fn fill(&mut self, batch: &mut Batch, max_records: usize) {
        self.find_streams();
        batch.bytes.resize(BATCH_BYTES, 0);
        batch.records.clear();
        batch.marks.clear();
        self.rewind();
        let mut room = Room {
            bytes: &mut batch.bytes,
            used: 0,
            records: &mut batch.records,
            max_records: max_records.max(1),
        };
        for stream in &mut self.streams {
            if let Err(error) = stream.fill(&mut room) {
                stream.skip_segment(&error);
            }
            if let Some(from) = stream.acknowledged
                && stream.read > from
            {
                batch.marks.push(Mark {
                    journal: stream.id,
                    from,
                    to: stream.read,
                });
            }
        }
        batch.is_full = room.is_full();
        // So that a journal with much to tell does not keep the others waiting.
        if !self.streams.is_empty() {
            self.streams.rotate_left(1);
        }
        if batch.is_empty() {
            batch.marks.clear();
            for stream in &mut self.streams {
                let freed = stream.settle_read();
                self.shared.file_bytes.fetch_sub(freed, Ordering::Relaxed);
            }
            self.remove_finished();
        }
    }

    /// The batch with these marks is stored for good: its files are no longer needed.
    pub fn acknowledge(&mut self, marks: &[Mark]) {
        for mark in marks {
            self.acknowledge_one(mark.journal, mark.to);
        }
        self.remove_finished();
    }

    /// Bytes that were appended and are not acknowledged.
    #[must_use]
    pub fn waiting_bytes(&self) -> u64 {
        self.streams.iter().map(Stream::waiting_bytes).sum()
    }

    /// Journals that are stored whole and whose files are gone, since this was last asked: nobody
    /// will ask for their positions again.
    pub fn take_finished(&mut self) -> Vec<Uuid> {
        std::mem::take(&mut self.finished)
    }

    /// Has the disk take what was appended so far and is not stored.
    ///
    /// # Errors
    /// When the disk refuses.
    pub fn sync(&mut self) -> io::Result<()> {
        self.find_streams();
        for stream in &mut self.streams {
            stream.sync()?;
        }
        Ok(())
    }

    /// Ends reading. The folder goes when all writers are gone and everything is acknowledged;
    /// else the next process finds it.
    pub fn close(mut self) -> Vec<Uuid> {
        self.find_streams();
        self.remove_finished();
        if self.streams.is_empty()
            && self.shared.writers.lock().is_empty()
            && let Ok(_guard) = lock_parent(&self.shared.options.folder)
        {
            remove_folder(&self.shared.own);
        }
        self.finished
    }

    fn acknowledge_one(&mut self, journal: Uuid, position: u64) {
        if let Some(stream) = self.streams.iter_mut().find(|s| s.id == journal) {
            let freed = stream.acknowledge(position);
            self.shared.file_bytes.fetch_sub(freed, Ordering::Relaxed);
        }
    }

    fn rewind(&mut self) {
        for stream in &mut self.streams {
            stream.rewind();
        }
    }

    /// Meets writers that are new, and their new files.
    fn find_streams(&mut self) {
        for writer in self.shared.writers.lock().iter() {
            if !self.streams.iter().any(|s| s.id == writer.id) {
                let source = Source::Live(Arc::clone(writer));
                self.streams.push(Stream::new(writer.id, source, Some(0)));
            }
            let is_known = self.streams.iter().any(|s| s.id == writer.overflow_id);
            if writer.overflow.len() > 0 && !is_known {
                let source = Source::Memory(Arc::clone(writer));
                let position = Some(writer.overflow.base());
                self.streams
                    .push(Stream::new(writer.overflow_id, source, position));
            }
        }
        for stream in &mut self.streams {
            stream.take_new_segments();
        }
    }

    fn remove_finished(&mut self) {
        for stream in self.streams.extract_if(.., |stream| stream.is_finished()) {
            for segment in &stream.segments {
                let freed = segment.release();
                self.shared.file_bytes.fetch_sub(freed, Ordering::Relaxed);
            }
            self.finished.push(stream.id);
            match &stream.source {
                Source::Live(writer) => forget_writer(&self.shared, writer),
                Source::Memory(_) => {}
                Source::Left(folder) => {
                    if Arc::strong_count(folder) == 1
                        && let Ok(_guard) = lock_parent(&self.shared.options.folder)
                    {
                        folder.remove();
                    }
                }
            }
        }
    }
}

fn forget_writer(shared: &Shared, writer: &Arc<WriterShared>) {
    let taken = writer.taken.load(Ordering::Relaxed);
    shared.taken_before.fetch_add(taken, Ordering::Relaxed);
    shared
        .writers
        .lock()
        .retain(|other| !Arc::ptr_eq(other, writer));
}

const _: () = assert!(BATCH_BYTES > 2 * Frame::size(MAX_RECORD));
