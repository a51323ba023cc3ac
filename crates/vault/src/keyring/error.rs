//! What is wrong with the operator's keys.

use thiserror::Error;

/// What is wrong with the operator's keys: one line that names the variable and never the value.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum KeyringError {
    /// Nothing at all.
    #[error("{variable} is empty; make a key with `openssl rand -hex 32`")]
    Empty {
        /// The variable, or the file's variable.
        variable: String,
    },
    /// Not 64 characters.
    #[error(
        "{variable}{place} has {found} characters but needs 64 hex characters; make a key with \
         `openssl rand -hex 32`"
    )]
    Length {
        /// The variable.
        variable: String,
        /// Which entry of several; empty for one.
        place: String,
        /// How many characters there are.
        found: usize,
    },
    /// A character that is not a hex digit.
    #[error(
        "{variable}{place} has a character at position {position} that is not a hex digit; make a \
         key with `openssl rand -hex 32`"
    )]
    NotHex {
        /// The variable.
        variable: String,
        /// Which entry of several; empty for one.
        place: String,
        /// The first such character, counted from 1.
        position: usize,
    },
    /// A key that somebody made up.
    #[error(
        "{variable}{place} {why}, so anyone can guess it; make a key with `openssl rand -hex 32`"
    )]
    Weak {
        /// The variable.
        variable: String,
        /// Which entry of several; empty for one.
        place: String,
        /// What gives it away.
        why: &'static str,
    },
    /// An entry of a ring without its number.
    #[error(
        "{variable}{place} does not start with a term number; write `2:<64 hex>,1:<64 hex>`, the \
         current key first"
    )]
    Term {
        /// The variable.
        variable: String,
        /// Which entry.
        place: String,
    },
    /// One number for two keys.
    #[error("{variable} has two keys of term {term}; give each key its own number")]
    DuplicateTerm {
        /// The variable.
        variable: String,
        /// The number.
        term: u32,
    },
    /// One key under two numbers.
    #[error("{variable} has one key under terms {first} and {second}; remove one of them")]
    DuplicateKey {
        /// The variable.
        variable: String,
        /// The number seen first.
        first: u32,
        /// The number seen again.
        second: u32,
    },
}
