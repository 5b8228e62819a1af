//! The folder, and what its writers and its reader share.

use std::collections::VecDeque;
use std::fs::{self, File, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use parking_lot::Mutex;
use uuid::Uuid;

use crate::overflow::Overflow;
use crate::reader::Reader;
use crate::stream::SegmentFile;
use crate::writer::Writer;

/// The name of a lock file.
pub(crate) const LOCK: &str = "lock";

/// How much may be kept, and where.
#[derive(Clone, Debug)]
pub struct Options {
    /// The folder of all processes' journals; created when missing. It must be on a disk of this
    /// machine: locks and mapped files of network file systems do not keep their promises.
    pub folder: PathBuf,
    /// Size of one file. Every writer has up to six of them open and in memory.
    pub segment_bytes: u64,
    /// Most bytes of all files together. Beyond it records go to memory.
    pub max_bytes: u64,
    /// Most bytes of records that one writer holds in memory while no file can take them.
    pub overflow_bytes: usize,
}

impl Options {
    /// 1 MiB files, 1 GiB of them, 4 MiB in memory.
    #[must_use]
    pub fn new(folder: PathBuf) -> Self {
        Self {
            folder,
            segment_bytes: 1 << 20,
            max_bytes: 1 << 30,
            overflow_bytes: 4 << 20,
        }
    }
}

/// The journal cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("the journal's folder {} cannot be used", folder.display())]
pub struct OpenError {
    folder: PathBuf,
    #[source]
    reason: io::Error,
}

/// How the journal is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Status {
    /// Bytes of all files.
    pub file_bytes: u64,
    /// Records are kept in memory, as no file can take them.
    pub is_failing: bool,
    /// Records taken since the start, by file or memory.
    pub taken: u64,
    /// Records that neither could take: they are lost.
    pub dropped: u64,
}

/// This process' journals. Clones are one.
#[derive(Clone)]
pub struct Journal(pub(crate) Arc<Shared>);

pub(crate) struct Shared {
    pub(crate) options: Options,
    /// This process' folder inside the folder.
    pub(crate) own: PathBuf,
    /// Held as long as this lives.
    pub(crate) _lock: File,
    /// Bytes of all files that this process has made or adopted.
    pub(crate) file_bytes: AtomicU64,
    pub(crate) dropped: AtomicU64,
    /// All journals that were begun and not finished.
    pub(crate) writers: Mutex<Vec<Arc<WriterShared>>>,
    /// Records of writers that are gone.
    pub(crate) taken_before: AtomicU64,
}

/// What a writer and the reader share.
pub(crate) struct WriterShared {
    pub(crate) id: Uuid,
    /// Records up to this position are whole.
    pub(crate) published: AtomicU64,
    pub(crate) taken: AtomicU64,
    pub(crate) is_closed: AtomicBool,
    pub(crate) is_failing: AtomicBool,
    /// Segments that the reader has not seen yet.
    pub(crate) new_segments: Mutex<VecDeque<SegmentFile>>,
    /// The journal in memory, with an id of its own.
    pub(crate) overflow_id: Uuid,
    pub(crate) overflow: Overflow,
}

/// Opens the folder. There is one reader; writers are made by [`Journal::writer`].
///
/// # Errors
/// When the folder cannot be created or written to.
pub fn open(options: Options) -> Result<(Journal, Reader), OpenError> {
    let folder = options.folder.clone();
    match try_open(options) {
        Ok(shared) => {
            let shared = Arc::new(shared);
            Ok((Journal(Arc::clone(&shared)), Reader::new(shared)))
        }
        Err(reason) => Err(OpenError { folder, reason }),
    }
}

fn try_open(options: Options) -> io::Result<Shared> {
    fs::create_dir_all(&options.folder)?;
    let own = options.folder.join(random_id().simple().to_string());
    // Nobody looks at the folder while ours comes into being without its lock.
    let _guard = lock_parent(&options.folder)?;
    fs::create_dir(&own)?;
    let lock = lock_file(&own)?;
    lock.lock()?;
    Ok(Shared {
        options,
        own,
        _lock: lock,
        file_bytes: AtomicU64::new(0),
        dropped: AtomicU64::new(0),
        writers: Mutex::default(),
        taken_before: AtomicU64::new(0),
    })
}

/// Held while folders come and go.
pub(crate) fn lock_parent(folder: &Path) -> io::Result<File> {
    let file = lock_file(folder)?;
    file.lock()?;
    Ok(file)
}

pub(crate) fn lock_file(folder: &Path) -> io::Result<File> {
    OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .open(folder.join(LOCK))
}

impl Journal {
    /// A new journal for one thread. Its first file is made with its first record.
    #[must_use]
    pub fn writer(&self) -> Writer {
        let shared = Arc::new(WriterShared {
            id: random_id(),
            published: AtomicU64::new(0),
            taken: AtomicU64::new(0),
            is_closed: AtomicBool::new(false),
            is_failing: AtomicBool::new(false),
            new_segments: Mutex::default(),
            overflow_id: random_id(),
            overflow: Overflow::new(self.0.options.overflow_bytes),
        });
        self.0.writers.lock().push(Arc::clone(&shared));
        Writer::new(Arc::clone(&self.0), shared)
    }

    #[must_use]
    pub fn status(&self) -> Status {
        let writers = self.0.writers.lock();
        let taken = writers
            .iter()
            .map(|writer| writer.taken.load(Ordering::Relaxed));
        Status {
            file_bytes: self.0.file_bytes.load(Ordering::Relaxed),
            is_failing: writers
                .iter()
                .any(|writer| writer.is_failing.load(Ordering::Relaxed)),
            taken: taken.sum::<u64>() + self.0.taken_before.load(Ordering::Relaxed),
            dropped: self.0.dropped.load(Ordering::Relaxed),
        }
    }
}

fn random_id() -> Uuid {
    uuid::Builder::from_random_bytes(rand::random()).into_uuid()
}
