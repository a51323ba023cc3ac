//! A project's own prices.

use std::collections::BTreeMap;

use http::Method;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::ask::Ask;
use crate::error::Result;
use crate::requests::{group, request};
use crate::timestamp::Timestamp;
use crate::usd::Usd;

group! {
    /// A project's own prices, laid over the built-in table.
    Pricing,
    /// A project's own prices.
    pricing
}

/// Prices by provider and model: USD per 1,000,000 tokens, such as
/// `{"openai": {"my-finetune": {"input": 0.5, "output": 2.0}}}`.
pub type Overrides = BTreeMap<String, BTreeMap<String, Value>>;

impl Pricing {
    /// The prices that a project has set.
    ///
    /// # Errors
    /// Those of [`Error`](crate::Error).
    pub async fn get(&self, project: impl AsRef<str>) -> Result<ProjectPricing> {
        self.ask(Method::GET, project.as_ref()).send().await
    }

    /// Merges prices into those that are there; `null` takes one away. One wrong number, and nothing
    /// changes. In effect everywhere within 60 seconds.
    ///
    /// # Errors
    /// [`Validation`](crate::Error::Validation) names the fields; and all the others.
    pub async fn update(
        &self,
        project: impl AsRef<str>,
        overrides: impl Serialize,
    ) -> Result<ProjectPricing> {
        let ask = self.ask(Method::PATCH, project.as_ref());
        ask.field("overrides", overrides).send().await
    }

    /// Back to the built-in prices.
    ///
    /// # Errors
    /// Those of [`Error`](crate::Error).
    pub async fn clear(&self, project: impl AsRef<str>) -> Result<ProjectPricing> {
        self.ask(Method::DELETE, project.as_ref()).send().await
    }

    /// Prices calls anew that had no price when they were made.
    pub fn reprice(&self, project: impl AsRef<str>) -> Reprice {
        let path = ["reprice"];
        // The body has to be an object, be it an empty one.
        let ask = Ask::in_project(&self.byok, project.as_ref(), Method::POST, &path);
        Reprice(ask.field("dryRun", false))
    }

    fn ask(&self, method: Method, project: &str) -> Ask {
        Ask::in_project(&self.byok, project, method, &["pricing"])
    }
}

request! {
    /// The calls that are to be priced.
    Reprice -> Repriced {
        /// Those from this moment on.
        field since(Timestamp) = "since";
        /// Those before this moment.
        field until(Timestamp) = "until";
        /// Tells what would change, and changes nothing.
        field dry_run(bool) = "dryRun";
    }
}

/// The prices that a project has set.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[non_exhaustive]
pub struct ProjectPricing {
    /// By provider and model.
    pub overrides: Overrides,
}

/// What came of pricing calls anew.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct Repriced {
    /// The calls without a price.
    pub examined: u64,
    /// Those that have one now.
    pub repriced: u64,
    /// Models that still have none.
    pub still_unpriced: Vec<StillUnpriced>,
    /// The cost that came to light.
    pub cost_usd: Usd,
    /// Whether nothing was changed.
    pub dry_run: bool,
}

/// A model that still has no price.
#[derive(Clone, Debug, Deserialize)]
#[non_exhaustive]
pub struct StillUnpriced {
    /// The provider.
    pub provider: String,
    /// The model.
    pub model: Option<String>,
    /// Its calls.
    pub requests: u64,
}
