//! One attempt of a call: its request built, authorised and sent, its answer judged.

use std::borrow::Cow;

use byok_domain::circuit::Outcome;
use byok_domain::limits::Remaining;
use byok_domain::usage::HostRegion;
use byok_domain::{CallRecord, ErrorClass, KeySource, Timestamp};
use byok_metering::meter::OpenCall;
use byok_net::{Base, SendBody};
use byok_providers::{NextAddress, OutgoingRequest, Provider};
use byok_vault::{Binding, ProviderSecret, Purpose};
use http::uri::Scheme;
use http::{HeaderValue, Request};

use crate::call::Tried;
use crate::error::CallError;
use crate::gateway::{Gateway, Project, UsableKey};
use crate::judging::{Answering, Failed, Opened};
use crate::outgoing::Outgoing;
use crate::payers::Payer;
use crate::readdressing::Readdressing;
use crate::request::CallHead;
use crate::{headers, query};

/// An attempt that is ready to be sent.
pub(crate) struct Attempt<'p> {
    project: &'p Project,
    base: Base,
    request: Request<SendBody>,
    answering: Box<Answering>,
    /// What address the answer names, on the few routes that do.
    next: Option<NextAddress>,
    at: Timestamp,
}

impl Gateway {
    /// Builds the request of an attempt that `payer` pays for, and has the provider's module
    /// authorise it; the last attempt takes the body along.
    ///
    /// # Errors
    /// [`CallError`] when there is no such request, or the key does not open.
    pub(crate) fn attempt<'p>(
        &self,
        head: &CallHead,
        project: &'p Project,
        payer: &Payer<'_>,
        outgoing: &mut Outgoing,
        last: bool,
        at: Timestamp,
    ) -> Result<Attempt<'p>, CallError> {
        let provider = head.provider;
        let (config, base, secret) = match payer {
            Payer::Customer(key) => {
                let base = key.base.as_ref().ok_or(CallError::Blocked)?;
                (&key.stored.config, base, open(project, key)?)
            }
            Payer::Platform(reserved) => {
                (&reserved.key.config, &reserved.base, reserved.open(project)?)
            }
        };
        let model = outgoing.model.as_deref();
        let path = provider.path(&head.route, model, config)?;
        let query = head.query.as_deref().and_then(|query| query::upstream(provider, query));
        let path = match query {
            Some(query) if path.contains('?') => Cow::Owned(format!("{path}&{query}")),
            Some(query) => Cow::Owned(format!("{path}?{query}")),
            None => path,
        };
        let uri = base.uri(&path).map_err(|_| CallError::Path)?;
        let member = provider.added_member(&head.route, model, config);
        let body = outgoing.body(member, last);
        let mut headers = headers::upstream(provider, &head.headers);
        if payer.source() == KeySource::Credits {
            // Customers may choose the same, and share the account.
            headers.remove(headers::IDEMPOTENCY_KEY);
        }
        if base.is_customers() {
            headers.insert(headers::HOP, HeaderValue::from_static("1"));
        }
        let mut unsigned = OutgoingRequest {
            method: &head.route.method,
            uri: &uri,
            headers: &mut headers,
            body: body.pieces(),
            at,
        };
        // The address at which an upload goes on is all that the provider asks for: whoever came
        // by it alone gets no use of the key.
        if head.continues.is_none() {
            provider.authorize(config, &secret, &mut unsigned);
        }
        let mut request = Request::new(SendBody::from(body));
        *request.method_mut() = head.route.method.clone();
        *request.uri_mut() = uri;
        *request.headers_mut() = headers;
        let (fallback, remaining) = match payer {
            Payer::Customer(_) => (None, Remaining::default()),
            Payer::Platform(reserved) => (reserved.because, reserved.remaining),
        };
        let next = provider.next_address(&head.route);
        let answering = Box::new(Answering {
            id: head.id,
            provider,
            secret,
            source: payer.source(),
            fallback,
            remaining,
            client_gone: project.settings.client_gone,
            readdressing: Readdressing::of(next.as_ref(), head.here.as_ref()),
            upload: None,
            may_be_empty: matches!(next, Some(NextAddress::Upload(_))),
        });
        Ok(Attempt { project, base: base.clone(), request, answering, next, at })
    }

    /// Sends it, and looks at what comes back. What that tells of the key goes into the record.
    pub(crate) async fn send(
        &self,
        attempt: Attempt<'_>,
        head: &CallHead,
        payer: &Payer<'_>,
        outgoing: &mut Outgoing,
        may_go_on: bool,
        call: &mut OpenCall,
    ) -> Result<Opened, Box<Failed>> {
        let Attempt { project, base, request, mut answering, next, at } = attempt;
        let sent = self.upstream.send(&base, request).await;
        outgoing.learn();
        let judged = match sent {
            Ok(response) => {
                let headers = response.headers();
                if let (Payer::Customer(key), Some(record)) = (payer, call.record_mut()) {
                    let (project, id) = (&key.stored.project, &key.stored.id);
                    record.aftermath.quota = self.limits.note(project, id, headers, at);
                }
                let here = head.here.as_ref();
                let upload = match payer {
                    Payer::Customer(key) => {
                        self.upload_address(next.as_ref(), here, project, key, headers)
                    }
                    // What is stored at providers is never paid for on credits.
                    Payer::Platform(_) => Ok(None),
                };
                match upload {
                    Ok(upload) => {
                        answering.upload = upload;
                        let holds = may_go_on && outgoing.can_be_sent();
                        answering.judge(response, &head.route, holds).await
                    }
                    Err(error) => Err(Failed::silent(ErrorClass::ProviderDown, 502, error)),
                }
            }
            Err(error) => {
                Err(Failed::unanswered(head.provider, error, outgoing.learned.as_deref()))
            }
        };
        if let (Payer::Customer(key), Some(record)) = (payer, call.record_mut()) {
            let outcome =
                judged.as_ref().map_or_else(|failed| failed.outcome, |_| Outcome::Success);
            self.note_outcome(key, outcome, at, record);
        }
        judged
    }

    fn note_outcome(
        &self,
        key: &UsableKey,
        outcome: Outcome,
        began: Timestamp,
        record: &mut CallRecord,
    ) {
        let change = self.circuits.note(&key.stored, outcome, began, || self.ambient.now());
        record.aftermath.circuits.extend(change);
    }
}

impl Payer<'_> {
    /// Writes into the record that the attempt which begins now is paid so.
    pub(crate) fn sign(&mut self, provider: &dyn Provider, call: &mut OpenCall) {
        let base = self.base();
        call.goes_to(base.map_or(HostRegion::None, |base| provider.host_region(base.origin())));
        let reported =
            base.is_some_and(|base| base.is_customers() && !is_providers(base, provider));
        let Some(record) = call.record_mut() else { return };
        record.source = self.source();
        record.aftermath.quota = None;
        match self {
            Self::Customer(key) => {
                record.key = Some(key.stored.id.clone());
                record.customer_reported = reported;
            }
            Self::Platform(reserved) => {
                record.key = None;
                record.customer_reported = false;
                record.aftermath.fallback = reserved.because;
                if let Some(on_credits) = reserved.on_credits.take() {
                    call.on_credits(on_credits);
                }
            }
        }
    }

    /// What the call's caller is told of the attempt.
    pub(crate) fn tried(&self) -> Tried {
        let fallback = match self {
            Self::Customer(_) => None,
            Self::Platform(reserved) => reserved.because,
        };
        Tried { source: self.source(), fallback }
    }

    /// Where the attempt goes.
    fn base(&self) -> Option<&Base> {
        match self {
            Self::Customer(key) => key.base.as_ref(),
            Self::Platform(reserved) => Some(&reserved.base),
        }
    }

    /// The key of the customer's that pays.
    pub(crate) fn key(&self) -> Option<&UsableKey> {
        match self {
            Self::Customer(key) => Some(key),
            Self::Platform(_) => None,
        }
    }
}

pub(crate) fn open(project: &Project, key: &UsableKey) -> Result<ProviderSecret, CallError> {
    let stored = &key.stored;
    let binding = Binding {
        purpose: Purpose::ProviderKey,
        project: &stored.project,
        connection: &stored.id,
        ref_id: Some(&stored.ref_id),
        provider: &stored.provider,
        origin: key.bound_origin(),
        version: stored.version,
    };
    project.data_key.open(&binding, &stored.sealed).map_err(|error| {
        tracing::error!(key = %stored.id, %error, "a stored key does not open");
        CallError::Vault(error)
    })
}

/// Whether a customer's address is the provider's own host, and proves it by its certificate.
fn is_providers(base: &Base, provider: &dyn Provider) -> bool {
    let Ok(root) = base.uri("/") else { return false };
    root.scheme() == Some(&Scheme::HTTPS)
        && root.host().is_some_and(|host| provider.owns_host(host))
}

#[cfg(test)]
mod tests {
    use byok_net::TrustedUrl;
    use std::sync::Arc;

    use super::*;

    #[test]
    fn a_host_is_the_providers_own_over_tls_only() {
        let azure = byok_providers::find("azure-openai").expect("registered");
        let openai = byok_providers::find("openai").expect("registered");
        let compatible = azure.compatible().expect("an endpoint");
        for (url, expected) in [
            ("https://acme.openai.azure.com", true),
            ("https://acme.openai.azure.com/prefix", true),
            ("http://acme.openai.azure.com", false),
            ("https://gateway.example/acme.openai.azure.com", false),
        ] {
            let base = Base::Trusted(Arc::new(TrustedUrl::parse(url).expect("a URL")));
            assert_eq!(is_providers(&base, azure), expected, "{url}");
            assert_eq!(is_providers(&base, compatible), expected, "{url}");
            assert!(!is_providers(&base, openai), "{url}");
        }
    }
}
