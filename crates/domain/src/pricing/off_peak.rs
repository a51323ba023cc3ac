//! Prices that hold at certain hours of the week only, instead of those of the rest of it.

use std::collections::BTreeMap;

use serde::Serialize;
use serde::de::{Deserialize, Deserializer};
use serde_json::value::RawValue;

use super::field::{Field, nearest};
use super::prices::Prices;
use super::row::price;
use crate::Timestamp;
use crate::time::DAY_MS;

const DAY_MINUTES: u16 = 24 * 60;
const MINUTE_MS: i64 = 60_000;
/// More spans than this are no price list.
const MOST_SPANS: usize = 100;

/// The prices of other hours, and the whole row as it is then.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct OffPeak {
    /// The prices that differ, sorted by field.
    pub(super) rates: Box<[(Field, u64)]>,
    pub(super) windows: Windows,
    /// The row with those laid over its own.
    pub(super) row: Prices,
}

/// The hours of the week, in UTC, at which something holds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct Windows(Box<[Window]>);

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
struct Window {
    hours_utc: Box<[Span]>,
    /// From 1, Monday, to 7; none is every day.
    #[serde(skip_serializing_if = "<[u8]>::is_empty")]
    weekdays: Box<[u8]>,
}

/// Minutes of a day, from the first to before the second, which may lie on the next day.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Span {
    from: u16,
    until: u16,
}

impl Windows {
    /// Whether `at` lies in one of them.
    pub(super) fn contain(&self, at: Timestamp) -> bool {
        let day = at.as_millis().div_euclid(DAY_MS);
        let minute = at.as_millis().rem_euclid(DAY_MS) / MINUTE_MS;
        // The epoch was a Thursday.
        let today = u8::try_from((day + 3).rem_euclid(7)).unwrap_or_default() + 1;
        let yesterday = if today == 1 { 7 } else { today - 1 };
        self.0.iter().any(|window| {
            let on = |weekday| window.weekdays.is_empty() || window.weekdays.contains(&weekday);
            window.hours_utc.iter().any(|span| {
                let spans = |minute: i64| (span.from.into()..span.until.into()).contains(&minute);
                (on(today) && spans(minute))
                    || (on(yesterday) && spans(minute + i64::from(DAY_MINUTES)))
            })
        })
    }
}

impl std::fmt::Display for Windows {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        const NAMES: [&str; 7] = ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"];
        for (at, window) in self.0.iter().enumerate() {
            let days = window.weekdays.iter().filter_map(|day| NAMES.get(usize::from(*day) - 1));
            let days: Vec<_> = days.copied().collect();
            let hours: Vec<_> = window.hours_utc.iter().map(ToString::to_string).collect();
            let apart = if at > 0 { "; " } else { "" };
            let space = if days.is_empty() { "" } else { " " };
            write!(f, "{apart}{}{space}{}", days.join(" "), hours.join(", "))?;
        }
        f.write_str(" UTC")
    }
}

/// Reads windows, days by name or number, hours as one text or several.
pub(super) fn windows(json: &str) -> Result<Windows, String> {
    #[derive(serde::Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Wire {
        hours_utc: OneOrMore<Span>,
        #[serde(default)]
        weekdays: Vec<Weekday>,
    }
    let wrong = |_| {
        "must be a list as [{\"hours_utc\": [\"16:00-00:00\"], \"weekdays\": [1, 2, 3, 4, 5]}], \
         the hours in UTC, 1 being Monday; without weekdays it is every day"
            .to_owned()
    };
    let wire: Vec<Wire> = serde_json::from_str(json).map_err(wrong)?;
    let spans: usize = wire.iter().map(|window| window.hours_utc.0.len()).sum();
    if spans == 0 || spans > MOST_SPANS || wire.iter().any(|window| window.hours_utc.0.is_empty()) {
        return Err(format!("must name 1 to {MOST_SPANS} spans of hours, one at least in each"));
    }
    let window = |wire: Wire| {
        let mut weekdays: Vec<u8> = wire.weekdays.into_iter().map(|day| day.0).collect();
        weekdays.sort_unstable();
        weekdays.dedup();
        Window { hours_utc: wire.hours_utc.0.into(), weekdays: weekdays.into() }
    };
    Ok(Windows(wire.into_iter().map(window).collect()))
}

struct OneOrMore<T>(Vec<T>);

impl<'de, T: Deserialize<'de>> Deserialize<'de> for OneOrMore<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(serde::Deserialize)]
        #[serde(untagged)]
        enum Either<T> {
            One(T),
            More(Vec<T>),
        }
        Ok(Self(match Either::deserialize(deserializer)? {
            Either::One(one) => vec![one],
            Either::More(more) => more,
        }))
    }
}

/// A day from 1, Monday, to 7, or its English name.
struct Weekday(u8);

impl<'de> Deserialize<'de> for Weekday {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        const NAMES: [&str; 7] =
            ["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"];
        #[derive(serde::Deserialize)]
        #[serde(untagged)]
        enum Either {
            Number(u8),
            Name(String),
        }
        let number = match Either::deserialize(deserializer)? {
            Either::Number(number) => Some(number).filter(|number| (1..=7).contains(number)),
            Either::Name(name) => (1..).zip(NAMES).find(|(_, n)| *n == name).map(|(day, _)| day),
        };
        number.map(Self).ok_or_else(|| serde::de::Error::custom("no day of the week"))
    }
}

impl Span {
    /// `HH:MM-HH:MM`; what does not end later than it begins ends on the next day.
    fn parse(text: &str) -> Option<Self> {
        let minutes = |text: &str| {
            let (hours, minutes) = text.split_once(':')?;
            let two = |text: &str| text.len() == 2 && text.bytes().all(|b| b.is_ascii_digit());
            if !two(hours) || !two(minutes) {
                return None;
            }
            let (hours, minutes): (u16, u16) = (hours.parse().ok()?, minutes.parse().ok()?);
            let at = hours * 60 + minutes;
            (minutes < 60 && at <= DAY_MINUTES).then_some(at)
        };
        let (from, until) = text.split_once('-')?;
        let (from, until) = (minutes(from)?, minutes(until)?);
        let until = if until <= from { until + DAY_MINUTES } else { until };
        (from < DAY_MINUTES).then_some(Self { from, until })
    }
}

impl std::fmt::Display for Span {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let until = self.until % DAY_MINUTES;
        write!(f, "{:02}:{:02}-{:02}:{:02}", self.from / 60, self.from % 60, until / 60, until % 60)
    }
}

impl Serialize for Span {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Span {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::parse(&text).ok_or_else(|| serde::de::Error::custom("no span of hours"))
    }
}

/// Off-peak prices on their way into a row.
#[derive(Clone, Default)]
pub(super) struct Draft {
    rates: BTreeMap<Field, u64>,
    windows: Option<Windows>,
}

impl Draft {
    pub(super) fn of(off_peak: &OffPeak) -> Self {
        Self {
            rates: off_peak.rates.iter().copied().collect(),
            windows: Some(off_peak.windows.clone()),
        }
    }

    /// What is missing of it, if something is.
    pub(super) fn missing(&self) -> Option<&'static str> {
        if self.rates.is_empty() {
            return Some(
                "has no price; give those that differ at these hours, as input and output",
            );
        }
        self.windows.is_none().then_some("has no windowsUTC, the hours at which it holds")
    }

    /// The fields that have a price.
    pub(super) fn fields(&self) -> impl Iterator<Item = &Field> {
        self.rates.keys()
    }

    /// Takes a field from JSON, or says what is wrong with it.
    pub(super) fn set(&mut self, name: &str, value: &RawValue) -> Result<(), String> {
        if name == WINDOWS {
            self.windows = Some(windows(value.get())?);
            return Ok(());
        }
        let field = Field::parse(name).ok_or_else(|| match nearest(name, &[WINDOWS]) {
            Some(known) => format!("is not a price we know; did you mean {known}?"),
            None => format!("is not a price we know; see input, output, and {WINDOWS}"),
        })?;
        self.rates.insert(field, price(field, value.get())?);
        Ok(())
    }

    /// Whether there is such a field; it is gone afterwards.
    pub(super) fn remove(&mut self, name: &str) -> bool {
        match (name, Field::parse(name)) {
            (WINDOWS, _) => self.windows = None,
            (_, Some(field)) => {
                self.rates.remove(&field);
            }
            _ => return false,
        }
        true
    }

    /// The off-peak prices of a row; none where no hours are known.
    pub(super) fn finish(self, row: &Prices) -> Option<Box<OffPeak>> {
        let windows = self.windows?;
        let mut all: BTreeMap<Field, u64> = row.rates.iter().copied().collect();
        all.extend(self.rates.iter().map(|(field, price)| (*field, *price)));
        let row = Prices { rates: all.into_iter().collect(), off_peak: None, ..row.clone() };
        Some(Box::new(OffPeak { rates: self.rates.into_iter().collect(), windows, row }))
    }
}

/// The one member that is no price.
pub(super) const WINDOWS: &str = "windowsUTC";

#[cfg(test)]
mod tests {
    use super::*;

    fn read(json: &str) -> Windows {
        windows(json).expect(json)
    }

    #[test]
    fn a_moment_is_in_the_windows_of_its_day_to_the_minute_in_utc() {
        const DEEPSEEK: &str = r#"[
            {"hours_utc": ["00:00-01:00", "04:00-06:00", "10:00-00:00"], "weekdays": [1, 2, 3, 4, 5]},
            {"hours_utc": "00:00-00:00", "weekdays": [6, 7]}]"#;
        const NAMED: &str = r#"[{"hours_utc": "00:00-00:00", "weekdays": ["saturday", "sunday"]},
            {"weekdays": ["monday", "tuesday", "wednesday", "thursday", "friday"], "hours_utc": "00:00-01:00"},
            {"weekdays": ["monday", "tuesday", "wednesday", "thursday", "friday"], "hours_utc": "04:00-06:00"},
            {"weekdays": ["monday", "tuesday", "wednesday", "thursday", "friday"], "hours_utc": "10:00-00:00"}]"#;
        const EVENING: &str = r#"[{"hours_utc": "16:00-00:00"}]"#;
        const NIGHT: &str = r#"[{"hours_utc": "22:30-06:00", "weekdays": [7, 1]}]"#;
        for (json, at, expected) in [
            // 2026-11-23 was a Monday.
            (DEEPSEEK, "2026-11-23T00:00:00Z", true),
            (DEEPSEEK, "2026-11-23T00:59:59.999Z", true),
            (DEEPSEEK, "2026-11-23T01:00:00Z", false),
            (DEEPSEEK, "2026-11-23T03:59:59.999Z", false),
            (DEEPSEEK, "2026-11-23T04:00:00Z", true),
            (DEEPSEEK, "2026-11-23T06:00:00Z", false),
            (DEEPSEEK, "2026-11-23T09:59:59.999Z", false),
            (DEEPSEEK, "2026-11-23T10:00:00Z", true),
            (DEEPSEEK, "2026-11-23T10:00:00+02:00", false),
            (DEEPSEEK, "2026-11-23T23:59:59.999Z", true),
            (DEEPSEEK, "2026-11-27T09:00:00Z", false),
            (DEEPSEEK, "2026-11-28T09:00:00Z", true),
            (DEEPSEEK, "2026-11-29T09:00:00Z", true),
            (DEEPSEEK, "1969-12-31T09:00:00Z", false),
            (DEEPSEEK, "1969-12-28T09:00:00Z", true),
            (NAMED, "2026-11-23T01:00:00Z", false),
            (NAMED, "2026-11-23T05:00:00Z", true),
            (NAMED, "2026-11-28T09:00:00Z", true),
            (EVENING, "2026-11-23T15:59:59.999Z", false),
            (EVENING, "2026-11-23T16:00:00Z", true),
            (EVENING, "2026-11-24T00:00:00Z", false),
            (NIGHT, "2026-11-22T22:30:00Z", true),
            (NIGHT, "2026-11-23T05:59:00Z", true),
            (NIGHT, "2026-11-23T06:00:00Z", false),
            (NIGHT, "2026-11-24T05:59:00Z", true),
            (NIGHT, "2026-11-24T22:30:00Z", false),
            (NIGHT, "2026-11-25T05:59:00Z", false),
            (NIGHT, "2026-11-22T05:59:00Z", false),
        ] {
            let moment = Timestamp::parse(at).expect(at);
            assert_eq!(read(json).contain(moment), expected, "{json} {at}");
        }
    }

    #[test]
    fn windows_are_written_in_one_form_and_read_back() {
        let json = r#"[{"weekdays":["sunday",6,"saturday"],"hours_utc":"16:00-24:00"}]"#;
        let written = serde_json::to_string(&read(json)).expect("plain data");
        assert_eq!(written, r#"[{"hours_utc":["16:00-00:00"],"weekdays":[6,7]}]"#);
        assert_eq!(read(&written), read(json));
        assert_eq!(read(&written).to_string(), "Sat Sun 16:00-00:00 UTC");
        let daily = read(
            r#"[{"hours_utc":["01:00-02:00","03:30-04:00"]},{"hours_utc":"05:00-06:00","weekdays":[1]}]"#,
        );
        assert_eq!(daily.to_string(), "01:00-02:00, 03:30-04:00; Mon 05:00-06:00 UTC");
    }

    #[test]
    fn what_is_no_window_is_refused() {
        let many = format!("[{{\"hours_utc\":[{}]}}]", vec!["\"01:00-02:00\""; 101].join(","));
        for json in [
            "7",
            "[]",
            "{}",
            "[{}]",
            r#"[{"hours_utc":[]}]"#,
            r#"[{"hours_utc":"all day"}]"#,
            r#"[{"hours_utc":"1:00-2:00"}]"#,
            r#"[{"hours_utc":"01:60-02:00"}]"#,
            r#"[{"hours_utc":"24:00-02:00"}]"#,
            r#"[{"hours_utc":"01:00-24:01"}]"#,
            r#"[{"hours_utc":"+1:00-02:00"}]"#,
            r#"[{"hours_utc":"01:00-02:00","weekdays":[0]}]"#,
            r#"[{"hours_utc":"01:00-02:00","weekdays":[8]}]"#,
            r#"[{"hours_utc":"01:00-02:00","weekdays":["Monday "]}]"#,
            r#"[{"hours_utc":"01:00-02:00","months":[1]}]"#,
            &many,
        ] {
            assert!(windows(json).is_err(), "{json}");
        }
    }
}
