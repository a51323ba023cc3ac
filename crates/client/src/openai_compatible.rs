//! What another client needs to call OpenAI through the server.

use std::fmt;

use http::header::{AUTHORIZATION, HeaderMap, HeaderName, HeaderValue};

use crate::client::Byok;
use crate::error::{Error, Result};

/// Names the customer on routes whose bodies are the provider's own.
pub(crate) const REF_ID: HeaderName = HeaderName::from_static("x-byo-ref-id");

/// Base URL, key and headers for an OpenAI client of another make, which then calls for one
/// customer.
#[derive(Clone)]
#[non_exhaustive]
pub struct OpenAiCompatible {
    /// What that client calls its base URL: the server's `/v1`.
    pub base_url: String,
    /// What that client calls its API key: this server's.
    pub api_key: String,
    /// To be sent with every request: the customer, and the headers of this client.
    pub headers: HeaderMap,
    /// The connections of this client, for that one to use too if it is built on `reqwest`.
    pub http_client: reqwest::Client,
}

impl Byok {
    /// Base URL, key and headers for an OpenAI client of another make, which then calls for this
    /// customer: `async-openai`, say.
    ///
    /// # Errors
    /// [`Error::Validation`] when the refId cannot stand in a header as it is.
    pub fn openai_compatible(&self, ref_id: impl AsRef<str>) -> Result<OpenAiCompatible> {
        let inner = &self.inner;
        let mut url = inner.base.clone();
        if let Ok(mut path) = url.path_segments_mut() {
            path.pop_if_empty();
            if let Some(project) = &self.project {
                path.push("projects").push(project);
            }
            path.push("v1");
        }
        let mut headers = inner.headers.clone();
        headers.remove(AUTHORIZATION);
        let ref_id = ref_id.as_ref();
        if ref_id.is_empty() || ref_id.trim() != ref_id {
            return Err(Error::invalid(
                "The refId is empty or has spaces around it, which no header keeps; send another.",
            ));
        }
        let ref_id = HeaderValue::from_bytes(ref_id.as_bytes()).map_err(|_| {
            Error::invalid("The refId has control characters, which no header holds; send another.")
        })?;
        headers.insert(REF_ID, ref_id);
        let api_key = inner.api_key.expose().to_owned();
        let http_client = inner.http.clone();
        Ok(OpenAiCompatible { base_url: url.into(), api_key, headers, http_client })
    }
}

impl fmt::Debug for OpenAiCompatible {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Neither the key nor an address that may hold a password.
        f.debug_struct("OpenAiCompatible").field("headers", &self.headers).finish_non_exhaustive()
    }
}
