//! What a project sets about who pays.

use serde::{Deserialize, Serialize};

use super::FallbackReason;
use crate::credits::{CreditRate, Credits};

/// Which of the customer's own keys and credits goes first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Mode {
    /// The customer's own key; credits when it fails or is missing.
    #[default]
    ByokFirst,
    /// Credits; the customer's own key when they have run out.
    CreditFirst,
    /// The customer's own key, and never credits.
    ByokOnly,
}

impl Mode {
    /// Every mode there is.
    pub const ALL: [Self; 3] = [Self::ByokFirst, Self::CreditFirst, Self::ByokOnly];

    /// As written in the API and the database.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::ByokFirst => "byok_first",
            Self::CreditFirst => "credit_first",
            Self::ByokOnly => "byok_only",
        }
    }

    /// The mode that `text` names.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|mode| mode.as_str() == text)
    }
}

/// The failures of the customer's own key that credits take over from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(into = "Vec<FallbackReason>", try_from = "Vec<FallbackReason>")]
pub struct FallbackOn {
    key_rejected: bool,
    quota_exhausted: bool,
    provider_down: bool,
}

impl FallbackOn {
    /// What may be listed.
    pub const REASONS: [FallbackReason; 3] =
        [FallbackReason::KeyRejected, FallbackReason::QuotaExhausted, FallbackReason::ProviderDown];

    /// Nothing.
    pub const NONE: Self =
        Self { key_rejected: false, quota_exhausted: false, provider_down: false };

    /// Whether credits take over for `reason`. That there is no key needs no listing, nor does a
    /// circuit, which some listed failure has opened.
    pub fn contains(self, reason: FallbackReason) -> bool {
        match reason {
            FallbackReason::KeyRejected => self.key_rejected,
            FallbackReason::QuotaExhausted => self.quota_exhausted,
            FallbackReason::ProviderDown => self.provider_down,
            FallbackReason::CircuitOpen | FallbackReason::NoKey => true,
        }
    }

    /// Adds `reason`; `None` when it is not one of [`REASONS`](Self::REASONS).
    #[must_use]
    pub fn with(mut self, reason: FallbackReason) -> Option<Self> {
        match reason {
            FallbackReason::KeyRejected => self.key_rejected = true,
            FallbackReason::QuotaExhausted => self.quota_exhausted = true,
            FallbackReason::ProviderDown => self.provider_down = true,
            FallbackReason::CircuitOpen | FallbackReason::NoKey => return None,
        }
        Some(self)
    }
}

impl Default for FallbackOn {
    fn default() -> Self {
        Self { key_rejected: true, quota_exhausted: true, provider_down: true }
    }
}

impl From<FallbackOn> for Vec<FallbackReason> {
    fn from(on: FallbackOn) -> Self {
        FallbackOn::REASONS.into_iter().filter(|reason| on.contains(*reason)).collect()
    }
}

impl TryFrom<Vec<FallbackReason>> for FallbackOn {
    type Error = &'static str;

    fn try_from(reasons: Vec<FallbackReason>) -> Result<Self, Self::Error> {
        reasons
            .into_iter()
            .try_fold(Self::NONE, Self::with)
            .ok_or("nothing but failures of a call can be fallen back on")
    }
}

/// A project's routing. In JSON an object, in which whatever is missing stands at its default.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct RoutingSettings {
    /// Whether customers' own keys may pay at all.
    pub byok_enabled: bool,
    /// Which goes first.
    pub mode: Mode,
    /// The failures that credits take over from.
    pub fallback_on: FallbackOn,
    /// What credits buy.
    pub credit_rate: CreditRate,
    /// A customer whose credits fall below this is told of in `credits.low`.
    pub credits_low: Credits,
}

impl Default for RoutingSettings {
    fn default() -> Self {
        Self {
            byok_enabled: true,
            mode: Mode::default(),
            fallback_on: FallbackOn::default(),
            credit_rate: CreditRate::default(),
            credits_low: Credits::new(1_000),
        }
    }
}

/// What is to change of a project's routing; `None` leaves a part as it is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RoutingChange {
    /// See [`RoutingSettings::byok_enabled`].
    pub byok_enabled: Option<bool>,
    /// See [`RoutingSettings::mode`].
    pub mode: Option<Mode>,
    /// See [`RoutingSettings::fallback_on`].
    pub fallback_on: Option<FallbackOn>,
    /// See [`RoutingSettings::credit_rate`]; the part that is not given stays.
    pub credit_rate: crate::credits::CreditRateChange,
    /// See [`RoutingSettings::credits_low`].
    pub credits_low: Option<Credits>,
}

impl RoutingChange {
    /// Whether nothing is to change.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

impl RoutingSettings {
    /// With `change` applied.
    #[must_use]
    pub fn changed(self, change: RoutingChange) -> Self {
        Self {
            byok_enabled: change.byok_enabled.unwrap_or(self.byok_enabled),
            mode: change.mode.unwrap_or(self.mode),
            fallback_on: change.fallback_on.unwrap_or(self.fallback_on),
            credit_rate: self.credit_rate.changed(change.credit_rate),
            credits_low: change.credits_low.unwrap_or(self.credits_low),
        }
    }
}
