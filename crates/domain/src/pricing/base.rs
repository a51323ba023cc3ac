//! What prices are for, and in which unit each is written.

/// In which unit a price is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Unit {
    /// USD per 1,000,000 tokens or characters.
    Million,
    /// USD per 1,000 uses.
    Thousand,
    /// USD for one.
    Each,
    /// No money: a factor on token prices.
    Factor,
}

impl Unit {
    /// Decimals kept of the written number.
    ///
    /// 10⁻¹² USD per million is an attodollar (10⁻¹⁸ USD) a token; the finest published prices
    /// are those of a pixel, with 14 decimals of a dollar.
    pub(super) const fn decimals(self) -> u32 {
        match self {
            Self::Million | Self::Thousand | Self::Factor => 12,
            Self::Each => 15,
        }
    }

    /// The largest number that is still believed, as written.
    pub(super) const fn limit(self) -> u64 {
        match self {
            Self::Million | Self::Thousand => 1_000_000,
            Self::Each => 10_000,
            Self::Factor => 100,
        }
    }

    /// How many attodollars a unit costs for one step of the kept integer.
    pub(super) const fn atto_per_step(self) -> u128 {
        match self {
            Self::Million | Self::Factor => 1,
            Self::Thousand | Self::Each => 1_000,
        }
    }
}

macro_rules! bases {
    ($($(#[$doc:meta])* $variant:ident = $name:literal in $unit:ident;)+) => {
        /// What a price is for, in the order in which a row lists its prices.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Base {
            $($(#[$doc])* $variant,)+
        }

        impl Base {
            /// All of them.
            pub const ALL: &[Self] = &[$(Self::$variant),+];

            /// As written in tables and overrides.
            pub const fn name(self) -> &'static str {
                match self {
                    $(Self::$variant => $name,)+
                }
            }

            /// What the written number is USD for, as a person says it.
            pub const fn per(self) -> &'static str {
                match (self, self.unit()) {
                    (Self::InputChar | Self::OutputChar, _) => "1M characters",
                    (_, Unit::Million) => "1M tokens",
                    (_, Unit::Thousand) => "1,000",
                    (_, Unit::Each) => "one",
                    (_, Unit::Factor) => "(factor on tokens)",
                }
            }

            pub(super) const fn unit(self) -> Unit {
                match self {
                    $(Self::$variant => Unit::$unit,)+
                }
            }
        }
    };
}

bases! {
    /// Input tokens that no cache had to do with.
    Input = "input" in Million;
    /// Output tokens.
    Output = "output" in Million;
    /// Input tokens read from a cache.
    CacheRead = "cacheRead" in Million;
    /// Input tokens written to a cache of the default lifetime.
    CacheWrite = "cacheWrite" in Million;
    /// Input tokens written to a cache that lives an hour.
    CacheWrite1h = "cacheWrite1h" in Million;
    /// Input tokens written to a cache that lives twelve hours.
    CacheWrite12h = "cacheWrite12h" in Million;
    /// Reasoning tokens, where they cost other than output.
    Reasoning = "reasoning" in Million;
    /// Audio tokens of the input.
    AudioInput = "audioInput" in Million;
    /// Audio tokens of the output.
    AudioOutput = "audioOutput" in Million;
    /// Audio tokens read from a cache.
    AudioCacheRead = "audioCacheRead" in Million;
    /// Audio tokens written to a cache.
    AudioCacheWrite = "audioCacheWrite" in Million;
    /// Image tokens of the input.
    ImageInput = "imageInput" in Million;
    /// Image tokens of the output.
    ImageOutput = "imageOutput" in Million;
    /// Image tokens read from a cache.
    ImageCacheRead = "imageCacheRead" in Million;
    /// Video tokens of the input.
    VideoInput = "videoInput" in Million;
    /// Video tokens of the output.
    VideoOutput = "videoOutput" in Million;
    /// Citation tokens.
    Citation = "citation" in Million;
    /// Characters taken in.
    InputChar = "inputChar" in Million;
    /// Characters given out.
    OutputChar = "outputChar" in Million;
    /// A second of what is taken in.
    PerInputSecond = "perInputSecond" in Each;
    /// A second of what is given out.
    PerOutputSecond = "perOutputSecond" in Each;
    /// A second of audio taken in.
    PerInputAudioSecond = "perInputAudioSecond" in Each;
    /// A second of video taken in.
    PerInputVideoSecond = "perInputVideoSecond" in Each;
    /// A second of video given out.
    PerOutputVideoSecond = "perOutputVideoSecond" in Each;
    /// An image taken in (or, in rows named by size, one made).
    PerInputImage = "perInputImage" in Each;
    /// An image given out.
    PerOutputImage = "perOutputImage" in Each;
    /// A pixel taken in.
    PerInputPixel = "perInputPixel" in Each;
    /// A pixel given out.
    PerOutputPixel = "perOutputPixel" in Each;
    /// A page read.
    PerPage = "perPage" in Each;
    /// A page read and annotated.
    PerAnnotatedPage = "perAnnotatedPage" in Each;
    /// A search unit of a reranker.
    PerQuery = "perQuery" in Each;
    /// A query to the provider's maps.
    PerMapsQuery = "perMapsQuery" in Each;
    /// A session of the provider's code interpreter.
    PerCodeInterpreterSession = "perCodeInterpreterSession" in Each;
    /// Web searches by the provider's own tool.
    WebSearch = "webSearchPer1k" in Thousand;
    /// Factor for the provider's fast mode.
    MultFast = "multFast" in Factor;
    /// Factor for inference bound to the United States.
    MultInferenceGeoUs = "multInferenceGeoUS" in Factor;
    /// Factor on the provider's European host.
    MultRegionEu = "multRegionEU" in Factor;
    /// Factor on the provider's United States host.
    MultRegionUs = "multRegionUS" in Factor;
}
