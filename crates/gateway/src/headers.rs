//! Which headers go upstream, and which come back.

use byok_providers::{Provider, essence};
use http::{HeaderMap, HeaderName, HeaderValue, header};

/// Marks a call to an address that a customer chose, so that one that leads back here is known.
pub(crate) const HOP: HeaderName = HeaderName::from_static("x-byo-hop");

/// What a caller tells repeats of a call by.
pub(crate) const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");

/// The headers of a call as they go to the provider: an allowlist, so that no credential, cookie,
/// framing or forwarding header of the caller's ever does.
pub(crate) fn upstream(provider: &dyn Provider, from: &HeaderMap) -> HeaderMap {
    let mut headers = HeaderMap::with_capacity(from.len() + 3);
    for (name, value) in from {
        if passes_up(name) || provider.forwards_header(name.as_str()) {
            headers.append(name.clone(), value.clone());
        }
    }
    // Usage is read from the answer as it passes: it must not be compressed.
    headers.insert(header::ACCEPT_ENCODING, HeaderValue::from_static("identity"));
    headers
}

/// Whether a body is compressed, or coded in another way.
pub(crate) fn is_coded(headers: &HeaderMap) -> bool {
    headers.get(header::CONTENT_ENCODING).is_some_and(|coding| coding != "identity")
}

fn passes_up(name: &HeaderName) -> bool {
    name == header::CONTENT_TYPE
        || name == header::ACCEPT
        || name == header::USER_AGENT
        || name == header::RANGE
        || name == IDEMPOTENCY_KEY
        || name.as_str().starts_with("x-stainless-")
}

/// The headers of an answer as they go to the caller.
pub(crate) fn downstream(from: &HeaderMap) -> HeaderMap {
    let mut headers = HeaderMap::with_capacity(8);
    for (name, value) in from {
        match name.as_str() {
            "content-type" => {
                headers.insert(header::CONTENT_TYPE, content_type(value));
            }
            "content-length" | "content-encoding" | "content-range" | "retry-after"
            | "retry-after-ms" => {
                headers.insert(name.clone(), value.clone());
            }
            // Ours is `x-request-id`; the provider's is what its support asks for.
            "x-request-id" => {
                headers.insert("x-provider-request-id", value.clone());
            }
            // AWS's SDKs raise what `x-amzn-errortype` names.
            "request-id"
            | "apim-request-id"
            | "mistral-correlation-id"
            | "x-debug-trace-id"
            | "x-amzn-requestid"
            | "x-amzn-errortype"
            | "x-goog-upload-status"
            | "x-goog-upload-size-received"
            | "x-goog-upload-chunk-granularity" => {
                headers.insert(name.clone(), value.clone());
            }
            other if is_rate_limit(other) || other.starts_with("x-amzn-bedrock-") => {
                headers.append(name.clone(), value.clone());
            }
            _ => {}
        }
    }
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers
}

fn is_rate_limit(name: &str) -> bool {
    name.starts_with("x-ratelimit-")
        || ANTHROPIC_LIMITS.iter().any(|begin| name.starts_with(begin))
        || name.starts_with("x-tokenlimit-")
        || name.starts_with("x-trial-endpoint-call-")
}

/// Anthropic counts its tiers apart from each other.
const ANTHROPIC_LIMITS: [&str; 3] =
    ["anthropic-ratelimit-", "anthropic-priority-", "anthropic-fast-"];

const HARMLESS: [&str; 9] = [
    "application/json",
    "text/event-stream",
    "application/vnd.amazon.eventstream",
    "application/x-ndjson",
    "application/stream+json",
    "application/jsonl",
    "application/x-jsonl",
    "text/plain",
    "application/octet-stream",
];

/// Types that no browser runs pass; everything else is just bytes.
fn content_type(value: &HeaderValue) -> HeaderValue {
    let essence = essence(value);
    let is = |name: &&str| essence.eq_ignore_ascii_case(name.as_bytes());
    let is_of = |family: &&str| {
        essence.get(..family.len()).is_some_and(|f| f.eq_ignore_ascii_case(family.as_bytes()))
    };
    let harmless =
        HARMLESS.iter().any(is) || ["audio/", "image/"].iter().any(is_of) && !is(&"image/svg+xml");
    if harmless { value.clone() } else { HeaderValue::from_static("application/octet-stream") }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn map(pairs: &[(&'static str, &str)]) -> HeaderMap {
        pairs
            .iter()
            .map(|(name, value)| {
                (HeaderName::from_static(name), HeaderValue::from_str(value).expect("value"))
            })
            .collect()
    }

    #[test]
    fn no_credential_cookie_or_framing_header_goes_upstream() {
        let openai = byok_providers::find("openai").expect("registered");
        let sent = upstream(
            openai,
            &map(&[
                ("authorization", "Bearer byo_sk_live_x"),
                ("x-api-key", "byo_sk_live_x"),
                ("api-key", "byo_sk_live_x"),
                ("cookie", "a=b"),
                ("host", "evil"),
                ("connection", "keep-alive"),
                ("transfer-encoding", "chunked"),
                ("content-length", "5"),
                ("x-forwarded-for", "1.2.3.4"),
                ("x-byo-ref-id", "c1"),
                ("openai-organization", "org-of-somebody"),
                ("accept-encoding", "gzip"),
                ("content-type", "application/json"),
                ("user-agent", "sdk/1"),
                ("x-stainless-lang", "python"),
                ("openai-beta", "assistants=v2"),
            ]),
        );
        let mut names: Vec<_> = sent.keys().map(HeaderName::as_str).collect();
        names.sort_unstable();
        assert_eq!(
            names,
            ["accept-encoding", "content-type", "openai-beta", "user-agent", "x-stainless-lang"]
        );
        assert_eq!(sent["accept-encoding"], "identity");
    }

    #[test]
    fn answers_carry_limits_and_ids_and_nothing_a_browser_acts_on() {
        let passed = downstream(&map(&[
            ("content-type", "text/html; charset=utf-8"),
            ("set-cookie", "a=b"),
            ("access-control-allow-origin", "*"),
            ("location", "https://evil"),
            ("x-request-id", "req_1"),
            ("x-ratelimit-remaining-tokens", "7"),
            ("retry-after", "3"),
            ("request-id", "req_2"),
            ("anthropic-ratelimit-input-tokens-remaining", "9000"),
            ("anthropic-fast-output-tokens-reset", "2026-11-21T00:00:00Z"),
            ("anthropic-organization-id", "org"),
            ("x-amzn-requestid", "r1"),
            ("x-amzn-errortype", "ThrottlingException"),
            ("x-amzn-bedrock-content-type", "application/json"),
            ("x-amz-security-token", "t"),
            ("x-goog-upload-status", "active"),
            ("x-goog-upload-url", "https://g.example/upload?upload_id=1"),
            ("x-goog-upload-control-url", "https://g.example/upload?upload_id=1"),
            ("openai-organization", "org"),
        ]));
        let mut names: Vec<_> = passed.keys().map(HeaderName::as_str).collect();
        names.sort_unstable();
        assert_eq!(
            names,
            [
                "anthropic-fast-output-tokens-reset",
                "anthropic-ratelimit-input-tokens-remaining",
                "content-type",
                "request-id",
                "retry-after",
                "x-amzn-bedrock-content-type",
                "x-amzn-errortype",
                "x-amzn-requestid",
                "x-content-type-options",
                "x-goog-upload-status",
                "x-provider-request-id",
                "x-ratelimit-remaining-tokens"
            ]
        );
        assert_eq!(passed["content-type"], "application/octet-stream");
        for (kind, passes) in [
            ("application/json; charset=utf-8", true),
            ("text/event-stream", true),
            ("audio/mpeg", true),
            ("image/png", true),
            ("image/svg+xml", false),
            ("application/javascript", false),
        ] {
            assert_eq!(downstream(&map(&[("content-type", kind)]))["content-type"] == kind, passes);
        }
    }
}
