//! Azure's payloads, answers and refusals, in the bytes that Azure sends.

use byok_domain::Seen;

use super::*;

const STREAM: &str = "data: {\"choices\":[],\"created\":0,\"id\":\"\",\"model\":\"\",\"object\":\"\",\"prompt_filter_results\":[{\"prompt_index\":0,\"content_filter_results\":{\"hate\":{\"filtered\":false,\"severity\":\"safe\"}}}]}\n\n\
    data: {\"choices\":[{\"content_filter_results\":{},\"delta\":{\"content\":\"hi\"},\"finish_reason\":null,\"index\":0}],\"created\":1,\"id\":\"c1\",\"model\":\"gpt-4o-2024-11-20\",\"object\":\"chat.completion.chunk\"}\n\n\
    data: {\"choices\":[{\"delta\":{},\"finish_reason\":\"stop\",\"index\":0}],\"id\":\"c1\",\"model\":\"gpt-4o-2024-11-20\"}\n\n\
    data: {\"choices\":[],\"id\":\"c1\",\"model\":\"gpt-4o-2024-11-20\",\"usage\":{\"prompt_tokens\":100,\"completion_tokens\":40,\"total_tokens\":140,\"prompt_tokens_details\":{\"cached_tokens\":64}}}\n\n\
    data: [DONE]\n\n";

#[test]
fn the_chunk_of_filter_results_is_no_usage_chunk_however_the_stream_is_cut() {
    let route = AzureOpenAi.drop_in(&Method::POST, "openai/deployments/d/chat/completions");
    for step in 1..=STREAM.len() {
        let mut reader = AzureOpenAi.reader(&route, MediaType::Events);
        let mut hide = crate::HideUsageChunk::default();
        let (mut end, mut shown) = (false, Vec::new());
        for chunk in STREAM.as_bytes().chunks(step) {
            end |= reader.read(chunk) == Seen::End;
            shown.extend_from_slice(&hide.push(Bytes::copy_from_slice(chunk)));
        }
        shown.extend_from_slice(&hide.finish());
        let found = reader.finish();
        let usage = found.usage.expect("usage");
        assert_eq!((usage.input, usage.cache_read, usage.output), (36, 64, 40), "step {step}");
        assert_eq!(found.model.as_deref(), Some("gpt-4o-2024-11-20"));
        assert!(end && found.complete && found.error.is_none());
        let shown = String::from_utf8(shown).expect("text");
        assert!(shown.contains("prompt_filter_results") && !shown.contains("prompt_tokens"));
    }
}

#[test]
fn usage_is_asked_for_and_the_model_is_the_payloads_or_the_paths() {
    for (path, body, model, asked) in [
        ("openai/deployments/d/chat/completions", r#"{"stream":true}"#, Some("d"), true),
        (
            "openai/deployments/d/chat/completions",
            r#"{"model":"m","stream":true}"#,
            Some("m"),
            true,
        ),
        ("openai/deployments/a%20b/embeddings", r#"{"input":"x"}"#, Some("a b"), false),
        ("openai/v1/responses", r#"{"model":"m","stream":true}"#, Some("m"), false),
        ("openai/v1/chat/completions", r#"{"stream":true}"#, None, true),
    ] {
        let route = AzureOpenAi.drop_in(&Method::POST, path);
        let payload = AzureOpenAi.prepare(&route, Bytes::from_static(body.as_bytes()), true);
        let payload = payload.expect("an object");
        assert_eq!((payload.model.as_deref(), payload.hide_usage), (model, asked), "{path}");
    }
}

#[test]
fn the_envelope_names_the_deployment_of_a_response_that_names_none() {
    let mut config = ProviderConfig::default();
    config.set("deploymentName", "own");
    for (operation, model, member) in [
        ("responses", None, Some(r#""model":"own""#)),
        ("responses", Some("m"), None),
        ("chat/completions", None, None),
    ] {
        let route = AzureOpenAi.envelope(operation).expect("an operation");
        let added = AzureOpenAi.added_member(&route, model, &config);
        assert_eq!(added.as_deref(), member, "{operation}");
    }
    let dropped_in = AzureOpenAi.drop_in(&Method::POST, "openai/v1/responses");
    assert_eq!(AzureOpenAi.added_member(&dropped_in, None, &config), None);
    let route = AzureOpenAi.envelope("responses").expect("an operation");
    for (body, taken) in [
        (r#"{"input":"x"}"#, true),
        (r#"{"model":"m"}"#, true),
        (r#"{"model":7}"#, false),
        (r#"{"model":null}"#, false),
    ] {
        let prepared = AzureOpenAi.prepare(&route, Bytes::from_static(body.as_bytes()), true);
        assert_eq!(prepared.is_ok(), taken, "{body}");
    }
}

#[test]
fn refusals_and_verdicts_are_told_from_their_bodies() {
    use ErrorClass::{KeyRejected, ProviderDown, QuotaExhausted, RateLimited, RequestRejected};
    let key = r#"{"error":{"code":"401","message":"Access denied due to invalid subscription key or wrong API endpoint. Make sure to provide a valid key for an active subscription and use a correct regional API endpoint for your resource."}}"#;
    let gateway = r#"{"statusCode":401,"message":"Unauthorized. Access token is missing, invalid, audience is incorrect, or have expired."}"#;
    let principal = r#"{"error":{"code":"PermissionDenied","message":"The principal lacks the required data action."}}"#;
    let network = r#"{"error":{"code":"403","message":"Access denied due to Virtual Network/Firewall rules."}}"#;
    let volume = r#"{"error":{"code":"403","message":"Out of call volume quota for the OpenAI F0 pricing tier. Quota will be replenished in 12.00:00:00."}}"#;
    let rate = r#"{"error":{"code":"429","message":"Requests to the ChatCompletions_Create Operation under Azure OpenAI API version 2024-10-21 have exceeded token rate limit of your current OpenAI S0 pricing tier. Please retry after 6 seconds. Please go here: https://aka.ms/oai/quotaincrease if you would like to further increase the default rate limit."}}"#;
    let quota = r#"{"error":{"code":"insufficient_quota","message":"You exceeded your current quota, please check your plan and billing details.","type":"insufficient_quota"}}"#;
    let filter = r#"{"error":{"message":"The response was filtered due to the prompt triggering Azure OpenAI's content management policy.","type":null,"param":"prompt","code":"content_filter","status":400,"innererror":{"code":"ResponsibleAIPolicyViolation","content_filter_result":{"hate":{"filtered":true,"severity":"high"}}}}}"#;
    let deployment = r#"{"error":{"code":"DeploymentNotFound","message":"The API deployment for this resource does not exist."}}"#;
    for (status, body, class, verdict) in [
        (401, key, KeyRejected, Verdict::Invalid),
        (401, gateway, KeyRejected, Verdict::Invalid),
        (401, principal, RequestRejected, Verdict::NoPermission),
        (403, network, RequestRejected, Verdict::NoPermission),
        (403, volume, QuotaExhausted, Verdict::NoQuota),
        (429, rate, RateLimited, Verdict::Valid),
        (429, quota, QuotaExhausted, Verdict::NoQuota),
        (400, filter, RequestRejected, Verdict::Inconclusive(400)),
        (404, deployment, RequestRejected, Verdict::Inconclusive(404)),
        (500, "", ProviderDown, Verdict::Unreachable),
    ] {
        let status = StatusCode::from_u16(status).expect("a status");
        let headers = HeaderMap::new();
        let body = body.as_bytes();
        assert_eq!(AzureOpenAi.classify(status, &headers, body), class, "{status}");
        assert_eq!(AzureOpenAi.judge(status, &headers, body), verdict, "{status}");
    }
    let listed = br#"{"object":"list","data":[]}"#;
    assert_eq!(AzureOpenAi.judge(StatusCode::OK, &HeaderMap::new(), listed), Verdict::Valid);
}
