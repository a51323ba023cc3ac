//! The endpoints that a project's events are delivered to.

use http::Method;
use serde::Deserialize;

use crate::ask::Ask;
use crate::error::Result;
use crate::requests::{group, list, request};
use crate::secret::Secret;
use crate::timestamp::Timestamp;

group! {
    /// The endpoints that events are delivered to.
    Webhooks,
    /// The endpoints that events are delivered to.
    webhooks
}

impl Webhooks {
    /// Adds an endpoint.
    pub fn create(&self, url: impl Into<String>) -> CreateEndpoint {
        CreateEndpoint(self.ask(Method::POST, &["webhooks"]).field("url", url.into()))
    }

    /// All endpoints.
    pub fn list(&self) -> ListEndpoints {
        ListEndpoints(self.ask(Method::GET, &["webhooks"]))
    }

    /// Changes an endpoint.
    pub fn update(&self, id: impl AsRef<str>) -> UpdateEndpoint {
        UpdateEndpoint(self.ask(Method::PATCH, &["webhooks", id.as_ref()]))
    }

    /// Removes an endpoint.
    ///
    /// # Errors
    /// Those of [`Error`](crate::Error).
    pub async fn delete(&self, id: impl AsRef<str>) -> Result<()> {
        self.ask(Method::DELETE, &["webhooks", id.as_ref()]).whole().await.map(drop)
    }

    /// Delivers a `webhook.test` at once, and tells what came of it.
    ///
    /// # Errors
    /// Those of [`Error`](crate::Error).
    pub async fn test(&self, id: impl AsRef<str>) -> Result<Tested> {
        self.ask(Method::POST, &["webhooks", id.as_ref(), "test"]).send().await
    }

    /// Gives an endpoint a new secret; the one before signs beside it for 24 hours.
    ///
    /// # Errors
    /// Those of [`Error`](crate::Error).
    pub async fn rotate_secret(&self, id: impl AsRef<str>) -> Result<EndpointWithSecret> {
        self.ask(Method::POST, &["webhooks", id.as_ref(), "rotate-secret"]).send().await
    }

    /// What was delivered to an endpoint in the last 30 days, newest first.
    pub fn deliveries(&self, id: impl AsRef<str>) -> ListDeliveries {
        ListDeliveries(self.ask(Method::GET, &["webhooks", id.as_ref(), "deliveries"]))
    }

    /// Delivers something again.
    ///
    /// # Errors
    /// Those of [`Error`](crate::Error).
    pub async fn resend(&self, delivery: impl AsRef<str>) -> Result<Delivery> {
        let path = ["webhooks", "deliveries", delivery.as_ref(), "resend"];
        self.ask(Method::POST, &path).send().await
    }

    fn ask(&self, method: Method, path: &[&str]) -> Ask {
        Ask::new(&self.byok, method, path)
    }
}

request! {
    /// An endpoint to be added.
    CreateEndpoint -> EndpointWithSecret {
        /// What it is told of: names of events, families (`byok.*`), or `*`, which it is unless set.
        field events(Vec<String>) = "events";
        /// What it is for.
        field description(String) = "description";
    }
}

request! {
    /// What is to be changed of an endpoint.
    UpdateEndpoint -> Endpoint {
        /// Where it is.
        field url(String) = "url";
        /// What it is told of.
        field events(Vec<String>) = "events";
        /// What it is for.
        field description(String) = "description";
        /// Whether it is told anything.
        field enabled(bool) = "enabled";
    }
}

list! {
    /// The endpoints that are wanted.
    ListEndpoints of Endpoint {}
}

list! {
    /// The deliveries that are wanted.
    ListDeliveries of Delivery {}
}

/// An endpoint.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct Endpoint {
    /// Its id.
    pub id: String,
    /// Where it is.
    pub url: String,
    /// What it is told of.
    pub events: Vec<String>,
    /// What it is for.
    pub description: String,
    /// Whether it is told anything.
    pub enabled: bool,
    /// Why it is not: `gone`, `failing` or `request`.
    pub disabled_reason: Option<String>,
    /// Since when it is not.
    pub disabled_at: Option<Timestamp>,
    /// Since when no delivery has succeeded.
    pub failing_since: Option<Timestamp>,
    /// When it was added.
    pub created_at: Timestamp,
    /// When it was last changed.
    pub updated_at: Timestamp,
}

/// An endpoint, with its secret.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct EndpointWithSecret {
    /// The endpoint.
    #[serde(flatten)]
    pub endpoint: Endpoint,
    /// What its deliveries are signed with, told this once.
    pub secret: Secret,
    /// Until when the secret before signs too.
    pub previous_secret_expires_at: Option<Timestamp>,
}

/// What came of trying an endpoint out.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct Tested {
    /// Whether it answered with a success.
    pub delivered: bool,
    /// Its status.
    pub status_code: Option<u16>,
    /// What went wrong.
    pub error: Option<String>,
    /// How long it took, in milliseconds.
    pub duration_ms: i64,
    /// The event.
    pub event_id: String,
    /// The delivery.
    pub delivery_id: String,
}

/// Where a delivery stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum DeliveryStatus {
    /// It will be tried, or tried again.
    Pending,
    /// It succeeded.
    Delivered,
    /// It was given up.
    Failed,
    /// Something that is newer than this crate.
    #[serde(other)]
    Other,
}

/// An event on its way to an endpoint.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct Delivery {
    /// Its id.
    pub id: String,
    /// The event's id.
    pub event_id: String,
    /// The event's name.
    pub event: String,
    /// Where it stands.
    pub status: DeliveryStatus,
    /// When it is tried next.
    pub next_attempt_at: Option<Timestamp>,
    /// When it was made.
    pub created_at: Timestamp,
    /// What was tried.
    pub attempts: Vec<DeliveryAttempt>,
}

/// An attempt to deliver.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct DeliveryAttempt {
    /// When.
    pub at: Timestamp,
    /// How long it took, in milliseconds.
    pub duration_ms: u64,
    /// The endpoint's status.
    pub status_code: Option<u16>,
    /// What went wrong.
    pub error: Option<String>,
}
