//! Keys and secrets show nowhere.

use std::error::Error as _;

use byok_client::projects::CreatedProject;
use byok_client::webhooks::EndpointWithSecret;
use byok_client::{Byok, Error};
use serde_json::json;

use crate::script::{Reply, Script, answer};

const CANARY: &str = "canary-7f3a";

fn shown(error: &Error) -> String {
    let mut text = format!("{error} {error:?}");
    let mut source = error.source();
    while let Some(error) = source {
        text.push_str(&format!(" {error} {error:?}"));
        source = error.source();
    }
    text
}

#[tokio::test]
async fn neither_debug_nor_an_error_shows_a_key() {
    let builder = Byok::builder(CANARY)
        .base_url(format!("http://user:{CANARY}@127.0.0.1:1/"))
        .header("x-token", CANARY)
        .retries(0);
    let mut all = format!("{builder:?}");
    let byok = builder.build().expect("a client");
    let connect =
        byok.keys().connect("openai", "c", CANARY).provider_config(json!({"sessionToken": CANARY}));
    all.push_str(&format!("{byok:?} {connect:?} {:?}", byok.openai("c").responses()));
    all.push_str(&format!("{:?}", byok.platform_keys().put("openai", CANARY)));
    all.push_str(&format!("{:?}", byok.openai_compatible("c").expect("headers")));
    all.push_str(&shown(&connect.send().await.expect_err("nobody is there")));
    let bad = Byok::builder(format!("{CANARY}\n")).build().expect_err("no key");
    all.push_str(&shown(&bad));
    assert!(!all.contains(CANARY), "{all}");
}

#[tokio::test]
async fn an_error_of_a_connection_names_no_customer() {
    let script = Script::of([Reply::Bytes(Vec::new())]).await;
    let byok = script.builder().retries(0).build().expect("a client");
    let error = byok.logs().list().ref_id(CANARY).send().await.expect_err("it leaves");
    assert!(!shown(&error).contains(CANARY), "{}", shown(&error));
}

#[tokio::test]
async fn what_is_told_once_is_shown_on_request_alone() {
    let project = json!({
        "id": "proj_1", "name": "Acme", "environment": "test", "secretKey": CANARY,
        "publishableKey": CANARY, "createdAt": "2026-01-31T12:00:00.000Z",
    });
    let endpoint = json!({
        "id": "wh_1", "url": "https://example.com", "events": ["*"], "description": "",
        "enabled": true, "disabledReason": null, "disabledAt": null, "failingSince": null,
        "secret": CANARY, "createdAt": "2026-01-31T12:00:00.000Z",
        "updatedAt": "2026-01-31T12:00:00.000Z",
    });
    let script = Script::of([
        Reply::Bytes(answer("200 OK", &[], &project.to_string())),
        Reply::Bytes(answer("200 OK", &[], &endpoint.to_string())),
    ])
    .await;
    let byok = script.client();
    let project: CreatedProject = byok.projects().create("Acme").send().await.expect("a project");
    let endpoint: EndpointWithSecret =
        byok.webhooks().create("https://example.com").send().await.expect("an endpoint");
    assert_eq!((project.secret_key.expose(), endpoint.secret.expose()), (CANARY, CANARY));
    let all = format!("{project:?} {endpoint:?}");
    assert!(!all.contains(CANARY), "{all}");
}
