//! Prices per model and the exact cost of a call.
