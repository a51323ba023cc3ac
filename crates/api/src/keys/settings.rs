//! `GET /keys/settings`: who pays for a customer's calls, and how it is told.

use std::collections::BTreeMap;

use byok_domain::InvalidRefId;
use byok_domain::key_settings::{Banner, KeySettings, Source};
use byok_domain::routing::{CreditsSide, FallbackReason, Inputs, KeysState, Mode, RoutingSettings};
use byok_domain::{KeyStatus, ProviderId, Timestamp};
use byok_gateway::StoredKey;
use serde::Serialize;

use crate::answer::{self, Answer};
use crate::dispatch::{Ask, Scope};
use crate::usage_tail::PATIENCE;

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Shown {
    /// Whether own keys may pay: by the project and by the customer's plan.
    enabled: bool,
    flags: Flags,
    mode: Mode,
    tier: String,
    has_credits: bool,
    has_byok_keys: bool,
    byok_providers: Vec<ProviderId>,
    #[serde(flatten)]
    overall: Told,
    providers: BTreeMap<String, OfProvider>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Flags {
    byok_enabled: bool,
    byok_uses_internal_credits: bool,
    byok_only_mode: bool,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct OfProvider {
    has_byok_keys: bool,
    has_credits: bool,
    #[serde(flatten)]
    told: Told,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Told {
    key_source: KeySource,
    banner: Banner,
}

#[derive(Serialize)]
struct KeySource {
    source: Source,
    reason: &'static str,
}

impl From<KeySettings> for Told {
    fn from(told: KeySettings) -> Self {
        let KeySettings { source, reason, banner } = told;
        Self { key_source: KeySource { source, reason }, banner }
    }
}

pub(crate) async fn settings(scope: Scope, ask: Ask) -> Answer {
    let query = ask.query(&["refId"])?;
    let ref_id = query.ref_id()?.ok_or(InvalidRefId::Empty)?;
    // An answer that told of a key is in its row.
    ask.state.usage.caught_up(PATIENCE).await;
    let store = &ask.state.store;
    let routing = store.routing(scope.id()).await?;
    let tiers = store.tiers(scope.id()).await?;
    let platform = store.platform_providers(scope.id()).await?;
    let customer = store.customer(scope.id(), &ref_id).await?;
    let has_credits = customer
        .as_ref()
        .is_some_and(|customer| customer.credits.available() > byok_domain::Credits::ZERO);
    let tier = tiers.of(customer.as_ref().and_then(|customer| customer.tier.as_deref()));
    let mut keys: BTreeMap<ProviderId, Vec<StoredKey>> = BTreeMap::new();
    for key in store.sealed_keys_of_customer(scope.id(), &ref_id).await? {
        keys.entry(key.provider.clone()).or_default().push(key);
    }

    let decided = |keys: &[&StoredKey], platform_key: bool| Inputs {
        byok_enabled: routing.byok_enabled,
        byok_allowed: tier.byok_allowed,
        mode: routing.mode,
        keys: KeysState::of(keys.iter().map(|key| (key.status, is_open(key, ask.at)))),
        falls_back: falls_back(&routing, keys, ask.at),
        credits: CreditsSide::of(!platform.is_empty(), platform_key, has_credits),
    };
    let mut providers = BTreeMap::new();
    for provider in keys.keys().chain(&platform) {
        let keys: Vec<_> = keys.get(provider).into_iter().flatten().collect();
        let platform_key = platform.contains(provider);
        let of = OfProvider {
            has_byok_keys: keys.iter().any(|key| works(key)),
            has_credits: has_credits && platform_key,
            told: KeySettings::of(decided(&keys, platform_key)).into(),
        };
        providers.insert(provider.to_string(), of);
    }
    let all: Vec<_> = keys.values().flatten().collect();
    let byok_providers: Vec<_> = keys
        .iter()
        .filter(|(_, keys)| keys.iter().any(works))
        .map(|(provider, _)| provider.clone())
        .collect();
    answer::json(&Shown {
        enabled: routing.byok_enabled && tier.byok_allowed,
        flags: Flags {
            byok_enabled: routing.byok_enabled,
            byok_uses_internal_credits: routing.mode == Mode::CreditFirst,
            byok_only_mode: routing.mode == Mode::ByokOnly,
        },
        mode: routing.mode,
        tier: tier.name.clone(),
        has_credits,
        has_byok_keys: !byok_providers.is_empty(),
        byok_providers,
        overall: KeySettings::of(decided(&all, !platform.is_empty())).into(),
        providers,
    })
}

fn works(key: &StoredKey) -> bool {
    key.status != KeyStatus::Invalid
}

fn is_open(key: &StoredKey, now: Timestamp) -> bool {
    key.circuit.is_some_and(|open| now < open.until)
}

/// Whether the project falls back to credits on what is wrong with the best of the keys.
fn falls_back(routing: &RoutingSettings, keys: &[&StoredKey], now: Timestamp) -> bool {
    let waiting = keys.iter().filter(|key| works(key) && is_open(key, now));
    let reason = match waiting.filter_map(|key| key.circuit).next() {
        Some(open) => FallbackReason::from(open.cause),
        None => FallbackReason::KeyRejected,
    };
    routing.fallback_on.contains(reason)
}
