//! What processes left that are gone.

use std::collections::BTreeMap;
use std::fs::{self, File, TryLockError};
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use uuid::Uuid;

use crate::header::{SEGMENT_HEADER, SegmentHeader, is_blank, is_segment};
use crate::journal::{LOCK, lock_file, lock_parent};
use crate::stream::{SegmentFile, Source, Stream};

/// The folder of a process that is gone, ours by its lock.
pub(crate) struct AdoptedFolder {
    path: PathBuf,
    _lock: File,
}

/// Takes over every folder beside `own` that nobody holds. How many bytes its files have.
pub(crate) fn adopt(parent: &Path, own: &Path, streams: &mut Vec<Stream>) -> io::Result<u64> {
    let mut bytes = 0;
    // A folder that is just coming into being is not taken for one that was left.
    let _guard = lock_parent(parent)?;
    for entry in fs::read_dir(parent)? {
        let path = entry?.path();
        if path == own || !path.is_dir() {
            continue;
        }
        let lock = lock_file(&path)?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => continue,
            Err(TryLockError::Error(error)) => return Err(error),
        }
        let folder = Arc::new(AdoptedFolder { path, _lock: lock });
        let journals = segments_of(&folder.path)?;
        if journals.is_empty() {
            folder.remove();
            continue;
        }
        for (id, mut segments) in journals {
            segments.sort_by_key(|segment| segment.header.base);
            bytes += segments.iter().map(|s| s.header.capacity).sum::<u64>();
            let mut stream = Stream::new(id, Source::Left(Arc::clone(&folder)), None);
            stream.segments = segments.into();
            streams.push(stream);
        }
    }
    Ok(bytes)
}

fn segments_of(folder: &Path) -> io::Result<BTreeMap<Uuid, Vec<SegmentFile>>> {
    let mut journals: BTreeMap<Uuid, Vec<SegmentFile>> = BTreeMap::new();
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if !is_segment(&path) {
            continue;
        }
        match read_header(&path) {
            Ok(Some(header)) => {
                let of_journal = journals.entry(header.journal).or_default();
                of_journal.push(SegmentFile::new(path, header, Arc::default()));
            }
            // The process ended between making the file, or using it again, and writing to it.
            Ok(None) => fs::remove_file(&path)?,
            Err(error) => {
                tracing::error!(path = %path.display(), %error, "a segment cannot be read");
                fs::rename(&path, path.with_extension("unreadable"))?;
            }
        }
    }
    Ok(journals)
}

/// `None`: it is not in use.
fn read_header(path: &Path) -> io::Result<Option<SegmentHeader>> {
    let mut bytes = [0; SEGMENT_HEADER as usize];
    let mut read = 0;
    let mut file = File::open(path)?;
    while read < bytes.len() {
        match file.read(&mut bytes[read..])? {
            0 => break,
            count => read += count,
        }
    }
    if is_blank(&bytes) {
        return Ok(None);
    }
    SegmentHeader::from_bytes(&bytes)
        .map(Some)
        .ok_or_else(|| io::Error::other("the header is damaged"))
}

impl AdoptedFolder {
    /// Removes the folder, when nothing but its lock is left in it. Whoever calls holds the
    /// parent's lock.
    pub(crate) fn remove(&self) {
        remove_folder(&self.path);
    }
}

/// Removes a folder that has nothing but its lock in it.
pub(crate) fn remove_folder(path: &Path) {
    let is_alone = fs::read_dir(path)
        .is_ok_and(|entries| entries.flatten().all(|entry| entry.file_name() == *LOCK));
    if !is_alone {
        return;
    }
    let removed = fs::remove_file(path.join(LOCK)).and_then(|()| fs::remove_dir(path));
    if let Err(error) = removed {
        tracing::warn!(path = %path.display(), %error, "an empty journal cannot be removed");
    }
}
