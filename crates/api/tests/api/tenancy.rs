//! Every route, by every kind of credential.

use byok_api::{Access, RouteInfo};
use byok_domain::credential::{ApiKeyKind, Permission};
use byok_domain::{ApiKeyId, KeyHint, ProjectId, RefId, Timestamp};
use byok_store::{By, NewApiKey};
use byok_vault::Token;
use serde_json::{Value, json};

use crate::rig::{ADMIN, GOOD_KEY, Rig};

/// Who asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Who {
    Nobody,
    Garbage,
    Forged,
    Revoked,
    Expired,
    Admin,
    SecretA,
    SecretB,
    PublishableA,
    PublishableB,
    CustomerA,
    CustomerB,
}

const EVERYBODY: [Who; 12] = [
    Who::Nobody,
    Who::Garbage,
    Who::Forged,
    Who::Revoked,
    Who::Expired,
    Who::Admin,
    Who::SecretA,
    Who::SecretB,
    Who::PublishableA,
    Who::PublishableB,
    Who::CustomerA,
    Who::CustomerB,
];

impl Who {
    fn is_authenticated(self) -> bool {
        !matches!(self, Self::Nobody | Self::Garbage | Self::Forged | Self::Revoked | Self::Expired)
    }

    fn is_of_b(self) -> bool {
        matches!(self, Self::SecretB | Self::PublishableB | Self::CustomerB)
    }

    /// What the contract lists, written down apart from the code.
    fn may(self, permission: Permission) -> bool {
        use Permission::{Call, Connect, Manage};
        match self {
            Self::Admin => true,
            Self::SecretA | Self::SecretB => matches!(permission, Manage | Call | Connect),
            Self::PublishableA | Self::PublishableB => permission == Connect,
            Self::CustomerA | Self::CustomerB => permission == Call,
            _ => false,
        }
    }
}

/// What is sent to a route that succeeds, and to which object. A route without a line here fails.
fn example(method: &str, path: &str) -> Option<Value> {
    let owner = || json!({ "provider": "openai", "refId": "customer_1" });
    let plain = path.strip_prefix("/projects/{projectId}").unwrap_or(path);
    match (method, plain) {
        ("GET", "/healthz" | "/readyz" | "/openapi.json" | "/projects" | "" | "/api-keys") => None,
        ("GET", "/origins" | "/pricing" | "/keys" | "/usage" | "/usage/export" | "/stats") => None,
        ("GET", "/logs" | "/logs/{id}" | "/audit-logs") => None,
        ("GET", "/routing" | "/tiers" | "/platform-keys/{provider}" | "/keys/settings") => None,
        ("GET", "/customers" | "/customers/{refId}" | "/customers/{refId}/credits") => None,
        ("GET", "/customers/{refId}/credits/transactions") => None,
        ("DELETE", "" | "/api-keys/{id}" | "/pricing") => None,
        ("GET", "/webhooks" | "/webhooks/{id}/deliveries") | ("DELETE", "/webhooks/{id}") => None,
        ("POST", "/webhooks/{id}/test" | "/webhooks/{id}/rotate-secret") => None,
        ("POST", "/webhooks/{id}/deliveries/{deliveryId}/resend") => None,
        ("POST", "/webhooks/deliveries/{deliveryId}/resend") => None,
        ("POST", "/webhooks") => Some(json!({ "url": "http://127.0.0.1:9/" })),
        ("PATCH", "/webhooks/{id}") => Some(json!({ "description": "Renamed" })),
        ("DELETE", "/platform-keys/{provider}" | "/customers/{refId}") => None,
        ("PATCH", "/routing") => Some(json!({ "mode": "credit_first" })),
        ("PUT", "/tiers") => Some(json!([{ "name": "gold", "byokAllowed": true }])),
        ("PUT", "/platform-keys/{provider}") => Some(json!({ "providerKey": GOOD_KEY })),
        ("PATCH", "/customers/{refId}") => Some(json!({ "email": "jane@example.com" })),
        ("POST", "/customers/{refId}/credits") => Some(json!({ "amount": 5 })),
        ("POST", "/projects") => Some(json!({ "name": "C", "environment": "test" })),
        ("PATCH", "") => Some(json!({ "name": "Renamed" })),
        ("POST", "/api-keys") => Some(json!({ "type": "secret", "name": "Second" })),
        ("PATCH", "/origins") => Some(json!({ "allowedOrigins": [] })),
        ("PATCH", "/pricing") => {
            Some(json!({ "overrides": { "openai": { "my-model": { "input": 1, "output": 2 } } } }))
        }
        ("POST", "/reprice") => Some(json!({})),
        ("POST", "/keys/connect") => {
            Some(json!({ "provider": "openai", "refId": "fresh", "providerKey": GOOD_KEY }))
        }
        ("POST", "/keys/check" | "/keys/validate") | ("DELETE", "/keys/revoke") => Some(owner()),
        _ => panic!("{method} {path} is in no line of this test; add one"),
    }
}

struct Walk {
    rig: Rig,
    log: String,
    forged: String,
    revoked: String,
    expired: String,
    /// An endpoint of A's with a delivery.
    webhook: (String, String),
}

impl Walk {
    async fn start() -> Self {
        let rig = Rig::start().await;
        let call = rig.call("customer_1");
        rig.record(&call);
        let expired = Token::mint("byo_ck_");
        let row = NewApiKey {
            id: ApiKeyId::new("key_expired"),
            kind: ApiKeyKind::Customer,
            name: "Expired".into(),
            ref_id: RefId::parse("customer_1").ok(),
            hint: KeyHint::of(expired.as_str()),
            digest: rig.hasher.digest(expired.as_str()),
            expires_at: Some(Timestamp::from_millis(1_700_000_000_000)),
        };
        let by = By::new(byok_domain::audit::Actor::cli(), Timestamp::from_millis(1));
        let project = ProjectId::new(rig.a.id.as_str());
        rig.store.create_api_key(&project, row, &by).await.expect("stored");
        let mut walk = Self {
            rig,
            log: call.id.to_string(),
            forged: Token::mint("byo_sk_live_").as_str().to_owned(),
            revoked: String::new(),
            webhook: Default::default(),
            expired: expired.as_str().to_owned(),
        };
        let (id, token) = walk.spare_key().await;
        walk.revoked = token;
        walk.webhook = walk.spare_webhook().await;
        // Used before it is withdrawn, so that it lies in every cache there is.
        walk.rig.send("GET", "/usage", Some(&walk.revoked), None).await.ok();
        walk.rig.as_a("DELETE", &format!("/api-keys/{id}"), None).await.ok();
        walk
    }

    async fn spare_key(&self) -> (String, String) {
        let body = json!({ "type": "secret", "name": "Spare" });
        let made = self.rig.as_a("POST", "/api-keys", Some(body)).await.ok();
        let text = |name: &str| made[name].as_str().expect("a text").to_owned();
        (text("id"), text("key"))
    }

    fn token(&self, who: Who) -> Option<&str> {
        Some(match who {
            Who::Nobody => return None,
            Who::Garbage => "garbage",
            Who::Forged => &self.forged,
            Who::Revoked => &self.revoked,
            Who::Expired => &self.expired,
            Who::Admin => ADMIN,
            Who::SecretA => &self.rig.a.secret,
            Who::SecretB => &self.rig.b.secret,
            Who::PublishableA => &self.rig.a.publishable,
            Who::PublishableB => &self.rig.b.publishable,
            Who::CustomerA => &self.rig.a.customer,
            Who::CustomerB => &self.rig.b.customer,
        })
    }

    /// An endpoint with a delivery.
    async fn spare_webhook(&self) -> (String, String) {
        let body = json!({ "url": "http://127.0.0.1:9/in" });
        let made = self.rig.as_a("POST", "/webhooks", Some(body)).await.ok();
        let id = made["id"].as_str().expect("an id").to_owned();
        self.rig.connect("customer_1").await;
        let path = format!("/webhooks/{id}/deliveries");
        let delivery = self.rig.as_a("GET", &path, None).await.ok()["data"][0]["id"].clone();
        (id, delivery.as_str().expect("an id").to_owned())
    }

    /// Makes room for another: a project may have twenty.
    async fn remove_spare_webhooks(&self) {
        let list = self.rig.as_a("GET", "/webhooks", None).await.ok();
        let ids = list["data"].as_array().expect("a list").iter().filter_map(|w| w["id"].as_str());
        for id in ids.filter(|id| *id != self.webhook.0) {
            self.rig.as_a("DELETE", &format!("/webhooks/{id}"), None).await.ok();
        }
    }

    /// The path with project A and an object of A's filled in.
    async fn fill(&self, route: &RouteInfo) -> String {
        // The one that is erased has no token in this walk.
        let customer = if route.method == "DELETE" { "erasable" } else { "customer_1" };
        let path = route
            .path
            .replace("{projectId}", &self.rig.a.id)
            .replace("{provider}", "openai")
            .replace("{refId}", customer);
        if path.contains("/webhooks/") {
            let (webhook, delivery) = match route.method.as_str() {
                "DELETE" => {
                    self.remove_spare_webhooks().await;
                    self.spare_webhook().await
                }
                _ => self.webhook.clone(),
            };
            return path.replace("{id}", &webhook).replace("{deliveryId}", &delivery);
        }
        if path.ends_with("/keys/settings") {
            return format!("{path}?refId=customer_1");
        }
        if path.contains("/logs/{id}") {
            path.replace("{id}", &self.log)
        } else if path.contains("{id}") {
            path.replace("{id}", &self.spare_key().await.0)
        } else {
            path
        }
    }

    async fn ask(&self, who: Who, route: &RouteInfo) {
        let method = route.method.as_str();
        let body = example(method, &route.path);
        let path = self.fill(route).await;
        // So that what a route needs is there, whatever the routes before it removed.
        self.rig.connect("customer_1").await;
        if route.path.contains("/customers/{refId}") {
            self.rig.connect("erasable").await;
        }
        if route.path.contains("/platform-keys/") {
            let body = json!({ "providerKey": GOOD_KEY });
            self.rig.as_a("PUT", "/platform-keys/openai", Some(body)).await.ok();
        }
        let fresh = json!({ "provider": "openai", "refId": "fresh" });
        for owner in [&self.rig.a, &self.rig.b] {
            let body = Some(fresh.clone());
            self.rig.send("DELETE", "/keys/revoke", Some(&owner.secret), body).await;
        }
        let reply = self.rig.send(method, &path, self.token(who), body.clone()).await;
        let at = format!("{who:?} {method} {}: {}", route.path, reply.text);

        let permission = match route.access {
            Access::Open => return assert_eq!(reply.status, 200, "{at}"),
            Access::Operator => Permission::Operate,
            Access::Project(permission) | Access::ProjectOrAll(permission) => permission,
        };
        if !who.is_authenticated() {
            reply.refused(401, "unauthenticated");
            assert_eq!(reply.header("www-authenticate"), Some("Bearer"), "{at}");
        } else if !who.may(permission) {
            reply.refused(403, "forbidden");
        } else if route.access == Access::Operator {
            reply.ok();
        } else if !route.path.contains("{projectId}") {
            match who {
                Who::Admin if matches!(route.access, Access::ProjectOrAll(_)) => {
                    reply.ok();
                }
                Who::Admin => {
                    let json = reply.refused(400, "invalid_parameter");
                    assert!(json["message"].to_string().contains("/projects/{id}/"), "{at}");
                }
                _ if who.is_of_b() => self.sees_nothing_of_a(route, &path, who, body).await,
                _ => assert_eq!(reply.status, 200, "{at}"),
            }
        } else if who.is_of_b() {
            let nowhere = path.replace(&self.rig.a.id, "proj_00000000000000000000000000000000");
            let absent = self.rig.send(method, &nowhere, self.token(who), body).await;
            assert_eq!(without_id(&reply.refused(404, "not_found")), without_id(&absent.json()));
        } else {
            assert_eq!(reply.status, 200, "{at}");
        }
    }

    /// B, on its own form of the route, with the id of an object of A's.
    async fn sees_nothing_of_a(
        &self,
        route: &RouteInfo,
        path: &str,
        who: Who,
        body: Option<Value>,
    ) {
        let method = route.method.as_str();
        let reply = self.rig.send(method, path, self.token(who), body.clone()).await;
        assert!(!reply.text.contains(&self.rig.a.id), "{method} {path}: {}", reply.text);
        if route.path.contains("/webhooks/{") || route.path.contains("{deliveryId}") {
            let absent = format!("{:032x}", 0);
            let absent = path.split('/').map(|part| match part.split_once('_') {
                Some((kind, _)) => format!("{kind}_{absent}"),
                None => part.to_owned(),
            });
            let absent = absent.collect::<Vec<_>>().join("/");
            let absent = self.rig.send(method, &absent, self.token(who), body).await;
            let refusal = reply.refused(404, "not_found");
            assert_eq!(without_id(&refusal), without_id(&absent.refused(404, "not_found")));
        } else if route.path.contains("{id}") {
            let id = path.rsplit('/').next().expect("a segment");
            let absent = match route.path.contains("/logs/") {
                true => "01890000-0000-7000-8000-000000000000",
                false => "key_00000000000000000000000000000000",
            };
            let absent = path.replace(id, absent);
            let absent = self.rig.send(method, &absent, self.token(who), body).await;
            let refusal = reply.refused(404, "not_found");
            assert_eq!(without_id(&refusal), without_id(&absent.refused(404, "not_found")));
        }
    }
}

fn without_id(refusal: &Value) -> Value {
    let mut refusal = refusal.clone();
    refusal["requestId"] = Value::Null;
    refusal
}

#[tokio::test]
async fn every_route_answers_every_kind_of_credential_as_the_contract_says() {
    let walk = Walk::start().await;
    let mut routes = byok_api::routes();
    // What removes the project comes last.
    routes.sort_by_key(|route| route.method == "DELETE" && route.path == "/projects/{projectId}");
    assert!(routes.len() > 40, "{}", routes.len());
    for route in &routes {
        for who in EVERYBODY {
            walk.ask(who, route).await;
            if who == Who::Admin && route.method == "DELETE" && route.path.ends_with("{projectId}")
            {
                return;
            }
        }
    }
    panic!("the route that removes a project was not walked");
}

#[tokio::test]
async fn the_same_customer_of_two_projects_is_two_customers() {
    let rig = Rig::start().await;
    rig.connect("customer_1").await;
    let owner = json!({ "provider": "openai", "refId": "customer_1" });
    let check = |secret: String| {
        let (rig, owner) = (&rig, owner.clone());
        async move { rig.send("POST", "/keys/check", Some(&secret), Some(owner)).await.ok() }
    };
    assert_eq!(check(rig.a.secret.clone()).await["connected"], true);
    assert_eq!(check(rig.b.secret.clone()).await["connected"], false);
    let revoked =
        rig.send("DELETE", "/keys/revoke", Some(&rig.b.secret), Some(owner.clone())).await;
    revoked.refused(404, "key_not_connected");
    assert_eq!(check(rig.a.secret.clone()).await["connected"], true);
}

#[tokio::test]
async fn a_removed_project_is_gone_for_all_its_keys_at_once() {
    let rig = Rig::start().await;
    rig.as_a("GET", "/usage", None).await.ok();
    let path = format!("/projects/{}", rig.a.id);
    let removed = rig.send("DELETE", &path, Some(ADMIN), None).await.ok();
    assert_eq!(removed, json!({ "deleted": true }));
    rig.as_a("GET", "/usage", None).await.refused(401, "unauthenticated");
    rig.send("GET", &path, Some(ADMIN), None).await.refused(404, "not_found");
    rig.send("DELETE", &path, Some(ADMIN), None).await.refused(404, "not_found");
    rig.send("GET", "/usage", Some(&rig.b.secret), None).await.ok();
}
