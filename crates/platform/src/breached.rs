//! Passwords that were stolen elsewhere, looked up in a file: nothing is asked of anybody.
//!
//! The file has one SHA-1 hash (40 hex digits) at the beginning of each line, in order: the format
//! of Have I Been Pwned's downloads "ordered by hash". It may be tens of gigabytes: a look-up reads
//! a few of its lines.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use sha1::{Digest, Sha1};

/// Digits of a hash.
const DIGITS: usize = 40;
/// Longer than any line with its count.
const LINE: u64 = 128;

/// The file; it is opened for each look-up, so that it can be replaced while the service runs.
#[derive(Clone, Debug)]
pub struct BreachedPasswords {
    path: PathBuf,
}

impl BreachedPasswords {
    /// Checks that the file can be read and begins with a hash.
    ///
    /// # Errors
    /// When it does not.
    pub fn open(path: &Path) -> io::Result<Self> {
        let mut file = File::open(path)?;
        let length = file.metadata()?.len();
        hash_at(&mut file, 0, length)?.ok_or_else(malformed)?;
        Ok(Self {
            path: path.to_owned(),
        })
    }

    /// Whether a password is in the file. Blocks for a few reads.
    ///
    /// # Errors
    /// When the file cannot be read any more, or a line of it is no hash.
    pub fn contains(&self, password: &str) -> io::Result<bool> {
        let wanted = hex(&Sha1::digest(password.as_bytes()));
        let mut file = File::open(&self.path)?;
        let length = file.metadata()?.len();
        // The first line that is not before the wanted one begins in this part.
        let (mut low, mut high) = (0, length);
        while low < high {
            let middle = low + (high - low) / 2;
            let Some((start, hash)) = line_from(&mut file, middle, length)? else {
                high = middle;
                continue;
            };
            match hash.cmp(&wanted) {
                std::cmp::Ordering::Equal => return Ok(true),
                std::cmp::Ordering::Less => low = start + 1,
                std::cmp::Ordering::Greater => high = middle,
            }
        }
        Ok(false)
    }
}

/// The first line that begins at `at` or behind it: where, and its hash. `None` past the last one.
fn line_from(file: &mut File, at: u64, length: u64) -> io::Result<Option<(u64, [u8; DIGITS])>> {
    let mut start = at;
    if at > 0 {
        // The line before may end right before `at`.
        let mut window = [0; LINE as usize];
        let count = read_at(file, at - 1, &mut window)?;
        let end = window[..count].iter().position(|byte| *byte == b'\n');
        match end {
            Some(end) => start = at + end as u64,
            None if at - 1 + count as u64 >= length => return Ok(None),
            None => return Err(malformed()),
        }
    }
    let hash = hash_at(file, start, length)?;
    Ok(hash.map(|hash| (start, hash)))
}

/// The hash of the line that begins at `start`, in capitals.
fn hash_at(file: &mut File, start: u64, length: u64) -> io::Result<Option<[u8; DIGITS]>> {
    if start >= length {
        return Ok(None);
    }
    let mut hash = [0; DIGITS];
    let count = read_at(file, start, &mut hash)?;
    if count < DIGITS || !hash.iter().all(u8::is_ascii_hexdigit) {
        return Err(malformed());
    }
    hash.make_ascii_uppercase();
    Ok(Some(hash))
}

fn read_at(file: &mut File, at: u64, buffer: &mut [u8]) -> io::Result<usize> {
    file.seek(SeekFrom::Start(at))?;
    let mut count = 0;
    while count < buffer.len() {
        match file.read(&mut buffer[count..])? {
            0 => break,
            more => count += more,
        }
    }
    Ok(count)
}

/// As in the file: capitals.
fn hex(bytes: &[u8]) -> [u8; DIGITS] {
    let mut out = [b'0'; DIGITS];
    for (pair, byte) in out.chunks_exact_mut(2).zip(bytes) {
        pair[0] = b"0123456789ABCDEF"[usize::from(byte >> 4)];
        pair[1] = b"0123456789ABCDEF"[usize::from(byte & 15)];
    }
    out
}

fn malformed() -> io::Error {
    io::Error::new(
        io::ErrorKind::InvalidData,
        "a line does not begin with a SHA-1 hash in hex",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file_of(lines: &[String], end: &str) -> tempfile::NamedTempFile {
        let file = tempfile::NamedTempFile::new().expect("a file");
        std::fs::write(file.path(), lines.join(end)).expect("writes");
        file
    }

    fn line(password: &str, count: usize) -> String {
        let hash = hex(&Sha1::digest(password.as_bytes()));
        format!("{}:{count}", String::from_utf8_lossy(&hash))
    }

    #[test]
    fn the_hash_is_the_one_everybody_knows() {
        assert_eq!(
            line("password", 1),
            "5BAA61E4C9B93F3F0682250B6CF8331B7EE68FD8:1"
        );
    }

    #[test]
    fn what_is_in_the_file_is_found_and_nothing_else() {
        for size in [1, 2, 3, 10, 1000] {
            for end in ["\n", "\r\n"] {
                let mut lines: Vec<String> =
                    (0..size).map(|n| line(&format!("in {n}"), n * n)).collect();
                lines.sort();
                let file = file_of(&lines, end);
                let list = BreachedPasswords::open(file.path()).expect("opens");
                for n in 0..size {
                    assert!(
                        list.contains(&format!("in {n}")).expect("reads"),
                        "{n} of {size}"
                    );
                    let other = format!("out {n}");
                    assert!(!list.contains(&other).expect("reads"), "{n} of {size}");
                }
                // As most editors leave it: an end after the last line too.
                lines.push(String::new());
                let file = file_of(&lines, end);
                let list = BreachedPasswords::open(file.path()).expect("opens");
                assert!(list.contains("in 0").expect("reads"));
                assert!(!list.contains("out 0").expect("reads"));
            }
        }
    }

    #[test]
    fn another_file_is_refused() {
        for text in ["", "hello\n", "5BAA61E4C9B93F3F0682250B6CF8331B7EE68FD\n"] {
            let file = file_of(&[text.to_owned()], "");
            assert!(BreachedPasswords::open(file.path()).is_err(), "{text}");
        }
        assert!(BreachedPasswords::open(Path::new("/nowhere")).is_err());
    }
}
