//! Where settings come from, and which of them counts.

use std::collections::BTreeMap;
use std::path::PathBuf;

use super::error::{ConfigError, Name};
use super::{Setting, file};

/// Where settings come from. The environment is passed in, so that a test has its own.
pub(crate) struct Sources {
    /// What the command line gave.
    pub(crate) flags: Vec<Flag>,
    /// Names and values of all environment variables.
    pub(crate) environment: BTreeMap<String, String>,
    /// The TOML file, if one was named.
    pub(crate) file: Option<PathBuf>,
}

/// A setting given as a flag.
#[derive(Clone, Debug)]
pub(crate) struct Flag {
    /// As it was written, `--listen`.
    pub(crate) name: &'static str,
    /// The setting it gives.
    pub(crate) setting: Setting,
    /// Its value.
    pub(crate) value: String,
}

/// A value and the name it goes by in messages. May be a secret: not to be formatted.
pub(super) struct Found {
    pub(super) name: Name,
    pub(super) value: String,
}

/// The settings of one source.
pub(super) type Layer = BTreeMap<Setting, Found>;

/// The settings of all sources, the one that counts first.
pub(super) struct Layers([Layer; 3]);

impl Layers {
    /// Collects the settings of all sources, and what is wrong with their names.
    pub(super) fn gather(sources: &Sources) -> (Self, Vec<ConfigError>) {
        let mut errors = Vec::new();
        let flags = sources.flags.iter().map(|flag| {
            let name = Name::Plain(flag.name.to_owned());
            (flag.setting, Found { name, value: flag.value.clone() })
        });
        let environment = environment(&sources.environment, &mut errors);
        let file = sources.file.as_deref().map(|path| file::read(path, &mut errors));
        (Self([flags.collect(), environment, file.unwrap_or_default()]), errors)
    }

    /// The value that counts.
    pub(super) fn find(&self, setting: Setting) -> Option<&Found> {
        self.0.iter().find_map(|layer| layer.get(&setting))
    }

    /// The value that counts among settings of which only one may be set: a source that has one
    /// hides those of the sources below.
    pub(super) fn find_one(
        &self,
        settings: &[Setting],
    ) -> Result<Option<(Setting, &Found)>, ConfigError> {
        for layer in &self.0 {
            let mut set = settings.iter().filter_map(|s| Some((*s, layer.get(s)?)));
            match (set.next(), set.next()) {
                (None, _) => {}
                (Some(one), None) => return Ok(Some(one)),
                (Some((_, first)), Some((_, second))) => {
                    return Err(ConfigError::Conflict {
                        first: first.name.clone(),
                        second: second.name.clone(),
                    });
                }
            }
        }
        Ok(None)
    }
}

/// Adds a setting to its layer, unless it is empty and may be.
pub(super) fn add(
    layer: &mut Layer,
    errors: &mut Vec<ConfigError>,
    known: (Setting, Option<&'static str>),
    found: Found,
) {
    let (setting, not_yet) = known;
    if found.value.is_empty() && !setting.refuses_empty() {
        return;
    }
    match not_yet {
        Some(what) => errors.push(ConfigError::NotYet { name: found.name, what }),
        None => drop(layer.insert(setting, found)),
    }
}

fn environment(all: &BTreeMap<String, String>, errors: &mut Vec<ConfigError>) -> Layer {
    let mut layer = Layer::new();
    for (variable, value) in all {
        let name = Name::Plain(variable.clone());
        match Setting::of_variable(variable) {
            Some(known) => add(&mut layer, errors, known, Found { name, value: value.clone() }),
            None if variable.starts_with("BYO_") => {
                let suggestion = Setting::nearest(variable).map(|s| s.variable().to_owned());
                errors.push(ConfigError::Unknown { name, suggestion });
            }
            None => {}
        }
    }
    layer
}
