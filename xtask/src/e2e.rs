//! Placeholder.

use crate::run::Outcome;

pub(crate) fn run(_args: &[String]) -> Outcome {
    Err("not there yet".into())
}
