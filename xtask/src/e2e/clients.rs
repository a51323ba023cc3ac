//! The pinned clients: installed once into `xtask/e2e/.deps`, again only when a pin changes.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::run::{Outcome, run_command};

type Failure = Box<dyn std::error::Error>;

/// The files that hold the pins.
const PINS: [&str; 3] = ["requirements.txt", "package.json", "package-lock.json"];

/// Where they are.
pub(super) struct Clients {
    folder: PathBuf,
}

impl Clients {
    /// Installs what is missing.
    pub(super) fn install(folder: &Path) -> Result<Self, Failure> {
        let clients = Self { folder: folder.to_owned() };
        let pins = clients.pins()?;
        let stamp = clients.deps().join("installed");
        if std::fs::read_to_string(&stamp).is_ok_and(|installed| installed == pins) {
            return Ok(clients);
        }
        if clients.deps().exists() {
            std::fs::remove_dir_all(clients.deps())?;
        }
        std::fs::create_dir_all(clients.deps())?;
        clients.install_python()?;
        clients.install_node()?;
        std::fs::write(stamp, pins)?;
        Ok(clients)
    }

    /// The folder with drivers and fixtures.
    pub(super) fn folder(&self) -> &Path {
        &self.folder
    }

    /// The command that runs a driver.
    pub(super) fn driver(&self, file: &str) -> Command {
        let path = format!("drivers/{file}");
        if file.ends_with(".mjs") { self.node(&path) } else { self.python(&path) }
    }

    /// The command that runs a script of the folder with Node.
    pub(super) fn node(&self, script: &str) -> Command {
        let mut command = Command::new("node");
        command.arg(self.folder.join(script));
        command
    }

    fn python(&self, script: &str) -> Command {
        let mut command = Command::new(self.deps().join("python/bin/python"));
        command.arg("-B").arg(self.folder.join(script));
        command
    }

    fn deps(&self) -> PathBuf {
        self.folder.join(".deps")
    }

    /// All pins, and the programs they were installed for.
    fn pins(&self) -> Result<String, Failure> {
        let mut pins = format!("{}\n{}\n", version("python3"), version("node"));
        for name in PINS {
            pins += &std::fs::read_to_string(self.folder.join(name))?;
        }
        Ok(pins)
    }

    fn install_python(&self) -> Outcome {
        let folder = self.deps().join("python");
        let make = || run_command(Command::new("python3").args(["-m", "venv"]).arg(&folder));
        if make().is_err() {
            // Debian's python3 comes without ensurepip.
            apt_install(&["python3", "python3-venv"])?;
            make()?;
        }
        run_command(
            Command::new(folder.join("bin/python"))
                .args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check"])
                .arg("--requirement")
                .arg(self.folder.join("requirements.txt")),
        )
    }

    fn install_node(&self) -> Outcome {
        if version("npm").is_empty() {
            apt_install(&["nodejs", "npm"])?;
        }
        for name in ["package.json", "package-lock.json"] {
            std::fs::copy(self.folder.join(name), self.deps().join(name))?;
        }
        run_command(
            Command::new("npm")
                .args(["ci", "--ignore-scripts", "--no-audit", "--no-fund", "--silent"])
                .current_dir(self.deps()),
        )?;
        // Node looks for packages beside a script's own folder and above, nowhere else.
        let link = self.folder.join("node_modules");
        if link.symlink_metadata().is_ok() {
            std::fs::remove_file(&link)?;
        }
        std::os::unix::fs::symlink(".deps/node_modules", link)?;
        Ok(())
    }
}

/// What a program says its version is; empty when it is not there.
fn version(program: &str) -> String {
    let output = Command::new(program).arg("--version").output();
    output.map(|o| String::from_utf8_lossy(&o.stdout).trim().to_owned()).unwrap_or_default()
}

fn apt_install(packages: &[&str]) -> Outcome {
    println!("installing {} with apt-get", packages.join(", "));
    run_command(Command::new("apt-get").args(["update", "--quiet"]))?;
    run_command(Command::new("apt-get").args(["install", "--quiet", "--yes"]).args(packages))
}
