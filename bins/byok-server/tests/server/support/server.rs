//! The server: the real binary, as a process, on a folder and a port of its own.

use std::io::{Read, Write};
use std::net::SocketAddr;
use std::process::{Child, ExitStatus};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};

use super::{Keys, Launch, Reply, Request, SOON, chat, soon};

/// A running server; killed when dropped.
pub(crate) struct Server {
    child: Child,
    pub(crate) address: SocketAddr,
    pub(crate) keys: Keys,
    pub(crate) launch: Launch,
    log: String,
}

impl Server {
    /// The server that `child` is to become, once it serves.
    pub(super) fn awaited(child: Child, launch: Launch, out: &str, log: String) -> Self {
        let address = SocketAddr::from(([127, 0, 0, 1], 0));
        let mut server = Self { child, address, keys: Keys::default(), launch, log };
        server.await_start(out);
        server
    }

    fn await_start(&mut self, out: &str) {
        let started = soon(SOON, || {
            let log = self.launch.scratch().text(&self.log);
            let serving = log.lines().find_map(|line| line.split_once("serving local="));
            let Some((_, address)) = serving else {
                let ended = self.child.try_wait().expect("a child");
                assert_eq!(ended, None, "{log}");
                return false;
            };
            self.address = address.trim().parse().expect("an address");
            if !self.launch.is_quickstart() {
                return true;
            }
            let printed = self.launch.scratch().text(out);
            if let Some(keys) = Keys::printed(&printed) {
                self.keys = keys;
            }
            printed.contains("/usage?") || printed.contains("were shown when it was made")
        });
        assert!(started, "{}", self.launch.scratch().text(&self.log));
    }

    /// The same folder and keys in a new process, which may be launched otherwise.
    pub(crate) fn again(&self, launch: Launch) -> Self {
        let keys = self.keys.clone();
        let mut server = launch.start();
        server.keys = keys;
        server
    }

    pub(crate) fn get(&self, target: &str) -> Request {
        Request::new(self.address, "GET", target, &self.keys.secret)
    }

    pub(crate) fn post(&self, target: &str) -> Request {
        Request::new(self.address, "POST", target, &self.keys.secret)
    }

    pub(crate) fn put(&self, target: &str) -> Request {
        Request::new(self.address, "PUT", target, &self.keys.secret)
    }

    pub(crate) fn patch(&self, target: &str) -> Request {
        Request::new(self.address, "PATCH", target, &self.keys.secret)
    }

    pub(crate) fn delete(&self, target: &str) -> Request {
        Request::new(self.address, "DELETE", target, &self.keys.secret)
    }

    /// Sends these bytes and reads until the server closes.
    pub(crate) fn raw(&self, bytes: &[u8]) -> Vec<u8> {
        let mut stream = self.get("/").dial();
        // The server may close before it has read everything.
        let _ = stream.write_all(bytes);
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer);
        answer
    }

    /// A call on the drop-in route of chat completions.
    pub(crate) fn chat(&self, ref_id: &str, payload: &Value) -> Request {
        self.post("/v1/chat/completions").by(ref_id).json(payload)
    }

    /// A call on the envelope's route of `operation` at OpenAI.
    pub(crate) fn envelope(&self, operation: &str, ref_id: &str, payload: &Value) -> Request {
        let body = json!({"refId": ref_id, "providerPayload": payload});
        self.post(&format!("/proxy/openai/{operation}")).json(&body)
    }

    /// Makes a token of the project's; its id and the token.
    pub(crate) fn api_key(&self, body: &Value) -> (String, String) {
        let path = format!("/projects/{}/api-keys", self.keys.project);
        let made = self.post(&path).json(body).send().json();
        let text =
            |field: &str| made[field].as_str().unwrap_or_else(|| panic!("{made}")).to_owned();
        (text("id"), text("key"))
    }

    /// Connects a customer's OpenAI key, which the provider must accept; answers its id.
    pub(crate) fn connect(&self, ref_id: &str, key: &str) -> String {
        let reply = self.connect_with(ref_id, key, &json!({}));
        let json = reply.json();
        assert_eq!(json["status"], "valid", "{json}");
        json["id"].as_str().expect("an id").to_owned()
    }

    /// Connects a customer's OpenAI key with more fields.
    pub(crate) fn connect_with(&self, ref_id: &str, key: &str, more: &Value) -> Reply {
        let mut body = json!({"provider": "openai", "refId": ref_id, "providerKey": key});
        for (name, value) in more.as_object().expect("an object") {
            body[name] = value.clone();
        }
        self.post("/keys/connect").json(&body).send()
    }

    /// The rows of a customer's calls, newest first.
    pub(crate) fn calls(&self, ref_id: &str) -> Vec<Value> {
        let reply = self.get(&format!("/logs?limit=500&refId={ref_id}")).send();
        let json: Value = serde_json::from_slice(reply.answered()).expect("JSON");
        json["data"].as_array().expect("rows").clone()
    }

    /// The row of the only call of a customer, waited for; panics if there are more.
    pub(crate) fn call(&self, ref_id: &str) -> Value {
        let mut rows = Vec::new();
        soon(Duration::from_secs(5), || {
            rows = self.calls(ref_id);
            !rows.is_empty()
        });
        assert_eq!(rows.len(), 1, "{ref_id}: {rows:?}");
        rows.remove(0)
    }

    /// The row of the call that `reply` answered.
    pub(crate) fn row(&self, reply: &Reply) -> Value {
        let id = reply.header("x-request-id").expect("every answer has one");
        let asked = self.get(&format!("/logs/{id}"));
        let mut found = asked.send();
        // With the machine busy, the row may take longer than the server waits for it.
        soon(SOON, || {
            found.status == 200 || {
                found = asked.send();
                false
            }
        });
        serde_json::from_slice(found.answered()).expect("JSON")
    }

    /// Asserts that an ordinary call is still answered, and answered right.
    pub(crate) fn still_serves(&self, ref_id: &str) {
        let reply = self.chat(ref_id, &chat()).send();
        let answer: Value = serde_json::from_slice(reply.answered()).expect("JSON");
        assert_eq!(answer["choices"][0]["message"]["content"], "Hello there.");
    }

    /// The most memory that the process has held so far, in bytes.
    pub(crate) fn peak_memory(&self) -> u64 {
        self.memory("VmHWM:")
    }

    /// What it holds now, in bytes.
    pub(crate) fn memory_now(&self) -> u64 {
        self.memory("VmRSS:")
    }

    fn memory(&self, name: &str) -> u64 {
        let path = format!("/proc/{}/status", self.child.id());
        let status = std::fs::read_to_string(path).expect("it runs");
        let line = status.lines().find_map(|line| line.strip_prefix(name)).expect("Linux");
        let kilobytes: u64 =
            line.trim().trim_end_matches("kB").trim().parse().expect("a number of kB");
        kilobytes << 10
    }

    /// What it logged since it started.
    pub(crate) fn log(&self) -> String {
        self.launch.scratch().text(&self.log)
    }

    /// Sends a signal.
    pub(crate) fn signal(&self, signal: Signal) {
        let id = i32::try_from(self.child.id()).expect("process ids are small");
        let id = Pid::from_raw(id).expect("process ids are above zero");
        kill_process(id, signal).expect("it runs");
    }

    /// Waits for its end.
    pub(crate) fn ended(&mut self) -> ExitStatus {
        let mut status = None;
        let ended = soon(SOON, || {
            status = self.child.try_wait().expect("a child");
            status.is_some()
        });
        assert!(ended, "it goes on running: {}", self.log());
        status.expect("just seen")
    }

    /// SIGTERM, and its end.
    pub(crate) fn stop(&mut self) -> ExitStatus {
        self.signal(Signal::TERM);
        self.ended()
    }

    /// SIGKILL, and its end.
    pub(crate) fn kill(&mut self) {
        self.child.kill().expect("a child");
        self.child.wait().expect("a child");
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // Both fail when it has ended already, which is as well.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
