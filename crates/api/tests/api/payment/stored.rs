//! What credits may not reach: what the platform's account keeps.

use super::*;

#[tokio::test]
async fn on_credits_a_customer_goes_on_from_its_own_responses_alone() {
    use byok_testkit::fake_provider::Answer;

    let rig = Rig::start().await;
    rig.sell(1_000_000).await;
    rig.give("c2", 1_000_000).await;
    rig.provider.accept_only([PLATFORM]);
    let response = |id: &str| {
        json!({
            "id": id, "object": "response", "model": "gpt-4o-mini", "status": "completed",
            "output": [], "usage": {"input_tokens": 3, "output_tokens": 5, "total_tokens": 8},
        })
    };
    rig.provider.answer_with("", move |seen| {
        let asked = seen.json();
        let id = asked["metadata"]["id"].as_str().unwrap_or("resp_later");
        if asked["stream"] != true {
            return Answer::json(200, &response(id));
        }
        Answer::events(["created", "completed"].map(|kind| {
            let event = json!({"type": format!("response.{kind}"), "response": response(id)});
            format!("event: response.{kind}\ndata: {event}\n\n")
        }))
    });
    let ask = async |customer: &str, rest: Value| {
        let mut payload = json!({"model": "gpt-4o-mini", "input": "Hi", "max_output_tokens": 9});
        let fields = rest.as_object().expect("an object").clone();
        payload.as_object_mut().expect("an object").extend(fields);
        rig.dropped_in("/v1/responses", customer, &payload).await
    };
    let whole = ask("c1", json!({"metadata": {"id": "resp_whole"}})).await;
    let streamed = ask("c1", json!({"metadata": {"id": "resp_streamed"}, "stream": true})).await;
    assert_eq!((whole.status, streamed.status), (200, 200), "{}", whole.text);
    for known in ["at once", "from the database"] {
        for id in ["resp_whole", "resp_streamed"] {
            let own = ask("c1", json!({"previous_response_id": id})).await;
            assert_eq!(own.status, 200, "{known}: {}", own.text);
            let paid = own.header("x-byo-key-source");
            assert_eq!(paid, Some("credits"));
            let others = ask("c2", json!({"previous_response_id": id})).await;
            assert_eq!(others.status, 404, "{known}: {}", others.text);
            assert_eq!(others.json()["error"]["code"], "not_found");
        }
        rig.row(&streamed).await;
        rig.gateway.forget_all();
    }
    for unknown in [
        json!({"previous_response_id": "resp_elsewhere"}),
        json!({"conversation": "conv_1"}),
        json!({"conversation": {}}),
        json!({"input": [{"type": "item_reference", "id": "msg_1"}]}),
        json!({"tools": [{"type": "code_interpreter", "container": "cntr_1"}]}),
    ] {
        assert_eq!(ask("c1", unknown.clone()).await.status, 404, "{unknown}");
    }
    let twice = r#"{"model":"gpt-4o-mini","input":"Hi","conversation":{"id":"a","id":"b"}}"#;
    let twice = rig.dropped_in_raw("/v1/responses", "c1", twice).await;
    assert_eq!(twice.status, 404, "{}", twice.text);
    rig.provider.take_requests();
    let own_key = rig.connect("c2").await;
    assert_eq!(own_key["status"], "invalid", "the provider takes the platform's key alone");
    rig.provider.accept_only([GOOD_KEY]);
    rig.connect("c2").await;
    let own_account = json!({"previous_response_id": "resp_of_its_own_account"});
    let own = ask("c2", own_account.clone()).await;
    assert_eq!((own.status, own.header("x-byo-key-source")), (200, Some("byok")), "{}", own.text);

    // Credits cannot go on from it: they neither hide that its account is down, nor go first.
    rig.provider.answer_with("", |_| Answer::overloaded());
    let down = ask("c2", own_account.clone()).await;
    assert_eq!(
        (down.status, down.header("x-byo-key-source")),
        (503, Some("byok")),
        "{}",
        down.text
    );
    rig.provider.behave();
    rig.mode(Mode::CreditFirst).await;
    let own = ask("c2", own_account).await;
    assert_eq!(own.header("x-byo-key-source"), Some("byok"), "{}", own.text);
}

#[tokio::test]
async fn credits_pay_for_nothing_that_the_platforms_account_keeps() {
    let rig = Rig::start().await;
    rig.sell(1_000).await;
    let form =
        "--b\r\ncontent-disposition: form-data; name=\"model\"\r\n\r\ngpt-4o-mini\r\n--b--\r\n";
    for (method, path) in [
        ("POST", "/v1/responses/resp_1/cancel"),
        ("DELETE", "/v1/responses/resp_1"),
        ("DELETE", "/v1/models/ft:gpt-4o-mini:own"),
        ("GET", "/v1/files"),
        ("GET", "/v1/batches"),
    ] {
        let reply = rig.formed(method, path, "c1", form).await;
        assert_eq!(reply.status, 422, "{method} {path}: {}", reply.text);
    }
    assert!(rig.provider.requests().is_empty());
}

#[tokio::test]
async fn credits_pay_for_no_operation_whose_cost_is_not_known() {
    let rig = Rig::start().await;
    rig.sell(1_000).await;
    for (path, payload) in [
        ("/v1/conversations", json!({"model": "gpt-4o-mini"})),
        ("/v1/videos", json!({"model": "gpt-4o-mini", "prompt": "a cat"})),
    ] {
        let reply = rig.dropped_in(path, "c1", &payload).await;
        let told = reply.json();
        assert_eq!((reply.status, &told["error"]["code"]), (422, &json!("unpriced_model")));
    }
    assert!(rig.provider.requests().is_empty());
}
