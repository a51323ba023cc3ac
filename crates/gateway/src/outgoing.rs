//! A request as it goes out, and what was read of it. It is kept as long as it may be sent again.

use std::borrow::Cow;
use std::error::Error;
use std::sync::Arc;

use byok_domain::Usage;
use byok_net::SendBody;
use byok_providers::{AskedOutput, ObjectRef, Provider, Route, asked_output, gone_on_from};
use bytes::Bytes;
use http::{HeaderMap, header};
use http_body::Body;
use http_body_util::BodyExt;

use crate::error::CallError;
use crate::lent_body::Lendable;
use crate::multipart::{FieldScan, boundary};
use crate::prefixed::Pieces;
use crate::request::CallBody;
use crate::upload::{Learned, Upload};

/// A request as it goes out.
#[derive(Default)]
pub(crate) struct Outgoing {
    body: OutgoingBody,
    pub(crate) length: u64,
    pub(crate) model: Option<Arc<str>>,
    pub(crate) stream: bool,
    pub(crate) hide_usage: bool,
    pub(crate) presumed: Option<Box<Usage>>,
    pub(crate) objects: Vec<ObjectRef>,
    pub(crate) reads: Vec<ObjectRef>,
    pub(crate) learned: Option<Arc<Learned>>,
}

/// A body that is there, or one that is streamed through.
enum OutgoingBody {
    Pieces(Vec<Bytes>),
    Stream(Lendable),
}

impl Default for OutgoingBody {
    fn default() -> Self {
        Self::Pieces(Vec::new())
    }
}

impl Outgoing {
    /// Reads the few fields of `body` that are acted on, and makes the edits that are documented.
    ///
    /// # Errors
    /// [`CallError::Payload`].
    pub(crate) fn prepare<B>(
        provider: &'static dyn Provider,
        route: &Route,
        body: CallBody<B>,
        headers: &HeaderMap,
        asks_usage: bool,
        max_body: u64,
    ) -> Result<Self, CallError>
    where
        B: Body<Data = Bytes> + Send + Unpin + 'static,
        B::Error: Into<Box<dyn Error + Send + Sync>>,
    {
        match body {
            CallBody::Empty => Ok(Self::default()),
            CallBody::Json(body) => {
                let length = body.len() as u64;
                let payload = provider.prepare(route, body, asks_usage)?;
                Ok(Self {
                    body: OutgoingBody::Pieces(payload.pieces),
                    length,
                    model: payload.model,
                    stream: payload.stream,
                    hide_usage: payload.hide_usage,
                    presumed: payload.presumed.map(Box::new),
                    objects: payload.objects,
                    reads: payload.reads,
                    learned: None,
                })
            }
            CallBody::Stream(body) => {
                let content_type = headers.get(header::CONTENT_TYPE).and_then(|v| v.to_str().ok());
                let scan = content_type.and_then(boundary).map(|b| FieldScan::new("model", &b));
                let (upload, learned) = Upload::new(body, max_body, scan);
                let length = upload.size_hint().lower();
                Ok(Self {
                    body: OutgoingBody::Stream(Lendable::new(upload)),
                    length,
                    learned: Some(learned),
                    ..Self::default()
                })
            }
        }
    }

    /// Whether it can be sent once more: an upload only as long as nothing of it was taken.
    pub(crate) fn can_be_sent(&self) -> bool {
        match &self.body {
            OutgoingBody::Pieces(_) => true,
            OutgoingBody::Stream(upload) => upload.is_whole(),
        }
    }

    /// The body of one attempt, which `member` is put into; the last one takes it.
    pub(crate) fn body(&mut self, member: Option<String>, last: bool) -> AttemptBody {
        match &mut self.body {
            OutgoingBody::Stream(upload) => AttemptBody::Stream(upload.lend()),
            OutgoingBody::Pieces(pieces) => {
                let mut pieces = if last { std::mem::take(pieces) } else { pieces.clone() };
                if let Some(member) = member {
                    add_member(&mut pieces, member);
                }
                AttemptBody::Pieces(pieces)
            }
        }
    }

    /// Takes in an upload: who pays by the price of its model has to know that first, and it may
    /// stand behind the file.
    ///
    /// # Errors
    /// [`CallError::BodyTooLarge`], [`CallError::RequestBody`].
    pub(crate) async fn take_in(&mut self) -> Result<(), CallError> {
        let OutgoingBody::Stream(upload) = &self.body else { return Ok(()) };
        let mut body = upload.lend();
        let mut pieces = Vec::new();
        while let Some(frame) = body.frame().await {
            let too_large = || self.learned.as_ref().is_some_and(|learned| learned.too_large());
            let frame = frame.map_err(|_| match too_large() {
                true => CallError::BodyTooLarge,
                false => CallError::RequestBody,
            })?;
            pieces.extend(frame.into_data());
        }
        self.length = pieces.iter().map(|piece| piece.len() as u64).sum();
        self.body = OutgoingBody::Pieces(pieces);
        self.learn();
        Ok(())
    }

    /// Takes note of what was learned of an upload in passing.
    pub(crate) fn learn(&mut self) {
        if let Some(model) = self.learned.as_ref().and_then(|learned| learned.model()) {
            self.model = Some(model);
        }
    }

    /// What is the same of it when it is sent again; nothing of an upload, whose parts are
    /// separated by something else each time.
    pub(crate) fn lasting(&self) -> impl Iterator<Item = &[u8]> {
        let pieces = match &self.body {
            OutgoingBody::Pieces(pieces) if self.learned.is_none() => pieces.as_slice(),
            _ => &[],
        };
        pieces.iter().map(AsRef::as_ref)
    }

    /// How much of an answer it asks for.
    pub(crate) fn asked(&self) -> AskedOutput {
        match &self.body {
            OutgoingBody::Pieces(pieces) => asked_output(&whole(pieces)),
            OutgoingBody::Stream(_) => AskedOutput::default(),
        }
    }

    /// What it goes on from that an account keeps.
    pub(crate) fn gone_on_from(&self, route: &Route) -> Vec<ObjectRef> {
        match &self.body {
            OutgoingBody::Pieces(pieces) => gone_on_from(route, &whole(pieces)),
            OutgoingBody::Stream(_) => Vec::new(),
        }
    }
}

/// The body of one attempt.
pub(crate) enum AttemptBody {
    Pieces(Vec<Bytes>),
    Stream(SendBody),
}

impl AttemptBody {
    /// What a signature covers.
    pub(crate) fn pieces(&self) -> Option<&[Bytes]> {
        match self {
            Self::Pieces(pieces) => Some(pieces),
            Self::Stream(_) => None,
        }
    }
}

impl From<AttemptBody> for SendBody {
    fn from(body: AttemptBody) -> Self {
        let mut pieces = match body {
            AttemptBody::Pieces(pieces) => pieces,
            AttemptBody::Stream(body) => return body,
        };
        match pieces.len() {
            0 => Self::Empty,
            1 => Self::from(pieces.remove(0)),
            // One short copy costs less than three writes.
            _ if pieces.iter().map(Bytes::len).sum::<usize>() <= 64 * 1024 => {
                Self::Full(pieces.concat().into())
            }
            _ => Self::stream(Pieces::new(pieces)),
        }
    }
}

fn whole(pieces: &[Bytes]) -> Cow<'_, [u8]> {
    match pieces {
        [whole] => Cow::Borrowed(whole),
        pieces => Cow::Owned(pieces.concat()),
    }
}

/// Puts a member before the others of the object that the pieces are.
fn add_member(pieces: &mut Vec<Bytes>, mut member: String) {
    let Some(first) = pieces.first().cloned() else { return };
    let Some(open) = first.iter().position(|byte| *byte == b'{') else { return };
    let rest = first.slice(open + 1..);
    if rest.trim_ascii_start().first() != Some(&b'}') {
        member.push(',');
    }
    pieces.splice(..1, [first.slice(..=open), Bytes::from(member), rest]);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_member_is_put_before_the_others() {
        for (pieces, expected) in [
            (&[r#" {"input":"{"}"#][..], r#" {"model":"m","input":"{"}"#),
            (&["{ }"], r#"{"model":"m" }"#),
            (&[r#"{"a":1"#, ",\"b\":2", "}"], r#"{"model":"m","a":1,"b":2}"#),
        ] {
            let pieces = pieces.iter().map(|piece| Bytes::from_static(piece.as_bytes()));
            let mut pieces: Vec<_> = pieces.collect();
            add_member(&mut pieces, r#""model":"m""#.to_owned());
            assert_eq!(pieces.concat(), expected.as_bytes());
        }
    }
}
