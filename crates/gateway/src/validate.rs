//! Asks a provider whether it accepts a key.

use std::time::Duration;

use byok_domain::{ProjectId, ProviderConfig};
use byok_net::{SendBody, SendError};
use byok_providers::{OutgoingRequest, Provider, Verdict};
use byok_vault::ProviderSecret;
use bytes::Bytes;
use http::{HeaderMap, Method, Request, StatusCode};
use http_body_util::BodyExt;

use crate::error::CallError;
use crate::gateway::Gateway;
use crate::headers;

/// The longest a person waits for the verdict on a key.
const PATIENCE: Duration = Duration::from_secs(15);
/// As much of the answer as the verdict may depend on, in bytes.
const READ_CAP: usize = 64 * 1024;

/// What came of asking about a key.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Asked {
    pub(crate) verdict: Verdict,
    /// Whether the answer was that there are too many questions.
    pub(crate) throttled: bool,
}

impl Gateway {
    /// Asks `provider` whether it accepts `secret`, by the cheapest call that shows it.
    ///
    /// # Errors
    /// [`CallError::Blocked`] when policy forbids the key's `baseUrl`. That the provider cannot be
    /// asked is a verdict, not an error; nothing of its answer is handed on.
    pub async fn validate_key(
        &self,
        project: &ProjectId,
        provider: &'static dyn Provider,
        config: &ProviderConfig,
        secret: &ProviderSecret,
    ) -> Result<Verdict, CallError> {
        Ok(self.ask(project, provider, config, secret).await?.verdict)
    }

    pub(crate) async fn ask(
        &self,
        project: &ProjectId,
        provider: &'static dyn Provider,
        config: &ProviderConfig,
        secret: &ProviderSecret,
    ) -> Result<Asked, CallError> {
        let call = provider.validation(config);
        let base = self.base(provider, project, config, call.plane).ok_or(CallError::Blocked)?;
        let uri = base.uri(&call.path).map_err(|_| CallError::Path)?;
        let mut headers = headers::upstream(provider, &HeaderMap::new());
        let mut outgoing = OutgoingRequest {
            method: &Method::GET,
            uri: &uri,
            headers: &mut headers,
            body: Some(&[]),
            at: self.ambient.now(),
        };
        provider.authorize(config, secret, &mut outgoing);
        let mut request = Request::new(SendBody::Empty);
        *request.uri_mut() = uri;
        *request.headers_mut() = headers;
        let ask = async {
            let response = self.upstream.send(&base, request).await?;
            let (head, mut body) = response.into_parts();
            let mut read = Vec::new();
            while read.len() < READ_CAP {
                let Some(Ok(frame)) = body.frame().await else { break };
                read.extend_from_slice(&frame.into_data().unwrap_or_else(|_| Bytes::new()));
            }
            let throttled = head.status == StatusCode::TOO_MANY_REQUESTS;
            Ok(Asked { verdict: provider.judge(head.status, &head.headers, &read), throttled })
        };
        match tokio::time::timeout(PATIENCE, ask).await {
            Ok(Ok(asked)) => Ok(asked),
            Ok(Err(SendError::Blocked)) => Err(CallError::Blocked),
            Ok(Err(_)) | Err(_) => Ok(Asked { verdict: Verdict::Unreachable, throttled: false }),
        }
    }
}
