//! The answer to a call.

use std::ops::Deref;

use serde_json::Value;

use crate::receipt::Receipt;

/// A provider's answer, with what is known of the call. It reads as the answer itself:
/// `response["choices"]`.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Response<T = Value> {
    /// The provider's answer.
    pub data: T,
    /// Who answered, who paid, what it used and cost.
    pub receipt: Receipt,
}

impl<T> Response<T> {
    /// The answer alone.
    pub fn into_data(self) -> T {
        self.data
    }
}

impl<T> Deref for Response<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.data
    }
}
