//! Batches of Anthropic's say where their results are, and its SDKs take their credential there.

use byok_testkit::fake_provider::{Answer, FakeProvider};
use serde_json::json;

use crate::support::{Launch, Reply, Server, provider};

const KEY: &str = "sk-ant-api03-Qk7wT2mZx9Lr4VbN8cYs3HdJ6fGa1PeU5oRiXt0KqWzBvM";
const BATCHES: &str = "/anthropic/v1/messages/batches";

/// A batch that no serializer of ours would write, with its results at that address.
fn batch(url: &str) -> String {
    format!(
        "{{ \"id\" : \"msgbatch_1\",\r\n\t\"type\":\"message_batch\",\"x\":1.50e+3,\"y\":\"\\u00e9\\/\",\
         \"processing_status\":\"ended\",\"results_url\" : {url}, \"z\":[]}}\n"
    )
}

fn results(base: &str) -> String {
    format!("\"{base}/v1/messages/batches/msgbatch_1/results\"")
}

fn serving(change: impl FnOnce(Launch) -> Launch) -> (FakeProvider, Server) {
    let provider = provider();
    let base = format!("http://{}", provider.address());
    let launch = Launch::quickstart(&provider).with("BYO_ANTHROPIC_BASE_URL", base);
    let server = change(launch).start();
    let listed = json!({"data": [], "has_more": false});
    provider.answer_at("/v1/models", Answer::json(200, &listed));
    let reply = server.connect_with("customer", KEY, &json!({"provider": "anthropic"}));
    assert_eq!(reply.json()["status"], "valid", "{}", reply.text());
    (provider, server)
}

fn json_answer(text: String) -> Answer {
    Answer::new(200, "application/json", text)
}

fn look(server: &Server) -> Reply {
    server.get(&format!("{BATCHES}/msgbatch_1")).by("customer").send()
}

#[test]
fn results_are_asked_for_here_and_all_else_passes_byte_for_byte() {
    let (provider, server) = serving(|launch| launch);
    let theirs = results("https://api.anthropic.com");
    let prefixes = ["".to_owned(), format!("/projects/{}", server.keys.project)];
    for prefix in prefixes {
        let ours = results(&format!("http://byok{prefix}/anthropic"));
        let at = |rest: &str| format!("{prefix}{BATCHES}{rest}");
        for asked in [
            server.post(&at("")).json(&json!({"requests": []})),
            server.get(&at("/msgbatch_1?beta=true")),
            server.post(&at("/msgbatch_1/cancel")),
            server.delete(&at("/msgbatch_1")),
        ] {
            for pieces in [1, 7, 10_000] {
                provider.answer_next(json_answer(batch(&theirs)).in_pieces_of(pieces));
                let reply = asked.clone().by("customer").send();
                assert_eq!(String::from_utf8_lossy(reply.answered()), batch(&ours));
                assert!(reply.whole);
                assert_eq!(server.row(&reply)["success"], true);
            }
        }
        let list = |url: &str| {
            let many = vec![batch(url); 1000].join(",");
            format!("{{\"data\":[{many},{}],\"has_more\":false}}", batch("null"))
        };
        provider.answer_next(json_answer(list(&theirs)).chunked());
        let reply = server.get(&at("?limit=1000")).by("customer").send();
        assert_eq!(String::from_utf8_lossy(reply.answered()), list(&ours));
    }
    // And the address is one that is answered.
    provider.answer_next(json_answer(batch(&theirs)));
    let url = look(&server).json()["results_url"].as_str().expect("an address").to_owned();
    provider.take_requests();
    let line = "{\"custom_id\":\"a\",\"results_url\":\"https://far.example/\"}\n";
    provider.answer_next(Answer::new(200, "application/x-jsonl", line));
    let target = url.strip_prefix("http://byok").expect("ours");
    assert_eq!(server.get(target).by("customer").send().text(), line);
    let seen = provider.take_requests().remove(0);
    assert_eq!(seen.target, "/v1/messages/batches/msgbatch_1/results");
}

#[test]
fn the_address_is_the_one_that_the_operator_says_or_a_safer_one() {
    let theirs = results("https://api.anthropic.com");
    let (provider, server) =
        serving(|launch| launch.with("BYO_PUBLIC_URL", "https://llm.example.com/byok/"));
    provider.answer_next(json_answer(batch(&theirs)));
    let ours = results("https://llm.example.com/byok/anthropic");
    assert_eq!(look(&server).text(), batch(&ours));

    let (provider, server) = serving(|launch| launch);
    let asked = server.get(&format!("{BATCHES}/msgbatch_1")).by("customer");
    provider.answer_next(json_answer(batch(&theirs)));
    let reply = asked.header("x-forwarded-proto", "https").send();
    assert_eq!(reply.text(), batch(&results("https://byok/anthropic")));
}

#[test]
fn no_answer_leads_a_caller_elsewhere_whatever_stands_in_it() {
    let (provider, server) = serving(|launch| launch);
    for url in ["\"https://evil.example/\"", "\"https://evil.example/v1/x/../results\"", "\"\""] {
        provider.answer_next(json_answer(batch(url)));
        assert_eq!(look(&server).text(), batch("null"), "{url}");
    }
    provider.answer_next(json_answer(batch(&results("https://evil.example/anthropic"))));
    assert_eq!(look(&server).text(), batch(&results("http://byok/anthropic")));
    let hidden = batch("\"https://evil.example/\"").replace("results_url", "re\\u0073ults_url");
    provider.answer_next(json_answer(hidden.clone()));
    let shown = hidden.replace("\"https://evil.example/\"", "null");
    assert_eq!(look(&server).text(), shown);

    let evil = batch("\"https://evil.example/\"");
    let wide: Vec<u8> = evil.bytes().flat_map(|byte| [byte, 0]).collect();
    for answer in [
        Answer::new(200, "application/json", wide),
        Answer::new(200, "application/json", evil.trim_end().trim_end_matches('}').to_owned()),
        Answer::new(200, "text/plain", evil.clone()),
        json_answer(evil.clone()).header("content-encoding", "gzip"),
        json_answer(format!("{evil}{}", " ".repeat(9 << 20))),
    ] {
        provider.answer_next(answer);
        let reply = look(&server);
        assert_eq!((reply.status, reply.json()["type"].as_str()), (502, Some("error")));
        assert_eq!(reply.json()["error"]["details"]["error_code"], "upstream_redirect");
        assert!(!reply.text().contains("evil"), "{}", reply.text());
        let row = server.row(&reply);
        assert_eq!((&row["success"], &row["errorClass"]), (&json!(false), &json!("provider_down")));
    }
    // A refusal passes as it is.
    provider.answer_next(Answer::json(
        404,
        &json!({"type": "error", "error": {"type": "not_found_error"}}),
    ));
    assert_eq!(look(&server).status, 404);
}
