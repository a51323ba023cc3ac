//! What deliveries of webhooks ask of the gateway: opened secrets, the time, and jitter.

use async_trait::async_trait;
use byok_domain::{ProjectId, Timestamp, WebhookId};
use byok_vault::{SealedSecret, WebhookBinding};
use byok_webhooks::{Clock, Sealed, Secret, SecretError, Secrets};

use crate::gateway::Gateway;

#[async_trait]
impl Secrets for Gateway {
    async fn open(
        &self,
        project: &ProjectId,
        endpoint: &WebhookId,
        sealed: &Sealed,
    ) -> Result<Secret, SecretError> {
        let found = self.project(project).await.map_err(|error| SecretError(Box::new(error)))?;
        let of = found.ok_or_else(|| SecretError("its project is gone".into()))?;
        let binding = WebhookBinding { project, endpoint, version: sealed.version };
        let sealed = SealedSecret { bytes: sealed.bytes.clone() };
        let secret = of.data_key.open_webhook_secret(&binding, &sealed);
        secret.map(Secret::new).map_err(|error| SecretError(Box::new(error)))
    }
}

impl Clock for Gateway {
    fn now(&self) -> Timestamp {
        self.ambient.now()
    }

    fn random(&self) -> u32 {
        let [a, b, c, d, ..] = self.ambient.random();
        u32::from_le_bytes([a, b, c, d])
    }
}
