//! What a call may cost, before it is made.

use crate::pricing::Prices;
use crate::{PicoUsd, Usage};

/// Output of a model whose row does not say how much it gives out at most.
const DEFAULT_OUTPUT: u64 = 4_096;
/// Bytes of a request that count as a token.
const BYTES_PER_TOKEN: u64 = 3;
/// Bytes in a millisecond of audio, as it is compressed the most among what providers take.
const BYTES_PER_AUDIO_MS: u64 = 4;

/// What is known of a call before it is made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Asked {
    /// Length of its body.
    pub bytes: u64,
    /// The most output tokens it asks for, if it says.
    pub max_tokens: Option<u64>,
    /// How many answers or images it asks for; 0 counts as one.
    pub choices: u32,
}

/// What a call may cost at `prices`: a third of its bytes as input tokens, and the most output that
/// it asks for or that the model gives out. `None` when the model's row has no price to tell by.
///
/// An audio, a text to speak or an image is counted by what its bytes may hold.
pub fn estimate(prices: &Prices, asked: Asked) -> Option<PicoUsd> {
    let choices = asked.choices.max(1);
    let most = prices.max_output();
    let each = match (asked.max_tokens, most) {
        (Some(asked), Some(most)) => asked.min(most),
        (one, other) => one.or(other).unwrap_or(DEFAULT_OUTPUT),
    };
    let output = each.saturating_mul(choices.into());
    let input = asked.bytes.div_ceil(BYTES_PER_TOKEN);
    let none = Usage::default();
    // What the row charges for shows by what it can tell the cost of. A model that gives out no
    // text (one of embeddings, say) has no price for output.
    [
        Usage { input, output, ..none },
        Usage { input, ..none },
        Usage { audio_millis: asked.bytes / BYTES_PER_AUDIO_MS, ..none },
        Usage { characters: asked.bytes, ..none },
        Usage { images_out: choices, ..none },
        Usage { pages: 1, ..none },
        Usage { search_units: 1, ..none },
    ]
    .iter()
    .find_map(|usage| prices.cost(usage))
}
