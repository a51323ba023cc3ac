//! What things are and what is decided: ids, provider keys, credentials, routing, credits, limits,
//! pricing, usage, audit.
//!
//! Depends on serde and small value crates only. It never does I/O, reads no clock, draws no
//! randomness and knows no runtime: every rule here is a pure function with a table test.

pub mod audit;
pub mod call;
pub mod circuit;
pub mod credential;
pub mod credits;
pub mod events;
mod field_error;
pub mod ids;
pub mod key;
pub mod key_checks;
pub mod key_settings;
pub mod limits;
pub mod money;
pub mod origin;
pub mod pricing;
pub mod routing;
pub mod settings;
pub mod tiers;
pub mod time;
pub mod usage;

pub use call::{Aftermath, CallRecord, ErrorClass, KeySource};
pub use credits::Credits;
pub use field_error::FieldError;
pub use ids::{
    ApiKeyId, DeliveryId, EventId, InvalidRefId, ProjectId, ProviderId, ProviderKeyId, RefId,
    RequestId, WebhookId,
};
pub use key::{KeyHint, KeyStatus, ProviderConfig};
pub use money::PicoUsd;
pub use settings::{ClientGone, ProjectSettings, SettingsChange};
pub use time::Timestamp;
pub use usage::{AnswerReader, Findings, Opening, Seen, Usage};
