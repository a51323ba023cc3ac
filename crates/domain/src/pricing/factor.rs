//! A factor on prices as a reduced fraction, so that a product of a few stays small and exact.

use super::base::Unit;

/// `numerator / denominator`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Factor {
    pub(super) numerator: u128,
    pub(super) denominator: u128,
}

impl Factor {
    pub(super) const ONE: Self = Self { numerator: 1, denominator: 1 };

    /// Times a factor as a row keeps it; `None` when the product does not fit.
    pub(super) fn times(self, scaled: u64) -> Option<Self> {
        let one = 10_u128.pow(Unit::Factor.decimals());
        let numerator = self.numerator.checked_mul(scaled.into())?;
        let denominator = self.denominator.checked_mul(one)?;
        let common = common_divisor(numerator, denominator);
        Some(Self { numerator: numerator / common, denominator: denominator / common })
    }
}

fn common_divisor(mut a: u128, mut b: u128) -> u128 {
    while b != 0 {
        (a, b) = (b, a % b);
    }
    a
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn factors_multiply_and_stay_reduced() {
        let tenths = Factor::ONE.times(1_100_000_000_000).expect("small");
        assert_eq!(tenths, Factor { numerator: 11, denominator: 10 });
        let both = tenths.times(6_000_000_000_000).expect("small");
        assert_eq!(both, Factor { numerator: 33, denominator: 5 });
        assert_eq!(both.times(0), Some(Factor { numerator: 0, denominator: 1 }));
        let odd = Factor::ONE.times(1_123_456_789_013).and_then(|f| f.times(1_123_456_789_013));
        assert_eq!(odd.and_then(|f| f.times(1_123_456_789_013)).and_then(|f| f.times(7)), None);
    }
}
