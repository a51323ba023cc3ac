//! What a call costs at list price: price rows, tables of them, and the order they are asked in.
//!
//! Prices are written as the providers publish them, in USD per 1,000,000 tokens (fields named
//! `per…` in USD for one unit, `webSearchPer1k` for a thousand searches), and kept as integers
//! fine enough to hold every published price exactly. A cost is summed exactly and rounded once,
//! half to even, to picodollars.
//!
//! A model is looked up in the project's overrides, then in the operator's table, then in the
//! built-in one ([`PriceBook::find`]); a row found is the whole truth about its model: what it
//! does not say is not taken from a table further down. Some rows have other prices at some hours,
//! so that finding one needs the time of the call.

mod alias;
mod base;
mod book;
mod cost;
pub(crate) mod decimal;
mod entries;
mod factor;
mod field;
mod merge;
mod off_peak;
mod prices;
mod row;
mod table;
mod unit_prices;

pub use base::Base;
pub use book::{Found, PriceBook, PriceSource};
pub use cost::Priced;
pub use decimal::usd;
pub use field::{Field, Tier};
pub use off_peak::Windows;
pub use prices::Prices;
pub use table::{PriceTable, PricingError};

#[cfg(test)]
mod tests;
