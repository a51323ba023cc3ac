//! Who pays for a project's calls.

use http::Method;
use serde::{Deserialize, Serialize};

use crate::ask::Ask;
use crate::error::Result;
use crate::receipt::Fallback;
use crate::requests::{group, request};

group! {
    /// Who pays for a project's calls.
    Routing,
    /// Who pays for a project's calls.
    routing
}

impl Routing {
    /// The rules.
    ///
    /// # Errors
    /// Those of [`Error`](crate::Error).
    pub async fn get(&self) -> Result<Rules> {
        Ask::new(&self.byok, Method::GET, &["routing"]).send().await
    }

    /// Changes the rules that are named.
    pub fn update(&self) -> UpdateRouting {
        UpdateRouting(Ask::new(&self.byok, Method::PATCH, &["routing"]))
    }
}

request! {
    /// What is to be changed of the rules.
    UpdateRouting -> Rules {
        /// Whether customers' own keys may pay at all.
        field byok_enabled(bool) = "byokEnabled";
        /// Who pays first.
        field mode(Mode) = "mode";
        /// The failures of a customer's own key that credits take over from.
        field fallback_on(Vec<Fallback>) = "fallbackOn";
        /// What a call is charged.
        field credit_rate(CreditRate) = "creditRate";
        /// How few credits are told of as `credits.low`.
        field credits_low(u64) = "creditsLow";
    }
}

/// Who pays first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Mode {
    /// The customer's own key, then credits.
    ByokFirst,
    /// Credits, then the customer's own key.
    CreditFirst,
    /// The customer's own key, and nothing else.
    ByokOnly,
    /// Something that is newer than this crate.
    #[serde(other)]
    Other,
}

/// What a call is charged: its cost × `credits_per_usd` × `markup`, rounded up.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct CreditRate {
    /// The credits of a dollar.
    pub credits_per_usd: f64,
    /// The factor on top.
    pub markup: f64,
}

/// Who pays for a project's calls.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct Rules {
    /// Whether customers' own keys may pay at all.
    pub byok_enabled: bool,
    /// Who pays first.
    pub mode: Mode,
    /// The failures of a customer's own key that credits take over from.
    pub fallback_on: Vec<Fallback>,
    /// What a call is charged.
    pub credit_rate: CreditRate,
    /// How few credits are told of as `credits.low`.
    pub credits_low: Option<u64>,
}
