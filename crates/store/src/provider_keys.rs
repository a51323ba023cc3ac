//! Customers' provider keys: stored and replaced sealed, listed without the seal.

mod checks;
mod connect;
mod list;
mod reseal;
mod revoke;
mod status;

use byok_domain::call::OpenUntil;
use byok_domain::circuit::Cause;
use byok_domain::events::EventKey;
use byok_domain::{
    KeyHint, KeyStatus, ProjectId, ProviderConfig, ProviderId, ProviderKeyId, RefId, Timestamp,
};
use byok_gateway::StoredKey;
use byok_vault::SealedSecret;
pub use connect::{ConnectKey, Connected, Replace};
pub use list::KeyFilter;
pub use status::Verdict;
pub(crate) use status::record;

use crate::StoreError;
use crate::audit::Metadata;
use crate::column::{count, from_json, key_status, optional_time, parsed, ref_id, time};
use crate::entity::provider_keys::Model;

pub(crate) const TABLE: &str = "provider_keys";

/// A customer's provider key as it is listed: everything but the key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProviderKeyRow {
    /// Its id.
    pub id: ProviderKeyId,
    /// The provider it is for.
    pub provider: ProviderId,
    /// The customer it belongs to.
    pub ref_id: RefId,
    /// What tells it from the customer's other keys there; empty when nothing was said.
    pub label: String,
    /// Lower is tried first.
    pub priority: i32,
    /// The part of it that people may see.
    pub hint: KeyHint,
    /// What the provider last said of it.
    pub status: KeyStatus,
    /// Why it is not valid.
    pub last_error: Option<String>,
    /// When the provider last said so.
    pub last_validated_at: Option<Timestamp>,
    /// When the last call with it came in.
    pub last_used_at: Option<Timestamp>,
    /// Calls made with it.
    pub total_requests: u64,
    /// Tokens those used, as far as known.
    pub total_tokens: u64,
    /// What belongs to it beside the secret.
    pub config: ProviderConfig,
    /// Counts the times it was replaced.
    pub version: u32,
    /// When it was first connected.
    pub created_at: Timestamp,
    /// When it was last connected.
    pub updated_at: Timestamp,
}

fn read(row: Model) -> Result<ProviderKeyRow, StoreError> {
    Ok(ProviderKeyRow {
        id: ProviderKeyId::new(row.id),
        provider: ProviderId::new(row.provider),
        ref_id: ref_id(TABLE, &row.ref_id)?,
        label: row.label,
        priority: row.priority,
        hint: KeyHint::stored(row.hint),
        status: key_status(TABLE, &row.status)?,
        last_error: row.last_error,
        last_validated_at: optional_time(row.last_validated_at),
        last_used_at: optional_time(row.last_used_at),
        total_requests: count(row.total_requests),
        total_tokens: count(row.total_tokens),
        config: from_json(TABLE, &row.config)?,
        version: version(row.version)?,
        created_at: time(row.created_at),
        updated_at: time(row.updated_at),
    })
}

pub(crate) fn read_sealed(row: Model) -> Result<StoredKey, StoreError> {
    let cause = row.circuit_cause.map(|text| parsed(TABLE, &text, Cause::parse)).transpose()?;
    let circuit = optional_time(row.circuit_until)
        .zip(cause)
        .map(|(until, cause)| OpenUntil { until, cause });
    Ok(StoredKey {
        id: ProviderKeyId::new(row.id),
        project: ProjectId::new(row.project_id),
        provider: ProviderId::new(row.provider),
        ref_id: ref_id(TABLE, &row.ref_id)?,
        priority: row.priority,
        created_at: time(row.created_at),
        status: key_status(TABLE, &row.status)?,
        config: from_json(TABLE, &row.config)?,
        sealed: SealedSecret { bytes: row.sealed },
        version: version(row.version)?,
        circuit,
    })
}

fn version(version: i64) -> Result<u32, StoreError> {
    u32::try_from(version).map_err(|_| StoreError::damaged(TABLE, "a version is out of range"))
}

/// What webhooks tell of a key.
pub(crate) fn told(row: &Model) -> Result<EventKey, StoreError> {
    Ok(EventKey {
        key_id: ProviderKeyId::new(row.id.as_str()),
        provider: ProviderId::new(row.provider.as_str()),
        ref_id: ref_id(TABLE, &row.ref_id)?,
        label: row.label.clone(),
        key_hint: KeyHint::stored(row.hint.clone()),
    })
}

/// What the audit log tells of a key: whose it is, and the part of it that people may see.
pub(crate) fn describe(row: &Model) -> Metadata {
    Metadata::from([
        ("keyHint", row.hint.clone().into()),
        ("label", row.label.clone().into()),
        ("provider", row.provider.clone().into()),
        ("refId", row.ref_id.clone().into()),
    ])
}
