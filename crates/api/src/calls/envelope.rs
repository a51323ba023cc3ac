//! The envelope: `{refId, providerPayload}` in, `{success, statusCode, …, data, usage, costUsd}`
//! out, the provider's bytes in the middle of both.

use std::error::Error;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use byok_domain::{RefId, Usage};
use byok_gateway::multipart::{Leading, boundary, leading_field};
use byok_gateway::{Answer, AnswerBody, AnswerError, CallBody, Gateway, Prefixed, collect};
use byok_metering::meter::Summary;
use byok_providers::{BodyKind, Route};
use bytes::{Bytes, BytesMut};
use http::header::{CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, HeaderValue};
use http::{HeaderMap, Response, StatusCode};
use http_body::{Body, Frame, SizeHint};
use http_body_util::BodyExt;
use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::value::RawValue;

use super::one_value::OneValue;
use super::{CallBodyOut, errors, mark};
use crate::error::{ApiError, Code, FieldError};

/// How far into a form the refId is looked for, in bytes.
const LEADING_CAP: usize = 64 * 1024;

/// An opened envelope.
pub(super) struct Envelope<B> {
    pub(super) ref_id: RefId,
    pub(super) body: CallBody<Prefixed<B>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct Wire<'a> {
    #[serde(borrow)]
    ref_id: Option<&'a RawValue>,
    #[serde(borrow)]
    provider_payload: Option<&'a RawValue>,
}

impl<B> Envelope<B>
where
    B: Body<Data = Bytes> + Send + Unpin + 'static,
    B::Error: Into<Box<dyn Error + Send + Sync>>,
{
    pub(super) async fn open(
        gateway: &Gateway,
        route: &Route,
        headers: &HeaderMap,
        implied: Option<&RefId>,
        body: B,
    ) -> Result<Self, ApiError> {
        if route.operation.body == BodyKind::Multipart {
            return Self::open_form(gateway, headers, implied, body).await;
        }
        errors::require_type(headers, "application/json")?;
        let bytes =
            collect(body, gateway.max_body()).await.map_err(|error| errors::collecting(&error))?;
        if bytes.trim_ascii_start().first().is_some_and(|first| *first != b'{') {
            return Err(ApiError::new(
                Code::InvalidJson,
                "The body is no envelope; send a JSON object with refId and providerPayload.",
            ));
        }
        let wire: Wire<'_> = serde_json::from_slice(&bytes).map_err(|error| unreadable(&error))?;
        let ref_id = match wire.ref_id.map(|raw| serde_json::from_str::<String>(raw.get())) {
            None => implied.cloned().ok_or_else(missing_ref_id)?,
            Some(Err(_)) => {
                return Err(ApiError::new(Code::InvalidRefId, "refId must be a string."));
            }
            Some(Ok(text)) => parse_ref_id(&text)?,
        };
        let Some(payload) = wire.provider_payload else {
            return Err(ApiError::field("providerPayload", "send the provider's own request here"));
        };
        let payload = bytes.slice_ref(payload.get().as_bytes());
        Ok(Self { ref_id, body: CallBody::Json(payload) })
    }

    /// Reads a form as far as its refId, and cuts that part out. One that has none goes as it is, if
    /// the credential implies whose it is.
    async fn open_form(
        gateway: &Gateway,
        headers: &HeaderMap,
        implied: Option<&RefId>,
        mut body: B,
    ) -> Result<Self, ApiError> {
        errors::require_type(headers, "multipart/form-data")?;
        let content_type = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
        let Some(boundary) = content_type.and_then(boundary) else {
            return Err(ApiError::new(
                Code::UnsupportedMediaType,
                "The Content-Type names no boundary; send the form as your HTTP library builds it.",
            ));
        };
        if body.size_hint().lower() > gateway.max_body() {
            return Err(errors::too_large(gateway.max_body()));
        }
        let mut read = BytesMut::new();
        let as_it_is = |read: BytesMut, body| {
            let ref_id = implied.cloned().ok_or_else(missing_ref_id)?;
            let body = CallBody::Stream(Prefixed::new(Some(read.freeze()), body));
            Ok(Self { ref_id, body })
        };
        loop {
            match leading_field(&read, &boundary, "refId") {
                Leading::Found { value, part } => {
                    let ref_id = parse_ref_id(&value)?;
                    let rest = read.split_off(part.end);
                    read.truncate(part.start);
                    read.extend_from_slice(&rest);
                    let body = Prefixed::new(Some(read.freeze()), body);
                    return Ok(Self { ref_id, body: CallBody::Stream(body) });
                }
                Leading::Missing => return as_it_is(read, body),
                Leading::More if read.len() > LEADING_CAP => return as_it_is(read, body),
                Leading::More => {}
            }
            match body.frame().await {
                Some(Ok(frame)) => {
                    if let Ok(data) = frame.into_data() {
                        read.extend_from_slice(&data);
                    }
                }
                Some(Err(_)) => return Err(errors::broke_off()),
                None => return as_it_is(read, body),
            }
        }
    }
}

fn parse_ref_id(text: &str) -> Result<RefId, ApiError> {
    RefId::parse(text).map_err(|error| ApiError::new(Code::InvalidRefId, format!("{error}.")))
}

fn missing_ref_id() -> ApiError {
    ApiError::new(
        Code::MissingRefId,
        "Name the customer: send refId, in a form as a field before the file.",
    )
}

fn unreadable(error: &serde_json::Error) -> ApiError {
    let text = error.to_string();
    if let Some(field) = text.strip_prefix("unknown field `").and_then(|t| t.split('`').next()) {
        let field: String = field.chars().take(100).collect();
        return ApiError::fields(vec![FieldError::new(
            field,
            "is not part of the envelope; put what the provider takes into providerPayload",
        )]);
    }
    ApiError::new(Code::InvalidJson, format!("The body is no envelope: {text}."))
}

/// The answer in its envelope; a stream, and what is no JSON, goes out as it is.
pub(super) fn answer(answer: Answer) -> Response<CallBodyOut> {
    let Answer { id, provider, source, fallback, status, mut headers, is_json, refusal, body } =
        answer;
    mark(&mut headers, source, fallback);
    let encoded = headers.contains_key(CONTENT_ENCODING);
    if refusal.is_none() && (!is_json || encoded) {
        let mut response = Response::new(CallBodyOut::Relayed(body));
        *response.status_mut() = status;
        *response.headers_mut() = headers;
        return response;
    }
    headers.remove(CONTENT_LENGTH);
    headers.remove(CONTENT_ENCODING);
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    let mut head = format!(
        r#"{{"success":{},"statusCode":{},"provider":"{provider}","requestId":"{id}","keySource":"{}","#,
        refusal.is_none(),
        status.as_u16(),
        source.as_str(),
    );
    if let Some(why) = fallback {
        head.push_str(&format!(r#""fallback":"{}","#, why.as_str()));
    }
    let mut body = body;
    if let Some(refusal) = refusal {
        let explanation = serde_json::Value::from(refusal.explanation);
        head.push_str(&format!(r#""explanation":{explanation},"#));
        if !is_json {
            body = quoted(&body);
        }
    }
    head.push_str(r#""data":"#);
    // What is no JSON after all must not be read as a part of the envelope.
    if body.as_whole().is_some_and(|whole| !whole.is_empty() && !is_json_value(whole)) {
        body = quoted(&body);
    }
    let data = OneValue::default();
    let out = EnvelopeBody { stage: Stage::Head(head.into()), inner: body, data };
    let mut response = Response::new(CallBodyOut::Enveloped(out));
    *response.status_mut() = StatusCode::OK;
    *response.headers_mut() = headers;
    response
}

fn is_json_value(text: &[u8]) -> bool {
    let text = std::str::from_utf8(text);
    text.is_ok_and(|text| serde_json::from_str::<IgnoredAny>(text).is_ok())
}

/// A body that is no JSON, as a JSON string.
fn quoted(body: &AnswerBody) -> AnswerBody {
    let text =
        body.as_whole().map_or_else(String::new, |b| String::from_utf8_lossy(b).into_owned());
    let quoted =
        if text.is_empty() { "null".to_owned() } else { serde_json::Value::from(text).to_string() };
    AnswerBody::recorded(quoted.into(), body.summary())
}

/// The envelope around a body that passes.
pub struct EnvelopeBody {
    stage: Stage,
    inner: AnswerBody,
    data: OneValue,
}

enum Stage {
    Head(Bytes),
    Inner,
    Over,
}

impl Body for EnvelopeBody {
    type Data = Bytes;
    type Error = AnswerError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, AnswerError>>> {
        let this = &mut *self;
        match &mut this.stage {
            Stage::Head(head) => {
                let head = std::mem::take(head);
                this.stage = Stage::Inner;
                Poll::Ready(Some(Ok(Frame::data(head))))
            }
            Stage::Inner => match ready!(Pin::new(&mut this.inner).poll_frame(cx)) {
                Some(Ok(frame)) => {
                    let data = frame.data_ref().map_or(&[][..], AsRef::as_ref);
                    if let Err(error) = this.data.push(data) {
                        this.inner.give_up();
                        return Poll::Ready(Some(Err(error.into())));
                    }
                    Poll::Ready(Some(Ok(frame)))
                }
                Some(Err(error)) => Poll::Ready(Some(Err(error))),
                None => {
                    this.stage = Stage::Over;
                    let tail = |()| tail(this.data.is_empty(), this.inner.summary());
                    let tail = this.data.end().map(tail).map_err(Into::into);
                    Poll::Ready(Some(tail.map(|tail| Frame::data(tail.into()))))
                }
            },
            Stage::Over => Poll::Ready(None),
        }
    }

    fn is_end_stream(&self) -> bool {
        matches!(self.stage, Stage::Over)
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::default()
    }
}

fn tail(empty: bool, summary: Summary) -> String {
    let data = if empty { "null" } else { "" };
    let in_tokens = summary.usage.filter(Usage::is_in_tokens);
    let usage = in_tokens.map_or_else(|| "null".to_owned(), |usage| usage_json(&usage));
    let cost = summary.cost.map_or_else(|| "null".to_owned(), |cost| cost.to_string());
    format!(r#"{data},"usage":{usage},"costUsd":{cost}}}"#)
}

fn usage_json(usage: &Usage) -> String {
    format!(
        r#"{{"inputTokens":{},"outputTokens":{},"totalTokens":{},"cacheReadTokens":{},"cacheWriteTokens":{},"reasoningTokens":{}}}"#,
        usage.input_total(),
        usage.output,
        usage.total(),
        usage.cache_read,
        usage.cache_write_total(),
        usage.reasoning,
    )
}
