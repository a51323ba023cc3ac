//! The Rust client as its users get it: a package that builds by itself, brings few crates along and
//! can do without rustls.

use std::collections::BTreeSet;
use std::process::Command;

use crate::run::{self, Outcome, root};

const CLIENT: &str = "byok-client";
/// Its users build all of them.
const FEWER_CRATES_THAN: usize = 120;

pub(crate) fn run(args: &[String]) -> Outcome {
    if !args.is_empty() {
        return Err("takes no arguments".into());
    }
    // Both kinds of TLS at once: more than anybody needs.
    let output = Command::new("cargo")
        .args(["tree", "--package", CLIENT, "--locked", "--all-features"])
        .args(["--edges", "normal", "--prefix", "none"])
        .current_dir(root())
        .output()?;
    if !output.status.success() {
        return Err(format!("cargo tree: {}", String::from_utf8_lossy(&output.stderr)).into());
    }
    let crates = few_crates(&String::from_utf8(output.stdout)?)?;
    println!("client: {crates} crates in its tree");

    let native = ["--no-default-features", "--features", "native-tls"];
    let lints = ["--", "-D", "warnings"];
    let clippy = ["clippy", "--package", CLIENT, "--locked"];
    run::run("cargo", &[&clippy[..], &native, &lints].concat())?;
    // Unpacked and built apart from the workspace. Whether everything is committed is for whoever
    // publishes it.
    run::run("cargo", &["package", "--package", CLIENT, "--locked", "--allow-dirty"])
}

/// How many crates a tree has, itself among them; fails when they are too many.
fn few_crates(tree: &str) -> Result<usize, String> {
    // What was shown before is marked.
    let crates: BTreeSet<&str> =
        tree.lines().map(|line| line.strip_suffix(" (*)").unwrap_or(line)).collect();
    let count = crates.len();
    if count < FEWER_CRATES_THAN {
        Ok(count)
    } else {
        Err(format!(
            "{CLIENT} has {count} crates in its tree, which has to be fewer than {FEWER_CRATES_THAN}"
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_crate_of_a_tree_counts_once_and_too_many_are_refused() {
        let tree = "byok-client v0.1.0 (/byok/crates/client)\nring v0.17.14\nlibc v0.2.1\nlibc v0.2.1 (*)\nring v0.16.20\n";
        assert_eq!(few_crates(tree), Ok(4));
        let tree = |crates| {
            (0..crates).map(|number| format!("crate-{number} v1.0.0\n")).collect::<String>()
        };
        assert_eq!(few_crates(&tree(119)), Ok(119));
        assert!(few_crates(&tree(120)).is_err_and(|why| why.contains("120 crates")));
    }
}
