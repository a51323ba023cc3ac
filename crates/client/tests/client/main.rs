//! The client against servers that do as they are told.

mod calls;
mod errors;
mod lists;
mod requests;
mod retries;
mod script;
mod secrets;
mod streams;
