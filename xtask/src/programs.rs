//! Programs of others: where they are, and getting them.

use std::env;
use std::path::PathBuf;

use crate::run::{Outcome, run};

/// Where a program is, looked for as a shell would, and where Debian keeps daemons.
pub(crate) fn find(program: &str) -> Option<PathBuf> {
    let path = env::var_os("PATH").unwrap_or_default();
    let folders = env::split_paths(&path).chain(["/usr/sbin".into(), "/sbin".into()]);
    folders.map(|folder| folder.join(program)).find(|path| path.is_file())
}

/// Has Debian's package of that name installed.
pub(crate) fn install(package: &str) -> Outcome {
    let apt = ["install", "--yes", "--no-install-recommends", package];
    run("apt-get", &apt).map_err(|error| {
        format!("`{package}` is missing and could not be installed: {error}").into()
    })
}
