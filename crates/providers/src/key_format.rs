//! Whose key a text looks like.

use byok_vault::ProviderSecret;

/// How keys of a kind begin, whose they are, and under which provider they are connected. The
/// longer of two beginnings stands first.
const BEGINNINGS: [(&str, &str, &str); 14] = [
    ("byo_", "BYOK", ""),
    ("sk-ant-", "Anthropic", "anthropic"),
    ("sk-or-", "OpenRouter", "openrouter"),
    ("sk-proj-", "OpenAI", "openai"),
    ("sk-svcacct-", "OpenAI", "openai"),
    ("AIza", "Google AI Studio", "google"),
    ("AQ.", "Google AI Studio", "google"),
    ("ABSK", "Bedrock", "bedrock"),
    ("bedrock-api-key-", "Bedrock", "bedrock"),
    ("AKIA", "AWS", "bedrock"),
    ("ASIA", "AWS", "bedrock"),
    ("gsk_", "Groq", "groq"),
    ("xai-", "xAI", "xai"),
    ("fw_", "Fireworks", "fireworks"),
];

/// A sentence for somebody whose key was rejected at `provider` and looks like a key of another
/// kind; `None` when it does not.
///
/// Providers change how their keys begin: this explains a rejection and never makes one.
pub fn misplaced(provider: &str, secret: &ProviderSecret) -> Option<String> {
    let (_, whose, place) = BEGINNINGS.iter().find(|(start, ..)| secret.starts_with(start))?;
    match *place {
        "" => Some("It is a key of this service; send the one that the provider issued.".into()),
        place if *whose == "AWS" => Some(format!(
            "It looks like an AWS access key id; send the secret access key, and the id as \
             providerConfig.accessKeyId of {place}."
        )),
        place if place == provider => None,
        place => Some(format!("It looks like a key of {whose}; connect it as {place}.")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_of_another_kind_is_named_and_one_in_its_place_is_not() {
        for (provider, key, says) in [
            ("openai", "sk-ant-api03-0123456789", Some("connect it as anthropic")),
            ("anthropic", "sk-proj-0123456789abcdef", Some("connect it as openai")),
            ("openai", "AIzaSy0123456789abcdef", Some("connect it as google")),
            ("openai", "gsk_0123456789abcdef", Some("connect it as groq")),
            ("anthropic", "sk-or-v1-0123456789", Some("connect it as openrouter")),
            ("bedrock", "AKIA0123456789ABCDEF", Some("accessKeyId")),
            ("bedrock", "ASIA0123456789ABCDEF", Some("accessKeyId")),
            ("openai", "byo_sk_live_0123456789", Some("key of this service")),
            ("openai", "sk-proj-0123456789abcdef", None),
            ("anthropic", "sk-ant-api03-0123456789", None),
            ("google", "AQ.0123456789", None),
            ("mistral", "0123456789abcdef0123456789abcdef", None),
        ] {
            let secret = ProviderSecret::parse(key.to_owned()).expect("a key");
            let said = misplaced(provider, &secret);
            match says {
                Some(part) => {
                    assert!(said.as_deref().is_some_and(|s| s.contains(part)), "{said:?}")
                }
                None => assert_eq!(said, None, "{provider} {key}"),
            }
            assert!(!said.unwrap_or_default().contains("0123"), "nothing of the key is told");
        }
    }
}
