//! Making secrets, and the file that keeps the generated ones.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::Path;

use crate::secret::Secret;

/// Name of the file inside the data folder that keeps generated secrets.
pub const SECRETS_FILE: &str = "secrets.toml";

/// The secrets an installation cannot run without, generated on first start outside production.
pub const GENERATED: [&str; 3] = ["SECRET_KEY", "JWT_SECRET", "JWT_REFRESH_SECRET"];

/// A new secret: 32 random bytes, of a generator seeded by the operating system, as 64 hex
/// characters.
#[must_use]
pub fn generate_secret() -> Secret {
    let bytes: [u8; 32] = rand::random();
    let text: String = bytes
        .into_iter()
        .flat_map(hex_digits)
        .map(char::from)
        .collect();
    Secret::new(text)
}

pub(crate) fn hex_digits(byte: u8) -> [u8; 2] {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    [
        DIGITS[usize::from(byte >> 4)],
        DIGITS[usize::from(byte & 15)],
    ]
}

/// Writes the generated secrets to `path`, readable by the owner only. An existing file is never
/// overwritten: losing `SECRET_KEY` loses every upstream credential sealed under it.
///
/// The file appears whole or not at all: it is written under another name, and then linked, which
/// fails when the name is taken. Where links are not supported it is created in place.
///
/// # Errors
/// [`io::ErrorKind::AlreadyExists`] when there is a file, also when another process was faster;
/// otherwise what the file system says.
pub(crate) fn create_file(path: &Path, secrets: &[(&'static str, Secret)]) -> io::Result<()> {
    let folder = path.parent().unwrap_or(Path::new("."));
    create_private_folder(folder)?;
    if fs::symlink_metadata(path).is_ok() {
        return Err(io::ErrorKind::AlreadyExists.into());
    }
    let unique: u64 = rand::random();
    let draft = folder.join(format!(".{SECRETS_FILE}.{unique:016x}"));
    let written = write_new(&draft, secrets).and_then(|()| match fs::hard_link(&draft, path) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Err(error),
        Err(_) => write_new(path, secrets),
        Ok(()) => Ok(()),
    });
    // Best effort: a leftover draft is private, and the next start does not read it.
    let _ = fs::remove_file(&draft);
    written?;
    // Without this a power cut can lose the name of a file whose content is safe.
    File::open(folder).and_then(|folder| folder.sync_all())
}

fn write_new(path: &Path, secrets: &[(&'static str, Secret)]) -> io::Result<()> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(path)?;
    file.write_all(
        b"# Generated on first start. Keep it: without SECRET_KEY, stored upstream credentials\n\
          # cannot be read any more. Back it up apart from the database.\n",
    )?;
    for (name, secret) in secrets {
        writeln!(file, "{name} = \"{}\"", secret.expose())?;
    }
    file.sync_all()
}

fn create_private_folder(folder: &Path) -> io::Result<()> {
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(folder)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_long_and_never_the_same() {
        let secret = generate_secret();
        assert_eq!(secret.expose().len(), 64);
        assert!(
            secret
                .expose()
                .bytes()
                .all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b))
        );
        assert_ne!(secret.expose(), generate_secret().expose());
    }

    #[cfg(unix)]
    #[test]
    fn the_file_is_private_whole_and_never_overwritten() {
        use std::os::unix::fs::PermissionsExt;

        let root = tempfile::tempdir().unwrap();
        let path = root.path().join("data").join(SECRETS_FILE);
        create_file(&path, &[("SECRET_KEY", Secret::new("first"))]).unwrap();
        let mode = fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        assert!(
            fs::read_to_string(&path)
                .unwrap()
                .contains("SECRET_KEY = \"first\"\n")
        );

        let again = create_file(&path, &[("SECRET_KEY", Secret::new("second"))]);
        assert_eq!(again.unwrap_err().kind(), io::ErrorKind::AlreadyExists);
        assert!(fs::read_to_string(&path).unwrap().contains("\"first\""));
        assert_eq!(
            fs::read_dir(path.parent().unwrap()).unwrap().count(),
            1,
            "no draft is left"
        );
    }
}
