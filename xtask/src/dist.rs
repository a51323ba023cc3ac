//! The server to deploy: built twice, the second time for what the first was seen to do.
//!
//! A call runs through a small part of the program, which lies scattered over all of it. Told by a
//! profile what is run and what is not, the compiler lays the first out together, and inlines there.
//! <https://doc.rust-lang.org/rustc/profile-guided-optimization.html>

use std::fs;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::SystemTime;

use crate::bench;
use crate::programs::{find, install};
use crate::run::{Outcome, root, run_command, target_dir};

type Failure = Box<dyn std::error::Error>;

const USAGE: &str = "\
Usage: cargo xtask dist

Builds the server to deploy, target/dist/byok-server: once to see, under calls of every kind, what
they run through, and again for that. It takes as long as two release builds, one of the load tools
and a minute or two of calls, and needs `llvm-profdata`: `rustup component add llvm-tools`, or
Debian's package llvm-19, which is installed if there is none.
";

/// LLVM's releases, newest first, that know the profiles of today's compilers.
const LLVM: std::ops::Range<u32> = 19..40;

pub(crate) fn run(args: &[String]) -> Outcome {
    match args {
        [] => {
            println!("built {}", build()?.display());
            Ok(())
        }
        [help] if help == "--help" || help == "-h" => {
            println!("{USAGE}");
            Ok(())
        }
        _ => Err(USAGE.into()),
    }
}

/// Builds it, as far as it is not built; where it is.
pub(crate) fn build() -> Result<PathBuf, Failure> {
    let folder = target_dir().join("dist");
    let (seen, merged) = (folder.join("seen"), folder.join("merged.profdata"));
    fs::create_dir_all(&folder)?;
    let watched = compile(&folder, &[&flag("-Cprofile-generate=", &seen)?])?;
    if modified(&merged)? <= modified(&watched)? {
        remove(fs::remove_dir_all(&seen))?;
        bench::train(&watched)?;
        merge(&seen, &merged)?;
    }
    let profile = named_by_content(&merged)?;
    let built = compile(&folder, &[&flag("-Cprofile-use=", &profile)?])?;
    let server = folder.join("byok-server");
    remove(fs::remove_file(&server))?;
    fs::copy(built, &server)?;
    Ok(server)
}

/// Builds the server with these flags of the compiler's.
fn compile(folder: &Path, flags: &[&str]) -> Result<PathBuf, Failure> {
    const SEPARATOR: &str = "\x1f";
    let host = host()?;
    let own = std::env::var("RUSTFLAGS").unwrap_or_default();
    let flags: Vec<_> = own.split_whitespace().chain(flags.iter().copied()).collect();
    let mut command = Command::new("cargo");
    command.args(["build", "--release", "--locked", "--package", "byok-server"]);
    // With a target named, the flags are not for what runs during the build.
    command.args(["--target", &host]).current_dir(root());
    command.env("CARGO_TARGET_DIR", folder);
    command.env("CARGO_ENCODED_RUSTFLAGS", flags.join(SEPARATOR));
    run_command(&mut command)?;
    Ok(folder.join(host).join("release/byok-server"))
}

/// The kind of machine that the compiler runs on.
fn host() -> Result<String, Failure> {
    let output = Command::new("rustc").arg("-vV").current_dir(root()).output()?;
    let text = String::from_utf8(output.stdout)?;
    let host = text.lines().find_map(|line| line.strip_prefix("host: "));
    Ok(host.ok_or("`rustc -vV` names no host")?.to_owned())
}

fn flag(name: &str, path: &Path) -> Result<String, Failure> {
    let path = path.to_str().ok_or("the path of the target folder is not UTF-8")?;
    Ok(format!("{name}{path}"))
}

fn merge(seen: &Path, merged: &Path) -> Outcome {
    let mut command = Command::new(profdata()?);
    // What was never run is told by being left out.
    command.args(["merge", "--sparse", "--output"]).arg(merged).arg(seen);
    run_command(&mut command).map_err(|error| {
        format!(
            "{error}\nThat `llvm-profdata` may be older than the compiler's LLVM; \
             `rustup component add llvm-tools` brings the right one."
        )
        .into()
    })
}

/// The program that merges profiles: the toolchain's own, or else the newest that there is.
fn profdata() -> Result<PathBuf, Failure> {
    let output = Command::new("rustc").args(["--print", "target-libdir"]).output()?;
    let libraries = PathBuf::from(String::from_utf8(output.stdout)?.trim());
    let own = libraries.with_file_name("bin").join("llvm-profdata");
    if own.is_file() {
        return Ok(own);
    }
    let any = || LLVM.rev().find_map(|release| find(&format!("llvm-profdata-{release}")));
    if let Some(program) = any() {
        return Ok(program);
    }
    install("llvm-19")?;
    any().ok_or_else(|| "there is no llvm-profdata; `rustup component add llvm-tools`".into())
}

/// The profile under a name that changes with it: the compiler's flags are all that tells cargo.
fn named_by_content(merged: &Path) -> Result<PathBuf, Failure> {
    let content = fs::read(merged)?;
    let mut hasher = DefaultHasher::new();
    content.hash(&mut hasher);
    let folder = merged.with_file_name("profiles");
    let named = folder.join(format!("{:016x}.profdata", hasher.finish()));
    if !named.exists() {
        remove(fs::remove_dir_all(&folder))?;
        fs::create_dir_all(&folder)?;
        fs::write(&named, content)?;
    }
    Ok(named)
}

/// When a file was last written; long ago if it never was.
fn modified(path: &Path) -> Result<SystemTime, Failure> {
    match fs::metadata(path) {
        Ok(about) => Ok(about.modified()?),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(SystemTime::UNIX_EPOCH),
        Err(error) => Err(format!("{}: {error}", path.display()).into()),
    }
}

/// What is not there need not be removed.
fn remove(removed: std::io::Result<()>) -> Outcome {
    match removed {
        Err(error) if error.kind() != ErrorKind::NotFound => Err(error.into()),
        _ => Ok(()),
    }
}
