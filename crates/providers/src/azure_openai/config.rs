//! What a key of Azure's says beside itself: the resource, a deployment, a version of the API.

use byok_domain::{FieldError, ProviderConfig};

use crate::config_fields;

/// The version that is called where the key names none: the newest stable one of the API that has
/// deployments in its paths.
pub(super) const API_VERSION: &str = "2024-10-21";

const FIELDS: [&str; 3] = ["baseUrl", "deploymentName", "apiVersion"];
const EXAMPLE: &str = "https://YOUR-RESOURCE.openai.azure.com";

pub(super) fn check(config: &ProviderConfig) -> Vec<FieldError> {
    let mut errors = config_fields::unknown(config, "azure-openai", &FIELDS);
    let mut wrong = |field: &str, message: String| {
        errors.push(FieldError::new(format!("providerConfig.{field}"), message));
    };
    if config.base_url().is_none_or(str::is_empty) {
        wrong("baseUrl", format!("is needed: the endpoint of the resource, such as {EXAMPLE}"));
    }
    match config.get("deploymentName") {
        None => wrong(
            "deploymentName",
            "is needed: the name of a deployment, as Azure shows it".to_owned(),
        ),
        Some(name) if !is_label(name) => wrong(
            "deploymentName",
            "must be 1 to 64 letters, digits, `-`, `_` or `.`, as Azure shows it".to_owned(),
        ),
        Some(_) => {}
    }
    if config.get("apiVersion").is_some_and(|version| !is_version(version)) {
        wrong("apiVersion", format!("must be a date such as {API_VERSION}, or one with -preview"));
    }
    errors.extend(config_fields::base_url_too_long(config, &["/openai/v1", "/openai"], EXAMPLE));
    errors
}

/// What the hosts of resources end in. Microsoft gives these names out: none leads elsewhere.
const RESOURCES: [&str; 3] =
    [".openai.azure.com", ".cognitiveservices.azure.com", ".services.ai.azure.com"];

/// Whether a host is that of a resource.
pub(super) fn is_microsofts(host: &str) -> bool {
    let host = host.to_ascii_lowercase();
    RESOURCES.iter().any(|end| host.len() > end.len() && host.ends_with(end))
}

fn is_label(text: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
    (1..=64).contains(&text.len()) && text.bytes().all(plain) && !matches!(text, "." | "..")
}

/// `2024-10-21`, `2025-04-01-preview`.
fn is_version(text: &str) -> bool {
    let date = text.strip_suffix("-preview").unwrap_or(text).as_bytes();
    date.len() == 10
        && date.iter().enumerate().all(|(at, byte)| match at {
            4 | 7 => *byte == b'-',
            _ => byte.is_ascii_digit(),
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: [(&str, &str); 2] =
        [("baseUrl", "https://acme.openai.azure.com"), ("deploymentName", "gpt-4o_prod.1")];

    fn errors(changed: &[(&str, Option<&str>)]) -> Vec<String> {
        let mut config = ProviderConfig::default();
        for (field, value) in GOOD {
            if changed.iter().all(|(name, _)| *name != field) {
                config.set(field, value);
            }
        }
        for (field, value) in changed {
            if let Some(value) = value {
                config.set(field, *value);
            }
        }
        check(&config).into_iter().map(|error| error.field).collect()
    }

    #[test]
    fn a_resource_is_known_by_the_end_of_its_host() {
        for (host, expected) in [
            ("acme.openai.azure.com", true),
            ("ACME.OpenAI.Azure.com", true),
            ("acme.cognitiveservices.azure.com", true),
            ("acme-eu.services.ai.azure.com", true),
            ("openai.azure.com", false),
            (".openai.azure.com", false),
            ("acmeopenai.azure.com", false),
            ("acme.openai.azure.com.evil.example", false),
            ("acme.azure-api.net", false),
            ("acme.openai.azure.us", false),
            ("gateway.example", false),
            ("127.0.0.1", false),
            ("", false),
        ] {
            assert_eq!(is_microsofts(host), expected, "{host}");
        }
    }

    #[test]
    fn each_wrong_field_is_named() {
        assert_eq!(errors(&[]), [""; 0]);
        let long = "x".repeat(65);
        for (field, value, wrong) in [
            ("baseUrl", None, true),
            ("baseUrl", Some("https://acme.openai.azure.com/openai/v1/"), true),
            ("baseUrl", Some("https://acme.openai.azure.com/openai"), true),
            ("baseUrl", Some("https://gateway.example/azure"), false),
            ("deploymentName", None, true),
            ("deploymentName", Some(""), true),
            ("deploymentName", Some("../x"), true),
            ("deploymentName", Some(".."), true),
            ("deploymentName", Some("a b"), true),
            ("deploymentName", Some(long.as_str()), true),
            ("apiVersion", Some("2024-10-21"), false),
            ("apiVersion", Some("2025-04-01-preview"), false),
            ("apiVersion", Some("latest"), true),
            ("apiVersion", Some("2024-10-21&x=1"), true),
            ("apiVersion", Some(""), true),
            ("region", Some("eastus"), true),
        ] {
            let expected = vec![format!("providerConfig.{field}"); usize::from(wrong)];
            assert_eq!(errors(&[(field, value)]), expected, "{field} {value:?}");
        }
        let none = check(&ProviderConfig::default());
        assert_eq!(none.len(), 2, "baseUrl and deploymentName");
    }
}
