//! What most providers check of a key's configuration.

use byok_domain::{FieldError, ProviderConfig};

/// An error for each field that is not among `known`.
pub(crate) fn unknown(
    config: &ProviderConfig,
    provider: &str,
    known: &'static [&'static str],
) -> Vec<FieldError> {
    let listed = match known {
        [] => String::new(),
        [one] => (*one).to_owned(),
        [first @ .., last] => format!("{} or {last}", first.join(", ")),
    };
    config
        .iter()
        .filter(|(field, _)| !known.contains(field))
        .map(|(field, _)| {
            FieldError::new(
                format!("providerConfig.{field}"),
                format!("is not a field of {provider}; use {listed}"),
            )
        })
        .collect()
}

/// An error when `baseUrl` goes on into the part of the path that calls bring along themselves.
pub(crate) fn base_url_too_long(
    config: &ProviderConfig,
    endings: &[&str],
    example: &str,
) -> Option<FieldError> {
    let url = config.base_url()?.trim_end_matches('/');
    let ending = endings.iter().find(|ending| url.ends_with(*ending))?;
    let message = format!("leave `{ending}` out, as in {example}; calls bring it along");
    Some(FieldError::new("providerConfig.baseUrl", message))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unknown_fields_are_named_and_the_known_ones_told() {
        let mut config = ProviderConfig::default();
        config.set("baseUrl", "https://x.example");
        config.set("region", "eu");
        let errors = unknown(&config, "acme", &["baseUrl", "site"]);
        assert_eq!(errors.len(), 1);
        assert_eq!(errors[0].field, "providerConfig.region");
        assert_eq!(errors[0].message, "is not a field of acme; use baseUrl or site");
    }

    #[test]
    fn a_base_url_ends_before_the_path_of_calls() {
        for (url, wrong) in [
            ("https://api.example/v1", true),
            ("https://api.example/v1/", true),
            ("https://api.example/", false),
            ("https://api.example/v1/proxy", false),
        ] {
            let mut config = ProviderConfig::default();
            config.set("baseUrl", url);
            let error = base_url_too_long(&config, &["/v1"], "https://api.example");
            assert_eq!(error.is_some(), wrong, "{url}");
        }
        let none = ProviderConfig::default();
        assert!(base_url_too_long(&none, &["/v1"], "https://api.example").is_none());
    }
}
