//! Each provider's wire, a module each: what it takes, how it is signed, what its answers mean.
//!
//! May depend on `domain`, `net` and the vault's secret type; it alone spends an opened key. It
//! never decides who pays, stores nothing and opens no connection itself.
//!
//! Adding a provider is adding one module that implements [`Provider`] and one line in
//! [`registry`].

mod anthropic;
mod asked;
mod azure_openai;
mod bedrock;
mod cohere;
mod compatible;
mod config_fields;
mod gone_on_from;
mod google;
mod hosts;
mod json_bytes;
mod json_fields;
mod json_parts;
mod json_paths;
mod key_format;
mod media_type;
mod mistral;
mod named_texts;
mod next_address;
mod openai;
mod percent;
mod provider;
mod rate_limits;
mod sse;
mod unread;
mod wire_usage;

pub use asked::{AskedOutput, asked_output};
pub use gone_on_from::{gone_on_from, kept_answer};
pub use key_format::misplaced;
pub use media_type::{MediaType, essence};
pub use next_address::{NextAddress, readdressed};
pub use provider::{
    AnswerShape, BodyKind, ObjectRef, Operation, OutgoingRequest, Payload, PayloadError, Plane,
    Provider, Route, ValidationCall, Verdict, find, mounted, registry,
};
pub use rate_limits::{RateLimit, rate_limits};
pub use sse::HideUsageChunk;
pub use unread::Unread;

#[cfg(test)]
mod costs;
