//! Customers: their plan, their data, their end.

use http::Method;
use serde::Deserialize;
use serde_json::{Map, Value};

use crate::ask::Ask;
use crate::credits::Balance;
use crate::error::Result;
use crate::requests::{group, list, request};
use crate::timestamp::Timestamp;

group! {
    /// Customers.
    Customers,
    /// Customers: their plan, their data, their end.
    customers
}

impl Customers {
    /// Every customer that was ever heard of.
    pub fn list(&self) -> ListCustomers {
        ListCustomers(Ask::new(&self.byok, Method::GET, &["customers"]))
    }

    /// One customer.
    ///
    /// # Errors
    /// Those of [`Error`](crate::Error).
    pub async fn get(&self, ref_id: impl AsRef<str>) -> Result<Customer> {
        self.ask(Method::GET, ref_id.as_ref()).send().await
    }

    /// Changes a customer, who need not have been heard of before.
    pub fn update(&self, ref_id: impl AsRef<str>) -> UpdateCustomer {
        UpdateCustomer(self.ask(Method::PATCH, ref_id.as_ref()))
    }

    /// Removes a customer's keys and personal data at once. Usage stays, under a name that is
    /// nobody's.
    ///
    /// # Errors
    /// Those of [`Error`](crate::Error).
    pub async fn erase(&self, ref_id: impl AsRef<str>) -> Result<ErasedCustomer> {
        self.ask(Method::DELETE, ref_id.as_ref()).send().await
    }

    fn ask(&self, method: Method, ref_id: &str) -> Ask {
        Ask::new(&self.byok, method, &["customers", ref_id])
    }
}

request! {
    /// What is to be changed of a customer. `None` takes something away.
    UpdateCustomer -> Customer {
        /// Its plan; without one it is on the default.
        field tier(Option<String>) = "tier";
        /// Where it is told of failing keys.
        field email(Option<String>) = "email";
        /// What you keep with it, at most 16 KB.
        field metadata(Option<Map<String, Value>>) = "metadata";
    }
}

list! {
    /// The customers that are wanted.
    ListCustomers of Customer {
        /// Those on this plan.
        query tier(String) = "tier";
    }
}

/// A customer.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct Customer {
    /// Its id in your own system.
    pub ref_id: String,
    /// Its plan, be it only by default.
    pub tier: String,
    /// Where it is told of failing keys.
    pub email: Option<String>,
    /// What you keep with it.
    pub metadata: Map<String, Value>,
    /// Whether its plan has keys of its own.
    pub byok_allowed: bool,
    /// Its credits.
    pub credits: Balance,
    /// When it was first heard of.
    pub created_at: Timestamp,
    /// When it was last changed.
    pub updated_at: Timestamp,
}

/// What went with a customer.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct ErasedCustomer {
    /// Provider keys.
    pub provider_keys: u64,
    /// API keys.
    pub api_keys: u64,
}
