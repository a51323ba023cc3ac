//! Events on their way to the addresses that projects chose: signed, delivered, retried, given up.
//!
//! Depends on `domain` for what an event is and on `net` for the way out, and may name ring for
//! HMAC. It knows no database, and opens no sealed secret: what is due is leased from the port
//! [`Outbox`], and secrets are opened through the port [`Secrets`]. Time and randomness come from
//! the port [`Clock`].
//!
//! In reading order: [`Secret`] and [`signed_headers`] say how a delivery is signed; [`WebhookUrl`]
//! which addresses may be chosen; [`Courier`] makes one attempt; [`schedule`] decides what follows
//! from it; [`Worker`] does all that is due, so that no endpoint holds up another. With the feature
//! `email`, `email` tells customers of their own keys.
//!
//! What it never does: follow a redirect, read more than 16 KB of an answer, keep or show a word of
//! it, or send to an address that the egress policy forbids.

mod attempt;
mod clock;
mod courier;
#[cfg(feature = "email")]
pub mod email;
mod meters;
mod notices;
mod outbox;
pub mod schedule;
mod secret;
mod sign;
mod url;
mod worker;

pub use attempt::{Attempt, Outcome};
pub use clock::Clock;
pub use courier::Courier;
pub use notices::{About, Notice, NoticeBox, Recipients};
pub use outbox::{Claimed, Lane, Outbox, OutboxError, Sealed, SealedSecrets, Wanted};
pub use schedule::{Next, Reason};
pub use secret::{Secret, SecretError, Secrets};
pub use sign::signed_headers;
pub use url::WebhookUrl;
pub use worker::{Limits, Worker};
