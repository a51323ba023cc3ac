//! What is wrong with the configuration.

use std::fmt;
use std::path::PathBuf;

use byok_vault::{InvalidAdminToken, KeyringError};
use thiserror::Error;

use super::Setting;

/// What is wrong with one setting: one line that names it and says what to do, and never shows the
/// value.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub(crate) enum ConfigError {
    /// The file cannot be read.
    #[error("--config names {path:?}, which cannot be read: {why}")]
    File {
        /// The file.
        path: PathBuf,
        /// As the operating system says it.
        why: String,
    },
    /// The file is no TOML.
    #[error("{path:?} is not TOML: line {line}: {why}")]
    Toml {
        /// The file.
        path: PathBuf,
        /// Where, counted from 1.
        line: usize,
        /// As the parser says it, without the line itself.
        why: String,
    },
    /// No setting has this name.
    #[error("{name} is not a setting of this server; {}", advice(.suggestion.as_deref()))]
    Unknown {
        /// The name.
        name: Name,
        /// What may have been meant.
        suggestion: Option<String>,
    },
    /// A section of the file, which has none.
    #[error("{name} is a section; write its settings at the top of the file, above any section")]
    Section {
        /// The section.
        name: Name,
    },
    /// The setting exists, but not in this version.
    #[error("{name} is set, but this version does not {what} yet; remove it")]
    NotYet {
        /// The name.
        name: Name,
        /// What the setting would make it do.
        what: &'static str,
    },
    /// The value is not one that the setting takes.
    #[error("{name} {problem}")]
    Invalid {
        /// The name.
        name: Name,
        /// What is wrong and what to write instead, without its subject.
        problem: String,
    },
    /// Two settings that mean the same.
    #[error("{first} and {second} are both set; keep one of them")]
    Conflict {
        /// One.
        first: Name,
        /// The other.
        second: Name,
    },
    /// Two listeners on one address.
    #[error("{first} and {second} share an address and port; give each its own port")]
    SameAddress {
        /// One.
        first: Name,
        /// The other.
        second: Name,
    },
    /// The encryption keys are no good.
    #[error(transparent)]
    Keyring(#[from] KeyringError),
    /// There are no encryption keys.
    #[error(
        "{} is not set; make a key with `openssl rand -hex 32` and keep it safe: without it the \
         stored keys cannot be read",
        Setting::ENCRYPTION_KEY.variable()
    )]
    NoKeyring,
    /// The operator's token is no good.
    #[error("{name} {why}; make one with `openssl rand -hex 32`")]
    AdminToken {
        /// The name.
        name: Name,
        /// What is wrong with it.
        why: InvalidAdminToken,
    },
}

fn advice(suggestion: Option<&str>) -> String {
    suggestion.map_or("remove it".to_owned(), |name| format!("did you mean {name}?"))
}

/// A setting's name where it was set: the flag, the variable, or the key and its file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Name {
    /// A flag, or an environment variable, as it is.
    Plain(String),
    /// A key of the TOML file.
    Key(String, PathBuf),
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Plain(name) => write!(f, "{}", name.escape_debug()),
            Self::Key(key, path) => write!(f, "{} in {path:?}", key.escape_debug()),
        }
    }
}
