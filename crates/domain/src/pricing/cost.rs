//! What a call's usage costs by a row of prices.

use std::cell::Cell;
use std::sync::Arc;

use super::base::{Base, Unit};
use super::decimal::div_half_even;
use super::factor::Factor;
use super::field::{Field, Tier};
use super::prices::Prices;
use crate::usage::HostRegion;
use crate::{PicoUsd, Usage};

/// The sum is kept in fifths of an attodollar, since an hour's cache write that has no price of
/// its own costs 8/5 of a five minutes' one.
const FIFTHS: u128 = 5;
/// Fifths of an attodollar in a picodollar.
const PER_PICO: u128 = FIFTHS * 1_000_000;

/// What a call costs, and by which prices.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Priced {
    /// The cost.
    pub cost: PicoUsd,
    /// The prices that entered it, as a JSON object of the row's own fields:
    /// `{"input":2.5,"outputAbove272k":22.5}`. `None` when nothing was charged for. Calls of one
    /// row that are charged by the same prices share the text.
    pub unit_prices: Option<Arc<str>>,
}

impl Prices {
    /// What `usage` costs at these prices, exact, rounded once, half to even.
    ///
    /// Every token is charged once: audio, image, video and reasoning tokens at their own price where
    /// there is one, else at that of the input, output or cache they are part of. A prompt over a
    /// threshold is charged at the threshold's prices as a whole. A row that has prices of tokens
    /// charges by them when tokens are reported, else by seconds of audio, characters, pages or
    /// images; queries, searches and search units are charged beside either.
    ///
    /// `None` when a price that is needed is missing, when the row is one of zeros that mean
    /// "not known", when it charges for pieces (pages, queries, images) or seconds of video and none
    /// were counted, when the usage says that something was not counted, or when the cost is beyond what can be written (9 million USD).
    pub fn cost(&self, usage: &Usage) -> Option<PicoUsd> {
        self.sum(usage).map(|(cost, _)| cost)
    }

    /// As [`cost`](Self::cost), with the prices that entered it.
    pub fn price(&self, usage: &Usage) -> Option<Priced> {
        let (cost, used) = self.sum(usage)?;
        Some(Priced { cost, unit_prices: self.unit_prices(used) })
    }

    /// The cost, and which of the rates entered it, a bit each.
    fn sum(&self, usage: &Usage) -> Option<(PicoUsd, u128)> {
        let by_the_piece = self.charges_by_the_piece();
        let unknown = self.zero_priced || usage.unmeasured || self.charges_for_the_unseen(usage);
        if unknown || (by_the_piece && pieces(usage) == 0) {
            return None;
        }
        let bill = Bill {
            prices: self,
            input_total: usage.input_total(),
            tier: usage.tier.into(),
            used: Cell::new(0),
        };
        let fees = bill
            .line(usage.web_searches, &[Base::WebSearch])?
            .checked_add(bill.line(usage.maps_queries, &[Base::PerMapsQuery])?)?
            .checked_add(bill.line(usage.search_units.into(), &[Base::PerQuery])?)?;
        let factor = bill.factor(usage)?;
        let main = bill.main(usage, by_the_piece)?.checked_mul(factor.numerator)?;
        let sum = main.checked_add(fees.checked_mul(factor.denominator)?)?;
        let pico = div_half_even(sum, PER_PICO.checked_mul(factor.denominator)?, false);
        Some((PicoUsd::from_pico(i64::try_from(pico).ok()?), bill.used.get()))
    }

    /// Whether money is asked for seconds of video, which no answer tells, and the call may have
    /// taken some in: there is no other input that it is known to have been about.
    fn charges_for_the_unseen(&self, usage: &Usage) -> bool {
        let video =
            |(field, rate): &(Field, u64)| field.base == Base::PerInputVideoSecond && *rate > 0;
        (usage.input_total() == 0 || !self.has(Base::Input)) && self.rates.iter().any(video)
    }

    /// Whether money is asked for pieces (pages, queries, images) and for nothing else.
    fn charges_by_the_piece(&self) -> bool {
        let other = |base: Base| {
            base.unit() != Unit::Each
                || matches!(base, Base::PerInputSecond | Base::PerInputAudioSecond)
        };
        let mut charged = self
            .rates
            .iter()
            .filter(|(field, rate)| *rate > 0 && field.base.unit() != Unit::Factor)
            .map(|(field, _)| field.base);
        charged.clone().next().is_some() && !charged.any(other)
    }
}

/// What is counted beside tokens, seconds and characters.
fn pieces(usage: &Usage) -> u32 {
    usage.search_units.max(usage.images_in).max(usage.images_out).max(usage.pages)
}

/// A price in fifths of an attodollar for one unit, and its place in the row.
#[derive(Clone, Copy)]
struct Rate {
    fifths: u128,
    place: Option<usize>,
}

impl Rate {
    /// What is charged for under another name.
    const NOTHING: Self = Self { fifths: 0, place: None };
}

struct Bill<'a> {
    prices: &'a Prices,
    input_total: u64,
    tier: Tier,
    used: Cell<u128>,
}

impl Bill<'_> {
    /// Everything but fees for tools.
    fn main(&self, usage: &Usage, by_the_piece: bool) -> Option<u128> {
        let by_tokens = !by_the_piece
            && usage.total() > 0
            && [Base::Input, Base::Output].into_iter().any(|base| self.prices.has(base));
        if by_tokens {
            return self.tokens(usage)?.checked_add(self.images_in(usage)?);
        }
        let counted = usage.audio_millis.max(usage.characters).max(pieces(usage).into());
        if counted == 0 {
            return self.tokens(usage);
        }
        // A rate for a second is a whole number of thousands of attodollars.
        let millisecond = || {
            let second = self.rate(&[Base::PerInputSecond, Base::PerInputAudioSecond])?;
            Some(Rate { fifths: second.fifths / 1_000, ..second })
        };
        let made = match self.prices.mode() {
            Some("image_generation") => &[Base::PerOutputImage, Base::PerInputImage][..],
            _ => &[Base::PerOutputImage],
        };
        let page = if usage.annotated { Base::PerAnnotatedPage } else { Base::PerPage };
        total([
            self.charge(usage.audio_millis, millisecond)?,
            self.line(usage.characters, &[Base::InputChar])?,
            self.line(usage.pages.into(), &[page])?,
            self.line(usage.images_out.into(), made)?,
            self.images_in(usage)?,
        ])
    }

    /// Images by the piece, unless their tokens are what is charged.
    fn images_in(&self, usage: &Usage) -> Option<u128> {
        self.charge(usage.images_in.into(), || {
            let by_tokens = || self.prices.has(Base::ImageInput).then_some(Rate::NOTHING);
            self.rate(&[Base::PerInputImage]).or_else(by_tokens)
        })
    }

    fn tokens(&self, usage: &Usage) -> Option<u128> {
        self.input(usage)?.checked_add(self.output(usage)?)
    }

    fn input(&self, usage: &Usage) -> Option<u128> {
        let audio = usage.audio_input.min(usage.input);
        let image = usage.image_input.min(usage.input - audio);
        let video = usage.video_input.min(usage.input - audio - image);
        let text = usage.input - audio - image - video;

        let audio_read = usage.audio_cache_read.min(usage.cache_read);
        let image_read = usage.image_cache_read.min(usage.cache_read - audio_read);
        let text_read = usage.cache_read - audio_read - image_read;

        let hour = || {
            let written = || {
                let rate = self.rate(&[Base::CacheWrite])?;
                Some(Rate { fifths: rate.fifths / FIFTHS * 8, ..rate })
            };
            let own = self.rate(&[Base::CacheWrite1h]).or_else(written);
            own.or_else(|| self.rate(&[Base::Input]))
        };
        let half_day = || self.rate(&[Base::CacheWrite12h]).or_else(hour);
        total([
            self.line(text, &[Base::Input])?,
            self.line(audio, &[Base::AudioInput, Base::Input])?,
            self.line(image, &[Base::ImageInput, Base::Input])?,
            self.line(video, &[Base::VideoInput, Base::Input])?,
            self.line(text_read, &[Base::CacheRead, Base::Input])?,
            self.line(audio_read, &[Base::AudioCacheRead, Base::CacheRead, Base::Input])?,
            self.line(image_read, &[Base::ImageCacheRead, Base::CacheRead, Base::Input])?,
            self.line(usage.cache_write, &[Base::CacheWrite, Base::Input])?,
            self.charge(usage.cache_write_1h, hour)?,
            self.charge(usage.cache_write_12h, half_day)?,
        ])
    }

    fn output(&self, usage: &Usage) -> Option<u128> {
        use Base::{AudioOutput, ImageOutput, Output, Reasoning, VideoOutput};
        let audio = usage.audio_output.min(usage.output);
        let image = usage.image_output.min(usage.output - audio);
        let video = usage.video_output.min(usage.output - audio - image);
        let reasoning = usage.reasoning.min(usage.output - audio - image - video);
        let text = usage.output - audio - image - video - reasoning;
        // Models that only make images have no price for other output, and not all of their
        // answers say what kind of tokens they are made of.
        total([
            self.line(text, &[Output, ImageOutput])?,
            self.line(audio, &[AudioOutput, Output, ImageOutput])?,
            self.line(image, &[ImageOutput, Output])?,
            self.line(video, &[VideoOutput, Output, ImageOutput])?,
            self.line(reasoning, &[Reasoning, Output, ImageOutput])?,
        ])
    }

    /// What all but fees is multiplied by; `None` on a regional host that has no factor listed
    /// where others have.
    fn factor(&self, usage: &Usage) -> Option<Factor> {
        let regional = self.prices.has(Base::MultRegionEu) || self.prices.has(Base::MultRegionUs);
        if usage.region == HostRegion::Other && regional {
            return None;
        }
        [
            (usage.fast, Base::MultFast),
            (usage.us_only, Base::MultInferenceGeoUs),
            (usage.region == HostRegion::Eu, Base::MultRegionEu),
            (usage.region == HostRegion::Us, Base::MultRegionUs),
        ]
        .into_iter()
        .filter(|(applies, _)| *applies)
        .filter_map(|(_, base)| self.find(base))
        .try_fold(Factor::ONE, |factor, (place, scaled)| {
            self.mark(place);
            factor.times(scaled)
        })
    }

    fn find(&self, base: Base) -> Option<(usize, u64)> {
        self.prices.rate(base, self.input_total, self.tier)
    }

    /// The price of the first of these that has one.
    fn rate(&self, bases: &[Base]) -> Option<Rate> {
        bases.iter().find_map(|base| {
            let (place, scaled) = self.find(*base)?;
            let fifths = u128::from(scaled) * base.unit().atto_per_step() * FIFTHS;
            Some(Rate { fifths, place: Some(place) })
        })
    }

    /// `count` at the price of the first of these that has one.
    fn line(&self, count: u64, bases: &[Base]) -> Option<u128> {
        self.charge(count, || self.rate(bases))
    }

    /// `count` at `rate`, which is needed only for what there is some of.
    fn charge(&self, count: u64, rate: impl FnOnce() -> Option<Rate>) -> Option<u128> {
        if count == 0 {
            return Some(0);
        }
        let rate = rate()?;
        if let Some(place) = rate.place {
            self.mark(place);
        }
        rate.fifths.checked_mul(count.into())
    }

    fn mark(&self, place: usize) {
        self.used.set(self.used.get() | 1 << place);
    }
}

fn total<const N: usize>(lines: [u128; N]) -> Option<u128> {
    lines.into_iter().try_fold(0_u128, u128::checked_add)
}
