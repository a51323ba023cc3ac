//! The fields of a request's JSON object: read one by one, everything wrong reported at once.

use std::fmt;

use byok_domain::{InvalidRefId, ProviderId, RefId, RequestId, Timestamp};
use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::Value;

use crate::error::{ApiError, Code, FieldError};

/// A JSON object of the caller's, in its own order, a name as often as it was sent.
struct Members(Vec<(String, Value)>);

impl<'de> Deserialize<'de> for Members {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Collect;
        impl<'de> Visitor<'de> for Collect {
            type Value = Members;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a JSON object")
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Members, A::Error> {
                let mut members = Vec::new();
                while let Some(member) = map.next_entry()? {
                    members.push(member);
                }
                Ok(Members(members))
            }
        }
        deserializer.deserialize_map(Collect)
    }
}

/// The object being read. Each reader takes its field out; [`finish`](Self::finish) then refuses
/// what nobody asked for, so that a misspelt field is never silently ignored.
pub(crate) struct Fields {
    members: Vec<(String, Value)>,
    known: Vec<&'static str>,
    errors: Vec<FieldError>,
}

impl Fields {
    /// Parses a request body.
    pub(crate) fn parse(json: &[u8]) -> Result<Self, ApiError> {
        let Members(members) = serde_json::from_slice(json).map_err(|error| {
            // serde's own text would quote the body, where a key may stand.
            ApiError::new(
                Code::InvalidJson,
                format!(
                    "The body must be one JSON object; it stops being one at line {}, column {}.",
                    error.line(),
                    error.column()
                ),
            )
        })?;
        Ok(Self { members, known: Vec::new(), errors: Vec::new() })
    }

    /// Notes that `field` is wrong.
    pub(crate) fn reject(&mut self, field: impl Into<String>, message: impl Into<String>) {
        self.errors.push(FieldError::new(field, message));
    }

    /// Takes a field out; `null` counts as absent.
    pub(crate) fn take(&mut self, name: &'static str) -> Option<Value> {
        self.known.push(name);
        let at = self.members.iter().position(|(member, _)| member == name)?;
        let (_, value) = self.members.remove(at);
        if self.members.iter().any(|(member, _)| member == name) {
            self.reject(name, "is given twice; send it once");
            self.members.retain(|(member, _)| member != name);
        }
        (!value.is_null()).then_some(value)
    }

    /// Whether the caller sends `null` for a field, which here takes something away.
    pub(crate) fn is_null(&self, name: &str) -> bool {
        self.members.iter().any(|(member, value)| member == name && value.is_null())
    }

    /// A whole number of at least 1, if given.
    pub(crate) fn positive(&mut self, name: &'static str, most: u64) -> Option<u64> {
        let value = self.take(name)?;
        let number = value.as_u64().filter(|number| (1..=most).contains(number));
        if number.is_none() {
            self.reject(name, format!("must be a whole number from 1 to {most}"));
        }
        number
    }

    /// A text, if given.
    pub(crate) fn text(&mut self, name: &'static str) -> Option<String> {
        match self.take(name)? {
            Value::String(text) if !text.contains('\0') => Some(text),
            Value::String(_) => {
                self.reject(name, "must not have a zero character");
                None
            }
            _ => {
                self.reject(name, "must be a string");
                None
            }
        }
    }

    /// A text for people to read: one line of 1 to 100 characters.
    pub(crate) fn line(&mut self, name: &'static str) -> Option<String> {
        let text = self.text(name)?;
        let sound = !text.trim().is_empty()
            && text.chars().count() <= 100
            && !text.chars().any(char::is_control);
        if !sound {
            self.reject(name, "must be one line of 1 to 100 characters");
        }
        sound.then_some(text)
    }

    /// What tells one of several keys from the others; empty when nothing is said.
    pub(crate) fn label(&mut self) -> String {
        let text = self.text("label").unwrap_or_default();
        if text.chars().count() > 100 || text.chars().any(char::is_control) || text.trim() != text {
            self.reject("label", "must be one line of at most 100 characters, blanks inside only");
        }
        text
    }

    /// `value`, which must be there unless its reader has already said what is wrong with it.
    pub(crate) fn required<T>(&mut self, name: &'static str, value: Option<T>) -> Option<T> {
        if value.is_none() && !self.errors.iter().any(|error| lies_in(&error.field, name)) {
            self.reject(name, "is missing; send it");
        }
        value
    }

    /// Refuses a change that changes nothing, in the name of `field`, unless something else is wrong.
    pub(crate) fn nothing_to_change(&mut self, field: &'static str) {
        if self.errors.is_empty() {
            let known = self.known.join(", ");
            self.reject(field, format!("is missing; send at least one of: {known}"));
        }
    }

    /// A truth value, if given.
    pub(crate) fn flag(&mut self, name: &'static str) -> Option<bool> {
        match self.take(name)? {
            Value::Bool(flag) => Some(flag),
            _ => {
                self.reject(name, "must be true or false");
                None
            }
        }
    }

    /// A moment, if given.
    pub(crate) fn time(&mut self, name: &'static str) -> Option<Timestamp> {
        let text = self.text(name)?;
        let time = Timestamp::parse(&text);
        if time.is_none() {
            self.reject(name, "must be an RFC 3339 time such as 2026-01-31T12:00:00Z, or a date");
        }
        time
    }

    /// A call, by its request id, if given.
    pub(crate) fn request_id(&mut self, name: &'static str) -> Option<RequestId> {
        let text = self.text(name)?;
        let id = RequestId::parse(&text);
        if id.is_none() {
            self.reject(name, "must be a request id, as in a call's x-request-id");
        }
        id
    }

    /// A whole number that fits an `i32`, if given.
    pub(crate) fn integer(&mut self, name: &'static str) -> Option<i32> {
        let value = self.take(name)?;
        let number = value.as_i64().and_then(|number| i32::try_from(number).ok());
        if number.is_none() {
            self.reject(name, "must be a whole number between -2147483648 and 2147483647");
        }
        number
    }

    /// One of a few texts, if given; `allowed` is how the message lists them.
    pub(crate) fn choice<T>(
        &mut self,
        name: &'static str,
        allowed: &str,
        parse: impl FnOnce(&str) -> Option<T>,
    ) -> Option<T> {
        let text = self.text(name)?;
        let value = parse(&text);
        if value.is_none() {
            self.reject(name, format!("must be one of: {allowed}"));
        }
        value
    }

    /// The provider, by a name that the registry knows.
    pub(crate) fn provider(&mut self) -> Option<ProviderId> {
        let provider = self.choice("provider", &providers(), |name| {
            byok_providers::find(name).map(|provider| ProviderId::new(provider.id()))
        });
        self.required("provider", provider)
    }

    /// The customer. Its absence has a code of its own, so this one error does not wait for others.
    pub(crate) fn ref_id(&mut self) -> Result<RefId, ApiError> {
        let text = match self.take("refId") {
            None => return Err(InvalidRefId::Empty.into()),
            Some(Value::String(text)) => text,
            Some(_) => {
                return Err(ApiError::new(
                    Code::InvalidRefId,
                    "refId must be a string; send the customer's id in your own system.",
                ));
            }
        };
        Ok(RefId::parse(&text)?)
    }

    /// Ends the reading: what was read, if nothing is wrong and nothing is left over. The parts
    /// are `None` only where a reader has noted why.
    pub(crate) fn finish<T>(mut self, parts: Option<T>) -> Result<T, ApiError> {
        let left: Vec<String> = self.members.drain(..).map(|(name, _)| name).collect();
        for name in left {
            let known = self.known.join(", ");
            let known = if known.is_empty() { "none".to_owned() } else { known };
            self.reject(name, format!("is unknown; the fields of this request are: {known}"));
        }
        match parts {
            Some(parts) if self.errors.is_empty() => Ok(parts),
            _ => Err(ApiError::fields(self.errors)),
        }
    }
}

/// Whether `path` is the field `name` or a part of it.
fn lies_in(path: &str, name: &str) -> bool {
    path.strip_prefix(name).is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '[']))
}

/// The names of all providers, as messages list them.
pub(crate) fn providers() -> String {
    let names: Vec<_> = byok_providers::registry().iter().map(|provider| provider.id()).collect();
    names.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(error: &ApiError) -> Vec<String> {
        let json: Value = serde_json::from_slice(&error.to_json("r")).expect("JSON");
        json["errors"]
            .as_array()
            .expect("field errors")
            .iter()
            .map(|error| error["field"].as_str().expect("a name").to_owned())
            .collect()
    }

    #[test]
    fn everything_wrong_is_named_at_once() {
        let mut fields = Fields::parse(
            br#"{"label": 1, "label": 2, "priority": 1.5, "requireValid": "yes", "lable": ""}"#,
        )
        .expect("an object");
        let name = fields.line("name");
        let name = fields.required("name", name);
        let _ = (fields.text("label"), fields.integer("priority"), fields.flag("requireValid"));
        let error = fields.finish(name).expect_err("nothing in it is right");
        assert_eq!(error.code(), Code::ValidationFailed);
        assert_eq!(names(&error), ["name", "label", "label", "priority", "requireValid", "lable"]);
    }

    #[test]
    fn null_is_absent() {
        let mut fields = Fields::parse(br#"{"label": null}"#).expect("an object");
        assert_eq!(fields.text("label"), None);
        assert!(fields.finish(Some(())).is_ok());
    }

    #[test]
    fn what_is_no_object_is_refused_without_quoting_it() {
        let long = "[".repeat(100_000);
        for body in ["", "[]", "null", "\"sk-canary\"", "{\"a\": sk-canary}", "{} {}", &long] {
            let Err(error) = Fields::parse(body.as_bytes()) else { panic!("parsed {body:.20}") };
            assert_eq!(error.code(), Code::InvalidJson, "{body:.20}");
            assert!(!error.message().contains("canary"), "{body:.20}");
        }
    }

    #[test]
    fn a_ref_id_that_is_missing_and_one_that_is_silly_have_codes_of_their_own() {
        for (body, code) in [
            ("{}", Code::MissingRefId),
            (r#"{"refId": null}"#, Code::MissingRefId),
            (r#"{"refId": ""}"#, Code::MissingRefId),
            (r#"{"refId": 7}"#, Code::InvalidRefId),
            (r#"{"refId": ["a"]}"#, Code::InvalidRefId),
            ("{\"refId\": \"a\\u0000b\"}", Code::InvalidRefId),
        ] {
            let error = Fields::parse(body.as_bytes()).expect("an object").ref_id();
            assert_eq!(error.expect_err(body).code(), code, "{body}");
        }
    }
}
