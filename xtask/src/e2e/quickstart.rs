//! Reading what `byok-server quickstart` prints once: the project and its tokens.

use std::path::{Path, PathBuf};

/// What a person would copy from the screen.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Printed {
    pub(super) admin_token: String,
    pub(super) project: String,
    pub(super) secret_key: String,
    pub(super) publishable_key: String,
}

impl Printed {
    /// Finds them in the output; `None` while one is missing.
    pub(super) fn read(text: &str) -> Option<Self> {
        let admin = text.lines().find(|line| {
            let line = line.to_ascii_lowercase();
            line.contains("admin") && words(&line).any(|word| word.len() >= 32)
        })?;
        let first = |prefix: &str| {
            let word =
                words(text).find(|word| word.starts_with(prefix) && word.len() > prefix.len());
            word.map(str::to_owned)
        };
        Some(Self {
            admin_token: words(admin).find(|word| word.len() >= 32)?.to_owned(),
            project: first("proj_")?,
            secret_key: first("byo_sk_live_")?,
            publishable_key: first("byo_pk_live_")?,
        })
    }
}

/// Every token of ours in a text.
pub(super) fn tokens(text: &str) -> impl Iterator<Item = &str> {
    words(text).filter(|word| word.starts_with("byo_") && word.len() >= 32)
}

fn words(text: &str) -> impl Iterator<Item = &str> {
    text.split(|c: char| !(c.is_ascii_alphanumeric() || c == '_' || c == '-'))
        .filter(|word| !word.is_empty())
}

/// All files below a folder.
pub(super) fn files(folder: &Path) -> std::io::Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder)? {
            let entry = entry?;
            if entry.file_type()?.is_dir() {
                folders.push(entry.path());
            } else if entry.file_type()?.is_file() {
                found.push(entry.path());
            }
        }
    }
    found.sort();
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_are_found_wherever_they_stand_in_a_line() {
        let text = "\
  Admin token      q3J8-kd_0123456789abcdefghijklmnopqrst
  Project          proj_0abc (\"Quickstart\")
  Secret key:      byo_sk_live_AAAA
  export BYO_PK=\"byo_pk_live_BBBB\"
  curl -H 'authorization: Bearer byo_sk_live_AAAA' http://127.0.0.1:1/v1/models";
        assert_eq!(
            Printed::read(text),
            Some(Printed {
                admin_token: "q3J8-kd_0123456789abcdefghijklmnopqrst".to_owned(),
                project: "proj_0abc".to_owned(),
                secret_key: "byo_sk_live_AAAA".to_owned(),
                publishable_key: "byo_pk_live_BBBB".to_owned(),
            })
        );
        assert_eq!(Printed::read(&text.replace("proj_", "")), None);
    }
}
