//! A PostgreSQL server of one test's own, which can be stopped and started again.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use crate::redis::free_port;
use crate::wait::eventually;

pub struct Postgres {
    port: u16,
    folder: tempfile::TempDir,
    programs: PathBuf,
    starter: Option<Child>,
}

impl Postgres {
    /// # Panics
    /// When PostgreSQL is not installed or does not start.
    pub async fn start() -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        // PostgreSQL refuses to run as root; its own user has to get here.
        let everybody = std::fs::Permissions::from_mode(0o777);
        std::fs::set_permissions(folder.path(), everybody).expect("may change its folder");
        let mut postgres = Self {
            port: free_port(),
            folder,
            programs: programs(),
            starter: None,
        };
        let done = postgres
            .program("initdb")
            .arg("-D")
            .arg(postgres.data())
            .args(["-U", "postgres", "-A", "trust", "-E", "UTF8"])
            .args(["--locale=C", "--no-sync"])
            .output()
            .expect("initdb runs");
        assert!(done.status.success(), "{done:?}");
        postgres.resume().await;
        postgres
    }

    #[must_use]
    pub fn url(&self) -> String {
        format!("postgres://postgres@127.0.0.1:{}/postgres", self.port)
    }

    /// # Panics
    /// When it does not start.
    pub async fn resume(&mut self) {
        let starter = self
            .program("postgres")
            .arg("-D")
            .arg(self.data())
            .args(["-p", &self.port.to_string(), "-h", "127.0.0.1", "-k"])
            .arg(self.folder.path())
            .args(["-c", "fsync=off"])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("postgres starts");
        self.starter = Some(starter);
        let port = self.port.to_string();
        eventually("postgres to answer", async || {
            let asked = self
                .program("pg_isready")
                .args(["-q", "-h", "127.0.0.1", "-p", &port, "-U", "postgres"])
                .status();
            asked.expect("pg_isready runs").success().then_some(())
        })
        .await;
    }

    /// Ends it at once, as a crash does: every connection breaks.
    ///
    /// # Panics
    /// When it cannot be ended.
    pub fn kill(&mut self) {
        let Some(mut starter) = self.starter.take() else {
            return;
        };
        // What was started may be `runuser`; the server wrote down its own id.
        let file = std::fs::read_to_string(self.data().join("postmaster.pid"));
        let pid = file
            .ok()
            .and_then(|text| Some(text.lines().next()?.to_owned()));
        if let Some(pid) = pid {
            let sent = Command::new("kill").args(["-QUIT", &pid]).status();
            assert!(sent.expect("kill runs").success());
        }
        starter.wait().expect("ends");
    }

    fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    fn program(&self, name: &str) -> Command {
        let path = self.programs.join(name);
        let mut command = if is_root(self.folder.path()) {
            let mut command = Command::new("runuser");
            command.args(["-u", "postgres", "--"]).arg(path);
            command
        } else {
            Command::new(path)
        };
        // The folder of the tests may not be its user's to see.
        command.current_dir(self.folder.path());
        command
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        self.kill();
    }
}

/// Whether we are root: what we make belongs to us.
fn is_root(ours: &Path) -> bool {
    use std::os::unix::fs::MetadataExt;
    std::fs::metadata(ours).is_ok_and(|meta| meta.uid() == 0)
}

/// Where the newest version's programs are.
fn programs() -> PathBuf {
    let versions = std::fs::read_dir("/usr/lib/postgresql")
        .into_iter()
        .flatten();
    let mut found: Vec<(u32, PathBuf)> = versions
        .flatten()
        .filter_map(|entry| {
            let number = entry.file_name().to_str()?.parse().ok()?;
            let path = entry.path().join("bin");
            path.join("initdb").exists().then_some((number, path))
        })
        .collect();
    found.sort();
    // Elsewhere they are on the path.
    found.pop().map_or_else(PathBuf::new, |(_, path)| path)
}
