//! The ports through which customers are told of their own keys.

use async_trait::async_trait;
use byok_domain::{EventId, ProjectId, RefId, Timestamp};

use crate::OutboxError;

/// Something that a customer is told by e-mail: no key and no prompt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Notice {
    /// The event behind it.
    pub event: EventId,
    /// Tells this lease from later ones.
    pub lease: i64,
    /// The project.
    pub project: ProjectId,
    /// The project's name, by which the customer knows the product.
    pub project_name: String,
    /// The customer.
    pub ref_id: RefId,
    /// What it is about.
    pub about: About,
    /// Attempts made before.
    pub tries: u32,
}

/// What a notice is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum About {
    /// The provider no longer accepts a key.
    KeyInvalid {
        /// The provider.
        provider: String,
        /// The part of the key that people may see.
        key_hint: String,
    },
    /// A call was paid with credits, the key failing.
    Fallback {
        /// The provider.
        provider: String,
        /// Why, as in `x-byo-fallback`.
        reason: String,
    },
}

/// Where notices wait: implemented by `store`, or by a host that keeps them elsewhere.
#[async_trait]
pub trait NoticeBox: Send + Sync + 'static {
    /// Leases up to `most` notices that are due at `now`, until `leased_until`.
    async fn claim_notices(
        &self,
        now: Timestamp,
        leased_until: Timestamp,
        most: u64,
    ) -> Result<Vec<Notice>, OutboxError>;

    /// Ends a lease: the notice is due again at `again`, or never.
    async fn settle_notice(
        &self,
        notice: &Notice,
        again: Option<Timestamp>,
    ) -> Result<(), OutboxError>;
}

/// Where customers' addresses are found.
#[async_trait]
pub trait Recipients: Send + Sync + 'static {
    /// A customer's e-mail address, if it has one.
    async fn address(
        &self,
        project: &ProjectId,
        ref_id: &RefId,
    ) -> Result<Option<String>, OutboxError>;
}
