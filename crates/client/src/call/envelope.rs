//! The envelope that calls and answers travel in.

use bytes::Bytes;
use http::{HeaderMap, StatusCode};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use serde_json::value::RawValue;

use crate::ask::Whole;
use crate::error::{Error, ProviderError, Result, content_type};
use crate::receipt::{Receipt, TokenUsage, request_id};
use crate::response::Response;
use crate::usd::Usd;

/// The body of a call; `streamed` sets the payload's `stream`. What cannot be sent is told in a
/// sentence.
pub(super) fn seal(
    ref_id: &str,
    payload: &impl Serialize,
    streamed: bool,
) -> Result<Bytes, String> {
    #[derive(Serialize)]
    #[serde(rename_all = "camelCase")]
    struct Wire<'a, P> {
        ref_id: &'a str,
        provider_payload: &'a P,
    }

    let sealed = if streamed {
        let mut members = object(payload)?;
        members.insert("stream".to_owned(), Value::Bool(true));
        serde_json::to_vec(&Wire { ref_id, provider_payload: &members })
    } else {
        // As it serializes, in its own order: a provider's cache may depend on it.
        let payload = serde_json::value::to_raw_value(payload).map_err(no_json)?;
        if !payload.get().starts_with('{') {
            return Err(NO_OBJECT.to_owned());
        }
        serde_json::to_vec(&Wire { ref_id, provider_payload: &payload })
    };
    sealed.map(Bytes::from).map_err(no_json)
}

const NO_OBJECT: &str = "The payload is no JSON object; pass the provider's own request.";

/// The members of a payload.
pub(super) fn object(payload: &impl Serialize) -> Result<serde_json::Map<String, Value>, String> {
    match serde_json::to_value(payload) {
        Ok(Value::Object(members)) => Ok(members),
        Ok(_) => Err(NO_OBJECT.to_owned()),
        Err(error) => Err(no_json(error)),
    }
}

#[expect(clippy::needless_pass_by_value, reason = "the shape that map_err wants")]
fn no_json(error: serde_json::Error) -> String {
    format!("The payload is no JSON: {error}.")
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Wire<'a> {
    success: bool,
    status_code: u16,
    explanation: Option<String>,
    #[serde(borrow)]
    data: &'a RawValue,
    usage: Option<TokenUsage>,
    cost_usd: Option<Usd>,
}

/// The answer in an envelope, or the text that came without one.
pub(super) fn open<T: DeserializeOwned>(provider: &str, whole: &Whole) -> Result<Response<T>> {
    let mut receipt = Receipt::of(provider, &whole.headers);
    let wire: Wire<'_> = match serde_json::from_slice(&whole.body) {
        Ok(wire) => wire,
        Err(_) => {
            let receipt = relayed(provider, &whole.headers)?;
            if content_type(&whole.headers).starts_with("text/event-stream") {
                let message = "The answer is a stream of events; leave `stream` out of the \
                    payload, or use the method stream.";
                return Err(Error::unexpected(message.to_owned(), receipt.request_id));
            }
            let text = String::from_utf8_lossy(&whole.body).into_owned();
            return match serde_json::from_value(Value::String(text)) {
                Ok(data) => Ok(Response { data, receipt }),
                Err(error) => Err(misfit(receipt, &error, Value::Null)),
            };
        }
    };
    receipt.usage = wire.usage;
    receipt.cost_usd = wire.cost_usd;
    if !wire.success {
        let status = StatusCode::from_u16(wire.status_code).ok();
        let body = serde_json::from_str(wire.data.get()).unwrap_or_default();
        let error = ProviderError::new(receipt, status, wire.explanation, body);
        return Err(Error::Provider(Box::new(error)));
    }
    match serde_json::from_str(wire.data.get()) {
        Ok(data) => Ok(Response { data, receipt }),
        Err(error) => {
            Err(misfit(receipt, &error, serde_json::from_str(wire.data.get()).unwrap_or_default()))
        }
    }
}

/// The receipt of an answer that came as the provider sent it.
pub(super) fn relayed(provider: &str, headers: &HeaderMap) -> Result<Receipt> {
    let json = content_type(headers).starts_with("application/json");
    if headers.contains_key("x-byo-provider") && !json {
        return Ok(Receipt::of(provider, headers));
    }
    let message =
        format!("The answer ({}) is no BYOK server's; check the base URL.", content_type(headers));
    Err(Error::unexpected(message, request_id(headers)))
}

/// An answer that is not of the type that it was asked for as.
fn misfit(receipt: Receipt, error: &serde_json::Error, body: Value) -> Error {
    let told = format!("its answer is not of the type that was asked for: {error}");
    let error = ProviderError::new(receipt, None, None, body);
    Error::Provider(Box::new(ProviderError { message: told, ..error }))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn sealed(payload: impl Serialize, streamed: bool) -> Result<String, String> {
        let body = seal("customer \"1\"\n", &payload, streamed)?;
        Ok(String::from_utf8(body.into()).expect("UTF-8"))
    }

    #[test]
    fn a_payload_keeps_its_order_and_any_ref_id_is_quoted() {
        #[derive(Serialize)]
        struct Payload {
            model: &'static str,
            input: &'static str,
        }
        assert_eq!(
            sealed(Payload { model: "m", input: "ü" }, false).expect("an object"),
            r#"{"refId":"customer \"1\"\n","providerPayload":{"model":"m","input":"ü"}}"#
        );
        let streamed = sealed(json!({"model": "m", "stream": false}), true).expect("an object");
        assert!(streamed.contains(r#""stream":true"#), "{streamed}");
    }

    #[test]
    fn what_is_no_object_is_refused_without_being_sent() {
        for streamed in [false, true] {
            for payload in [json!(null), json!([]), json!("text"), json!(1)] {
                assert!(sealed(&payload, streamed).is_err(), "{payload}");
            }
            let no_key = std::collections::HashMap::from([(vec![1], 2)]);
            let why = sealed(no_key, streamed).expect_err("no JSON");
            assert!(why.contains("no JSON"), "{why}");
        }
    }
}
