//! Usage as Cohere writes it: floats, and what is billed beside what was processed.

use byok_domain::Usage;
use serde::Deserialize;

use crate::wire_usage::Count;

#[derive(Default, Deserialize)]
#[serde(default)]
struct Report {
    billed_units: Option<Units>,
    tokens: Option<Units>,
}

#[derive(Clone, Copy, Default, Deserialize)]
#[serde(default)]
struct Units {
    input_tokens: Count,
    output_tokens: Count,
    text_tokens: Count,
    image_tokens: Count,
    search_units: Count,
    images: Count,
    pages: Count,
}

impl Units {
    fn usage(self) -> Option<Usage> {
        let counts = [
            self.input_tokens,
            self.output_tokens,
            self.text_tokens,
            self.image_tokens,
            self.search_units,
            self.images,
            self.pages,
        ];
        let told = counts.iter().any(|count| matches!(count, Count::Of(_)));
        if counts.contains(&Count::Nonsense) || !told {
            return None;
        }
        let image = self.image_tokens.or_zero();
        // Whether the input count holds the images is not said: the larger reading of two.
        let parts = self.text_tokens.or_zero().saturating_add(image);
        Some(Usage {
            input: self.input_tokens.or_zero().max(parts),
            image_input: image,
            output: self.output_tokens.or_zero(),
            search_units: pieces(self.search_units),
            images_in: pieces(self.images),
            pages: pieces(self.pages),
            ..Usage::default()
        })
    }
}

fn pieces(count: Count) -> u32 {
    u32::try_from(count.or_zero()).unwrap_or(u32::MAX)
}

/// Reads a `usage` object (version 2 of chat) or a `meta` object (everything else).
///
/// What is billed counts: `tokens` holds Cohere's own templates too, which nobody pays for.
pub(super) fn usage(object: &[u8]) -> Option<Usage> {
    let report: Report = serde_json::from_slice(object).ok()?;
    match report.billed_units {
        Some(billed) => billed.usage(),
        None => report.tokens?.usage(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_billed_counts() {
        for (wire, input, image, output) in [
            (
                r#"{"billed_units":{"input_tokens":8.0,"output_tokens":20},"tokens":{"input_tokens":74,"output_tokens":20},"cached_tokens":64}"#,
                8,
                0,
                20,
            ),
            (r#"{"tokens":{"input_tokens":74,"output_tokens":20.0}}"#, 74, 0, 20),
            (r#"{"api_version":{"version":"2"},"billed_units":{"input_tokens":5}}"#, 5, 0, 0),
            (r#"{"billed_units":{"images":1,"image_tokens":258}}"#, 258, 258, 0),
            (
                r#"{"billed_units":{"text_tokens":4,"image_tokens":258,"input_tokens":262}}"#,
                262,
                258,
                0,
            ),
        ] {
            let usage = usage(wire.as_bytes()).unwrap_or_else(|| panic!("{wire}"));
            assert_eq!((usage.input, usage.image_input, usage.output), (input, image, output));
        }
    }

    #[test]
    fn what_is_no_token_is_counted_by_the_piece() {
        for (wire, expected) in [
            (r#"{"billed_units":{"search_units":2.0}}"#, (2, 0, 0)),
            (r#"{"billed_units":{"images":3}}"#, (0, 3, 0)),
            (r#"{"billed_units":{"pages":4}}"#, (0, 0, 4)),
        ] {
            let usage = usage(wire.as_bytes()).unwrap_or_else(|| panic!("{wire}"));
            assert_eq!((usage.search_units, usage.images_in, usage.pages), expected, "{wire}");
            assert_eq!(usage.total(), 0, "{wire}");
        }
    }

    #[test]
    fn nonsense_and_what_was_not_counted_is_unknown() {
        for wire in [
            "{}",
            "null",
            "7",
            r#"{"api_version":{"version":"1"}}"#,
            r#"{"billed_units":{"search_units":-1}}"#,
            r#"{"billed_units":{"classifications":1}}"#,
            r#"{"billed_units":{"input_tokens":-1,"output_tokens":1}}"#,
            r#"{"billed_units":{"input_tokens":1.5}}"#,
            r#"{"billed_units":{"input_tokens":1e300}}"#,
            r#"{"billed_units":{"input_tokens":"8"}}"#,
            r#"{"billed_units":{"input_tokens":1,"input_tokens":2}}"#,
        ] {
            assert_eq!(usage(wire.as_bytes()), None, "{wire}");
        }
    }
}
