//! A file of our own in memory: the only unsafe code of this crate.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::path::Path;

use memmap2::MmapMut;
use rustix::fs::{FallocateFlags, fallocate};

/// A new file, all of it in memory and backed by the disk.
pub(crate) struct MappedFile {
    map: MmapMut,
}

impl MappedFile {
    /// Creates the file with `len` zero bytes.
    ///
    /// Every block is allocated before the file is mapped: writing to a mapped page that the disk
    /// has no room for ends the process with SIGBUS.
    pub(crate) fn create(path: &Path, len: u64) -> io::Result<Self> {
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .create_new(true)
            .open(path)?;
        let made = allocate(&file, len).and_then(|()| map(&file));
        if made.is_err() {
            // Half a segment is of no use to anybody; the reason is returned.
            let _ = std::fs::remove_file(path);
        }
        made.map(|map| Self { map })
    }

    pub(crate) fn bytes_mut(&mut self) -> &mut [u8] {
        &mut self.map
    }
}

fn allocate(file: &File, len: u64) -> io::Result<()> {
    match fallocate(file, FallocateFlags::empty(), 0, len) {
        Ok(()) => {}
        // Not every file system can: real zeros make it find the room as well.
        Err(rustix::io::Errno::OPNOTSUPP | rustix::io::Errno::NOSYS) => write_zeros(file, len)?,
        Err(error) => return Err(error.into()),
    }
    if file.metadata()?.len() == len {
        Ok(())
    } else {
        Err(io::Error::other("the file did not get its size"))
    }
}

fn write_zeros(mut file: &File, len: u64) -> io::Result<()> {
    let zeros = [0; 16 << 10];
    let mut left = len;
    while left > 0 {
        let part = left.min(zeros.len() as u64);
        // At most the array's length.
        file.write_all(&zeros[..part as usize])?;
        left -= part;
    }
    file.sync_data()
}

#[expect(
    unsafe_code,
    reason = "a mapped file is only as sound as nobody truncates it or writes to it from elsewhere: \
              it was created by us a moment ago in a folder that is ours by a lock, it is written \
              through this map alone, its size never changes, and readers use `read`"
)]
fn map(file: &File) -> io::Result<MmapMut> {
    // SAFETY: see above.
    unsafe { MmapMut::map_mut(file) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_to_the_map_is_in_the_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a");
        let mut file = MappedFile::create(&path, 8192).unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), vec![0; 8192]);
        file.bytes_mut()[5000] = 7;
        assert_eq!(std::fs::read(&path).unwrap()[5000], 7);
        assert!(MappedFile::create(&path, 8192).is_err(), "is there already");
    }

    #[test]
    fn zeros_take_the_place_of_fallocate() {
        let folder = tempfile::tempdir().unwrap();
        let file = File::create(folder.path().join("a")).unwrap();
        write_zeros(&file, 100_000).unwrap();
        assert_eq!(file.metadata().unwrap().len(), 100_000);
    }

    #[test]
    fn a_size_no_disk_has_is_an_error_and_leaves_no_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a");
        assert!(MappedFile::create(&path, 1 << 60).is_err());
        assert!(!path.exists());
    }
}
