//! A plaintext key into a sealed record, and for one authorised use back.
//!
//! Three layers of keys: the operator's encryption keys ([`Keyring`]) wrap one [`DataKey`] a
//! project, and that seals the project's provider keys ([`ProviderSecret`]). Rotating the
//! operator's key so rewrites one small record a project, and removing a project's data key makes
//! its secrets unreadable. Every record is bound to what it belongs to ([`Binding`]): moved
//! elsewhere, it does not open.
//!
//! Depends on `domain` and is alone in naming ring. It never does I/O, keeps no cache and logs
//! nothing. Types that hold a secret have neither `Debug` nor `Display` nor `Clone`, so that no
//! log line, panic or error can show one.

mod admin_token;
mod audit_key;
mod binding;
mod data_key;
mod error;
mod keyring;
mod kid;
mod provider_secret;
mod random;
mod record;
mod root;
mod ticket;
mod token;
mod token_digest;
mod weak;
mod webhook_secret;

pub use admin_token::{AdminToken, InvalidAdminToken};
pub use audit_key::AuditKey;
pub use binding::{Binding, Purpose};
pub use data_key::{DataKey, SealedDataKey, SealedSecret};
pub use error::VaultError;
pub use keyring::{Keyring, KeyringError};
pub use kid::Kid;
pub use provider_secret::{InvalidSecret, ProviderSecret};
pub use random::{random_bytes, random_key_hex};
pub use root::SealedRoot;
pub use ticket::TicketUse;
pub use token::{Token, checksum_holds};
pub use token_digest::{TokenDigest, TokenHasher};
pub use webhook_secret::WebhookBinding;
