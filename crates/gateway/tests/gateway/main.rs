//! Calls through a whole gateway: everything real but the provider, the directory and the ledger.

mod rig;

mod circuits;
mod credits;
mod failures;
mod faq;
mod limits;
mod quota;
mod streams;
mod uploads;
mod who_pays;
