//! Exact arithmetic for tests, on fractions of unbounded integers: none of the code under test.

use num_rational::BigRational;

/// The number that a JSON number without exponent spells.
pub(super) fn number(text: &str) -> BigRational {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let denominator = format!("1{}", "0".repeat(fraction.len()));
    format!("{whole}{fraction}/{denominator}").parse().expect("a decimal")
}

/// A whole number.
pub(super) fn whole(count: u64) -> BigRational {
    number(&count.to_string())
}

/// The value of a sum of products, as in `36*2.5 + 64*0.25`.
pub(super) fn sum_of_products(formula: &str) -> BigRational {
    let product =
        |term: &str| -> BigRational { term.split('*').map(|n| number(n.trim())).product() };
    formula.split('+').map(product).sum()
}

/// Dollars to picodollars, half to even, as decimal text.
pub(super) fn pico(usd: &BigRational) -> String {
    let pico = usd * number("1000000000000");
    let floor = pico.floor();
    let half = number("1") / number("2");
    let rest = &pico - &floor;
    let even = (&floor / number("2")).is_integer();
    let up = rest > half || (rest == half && !even);
    (if up { floor + number("1") } else { floor }).to_integer().to_string()
}
