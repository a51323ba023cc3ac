//! Parts of a JSON body that are read without being copied: what they say, and where they lie.

use std::borrow::Cow;
use std::ops::Range;

use serde::Deserialize;
use serde_json::value::RawValue;

use crate::provider::PayloadError;

/// A body that is one JSON object, read for the fields of `T`.
///
/// # Errors
/// [`PayloadError::NotAnObject`] for anything else. (serde alone takes an array for a struct.)
pub(crate) fn object<'a, T: Deserialize<'a>>(body: &'a [u8]) -> Result<T, PayloadError> {
    if body.iter().find(|b| !b.is_ascii_whitespace()) != Some(&b'{') {
        return Err(PayloadError::NotAnObject("it does not start with `{`".to_owned()));
    }
    serde_json::from_slice(body).map_err(|error| PayloadError::NotAnObject(error.to_string()))
}

/// The text of a field, if it is there and a text.
pub(crate) fn text(raw: Option<&RawValue>) -> Option<Cow<'_, str>> {
    let raw = raw?.get();
    if let Ok(borrowed) = serde_json::from_str::<&str>(raw) {
        return Some(Cow::Borrowed(borrowed));
    }
    serde_json::from_str::<String>(raw).ok().map(Cow::Owned)
}

/// Where a part that was borrowed from `body` lies in it.
pub(crate) fn span(body: &[u8], part: &str) -> Range<usize> {
    let start = part.as_ptr() as usize - body.as_ptr() as usize;
    start..start + part.len()
}

/// Where the member with that value, which was borrowed from `body`, lies in it, together with one
/// of the commas around it. Its name is one of ours and so holds no quote.
pub(crate) fn member(body: &[u8], value: &str) -> Range<usize> {
    let Range { start, end } = span(body, value);
    let quote = |before: usize| body[..before].iter().rposition(|b| *b == b'"').unwrap_or(0);
    let name = quote(quote(start));
    let after = body[end..].iter().position(|b| !b.is_ascii_whitespace()).map(|at| end + at);
    if let Some(comma) = after.filter(|at| body[*at] == b',') {
        return name..comma + 1;
    }
    let before = body[..name].iter().rposition(|b| !b.is_ascii_whitespace());
    match before.filter(|at| body[*at] == b',') {
        Some(comma) => comma..end,
        None => name..end,
    }
}
