//! How a setting's text becomes a value. A problem is the rest of a sentence that begins with the
//! setting's name; it says what to write, and never what was written.

use std::net::SocketAddr;
use std::time::Duration;

use byok_metering::Durability;
use byok_net::{IpNet, MalformedUrl, TrustedUrl};
use tracing_subscriber::EnvFilter;

use super::LogFormat;

type Parsed<T> = Result<T, String>;

pub(super) fn address(text: &str) -> Parsed<SocketAddr> {
    text.parse().map_err(|_| {
        "is not an IP address and a port; write it like 127.0.0.1:3000 or [::1]:3000".to_owned()
    })
}

pub(super) fn address_or_off(text: &str) -> Parsed<Option<SocketAddr>> {
    if text == "off" {
        return Ok(None);
    }
    address(text).map(Some).map_err(|_| {
        "is neither an IP address and a port nor `off`; write it like 127.0.0.1:9464".to_owned()
    })
}

/// A base URL, of http or https, whatever its address.
pub(super) fn base_url(text: &str, example: &str) -> Parsed<TrustedUrl> {
    TrustedUrl::parse(text).map_err(|error| match error {
        // The operator may name an http address; customers, for whom that text was made, may not.
        MalformedUrl::Scheme => {
            format!("starts with neither https:// nor http://; write it like {example}")
        }
        error => format!("is not a base URL: {error}; write it like {example}"),
    })
}

pub(super) fn durability(text: &str) -> Parsed<Durability> {
    match text {
        "disk" => Ok(Durability::Disk),
        "os" => Ok(Durability::Os),
        _ => Err("is neither `disk` (a call's record survives a power cut) nor `os` (it survives \
                  a killed process); write one of them"
            .to_owned()),
    }
}

pub(super) fn log_format(text: &str) -> Parsed<LogFormat> {
    match text {
        "text" => Ok(LogFormat::Text),
        "json" => Ok(LogFormat::Json),
        _ => Err("is neither `text` nor `json`; write one of them".to_owned()),
    }
}

/// A level, or levels by module.
pub(super) fn log_filter(text: &str) -> Parsed<String> {
    const LEVELS: [&str; 6] = ["off", "error", "warn", "info", "debug", "trace"];
    // The filter's own parser takes a misspelled level for the name of a module.
    let known = |part: &str| part.contains('=') || LEVELS.contains(&part);
    if text.split(',').all(known) && EnvFilter::builder().parse(text).is_ok() {
        return Ok(text.to_owned());
    }
    Err("is not a log filter; write error, warn, info, debug or trace, or levels by module like \
         info,byok_gateway=debug"
        .to_owned())
}

pub(super) fn switch(text: &str) -> Parsed<bool> {
    match text {
        "true" | "1" | "on" | "yes" => Ok(true),
        "false" | "0" | "off" | "no" => Ok(false),
        _ => Err("is neither `true` nor `false`; write one of them".to_owned()),
    }
}

pub(super) fn threads(text: &str) -> Parsed<usize> {
    text.parse()
        .ok()
        .filter(|count| (1..=1024).contains(count))
        .ok_or_else(|| "is not a number of threads; write a whole number from 1 to 1024".to_owned())
}

/// A time-out: longer than nothing.
pub(super) fn seconds(text: &str) -> Parsed<Duration> {
    let problem = "is not a number of seconds; write a number above 0 and up to 86400, like 60";
    seconds_or_none(text).ok().filter(|time| !time.is_zero()).ok_or_else(|| problem.to_owned())
}

/// A time that may be 0.
pub(super) fn seconds_or_none(text: &str) -> Parsed<Duration> {
    let plain = text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
    text.parse::<f64>()
        .ok()
        .filter(|seconds| plain && (0.0..=86_400.0).contains(seconds))
        .and_then(|seconds| Duration::try_from_secs_f64(seconds).ok())
        .ok_or_else(|| {
            "is not a number of seconds; write a number from 0 to 86400, like 30".to_owned()
        })
}

/// A size in bytes: a number, with a unit or without.
pub(super) fn bytes(text: &str) -> Parsed<u64> {
    let problem = "is not a size; write bytes, or a number with kB, MB, GB (thousands) or KiB, \
                   MiB, GiB (1024s), like 32MiB";
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (number, unit) = text.split_at(digits);
    let unit: u64 = match unit.trim_start().to_ascii_lowercase().as_str() {
        "" | "b" => 1,
        "kb" => 1_000,
        "mb" => 1_000_000,
        "gb" => 1_000_000_000,
        "kib" => 1 << 10,
        "mib" => 1 << 20,
        "gib" => 1 << 30,
        _ => return Err(problem.to_owned()),
    };
    number
        .parse::<u64>()
        .ok()
        .and_then(|number| number.checked_mul(unit))
        .filter(|size| *size > 0)
        .ok_or_else(|| problem.to_owned())
}

/// A size that a journal can work with.
pub(super) fn journal_bytes(text: &str) -> Parsed<u64> {
    let size = bytes(text)?;
    if size < 1 << 20 {
        return Err("is too small for a journal; write 1MiB or more".to_owned());
    }
    Ok(size)
}

/// Networks in CIDR notation, separated by commas.
pub(super) fn networks(text: &str) -> Parsed<Vec<IpNet>> {
    let parse = |(index, entry): (usize, &str)| {
        entry.trim().parse::<IpNet>().map(|network| network.trunc()).map_err(|_| {
            format!(
                "is not a list of networks (see entry {}); write networks like \
                 10.0.0.0/8,fd00::/8 and single addresses like 10.0.0.1/32",
                index + 1
            )
        })
    };
    text.split(',').enumerate().map(parse).collect()
}
