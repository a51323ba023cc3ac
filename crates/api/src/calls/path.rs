//! Which paths are calls, and what they name.

use byok_domain::RefId;
use byok_providers::{Provider, Route};
use http::{HeaderMap, HeaderName, Method};

use crate::error::{ApiError, Code};

const PROVIDER: HeaderName = HeaderName::from_static("x-byo-provider");
const REF_ID: HeaderName = HeaderName::from_static("x-byo-ref-id");

/// The two families of hot routes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// `/proxy/{provider}/{operation}`.
    Envelope,
    /// `/v1/{path}`, `/anthropic/{path}`, ….
    DropIn,
}

/// A path that is a call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CallPath {
    /// Its family.
    pub kind: Kind,
    path: String,
    /// Where the project's id lies, in the form `/projects/{id}/…`.
    project: Option<(usize, usize)>,
    /// Where the family's name lies: `v1`, `anthropic`, … or `proxy`.
    family: (usize, usize),
    /// Where what follows it begins.
    rest: usize,
}

impl CallPath {
    /// Matches the path of a request; `None` when it belongs to the management routes.
    pub fn parse(path: &str) -> Option<Self> {
        let mut start = 0;
        let mut project = None;
        if let Some(scoped) = path.strip_prefix("/projects/") {
            let id = scoped.find('/')?;
            start = "/projects/".len() + id;
            project = Some(("/projects/".len(), start));
        }
        let (first, _) = path[start..].strip_prefix('/')?.split_once('/')?;
        let kind = match first {
            "proxy" => Kind::Envelope,
            _ if byok_providers::mounted(first).is_some() => Kind::DropIn,
            _ => return None,
        };
        let family = (start + 1, start + 1 + first.len());
        Some(Self { kind, path: path.to_owned(), project, family, rest: family.1 + 1 })
    }

    /// What follows `/v1/`, `/anthropic/`, … or `/proxy/`.
    pub fn rest(&self) -> &str {
        &self.path[self.rest..]
    }

    /// The family's name: `v1`, `anthropic`, … or `proxy`.
    pub(super) fn family(&self) -> &str {
        &self.path[self.family.0..self.family.1]
    }

    /// What comes before `/{path}`: what stands here for a provider's base URL.
    pub(super) fn mounted_at(&self) -> &str {
        &self.path[..self.family.1]
    }

    /// The project that the path names.
    pub fn project(&self) -> Option<&str> {
        self.project.map(|(from, to)| &self.path[from..to])
    }
}

/// The provider whose routes these are. On `/v1` the header `X-BYO-Provider` picks the
/// OpenAI-compatible endpoint of another one.
pub(super) fn drop_in_provider(
    path: &CallPath,
    headers: &HeaderMap,
) -> Result<&'static dyn Provider, ApiError> {
    let family = path.family();
    let own = byok_providers::mounted(family).ok_or_else(|| unknown_provider(family))?;
    let Some(name) = headers.get(&PROVIDER) else { return Ok(own) };
    let name = name.to_str().unwrap_or("?");
    let named = byok_providers::find(name).ok_or_else(|| unknown_provider(name))?;
    if family != "v1" {
        let same = named.id() == own.id();
        return same.then_some(own).ok_or_else(|| {
            ApiError::parameter(
                "X-BYO-Provider names another provider than the path; leave it out.",
            )
        });
    }
    named.compatible().ok_or_else(|| {
        let text = format!(
            "{} has no OpenAI-compatible endpoint; use its own routes under /{}.",
            named.display_name(),
            named.mount(),
        );
        ApiError::parameter(text)
    })
}

pub(super) fn envelope_provider(path: &CallPath) -> Result<&'static dyn Provider, ApiError> {
    let name = path.rest().split('/').next().unwrap_or_default();
    byok_providers::find(name).ok_or_else(|| unknown_provider(name))
}

fn unknown_provider(name: &str) -> ApiError {
    let known: Vec<_> = byok_providers::registry().iter().map(|p| p.id()).collect();
    let name: String = name.chars().filter(|c| !c.is_control()).take(40).collect();
    ApiError::new(
        Code::NotFound,
        format!("There is no provider `{name}`; use one of: {}.", known.join(", ")),
    )
}

pub(super) fn envelope_route(
    path: &CallPath,
    provider: &'static dyn Provider,
    method: &Method,
) -> Result<Route, ApiError> {
    let operation = path.rest().split_once('/').map_or("", |(_, operation)| operation);
    let route = provider.envelope(operation).ok_or_else(|| {
        ApiError::new(
            Code::NotFound,
            format!("{} has no such operation here; see /openapi.json.", provider.display_name()),
        )
    })?;
    super::is_post(method)?;
    Ok(route)
}

/// Refuses a path that can be read in two ways: whoever a stored object belongs to is judged by
/// what is read here, and the provider must not read another object's name.
///
/// Where a segment may hold encoded slashes, no part between them may be what no segment may be:
/// whoever decodes them on the way must not climb.
pub(super) fn unambiguous(path: &str, encoded_slashes: bool) -> Result<(), ApiError> {
    let plain = |segment: &str| match encoded_slashes {
        true => segment.split("%2F").flat_map(|part| part.split("%2f")).all(is_plain),
        false => is_plain(segment),
    };
    if path.split('/').all(plain) {
        return Ok(());
    }
    Err(ApiError::parameter(
        "The path has an empty or dot segment, or encodes what has to be written plainly; correct it.",
    ))
}

fn is_plain(segment: &str) -> bool {
    let mut parts = segment.split('%');
    let plain = parts.next().is_some_and(|first| !first.contains('\\'));
    plain
        && !matches!(segment, "" | "." | "..")
        && parts.all(|part| {
            let byte = part.get(..2).and_then(|hex| u8::from_str_radix(hex, 16).ok());
            let written_plainly =
                |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
            byte.is_some_and(|byte| {
                !written_plainly(byte) && !byte.is_ascii_control() && !b"/\\%".contains(&byte)
            }) && !part.contains('\\')
        })
}

/// The customer that the header names.
pub(super) fn ref_id(headers: &HeaderMap) -> Result<Option<RefId>, ApiError> {
    let mut values = headers.get_all(&REF_ID).iter();
    let Some(value) = values.next() else { return Ok(None) };
    if values.next().is_some() {
        // Which of them a proxy in between meant, nobody here can tell.
        return Err(ApiError::new(
            Code::InvalidRefId,
            "X-BYO-Ref-Id is there twice; send it once.",
        ));
    }
    let text = std::str::from_utf8(value.as_bytes()).map_err(|_| {
        ApiError::new(Code::InvalidRefId, "X-BYO-Ref-Id is not UTF-8; send a plain id.")
    })?;
    RefId::parse(text)
        .map(Some)
        .map_err(|error| ApiError::new(Code::InvalidRefId, format!("{error}.")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_two_families_are_calls() {
        for (path, expected) in [
            ("/v1/chat/completions", Some((Kind::DropIn, None, "chat/completions"))),
            ("/proxy/openai/responses", Some((Kind::Envelope, None, "openai/responses"))),
            ("/projects/p1/v1/models", Some((Kind::DropIn, Some("p1"), "models"))),
            ("/projects/p1/proxy/openai/x", Some((Kind::Envelope, Some("p1"), "openai/x"))),
            ("/v1", None),
            ("/v11/models", None),
            ("/projects/p1/usage", None),
            ("/projects/p1", None),
            ("/projects/v1/", None),
            ("/keys/connect", None),
        ] {
            let parsed = CallPath::parse(path);
            let seen = parsed.as_ref().map(|p| (p.kind, p.project(), p.rest()));
            assert_eq!(seen, expected, "{path}");
        }
    }

    #[test]
    fn a_path_that_a_provider_could_read_otherwise_is_refused() {
        for good in [
            "models",
            "models/ft:gpt-4o:org::id",
            "models/a%20b%C3%A9",
            "files/file-1/content",
            "models/ft%3Aa",
        ] {
            assert!(unambiguous(good, false).is_ok(), "{good}");
        }
        for bad in [
            "",
            "models/",
            "a//b",
            "./a",
            "a/..",
            "files%2Ffile-1",
            "%66iles/file-1",
            "files/file%2D1",
            "files/file%2d1",
            "files%5Cfile-1",
            "files\\file-1",
            "files/%2e%2e/x",
            "files/a%252Fb",
            "files/a%00b",
            "files/a%0d%0ab",
            "files/a%7Fb",
            "files/a%",
            "files/a%g1",
            "files/a%+1",
            "files/a%1",
        ] {
            assert!(unambiguous(bad, false).is_err(), "{bad}");
        }
    }

    #[test]
    fn an_encoded_slash_passes_where_a_model_has_one_and_hides_no_dot_segment() {
        for good in [
            "model/a.b-v1%3A0/converse",
            "model/arn%3Aaws%3Abedrock%3Aus-east-1%3A1%3Ainference-profile%2Fus.m-v1%3A0/invoke",
            "model/a%2fb/invoke",
        ] {
            assert!(unambiguous(good, true).is_ok(), "{good}");
        }
        for bad in [
            "model/..%2Fx/converse",
            "model/a%2F..%2Fb/converse",
            "model/a%2f../converse",
            "model/%2Fa/converse",
            "model/a%2F/converse",
            "model/a%2F%2Fb/converse",
            "model/a%2F./converse",
            "model/a%252Fb/converse",
            "model/a%2F%2e%2e/converse",
            "model/a%5C..%5Cb/converse",
            "model/a%0D%0A/converse",
            "model//converse",
        ] {
            assert!(unambiguous(bad, true).is_err(), "{bad}");
        }
        assert!(unambiguous("model/a%2Fb/converse", false).is_err());
    }
}
