//! What came of a call.

use byok_domain::KeySource;
use byok_gateway::{Answer, CallError};
use http::HeaderMap;
use http_body_util::BodyExt;
use serde_json::Value;

/// An answer read to its end, or the refusal of one.
pub(crate) struct Reply {
    outcome: Result<Read, CallError>,
}

/// An answer that was read to its end.
pub(crate) struct Read {
    pub(crate) status: u16,
    pub(crate) source: KeySource,
    pub(crate) fallback: Option<&'static str>,
    pub(crate) headers: HeaderMap,
    pub(crate) explanation: Option<String>,
    pub(crate) text: String,
    /// Whether the body ended as a whole one does.
    pub(crate) whole: bool,
}

impl Reply {
    pub(super) async fn of(answer: Result<Answer, CallError>) -> Self {
        let outcome = match answer {
            Ok(answer) => Ok(Read::of(answer).await),
            Err(error) => Err(error),
        };
        Self { outcome }
    }

    /// The answer that there has to be.
    pub(crate) fn answer(self) -> Read {
        self.outcome.unwrap_or_else(|error| panic!("no answer: {error:?}"))
    }

    /// The refusal that there has to be.
    pub(crate) fn error(self) -> CallError {
        match self.outcome {
            Ok(read) => panic!("an answer: {} {}", read.status, read.text),
            Err(error) => error,
        }
    }

    /// Who paid, as a table shows it: `byok`, `credits`, `credits: no_key`, or the refusal.
    pub(crate) fn paid(&self) -> String {
        match &self.outcome {
            Err(CallError::NotPaid(not_paid)) => format!("{:?}", not_paid.why),
            Err(CallError::KeyNotConnected(_)) => "KeyNotConnected".to_owned(),
            Err(other) => format!("{other:?}"),
            Ok(read) => match (read.source, read.fallback) {
                (source, None) => source.as_str().to_owned(),
                (source, Some(why)) => format!("{}: {why}", source.as_str()),
            },
        }
    }
}

impl Read {
    async fn of(answer: Answer) -> Self {
        let (mut body, mut text, mut whole) = (answer.body, Vec::new(), true);
        while let Some(frame) = body.frame().await {
            match frame {
                Ok(frame) => text.extend_from_slice(&frame.into_data().expect("data")),
                Err(_) => {
                    whole = false;
                    break;
                }
            }
        }
        Self {
            status: answer.status.as_u16(),
            source: answer.source,
            fallback: answer.fallback.map(|why| why.as_str()),
            headers: answer.headers,
            explanation: answer.refusal.map(|refusal| refusal.explanation),
            text: String::from_utf8(text).expect("UTF-8"),
            whole,
        }
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.text).expect("JSON")
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().expect("visible ASCII"))
    }
}
