//! What has to be settled before credits pay for an attempt: its price, a place among the
//! customer's calls, and the credits themselves.

use std::sync::Arc;
use std::time::Duration;

use byok_domain::credits::{Asked, estimate};
use byok_domain::limits::{Limits, Remaining};
use byok_domain::routing::FallbackReason;
use byok_domain::tiers::Tier;
use byok_domain::{Credits, ProjectId, ProviderId, RequestId, Timestamp};
use byok_metering::limit_counters::{LimitCounters, Slot};
use byok_metering::meter::OnCredits;
use byok_metering::{CountedCall, CreditLedger, Held, Hold, IdempotencyKey, LedgerError};
use byok_net::Base;
use byok_providers::{BodyKind, Plane, Route};
use byok_vault::{Binding, ProviderSecret, Purpose};
use http::Method;

use crate::directory::PlatformKey;
use crate::error::CallError;
use crate::gateway::{Gateway, Project};
use crate::headers;
use crate::outgoing::Outgoing;
use crate::request::CallHead;

/// How long credits stay set aside for a call that is never heard of again.
const DEADLINE: Duration = Duration::from_secs(3600);

/// How long it takes at most, as a rule, until all servers know what one of them has recorded.
const BECOMES_KNOWN: Duration = Duration::from_millis(500);

/// All that an attempt on credits needs.
pub(crate) struct Reserved {
    pub(crate) key: Arc<PlatformKey>,
    pub(crate) base: Base,
    /// Why it is not the customer's own key that pays, where that goes first.
    pub(crate) because: Option<FallbackReason>,
    /// What is left to the customer in this minute and day.
    pub(crate) remaining: Remaining,
    /// For the call's record, until it is there.
    pub(crate) on_credits: Option<OnCredits>,
}

impl Reserved {
    /// Opens the platform's key.
    ///
    /// # Errors
    /// [`CallError::Vault`].
    pub(crate) fn open(&self, project: &Project) -> Result<ProviderSecret, CallError> {
        let key = &self.key;
        let binding = Binding {
            purpose: Purpose::PlatformKey,
            project: &key.project,
            connection: &key.id,
            ref_id: None,
            provider: &key.provider,
            origin: if self.base.is_customers() { self.base.origin() } else { "" },
            version: key.version,
        };
        project.data_key.open(&binding, &key.sealed).map_err(|error| {
            tracing::error!(key = %key.id, %error, "the platform's key does not open");
            CallError::Vault(error)
        })
    }
}

impl Gateway {
    /// Makes an attempt on credits ready; `None` when the customer has none, or the project no
    /// key for the provider.
    ///
    /// # Errors
    /// When credits cannot pay for the call for another reason.
    #[expect(clippy::too_many_arguments, reason = "each is a part of the one call")]
    pub(crate) async fn reserve(
        &self,
        head: &CallHead,
        project: &Project,
        provider: &ProviderId,
        tier: Option<&Tier>,
        outgoing: &mut Outgoing,
        because: Option<FallbackReason>,
        at: Timestamp,
    ) -> Result<Option<Reserved>, CallError> {
        let key = self.platform_key(&head.project, provider).await?;
        let (Some(key), Some(tier)) = (key, tier) else { return Ok(None) };
        let base = self.base(head.provider, &head.project, &key.config, Plane::Runtime);
        let base = base.ok_or(CallError::Blocked)?;
        outgoing.take_in().await?;
        self.require_own(head, provider, outgoing).await?;
        let expected = self.expected(&head.route, project, provider, outgoing, at)?;
        // Not the time that the call came in at: its body may have taken long.
        let now = self.ambient.now();
        let hold = Hold {
            project: head.project.clone(),
            ref_id: head.ref_id.clone(),
            request: head.id,
            estimate: expected,
            at: now,
            deadline: now.plus_millis(i64::try_from(DEADLINE.as_millis()).unwrap_or(i64::MAX)),
            idempotency: self.idempotency(head, provider, outgoing),
        };
        let (ledger, counters) = (Arc::clone(&self.ledger), Arc::clone(&self.counters));
        let place = hold_unless_left(ledger, counters, hold, Limits::from(tier)).await?;
        let Some(Place { held, slot, remaining }) = place else { return Ok(None) };
        let rate = project.routing.credit_rate;
        let on_credits = Some(OnCredits { rate, held, expected, slot });
        Ok(Some(Reserved { key, base, because, remaining, on_credits }))
    }

    /// Gives back what was set aside for a call that will leave no record.
    pub(crate) async fn give_back(&self, head: &CallHead) {
        release(&*self.ledger, &head.project, head.id, head.at).await;
    }

    /// Refuses what goes on from anything that the platform's account did not make for this
    /// customer: it keeps that of all customers.
    ///
    /// # Errors
    /// [`CallError::NoObject`], or when whose it is cannot be looked up.
    async fn require_own(
        &self,
        head: &CallHead,
        provider: &ProviderId,
        outgoing: &Outgoing,
    ) -> Result<(), CallError> {
        for object in outgoing.gone_on_from(&head.route) {
            let mut owner = self.owner(head, provider, &object).await?;
            if owner.is_none() && !object.id.is_empty() {
                // Another server may have made it, whose records are on their way.
                tokio::time::sleep(BECOMES_KNOWN).await;
                owner = self.owner(head, provider, &object).await?;
            }
            match owner {
                Some(owner) if owner.ref_id == head.ref_id && owner.key.is_none() => {}
                _ => return Err(CallError::NoObject(object.kind)),
            }
        }
        Ok(())
    }

    /// What the caller tells repeats of the call by.
    fn idempotency(
        &self,
        head: &CallHead,
        provider: &ProviderId,
        outgoing: &Outgoing,
    ) -> Option<IdempotencyKey> {
        let key = head.headers.get(headers::IDEMPOTENCY_KEY)?.as_bytes();
        if key.is_empty() {
            return None;
        }
        let Route { method, path, .. } = &head.route;
        let query = head.query.as_deref().unwrap_or_default();
        let route = [provider.as_str(), method.as_str(), path, query].join("\n");
        let body = [route.as_bytes(), b"\n"].into_iter().chain(outgoing.lasting());
        Some(IdempotencyKey {
            key: self.hasher.mark("idempotency-key", [key]),
            body: self.hasher.mark("call", body),
        })
    }

    /// What the call is expected to cost, in credits.
    fn expected(
        &self,
        route: &Route,
        project: &Project,
        provider: &ProviderId,
        outgoing: &Outgoing,
        at: Timestamp,
    ) -> Result<Credits, CallError> {
        if is_free(route) {
            return Ok(Credits::ZERO);
        }
        // What is not known of an operation is what it costs, and what of others it shows. One whose
        // body is not read is about what the account keeps.
        if !route.known || route.operation.body == BodyKind::Opaque {
            return Err(CallError::Unpriced(None));
        }
        let unpriced = || CallError::Unpriced(outgoing.model.clone());
        let model = outgoing.model.as_deref().ok_or_else(unpriced)?;
        let prices = self
            .prices()
            .find_any(Some(&project.overrides), provider.as_str(), &[model], at)
            .ok_or_else(unpriced)?;
        let output = outgoing.asked();
        let asked = Asked {
            bytes: outgoing.length,
            max_tokens: output.max_tokens,
            choices: output.choices,
        };
        let cost = estimate(prices, asked).ok_or_else(unpriced)?;
        Ok(project.routing.credit_rate.credits(cost))
    }
}

/// Whether providers ask no money for it.
fn is_free(route: &Route) -> bool {
    match route.operation.name {
        "models" | "models/{id}" => route.method == Method::GET,
        "messages/count_tokens" | "countTokens" => true,
        _ => false,
    }
}

/// What a call on credits has before it is sent.
struct Place {
    held: Credits,
    slot: Slot,
    remaining: Remaining,
}

/// Sets credits aside, and takes a place within the limits, in a task of its own, so that a caller
/// who leaves meanwhile does not leave either taken. `None` without credits: the limits do not count
/// a call that something else pays for.
async fn hold_unless_left(
    ledger: Arc<dyn CreditLedger>,
    counters: Arc<dyn LimitCounters>,
    hold: Hold,
    limits: Limits,
) -> Result<Option<Place>, CallError> {
    let (tell, told) = tokio::sync::oneshot::channel();
    tokio::spawn(async move {
        let (project, request, at) = (hold.project.clone(), hold.request, hold.at);
        let place = place(&*ledger, &counters, hold, limits).await;
        let is_held = matches!(place, Ok(Some(_)));
        let (taken, is_taken) = tokio::sync::oneshot::channel::<()>();
        drop(tell.send((place, taken)));
        // A caller may leave with the answer on its way, too.
        if is_held && is_taken.await.is_err() {
            release(&*ledger, &project, request, at).await;
        }
    });
    let (place, taken) =
        told.await.map_err(|gone| CallError::Ledger(LedgerError::unavailable(gone)))?;
    let _ = taken.send(());
    place
}

async fn place(
    ledger: &dyn CreditLedger,
    counters: &Arc<dyn LimitCounters>,
    hold: Hold,
    limits: Limits,
) -> Result<Option<Place>, CallError> {
    let (project, request, at) = (hold.project.clone(), hold.request, hold.at);
    let call = CountedCall { project: project.clone(), ref_id: hold.ref_id.clone(), request };
    let held = match ledger.hold(hold).await.map_err(CallError::Ledger)? {
        Held::Amount(held) => held,
        Held::Empty => return Ok(None),
        Held::Repeat(repeat) => return Err(CallError::Repeat(repeat)),
    };
    match Slot::take(counters, call, &limits, at).await {
        Ok((slot, remaining)) => Ok(Some(Place { held, slot, remaining })),
        Err(refused) => {
            release(ledger, &project, request, at).await;
            Err(refused.into())
        }
    }
}

async fn release(
    ledger: &dyn CreditLedger,
    project: &ProjectId,
    request: RequestId,
    at: Timestamp,
) {
    if let Err(error) = ledger.release(project, request, at).await {
        tracing::warn!(%request, %error, "credits stay set aside until their deadline");
    }
}
