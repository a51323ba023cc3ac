//! The configuration: what it takes from where, and what it says to mistakes.

mod mail;
mod mistakes;
mod precedence;
mod tls;
mod values;

use std::collections::BTreeMap;
use std::path::PathBuf;

use byok_vault::Keyring;
use tempfile::TempDir;

use super::{Config, ConfigError, Flag, Setting, Sources};

const KEY: &str = "a54dca182530bb1d6d132cded6237b2ed91e3f721fcb1971174494d6493c9d5c";
const OTHER_KEY: &str = "8c0f6d4b1e92a75360fd8e41b7c5293a4d6e1f80927b3c5ad8e4f60b19c7a235";
const TOKEN: &str = "op-3f9a0c1e5b7d2468ace013579bdf8642";

/// Sources under construction: flags, environment and a file in a folder of their own.
struct Given {
    sources: Sources,
    folder: TempDir,
}

fn given() -> Given {
    let sources = Sources { flags: Vec::new(), environment: BTreeMap::new(), file: None };
    Given { sources, folder: TempDir::new().expect("a folder") }
}

impl Given {
    fn variable(mut self, name: &str, value: &str) -> Self {
        self.sources.environment.insert(name.to_owned(), value.to_owned());
        self
    }

    fn flag(mut self, name: &'static str, setting: Setting, value: &str) -> Self {
        self.sources.flags.push(Flag { name, setting, value: value.to_owned() });
        self
    }

    fn toml(mut self, text: &str) -> Self {
        self.sources.file = Some(self.file("byok.toml", text));
        self
    }

    /// A file in the folder, for variables that name one.
    fn file(&self, name: &str, text: impl AsRef<[u8]>) -> PathBuf {
        let path = self.folder.path().join(name);
        std::fs::write(&path, text).expect("the folder can be written");
        path
    }

    fn load(&self) -> Result<(Config, Option<Keyring>), Vec<ConfigError>> {
        Config::load(&self.sources)
    }

    fn config(&self) -> Config {
        match self.load() {
            Ok((config, _)) => config,
            Err(errors) => panic!("{}", self.lines(&errors)),
        }
    }

    /// What a person would read, the folder left out.
    fn lines(&self, errors: &[ConfigError]) -> String {
        let lines: Vec<_> = errors.iter().map(ToString::to_string).collect();
        lines.join("\n").replace(&format!("{}/", self.folder.path().display()), "")
    }

    /// The mistakes, of a program that needs encryption keys.
    fn mistakes(&self) -> String {
        self.lines(&Config::load_with_keyring(&self.sources).err().unwrap_or_default())
    }
}
