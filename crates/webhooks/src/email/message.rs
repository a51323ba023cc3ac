//! What a customer is told, in words.

use crate::notices::{About, Notice};

/// A message without its addresses.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Text {
    /// Its subject, one line.
    pub subject: String,
    /// For readers that show text.
    pub plain: String,
    /// For readers that show HTML.
    pub html: String,
}

impl Text {
    /// The message for a notice.
    pub fn of(notice: &Notice) -> Self {
        let product = line(&notice.project_name);
        let (subject, paragraphs) = match &notice.about {
            About::KeyInvalid { provider, key_hint } => {
                let (provider, hint) = (line(provider), line(key_hint));
                (
                    format!("{product}: your {provider} key no longer works"),
                    [
                        format!(
                            "{provider} no longer accepts the API key {hint} that you connected to \
                             {product}. It may have been revoked, or it has expired."
                        ),
                        format!(
                            "Make a new key at {provider} and connect it in {product}. Until then \
                             calls that need it fail, or are paid in another way."
                        ),
                    ],
                )
            }
            About::Fallback { provider, reason } => {
                let provider = line(provider);
                (
                    format!("{product}: your {provider} key was not used"),
                    [
                        format!(
                            "{product} paid for a call to {provider} with your credits, because {}.",
                            because(reason)
                        ),
                        format!(
                            "Look after your key at {provider}, or connect another one in {product}."
                        ),
                    ],
                )
            }
        };
        let why = format!("You get this message because you connected a key to {product}.");
        let plain = format!("{}\n\n{}\n\n--\n{why}\n", paragraphs[0], paragraphs[1]);
        let html = format!(
            "<!doctype html><html><body><p>{}</p><p>{}</p><p><small>{}</small></p></body></html>\n",
            escaped(&paragraphs[0]),
            escaped(&paragraphs[1]),
            escaped(&why)
        );
        Self { subject, plain, html }
    }
}

fn because(reason: &str) -> &'static str {
    match reason {
        "key_rejected" => "the provider did not accept your key",
        "quota_exhausted" => "the account behind your key has no quota or credit left",
        "provider_down" => "the provider could not be reached with your key",
        "circuit_open" => "calls with your key failed repeatedly",
        _ => "no working key of yours was there",
    }
}

/// Names that somebody chose, as part of one line.
fn line(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}

fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            c => escaped.push(c),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use byok_domain::{EventId, ProjectId, RefId};

    use super::*;

    fn notice(about: About) -> Notice {
        Notice {
            event: EventId::new("evt_1"),
            lease: 1,
            project: ProjectId::new("proj_1"),
            project_name: "Ac<me>\r\nBcc: x".into(),
            ref_id: RefId::parse("customer_1").expect("a refId"),
            about,
            tries: 0,
        }
    }

    #[test]
    fn a_rejected_key_is_told_of_by_its_hint() {
        let about = About::KeyInvalid { provider: "openai".into(), key_hint: "…abcd".into() };
        let text = Text::of(&notice(about));
        assert_eq!(text.subject, "Ac<me>  Bcc: x: your openai key no longer works");
        assert!(text.plain.contains("…abcd") && text.html.contains("…abcd"));
        assert!(text.html.contains("Ac&lt;me&gt;") && !text.html.contains("<me>"));
    }

    #[test]
    fn every_reason_of_a_fallback_has_its_words() {
        let told = |reason: &str| {
            Text::of(&notice(About::Fallback { provider: "openai".into(), reason: reason.into() }))
        };
        let reasons =
            ["key_rejected", "quota_exhausted", "provider_down", "circuit_open", "no_key"];
        let texts: std::collections::BTreeSet<_> =
            reasons.iter().map(|reason| told(reason).plain).collect();
        assert_eq!(texts.len(), reasons.len());
    }
}
