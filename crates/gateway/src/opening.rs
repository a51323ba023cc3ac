//! The first events of a stream, held until they tell whether it is an answer.

use std::time::Duration;

use byok_domain::{AnswerReader, Opening};
use bytes::Bytes;
use http_body::Body;
use http_body_util::BodyExt;
use tokio::time::{Instant, timeout_at};

/// The longest that events are held.
const MOST_TIME: Duration = Duration::from_secs(5);
/// The most of them, in bytes.
const MOST_BYTES: usize = 64 * 1024;

/// What a stream began with, and all that was read of it.
#[derive(Debug)]
pub(crate) struct Begun {
    pub(crate) held: Bytes,
    pub(crate) opening: Opening,
}

/// Reads on from `first` until `reader` has seen content or an error, or has seen enough.
///
/// # Errors
/// The body's own, when it breaks off before that.
pub(crate) async fn begin<B>(
    body: &mut B,
    first: Option<Bytes>,
    mut reader: Box<dyn AnswerReader>,
) -> Result<Begun, B::Error>
where
    B: Body<Data = Bytes> + Unpin,
{
    let deadline = Instant::now() + MOST_TIME;
    let mut held = first.unwrap_or_default();
    reader.read(&held);
    loop {
        let opening = reader.opening();
        if opening != Opening::Preamble || held.len() >= MOST_BYTES {
            return Ok(Begun { held, opening });
        }
        let Ok(Some(frame)) = timeout_at(deadline, body.frame()).await else {
            return Ok(Begun { held, opening });
        };
        let Ok(data) = frame?.into_data() else { continue };
        reader.read(&data);
        held = if held.is_empty() { data } else { [held, data].concat().into() };
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use byok_domain::ErrorClass;
    use byok_providers::MediaType;
    use byok_testkit::fake_provider::{aws_event, aws_exception};
    use futures_util::{StreamExt, stream};
    use http::Method;
    use http_body::Frame;
    use http_body_util::StreamBody;
    use std::convert::Infallible;

    /// What a stream of these pieces begins with, and how many bytes of it were held. It never
    /// ends.
    async fn begun(path: &str, pieces: &[&str]) -> (Opening, usize) {
        let (provider, path) = path.split_once('/').expect("a provider");
        let provider = byok_providers::mounted(provider).expect("registered");
        let route = provider.drop_in(&Method::POST, path);
        let frames = pieces.iter().map(|p| Bytes::copy_from_slice(p.as_bytes()));
        let frames: Vec<_> = frames.map(|p| Ok::<_, Infallible>(Frame::data(p))).collect();
        let mut body = StreamBody::new(stream::iter(frames).chain(stream::pending()));
        let reader = provider.reader(&route, MediaType::Events);
        let begun = begin(&mut body, None, reader).await.expect("unbroken");
        (begun.opening, begun.held.len())
    }

    const CHAT: &str = "data: {\"model\":\"m\",\"choices\":[{\"delta\":{\"role\":\"assistant\",\"content\":\"\"}}]}\n\n";
    const TEXT: &str = "data: {\"model\":\"m\",\"choices\":[{\"delta\":{\"content\":\"Hi\"}}]}\n\n";
    const ERROR: &str = "data: {\"error\":{\"message\":\"no\",\"type\":\"server_error\"}}\n\n";
    const START: &str = "event: message_start\ndata: {\"type\":\"message_start\",\"message\":{\"model\":\"m\"}}\n\n";
    const PING: &str = "event: ping\ndata: {\"type\":\"ping\"}\n\n";
    const DELTA: &str = "data: {\"type\":\"content_block_delta\",\"delta\":{\"type\":\"text_delta\",\"text\":\"Hi\"}}\n\n";
    const OVERLOADED: &str = "event: error\ndata: {\"type\":\"error\",\"error\":{\"type\":\"overloaded_error\",\"message\":\"Overloaded\"}}\n\n";
    const CREATED: &str = "data: {\"type\":\"response.created\",\"response\":{\"id\":\"r\"}}\n\n";
    const FAILED: &str = "data: {\"type\":\"response.failed\",\"response\":{\"error\":{\"code\":\"server_error\",\"message\":\"no\"}}}\n\n";
    const OUTPUT: &str = "data: {\"type\":\"response.output_text.delta\",\"delta\":\"Hi\"}\n\n";
    const COHERE: &str = "data: {\"id\":\"c\",\"type\":\"message-start\",\"delta\":{}}\n\ndata: {\"type\":\"content-start\"}\n\n";
    const COHERE_TEXT: &str = "data: {\"type\":\"content-delta\",\"delta\":{\"message\":{\"content\":{\"text\":\"Hi\"}}}}\n\n";
    const COHERE_ERROR: &str = "data: {\"message\":\"internal server error\"}\n\n";
    const GEMINI: &str =
        "data: {\"candidates\":[{\"content\":{\"parts\":[{\"text\":\"Hi\"}]}}]}\n\n";
    const GEMINI_ERROR: &str =
        "data: {\"error\":{\"code\":503,\"status\":\"UNAVAILABLE\",\"message\":\"no\"}}\n\n";

    #[tokio::test(start_paused = true)]
    async fn a_stream_is_held_until_content_or_an_error_comes() {
        let down = Opening::Failed(ErrorClass::ProviderDown);
        for (path, pieces, opening) in [
            ("v1/chat/completions", &[CHAT, TEXT][..], Opening::Content),
            ("v1/chat/completions", &[CHAT, ERROR], down),
            ("v1/chat/completions", &[": comment\n\n", ERROR], down),
            ("v1/chat/completions", &[CHAT], Opening::Preamble),
            ("v1/responses", &[CREATED, OUTPUT], Opening::Content),
            ("v1/responses", &[CREATED, FAILED], down),
            ("anthropic/v1/messages", &[START, PING, DELTA], Opening::Content),
            ("anthropic/v1/messages", &[START, PING, OVERLOADED], down),
            ("cohere/v2/chat", &[COHERE, COHERE_TEXT], Opening::Content),
            ("cohere/v2/chat", &[COHERE, COHERE_ERROR], down),
            ("google/v1beta/models/m:streamGenerateContent", &[GEMINI], Opening::Content),
            ("google/v1beta/models/m:streamGenerateContent", &[GEMINI_ERROR], down),
        ] {
            let whole: usize = pieces.iter().map(|piece| piece.len()).sum();
            assert_eq!(begun(path, pieces).await, (opening, whole), "{path} {pieces:?}");
        }
    }

    #[test]
    fn bedrocks_frames_tell_it_too() {
        let bedrock = byok_providers::find("bedrock").expect("registered");
        let route = bedrock.envelope("converseStream").expect("known");
        let start = aws_event("messageStart", r#"{"role":"assistant"}"#);
        let text = aws_event("contentBlockDelta", r#"{"delta":{"text":"Hi"}}"#);
        let failed = aws_exception("throttlingException", r#"{"message":"no"}"#);
        for (frames, opening) in [
            (vec![&start], Opening::Preamble),
            (vec![&start, &text], Opening::Content),
            (vec![&start, &failed], Opening::Failed(ErrorClass::RateLimited)),
        ] {
            let mut reader = bedrock.reader(&route, MediaType::AwsEvents);
            for frame in frames {
                reader.read(frame);
            }
            assert_eq!(reader.opening(), opening);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn content_is_not_waited_for_beyond_a_bound() {
        let began = Instant::now();
        assert_eq!(begun("v1/chat/completions", &[CHAT]).await.0, Opening::Preamble);
        assert_eq!(began.elapsed(), MOST_TIME);
        let comment = format!(": {}\n\n", "x".repeat(10_000));
        let (opening, held) = begun("v1/chat/completions", &[comment.as_str(); 20]).await;
        assert_eq!(opening, Opening::Preamble);
        assert!((MOST_BYTES..MOST_BYTES + comment.len()).contains(&held), "{held}");
    }
}
