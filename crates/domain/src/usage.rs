//! What a call used, in one form for all providers, and how it is read from an answer.

use serde::{Deserialize, Serialize};

use crate::call::ProviderObject;
use crate::{ErrorClass, PicoUsd};

/// Tokens and other billable units of one call, in disjoint buckets.
///
/// `input` is what was neither read from nor written to a cache; `reasoning` is inside `output`;
/// the audio, image and video counts are inside `input`, `output` and `cache_read`. A bucket that
/// the provider does not report is 0; a call whose usage is unknown has no `Usage` at all.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Usage {
    /// Input tokens at the full rate.
    #[serde(rename = "i", skip_serializing_if = "zero")]
    pub input: u64,
    /// Input tokens read from a cache.
    #[serde(rename = "cr", skip_serializing_if = "zero")]
    pub cache_read: u64,
    /// Input tokens written to a cache that lives five minutes (or the provider's default).
    #[serde(rename = "cw", skip_serializing_if = "zero")]
    pub cache_write: u64,
    /// Input tokens written to a cache that lives an hour.
    #[serde(rename = "cw1", skip_serializing_if = "zero")]
    pub cache_write_1h: u64,
    /// Input tokens written to a cache that lives twelve hours.
    #[serde(rename = "cw12", skip_serializing_if = "zero")]
    pub cache_write_12h: u64,
    /// Output tokens, reasoning included.
    #[serde(rename = "o", skip_serializing_if = "zero")]
    pub output: u64,
    /// Reasoning tokens, inside `output`.
    #[serde(rename = "r", skip_serializing_if = "zero")]
    pub reasoning: u64,
    /// Audio tokens inside `input`.
    #[serde(rename = "ai", skip_serializing_if = "zero")]
    pub audio_input: u64,
    /// Audio tokens inside `output`.
    #[serde(rename = "ao", skip_serializing_if = "zero")]
    pub audio_output: u64,
    /// Image tokens inside `input`.
    #[serde(rename = "ii", skip_serializing_if = "zero")]
    pub image_input: u64,
    /// Image tokens inside `output`.
    #[serde(rename = "io", skip_serializing_if = "zero")]
    pub image_output: u64,
    /// Video tokens inside `input`.
    #[serde(rename = "vi", skip_serializing_if = "zero")]
    pub video_input: u64,
    /// Video tokens inside `output`.
    #[serde(rename = "vo", skip_serializing_if = "zero")]
    pub video_output: u64,
    /// Audio tokens inside `cache_read`.
    #[serde(rename = "ac", skip_serializing_if = "zero")]
    pub audio_cache_read: u64,
    /// Image tokens inside `cache_read`.
    #[serde(rename = "ic", skip_serializing_if = "zero")]
    pub image_cache_read: u64,
    /// Milliseconds of audio transcribed, where the provider bills by time.
    #[serde(rename = "ms", skip_serializing_if = "zero")]
    pub audio_millis: u64,
    /// Characters spoken, where the provider bills by characters.
    #[serde(rename = "ch", skip_serializing_if = "zero")]
    pub characters: u64,
    /// Web searches made by the provider's own tool.
    #[serde(rename = "ws", skip_serializing_if = "zero")]
    pub web_searches: u64,
    /// Queries to the provider's maps, by its own tool.
    #[serde(rename = "mq", skip_serializing_if = "zero")]
    pub maps_queries: u64,
    /// Search units of a re-ranker.
    #[serde(rename = "su", skip_serializing_if = "none")]
    pub search_units: u32,
    /// Pages read, where the provider bills by the page.
    #[serde(rename = "pg", skip_serializing_if = "none")]
    pub pages: u32,
    /// Whether the pages were annotated too.
    #[serde(rename = "an", skip_serializing_if = "std::ops::Not::not")]
    pub annotated: bool,
    /// Images taken in, where the provider bills by the image.
    #[serde(rename = "ni", skip_serializing_if = "none")]
    pub images_in: u32,
    /// Images made, where the provider bills by the image.
    #[serde(rename = "no", skip_serializing_if = "none")]
    pub images_out: u32,
    /// Whether the provider says that it used its fast mode.
    #[serde(rename = "f", skip_serializing_if = "std::ops::Not::not")]
    pub fast: bool,
    /// Whether the provider says that it kept the inference in the United States.
    #[serde(rename = "us", skip_serializing_if = "std::ops::Not::not")]
    pub us_only: bool,
    /// The tier the provider says it served.
    #[serde(rename = "t", skip_serializing_if = "ServiceTier::is_standard")]
    pub tier: ServiceTier,
    /// Which of the provider's hosts served it, where that has a price.
    #[serde(rename = "rg", skip_serializing_if = "HostRegion::is_none")]
    pub region: HostRegion,
    /// Whether something that is charged for was used and not counted: such a call has no cost.
    #[serde(rename = "um", skip_serializing_if = "std::ops::Not::not")]
    pub unmeasured: bool,
}

/// The region that a provider's host is bound to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum HostRegion {
    /// None: the host for everybody.
    #[default]
    None,
    /// Europe.
    Eu,
    /// The United States.
    Us,
    /// Another one.
    Other,
}

impl HostRegion {
    fn is_none(&self) -> bool {
        *self == Self::None
    }
}

/// The service tier that the provider reports for an answer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ServiceTier {
    /// The list price.
    #[default]
    Standard,
    /// Slower and cheaper.
    Flex,
    /// Faster and dearer.
    Priority,
    /// Fastest and dearest.
    Ultrafast,
    /// Asynchronous batch.
    Batch,
}

impl ServiceTier {
    fn is_standard(&self) -> bool {
        *self == Self::Standard
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "the signature serde asks for")]
fn zero(value: &u64) -> bool {
    *value == 0
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "the signature serde asks for")]
fn none(value: &u32) -> bool {
    *value == 0
}

impl Usage {
    /// All input tokens: uncached, read from and written to caches.
    pub fn input_total(&self) -> u64 {
        self.input.saturating_add(self.cache_read).saturating_add(self.cache_write_total())
    }

    /// All tokens written to caches.
    pub fn cache_write_total(&self) -> u64 {
        self.cache_write.saturating_add(self.cache_write_1h).saturating_add(self.cache_write_12h)
    }

    /// Everything the provider bills as tokens.
    pub fn total(&self) -> u64 {
        self.input_total().saturating_add(self.output)
    }

    /// Whether it is told in tokens. One that is told in seconds, characters, pages or the like
    /// says nothing of tokens, not that there were none.
    pub fn is_in_tokens(&self) -> bool {
        let otherwise = self.audio_millis > 0
            || self.characters > 0
            || self.search_units > 0
            || self.pages > 0
            || self.images_in > 0
            || self.images_out > 0;
        self.total() > 0 || !otherwise
    }
}

/// Whether the end of the answer was in what has been read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Seen {
    /// More is to come.
    More,
    /// The event that clients take for the end was in this chunk.
    End,
}

/// What a stream has begun with, as far as it was read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Opening {
    /// Nothing yet that an answer is wanted for: that it begins, who speaks, that a text follows.
    Preamble,
    /// Content.
    Content,
    /// An error, before anything else of note.
    Failed(ErrorClass),
}

/// What an answer told of itself.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Findings {
    /// What it used; `None` when it did not say (or said nonsense).
    pub usage: Option<Usage>,
    /// Whether that is what a stream told at its beginning, before it had made anything.
    pub preliminary: bool,
    /// What the provider says that it charged, where its word is better than a list's.
    pub cost: Option<PicoUsd>,
    /// The model it names.
    pub model: Option<String>,
    /// The id of the stored object it made (file, batch), if it made one.
    pub object_id: Option<String>,
    /// The class of an error inside an answer of status 200.
    pub error: Option<ErrorClass>,
    /// Events with data that a stream carried: about as many as it carried tokens.
    pub events: u64,
    /// Whether a stream reached its own end marker; always true for answers that have none.
    pub complete: bool,
}

/// Reads an answer as it passes, in constant memory, without changing or delaying it.
///
/// Implemented per provider, driven by the metering tap.
pub trait AnswerReader: Send {
    /// Takes the next bytes of the body, cut anywhere.
    fn read(&mut self, chunk: &[u8]) -> Seen;

    /// What was found once all bytes were read, or as much as there was when it broke off.
    fn finish(&mut self) -> Findings;

    /// What the answer has begun with. Only streams of events begin with anything but content.
    fn opening(&self) -> Opening {
        Opening::Content
    }

    /// Stored objects that the answer named as its customer's, once [`finish`](Self::finish) has
    /// told the rest; none in most answers.
    fn objects(&mut self) -> Vec<ProviderObject> {
        Vec::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_told_in_other_units_says_nothing_of_tokens_unless_it_tells_them_too() {
        let none = Usage::default();
        for (usage, expected) in [
            (none, true),
            (Usage { output: 1, ..none }, true),
            (Usage { cache_write_1h: 1, ..none }, true),
            (Usage { audio_millis: 9_000, ..none }, false),
            (Usage { characters: 12, ..none }, false),
            (Usage { search_units: 1, ..none }, false),
            (Usage { pages: 3, ..none }, false),
            (Usage { images_in: 1, ..none }, false),
            (Usage { images_out: 1, ..none }, false),
            (Usage { images_out: 1, input: 4, ..none }, true),
            (Usage { web_searches: 1, ..none }, true),
        ] {
            assert_eq!(usage.is_in_tokens(), expected, "{usage:?}");
        }
    }
}
