//! The JSON body of a management request: bounded, of the right type, wiped after reading.

use axum::body::Body;
use http::HeaderMap;
use http::header::{CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE};
use http_body_util::BodyExt;
use zeroize::Zeroizing;

use crate::error::{ApiError, Code};
use crate::fields::Fields;

/// The most that a management request may send, in bytes.
pub(crate) const MAX_BODY: usize = 1_048_576;

/// Reads the body as one JSON object.
pub(crate) async fn read(headers: &HeaderMap, body: Body) -> Result<Fields, ApiError> {
    Fields::parse(&collect(headers, body).await?)
}

/// The body's bytes, announced as JSON.
///
/// A provider key may be in it, so the buffer is wiped once it has been read.
pub(crate) async fn collect(
    headers: &HeaderMap,
    body: Body,
) -> Result<Zeroizing<Vec<u8>>, ApiError> {
    require_json(headers)?;
    let declared = headers
        .get(CONTENT_LENGTH)
        .and_then(|length| length.to_str().ok()?.parse::<u64>().ok())
        .unwrap_or(0);
    let declared = usize::try_from(declared).unwrap_or(usize::MAX);
    if declared > MAX_BODY {
        return Err(too_large());
    }
    // Of its final size from the start: growing would leave copies behind that nobody wipes.
    let mut buffer = Zeroizing::new(Vec::with_capacity(declared));
    let mut body = body;
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|error| {
            ApiError::new(
                Code::InvalidJson,
                "The body broke off before its end; send the request again.",
            )
            .caused_by(error)
        })?;
        if let Ok(data) = frame.into_data() {
            if buffer.len() + data.len() > MAX_BODY {
                return Err(too_large());
            }
            buffer.extend_from_slice(&data);
        }
    }
    Ok(buffer)
}

fn too_large() -> ApiError {
    ApiError::new(Code::BodyTooLarge, "The body is over 1 MB; send a smaller one.")
}

/// Whether the headers announce plain JSON.
fn require_json(headers: &HeaderMap) -> Result<(), ApiError> {
    let unsupported =
        |message: &'static str| Err(ApiError::new(Code::UnsupportedMediaType, message));
    if headers.get(CONTENT_ENCODING).is_some_and(|coding| coding != "identity") {
        return unsupported("Compressed bodies are not taken; send it without Content-Encoding.");
    }
    let json =
        headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).is_some_and(|value| {
            let essence = value.split(';').next().unwrap_or_default();
            essence.trim().eq_ignore_ascii_case("application/json")
        });
    if json {
        Ok(())
    } else {
        unsupported("Send a JSON object with the header Content-Type: application/json.")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(http::HeaderName, &str)]) -> HeaderMap {
        pairs.iter().map(|(name, value)| (name.clone(), value.parse().expect("a value"))).collect()
    }

    #[test]
    fn only_plain_json_is_taken() {
        for (sent, taken) in [
            (vec![(CONTENT_TYPE, "application/json")], true),
            (vec![(CONTENT_TYPE, "Application/JSON; charset=utf-8")], true),
            (vec![(CONTENT_TYPE, "application/json"), (CONTENT_ENCODING, "identity")], true),
            (vec![], false),
            (vec![(CONTENT_TYPE, "text/plain")], false),
            (vec![(CONTENT_TYPE, "application/x-www-form-urlencoded")], false),
            (vec![(CONTENT_TYPE, "application/jsonp")], false),
            (vec![(CONTENT_TYPE, "application/json"), (CONTENT_ENCODING, "gzip")], false),
        ] {
            assert_eq!(require_json(&headers(&sent)).is_ok(), taken, "{sent:?}");
        }
    }
}
