//! Which crate may depend on which, and what some code must not say: `docs/ARCHITECTURE.md` as a
//! check.

use std::fs;
use std::path::Path;
use std::process::Command;

use serde::Deserialize;

use crate::run::{Outcome, root};

/// Every crate of the workspace and the workspace crates it may depend on.
const ARROWS: &[(&str, &[&str])] = &[
    ("byok-domain", &[]),
    ("byok-net", &[]),
    // What its users build must need none of ours.
    ("byok-client", &[]),
    ("byok-vault", &["byok-domain"]),
    ("byok-providers", &["byok-domain", "byok-net", "byok-vault"]),
    ("byok-metering", &["byok-domain"]),
    ("byok-webhooks", &["byok-domain", "byok-net"]),
    (
        "byok-gateway",
        &[
            "byok-domain",
            "byok-net",
            "byok-vault",
            "byok-providers",
            "byok-metering",
            "byok-webhooks",
        ],
    ),
    ("byok-migrations", &[]),
    // The gateway only for the port that the store implements.
    (
        "byok-store",
        &[
            "byok-domain",
            "byok-vault",
            "byok-metering",
            "byok-webhooks",
            "byok-gateway",
            "byok-migrations",
        ],
    ),
    (
        "byok-api",
        &[
            "byok-domain",
            "byok-net",
            "byok-vault",
            "byok-providers",
            "byok-metering",
            "byok-webhooks",
            "byok-gateway",
            "byok-store",
        ],
    ),
    (
        "byok-server",
        &[
            "byok-domain",
            "byok-net",
            "byok-vault",
            "byok-providers",
            "byok-metering",
            "byok-webhooks",
            "byok-gateway",
            "byok-store",
            "byok-api",
            "byok-migrations",
        ],
    ),
    (
        "byok-testkit",
        &[
            "byok-domain",
            "byok-net",
            "byok-vault",
            "byok-providers",
            "byok-metering",
            "byok-webhooks",
            "byok-gateway",
            "byok-store",
            "byok-api",
            "byok-migrations",
        ],
    ),
    ("xtask", &["byok-domain", "byok-testkit"]),
];

/// Tests need what the code under test must not have.
const TESTKIT: &str = "byok-testkit";

/// Crates from outside that only some of ours may name, testkit aside.
const RESERVED: &[(&str, &[&str])] = &[
    ("rustls", &["byok-net", "byok-client"]),
    ("tokio-rustls", &["byok-net"]),
    ("rustls-native-certs", &["byok-net"]),
    ("hyper", &["byok-net"]),
    ("hyper-util", &["byok-net"]),
    ("reqwest", &["byok-client"]),
    ("rustls-platform-verifier", &["byok-client"]),
    ("ring", &["byok-vault", "byok-webhooks", "byok-client"]),
    ("lettre", &["byok-webhooks"]),
    ("aws-sigv4", &["byok-providers"]),
    ("aws-credential-types", &["byok-providers"]),
    ("sea-orm", &["byok-store"]),
    ("sqlx", &["byok-store"]),
    ("redis", &["byok-store"]),
    ("sea-orm-migration", &["byok-store", "byok-migrations"]),
    ("axum", &["byok-api"]),
    ("clap", &["byok-server"]),
];

/// How the names of database crates begin, for the crate that must not know one.
const DATABASES: &[&str] = &[
    "sea-orm",
    "sea-query",
    "sqlx",
    "rusqlite",
    "libsqlite3",
    "diesel",
    "postgres",
    "tokio-postgres",
    "redis",
    "byok-store",
    "byok-migrations",
];
const NO_DATABASE: &str = "byok-gateway";

/// Something that code outside `bins/` and `xtask/` must not say.
struct Absence {
    text: &'static str,
    why: &'static str,
    /// Folders of programs and tests, which may.
    except: &'static [&'static str],
}

const ABSENCES: &[Absence] = &[
    Absence {
        text: "env::var",
        why: "configuration is read in bins/ and handed down",
        // A test that kills itself tells its other self so by a variable; the client is no part of
        // the server, and its users' environment says where that is.
        except: &["tests", "client"],
    },
    Absence {
        text: "println!",
        why: "libraries log with tracing",
        except: &["bin", "benches", "examples"],
    },
];

#[derive(Deserialize)]
struct Metadata {
    packages: Vec<Package>,
}

#[derive(Deserialize)]
struct Package {
    name: String,
    dependencies: Vec<Dependency>,
}

#[derive(Deserialize)]
struct Dependency {
    name: String,
    /// `dev` or `build`; absent for what the code itself uses.
    kind: Option<String>,
}

pub(crate) fn run(args: &[String]) -> Outcome {
    if !args.is_empty() {
        return Err("takes no arguments".into());
    }
    let output = Command::new("cargo")
        .args(["metadata", "--no-deps", "--locked", "--format-version", "1"])
        .current_dir(root())
        .output()?;
    if !output.status.success() {
        return Err(format!("cargo metadata: {}", String::from_utf8_lossy(&output.stderr)).into());
    }
    let metadata: Metadata = serde_json::from_slice(&output.stdout)?;
    let mut wrong = wrong_arrows(&metadata);
    for absence in ABSENCES {
        for folder in ["crates", "migrations"] {
            absence.find_in(&root().join(folder), &mut |file, line| {
                let file = file.strip_prefix(root()).unwrap_or(file).display();
                wrong.push(format!("{file}:{line} says `{}`: {}", absence.text, absence.why));
            })?;
        }
    }
    if wrong.is_empty() {
        println!("layers: {} crates, every arrow points down", metadata.packages.len());
        Ok(())
    } else {
        Err(format!("{} wrong:\n{}", wrong.len(), wrong.join("\n")).into())
    }
}

/// A sentence for every dependency that the architecture does not have.
fn wrong_arrows(metadata: &Metadata) -> Vec<String> {
    let mut wrong = Vec::new();
    for package in &metadata.packages {
        let name = package.name.as_str();
        let Some((_, allowed)) = ARROWS.iter().find(|(from, _)| *from == name) else {
            wrong.push(format!("{name} has no place in the architecture; give it one in ARROWS"));
            continue;
        };
        let used = package.dependencies.iter().filter(|d| d.kind.as_deref() != Some("dev"));
        for to in used.map(|dependency| dependency.name.as_str()) {
            if metadata.packages.iter().any(|ours| ours.name == to) && !allowed.contains(&to) {
                let allowed = if allowed.is_empty() { "none".into() } else { allowed.join(", ") };
                wrong.push(format!("{name} depends on {to}; of our crates it may name {allowed}"));
            }
            let reserved = RESERVED.iter().find(|(crate_name, _)| *crate_name == to);
            if let Some((_, only)) =
                reserved.filter(|(_, only)| !only.contains(&name) && name != TESTKIT)
            {
                wrong.push(format!("{name} names {to}, which is for {} only", only.join(" and ")));
            }
            if name == NO_DATABASE && DATABASES.iter().any(|begin| to.starts_with(begin)) {
                wrong.push(format!("{name} names {to}; it must not know a database"));
            }
        }
    }
    wrong
}

impl Absence {
    /// Calls `found` with file and line for each line of code under `folder` that says it.
    fn find_in(&self, folder: &Path, found: &mut dyn FnMut(&Path, usize)) -> std::io::Result<()> {
        let mut entries: Vec<_> = fs::read_dir(folder)?.collect::<Result<_, _>>()?;
        entries.sort_by_key(fs::DirEntry::path);
        for path in entries.iter().map(fs::DirEntry::path) {
            if path.is_dir() {
                let name = path.file_name().unwrap_or_default();
                if !self.except.iter().any(|except| name == *except) {
                    self.find_in(&path, found)?;
                }
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                for line in lines_with(&fs::read_to_string(&path)?, self.text) {
                    found(&path, line);
                }
            }
        }
        Ok(())
    }
}

/// The numbers of the lines that have `text` before any comment.
fn lines_with<'a>(code: &'a str, text: &'a str) -> impl Iterator<Item = usize> + 'a {
    let has = move |line: &str| line.split("//").next().is_some_and(|code| code.contains(text));
    code.lines().enumerate().filter(move |(_, line)| has(line)).map(|(at, _)| at + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A workspace of all crates without dependencies, and these (from, to, kind).
    fn workspace(dependencies: &[(&str, &str, Option<&str>)]) -> Metadata {
        let packages = ARROWS.iter().map(|(name, _)| {
            let own = dependencies.iter().filter(|(from, _, _)| from == name);
            let own: Vec<_> = own
                .map(|(_, to, kind)| serde_json::json!({"name": to, "kind": kind, "req": "*"}))
                .collect();
            serde_json::json!({"name": name, "version": "0.1.0", "dependencies": own})
        });
        let document = serde_json::json!({"packages": packages.collect::<Vec<_>>(), "version": 1});
        serde_json::from_value(document).expect("the shape cargo writes")
    }

    #[test]
    fn arrows_that_point_down_are_fine() {
        let good = [
            ("byok-api", "byok-store", None),
            ("byok-api", "axum", None),
            ("byok-store", "byok-gateway", None),
            ("byok-store", "sea-orm", None),
            ("byok-net", "rustls", None),
            ("byok-vault", "ring", None),
            ("byok-server", "clap", None),
            ("byok-gateway", "tokio", None),
            ("byok-gateway", "byok-testkit", Some("dev")),
            ("byok-gateway", "sea-orm", Some("dev")),
            ("byok-testkit", "hyper", None),
            ("xtask", "byok-testkit", None),
        ];
        assert_eq!(wrong_arrows(&workspace(&good)), Vec::<String>::new());
    }

    #[test]
    fn an_arrow_that_points_up_is_named() {
        for (from, to, kind, says) in [
            (
                "byok-domain",
                "byok-net",
                None,
                "byok-domain depends on byok-net; of our crates it may name none",
            ),
            ("byok-net", "byok-domain", None, "byok-net depends on byok-domain"),
            (
                "byok-metering",
                "byok-vault",
                None,
                "byok-metering depends on byok-vault; of our crates it may name byok-domain",
            ),
            ("byok-vault", "byok-providers", None, "byok-vault depends on byok-providers"),
            ("byok-gateway", "byok-store", None, "byok-gateway depends on byok-store"),
            ("byok-gateway", "byok-store", None, "must not know a database"),
            ("byok-gateway", "sqlx-core", None, "must not know a database"),
            ("byok-gateway", "byok-testkit", None, "byok-gateway depends on byok-testkit"),
            ("byok-server", "byok-testkit", None, "byok-server depends on byok-testkit"),
            ("byok-vault", "byok-net", Some("build"), "byok-vault depends on byok-net"),
            (
                "byok-api",
                "rustls",
                None,
                "byok-api names rustls, which is for byok-net and byok-client only",
            ),
            ("byok-api", "hyper", None, "byok-api names hyper, which is for byok-net only"),
            ("byok-webhooks", "byok-vault", None, "byok-webhooks depends on byok-vault"),
            ("byok-webhooks", "byok-store", None, "byok-webhooks depends on byok-store"),
            (
                "byok-gateway",
                "ring",
                None,
                "ring, which is for byok-vault and byok-webhooks and byok-client only",
            ),
            ("byok-server", "byok-client", None, "byok-server depends on byok-client"),
            ("byok-client", "byok-domain", None, "of our crates it may name none"),
            ("byok-gateway", "reqwest", None, "reqwest, which is for byok-client only"),
            ("byok-server", "lettre", None, "lettre, which is for byok-webhooks only"),
            ("byok-api", "sea-orm-migration", None, "for byok-store and byok-migrations only"),
            ("byok-migrations", "sea-orm", None, "byok-migrations names sea-orm"),
            ("byok-gateway", "axum", None, "byok-gateway names axum"),
            ("xtask", "clap", None, "xtask names clap"),
        ] {
            let wrong = wrong_arrows(&workspace(&[(from, to, kind)]));
            assert!(wrong.iter().any(|sentence| sentence.contains(says)), "{from} {to}: {wrong:?}");
        }
    }

    #[test]
    fn a_crate_without_a_place_is_named() {
        let document = r#"{"packages": [{"name": "byok-utils", "dependencies": []}]}"#;
        let metadata = serde_json::from_str(document).expect("the shape cargo writes");
        assert_eq!(
            wrong_arrows(&metadata),
            ["byok-utils has no place in the architecture; give it one in ARROWS"]
        );
    }

    #[test]
    fn what_code_says_counts_and_what_comments_say_does_not() {
        let code = "//! Never `println!`.\nfn a() {\n    eprintln!(\"x\"); // why\n    println!();\n}\n// println!\n";
        assert_eq!(lines_with(code, "println!").collect::<Vec<_>>(), [3, 4]);
        let code = "let a = std::env::var_os(\"A\");\nlet b = env!(\"CARGO_PKG_VERSION\");\nuse std::env::vars;\n";
        assert_eq!(lines_with(code, "env::var").collect::<Vec<_>>(), [1, 3]);
    }

    #[test]
    fn files_are_found_at_any_depth_but_in_programs() {
        let folder = tempfile::tempdir().expect("a folder");
        let root = folder.path();
        for folder in ["a/src/deep", "a/src/bin"] {
            fs::create_dir_all(root.join(folder)).expect("folders");
            fs::write(root.join(folder).join("b.rs"), "\nprintln!();\n").expect("a file");
        }
        fs::write(root.join("a/src/note.md"), "println!\n").expect("a file");
        let found_by = |except| {
            let absence = Absence { text: "println!", why: "", except };
            let mut found = Vec::new();
            absence
                .find_in(root, &mut |file, line| {
                    found.push(format!(
                        "{}:{line}",
                        file.strip_prefix(root).expect("in it").display()
                    ));
                })
                .expect("readable");
            found
        };
        assert_eq!(found_by(&["bin"]), ["a/src/deep/b.rs:2"]);
        assert_eq!(found_by(&[]), ["a/src/bin/b.rs:2", "a/src/deep/b.rs:2"]);
    }
}
