//! A timed stream: every event is due at an absolute moment and says when it was due and when it
//! was sent, so that a slow proxy cannot slow the schedule that it is measured by.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::time::{Instant, sleep_until};

use crate::answers::STREAM_HEAD;

/// How many events, and how often.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Pace {
    events: u32,
    interval: Duration,
}

impl Pace {
    pub(crate) fn new(events: u32, per_second: u32) -> Self {
        Self { events, interval: Duration::from_secs(1) / per_second.max(1) }
    }

    pub(crate) fn with(self, events: Option<u32>) -> Self {
        Self { events: events.unwrap_or(self.events), ..self }
    }
}

/// Twenty digits each: nanoseconds since 1970 when an event was due, and when it was sent.
const STAMPS: &str = "00000000000000000000 00000000000000000000";

pub(crate) async fn send_stream(
    stream: &mut TcpStream,
    pace: Pace,
    usage: bool,
) -> std::io::Result<()> {
    let usage_field = if usage { r#","usage":null"# } else { "" };
    let mut event = chunk(&format!(
        r#"{{"id":"chatcmpl-standin","object":"chat.completion.chunk","created":1760000000,"model":"gpt-4o-mini","choices":[{{"index":0,"delta":{{"content":"{STAMPS}"}},"logprobs":null,"finish_reason":null}}]{usage_field}}}"#
    ));
    let stamps = memchr::memmem::find(&event, STAMPS.as_bytes()).unwrap_or_default();
    stream.write_all(STREAM_HEAD).await?;
    let (start, epoch) = (Instant::now(), unix_nanos());
    for number in 0..pace.events {
        let offset = pace.interval * number;
        sleep_until(start + offset).await;
        let due = epoch + u64::try_from(offset.as_nanos()).unwrap_or(u64::MAX);
        write_digits(&mut event[stamps..stamps + 20], due);
        write_digits(&mut event[stamps + 21..stamps + 41], unix_nanos());
        stream.write_all(&event).await?;
    }
    stream.write_all(&ending(pace.events, usage)).await
}

fn ending(events: u32, usage: bool) -> Vec<u8> {
    let usage_field = if usage { r#","usage":null"# } else { "" };
    let common = r#""id":"chatcmpl-standin","object":"chat.completion.chunk","created":1760000000,"model":"gpt-4o-mini""#;
    let mut bytes = chunk(&format!(
        r#"{{{common},"choices":[{{"index":0,"delta":{{}},"logprobs":null,"finish_reason":"stop"}}]{usage_field}}}"#
    ));
    if usage {
        let total = events + 9;
        bytes.extend(chunk(&format!(
            r#"{{{common},"choices":[],"usage":{{"prompt_tokens":9,"completion_tokens":{events},"total_tokens":{total}}}}}"#
        )));
    }
    bytes.extend(chunk("[DONE]"));
    bytes.extend_from_slice(b"0\r\n\r\n");
    bytes
}

fn chunk(data: &str) -> Vec<u8> {
    let event = format!("data: {data}\n\n");
    format!("{:x}\r\n{event}\r\n", event.len()).into_bytes()
}

fn unix_nanos() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_nanos()).unwrap_or(u64::MAX)
}

fn write_digits(place: &mut [u8], mut number: u64) {
    for digit in place.iter_mut().rev() {
        *digit = b'0' + u8::try_from(number % 10).unwrap_or_default();
        number /= 10;
    }
}
