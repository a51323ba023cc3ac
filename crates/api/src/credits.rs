//! Customers' credits: shown, granted, refunded, listed.

use byok_domain::credits::EntryKind;
use byok_domain::{Credits, RequestId, Timestamp};
use byok_store::{CreditEntry, Grant};
use serde::Serialize;

use crate::answer::{self, Answer, shown};
use crate::customers::{ShownCredits, named};
use crate::dispatch::{Ask, Scope};
use crate::error::ApiError;
use crate::usage_tail::PATIENCE;

/// An entry of the ledger. Its amount is what it did to what is available.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Transaction {
    id: String,
    #[serde(rename = "type")]
    kind: EntryKind,
    amount: i64,
    /// What a call cost beyond the balance, and nobody paid.
    shortfall: Credits,
    balance_after: Option<Credits>,
    request_id: Option<RequestId>,
    reason: Option<String>,
    #[serde(serialize_with = "shown")]
    created_at: Timestamp,
}

impl From<CreditEntry> for Transaction {
    fn from(entry: CreditEntry) -> Self {
        Self {
            id: format!("txn_{}", entry.sequence),
            kind: entry.kind,
            amount: entry.amount,
            shortfall: entry.shortfall,
            balance_after: entry.balance_after,
            request_id: entry.request,
            reason: entry.reason,
            created_at: entry.created_at,
        }
    }
}

#[derive(Serialize)]
struct Granted {
    #[serde(flatten)]
    credits: ShownCredits,
    transaction: Transaction,
}

/// `GET /customers/{refId}/credits`; nothing for a customer who was never given any.
pub(crate) async fn show(scope: Scope, ask: Ask) -> Answer {
    ask.query(&[])?;
    let ref_id = named(&ask)?;
    ask.state.usage.caught_up(PATIENCE).await;
    let has = ask.state.store.credits(scope.id(), &ref_id).await?;
    answer::json(&ShownCredits::from(has))
}

/// `POST /customers/{refId}/credits`: a grant, or, of a call that it names, a refund.
pub(crate) async fn grant(scope: Scope, ask: Ask) -> Answer {
    let ref_id = named(&ask)?;
    let key = ask.header("idempotency-key").filter(|key| (1..=255).contains(&key.len()));
    let key = key.map(str::to_owned).ok_or_else(|| {
        ApiError::parameter(
            "Send an Idempotency-Key header of 1 to 255 characters, a new one for each grant \
             or refund; with the same one it can be repeated and is given once.",
        )
    })?;
    let (state, at, mut fields) = ask.fields().await?;
    let amount = fields.positive("amount", Credits::MAX.get());
    let amount = fields.required("amount", amount);
    let reason = fields.line("reason");
    let request = fields.request_id("requestId");
    let amount = Credits::new(fields.finish(amount)?);
    let grant = Grant { amount, reason, idempotency_key: key };
    let (store, by) = (&state.store, scope.by(at));
    let granted = match request {
        None => store.grant_credits(scope.id(), &ref_id, &grant, &by).await?,
        Some(request) => {
            // The call may have ended a moment ago.
            state.usage.caught_up(PATIENCE).await;
            store.refund_credits(scope.id(), &ref_id, request, &grant, &by).await?
        }
    };
    state.gateway.forget_customer(scope.id(), &ref_id);
    let (credits, transaction) = (granted.after.into(), granted.entry.into());
    answer::json(&Granted { credits, transaction })
}

/// `GET /customers/{refId}/credits/transactions`, newest first.
pub(crate) async fn transactions(scope: Scope, ask: Ask) -> Answer {
    let query = ask.query(&["limit", "offset"])?;
    let page = query.page()?;
    let ref_id = named(&ask)?;
    ask.state.usage.caught_up(PATIENCE).await;
    let entries = ask.state.store.credit_entries(scope.id(), &ref_id, page).await?;
    let data = entries.data.into_iter().map(Transaction::from).collect();
    answer::list(data, entries.total, page)
}
