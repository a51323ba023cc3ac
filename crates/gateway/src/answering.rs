//! The answer on its way to the caller, and its call's record.

use byok_domain::{AnswerReader, ClientGone, ErrorClass, Findings};
use byok_metering::meter::{Closed, OpenCall};
use byok_metering::tap::{Tap, Unsettled, settle};
use byok_providers::{HideUsageChunk, MediaType};
use byok_vault::ProviderSecret;
use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};

use crate::answer::{Answer, AnswerBody, Refusal};
use crate::error::CallError;
use crate::judging::{Answering, Failed, Opened, ReadRefusal, Told};
use crate::masking::Masking;
use crate::prefixed::Prefixed;
use crate::{explain, headers};

impl Opened {
    /// Passes the answer on.
    pub(crate) async fn relay(
        self,
        mut call: OpenCall,
        reader: Box<dyn AnswerReader>,
        hide: Option<HideUsageChunk>,
    ) -> Result<Answer, CallError> {
        let Self { answering, status, headers, media, first, whole, empty, body } = self;
        let (json, events) = (media == MediaType::Json, media.is_events());
        if let Some(record) = call.record_mut() {
            record.status = status.as_u16();
            record.streamed = events;
        }
        let mut passed = answering.downstream(&headers);
        if empty {
            // Nothing will be polled of an empty body: it is recorded here.
            keep(call.close(None, &Findings { complete: true, ..Findings::default() })).await?;
            let body = |_| AnswerBody::whole(Bytes::new());
            return Ok(answering.finish(status, passed, json, None, body));
        }
        // What is compressed cannot be cut.
        let hide = hide.filter(|_| !headers::is_coded(&headers));
        if hide.is_some() || answering.readdressing.is_some() {
            passed.remove(header::CONTENT_LENGTH);
        }
        if whole {
            let document = first.unwrap_or_default();
            let cut = StatusCode::BAD_GATEWAY.as_u16();
            let settled = settle(&document, reader, &mut call, cut).await;
            let summary =
                settled.map_err(|error| unsettled(answering.provider.display_name(), error))?;
            return Ok(answering.finish(status, passed, json, None, |secret| {
                let masked = secret.mask_in(&document).map_or(document, Bytes::from);
                AnswerBody::recorded(masked, summary)
            }));
        }
        let tap = Tap::new(Prefixed::new(first, body), reader, call);
        let hide = hide.filter(|_| events);
        // Only these tell usage: of another answer nothing would be learnt by reading on.
        let drains = answering.client_gone == ClientGone::Drain && (events || json);
        Ok(answering.finish(status, passed, json, None, |secret| {
            AnswerBody::relayed(tap, hide, Masking::new(secret), drains)
        }))
    }
}

impl Failed {
    /// Records the failure and tells it as the provider did; `reader` is for a stream.
    pub(crate) async fn tell(
        self,
        mut call: OpenCall,
        reader: impl FnOnce(&Opened, &mut OpenCall) -> Box<dyn AnswerReader>,
        hide: Option<HideUsageChunk>,
    ) -> Result<Answer, CallError> {
        match self.told {
            Told::Nothing(error) => {
                if let Err(unrecorded) = close(&mut call, self.status, self.class).await {
                    tracing::error!(%unrecorded, "a call that got no answer was not recorded");
                }
                Err(error)
            }
            Told::Refusal(refusal) => refusal.tell(call, self.class).await,
            Told::Stream(opened) => {
                let reader = reader(&opened, &mut call);
                opened.relay(call, reader, hide).await
            }
        }
    }
}

impl ReadRefusal {
    async fn tell(self, mut call: OpenCall, class: ErrorClass) -> Result<Answer, CallError> {
        let Self { answering, status, headers, body, is_json } = self;
        if let Some(record) = call.record_mut() {
            record.streamed = false;
        }
        call.first_byte();
        close(&mut call, status.as_u16(), class).await?;
        let mut headers = answering.downstream(&headers);
        headers.insert(header::CONTENT_LENGTH, HeaderValue::from(body.len()));
        let name = answering.provider.display_name();
        let explanation = explain::refusal(name, class, answering.source, &headers);
        let refusal = Some(Refusal { class, explanation });
        Ok(answering.finish(status, headers, is_json, refusal, |_| AnswerBody::whole(body)))
    }
}

impl Answering {
    /// The headers that are passed on, the key in them masked.
    fn downstream(&self, from: &HeaderMap) -> HeaderMap {
        let mut headers = headers::downstream(from);
        if let Some((name, address)) = &self.upload {
            headers.insert(name, address.clone());
        }
        for value in headers.values_mut() {
            if let Some(masked) = self.secret.mask_in(value.as_bytes())
                && let Ok(masked) = HeaderValue::from_bytes(&masked)
            {
                *value = masked;
            }
        }
        // What the platform's account has left is no business of its customers: they have limits
        // of their own.
        for (name, value) in self.remaining.headers() {
            if let Ok(value) = HeaderValue::try_from(value) {
                headers.insert(HeaderName::from_static(name), value);
            }
        }
        headers
    }

    fn finish(
        self: Box<Self>,
        status: StatusCode,
        headers: HeaderMap,
        is_json: bool,
        refusal: Option<Refusal>,
        body: impl FnOnce(ProviderSecret) -> AnswerBody,
    ) -> Answer {
        Answer {
            id: self.id,
            provider: self.provider.id(),
            source: self.source,
            fallback: self.fallback,
            status,
            headers,
            is_json,
            refusal,
            body: body(self.secret),
        }
    }
}

/// Why an answer that is there already is not passed on: only a missing record is our own failure.
fn unsettled(provider: &'static str, error: Unsettled) -> CallError {
    match error {
        Unsettled::Incomplete => CallError::Broken(provider),
        Unsettled::Unrecorded => CallError::Unavailable,
    }
}

/// Records a call that failed; an answer may go out once this has succeeded.
pub(crate) async fn close(
    call: &mut OpenCall,
    status: u16,
    class: ErrorClass,
) -> Result<(), CallError> {
    if let Some(record) = call.record_mut() {
        record.status = status;
    }
    keep(call.close(Some(class), &Findings::default())).await
}

/// Waits until the record of a call that was just closed is durable.
async fn keep(closed: Option<Closed>) -> Result<(), CallError> {
    let Some(closed) = closed else { return Ok(()) };
    let receipt = closed.receipt.map_err(|_| CallError::Unavailable)?;
    receipt.await.map_err(|_| CallError::Unavailable)
}
