#![doc = include_str!("manual.md")]
#![forbid(unsafe_code)]

mod ask;
mod builder;
mod call;
mod client;
mod error;
mod items;
mod openai_compatible;
mod receipt;
mod requests;
mod response;
mod retry;
mod secret;
mod stream;
mod timestamp;
mod usd;

pub mod api_keys;
pub mod audit;
pub mod credits;
pub mod customers;
pub mod keys;
pub mod logs;
pub mod origins;
pub mod platform_keys;
pub mod pricing;
pub mod projects;
pub mod providers;
pub mod routing;
pub mod tiers;
pub mod usage;
pub mod webhooks;

pub use builder::Builder;
pub use call::{Audio, Operation, Speech, StreamingOperation, Transcriptions};
pub use client::Byok;
pub use error::{Error, FieldError, Lost, ProviderError, Refusal, Result};
pub use items::{Items, Page};
pub use openai_compatible::OpenAiCompatible;
pub use receipt::{Fallback, KeySource, Receipt, TokenUsage};
pub use response::Response;
pub use secret::Secret;
pub use stream::{Event, EventStream};
pub use timestamp::Timestamp;
pub use usd::Usd;

// Compiled and run as the manual is, and no part of it.
#[cfg(doctest)]
#[doc = include_str!("../tests/rest_of_the_api.md")]
mod rest_of_the_api {}
