//! The prices that a call was charged by, as a text that the calls of a row share.

use std::fmt::Write as _;
use std::sync::{Arc, OnceLock};

use super::prices::Prices;

/// The most prices a row may have: a call's are kept as a bit each.
pub(super) const MOST_RATES: usize = 128;

/// Ways in which the calls of one row are usually charged: with and without cache, short and long.
const KEPT: usize = 8;

/// Texts that were made before, each with the prices it names. Copies of a row begin anew, and
/// rows are equal whatever texts they keep.
#[derive(Debug, Default)]
pub(super) struct UnitTexts(OnceLock<Box<[OnceLock<UnitText>; KEPT]>>);

/// The bits of some prices, and their text.
type UnitText = (u128, Arc<str>);

impl UnitTexts {
    fn get(&self, used: u128, make: impl FnOnce() -> Arc<str>) -> Arc<str> {
        for slot in self.0.get_or_init(Box::default).iter() {
            match slot.get() {
                Some((kept, text)) if *kept == used => return Arc::clone(text),
                Some(_) => {}
                None => {
                    let text = make();
                    // Somebody else may have been faster, with this text or another.
                    let _ = slot.set((used, Arc::clone(&text)));
                    return text;
                }
            }
        }
        make()
    }
}

impl Clone for UnitTexts {
    fn clone(&self) -> Self {
        Self::default()
    }
}

impl PartialEq for UnitTexts {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl Eq for UnitTexts {}

impl Prices {
    /// The rates whose bits are set in `used`, as JSON; `None` for none.
    pub(super) fn unit_prices(&self, used: u128) -> Option<Arc<str>> {
        (used != 0).then(|| self.texts.get(used, || self.write(used)))
    }

    fn write(&self, used: u128) -> Arc<str> {
        let mut text = String::from("{");
        let chosen = self.rates().enumerate().filter(|(place, _)| used >> place & 1 == 1);
        for (_, (field, price)) in chosen {
            let comma = if text.len() > 1 { "," } else { "" };
            let _ = write!(text, "{comma}\"{field}\":{price}");
        }
        text.push('}');
        text.into()
    }
}
