//! Where settings are read from: the process environment and the file system, as plain values.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};

/// The surroundings a configuration is read in. A test makes one by hand; the binary takes
/// [`Inputs::from_process`], the only place in the workspace that reads the process environment.
#[derive(Clone, Default)]
pub struct Inputs {
    /// Environment variables.
    pub env: BTreeMap<String, String>,
    /// Names of variables whose value is not UTF-8; they are reported if they are ours.
    pub not_unicode: Vec<String>,
    /// What relative paths are relative to: the working directory.
    pub root: PathBuf,
    /// The folder of the running program, where a packed console (`site`) lies beside it.
    pub program_dir: Option<PathBuf>,
}

// By hand: the environment is full of secrets.
impl std::fmt::Debug for Inputs {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Inputs")
            .field("root", &self.root)
            .finish_non_exhaustive()
    }
}

impl Inputs {
    /// Surroundings with these variables, in the folder `root`.
    pub fn new<N: Into<String>, V: Into<String>>(
        env: impl IntoIterator<Item = (N, V)>,
        root: impl Into<PathBuf>,
    ) -> Self {
        Self {
            env: env
                .into_iter()
                .map(|(name, value)| (name.into(), value.into()))
                .collect(),
            root: root.into(),
            ..Self::default()
        }
    }

    /// The surroundings of this process.
    ///
    /// # Errors
    /// When the working directory does not exist or may not be looked at.
    pub fn from_process() -> io::Result<Self> {
        let mut env = BTreeMap::new();
        let mut not_unicode = Vec::new();
        for (name, value) in std::env::vars_os() {
            let Ok(name) = name.into_string() else {
                continue;
            };
            match value.into_string() {
                Ok(value) => {
                    env.insert(name, value);
                }
                Err(_) => not_unicode.push(name),
            }
        }
        let program_dir = std::env::current_exe()
            .ok()
            .and_then(|program| program.parent().map(Path::to_owned));
        Ok(Self {
            env,
            not_unicode,
            root: std::env::current_dir()?,
            program_dir,
        })
    }

    /// The variable's value; one that is set to nothing counts as not set, as compose files write
    /// `NAME=${NAME:-}` for an optional variable.
    pub(crate) fn variable(&self, name: &str) -> Option<&str> {
        self.env
            .get(name)
            .map(|value| value.trim())
            .filter(|value| !value.is_empty())
    }

    pub(crate) fn path(&self, path: &str) -> PathBuf {
        self.root.join(path)
    }
}
