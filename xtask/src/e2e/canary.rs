//! Looking for secrets and content where they must not be: logs, database, journal, error bodies.

use std::collections::BTreeSet;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use aho_corasick::AhoCorasick;
use base64::Engine;
use base64::engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD};

use super::quickstart::{files, tokens};
use super::tally::Tally;
use super::world::{CONTENT, Left};
use crate::run::Outcome;

/// How much of either end of a secret must show to count as found: more than any hint shows.
const PIECE: usize = 24;

/// Drivers that need not be refused anything: what they leave is the log of a server of their own.
const UNREFUSED: [&str; 5] =
    ["faq_general.py", "graceful_stop.py", "kill_loop.py", "kill_credits.py", "webhook_storm.py"];

/// Searches everything that these drivers left behind.
pub(super) fn search(left: &Left, drivers: &[&str], tally: &mut Tally) -> Outcome {
    let all = files(&left.scratch)?;
    let mut ours = left.tokens.clone();
    let mut sealing = Vec::new();
    for path in &all {
        let text = std::fs::read(path).unwrap_or_default();
        let text = String::from_utf8_lossy(&text);
        if is_greeting(path) {
            ours.extend(tokens(&text).map(str::to_owned));
        }
        if named(path, "minted-") {
            ours.extend(text.lines().map(str::to_owned));
        }
        if is_kept_apart(path) && named(path, "encryption") {
            sealing.extend(
                text.split(|c: char| !c.is_ascii_hexdigit())
                    .filter(|w| w.len() == 64)
                    .map(str::to_owned),
            );
        }
    }
    ours.sort();
    ours.dedup();

    // The greeting shows the tokens once: if they are not found there, the search is blind.
    let greeting = all.iter().map(AsRef::as_ref).filter(|p: &&Path| named(p, "server.stdout"));
    let found = hits(&left.tokens, greeting)?;
    tally.check(
        "secrets",
        "the search finds the tokens where quickstart prints them",
        if found.len() >= left.tokens.len() { Ok(()) } else { Err(format!("found {found:?}")) },
    );
    tally.check(
        "secrets",
        "there is something to search: database, logs and error bodies",
        none(missing(&all, drivers)),
    );
    tally.check(
        "secrets",
        "no provider key in files, logs or error bodies: plain, base64, hex",
        none(hits(&left.provider_keys, all.iter().map(AsRef::as_ref))?),
    );
    let but_greetings = || {
        all.iter().map(AsRef::as_ref).filter(|p: &&Path| !is_greeting(p) && !named(p, "minted-"))
    };
    tally.check(
        "secrets",
        "no token or signing secret of ours but where it was shown once, and the admin token's own file",
        none(hits(&ours, but_greetings().filter(|p| !is_kept_apart(p)))?),
    );
    tally.check(
        "secrets",
        "the encryption key is in its own file only",
        if sealing.is_empty() {
            Err("no key file found".to_owned())
        } else {
            none(hits(
                &sealing,
                all.iter().map(AsRef::as_ref).filter(|p: &&Path| !is_kept_apart(p)),
            )?)
        },
    );
    tally.check("secrets", "files with secrets are for their owner alone", modes(&all)?);
    let content: Vec<String> = CONTENT.iter().map(|word| (*word).to_owned()).collect();
    tally.check(
        "secrets",
        "no word of a prompt or an answer in files, logs or error bodies",
        none(hits(&content, all.iter().map(AsRef::as_ref))?),
    );
    Ok(())
}

fn named(path: &Path, begin: &str) -> bool {
    path.file_name().is_some_and(|name| name.to_string_lossy().starts_with(begin))
}

/// What `quickstart` prints: the one place where a token is shown.
fn is_greeting(path: &Path) -> bool {
    named(path, "server.stdout") || named(path, "stdout.log")
}

/// A file whose purpose is to hold a secret: it lies in a data folder and nobody else may read it.
fn is_kept_apart(path: &Path) -> bool {
    let in_data = path.parent().is_some_and(|folder| folder.ends_with("data"));
    let private = path.metadata().is_ok_and(|meta| meta.permissions().mode() & 0o077 == 0);
    in_data && private && (named(path, "admin") || named(path, "encryption"))
}

fn is_written_by_server(path: &Path) -> bool {
    path.components().any(|part| part.as_os_str() == "data")
}

/// What a run of these drivers has to leave, and has not.
fn missing(all: &[PathBuf], drivers: &[&str]) -> Vec<String> {
    let database = |path: &PathBuf| {
        std::fs::read(path).is_ok_and(|bytes| bytes.starts_with(b"SQLite format 3\0"))
    };
    let has = |file: &str| {
        all.iter().any(|path| path.ends_with(file) && path.metadata().is_ok_and(|m| m.len() > 0))
    };
    let mut missing = Vec::new();
    if !all.iter().any(|path| is_written_by_server(path) && database(path)) {
        missing.push("no database".to_owned());
    }
    if !has("server.stderr.log") {
        missing.push("no server.stderr.log".to_owned());
    }
    for driver in drivers {
        let file = if UNREFUSED.contains(driver) {
            format!("{}/stderr.log", driver.trim_end_matches(".py").replace('_', "-"))
        } else {
            format!("shown-{driver}.log")
        };
        if !has(&file) {
            missing.push(format!("no {file}"));
        }
    }
    missing
}

fn modes(all: &[PathBuf]) -> Result<Result<(), String>, std::io::Error> {
    for path in all.iter().filter(|path| is_written_by_server(path)) {
        let mode = path.metadata()?.permissions().mode();
        let kept = named(path, "admin") || named(path, "encryption");
        if kept && mode & 0o077 != 0 {
            return Ok(Err(format!("{} has mode {:o}", path.display(), mode & 0o777)));
        }
    }
    Ok(Ok(()))
}

fn none(found: Vec<String>) -> Result<(), String> {
    if found.is_empty() { Ok(()) } else { Err(found.join("\n")) }
}

/// Where which secret shows, in which spelling; the secret itself only by its beginning.
fn hits<'a>(
    secrets: &[String],
    paths: impl Iterator<Item = &'a Path>,
) -> Result<Vec<String>, Box<dyn std::error::Error>> {
    let (mut shown, mut needles) = (Vec::new(), Vec::new());
    for secret in secrets {
        let begin: String = secret.chars().take(14).collect();
        for (how, needle) in spellings(secret) {
            shown.push(format!("{begin}… {how}"));
            needles.push(needle);
        }
    }
    // All at once: there are thousands of spellings, and each file is read through but once.
    let search = AhoCorasick::new(needles)?;
    let mut found = Vec::new();
    for path in paths {
        let bytes = std::fs::read(path)?;
        let here: BTreeSet<_> =
            search.find_overlapping_iter(&bytes).map(|hit| hit.pattern()).collect();
        found.extend(
            here.iter().map(|at| format!("{} in {}", shown[at.as_usize()], path.display())),
        );
    }
    Ok(found)
}

/// Every way in which either end of a secret might be spelt.
fn spellings(secret: &str) -> Vec<(&'static str, Vec<u8>)> {
    let bytes = secret.as_bytes();
    let piece = PIECE.min(bytes.len());
    let mut all = Vec::new();
    for end in [&bytes[..piece], &bytes[bytes.len() - piece..]] {
        all.push(("plain", end.to_vec()));
        all.push(("hex", end.iter().flat_map(|b| format!("{b:02x}").into_bytes()).collect()));
        all.push(("HEX", end.iter().flat_map(|b| format!("{b:02X}").into_bytes()).collect()));
        for shift in 0..3 {
            all.push(("base64", within(&STANDARD_NO_PAD, end, shift)));
            all.push(("base64url", within(&URL_SAFE_NO_PAD, end, shift)));
        }
    }
    all
}

/// The characters of base64 that only these bytes decide, when `shift` bytes of the first group of
/// three stand before them.
fn within(engine: &impl Engine, bytes: &[u8], shift: usize) -> Vec<u8> {
    let mut all = vec![0; shift];
    all.extend_from_slice(bytes);
    let text = engine.encode(&all).into_bytes();
    text[(shift * 8).div_ceil(6)..all.len() * 8 / 6].to_vec()
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECRET: &str = "sk-proj-0123456789abcdefghijklmnopqrstuvwxyz";

    fn finds(haystack: &[u8]) -> bool {
        let file = tempfile::NamedTempFile::new().expect("a file");
        std::fs::write(file.path(), haystack).expect("written");
        let found = hits(&[SECRET.to_owned()], std::iter::once(file.path())).expect("searched");
        !found.is_empty()
    }

    #[test]
    fn a_secret_is_found_in_every_spelling_and_alignment() {
        let hex: String = SECRET.bytes().map(|b| format!("{b:02x}")).collect();
        assert!(finds(SECRET.as_bytes()));
        assert!(finds(hex.as_bytes()));
        assert!(finds(hex.to_uppercase().as_bytes()));
        for before in ["", "a", "ab", "abc", "abcd"] {
            for after in ["", "z", "zy", "zyx"] {
                let text = format!("{before}{SECRET}{after}");
                assert!(finds(STANDARD_NO_PAD.encode(&text).as_bytes()), "{text}");
                assert!(finds(URL_SAFE_NO_PAD.encode(&text).as_bytes()), "{text}");
            }
        }
    }

    #[test]
    fn each_driver_that_ran_has_to_leave_something_and_no_other() {
        let folder = tempfile::tempdir().expect("a folder");
        let lacks = |drivers: &[&str]| missing(&files(folder.path()).expect("listed"), drivers);
        let write = |name: &str, text: &str| {
            let path = folder.path().join(name);
            std::fs::create_dir_all(path.parent().expect("a folder")).expect("made");
            std::fs::write(path, text).expect("written");
        };
        assert_eq!(lacks(&[]), ["no database", "no server.stderr.log"]);
        write("data/byok.db", "SQLite format 3\0");
        write("server.stderr.log", "listening");
        assert_eq!(lacks(&[]), [""; 0]);

        let storm = "webhook_storm.py";
        assert_eq!(lacks(&[storm]), ["no webhook-storm/stderr.log"]);
        write("webhook-storm/stderr.log", "listening");
        assert_eq!(lacks(&[storm]), [""; 0]);

        let (one, other) = ("openai_client.py", "openai_client.mjs");
        write(&format!("shown-{other}.log"), "401");
        write(&format!("shown-{one}.log"), "");
        assert_eq!(lacks(&[storm, one, other]), ["no shown-openai_client.py.log"]);
    }

    #[test]
    fn a_hint_and_another_secret_are_not_taken_for_it() {
        assert!(!finds(b"sk-...tuvwxyz"));
        assert!(!finds(b"sk-proj-0123456789abcdef"[..20].as_ref()));
        assert!(!finds(STANDARD_NO_PAD.encode("sk-proj-another-key-of-someone-else").as_bytes()));
    }
}
