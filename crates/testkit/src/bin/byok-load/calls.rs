//! Open loop: call number n leaves at n / rate, whatever became of those before it.
//!
//! Threads that block, because they wake within tens of microseconds where an async timer ticks
//! once a millisecond. A call is timed from when it left; one that found every thread busy is timed
//! from when it should have left, so that a server which stalls cannot hide the calls it delayed.

use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use byok_testkit::wire::{self, ChunkDecoder, Framing};
use clap::Args;
use serde_json::{Value, json};

use crate::quantiles::Samples;
use crate::target::Target;

const TIMEOUT: Duration = Duration::from_secs(10);

#[derive(Args, Debug)]
pub(crate) struct Flags {
    #[command(flatten)]
    target: Target,
    /// Calls per second.
    #[arg(long)]
    rate: u32,
    /// Seconds that are measured.
    #[arg(long, default_value_t = 5)]
    seconds: u32,
    /// Seconds before them that are not.
    #[arg(long, default_value_t = 1)]
    warmup: u32,
    /// Threads, each with one connection: as many calls can be under way.
    #[arg(long, default_value_t = 32)]
    workers: u32,
    /// Customers who call in turn, numbered from 0.
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..))]
    customers: u32,
    /// The body, JSON; a small chat unless given.
    #[arg(long, value_parser = json_text)]
    body: Option<Value>,
}

fn json_text(text: &str) -> Result<Value, String> {
    serde_json::from_str(text).map_err(|error| format!("not JSON: {error}"))
}

#[derive(Default)]
struct Tally {
    latency: Samples,
    /// Calls that found every worker busy.
    late: u64,
    answered: u64,
    failed: u64,
}

pub(crate) fn run(flags: &Flags) -> Result<Value, Box<dyn std::error::Error>> {
    let chat =
        || json!({"model": "gpt-4o-mini", "messages": [{"role": "user", "content": "Say hello."}]});
    let body = flags.body.clone().unwrap_or_else(chat);
    let requests: Vec<_> =
        (0..flags.customers).map(|customer| flags.target.request(customer, &body)).collect();
    let next = AtomicU64::new(0);
    let start = Instant::now() + Duration::from_millis(50);
    let tallies: Vec<Tally> = std::thread::scope(|scope| {
        let workers: Vec<_> = (0..flags.workers)
            .map(|_| scope.spawn(|| work(flags, &requests, &next, start)))
            .collect();
        workers.into_iter().map(|w| w.join().unwrap_or_default()).collect()
    });
    let took = start.elapsed().as_secs_f64();
    let mut all = Tally::default();
    for tally in tallies {
        all.latency.extend(tally.latency);
        all.late += tally.late;
        all.answered += tally.answered;
        all.failed += tally.failed;
    }
    Ok(json!({
        "rate": flags.rate, "answered": all.answered, "failed": all.failed, "late": all.late,
        "per_second": all.answered as f64 / took, "latency": all.latency.summary(),
    }))
}

fn work(flags: &Flags, requests: &[Vec<u8>], next: &AtomicU64, start: Instant) -> Tally {
    let interval = Duration::from_secs(1) / flags.rate;
    let skipped = u64::from(flags.rate * flags.warmup);
    let total = u64::from(flags.rate * (flags.warmup + flags.seconds));
    let mut tally = Tally::default();
    let mut connection = None;
    let mut buffer = Vec::new();
    loop {
        let number = next.fetch_add(1, Ordering::Relaxed);
        if number >= total {
            return tally;
        }
        // Exact enough: 2^32 intervals are years even at one call a second.
        let due = start + interval * u32::try_from(number).unwrap_or(u32::MAX);
        let free = Instant::now();
        std::thread::sleep(due.saturating_duration_since(free));
        let late = free > due;
        let began = if late { due } else { Instant::now() };
        let turn = usize::try_from(number).unwrap_or_default() % requests.len();
        let done = call(flags, &requests[turn], &mut connection, &mut buffer);
        let took = began.elapsed();
        if done.is_err() {
            connection = None;
            tally.failed += 1;
            continue;
        }
        tally.answered += 1;
        if number >= skipped {
            tally.late += u64::from(late);
            tally.latency.add(u64::try_from(took.as_nanos()).unwrap_or(u64::MAX));
        }
    }
}

fn call(
    flags: &Flags,
    request: &[u8],
    connection: &mut Option<TcpStream>,
    buffer: &mut Vec<u8>,
) -> io::Result<()> {
    let stream = match connection {
        Some(stream) => stream,
        None => {
            let stream = TcpStream::connect_timeout(&flags.target.address(), TIMEOUT)?;
            stream.set_nodelay(true)?;
            stream.set_read_timeout(Some(TIMEOUT))?;
            connection.insert(stream)
        }
    };
    stream.write_all(request)?;
    buffer.clear();
    let head = loop {
        if let Some(length) = wire::head_length(buffer) {
            break length;
        }
        more(stream, buffer)?;
    };
    let good = buffer.get(9..12) == Some(b"200");
    match wire::framing(&buffer[..head]) {
        Framing::Length(length) => {
            let end = head + usize::try_from(length).map_err(io::Error::other)?;
            while buffer.len() < end {
                more(stream, buffer)?;
            }
        }
        Framing::Chunked => {
            let mut decoder = ChunkDecoder::default();
            let mut at = head;
            loop {
                at += decoder.decode(&buffer[at..], |_| {}).map_err(io::Error::other)?;
                if decoder.is_done() {
                    break;
                }
                more(stream, buffer)?;
            }
        }
        Framing::None => return Err(io::Error::other("an answer without framing")),
    }
    if !wire::keeps_alive(&buffer[..head]) {
        *connection = None;
    }
    if good { Ok(()) } else { Err(io::Error::other("not status 200")) }
}

fn more(stream: &mut TcpStream, buffer: &mut Vec<u8>) -> io::Result<()> {
    let from = buffer.len();
    buffer.resize(from + 4096, 0);
    let read = stream.read(&mut buffer[from..])?;
    buffer.truncate(from + read);
    if read == 0 { Err(io::ErrorKind::UnexpectedEof.into()) } else { Ok(()) }
}
