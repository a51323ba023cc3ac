//! Sealing a customer's key for the one place it belongs to, and opening it there again.

use byok_domain::{ProjectId, ProviderConfig, ProviderId, ProviderKeyId, RefId};
use byok_gateway::StoredKey;
use byok_net::EgressPolicy;
use byok_vault::{Binding, DataKey, ProviderSecret, Purpose, SealedSecret};

use crate::error::ApiError;

/// Where a key belongs, beside the row it is stored in.
pub(super) struct Place<'a> {
    pub(super) project: &'a ProjectId,
    pub(super) provider: &'a ProviderId,
    /// `None` for the platform's own.
    pub(super) ref_id: Option<&'a RefId>,
    /// The customer's own origin; empty for the provider's.
    pub(super) origin: &'a str,
}

impl Place<'_> {
    fn binding<'b>(&'b self, connection: &'b ProviderKeyId, version: u32) -> Binding<'b> {
        Binding {
            purpose: match self.ref_id {
                Some(_) => Purpose::ProviderKey,
                None => Purpose::PlatformKey,
            },
            project: self.project,
            connection,
            ref_id: self.ref_id,
            provider: self.provider,
            origin: self.origin,
            version,
        }
    }

    /// Seals a key for the row and version it is stored under.
    pub(super) fn seal(
        &self,
        data_key: &DataKey,
        connection: &ProviderKeyId,
        version: u32,
        secret: &ProviderSecret,
    ) -> SealedSecret {
        data_key.seal(&self.binding(connection, version), secret)
    }
}

/// Opens a stored key.
///
/// # Errors
/// `vault_integrity` when it was changed, or sealed for another place.
pub(super) fn open(
    egress: &EgressPolicy,
    data_key: &DataKey,
    stored: &StoredKey,
) -> Result<ProviderSecret, ApiError> {
    let origin = origin(egress, &stored.config);
    let place = Place {
        project: &stored.project,
        provider: &stored.provider,
        ref_id: Some(&stored.ref_id),
        origin: &origin,
    };
    Ok(data_key.open(&place.binding(&stored.id, stored.version), &stored.sealed)?)
}

/// The origin that a stored configuration names. One that policy forbids by now reads as none:
/// such a key does not open.
fn origin(egress: &EgressPolicy, config: &ProviderConfig) -> String {
    let url = config.base_url().and_then(|text| egress.parse(text).ok());
    url.map_or_else(String::new, |url| url.origin().to_owned())
}
