//! What `deny.toml` says of licences, crates and where they come from, held against all that the
//! lock file builds. Of `cargo deny` it is what needs neither a long build nor a database from the
//! network (advisories).

use std::fs;
use std::process::Command;

use serde::Deserialize;

use crate::run::{Outcome, root};

const CRATES_IO: &str = "registry+https://github.com/rust-lang/crates.io-index";

/// A setting that is not honoured here is an error, not one that is passed over.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Policy {
    #[serde(rename = "graph")]
    _graph: AllFeatures,
    licenses: Licenses,
    bans: Bans,
    #[serde(rename = "sources")]
    _sources: OneSource,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct AllFeatures {
    #[serde(rename = "all-features")]
    _all_features: bool,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Licenses {
    allow: Vec<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct Bans {
    #[serde(rename = "multiple-versions")]
    _multiple_versions: Allowed,
    deny: Vec<Ban>,
}

#[derive(Deserialize)]
#[serde(rename_all = "lowercase")]
enum Allowed {
    Allow,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Ban {
    name: String,
    reason: String,
    /// Those that may depend on it all the same.
    #[serde(default)]
    wrappers: Vec<String>,
}

/// Nothing but crates.io.
#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct OneSource {
    #[serde(rename = "unknown-registry")]
    _registry: Denied,
    #[serde(rename = "unknown-git")]
    _git: Denied,
}

#[derive(Deserialize)]
#[serde(rename_all = "lowercase")]
enum Denied {
    Deny,
}

#[derive(Deserialize)]
struct Metadata {
    packages: Vec<Package>,
    resolve: Resolve,
}

#[derive(Deserialize)]
struct Resolve {
    nodes: Vec<Node>,
}

/// What a package depends on, by ids.
#[derive(Deserialize)]
struct Node {
    id: String,
    dependencies: Vec<String>,
}

#[derive(Deserialize)]
struct Package {
    id: String,
    name: String,
    version: String,
    license: Option<String>,
    /// `None` for those of this repository.
    source: Option<String>,
}

pub(crate) fn run(args: &[String]) -> Outcome {
    if !args.is_empty() {
        return Err("takes no arguments".into());
    }
    let policy: Policy = toml::from_str(&fs::read_to_string(root().join("deny.toml"))?)?;
    let output = Command::new("cargo")
        .args(["metadata", "--all-features", "--locked", "--format-version", "1"])
        .current_dir(root())
        .output()?;
    if !output.status.success() {
        return Err(format!("cargo metadata: {}", String::from_utf8_lossy(&output.stderr)).into());
    }
    let metadata: Metadata = serde_json::from_slice(&output.stdout)?;
    let wrong: Vec<_> =
        metadata.packages.iter().flat_map(|p| policy.refuses(p, &metadata.dependents(p))).collect();
    if wrong.is_empty() {
        println!("deny: {} packages, none refused", metadata.packages.len());
        Ok(())
    } else {
        Err(format!("{} refused by deny.toml:\n{}", wrong.len(), wrong.join("\n")).into())
    }
}

impl Metadata {
    /// The names of what depends on a package directly.
    fn dependents(&self, package: &Package) -> Vec<&str> {
        let on = |node: &&Node| node.dependencies.contains(&package.id);
        let name = |node: &Node| self.packages.iter().find(|package| package.id == node.id);
        self.resolve.nodes.iter().filter(on).filter_map(name).map(|p| p.name.as_str()).collect()
    }
}

impl Ban {
    /// Whether nothing depends on it but what may.
    fn is_wrapped(&self, dependents: &[&str]) -> bool {
        let may = |dependent: &&str| self.wrappers.iter().any(|wrapper| wrapper == dependent);
        !self.wrappers.is_empty() && dependents.iter().all(may)
    }
}

impl Policy {
    /// A sentence for each rule that the package breaks.
    fn refuses(&self, package: &Package, dependents: &[&str]) -> Vec<String> {
        let mut wrong = Vec::new();
        let name = format!("{} {}", package.name, package.version);
        let ban = self.bans.deny.iter().find(|ban| ban.name == package.name);
        if let Some(ban) = ban.filter(|ban| !ban.is_wrapped(dependents)) {
            wrong.push(format!("{name} is banned: {}", ban.reason));
        }
        let Some(source) = &package.source else { return wrong };
        if source != CRATES_IO {
            wrong.push(format!("{name} comes from {source}"));
        }
        let license = package.license.as_deref().unwrap_or_default();
        if !self.allows(license) {
            wrong.push(format!("{name} is licensed under `{license}`"));
        }
        wrong
    }

    /// Whether a licence expression (SPDX, or the older `MIT/Apache-2.0`) can be met by what is
    /// allowed.
    fn allows(&self, expression: &str) -> bool {
        let spaced = expression.replace('(', " ( ").replace(')', " ) ").replace('/', " OR ");
        let mut words: Vec<&str> = spaced.split_whitespace().collect();
        words.reverse();
        self.any_of(&mut words) == Some(true) && words.is_empty()
    }

    /// `a OR b`; the words stand in reverse. `None` for what is no expression.
    fn any_of(&self, words: &mut Vec<&str>) -> Option<bool> {
        let mut allowed = self.all_of(words)?;
        while words.pop_if(|word| *word == "OR").is_some() {
            allowed |= self.all_of(words)?;
        }
        Some(allowed)
    }

    /// `a AND b`, which binds more tightly.
    fn all_of(&self, words: &mut Vec<&str>) -> Option<bool> {
        let mut allowed = self.one(words)?;
        while words.pop_if(|word| *word == "AND").is_some() {
            allowed &= self.one(words)?;
        }
        Some(allowed)
    }

    fn one(&self, words: &mut Vec<&str>) -> Option<bool> {
        match words.pop()? {
            "(" => {
                let allowed = self.any_of(words)?;
                (words.pop()? == ")").then_some(allowed)
            }
            ")" | "AND" | "OR" | "WITH" => None,
            id => {
                let id = match words.pop_if(|word| *word == "WITH") {
                    Some(_) => &format!("{id} WITH {}", words.pop()?),
                    None => id,
                };
                Some(self.licenses.allow.iter().any(|allowed| allowed == id))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const POLICY: &str = r#"
        [graph]
        all-features = true
        [licenses]
        allow = ["MIT", "Apache-2.0", "ISC"]
        [bans]
        multiple-versions = "allow"
        deny = [
          { name = "openssl", reason = "one TLS stack" },
          { name = "wrapped", reason = "for one alone", wrappers = ["wrapper"] },
        ]
        [sources]
        unknown-registry = "deny"
        unknown-git = "deny"
    "#;

    fn policy() -> Policy {
        toml::from_str(POLICY).expect("a policy")
    }

    #[test]
    fn a_licence_is_met_by_what_is_allowed_of_it() {
        for (expression, allowed) in [
            ("MIT", true),
            ("GPL-3.0", false),
            ("GPL-3.0 OR MIT", true),
            ("MIT/Apache-2.0", true),
            ("MIT AND GPL-3.0", false),
            ("(MIT OR GPL-3.0) AND ISC", true),
            ("(MIT OR ISC) AND GPL-3.0", false),
            ("GPL-3.0 AND GPL-3.0 OR MIT", true),
            ("Apache-2.0 WITH LLVM-exception", false),
            ("Apache-2.0 WITH LLVM-exception OR MIT", true),
            ("", false),
            ("MIT ISC", false),
            ("MIT OR", false),
            ("(MIT", false),
            ("MIT)", false),
            ("AND", false),
        ] {
            assert_eq!(policy().allows(expression), allowed, "{expression}");
        }
    }

    #[test]
    fn a_package_is_refused_by_name_source_or_licence() {
        let git = "git+https://example.com/x";
        for (name, source, license, refusals) in [
            ("a", Some(CRATES_IO), Some("MIT"), 0),
            ("byok-own", None, None, 0),
            ("openssl", Some(CRATES_IO), Some("MIT"), 1),
            ("a", Some(git), Some("MIT"), 1),
            ("a", Some(CRATES_IO), None, 1),
            ("openssl", Some(git), Some("GPL-3.0"), 3),
        ] {
            let text = |text: &str| text.to_owned();
            let package = Package {
                id: text(name),
                name: text(name),
                version: text("1.0.0"),
                license: license.map(text),
                source: source.map(text),
            };
            let refused = policy().refuses(&package, &["a"]);
            assert_eq!(refused.len(), refusals, "{refused:?}");
        }
    }

    #[test]
    fn what_is_banned_may_be_used_by_those_that_are_named_alone() {
        let package = |name: &str| {
            serde_json::json!({
                "id": name, "name": name, "version": "1.0.0", "license": "MIT", "source": CRATES_IO,
            })
        };
        let document = serde_json::json!({
            "packages": [package("wrapped"), package("wrapper"), package("other")],
            "resolve": {"nodes": [
                {"id": "wrapper", "dependencies": ["wrapped"]},
                {"id": "other", "dependencies": ["wrapper"]},
            ]},
        });
        let mut metadata: Metadata = serde_json::from_value(document).expect("the shape of cargo");
        let refused = |metadata: &Metadata| {
            let wrapped = &metadata.packages[0];
            policy().refuses(wrapped, &metadata.dependents(wrapped)).len()
        };
        assert_eq!(refused(&metadata), 0);
        metadata.resolve.nodes[1].dependencies.push("wrapped".to_owned());
        assert_eq!(refused(&metadata), 1);
    }

    #[test]
    fn a_rule_that_is_not_checked_here_is_an_error() {
        for (from, to) in [
            ("unknown-git = \"deny\"", "unknown-git = \"warn\""),
            ("[graph]", "[advisories]\nyanked = \"deny\"\n[graph]"),
            ("multiple-versions = \"allow\"", "multiple-versions = \"deny\""),
            ("[bans]", "confidence-threshold = 0.9\n[bans]"),
        ] {
            assert!(toml::from_str::<Policy>(&POLICY.replace(from, to)).is_err(), "{to}");
        }
    }
}
