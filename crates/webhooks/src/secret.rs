//! The secret that an endpoint's deliveries are signed with.

use async_trait::async_trait;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use byok_domain::{ProjectId, WebhookId};
use thiserror::Error;
use zeroize::{ZeroizeOnDrop, Zeroizing};

use crate::Sealed;

/// The secret of one endpoint, open. Wiped when dropped; it cannot be formatted or cloned.
pub struct Secret(Zeroizing<[u8; 32]>);

impl ZeroizeOnDrop for Secret {}

/// What a secret's text begins with, as Standard Webhooks has it.
const PREFIX: &str = "whsec_";

impl Secret {
    /// From 32 random bytes.
    pub fn new(bytes: Zeroizing<[u8; 32]>) -> Self {
        Self(bytes)
    }

    /// The secret as its receiver is given it, once: `whsec_` and Base64.
    pub fn text(&self) -> Zeroizing<String> {
        let mut text = Zeroizing::new(String::with_capacity(PREFIX.len() + 44));
        text.push_str(PREFIX);
        STANDARD.encode_string(self.0.as_slice(), &mut text);
        text
    }

    pub(crate) fn bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

/// A sealed secret does not open, or its project cannot be read.
#[derive(Debug, Error)]
#[error("the secret of the endpoint cannot be opened")]
pub struct SecretError(#[source] pub Box<dyn std::error::Error + Send + Sync>);

/// Opens endpoints' secrets: implemented where the encryption keys are.
#[async_trait]
pub trait Secrets: Send + Sync + 'static {
    /// Opens a secret, for the endpoint it was sealed for and no other.
    async fn open(
        &self,
        project: &ProjectId,
        endpoint: &WebhookId,
        sealed: &Sealed,
    ) -> Result<Secret, SecretError>;
}
