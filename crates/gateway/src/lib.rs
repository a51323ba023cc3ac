//! One call: authenticated, decided, opened, forwarded, metered. The facade a host embeds.
//!
//! May use every crate below it; never names a database. What it needs to know it asks through the
//! port [`Directory`], and remembers in caches that whoever changes a row invalidates.
//!
//! In reading order: [`Gateway`] holds what all calls share; [`Call`] goes in; `call` is the story
//! of one; [`Answer`] comes out.

mod ambient;
mod answer;
mod answering;
mod attempt;
mod call;
mod circuits;
mod credits;
pub mod directory;
mod drain;
mod error;
mod explain;
mod gateway;
mod headers;
mod judging;
mod key_checker;
mod key_checks;
mod key_limits;
mod lent_body;
mod made_objects;
mod masking;
pub mod multipart;
mod named_objects;
mod opening;
mod outgoing;
mod payers;
mod prefixed;
mod query;
mod readdressing;
mod remembered;
mod request;
mod reseal;
mod upload;
mod upload_address;
mod upload_ticket;
mod usage_log;
mod validate;
mod verdict;
mod webhooks;

pub use ambient::{Ambient, System};
pub use answer::{Answer, AnswerBody, AnswerError, Refusal};
pub use call::{NotAnswered, Tried};
pub use directory::{
    CustomerSnapshot, Directory, DirectoryError, ObjectOwner, PlatformKey, ProjectSnapshot,
    StoredKey,
};
pub use error::{AuthError, CallError, NotPaid};
pub use gateway::{Gateway, GatewayConfig, Project};
pub use key_checker::{CheckPace, KeyChecker};
pub use key_checks::{DueKey, KeyChecks, Told};
pub use key_limits::KeyLimits;
pub use prefixed::Prefixed;
pub use request::{Call, CallBody, CollectError, Here, collect};
pub use upload_ticket::{Continued, split_ticket};
pub use usage_log::WatchedUsageLog;
pub use verdict::Checked;
