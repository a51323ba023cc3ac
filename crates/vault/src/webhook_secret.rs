//! Secrets that webhook deliveries are signed with, sealed under their project's data key.

use byok_domain::{ProjectId, WebhookId};
use zeroize::Zeroizing;

use crate::binding::aad;
use crate::record;
use crate::{DataKey, SealedSecret, VaultError};

/// What a record of a webhook secret is for: it does not open as anything else.
const PURPOSE: &str = "webhook-secret";

/// Everything that a sealed webhook secret is bound to.
#[derive(Clone, Copy, Debug)]
pub struct WebhookBinding<'a> {
    /// The project that holds it.
    pub project: &'a ProjectId,
    /// The endpoint it signs for.
    pub endpoint: &'a WebhookId,
    /// Counts the endpoint's secrets: one that was replaced does not come back.
    pub version: u32,
}

impl WebhookBinding<'_> {
    fn aad(&self, kid: &str) -> Vec<u8> {
        let version = self.version.to_string();
        aad(&[PURPOSE, kid, self.project.as_str(), self.endpoint.as_str(), &version])
    }
}

impl DataKey {
    /// Seals the secret of a webhook endpoint.
    pub fn seal_webhook_secret(
        &self,
        binding: &WebhookBinding<'_>,
        secret: &[u8; 32],
    ) -> SealedSecret {
        let aad = binding.aad(self.kid());
        SealedSecret { bytes: record::seal(self.key(), self.kid(), &aad, secret) }
    }

    /// Opens the secret of a webhook endpoint, for the place it was sealed for and no other.
    ///
    /// # Errors
    /// As [`open`](Self::open).
    pub fn open_webhook_secret(
        &self,
        binding: &WebhookBinding<'_>,
        sealed: &SealedSecret,
    ) -> Result<Zeroizing<[u8; 32]>, VaultError> {
        let kid = record::kid(&sealed.bytes)?;
        if kid != self.kid() {
            return Err(VaultError::UnknownKey { kid: kid.to_owned() });
        }
        let bytes = record::open(self.key(), self.kid(), &binding.aad(self.kid()), &sealed.bytes)?;
        let mut secret = Zeroizing::new([0; 32]);
        if bytes.len() != secret.len() {
            return Err(VaultError::Malformed);
        }
        secret.copy_from_slice(&bytes);
        Ok(secret)
    }
}
