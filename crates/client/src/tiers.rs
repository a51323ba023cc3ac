//! The plans that a project sells.

use bytes::Bytes;
use http::Method;
use serde::{Deserialize, Serialize};

use crate::ask::Ask;
use crate::error::Result;
use crate::requests::group;

group! {
    /// The plans that a project sells.
    Tiers,
    /// The plans that a project sells.
    tiers
}

impl Tiers {
    /// All plans.
    ///
    /// # Errors
    /// Those of [`Error`](crate::Error).
    pub async fn get(&self) -> Result<Vec<Tier>> {
        Ask::new(&self.byok, Method::GET, &["tiers"]).send().await
    }

    /// Replaces all plans; an empty list brings the built-in ones back.
    ///
    /// # Errors
    /// [`Validation`](crate::Error::Validation) names the fields; and all the others.
    pub async fn replace(&self, tiers: impl AsRef<[Tier]>) -> Result<Vec<Tier>> {
        let ask = Ask::new(&self.byok, Method::PUT, &["tiers"]);
        let ask = match serde_json::to_vec(tiers.as_ref()) {
            Ok(body) => ask.json(Bytes::from(body)),
            Err(error) => ask.refuse(format!("The tiers are no JSON: {error}.")),
        };
        ask.send().await
    }
}

/// A plan. Its limits bind calls on credits; `None` is no limit.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Tier {
    /// Its name.
    pub name: String,
    /// Whether the customer's own keys may pay.
    pub byok_allowed: bool,
    /// Calls a minute.
    pub requests_per_minute: Option<u64>,
    /// Tokens a day.
    pub tokens_per_day: Option<u64>,
    /// Calls at the same time.
    pub concurrent_requests: Option<u64>,
    /// Whether customers who were put on no plan are on this one.
    #[serde(default)]
    pub default: bool,
}
