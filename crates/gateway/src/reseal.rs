//! Sealing a stored key anew, with what an earlier release left outside the seal.

use byok_vault::{Binding, Purpose};

use crate::attempt::open;
use crate::directory::StoredKey;
use crate::error::CallError;
use crate::gateway::Gateway;

impl Gateway {
    /// The key one version on, its session token inside the seal and no longer in its
    /// configuration; `None` when it has none there.
    ///
    /// # Errors
    /// When the key does not open, or its project cannot be had.
    pub async fn reseal(&self, mut stored: StoredKey) -> Result<Option<StoredKey>, CallError> {
        let Some(provider) = byok_providers::find(stored.provider.as_str()) else {
            return Ok(None);
        };
        let token =
            provider.session_token_field().and_then(|field| stored.config.take_secret(field));
        let Some(token) = token else { return Ok(None) };
        let project = self.project(&stored.project).await?.ok_or(CallError::NoProject)?;
        let key = self.usable(provider, stored);
        let secret = open(&project, &key)?;
        let origin = key.bound_origin().to_owned();
        let mut stored = key.stored;
        let secret = match secret.with_session_token(token) {
            Ok(secret) => secret,
            // Nothing that a provider issued: the key never worked with it.
            Err(_) => return Ok(None),
        };
        stored.version += 1;
        let binding = Binding {
            purpose: Purpose::ProviderKey,
            project: &stored.project,
            connection: &stored.id,
            ref_id: Some(&stored.ref_id),
            provider: &stored.provider,
            origin: &origin,
            version: stored.version,
        };
        stored.sealed = project.data_key.seal(&binding, &secret);
        Ok(Some(stored))
    }
}
