//! The port through which the gateway learns of projects, tokens and keys.

use std::sync::Arc;

use async_trait::async_trait;
use byok_domain::call::OpenUntil;
use byok_domain::credential::{ApiKey, Environment};
use byok_domain::origin::Allowlist;
use byok_domain::pricing::PriceTable;
use byok_domain::routing::{Candidate, RoutingSettings};
use byok_domain::tiers::Tiers;
use byok_domain::{
    KeyStatus, ProjectId, ProjectSettings, ProviderConfig, ProviderId, ProviderKeyId, RefId,
    Timestamp,
};
use byok_vault::{SealedDataKey, SealedSecret, TokenDigest};
use thiserror::Error;

/// A project as calls see it.
#[derive(Clone, Debug)]
pub struct ProjectSnapshot {
    /// The project.
    pub id: ProjectId,
    /// Its name, for people.
    pub name: String,
    /// Live or test.
    pub environment: Environment,
    /// Origins that publishable keys may be used from.
    pub allowed_origins: Allowlist,
    /// The project's own prices, laid over the operator's and the built-in ones.
    pub overrides: Arc<PriceTable>,
    /// What the project sets for its calls.
    pub settings: ProjectSettings,
    /// Who pays for its calls.
    pub routing: RoutingSettings,
    /// The plans that its customers are on.
    pub tiers: Arc<Tiers>,
    /// Whether it has a key of its own for any provider, and so a side of credits.
    pub has_platform_keys: bool,
    /// The data key that its provider keys are sealed under, itself sealed.
    pub data_key: SealedDataKey,
}

/// A customer's provider key as it is stored: sealed.
#[derive(Clone, Debug)]
pub struct StoredKey {
    /// The key's own id.
    pub id: ProviderKeyId,
    /// The project it belongs to.
    pub project: ProjectId,
    /// The provider it is for.
    pub provider: ProviderId,
    /// The customer it belongs to.
    pub ref_id: RefId,
    /// Lower is tried first.
    pub priority: i32,
    /// When it was connected.
    pub created_at: Timestamp,
    /// What the provider last said of it.
    pub status: KeyStatus,
    /// What belongs to it beside the secret.
    pub config: ProviderConfig,
    /// The secret, sealed.
    pub sealed: SealedSecret,
    /// Counts the times it was replaced; the seal is bound to it.
    pub version: u32,
    /// Its circuit, if that was open when it was last written down.
    pub circuit: Option<OpenUntil>,
}

/// The platform's own key for a provider as it is stored: sealed. Credits pay for its calls.
#[derive(Clone, Debug)]
pub struct PlatformKey {
    /// The key's own id, which its seal is bound to.
    pub id: ProviderKeyId,
    /// The project it belongs to.
    pub project: ProjectId,
    /// The provider it is for.
    pub provider: ProviderId,
    /// What belongs to it beside the secret.
    pub config: ProviderConfig,
    /// The secret, sealed.
    pub sealed: SealedSecret,
    /// Counts the times it was replaced; the seal is bound to it.
    pub version: u32,
}

/// A customer as calls see it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CustomerSnapshot {
    /// The plan it was put on; `None` for the default one.
    pub tier: Option<String>,
    /// Whether it has credits, held or not. What is held changes with every call on credits:
    /// whether one can be paid is for the hold to say, and for this only whether to try.
    pub has_credits: bool,
}

impl StoredKey {
    /// What routing needs to know of it.
    pub fn candidate(&self) -> Candidate<'_> {
        Candidate {
            id: &self.id,
            priority: self.priority,
            created_at: self.created_at,
            status: self.status,
        }
    }
}

/// Whose a stored object at a provider is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ObjectOwner {
    /// The customer who made it.
    pub ref_id: RefId,
    /// The key it was made with, if that key still exists.
    pub key: Option<ProviderKeyId>,
}

/// The directory cannot answer.
#[derive(Debug, Error)]
#[error("the directory of projects and keys cannot be read")]
pub struct DirectoryError(#[source] pub Box<dyn std::error::Error + Send + Sync>);

/// Where projects, tokens and sealed keys are found: implemented by `store`, or by a host that
/// keeps them elsewhere. Asked on a cold cache only.
#[async_trait]
pub trait Directory: Send + Sync + 'static {
    /// The owner of a token, unless revoked. Expiry is the gateway's to check.
    async fn api_key(&self, digest: &TokenDigest) -> Result<Option<ApiKey>, DirectoryError>;

    /// A project, unless deleted.
    async fn project(&self, id: &ProjectId) -> Result<Option<ProjectSnapshot>, DirectoryError>;

    /// A customer's keys for a provider, in any order.
    async fn provider_keys(
        &self,
        project: &ProjectId,
        provider: &ProviderId,
        ref_id: &RefId,
    ) -> Result<Vec<StoredKey>, DirectoryError>;

    /// The platform's own key for a provider.
    async fn platform_key(
        &self,
        project: &ProjectId,
        provider: &ProviderId,
    ) -> Result<Option<PlatformKey>, DirectoryError>;

    /// A customer; one that nothing is known of has no plan of its own and no credits.
    async fn customer(
        &self,
        project: &ProjectId,
        ref_id: &RefId,
    ) -> Result<CustomerSnapshot, DirectoryError>;

    /// Whose an object (`kind` is `file`, `batch`, `response` …) is, if it was made through this
    /// system.
    async fn object_owner(
        &self,
        project: &ProjectId,
        provider: &ProviderId,
        kind: &str,
        id: &str,
    ) -> Result<Option<ObjectOwner>, DirectoryError>;
}
