//! The load tool's open loop: calls at a constant rate.

use std::process::{Child, Command, Stdio};

use serde_json::Value;

use super::lab::Lab;
use super::target::{Kind, Target};

type Failure = Box<dyn std::error::Error>;

/// What is called, by whom, and how often.
pub(super) struct Calls<'a> {
    pub(super) target: &'a Target,
    /// Where, and with what body; a small chat if there is none.
    pub(super) path: &'a str,
    pub(super) body: Option<&'a str>,
    /// `name: value`; `{}` in one is the number of the customer whose turn it is.
    pub(super) headers: Vec<String>,
    pub(super) customers: u32,
    /// Calls a second.
    pub(super) rate: u32,
    /// Seconds that are measured, after one that is not.
    pub(super) seconds: u32,
    /// How many calls may be under way.
    pub(super) workers: u32,
}

impl<'a> Calls<'a> {
    /// Those of the target's one customer.
    pub(super) fn of(target: &'a Target, rate: u32, seconds: u32) -> Self {
        let headers = target.headers.clone();
        let (path, body) = ("/v1/chat/completions", None);
        Self { target, path, body, headers, customers: 1, rate, seconds, workers: 32 }
    }

    pub(super) fn start(&self, lab: &Lab) -> Result<Running, Failure> {
        let mut command = Command::new(lab.tools.ours("byok-load"));
        command.args(["calls", "--address", &self.target.address.to_string()]);
        command.args(["--path", self.path]);
        command.args(self.body.iter().flat_map(|body| ["--body", body]));
        for (flag, value) in [
            ("--rate", self.rate),
            ("--seconds", self.seconds),
            ("--workers", self.workers),
            ("--customers", self.customers),
        ] {
            command.args([flag, &value.to_string()]);
        }
        command.args(self.headers.iter().flat_map(|header| ["--header", header]));
        let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()?;
        Ok(Running { child, kind: self.target.kind })
    }
}

/// Calls under way.
pub(super) struct Running {
    child: Child,
    kind: Kind,
}

impl Running {
    /// Waits for their end; what came of them. Fails when one of them did.
    pub(super) fn finish(self) -> Result<Value, Failure> {
        let output = self.child.wait_with_output()?;
        let result: Value = serde_json::from_slice(&output.stdout)
            .map_err(|_| format!("byok-load: {}", String::from_utf8_lossy(&output.stderr)))?;
        if result["failed"] != 0 {
            return Err(format!("calls failed through {}: {result}", self.kind.name()).into());
        }
        Ok(result)
    }
}
