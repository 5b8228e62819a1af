//! One journal as the reader sees it.

use std::collections::VecDeque;
use std::fs::{self, File};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};

use uuid::Uuid;

use crate::adopt::AdoptedFolder;
use crate::frame::{FRAME_HEADER, Frame, MAX_RECORD, parse};
use crate::header::{SEGMENT_HEADER, SegmentHeader};
use crate::journal::WriterShared;

/// Who does what with a file when all of it is acknowledged. The writer decides when it goes on in
/// another file, so before anything in that one is published.
#[derive(Default)]
pub(crate) struct Slot(AtomicU8);

/// The reader deletes the file.
const DELETE: u8 = 0;
/// The writer has kept it to use it again.
const KEPT: u8 = 1;
/// The writer may use it again.
const FREE: u8 = 2;

impl Slot {
    /// The writer keeps the file.
    pub(crate) fn keep(&self) {
        self.0.store(KEPT, Ordering::Release);
    }

    /// The writer takes the file, to use it again, if it is free.
    pub(crate) fn take(&self) -> bool {
        let taken = self
            .0
            .compare_exchange(FREE, DELETE, Ordering::AcqRel, Ordering::Relaxed);
        taken.is_ok()
    }

    /// The reader needs the file no longer; whether it must be deleted.
    fn release(&self) -> bool {
        let freed = self
            .0
            .compare_exchange(KEPT, FREE, Ordering::AcqRel, Ordering::Relaxed);
        freed.is_err()
    }

    /// The writer keeps the file no longer; whether it must be deleted now.
    pub(crate) fn abandon(&self) -> bool {
        self.0.swap(DELETE, Ordering::AcqRel) == FREE
    }
}

/// A segment's file, opened when it is first read.
pub(crate) struct SegmentFile {
    pub(crate) path: PathBuf,
    pub(crate) header: SegmentHeader,
    slot: Arc<Slot>,
    file: Option<File>,
}

impl SegmentFile {
    pub(crate) fn new(path: PathBuf, header: SegmentHeader, slot: Arc<Slot>) -> Self {
        Self {
            path,
            header,
            slot,
            file: None,
        }
    }

    pub(crate) fn end(&self) -> u64 {
        self.header.base + self.header.capacity
    }

    fn file(&mut self) -> io::Result<&File> {
        if self.file.is_none() {
            self.file = Some(File::open(&self.path)?);
        }
        self.file.as_ref().ok_or(io::ErrorKind::NotFound.into())
    }

    /// Reads from `position` on, at most up to `limit`; fewer bytes than asked for only at the
    /// file's end.
    fn read(&mut self, position: u64, limit: u64, into: &mut [u8]) -> io::Result<usize> {
        let wanted = usize::try_from(limit.min(self.end()) - position).unwrap_or(usize::MAX);
        let wanted = wanted.min(into.len());
        let at = position - self.header.base;
        let file = self.file()?;
        let mut done = 0;
        while done < wanted {
            match file.read_at(&mut into[done..wanted], at + done as u64) {
                Ok(0) => break,
                Ok(count) => done += count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(done)
    }

    pub(crate) fn sync(&mut self) -> io::Result<()> {
        self.file()?.sync_data()
    }

    /// Gives the file back to its writer, or deletes it; how many bytes that frees.
    pub(crate) fn release(&self) -> u64 {
        if !self.slot.release() {
            return 0;
        }
        delete(&self.path);
        self.header.capacity
    }
}

pub(crate) fn delete(path: &Path) {
    match fs::remove_file(path) {
        Ok(()) => {}
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => warn(path, &error, "a segment cannot be deleted"),
    }
}

/// Where a journal's records come from.
pub(crate) enum Source {
    /// A writer of this process.
    Live(Arc<WriterShared>),
    /// What a process left that is gone.
    Left(Arc<AdoptedFolder>),
    /// The records in memory of a writer of this process.
    Memory(Arc<WriterShared>),
}

/// One journal, read in order.
pub(crate) struct Stream {
    pub(crate) id: Uuid,
    pub(crate) source: Source,
    /// Ascending; the first one is read.
    pub(crate) segments: VecDeque<SegmentFile>,
    /// What is done with for good, as the database says; `None` until it is asked.
    pub(crate) acknowledged: Option<u64>,
    /// Nothing before this has records that are not acknowledged.
    settled: u64,
    /// What was handed out.
    pub(crate) read: u64,
    /// Bytes are known to be on the disk up to here.
    pub(crate) synced: u64,
}

/// Where frames are read to.
pub(crate) struct Room<'a> {
    pub(crate) bytes: &'a mut [u8],
    /// How much of it is used.
    pub(crate) used: usize,
    pub(crate) records: &'a mut Vec<(u32, u32)>,
    pub(crate) max_records: usize,
}

impl Room<'_> {
    pub(crate) fn is_full(&self) -> bool {
        // A frame of the largest size always fits, so every read makes progress.
        self.records.len() >= self.max_records
            || self.bytes.len() - self.used < Frame::size(MAX_RECORD)
    }
}

/// What a run over bytes came to.
struct Run {
    /// Bytes of frames that were taken or passed over.
    consumed: usize,
    /// Nothing follows in this segment.
    at_end: bool,
}

impl Stream {
    pub(crate) fn new(id: Uuid, source: Source, acknowledged: Option<u64>) -> Self {
        Self {
            id,
            source,
            segments: VecDeque::new(),
            acknowledged,
            settled: acknowledged.unwrap_or(0),
            read: acknowledged.unwrap_or(0),
            synced: 0,
        }
    }

    /// Takes what the writer has begun since.
    pub(crate) fn take_new_segments(&mut self) {
        if let Source::Live(writer) = &self.source {
            self.segments.append(&mut writer.new_segments.lock());
        }
    }

    /// Where whole records end, as far as that is known without looking at them.
    pub(crate) fn published(&self) -> u64 {
        match &self.source {
            Source::Live(writer) => writer.published.load(Ordering::Acquire),
            Source::Memory(writer) => writer.overflow.end(),
            Source::Left(_) => self.segments.back().map_or(self.read, SegmentFile::end),
        }
    }

    /// Whether all that was published is settled.
    fn is_drained(&self) -> bool {
        self.settled >= self.published()
    }

    /// Bytes between what is settled and what was published; the gaps between files count.
    pub(crate) fn waiting_bytes(&self) -> u64 {
        self.published().saturating_sub(self.settled)
    }

    /// Whether nothing will come any more and all is acknowledged.
    pub(crate) fn is_finished(&self) -> bool {
        match &self.source {
            Source::Left(_) => self.segments.is_empty(),
            // In this order: nothing is published after the end. The writer is forgotten with its
            // files, so these wait for its memory.
            Source::Live(writer) => {
                writer.is_closed.load(Ordering::Acquire)
                    && self.is_drained()
                    && writer.overflow.len() == 0
            }
            Source::Memory(writer) => writer.is_closed.load(Ordering::Acquire) && self.is_drained(),
        }
    }

    /// Reads records that were not handed out.
    pub(crate) fn fill(&mut self, room: &mut Room<'_>) -> io::Result<()> {
        if self.acknowledged.is_none() {
            return Ok(());
        }
        if let Source::Memory(writer) = &self.source {
            if room.is_full() {
                return Ok(());
            }
            let count = writer
                .overflow
                .read(self.read, &mut room.bytes[room.used..]);
            let run = take_frames(room, self.read, count, false);
            self.read += run.consumed as u64;
            return Ok(());
        }
        let published = self.published();
        let mut index = 0;
        while let Some(segment) = self.segments.get_mut(index) {
            self.read = self.read.max(segment.header.base + SEGMENT_HEADER);
            if self.read < segment.end() && self.read < published {
                if room.is_full() {
                    return Ok(());
                }
                let into = &mut room.bytes[room.used..];
                let space = into.len();
                let count = segment.read(self.read, published, into)?;
                let run = take_frames(room, self.read, count, count < space);
                self.read += run.consumed as u64;
                if !run.at_end {
                    continue;
                }
                // In a segment that the writer may still write to, this is not its end.
                if published < segment.end() && matches!(self.source, Source::Live(_)) {
                    return Ok(());
                }
                self.read = segment.end();
            }
            if self.read < segment.end() {
                return Ok(());
            }
            index += 1;
        }
        Ok(())
    }

    /// Gives the first segment up, which cannot be read.
    pub(crate) fn skip_segment(&mut self, error: &io::Error) {
        let at = self.read;
        if let Some(segment) = self.segments.iter().find(|segment| segment.end() > at) {
            warn(
                &segment.path,
                error,
                "a segment cannot be read: its records are lost",
            );
            self.read = segment.end();
        }
    }

    /// Everything before `position` is done with. How many bytes of files were deleted.
    pub(crate) fn acknowledge(&mut self, position: u64) -> u64 {
        self.acknowledged = Some(position);
        if let Source::Memory(writer) = &self.source {
            writer.overflow.forget(position);
        }
        self.settle(position)
    }

    fn settle(&mut self, position: u64) -> u64 {
        self.settled = self.settled.max(position);
        self.read = self.read.max(position);
        let mut freed = 0;
        while let Some(first) = self.segments.front() {
            if first.end() > position {
                break;
            }
            freed += first.release();
            self.segments.pop_front();
        }
        freed
    }

    /// What was read holds no records: it needs nobody's acknowledgement. How many bytes of files
    /// were deleted.
    pub(crate) fn settle_read(&mut self) -> u64 {
        self.settle(self.read)
    }

    /// Hands the same out again that was not acknowledged.
    pub(crate) fn rewind(&mut self) {
        self.read = self.settled;
    }

    /// Has the disk take what was published.
    pub(crate) fn sync(&mut self) -> io::Result<()> {
        if !matches!(self.source, Source::Live(_)) {
            return Ok(());
        }
        self.take_new_segments();
        let published = self.published();
        if published <= self.synced {
            return Ok(());
        }
        let synced = self.synced;
        for segment in &mut self.segments {
            if segment.end() > synced && segment.header.base < published {
                segment.sync()?;
            }
        }
        self.synced = published;
        Ok(())
    }
}

/// Takes whole records out of the `count` bytes behind what is used, which stand at `position`.
/// `is_all`: no byte follows that would complete a frame.
fn take_frames(room: &mut Room<'_>, position: u64, count: usize, is_all: bool) -> Run {
    let begin = room.used;
    let end = begin + count;
    let position_of = |at: usize| position + (at - begin) as u64;
    let mut at = begin;
    let mut at_end = false;
    while room.records.len() < room.max_records {
        if end - at < FRAME_HEADER {
            at_end = is_all;
            break;
        }
        match parse(&room.bytes[at..end], position_of(at)) {
            Frame::Record(record) => {
                let start = at + FRAME_HEADER;
                // The room has far less than 4 GiB.
                room.records
                    .push((start as u32, (start + record.len()) as u32));
                at += Frame::size(record.len());
            }
            // One record is lost; what follows is not, if it shows that the length was right.
            Frame::Damaged { len: Some(len) }
                if is_record(
                    &room.bytes[..end],
                    at + Frame::size(len),
                    position_of(at + Frame::size(len)),
                ) =>
            {
                tracing::error!(bytes = len, "a record of the journal is damaged and lost");
                at += Frame::size(len);
            }
            Frame::Damaged { .. } | Frame::End => {
                at_end = true;
                break;
            }
            Frame::Incomplete => {
                at_end = is_all;
                break;
            }
        }
    }
    let consumed = at - begin;
    room.used = at;
    Run { consumed, at_end }
}

fn is_record(bytes: &[u8], at: usize, position: u64) -> bool {
    let rest = bytes.get(at..).unwrap_or_default();
    matches!(parse(rest, position), Frame::Record(_))
}

fn warn(path: &Path, error: &io::Error, what: &str) {
    tracing::error!(path = %path.display(), %error, "{what}");
}
