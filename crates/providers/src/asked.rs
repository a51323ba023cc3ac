//! How much an answer a payload asks for, by the names that any of the providers has for it.

use serde::Deserialize;
use serde_json::value::RawValue;

/// How much is asked for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct AskedOutput {
    /// The most tokens, if it says.
    pub max_tokens: Option<u64>,
    /// How many answers, images or texts; 0 when it does not say.
    pub choices: u32,
}

#[derive(Deserialize)]
struct Fields<'a> {
    #[serde(borrow)]
    max_tokens: Option<&'a RawValue>,
    #[serde(borrow)]
    max_completion_tokens: Option<&'a RawValue>,
    #[serde(borrow)]
    max_output_tokens: Option<&'a RawValue>,
    #[serde(borrow)]
    n: Option<&'a RawValue>,
    #[serde(borrow, rename = "generationConfig", alias = "generation_config")]
    generation: Option<&'a RawValue>,
    #[serde(borrow, rename = "inferenceConfig")]
    inference: Option<&'a RawValue>,
}

/// What nests inside a configuration object, Google's or Bedrock's.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Nested {
    #[serde(alias = "maxOutputTokens", alias = "max_output_tokens")]
    #[serde(rename = "maxTokens")]
    max_tokens: Option<u64>,
    #[serde(rename = "candidateCount", alias = "candidate_count")]
    candidates: Option<u32>,
}

/// Reads it from a payload. What is no JSON object, or nonsense, says nothing.
pub fn asked_output(payload: &[u8]) -> AskedOutput {
    let Ok(fields) = serde_json::from_slice::<Fields<'_>>(payload) else {
        return AskedOutput::default();
    };
    let number = |raw: Option<&RawValue>| serde_json::from_str::<u64>(raw?.get()).ok();
    let nested = |raw: Option<&RawValue>| serde_json::from_str::<Nested>(raw?.get()).ok();
    let [generation, inference] =
        [fields.generation, fields.inference].map(|raw| nested(raw).unwrap_or_default());
    let plain = [fields.max_completion_tokens, fields.max_tokens, fields.max_output_tokens];
    let choices = number(fields.n).and_then(|n| u32::try_from(n).ok());
    AskedOutput {
        max_tokens: plain
            .into_iter()
            .find_map(number)
            .or(generation.max_tokens)
            .or(inference.max_tokens),
        choices: choices.or(generation.candidates).unwrap_or(0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_providers_word_for_the_most_output_is_read() {
        for (payload, max_tokens, choices) in [
            (r#"{"max_tokens":5,"n":2}"#, Some(5), 2),
            (r#"{"max_completion_tokens":6,"max_tokens":9}"#, Some(6), 0),
            (r#"{"max_output_tokens":7}"#, Some(7), 0),
            (r#"{"generationConfig":{"maxOutputTokens":8,"candidateCount":3}}"#, Some(8), 3),
            (r#"{"generation_config":{"max_output_tokens":8}}"#, Some(8), 0),
            (r#"{"inferenceConfig":{"maxTokens":9}}"#, Some(9), 0),
            (r#"{"max_tokens":null}"#, None, 0),
            (r#"{"max_tokens":-1,"n":"two"}"#, None, 0),
            (r#"{"generationConfig":7}"#, None, 0),
            ("[]", None, 0),
            ("", None, 0),
        ] {
            let expected = AskedOutput { max_tokens, choices };
            assert_eq!(asked_output(payload.as_bytes()), expected, "{payload}");
        }
    }
}
