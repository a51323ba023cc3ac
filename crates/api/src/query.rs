//! Query parameters: each read by its type, anything unknown, repeated or malformed refused by name.

use byok_domain::{ProviderId, RefId, Timestamp};
use byok_store::Page;

use crate::error::ApiError;

/// The most rows that one page may ask for.
pub(crate) const MAX_LIMIT: u64 = 500;
/// The rows of a page when nobody asks.
pub(crate) const DEFAULT_LIMIT: u64 = 50;

/// The parameters of a request, all of them among the names that the route takes.
pub(crate) struct Query {
    pairs: Vec<(String, String)>,
}

impl Query {
    /// Reads a query string; `allowed` are the names that the route takes.
    pub(crate) fn parse(query: Option<&str>, allowed: &[&str]) -> Result<Self, ApiError> {
        let mut pairs: Vec<(String, String)> = Vec::new();
        let decoded = url::form_urlencoded::parse(query.unwrap_or_default().as_bytes());
        for (name, value) in decoded.into_owned() {
            if !allowed.contains(&name.as_str()) {
                return Err(ApiError::parameter(unknown(&name, allowed)));
            }
            if pairs.iter().any(|(earlier, _)| *earlier == name) {
                return Err(ApiError::parameter(format!(
                    "The parameter {name} is given twice; send it once."
                )));
            }
            if value.is_empty() {
                return Err(ApiError::parameter(format!(
                    "The parameter {name} is empty; give it a value or leave it out."
                )));
            }
            if value.contains('\0') {
                return Err(ApiError::parameter(format!(
                    "The parameter {name} has a zero character, which no text here has."
                )));
            }
            pairs.push((name, value));
        }
        Ok(Self { pairs })
    }

    /// A parameter as it was sent.
    pub(crate) fn text(&self, name: &str) -> Option<&str> {
        self.pairs.iter().find(|(sent, _)| sent == name).map(|(_, value)| value.as_str())
    }

    /// The parameters of these names, as one text: the same for the same question.
    pub(crate) fn signature(&self, names: &[&str]) -> String {
        let mut text = url::form_urlencoded::Serializer::new(String::new());
        for name in names {
            if let Some(value) = self.text(name) {
                text.append_pair(name, value);
            }
        }
        text.finish()
    }

    /// A parameter read by `parse`; `expected` completes "must be …".
    pub(crate) fn read<T>(
        &self,
        name: &str,
        expected: &str,
        parse: impl FnOnce(&str) -> Option<T>,
    ) -> Result<Option<T>, ApiError> {
        let Some(text) = self.text(name) else { return Ok(None) };
        match parse(text) {
            Some(value) => Ok(Some(value)),
            None => Err(ApiError::parameter(format!("The parameter {name} must be {expected}."))),
        }
    }

    /// A moment. A `+` that was sent unescaped arrives as a blank and is read as the `+` it was.
    pub(crate) fn time(&self, name: &str) -> Result<Option<Timestamp>, ApiError> {
        self.read(name, "an RFC 3339 time such as 2026-01-31T12:00:00Z, or a date", |text| {
            Timestamp::parse(&text.replace(' ', "+"))
        })
    }

    /// The half-open span `[since, until)`, each end optional.
    pub(crate) fn span(&self) -> Result<(Option<Timestamp>, Option<Timestamp>), ApiError> {
        let (since, until) = (self.time("since")?, self.time("until")?);
        match (since, until) {
            (Some(since), Some(until)) if since > until => {
                Err(ApiError::parameter("The parameter since must not be later than until."))
            }
            both => Ok(both),
        }
    }

    /// A truth value.
    pub(crate) fn flag(&self, name: &str) -> Result<Option<bool>, ApiError> {
        self.read(name, "true or false", |text| text.parse().ok())
    }

    /// A customer.
    pub(crate) fn ref_id(&self) -> Result<Option<RefId>, ApiError> {
        self.read("refId", "a customer's id of at most 255 printable bytes", |text| {
            RefId::parse(text).ok()
        })
    }

    /// A provider. Any short name is taken: old rows may name one that is gone.
    pub(crate) fn provider(&self) -> Result<Option<ProviderId>, ApiError> {
        self.read("provider", "a provider's name such as openai", |text| {
            let sound = text.len() <= 64
                && text.bytes().all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-'));
            sound.then(|| ProviderId::new(text))
        })
    }

    /// A model's name, as logged.
    pub(crate) fn model(&self) -> Result<Option<String>, ApiError> {
        self.read("model", "a model's name of at most 512 printable bytes", |text| {
            (text.len() <= 512 && !text.chars().any(char::is_control)).then(|| text.to_owned())
        })
    }

    /// Rows a page.
    pub(crate) fn limit(&self) -> Result<u64, ApiError> {
        let limit = self.read("limit", "a whole number from 1 to 500", |text| {
            text.parse::<u64>().ok().filter(|limit| (1..=MAX_LIMIT).contains(limit))
        })?;
        Ok(limit.unwrap_or(DEFAULT_LIMIT))
    }

    /// Rows to skip.
    pub(crate) fn offset(&self) -> Result<u64, ApiError> {
        let offset = self.read("offset", "a whole number from 0 to 1000000000", |text| {
            text.parse::<u64>().ok().filter(|offset| *offset <= 1_000_000_000)
        })?;
        Ok(offset.unwrap_or(0))
    }

    /// The part of a list that is wanted.
    pub(crate) fn page(&self) -> Result<Page, ApiError> {
        Ok(Page { limit: self.limit()?, offset: self.offset()? })
    }
}

fn unknown(name: &str, allowed: &[&str]) -> String {
    let name: String = name.chars().filter(|c| !c.is_control()).take(64).collect();
    if allowed.is_empty() {
        return format!("The parameter {name} is unknown; this route takes none.");
    }
    format!("The parameter {name} is unknown; this route takes: {}.", allowed.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Code;

    const ALL: &[&str] =
        &["refId", "provider", "model", "since", "until", "success", "limit", "offset"];

    fn read_all(query: &str) -> Result<(), ApiError> {
        let query = Query::parse(Some(query), ALL)?;
        query.ref_id()?;
        query.provider()?;
        query.model()?;
        query.span()?;
        query.flag("success")?;
        query.limit()?;
        query.offset().map(drop)
    }

    #[test]
    fn what_is_wrong_is_named_and_never_taken_for_no_filter() {
        for (query, named) in [
            ("refID=a", "refID"),
            ("refId=", "refId"),
            ("refId=a&refId=b", "refId"),
            ("refId%5B%5D=a", "refId[]"),
            ("refId=a%00", "refId"),
            ("provider=Open%20AI", "provider"),
            ("model=a%0Ab", "model"),
            ("since=yesterday", "since"),
            ("until=1700000000", "until"),
            ("since=2026-02-02&until=2026-02-01", "since"),
            ("success=yes", "success"),
            ("limit=0", "limit"),
            ("limit=-1", "limit"),
            ("limit=501", "limit"),
            ("limit=1000000000", "limit"),
            ("limit=1%3BDROP", "limit"),
            ("offset=-1", "offset"),
            ("offset=99999999999999999999", "offset"),
        ] {
            let error = read_all(query).expect_err(query);
            assert_eq!(error.code(), Code::InvalidParameter, "{query}");
            assert!(error.message().contains(named), "{query}: {}", error.message());
        }
    }

    #[test]
    fn the_values_are_read() {
        assert!(read_all("").is_ok());
        let query = Query::parse(
            Some("refId=a%20b&since=2026-01-01T00:00:00+01:00&success=false&limit=500"),
            ALL,
        )
        .expect("sound");
        assert_eq!(query.ref_id().expect("sound").expect("given").as_str(), "a b");
        assert_eq!(
            query.time("since").expect("sound").expect("given").to_string(),
            "2025-12-31T23:00:00.000Z"
        );
        assert_eq!(query.flag("success").expect("sound"), Some(false));
        assert_eq!((query.limit().expect("sound"), query.offset().expect("sound")), (500, 0));
    }
}
