//! The programs a run needs, and getting them: ours are built, others installed once.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::run::{Outcome, root, run, run_command};

use super::options::{Options, Section};
use super::target::Kind;

/// Where the programs are.
pub(super) struct Tools {
    pub(super) bin_dir: PathBuf,
    pub(super) portkey: PathBuf,
}

impl Tools {
    pub(super) fn prepare(options: &Options) -> Result<Self, Box<dyn std::error::Error>> {
        if options.sections.contains(&Section::Throughput) {
            install("wrk")?;
        }
        if options.needs(Kind::Nginx) {
            install("nginx")?;
        }
        let deps = root().join("xtask/bench/.deps");
        let portkey = deps.join("node_modules/@portkey-ai/gateway/build/start-server.js");
        if options.needs(Kind::Portkey) && !portkey.exists() {
            install_packages(&deps)?;
        }
        let bin_dir = match &options.bin_dir {
            Some(folder) => folder.canonicalize()?,
            None => build(options)?,
        };
        Ok(Self { bin_dir, portkey })
    }

    /// One of our own binaries.
    pub(super) fn ours(&self, name: &str) -> PathBuf {
        self.bin_dir.join(name)
    }
}

/// Where a program is, looked for as a shell would, and where Debian keeps daemons.
pub(super) fn find(program: &str) -> Option<PathBuf> {
    let path = env::var_os("PATH").unwrap_or_default();
    let folders = env::split_paths(&path).chain(["/usr/sbin".into(), "/sbin".into()]);
    folders.map(|folder| folder.join(program)).find(|path| path.is_file())
}

fn install(package: &str) -> Outcome {
    if find(package).is_some() {
        return Ok(());
    }
    let apt = ["install", "--yes", "--no-install-recommends", package];
    run("apt-get", &apt).map_err(|error| {
        format!("`{package}` is missing and could not be installed: {error}").into()
    })
}

fn install_packages(deps: &Path) -> Outcome {
    fs::create_dir_all(deps)?;
    for file in ["package.json", "package-lock.json"] {
        fs::copy(root().join("xtask/bench").join(file), deps.join(file))?;
    }
    run_command(
        Command::new("npm").args(["ci", "--ignore-scripts", "--no-audit"]).current_dir(deps),
    )
}

fn build(options: &Options) -> Result<PathBuf, Box<dyn std::error::Error>> {
    let mut packages = vec!["--package", "byok-testkit", "--bins"];
    let starts = options.sections.contains(&Section::Start);
    if starts || options.needs(Kind::ByokOs) || options.needs(Kind::ByokDisk) {
        packages.extend(["--package", "byok-server"]);
    }
    run("cargo", &[&["build", "--release", "--locked"][..], &packages].concat())?;
    let target =
        env::var_os("CARGO_TARGET_DIR").map_or_else(|| root().join("target"), PathBuf::from);
    Ok(target.join("release"))
}
