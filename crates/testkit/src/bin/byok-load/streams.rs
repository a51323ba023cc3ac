//! Many streams at once, opened over a while so that their events do not come in step; only what
//! arrives while all of them are open is measured.

use std::io::{self, Write};
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use byok_testkit::wire::{self, ChunkDecoder};
use bytes::BytesMut;
use clap::Args;
use memchr::memmem;
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until, timeout};

use crate::quantiles::Samples;
use crate::target::Target;

/// What precedes the stamps in an event of `byok-standin`.
const BEFORE_STAMPS: &[u8] = b"\"content\":\"";

/// Two numbers of twenty digits, a space between them.
const STAMPS_LENGTH: usize = 41;

/// How long after its last event a stream may take to end.
const PATIENCE: Duration = Duration::from_secs(20);

#[derive(Args, Clone, Debug)]
pub(crate) struct Flags {
    #[command(flatten)]
    target: Target,
    /// Concurrent streams.
    #[arg(long)]
    streams: u32,
    /// Events per second of each stream, as `byok-standin` was told.
    #[arg(long, default_value_t = 20)]
    rate: u32,
    /// Seconds over which the streams are opened.
    #[arg(long, default_value_t = 2)]
    ramp: u32,
    /// Seconds that are measured, once all are open.
    #[arg(long, default_value_t = 5)]
    seconds: u32,
}

/// What one stream, and then all of them, came to.
#[derive(Default)]
struct Tally {
    /// From an event's sending to its arrival.
    delay: Samples,
    /// From an event's due moment to its sending: the stand-in's own lateness.
    lateness: Samples,
    events: u64,
    complete: u64,
    first_error: Option<String>,
}

pub(crate) fn run(flags: &Flags) -> Result<(), Box<dyn std::error::Error>> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let all = runtime.block_on(run_streams(flags))?;
    println!(
        "{}",
        json!({
            "phase": "done", "streams": flags.streams, "complete": all.complete,
            "events": all.events, "expected_events": u64::from(flags.streams * events(flags)),
            "delay": all.delay.summary(), "lateness": all.lateness.summary(),
            "first_error": all.first_error,
        })
    );
    Ok(())
}

/// The last stream to open still lasts through what is measured, with a second to spare.
fn events(flags: &Flags) -> u32 {
    flags.rate * (flags.ramp + flags.seconds + 1)
}

async fn run_streams(flags: &Flags) -> io::Result<Tally> {
    let body = json!({
        "model": "gpt-4o-mini", "stream": true, "max_tokens": events(flags),
        "messages": [{"role": "user", "content": "Say hello."}],
    });
    let request: Arc<[u8]> = flags.target.request(0, &body).into();
    let start = Instant::now();
    let (ramp, length) =
        (Duration::from_secs(flags.ramp.into()), Duration::from_secs(flags.seconds.into()));
    let first = unix_nanos() + nanos(ramp);
    let window = first..first + nanos(length);
    let patience = ramp + length + PATIENCE;
    let mut streams = JoinSet::new();
    for number in 0..flags.streams {
        let (address, request) = (flags.target.address(), Arc::clone(&request));
        let opens = start + ramp * number / flags.streams;
        let window = window.clone();
        streams.spawn(async move {
            sleep_until(opens).await;
            let mut tally = Tally::default();
            let read = read_stream(address, &request, &window, &mut tally);
            match timeout(patience, read).await {
                Ok(Ok(())) => {}
                Ok(Err(error)) => tally.first_error = Some(error.to_string()),
                Err(_) => tally.first_error = Some("the stream did not end".to_owned()),
            }
            tally
        });
    }
    // Who started this reads memory and processor time between these two lines.
    announce("steady", start + ramp).await?;
    announce("over", start + ramp + length).await?;
    let mut all = Tally::default();
    while let Some(tally) = streams.join_next().await {
        let tally = tally.map_err(io::Error::other)?;
        all.delay.extend(tally.delay);
        all.lateness.extend(tally.lateness);
        all.events += tally.events;
        all.complete += tally.complete;
        all.first_error = all.first_error.or(tally.first_error);
    }
    Ok(all)
}

async fn announce(phase: &str, at: Instant) -> io::Result<()> {
    sleep_until(at).await;
    let mut out = io::stdout().lock();
    writeln!(out, "{}", json!({"phase": phase}))?;
    out.flush()
}

async fn read_stream(
    address: std::net::SocketAddr,
    request: &[u8],
    window: &std::ops::Range<u64>,
    tally: &mut Tally,
) -> io::Result<()> {
    let mut stream = TcpStream::connect(address).await?;
    stream.set_nodelay(true)?;
    stream.write_all(request).await?;
    let mut raw = BytesMut::with_capacity(2048);
    let head = loop {
        if let Some(length) = wire::head_length(&raw) {
            break raw.split_to(length);
        }
        read_some(&mut stream, &mut raw).await?;
    };
    if head.get(9..12) != Some(b"200") || wire::framing(&head) != wire::Framing::Chunked {
        return Err(io::Error::other(String::from_utf8_lossy(&head).into_owned()));
    }
    let mut decoder = ChunkDecoder::default();
    let mut text = Vec::with_capacity(1024);
    loop {
        let now = unix_nanos();
        let used =
            decoder.decode(&raw, |run| text.extend_from_slice(run)).map_err(io::Error::other)?;
        let _ = raw.split_to(used);
        read_events(&mut text, now, window, tally);
        if decoder.is_done() {
            return Ok(());
        }
        read_some(&mut stream, &mut raw).await?;
    }
}

/// Takes the complete events off the front of `text`.
fn read_events(text: &mut Vec<u8>, now: u64, window: &std::ops::Range<u64>, tally: &mut Tally) {
    let mut from = 0;
    while let Some(length) = memmem::find(&text[from..], b"\n\n") {
        let event = &text[from..from + length];
        from += length + 2;
        if event == b"data: [DONE]" {
            tally.complete += 1;
        } else if let Some((due, sent)) = stamps(event) {
            tally.events += 1;
            if window.contains(&now) {
                tally.delay.add(now.saturating_sub(sent));
                tally.lateness.add(sent.saturating_sub(due));
            }
        }
    }
    text.drain(..from);
}

fn stamps(event: &[u8]) -> Option<(u64, u64)> {
    let from = memmem::find(event, BEFORE_STAMPS)? + BEFORE_STAMPS.len();
    let stamps = std::str::from_utf8(event.get(from..from + STAMPS_LENGTH)?).ok()?;
    let (due, sent) = stamps.split_once(' ')?;
    Some((due.parse().ok()?, sent.parse().ok()?))
}

async fn read_some(stream: &mut TcpStream, buffer: &mut BytesMut) -> io::Result<()> {
    buffer.reserve(2048);
    match stream.read_buf(buffer).await? {
        0 => Err(io::ErrorKind::UnexpectedEof.into()),
        _ => Ok(()),
    }
}

fn unix_nanos() -> u64 {
    nanos(SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default())
}

fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_are_read_whole_however_they_arrive() {
        let event = |due: u64, sent: u64| {
            format!("data: {{\"delta\":{{\"content\":\"{due:020} {sent:020}\"}}}}\n\n")
        };
        let stream = event(100, 150) + &event(200, 205) + &event(900, 905) + "data: [DONE]\n\n";
        for cut in 0..stream.len() {
            let mut tally = Tally::default();
            let mut text = stream.as_bytes()[..cut].to_vec();
            read_events(&mut text, 300, &(250..400), &mut tally);
            text.extend_from_slice(&stream.as_bytes()[cut..]);
            read_events(&mut text, 400, &(250..400), &mut tally);
            assert_eq!((tally.events, tally.complete), (3, 1), "cut at {cut}");
            assert!(text.is_empty());
        }
    }

    #[test]
    fn only_what_arrives_in_the_window_is_measured() {
        let mut tally = Tally::default();
        let event = format!("data: {{\"content\":\"{:020} {:020}\"}}\n\n", 1_000, 3_000);
        for now in [4_000, 8_000, 9_000] {
            read_events(&mut event.clone().into_bytes(), now, &(5_000..9_000), &mut tally);
        }
        assert_eq!(tally.events, 3);
        assert_eq!(tally.delay.summary()["p50_us"], 5.0);
        assert_eq!(tally.lateness.summary()["p50_us"], 2.0);
    }
}
