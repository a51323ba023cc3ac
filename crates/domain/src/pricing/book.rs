//! The order in which tables are asked for a model's price.

use super::alias;
use super::prices::Prices;
use super::table::{Models, PriceTable};
use crate::Timestamp;

/// The built-in table with the operator's laid over it.
#[derive(Clone, Debug)]
pub struct PriceBook {
    operator: PriceTable,
    builtin: &'static PriceTable,
}

/// Whose table a price is from, in the order in which they are asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PriceSource {
    /// The project's overrides.
    Project,
    /// The operator's table.
    Operator,
    /// The table that comes with this software.
    BuiltIn,
}

/// The row that a model was found in.
#[derive(Clone, Copy, Debug)]
pub struct Found<'a> {
    /// Whose table it is in.
    pub source: PriceSource,
    /// The provider that it is listed under: another one's where Azure is charged as OpenAI.
    pub provider: &'a str,
    /// The name that it is listed under.
    pub model: &'a str,
    /// The prices, which may say that they are not known.
    pub prices: &'a Prices,
}

impl PriceBook {
    /// A book of the operator's own prices, which may be none, and the built-in ones.
    pub fn new(operator: PriceTable) -> Self {
        Self { operator, builtin: PriceTable::builtin() }
    }

    /// The operator's own table.
    pub fn operator(&self) -> &PriceTable {
        &self.operator
    }

    /// The table that comes with this software.
    pub fn builtin(&self) -> &'static PriceTable {
        self.builtin
    }

    /// The prices of a model for a call that came in `at`: the project's, else the operator's, else the built-in ones.
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
        at: Timestamp,
    ) -> Option<&'a Prices> {
        self.find_any(project, provider, &[model], at)
    }

    /// As [`find`](Self::find) for a model that goes by several names, the best one first: the one
    /// that the answer gives it, then the one it was asked for by. A table is asked for all of
    /// them, and then for their aliases, before the next table, so that a project's price for the
    /// name it uses is its price.
    pub fn find_any<'a>(
        &'a self,
        project: Option<&'a PriceTable>,
        provider: &str,
        names: &[&str],
        at: Timestamp,
    ) -> Option<&'a Prices> {
        let found = self.locate(project, provider, names)?;
        (!found.prices.is_zero_priced()).then(|| found.prices.at(at))
    }

    /// As [`find_any`](Self::find_any), with where the row was found, for all times, and even when
    /// it says that its prices are not known.
    ///
    /// The built-in table knows whose list another provider charges by: Azure's models that have
    /// no row cost what OpenAI asks for them, OpenRouter's what their makers ask. An override is
    /// for the provider it names: what OpenAI agreed to is no price of Azure's.
    pub fn locate<'a>(
        &'a self,
        project: Option<&'a PriceTable>,
        provider: &str,
        names: &[&str],
    ) -> Option<Found<'a>> {
        let own = [
            (PriceSource::Project, project),
            (PriceSource::Operator, Some(&self.operator)),
            (PriceSource::BuiltIn, Some(self.builtin)),
        ];
        own.into_iter()
            .find_map(|(source, table)| search(source, table?, provider, names))
            .or_else(|| self.elsewhere(provider, names))
    }

    /// The built-in row of the provider whose list this one charges by.
    fn elsewhere(&self, provider: &str, names: &[&str]) -> Option<Found<'static>> {
        let others: &[&str] = match provider {
            "azure-openai" => &["azure_ai", "openai"],
            "bedrock" => &["bedrock_mantle"],
            "openrouter" => {
                return names.iter().find_map(|name| {
                    let (maker, model) = name.split_once('/')?;
                    search(PriceSource::BuiltIn, self.builtin, maker_of(maker), &[model])
                });
            }
            _ => &[],
        };
        let mut others = others.iter();
        others.find_map(|other| search(PriceSource::BuiltIn, self.builtin, other, names))
    }
}

/// OpenRouter's name of a maker, as ours.
fn maker_of(name: &str) -> &str {
    match name {
        "mistralai" => "mistral",
        "x-ai" => "xai",
        same => same,
    }
}

fn search<'a>(
    source: PriceSource,
    table: &'a PriceTable,
    provider: &str,
    names: &[&str],
) -> Option<Found<'a>> {
    let (provider, models): (&str, &Models) = table.models(provider)?;
    let aliases = names.iter().flat_map(|name| alias::of(provider, name));
    let mut all = names.iter().copied().chain(aliases);
    let (model, prices) = all.find_map(|name| models.get_key_value(name))?;
    Some(Found { source, provider, model, prices })
}
