//! Customers: listed, changed, erased.

use byok_domain::tiers::Tiers;
use byok_domain::{Credits, RefId, Timestamp};
use byok_store::{Customer, CustomerChange};
use serde::Serialize;
use serde_json::{Map, Value};

use crate::answer::{self, Answer, shown};
use crate::dispatch::{Ask, Scope};
use crate::error::ApiError;
use crate::fields::Fields;
use crate::usage_tail::PATIENCE;

/// The most that a project may keep with a customer, in bytes of JSON.
const MAX_METADATA: usize = 16_384;

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Shown {
    ref_id: RefId,
    /// The plan it is on, be it only by default.
    tier: String,
    email: Option<String>,
    metadata: Map<String, Value>,
    byok_allowed: bool,
    credits: ShownCredits,
    #[serde(serialize_with = "shown")]
    created_at: Timestamp,
    #[serde(serialize_with = "shown")]
    updated_at: Timestamp,
}

#[derive(Serialize)]
pub(crate) struct ShownCredits {
    pub(crate) balance: Credits,
    pub(crate) held: Credits,
    pub(crate) available: Credits,
}

impl From<byok_domain::credits::Balance> for ShownCredits {
    fn from(has: byok_domain::credits::Balance) -> Self {
        Self { balance: has.balance, held: has.held, available: has.available() }
    }
}

impl Shown {
    fn of(customer: Customer, tiers: &Tiers) -> Self {
        let tier = tiers.of(customer.tier.as_deref());
        Self {
            ref_id: customer.ref_id,
            tier: tier.name.clone(),
            email: customer.email,
            metadata: customer.metadata,
            byok_allowed: tier.byok_allowed,
            credits: customer.credits.into(),
            created_at: customer.created_at,
            updated_at: customer.updated_at,
        }
    }
}

/// `GET /customers`.
pub(crate) async fn list(scope: Scope, ask: Ask) -> Answer {
    let query = ask.query(&["tier", "limit", "offset"])?;
    let page = query.page()?;
    // Whoever a call was for is among them.
    ask.state.usage.caught_up(PATIENCE).await;
    let store = &ask.state.store;
    let tiers = store.tiers(scope.id()).await?;
    let found = store.customers(scope.id(), query.text("tier"), page).await?;
    let data = found.data.into_iter().map(|customer| Shown::of(customer, &tiers)).collect();
    answer::list(data, found.total, page)
}

/// `GET /customers/{refId}`.
pub(crate) async fn show(scope: Scope, ask: Ask) -> Answer {
    ask.query(&[])?;
    let ref_id = named(&ask)?;
    ask.state.usage.caught_up(PATIENCE).await;
    let store = &ask.state.store;
    let tiers = store.tiers(scope.id()).await?;
    let customer = store.customer(scope.id(), &ref_id).await?;
    let customer = customer.ok_or_else(|| ApiError::not_found("customer"))?;
    answer::json(&Shown::of(customer, &tiers))
}

/// `PATCH /customers/{refId}`, who need not have been heard of before.
pub(crate) async fn update(scope: Scope, ask: Ask) -> Answer {
    let ref_id = named(&ask)?;
    let (state, at, mut fields) = ask.fields().await?;
    let change = CustomerChange {
        tier: removable(&mut fields, "tier", |fields| fields.line("tier")),
        email: removable(&mut fields, "email", email),
        metadata: metadata(&mut fields),
    };
    if change == CustomerChange::default() {
        fields.nothing_to_change("tier");
    }
    fields.finish(Some(()))?;
    let store = &state.store;
    let customer = store.update_customer(scope.id(), &ref_id, change, &scope.by(at)).await?;
    state.gateway.forget_customer(scope.id(), &ref_id);
    answer::json(&Shown::of(customer, &store.tiers(scope.id()).await?))
}

/// `DELETE /customers/{refId}`: keys and personal data go at once; usage stays under a name that
/// is nobody's.
pub(crate) async fn erase(scope: Scope, ask: Ask) -> Answer {
    ask.query(&[])?;
    let ref_id = named(&ask)?;
    let random = u128::from_be_bytes(byok_vault::random_bytes());
    let tombstone = RefId::parse(&format!("erased_{random:032x}")).map_err(ApiError::internal)?;
    // Calls that have ended are renamed with the others.
    ask.state.usage.caught_up(PATIENCE).await;
    // Not when it was asked for: calls have begun since.
    let by = scope.by(ask.state.ambient.now());
    let erased = ask.state.store.erase_customer(scope.id(), &ref_id, &tombstone, &by).await?;
    ask.state.gateway.forget_erased(scope.id(), &ref_id);
    let erased = erased.ok_or_else(|| ApiError::not_found("customer"))?;
    answer::json(&serde_json::json!({
        "erased": true, "providerKeys": erased.provider_keys, "apiKeys": erased.api_keys,
    }))
}

/// The customer that the path names.
pub(crate) fn named(ask: &Ask) -> Result<RefId, ApiError> {
    Ok(RefId::parse(ask.param("refId"))?)
}

/// A field that `null` takes away.
fn removable<T>(
    fields: &mut Fields,
    name: &'static str,
    read: impl FnOnce(&mut Fields) -> Option<T>,
) -> Option<Option<T>> {
    let removed = fields.is_null(name);
    let value = read(fields);
    if removed { Some(None) } else { value.map(Some) }
}

fn email(fields: &mut Fields) -> Option<String> {
    let text = fields.text("email")?;
    let sound = text.len() <= 254
        && text.split_once('@').is_some_and(|(name, host)| {
            !name.is_empty() && host.contains('.') && !host.contains('@')
        })
        && !text.chars().any(|c| c.is_control() || c.is_whitespace());
    if !sound {
        fields.reject("email", "must be an e-mail address such as jane@example.com");
    }
    sound.then_some(text)
}

fn metadata(fields: &mut Fields) -> Option<Map<String, Value>> {
    let removed = fields.is_null("metadata");
    match fields.take("metadata") {
        None => removed.then(Map::new),
        Some(Value::Object(members)) => {
            let length = serde_json::to_vec(&members).map_or(usize::MAX, |json| json.len());
            if length > MAX_METADATA {
                fields.reject("metadata", "must be at most 16384 bytes of JSON");
                return None;
            }
            Some(members)
        }
        Some(_) => {
            fields.reject("metadata", "must be an object");
            None
        }
    }
}
