//! The order in which tables are asked for a model's price.

use super::alias;
use super::prices::Prices;
use super::table::PriceTable;

/// The built-in table with the operator's laid over it.
#[derive(Clone, Debug)]
pub struct PriceBook {
    operator: PriceTable,
    builtin: &'static PriceTable,
}

impl PriceBook {
    /// A book of the operator's own prices, which may be none, and the built-in ones.
    pub fn new(operator: PriceTable) -> Self {
        Self { operator, builtin: PriceTable::builtin() }
    }

    /// The prices of a model: the project's, else the operator's, else the built-in ones.
    ///
    /// In each table the exact name goes before its aliases (a dated or `-latest` name finds the
    /// plain one), and a table is asked for all of them before the next table: a project that
    /// names `gpt-4o` means `gpt-4o-2024-08-06` too, which is what answers call themselves.
    ///
    /// `None` when no table has the model, or the first that has it says that its zeros mean "not
    /// known": such a model is without a price. Makes no allocation.
    pub fn find<'a>(
        &'a self,
        project: Option<&'a PriceTable>,
        provider: &str,
        model: &str,
    ) -> Option<&'a Prices> {
        self.find_any(project, provider, &[model])
    }

    /// As [`find`](Self::find) for a model that goes by several names, the best one first: the one
    /// that the answer gives it, then the one it was asked for by. A table is asked for all of
    /// them before the next table, so that a project's price for the name it uses is its price.
    pub fn find_any<'a>(
        &'a self,
        project: Option<&'a PriceTable>,
        provider: &str,
        names: &[&str],
    ) -> Option<&'a Prices> {
        [project, Some(&self.operator), Some(self.builtin)]
            .into_iter()
            .flatten()
            .filter_map(|table| table.models(provider))
            .find_map(|models| {
                let mut aliases = names.iter().flat_map(|name| alias::names(name));
                aliases.find_map(|name| models.get(name))
            })
            .filter(|prices| !prices.is_zero_priced())
    }
}
