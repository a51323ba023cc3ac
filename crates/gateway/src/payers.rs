//! Who pays for a call, and who is next when that fails.

use std::time::Duration;

use byok_domain::circuit::{Admission, Cause};
use byok_domain::routing::{
    self, CreditsSide, FallbackReason, Inputs, KeysState, Mode, NextKey, Plan, Step, after_failure,
    decide,
};
use byok_domain::tiers::Tier;
use byok_domain::{ErrorClass, KeySource, KeyStatus, ProviderId, Timestamp};
use byok_providers::registry;

use crate::credits::Reserved;
use crate::error::{CallError, NotPaid};
use crate::gateway::{Gateway, Project, UsableKey};
use crate::outgoing::Outgoing;
use crate::request::CallHead;

/// Attempts of one call, all in all.
const MOST_ATTEMPTS: u32 = 3;
/// After so long no other attempt begins.
const LAST_START: Duration = Duration::from_secs(180);
/// Keys of one customer for one provider that are looked at.
const MOST_KEYS: usize = 64;

/// Who pays for an attempt.
pub(crate) enum Payer<'c> {
    /// The customer, whose key this is.
    Customer(&'c UsableKey),
    /// The platform, with its own key, for credits.
    Platform(Box<Reserved>),
}

impl Payer<'_> {
    pub(crate) fn source(&self) -> KeySource {
        match self {
            Self::Customer(_) => KeySource::Byok,
            Self::Platform(_) => KeySource::Credits,
        }
    }
}

/// What a key is good for, best first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Rank {
    Usable,
    CircuitOpen,
    Invalid,
    /// Its address is not allowed any more.
    Blocked,
}

/// Who may pay for one call.
pub(crate) struct Payers<'c> {
    gateway: &'c Gateway,
    head: &'c CallHead,
    project: &'c Project,
    provider: &'c ProviderId,
    keys: &'c [UsableKey],
    /// The customer's plan; `None` where plans are of no matter.
    tier: Option<&'c Tier>,
    plan: Plan,
    credits: CreditsSide,
    /// A bit for each key that was tried.
    tried: u64,
    attempts: u32,
}

impl<'c> Payers<'c> {
    /// Decides who pays. `stored` says that the call touches what a provider keeps for somebody:
    /// what the platform's account keeps belongs to nobody here, so credits do not pay for that.
    ///
    /// # Errors
    /// When nobody pays, or what decides it cannot be looked up.
    pub(crate) async fn decide(
        gateway: &'c Gateway,
        head: &'c CallHead,
        project: &'c Project,
        provider: &'c ProviderId,
        keys: &'c [UsableKey],
        stored: bool,
    ) -> Result<Self, CallError> {
        let keys = &keys[..keys.len().min(MOST_KEYS)];
        let mut payers = Self {
            gateway,
            head,
            project,
            provider,
            keys,
            tier: None,
            plan: Plan::Byok,
            credits: CreditsSide::NoPlatformKeys,
            tried: 0,
            attempts: 0,
        };
        let routing = &project.routing;
        let sells = project.has_platform_keys && !stored;
        let plans_matter = project.tiers.iter().any(|tier| !tier.byok_allowed);
        if sells || plans_matter {
            let customer = gateway.customer(&head.project, &head.ref_id).await?;
            let tier = project.tiers.of(customer.tier.as_deref());
            if sells {
                let platform_key = gateway.platform_key(&head.project, provider).await?.is_some();
                payers.credits = CreditsSide::of(true, platform_key, customer.has_credits);
            }
            payers.tier = Some(tier);
        }
        let (state, falls_back) = payers.state();
        let decided = decide(Inputs {
            byok_enabled: routing.byok_enabled,
            byok_allowed: payers.tier.is_none_or(|tier| tier.byok_allowed),
            mode: routing.mode,
            keys: state,
            falls_back,
            credits: payers.credits,
        });
        match decided {
            Ok(plan) => payers.plan = plan,
            Err(why) => return Err(payers.refuse(why, None).await),
        }
        Ok(payers)
    }

    /// Who pays for the first attempt.
    ///
    /// # Errors
    /// When nobody can after all.
    pub(crate) async fn first(&mut self, outgoing: &mut Outgoing) -> Result<Payer<'c>, CallError> {
        let because = match self.plan {
            Plan::Byok | Plan::ByokThenCredits => match self.take_key(|_| true) {
                Some(key) => return Ok(Payer::Customer(key)),
                // Somebody else makes the probe that the key was waiting for.
                None if self.plan == Plan::ByokThenCredits => Some(FallbackReason::CircuitOpen),
                None => return Err(CallError::KeyNotConnected(self.provider.clone())),
            },
            Plan::Credits { because } => because,
            Plan::CreditsThenByok => None,
        };
        let unpriced = match self.reserve(outgoing, because).await {
            Ok(Some(reserved)) => return Ok(Payer::Platform(reserved)),
            Ok(None) => None,
            // Credits do not buy this call: a key that was passed over for them may.
            Err(error @ CallError::Unpriced(_)) if because.is_some() => Some(error),
            // What it goes on from may be the customer's own account's.
            Err(error @ CallError::NoObject(_))
                if because.is_some() || self.plan == Plan::CreditsThenByok =>
            {
                Some(error)
            }
            Err(error) => return Err(error),
        };
        let keys_may_pay = self.plan == Plan::CreditsThenByok || because.is_some();
        (self.plan, self.credits) = (Plan::Byok, CreditsSide::Empty);
        match (self.take_key(|_| keys_may_pay), unpriced) {
            (Some(key), _) => Ok(Payer::Customer(key)),
            (None, Some(unpriced)) => Err(unpriced),
            (None, None) => Err(self.refuse(routing::Refusal::InsufficientCredits, None).await),
        }
    }

    /// Who pays for the next attempt, if there is one: after `class` of failure of `failed`.
    ///
    /// # Errors
    /// When the call is to be refused in our own name.
    pub(crate) async fn after(
        &mut self,
        failed: &Payer<'c>,
        class: ErrorClass,
        outgoing: &mut Outgoing,
    ) -> Result<Option<Payer<'c>>, CallError> {
        let again = outgoing.can_be_sent() && self.head.started.elapsed() < LAST_START;
        loop {
            let elsewhere = self.next_key(|key| {
                class != ErrorClass::ProviderDown || {
                    matches!(failed, Payer::Customer(one) if goes_elsewhere(one, key))
                }
            });
            let next_key = match elsewhere {
                Some(_) if self.keys_are_left() => NextKey::OtherBase,
                _ => NextKey::None,
            };
            let step = after_failure(routing::Failed {
                class,
                source: failed.source(),
                next_key,
                plan: self.plan,
                mode: self.project.routing.mode,
                fallback_on: self.project.routing.fallback_on,
                credits: self.credits,
            });
            match step {
                Step::Refuse(why) => return Err(self.refuse(why, Some(class)).await),
                Step::Answer => return Ok(None),
                Step::NextKey | Step::Credits(_) if !again => return Ok(None),
                Step::NextKey => {
                    let key = elsewhere.and_then(|at| self.begin(at));
                    if let Some(key) = key {
                        return Ok(Some(Payer::Customer(key)));
                    }
                }
                Step::Credits(reason) => match self.reserve(outgoing, Some(reason)).await {
                    Ok(Some(reserved)) => return Ok(Some(Payer::Platform(reserved))),
                    Ok(None) => (self.plan, self.credits) = (Plan::Byok, CreditsSide::Empty),
                    // Credits do not buy this call: for it there is no side of credits.
                    Err(CallError::Unpriced(_) | CallError::NoObject(_)) => {
                        (self.plan, self.credits) = (Plan::Byok, CreditsSide::NoPlatformKeys);
                    }
                    Err(error) => return Err(error),
                },
            }
        }
    }

    /// Whether another attempt may follow one that `payer` pays for.
    pub(crate) fn may_go_on(&self, payer: &Payer<'_>) -> bool {
        payer.source() == KeySource::Byok
            && (self.plan == Plan::ByokThenCredits
                || (self.keys_are_left() && self.next_key(|_| true).is_some()))
    }

    /// What all the keys together are good for, and whether credits take over from what is wrong
    /// with them.
    fn state(&self) -> (KeysState, bool) {
        let state = self.keys.iter().map(|key| match self.rank(key) {
            Rank::Usable => (KeyStatus::Valid, false),
            Rank::CircuitOpen => (KeyStatus::Valid, true),
            Rank::Invalid | Rank::Blocked => (KeyStatus::Invalid, false),
        });
        let state = KeysState::of(state);
        let on = &self.project.routing.fallback_on;
        let falls_back = match state {
            KeysState::Invalid => on.contains(FallbackReason::KeyRejected),
            KeysState::CircuitOpen => self.keys.iter().any(|key| match self.admission(key) {
                Admission::Open { cause: Cause::ProviderDown, .. } => {
                    on.contains(FallbackReason::ProviderDown)
                }
                Admission::Open { cause: Cause::QuotaExhausted, .. } => {
                    on.contains(FallbackReason::QuotaExhausted)
                }
                Admission::Closed | Admission::Probe => false,
            }),
            KeysState::Usable | KeysState::None => true,
        };
        (state, falls_back)
    }

    fn rank(&self, key: &UsableKey) -> Rank {
        match (key.base.is_some(), key.stored.status, self.admission(key)) {
            (false, ..) => Rank::Blocked,
            (true, KeyStatus::Invalid, _) => Rank::Invalid,
            (true, _, Admission::Open { .. }) => Rank::CircuitOpen,
            (true, _, Admission::Closed | Admission::Probe) => Rank::Usable,
        }
    }

    fn admission(&self, key: &UsableKey) -> Admission {
        self.gateway.circuits.admits(&key.stored, self.now())
    }

    /// The time of the next attempt: of the first one it is that of the call.
    fn now(&self) -> Timestamp {
        if self.attempts == 0 { self.head.at } else { self.gateway.ambient.now() }
    }

    /// The best of the keys that were not tried and that `suits`. While credits may take over,
    /// keys that are known not to work are left alone.
    fn next_key(&self, suits: impl Fn(&UsableKey) -> bool) -> Option<usize> {
        let credits_next =
            self.plan == Plan::ByokThenCredits && self.credits == CreditsSide::Available;
        let untried = |at: &usize| self.tried & (1 << at) == 0 && suits(&self.keys[*at]);
        let ranked = (0..self.keys.len()).filter(untried).map(|at| (self.rank(&self.keys[at]), at));
        let (rank, at) = ranked.min()?;
        (rank == Rank::Usable || !credits_next).then_some(at)
    }

    /// Whether there may be one more attempt with a key; the last one is for credits.
    fn keys_are_left(&self) -> bool {
        let kept = u32::from(self.plan == Plan::ByokThenCredits);
        self.attempts < MOST_ATTEMPTS - kept
    }

    fn take_key(&mut self, suits: impl Fn(&UsableKey) -> bool + Copy) -> Option<&'c UsableKey> {
        loop {
            let at = self.next_key(suits)?;
            if let Some(key) = self.begin(at) {
                return Some(key);
            }
        }
    }

    /// Begins an attempt with a key; `None` if the key was to be probed and somebody else does it.
    fn begin(&mut self, at: usize) -> Option<&'c UsableKey> {
        let key = &self.keys[at];
        let rank = self.rank(key);
        let admission = self.gateway.circuits.begin(&key.stored, self.now());
        if rank == Rank::Usable && matches!(admission, Admission::Open { .. }) {
            return None;
        }
        self.tried |= 1 << at;
        self.attempts += 1;
        Some(key)
    }

    async fn reserve(
        &mut self,
        outgoing: &mut Outgoing,
        because: Option<FallbackReason>,
    ) -> Result<Option<Box<Reserved>>, CallError> {
        let at = self.now();
        let (gateway, head) = (self.gateway, self.head);
        let reserve =
            gateway.reserve(head, self.project, self.provider, self.tier, outgoing, because, at);
        let reserved = Box::pin(reserve).await?;
        self.attempts += u32::from(reserved.is_some());
        Ok(reserved.map(Box::new))
    }

    /// The refusal, with what its reader wants to know.
    async fn refuse(&self, why: routing::Refusal, failed: Option<ErrorClass>) -> CallError {
        if why == routing::Refusal::KeyNotConnected {
            return CallError::KeyNotConnected(self.provider.clone());
        }
        let mut providers = Vec::new();
        for provider in registry() {
            let id = self.gateway.provider_id(*provider);
            let (project, ref_id) = (&self.head.project, &self.head.ref_id);
            match self.gateway.keys(project, *provider, &id, ref_id).await {
                Ok(keys) if keys.is_empty() => {}
                Ok(_) => providers.push(id),
                Err(error) => return error.into(),
            }
        }
        CallError::NotPaid(Box::new(NotPaid {
            why,
            provider: self.provider.clone(),
            byok_only: self.project.routing.byok_enabled
                && self.project.routing.mode == Mode::ByokOnly,
            has_credits: self.credits == CreditsSide::Available,
            providers,
            failed,
        }))
    }
}

/// Whether two keys are used at different addresses.
fn goes_elsewhere(one: &UsableKey, other: &UsableKey) -> bool {
    let address = |key: &UsableKey| key.base.as_ref().and_then(|base| base.uri("/").ok());
    address(one) != address(other)
}
