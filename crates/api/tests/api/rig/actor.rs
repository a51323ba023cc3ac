//! A project with a key of each kind.

use axum::Router;
use serde_json::{Value, json};

use super::{ADMIN, send};

/// A project and the tokens that open it.
pub(crate) struct Project {
    pub(crate) id: String,
    pub(crate) secret: String,
    pub(crate) publishable: String,
    /// Of the customer `customer_1`.
    pub(crate) customer: String,
}

impl Project {
    pub(super) async fn create(router: &Router, name: &str) -> Self {
        let made = send(router, "POST", "/projects", Some(ADMIN), Some(json!({ "name": name })));
        let made = made.await.ok();
        let id = text(&made, "id");
        let body = json!({ "type": "customer", "refId": "customer_1" });
        let path = format!("/projects/{id}/api-keys");
        let customer = send(router, "POST", &path, Some(ADMIN), Some(body)).await.ok();
        Self {
            id,
            secret: text(&made, "secretKey"),
            publishable: text(&made, "publishableKey"),
            customer: text(&customer, "key"),
        }
    }
}

/// A member that is a text.
pub(crate) fn text(object: &Value, name: &str) -> String {
    object[name].as_str().unwrap_or_else(|| panic!("{name} in {object}")).to_owned()
}
