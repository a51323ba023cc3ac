//! What every section works with: options, tools, a folder that is gone afterwards.

use std::fs;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::PathBuf;
use std::time::Duration;

use tempfile::TempDir;

use crate::run::root;

use super::options::Options;
use super::process::Running;
use super::tools::Tools;

pub(super) struct Lab {
    pub(super) options: Options,
    pub(super) tools: Tools,
    pub(super) load_at_start: String,
    /// Under `target`, because `/tmp` may be memory, where a sync costs nothing.
    folder: TempDir,
}

impl Lab {
    pub(super) fn open(options: Options) -> Result<Self, Box<dyn std::error::Error>> {
        let tools = Tools::prepare(&options)?;
        Self::with(options, tools)
    }

    pub(super) fn with(options: Options, tools: Tools) -> Result<Self, Box<dyn std::error::Error>> {
        let base = root().join("target/bench");
        fs::create_dir_all(&base)?;
        let folder = tempfile::Builder::new().prefix("run-").tempdir_in(base)?;
        // nginx's workers may run as another user, and must get to their own folder below.
        fs::set_permissions(folder.path(), std::os::unix::fs::PermissionsExt::from_mode(0o755))?;
        let load_at_start = fs::read_to_string("/proc/loadavg").unwrap_or_default();
        let load_at_start = load_at_start.split(' ').next().unwrap_or_default().to_owned();
        Ok(Self { options, tools, load_at_start, folder })
    }

    /// A new empty folder in the run's own.
    pub(super) fn folder(&self, name: &str) -> Result<PathBuf, std::io::Error> {
        for number in 0.. {
            let folder = self.folder.path().join(format!("{name}-{number}"));
            match fs::create_dir(&folder) {
                Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {}
                done => return done.map(|()| folder),
            }
        }
        Err(std::io::Error::other("no free name"))
    }

    /// An address on loopback that nobody uses.
    pub(super) fn free_address(&self) -> Result<SocketAddr, std::io::Error> {
        TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()
    }

    /// Starts the provider's stand-in.
    pub(super) fn stand_in(
        &self,
        events_per_second: u32,
    ) -> Result<(Running, SocketAddr), Box<dyn std::error::Error>> {
        let address = self.free_address()?;
        let folder = self.folder("standin")?;
        let program = self.tools.ours("byok-standin");
        let mut process = Running::start("byok-standin", &folder, &program, |command| {
            command.args(["--port", &address.port().to_string()]);
            command.args(["--rate", &events_per_second.to_string()]);
        })?;
        process.wait_ready(address, "/v1/models", &[], Duration::from_secs(5))?;
        Ok((process, address))
    }
}
