//! The server as a process, in front of a provider that does as it is told: what a caller, a
//! provider and an operator can do to it, and what it must answer.

mod anthropic;
mod bad_requests;
mod batches;
mod commands;
mod egress;
mod envelope;
mod faults;
mod google;
mod https;
mod key_checks;
mod keys;
mod kill;
mod leaving;
mod metering;
mod nonsense;
mod objects;
mod oversize;
mod postgres;
mod publishable;
mod redis;
mod ref_ids;
mod relay;
mod restart;
mod secrets;
mod session_tokens;
mod streams;
mod support;
mod uploads;
mod who_pays;
mod wire;
