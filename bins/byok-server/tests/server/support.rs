//! What the tests are written with: a server process, a client that hides no byte, patience.

mod database;
mod flood;
pub(crate) mod form;
mod launch;
mod live;
mod postgres;
mod redis;
mod reply;
mod request;
mod scratch;
mod server;
pub(crate) mod tls;
mod wait;

pub(crate) use database::{execute, replace_in_database};
pub(crate) use flood::flood;
pub(crate) use launch::{Keys, Launch};
pub(crate) use live::Live;
pub(crate) use postgres::{PASSWORD, Postgres};
pub(crate) use redis::{Redis, shared_redis};
pub(crate) use reply::{Reply, failed, is, refused};
pub(crate) use request::Request;
pub(crate) use scratch::Scratch;
pub(crate) use server::Server;
pub(crate) use wait::{SOON, soon};

use byok_testkit::fake_provider::FakeProvider;
use serde_json::{Value, json};

/// A customer's key that no provider issued.
pub(crate) const KEY: &str = "sk-proj-Qk7wT2mZx9Lr4VbN8cYs3HdJ6fGa1PeU5oRiXt0KqWzBvM";

/// A provider on a free port.
pub(crate) fn provider() -> FakeProvider {
    FakeProvider::start().expect("a loopback port is free")
}

/// A fresh server in front of a provider, with one customer connected: `customer`.
pub(crate) fn serving() -> (FakeProvider, Server) {
    let provider = provider();
    let server = Launch::quickstart(&provider).start();
    server.connect("customer", KEY);
    (provider, server)
}

/// The smallest chat payload for `model`.
pub(crate) fn chat_for(model: &str) -> Value {
    json!({"model": model, "messages": [{"role": "user", "content": "Hi"}]})
}

/// A chat payload.
pub(crate) fn chat() -> Value {
    chat_for("gpt-4o-mini")
}

/// A chat payload that asks for a stream.
pub(crate) fn streamed_chat() -> Value {
    let mut payload = chat();
    payload["stream"] = true.into();
    payload
}
