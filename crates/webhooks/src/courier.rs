//! One attempt to deliver: opened, signed, sent, answered.

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use byok_net::{EgressPolicy, ReceiveBody, SendBody, SendError, Upstream};
use http::{Method, Request, Response, header::RETRY_AFTER};
use http_body_util::BodyExt;
use tokio::time::{Instant, timeout};

use crate::{Attempt, Claimed, Clock, Outcome, Secrets, WebhookUrl, schedule, signed_headers};

/// How long an attempt may take, from the look-up of the name to the end of the answer.
const DEADLINE: Duration = Duration::from_secs(15);

/// How much of an answer is read: enough to end a plain one and keep the connection.
const MOST_READ: usize = 16 * 1024;

/// Makes attempts to deliver. Cheap to clone.
#[derive(Clone)]
pub struct Courier {
    upstream: Upstream,
    policy: EgressPolicy,
    secrets: Arc<dyn Secrets>,
    clock: Arc<dyn Clock>,
    deadline: Duration,
}

impl Courier {
    /// A courier who goes out by `upstream`, to addresses that `policy` allows.
    pub fn new(
        upstream: Upstream,
        policy: EgressPolicy,
        secrets: Arc<dyn Secrets>,
        clock: Arc<dyn Clock>,
    ) -> Self {
        Self { upstream, policy, secrets, clock, deadline: DEADLINE }
    }

    /// Allows an attempt another time than 15 seconds.
    #[must_use]
    pub fn with_deadline(self, deadline: Duration) -> Self {
        Self { deadline, ..self }
    }

    /// Reads a URL that is to be saved, and judges what its name leads to now. A name that leads
    /// nowhere yet is fine: every attempt looks and judges again.
    ///
    /// # Errors
    /// [`byok_net::Blocked`] with a reason that may be shown.
    pub async fn check(
        &self,
        project: &byok_domain::ProjectId,
        url: &str,
    ) -> Result<WebhookUrl, byok_net::Blocked> {
        let url = WebhookUrl::parse(&self.policy, url)?;
        match self.upstream.check(&url.base(project)).await {
            Err(SendError::Blocked) => Err(byok_net::Blocked::Host),
            _ => Ok(url),
        }
    }

    /// Makes one attempt.
    pub async fn attempt(&self, claimed: &Claimed) -> Attempt {
        let at = self.clock.now();
        let began = Instant::now();
        let mut retry_after = None;
        // Dropped by the time-out, the attempt closes its connection.
        let outcome = timeout(self.deadline, self.send(claimed, &mut retry_after)).await;
        let outcome = outcome.unwrap_or(Outcome::TimedOut);
        Attempt { at, duration: began.elapsed(), outcome, retry_after }
    }

    async fn send(&self, claimed: &Claimed, retry_after: &mut Option<Duration>) -> Outcome {
        let Ok(url) = WebhookUrl::parse(&self.policy, &claimed.url) else {
            return Outcome::Unreachable;
        };
        let headers = match self.headers(claimed).await {
            Ok(headers) => headers,
            Err(error) => {
                let cause = std::error::Error::source(&error).map(ToString::to_string);
                let endpoint = &claimed.endpoint;
                tracing::error!(%endpoint, %error, cause, "a webhook was not signed");
                return Outcome::Unsigned;
            }
        };
        let mut request = Request::new(SendBody::Full(claimed.body.clone()));
        *request.method_mut() = Method::POST;
        *request.uri_mut() = url.uri();
        *request.headers_mut() = headers;
        let answer = match self.upstream.send(&url.base(&claimed.project), request).await {
            Ok(answer) => answer,
            Err(error) => return unanswered(&error),
        };
        let asked = answer.headers().get(RETRY_AFTER).and_then(|value| value.to_str().ok());
        *retry_after = asked.and_then(|text| schedule::retry_after(text, self.clock.now()));
        let status = answer.status().as_u16();
        if ends(answer).await { Outcome::of_status(status) } else { Outcome::Broken }
    }

    async fn headers(&self, claimed: &Claimed) -> Result<http::HeaderMap, crate::SecretError> {
        let open = |sealed| self.secrets.open(&claimed.project, &claimed.endpoint, sealed);
        let current = open(&claimed.secrets.current).await?;
        let previous = match &claimed.secrets.previous {
            Some(sealed) => Some(open(sealed).await?),
            None => None,
        };
        let (event, body) = (&claimed.event, &claimed.body);
        Ok(signed_headers(event, self.clock.now(), body, &current, previous.as_ref()))
    }
}

/// Reads the answer to its end, or as much of it as anybody may send; `false` when it breaks off.
async fn ends(answer: Response<ReceiveBody>) -> bool {
    let mut body = pin!(answer.into_body());
    let mut read = 0;
    while let Some(frame) = body.frame().await {
        let Ok(frame) = frame else { return false };
        read += frame.data_ref().map_or(0, bytes::Bytes::len);
        if read >= MOST_READ {
            break;
        }
    }
    true
}

fn unanswered(error: &SendError) -> Outcome {
    match error {
        SendError::Timeout { sent: true } => Outcome::TimedOut,
        SendError::Broken(_) | SendError::Malformed(_) | SendError::RequestBody(_) => {
            Outcome::Broken
        }
        _ => Outcome::Unreachable,
    }
}
