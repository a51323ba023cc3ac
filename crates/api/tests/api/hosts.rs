//! Calls to hosts that speak OpenAI's wire at an address of their own.

use byok_testkit::fake_provider::Answer;
use serde_json::json;

use crate::rig::{GOOD_KEY, Rig};

const DOCUMENT: &str = r#"{"id":"c1","object":"chat.completion","model":"openai/gpt-oss-120b","choices":[{"index":0,"message":{"role":"assistant","content":"Hi"},"finish_reason":"stop"}],"usage":{"prompt_tokens":1000,"completion_tokens":100,"total_tokens":1100}}"#;

#[tokio::test]
async fn a_host_is_called_under_its_own_name_and_paid_by_its_own_prices() {
    let rig = Rig::start().await;
    assert_eq!(rig.connect_at("groq", "c1", json!({})).await["status"], "valid");
    assert_eq!(rig.provider.take_requests()[0].target, "/models");
    let payload = json!({"model": "openai/gpt-oss-120b", "messages": []});
    for way in ["drop-in", "header", "envelope"] {
        rig.provider.answer_next(Answer::new(200, "application/json", DOCUMENT));
        let reply = match way {
            "drop-in" => rig.dropped_in("/groq/chat/completions", "c1", &payload).await,
            "header" => rig.compatible("groq", "chat/completions", &payload).await,
            _ => rig.enveloped("groq/chat/completions", "c1", &payload).await,
        };
        assert_eq!(reply.status, 200, "{way}: {}", reply.text);
        let seen = rig.provider.take_requests().remove(0);
        assert_eq!((seen.target.as_str(), seen.bearer()), ("/chat/completions", Some(GOOD_KEY)));
        assert_eq!(seen.json(), payload, "{way}");
        let row = rig.row(&reply).await;
        assert_eq!((&row["provider"], &row["inputTokens"]), (&json!("groq"), &json!(1000)));
        // 0.15 and 0.60 USD a million.
        assert_eq!(row["costUsd"], json!(0.00021), "{way}: {row}");
    }
}
