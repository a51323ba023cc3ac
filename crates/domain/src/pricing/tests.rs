//! Golden costs, an independent oracle, look-ups, and what patches may and may not do.

mod exact;
mod golden;
mod lookup;
mod oracle;
mod patch;
mod traps;
mod unit_prices;
