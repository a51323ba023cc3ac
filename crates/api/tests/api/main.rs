//! The management routes over a real store, a real gateway and a provider in process. Every answer
//! is held against the API document on its way to the test.

mod audit_logs;
mod azure_openai;
mod bedrock;
mod cohere;
mod connect;
mod cors;
mod credits;
mod customers;
mod hosts;
mod key_checks;
mod key_settings;
mod keys;
mod limits;
mod logs;
mod malformed;
mod mistral;
mod openapi;
mod origins;
mod payment;
mod platform_keys;
mod pricing;
mod probes;
mod projects;
mod publishable;
mod reprice;
mod rig;
mod routing;
mod schema;
mod secrets;
mod tenancy;
mod usage;
mod webhooks;
