//! Customers' credits.

use http::{HeaderName, Method};
use serde::Deserialize;

use crate::ask::Ask;
use crate::error::Result;
use crate::requests::{group, list, request};
use crate::timestamp::Timestamp;

group! {
    /// Customers' credits.
    Credits,
    /// Customers' credits.
    credits
}

const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");

impl Credits {
    /// What a customer has; nothing for one that was never given any.
    ///
    /// # Errors
    /// Those of [`Error`](crate::Error).
    pub async fn get(&self, ref_id: impl AsRef<str>) -> Result<Balance> {
        Ask::new(&self.byok, Method::GET, &["customers", ref_id.as_ref(), "credits"]).send().await
    }

    /// Gives a customer credits, or, with [`request_id`](GrantCredits::request_id), back what a call
    /// was charged. With the same idempotency key (your order's id, say) it is given
    /// them once, however often this is sent.
    pub fn grant(
        &self,
        ref_id: impl AsRef<str>,
        amount: u64,
        idempotency_key: impl AsRef<str>,
    ) -> GrantCredits {
        let path = ["customers", ref_id.as_ref(), "credits"];
        let ask = Ask::new(&self.byok, Method::POST, &path)
            .header(IDEMPOTENCY_KEY, idempotency_key.as_ref())
            .repeatable();
        GrantCredits(ask.field("amount", amount))
    }

    /// What was given, held, charged and given back, newest first.
    pub fn transactions(&self, ref_id: impl AsRef<str>) -> ListTransactions {
        let path = ["customers", ref_id.as_ref(), "credits", "transactions"];
        ListTransactions(Ask::new(&self.byok, Method::GET, &path))
    }
}

request! {
    /// Credits to be given.
    GrantCredits -> GrantedCredits {
        /// What for.
        field reason(String) = "reason";
        /// The call that this is a refund of: it gives back what the call was charged, or a part
        /// of it, and never more.
        field request_id(String) = "requestId";
    }
}

list! {
    /// The transactions that are wanted.
    ListTransactions of Transaction {}
}

/// What a customer has, in credits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[non_exhaustive]
pub struct Balance {
    /// All of it.
    pub balance: u64,
    /// What is set aside for calls that are under way.
    pub held: u64,
    /// The rest.
    pub available: u64,
}

/// What came of giving credits.
#[derive(Clone, Debug, Deserialize)]
#[non_exhaustive]
pub struct GrantedCredits {
    /// All that the customer has now.
    pub balance: u64,
    /// What is set aside for calls that are under way.
    pub held: u64,
    /// The rest.
    pub available: u64,
    /// The entry in the ledger.
    pub transaction: Transaction,
}

/// An entry of the ledger.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct Transaction {
    /// Its id.
    pub id: String,
    /// `grant`, `hold`, `settle`, `release` or `refund`.
    #[serde(rename = "type")]
    pub kind: String,
    /// What it did to what is available.
    pub amount: i64,
    /// What a call cost beyond the balance, and nobody paid.
    pub shortfall: u64,
    /// The balance after it.
    pub balance_after: Option<u64>,
    /// The call that it is about.
    pub request_id: Option<String>,
    /// What it was for.
    pub reason: Option<String>,
    /// When it was made.
    pub created_at: Timestamp,
}
