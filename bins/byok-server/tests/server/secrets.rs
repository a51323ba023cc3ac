//! Secrets and content, looked for in everything that the server writes and says.

use base64::Engine;
use base64::engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD};
use byok_testkit::fake_provider::{Answer, echoing_authorization};
use memchr::memmem;
use serde_json::json;

use crate::support::{Launch, Reply, Server, provider, streamed_chat};

/// So much of a secret, at either end, counts as the secret: more than any hint shows.
const PIECE: usize = 20;

const PROVIDER_KEYS: [&str; 3] = [
    "sk-proj-canaryone-b7Qx2LmT9vRz4KpW8sYc3NdJ",
    "sk-proj-canarytwo-Zt5Hq8GwE1uVn6BxPa0RjMk7",
    "sk-proj-canarythree-w4Fy9Dc2SoIe7LhUb1XgQv",
];
/// Of temporary credentials at Bedrock.
const SESSION_TOKEN: &str = "FwoGZXIvYXdzEcanaryfourBgaDHn6q3Tz8r0XVbN2LkPq==";
const PROMPT: &str = "promptcanary plum quartz violin";
const COMPLETION: &str = "completioncanary ember lattice";

/// Every way in which either end of a secret may be written down.
fn spellings(secret: &str) -> Vec<Vec<u8>> {
    let bytes = secret.as_bytes();
    let piece = PIECE.min(bytes.len());
    let mut all = Vec::new();
    for end in [&bytes[..piece], &bytes[bytes.len() - piece..]] {
        let hex: String = end.iter().map(|byte| format!("{byte:02x}")).collect();
        all.extend([end.to_vec(), hex.to_uppercase().into_bytes(), hex.into_bytes()]);
        for shift in 0..3 {
            // The characters that these bytes alone decide, with 0 to 2 others before them.
            let shifted = [vec![0; shift], end.to_vec()].concat();
            let decided = (shift * 8).div_ceil(6)..shifted.len() * 8 / 6;
            all.push(STANDARD_NO_PAD.encode(&shifted).as_bytes()[decided.clone()].to_vec());
            all.push(URL_SAFE_NO_PAD.encode(&shifted).as_bytes()[decided].to_vec());
        }
    }
    all
}

fn holds(hay: &[u8], secret: &str) -> bool {
    spellings(secret).iter().any(|needle| memmem::find(hay, needle).is_some())
}

#[test]
fn the_search_finds_a_secret_in_every_spelling() {
    let secret = PROVIDER_KEYS[0];
    for before in ["", "a", "ab", "abc", "{\"key\":\""] {
        for after in ["", "\"", "xy"] {
            let text = format!("{before}{secret}{after}");
            let hex: String = text.bytes().map(|byte| format!("{byte:02x}")).collect();
            for hay in [
                text.clone(),
                hex.to_uppercase(),
                hex,
                STANDARD_NO_PAD.encode(&text),
                URL_SAFE_NO_PAD.encode(&text),
            ] {
                assert!(holds(hay.as_bytes(), secret), "{hay}");
            }
        }
    }
    assert!(!holds(b"sk-proj-canaryone...3NdJ", secret), "a hint is no secret");
}

/// Uses the server in every way that touches a secret, well and badly; returns what it said.
fn work(provider: &byok_testkit::fake_provider::FakeProvider, server: &Server) -> Vec<Reply> {
    let [one, two, three] = PROVIDER_KEYS;
    let mut said = Vec::new();
    let mut payload = streamed_chat();
    payload["messages"] = json!([{"role": "user", "content": PROMPT}]);
    let document = {
        let mut payload = payload.clone();
        payload["stream"] = false.into();
        payload
    };
    provider.answer_at(
        "/chat/completions",
        Answer::json(
            200,
            &json!({"choices": [{"message": {"content": COMPLETION}}], "model": "gpt-4o-mini"}),
        ),
    );
    let fields = json!({"provider": "openai", "refId": "customer"});
    said.push(server.connect_with("customer", one, &json!({})));
    said.push(server.connect_with("broken", &format!("{three}\r\n"), &json!({"colour": three})));
    said.push(server.connect_with(
        three,
        "x",
        &json!({"provider": three, "label": three.repeat(9)}),
    ));
    said.push(
        server
            .post("/keys/connect")
            .body("application/json", format!("{{\"providerKey\":\"{three}\""))
            .send(),
    );
    said.push(server.post("/keys/connect").body("text/plain", three).send());
    said.push(server.post("/keys/check").json(&fields).send());
    said.push(server.get("/keys").send());
    for asked in [
        server.chat("customer", &document),
        server.envelope("chat/completions", "customer", &document),
    ] {
        said.push(asked.clone().send());
        for fault in [
            Answer::key_rejected(one),
            Answer::error(400, "x", "y", &format!("bad: {one} in {PROMPT}")),
            Answer::redirect(302, &format!("https://example.com/?key={one}")),
            Answer::raw(format!("HTTP/1.1 200 OK\r\nnonsense {one}\r\n\r\n")),
            Answer::raw(""),
            Answer::new(200, "text/html", format!("<p>{one}</p>")),
        ] {
            provider.answer_next(fault);
            said.push(asked.clone().send());
        }
    }
    said.push(server.connect_with("customer", two, &json!({"label": "second"})));
    provider.answer_with("/embeddings", echoing_authorization);
    said.push(server.post("/v1/embeddings").by("customer").json(&document).send());
    said.push(server.post("/keys/validate").json(&fields).send());
    said.extend(work_at_bedrock(provider, server));
    // Tokens of ours where they do not belong.
    let keys = &server.keys;
    for token in [&keys.secret, &keys.publishable, &keys.admin] {
        said.push(server.get(&format!("/logs/{token}")).send());
        said.push(server.get(&format!("/{token}")).send());
        said.push(server.get(&format!("/usage?key={token}&refId={token}")).send());
        said.push(server.get(&format!("/v1/models?key={token}")).by("customer").send());
        said.push(server.get("/usage").key(&format!("{token}x")).send());
    }
    said.push(server.get("/audit-logs").send());
    said.push(server.get("/openapi.json").send());
    said.push(server.delete("/keys/revoke").json(&fields).send());
    said.push(server.connect_with("customer", one, &json!({})));
    said
}

/// The same at Bedrock, where half of the credential comes in the configuration.
fn work_at_bedrock(
    provider: &byok_testkit::fake_provider::FakeProvider,
    server: &Server,
) -> Vec<Reply> {
    let token = SESSION_TOKEN;
    let config = json!({
        "region": "us-east-1", "accessKeyId": "ASIAIOSFODNN7EXAMPLE", "sessionToken": token,
    });
    let connect = |config: &serde_json::Value| {
        let more = json!({"provider": "bedrock", "providerConfig": config});
        server.connect_with("temporary", PROVIDER_KEYS[1], &more)
    };
    let mut said = vec![connect(&config)];
    for (field, value) in [("region", token), ("accessKeyId", token), ("sessionToken", " x")] {
        let mut wrong = config.clone();
        wrong[field] = format!("{token}{value}").into();
        said.push(connect(&wrong));
    }
    let path = "/bedrock/model/amazon.nova-lite-v1%3A0/converse";
    let asked = server.post(path).by("temporary").json(&json!({"messages": []}));
    for answer in [
        Answer::json(200, &json!({"output": {}, "token": token})),
        Answer::json(403, &json!({"message": format!("The security token {token} is invalid")})),
        Answer::raw(format!("HTTP/1.1 200 OK\r\nnonsense {token}\r\n\r\n")),
    ] {
        provider.answer_next(answer);
        said.push(asked.clone().send());
    }
    said.push(server.get("/keys").send());
    said
}

#[test]
fn no_secret_and_no_content_is_written_logged_or_said() {
    let provider = provider();
    let bedrock = format!("http://{}", provider.address());
    let launch = Launch::quickstart(&provider)
        .with("BYO_LOG", "trace")
        .with("BYO_BEDROCK_BASE_URL", bedrock);
    let mut server = launch.start();
    let mut said = work(&provider, &server);
    let customer = json!({"type": "customer", "name": "Tool", "refId": "customer"});
    let path = format!("/projects/{}/api-keys", server.keys.project);
    let token = server.post(&path).json(&customer).send().json()["key"]
        .as_str()
        .expect("a token")
        .to_owned();
    said.push(server.get("/v1/models").key(&token).send());

    // Dead in the middle of a call, with its journal and write-ahead log as they were.
    provider.answer_next(Answer::chat_stream("gpt-4o-mini", true).stall_at(400));
    let mut live = server.chat("customer", &streamed_chat()).open();
    live.next().expect("it begins");
    server.kill();

    let scratch = server.launch.scratch();
    let sealing = scratch.text("data/encryption.key").trim().to_owned();
    assert_eq!(sealing.len(), 64);
    let keys = &server.keys;
    let secrets: Vec<&str> = PROVIDER_KEYS
        .into_iter()
        .chain([
            keys.admin.as_str(),
            &keys.secret,
            &keys.publishable,
            &token,
            &sealing,
            SESSION_TOKEN,
            PROMPT,
            COMPLETION,
        ])
        .collect();
    let greeting = scratch.text("stdout-0.log");
    assert!(
        [&keys.admin, &keys.secret, &keys.publishable]
            .iter()
            .all(|token| holds(greeting.as_bytes(), token)),
        "the search is blind"
    );
    let log = server.log();
    assert!(log.contains("DEBUG") && log.lines().count() > 40, "there is a log to search: {log}");

    let mut searched = 0;
    for file in scratch.files() {
        let name = file.strip_prefix(scratch.path("")).expect("inside").display().to_string();
        // What is there to hold a secret: its own two files, and the one showing of the tokens.
        if ["data/encryption.key", "data/admin.token", "stdout-0.log"].contains(&name.as_str()) {
            continue;
        }
        let bytes = std::fs::read(&file).expect("a readable file");
        for secret in &secrets {
            assert!(!holds(&bytes, secret), "{secret:.16}… is in {name}");
        }
        searched += bytes.len();
    }
    assert!(searched > 100_000, "{searched} bytes");
    for reply in &said {
        let all = [reply.head.as_slice(), &reply.body].concat();
        let text = String::from_utf8_lossy(&all).into_owned();
        for secret in &secrets {
            // What the provider says goes through to the caller whose content it is.
            let content = [PROMPT, COMPLETION].contains(secret);
            assert!(content || !holds(&all, secret), "{secret:.16}… is in {text}");
        }
    }
}
