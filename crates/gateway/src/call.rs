//! The story of one call.

use std::borrow::Cow;
use std::sync::Arc;

use byok_domain::call::Attempt as FailedAttempt;
use byok_domain::routing::FallbackReason;
use byok_domain::usage::HostRegion;
use byok_domain::{Aftermath, AnswerReader, CallRecord, ErrorClass, KeySource, ProviderId};
use byok_metering::meter::{CallContext, OpenCall};
use byok_providers::{HideUsageChunk, MediaType, ObjectRef, Unread, kept_answer};
use bytes::Bytes;
use http::StatusCode;
use http_body::Body;
use thiserror::Error;

use crate::answer::Answer;
use crate::answering::close;
use crate::directory::ObjectOwner;
use crate::error::CallError;
use crate::gateway::{Gateway, Project, UsableKey};
use crate::headers;
use crate::judging::{Failed, Opened};
use crate::named_objects::Named;
use crate::outgoing::Outgoing;
use crate::payers::{Payer, Payers};
use crate::request::{Call, CallBody, CallHead};

/// A call that no answer of its provider's is handed on for.
#[derive(Debug, Error)]
#[error("the call was not answered")]
pub struct NotAnswered {
    /// Why.
    #[source]
    pub why: CallError,
    /// Its last attempt, if it came to one.
    pub tried: Option<Tried>,
}

/// An attempt, as its caller is told of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tried {
    /// Who was to pay.
    pub source: KeySource,
    /// Why credits were, although the customer's own key goes first.
    pub fallback: Option<FallbackReason>,
}

impl Gateway {
    /// Makes one call: decides who pays, opens their key, sends the payload to the provider and
    /// answers with what comes back, metered as it passes. While nothing of an attempt has been
    /// passed on, its failure may lead to another, with the customer's next key or on credits.
    ///
    /// From the moment the provider is dialled the call leaves exactly one record, however it
    /// ends; dropping the returned future or the answer's body cancels the call upstream.
    ///
    /// # Errors
    /// [`NotAnswered`] when there is no answer of the provider's to hand on. A provider's refusal is
    /// an [`Answer`].
    pub fn call<B>(
        &self,
        call: Call<B>,
    ) -> impl Future<Output = Result<Answer, NotAnswered>> + Send + use<'_, B>
    where
        B: Body<Data = Bytes> + Send + Unpin + 'static,
        B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        // Boxed before the future begins, which is moved several times.
        let (head, body) = call.split();
        let head = Box::new(head);
        async move {
            let mut tried = None;
            let answer = self.make(head, body, &mut tried).await;
            answer.map_err(|why| NotAnswered { why, tried })
        }
    }

    async fn make<B>(
        &self,
        head: Box<CallHead>,
        body: CallBody<B>,
        tried: &mut Option<Tried>,
    ) -> Result<Answer, CallError>
    where
        B: Body<Data = Bytes> + Send + Unpin + 'static,
        B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        if head.headers.contains_key(headers::HOP) {
            return Err(CallError::Loop);
        }
        if !self.meter.has_room() {
            return Err(CallError::Unavailable);
        }
        let provider = self.provider_id(head.provider);
        let project = self.project(&head.project).await?.ok_or(CallError::NoProject)?;
        let keys = self.keys(&head.project, head.provider, &provider, &head.ref_id).await?;
        let asks = project.settings.include_usage;
        let (route, max_body) = (&head.route, self.max_body);
        let mut outgoing =
            Outgoing::prepare(head.provider, route, body, &head.headers, asks, max_body)?;
        let stored = self.stored(&head, &provider, &keys, &outgoing).await?;

        let keys = stored.made_with.map_or(&keys[..], std::slice::from_ref);
        let mut payers =
            Payers::decide(self, &head, &project, &provider, keys, stored.touched).await?;
        let mut payer = payers.first(&mut outgoing).await?;
        let mut goes_on = payers.may_go_on(&payer);
        let attempt = self.attempt(&head, &project, &payer, &mut outgoing, !goes_on, head.at);
        let mut attempt = match attempt {
            Ok(attempt) => attempt,
            Err(error) => {
                if payer.source() == KeySource::Credits {
                    Box::pin(self.give_back(&head)).await;
                }
                return Err(error);
            }
        };
        let mut open_call = self.open_call(&head, &project, provider.clone(), &outgoing);
        let hide = outgoing.hide_usage.then(HideUsageChunk::default);
        loop {
            payer.sign(head.provider, &mut open_call);
            *tried = Some(payer.tried());
            let sent =
                self.send(attempt, &head, &payer, &mut outgoing, goes_on, &mut open_call).await;
            if let (Some(model), Some(record)) = (&outgoing.model, open_call.record_mut()) {
                record.model = Some(Arc::clone(model));
            }
            let failed = match sent {
                Ok(opened) => {
                    self.warn_of_quota(&mut open_call);
                    let reader = self.reader(&head, &opened, &mut open_call, stored.owned);
                    return opened.relay(open_call, reader, hide).await;
                }
                Err(failed) => failed,
            };
            match Box::pin(payers.after(&payer, failed.class, &mut outgoing)).await {
                Ok(Some(next)) => {
                    note_failure(&mut open_call, &payer, &failed);
                    payer = next;
                }
                Ok(None) => {
                    self.warn_of_quota(&mut open_call);
                    let reader = |opened: &Opened, call: &mut OpenCall| {
                        self.reader(&head, opened, call, stored.owned)
                    };
                    return Box::pin(failed.tell(open_call, reader, hide)).await;
                }
                Err(error) => return Box::pin(refuse(open_call, failed.class, error)).await,
            }
            goes_on = payers.may_go_on(&payer);
            let at = self.ambient.now();
            match self.attempt(&head, &project, &payer, &mut outgoing, !goes_on, at) {
                Ok(next) => attempt = next,
                Err(error) => {
                    payer.sign(head.provider, &mut open_call);
                    *tried = Some(payer.tried());
                    return Box::pin(refuse(open_call, failed.class, error)).await;
                }
            }
        }
    }

    /// Begins the record of a call. Who pays is written into it with each attempt.
    fn open_call(
        &self,
        head: &CallHead,
        project: &Project,
        provider: ProviderId,
        outgoing: &Outgoing,
    ) -> OpenCall {
        let record = CallRecord {
            id: head.id,
            project: head.project.clone(),
            ref_id: head.ref_id.clone(),
            provider,
            model: outgoing.model.clone(),
            operation: head.route.operation.name.into(),
            key: None,
            source: KeySource::Byok,
            status: 0,
            error: None,
            streamed: outgoing.stream,
            usage: None,
            usage_estimated: false,
            customer_reported: false,
            cost: None,
            unit_prices: None,
            answered: None,
            latency_ms: 0,
            first_byte_ms: None,
            at: head.at,
            objects: Vec::new(),
            aftermath: Aftermath::default(),
        };
        let context = CallContext {
            overrides: Arc::clone(&project.overrides),
            presumed: outgoing.presumed.clone(),
            region: HostRegion::None,
            request_bytes: outgoing.length,
            started: head.started,
        };
        self.meter.open(record, context)
    }

    /// What reads the usage of an answer, and the stored objects that it names; `owned` says that
    /// the one in the path is known to be the customer's.
    fn reader(
        &self,
        head: &CallHead,
        opened: &Opened,
        call: &mut OpenCall,
        owned: bool,
    ) -> Box<dyn AnswerReader> {
        let on_credits =
            call.record_mut().is_some_and(|record| record.source == KeySource::Credits);
        let mut route = Cow::Borrowed(&head.route);
        if let Some(kind) = kept_answer(&route).filter(|_| on_credits) {
            route.to_mut().makes = Some(kind);
        }
        // Some compress although they are told not to: then nothing can be read. Nor can a part of a
        // document, or what may be somebody's file.
        let unreadable = headers::is_coded(&opened.headers)
            || opened.status == StatusCode::PARTIAL_CONTENT
            || !route.known && matches!(opened.media, MediaType::Page | MediaType::Other);
        let reader: Box<dyn AnswerReader> = if unreadable {
            Box::new(Unread)
        } else {
            head.provider.reader_beside(&route, opened.media, &opened.headers)
        };
        match (Named::in_answer(&route, owned), call.record_mut()) {
            (Some(named), Some(record)) => self.made.noting(reader, record, named),
            _ => reader,
        }
    }

    /// Leaves a warning of the key's quota in the record only when one is due.
    fn warn_of_quota(&self, call: &mut OpenCall) {
        let Some(record) = call.record_mut() else { return };
        let (Some(_), Some(key)) = (&record.aftermath.quota, &record.key) else { return };
        if !self.limits.warns(&record.project, key, record.at) {
            record.aftermath.quota = None;
        }
    }

    /// What the call has to do with objects that a provider stores.
    async fn stored<'k>(
        &self,
        head: &CallHead,
        provider: &ProviderId,
        keys: &'k [UsableKey],
        outgoing: &Outgoing,
    ) -> Result<Stored<'k>, CallError> {
        let (route, named) = (&head.route, &outgoing.objects);
        let touched = route.object.is_some()
            || route.makes.is_some()
            || !named.is_empty()
            || head.continues.is_some();
        let mut stored = Stored { touched, made_with: None, owned: false };
        for object in &outgoing.reads {
            let owner = self.owner(head, provider, object).await?;
            if owner.is_some_and(|owner| owner.ref_id != head.ref_id) {
                return Err(CallError::NoObject(object.kind));
            }
        }
        for object in route.object.iter().chain(named) {
            // An object made elsewhere with the customer's own key is the customer's affair; one
            // that another customer made through here does not exist.
            let Some(owner) = self.owner(head, provider, object).await? else { continue };
            if owner.ref_id != head.ref_id {
                return Err(CallError::NoObject(object.kind));
            }
            let made_with = keys.iter().find(|key| Some(&key.stored.id) == owner.key.as_ref());
            stored.made_with = made_with.or(stored.made_with);
            stored.owned |= route.object.as_ref() == Some(object);
        }
        if let Some(upload) = &head.continues {
            let begun_with = keys.iter().find(|key| key.stored.id == upload.key);
            let key = begun_with.ok_or_else(|| CallError::KeyNotConnected(provider.clone()))?;
            stored.made_with = Some(key);
        }
        Ok(stored)
    }

    /// Whose an object is, if it was made through here.
    pub(crate) async fn owner(
        &self,
        head: &CallHead,
        provider: &ProviderId,
        object: &ObjectRef,
    ) -> Result<Option<ObjectOwner>, CallError> {
        let ObjectRef { kind, id } = object;
        match self.made.owner(&head.project, provider, object) {
            Some(owner) => Ok(Some(owner)),
            None => Ok(self.directory.object_owner(&head.project, provider, kind, id).await?),
        }
    }
}

/// What a call has to do with stored objects.
struct Stored<'k> {
    /// Whether it makes or names any.
    touched: bool,
    /// The key that made one it names, or began the upload it goes on with: no other finds it.
    made_with: Option<&'k UsableKey>,
    /// Whether the one in its path is known to be the customer's.
    owned: bool,
}

/// Writes down an attempt that another follows.
fn note_failure(call: &mut OpenCall, payer: &Payer<'_>, failed: &Failed) {
    let Some(record) = call.record_mut() else { return };
    record.aftermath.attempts.push(FailedAttempt {
        key: payer.key().map(|key| key.stored.id.clone()),
        source: payer.source(),
        class: failed.class,
        status: failed.status,
    });
}

/// Ends a call that was tried with a refusal of our own.
async fn refuse(
    mut call: OpenCall,
    class: ErrorClass,
    error: CallError,
) -> Result<Answer, CallError> {
    close(&mut call, error.status(), class).await?;
    Err(error)
}
