//! The programs a run needs, and getting them: ours are built, others installed once.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::dist;
use crate::programs::{find, install};
use crate::run::{Outcome, root, run, run_command, target_dir};

use super::options::{Options, Section};
use super::target::Kind;

/// Where the programs are.
pub(super) struct Tools {
    pub(super) server: PathBuf,
    kit: PathBuf,
    pub(super) portkey: PathBuf,
}

impl Tools {
    pub(super) fn prepare(options: &Options) -> Result<Self, Box<dyn std::error::Error>> {
        if options.sections.contains(&Section::Throughput) {
            see_to("wrk")?;
        }
        if options.needs(Kind::Nginx) {
            see_to("nginx")?;
        }
        let deps = root().join("xtask/bench/.deps");
        let portkey = deps.join("node_modules/@portkey-ai/gateway/build/start-server.js");
        if options.needs(Kind::Portkey) && !portkey.exists() {
            install_packages(&deps)?;
        }
        let (server, kit) = match &options.bin_dir {
            Some(folder) => (folder.canonicalize()?.join("byok-server"), folder.canonicalize()?),
            None => (server(options)?, kit()?),
        };
        Ok(Self { server, kit, portkey })
    }

    /// What it takes to put `server` under load.
    pub(super) fn around(server: &Path) -> Result<Self, Box<dyn std::error::Error>> {
        Ok(Self { server: server.to_owned(), kit: kit()?, portkey: PathBuf::new() })
    }

    /// One of the stand-ins and load tools.
    pub(super) fn ours(&self, name: &str) -> PathBuf {
        self.kit.join(name)
    }
}

fn see_to(program: &str) -> Outcome {
    if find(program).is_some() { Ok(()) } else { install(program) }
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

/// The server as it is deployed, if it is needed.
fn server(options: &Options) -> Result<PathBuf, Box<dyn std::error::Error>> {
    let starts = options.sections.contains(&Section::Start);
    if starts || options.needs(Kind::ByokOs) || options.needs(Kind::ByokDisk) {
        return dist::build();
    }
    Ok(PathBuf::new())
}

/// Builds the stand-ins and load tools: the folder they are in.
fn kit() -> Result<PathBuf, Box<dyn std::error::Error>> {
    run("cargo", &["build", "--release", "--locked", "--package", "byok-testkit", "--bins"])?;
    Ok(target_dir().join("release"))
}
