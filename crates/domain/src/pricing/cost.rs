//! What a call's usage costs by a row of prices.

use super::base::{Base, Unit};
use super::decimal::div_half_even;
use super::field::Tier;
use super::prices::Prices;
use crate::{PicoUsd, Usage};

/// The sum is kept in fifths of an attodollar, since an hour's cache write that has no price of
/// its own costs 8/5 of a five minutes' one.
const FIFTHS: u128 = 5;
/// Fifths of an attodollar in a picodollar.
const PER_PICO: u128 = FIFTHS * 1_000_000;

impl Prices {
    /// What `usage` costs at these prices, exact, rounded once, half to even.
    ///
    /// Every token is charged once: audio, image and reasoning tokens at their own price where
    /// there is one, else at that of the input or output they are part of. A prompt over a
    /// threshold is charged at the threshold's prices as a whole. A row that has prices of tokens
    /// charges by them when tokens are reported, else by seconds of audio or by characters.
    ///
    /// `None` when a price that is needed is missing, when the row is one of zeros that mean
    /// "not known", when it charges by the page, query or image, which no usage counts yet, or
    /// when the cost is beyond what can be written (9 million USD).
    pub fn cost(&self, usage: &Usage) -> Option<PicoUsd> {
        if self.zero_priced || self.charges_by_the_piece() {
            return None;
        }
        let bill = Bill { prices: self, input_total: usage.input_total(), tier: usage.tier.into() };
        let searches = bill.line(usage.web_searches, bill.rate(Base::WebSearch))?;
        let sum = bill.main(usage)?.checked_add(searches)?;
        let pico = div_half_even(sum, PER_PICO, false);
        i64::try_from(pico).ok().map(PicoUsd::from_pico)
    }
}

impl Prices {
    /// Whether money is asked for pieces (pages, queries, images) and for nothing else.
    fn charges_by_the_piece(&self) -> bool {
        let counted = |base: Base| {
            base.unit() != Unit::Each
                || matches!(base, Base::PerInputSecond | Base::PerInputAudioSecond)
        };
        let mut charged =
            self.rates.iter().filter(|(_, rate)| *rate > 0).map(|(field, _)| field.base);
        charged.clone().next().is_some() && !charged.any(counted)
    }
}

/// A price in attodollars for one unit.
type Atto = u128;

struct Bill<'a> {
    prices: &'a Prices,
    input_total: u64,
    tier: Tier,
}

impl Bill<'_> {
    /// Everything but fees for tools.
    fn main(&self, usage: &Usage) -> Option<u128> {
        let by_tokens = usage.total() > 0
            && [Base::Input, Base::Output].into_iter().any(|base| self.prices.has(base));
        if by_tokens {
            return self.tokens(usage);
        }
        let second =
            self.rate(Base::PerInputSecond).or_else(|| self.rate(Base::PerInputAudioSecond));
        let character = self.rate(Base::InputChar);
        match (usage.audio_millis > 0, usage.characters > 0) {
            (true, false) => self.thousandths(usage.audio_millis, second),
            (false, true) => self.line(usage.characters, character),
            (true, true) => self
                .thousandths(usage.audio_millis, second)?
                .checked_add(self.line(usage.characters, character)?),
            (false, false) => self.tokens(usage),
        }
    }

    fn tokens(&self, usage: &Usage) -> Option<u128> {
        self.input(usage)?.checked_add(self.output(usage)?)
    }

    fn input(&self, usage: &Usage) -> Option<u128> {
        let input = self.rate(Base::Input);
        let audio = usage.audio_input.min(usage.input);
        let image = usage.image_input.min(usage.input - audio);
        let text = usage.input - audio - image;

        let read = self.rate(Base::CacheRead).or(input);
        let written = self.rate(Base::CacheWrite);
        let hour = self.fifths(Base::CacheWrite1h).or_else(|| {
            let derived = written.map(|rate| rate * 8);
            derived.or_else(|| input.map(|rate| rate * FIFTHS))
        });
        let half_day = self.fifths(Base::CacheWrite12h).or(hour);
        total([
            self.line(text, input)?,
            self.line(audio, self.rate(Base::AudioInput).or(input))?,
            self.line(image, self.rate(Base::ImageInput).or(input))?,
            self.line(usage.cache_read, read)?,
            self.line(usage.cache_write, written.or(input))?,
            in_fifths(usage.cache_write_1h, hour)?,
            in_fifths(usage.cache_write_12h, half_day)?,
        ])
    }

    fn output(&self, usage: &Usage) -> Option<u128> {
        let image_rate = self.rate(Base::ImageOutput);
        // Models that only make images have no price for other output, and not all of their
        // answers say what kind of tokens they are made of.
        let output = self.rate(Base::Output).or(image_rate);
        let audio = usage.audio_output.min(usage.output);
        let image = usage.image_output.min(usage.output - audio);
        let reasoning = usage.reasoning.min(usage.output - audio - image);
        let text = usage.output - audio - image - reasoning;
        total([
            self.line(text, output)?,
            self.line(audio, self.rate(Base::AudioOutput).or(output))?,
            self.line(image, image_rate.or(output))?,
            self.line(reasoning, self.rate(Base::Reasoning).or(output))?,
        ])
    }

    /// Attodollars for one unit of `base`.
    fn rate(&self, base: Base) -> Option<Atto> {
        let scaled = self.prices.rate(base, self.input_total, self.tier)?;
        Some(u128::from(scaled) * base.unit().atto_per_step())
    }

    /// Fifths of an attodollar for one unit of `base`.
    fn fifths(&self, base: Base) -> Option<u128> {
        Some(self.rate(base)? * FIFTHS)
    }

    /// `count` at `rate`, in fifths.
    fn line(&self, count: u64, rate: Option<Atto>) -> Option<u128> {
        in_fifths(count, rate.map(|rate| rate * FIFTHS))
    }

    /// As [`line`](Self::line), for thousandths of the unit that the rate is for.
    fn thousandths(&self, count: u64, rate: Option<Atto>) -> Option<u128> {
        // A rate for a second is a whole number of thousands of attodollars.
        self.line(count, rate.map(|rate| rate / 1_000))
    }
}

/// A rate is needed only for what there is some of.
fn in_fifths(count: u64, fifths: Option<u128>) -> Option<u128> {
    if count == 0 { Some(0) } else { fifths?.checked_mul(count.into()) }
}

fn total<const N: usize>(lines: [u128; N]) -> Option<u128> {
    lines.into_iter().try_fold(0_u128, u128::checked_add)
}
