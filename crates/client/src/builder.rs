//! How a client is set up.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use http::header::{AUTHORIZATION, HeaderName, HeaderValue};
use http::{HeaderMap, Uri};
use reqwest::Url;

use crate::client::{Byok, Inner};
use crate::error::{Error, Result};
use crate::secret::Secret;

const DEFAULT_BASE_URL: &str = "http://localhost:3000";
/// Names the server when nothing else does.
const BASE_URL: &str = "BYO_BASE_URL";
const CONNECTING: Duration = Duration::from_secs(10);

/// Sets a client up: see [`Byok::builder`].
#[must_use]
pub struct Builder {
    api_key: Secret,
    base_url: Option<String>,
    timeout: Duration,
    call_timeout: Duration,
    retries: u32,
    http: Option<reqwest::Client>,
    headers: Vec<(String, String)>,
}

impl Builder {
    pub(crate) fn new(api_key: Secret) -> Self {
        Self {
            api_key,
            base_url: None,
            timeout: Duration::from_secs(60),
            call_timeout: Duration::from_secs(600),
            retries: 2,
            http: None,
            headers: Vec::new(),
        }
    }

    /// Where the server is, with the path that it is mounted under, if any. Without this the
    /// environment's `BYO_BASE_URL` says so, and without that it is `http://localhost:3000`.
    pub fn base_url(mut self, url: impl Into<String>) -> Self {
        self.base_url = Some(url.into());
        self
    }

    /// How long a management request may take, each attempt by itself. 60 seconds unless set.
    pub fn timeout(mut self, limit: Duration) -> Self {
        self.timeout = limit;
        self
    }

    /// How long a provider may take for an answer, and in a stream for each next event. 10 minutes
    /// unless set.
    pub fn call_timeout(mut self, limit: Duration) -> Self {
        self.call_timeout = limit;
        self
    }

    /// How often a request is repeated at most. Reads are, after failures that pass; everything
    /// else, calls above all, only when the connection could not even be made. 2 unless set.
    pub fn retries(mut self, most: u32) -> Self {
        self.retries = most;
        self
    }

    /// A client of your own: proxies, certificates, pools. It should follow no redirects.
    pub fn http_client(mut self, http: reqwest::Client) -> Self {
        self.http = Some(http);
        self
    }

    /// A header for every request, for what stands before the server.
    pub fn header(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.headers.push((name.into(), value.into()));
        self
    }

    /// The client.
    ///
    /// # Errors
    /// [`Error::Validation`] names what cannot be used: the API key, the base URL, a header, the
    /// operating system's certificates.
    pub fn build(self) -> Result<Byok> {
        let base =
            self.base_url.or_else(|| std::env::var(BASE_URL).ok().filter(|url| !url.is_empty()));
        let base = address(base.as_deref().unwrap_or(DEFAULT_BASE_URL))?;
        let mut headers = HeaderMap::new();
        for (name, value) in &self.headers {
            let (Ok(name), Ok(mut value)) =
                (HeaderName::try_from(name), HeaderValue::try_from(value))
            else {
                return Err(Error::invalid(format!(
                    "The header {name:?} cannot be sent; correct its name or value."
                )));
            };
            value.set_sensitive(true);
            headers.append(name, value);
        }
        headers.insert(AUTHORIZATION, bearer(&self.api_key)?);
        let http = match self.http {
            Some(http) => http,
            None => http_client()?,
        };
        let inner = Inner {
            http,
            base,
            api_key: self.api_key,
            headers,
            timeout: self.timeout,
            call_timeout: self.call_timeout,
            retries: self.retries,
        };
        Ok(Byok { inner: Arc::new(inner), project: None })
    }
}

impl fmt::Debug for Builder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // A base URL may hold a password, a header a token.
        f.debug_struct("Builder")
            .field("timeout", &self.timeout)
            .field("call_timeout", &self.call_timeout)
            .field("retries", &self.retries)
            .finish_non_exhaustive()
    }
}

fn bearer(key: &Secret) -> Result<HeaderValue> {
    let text = key.expose();
    if text.is_empty() {
        return Err(Error::invalid("The API key is empty; pass the project's secret key."));
    }
    let mut value = HeaderValue::try_from(format!("Bearer {text}")).map_err(|_| {
        Error::invalid("The API key has characters that no key has; pass it as it was shown.")
    })?;
    value.set_sensitive(true);
    Ok(value)
}

/// The base URL, ending without a slash. Its text may hold a password, so no error repeats it.
fn address(text: &str) -> Result<Url> {
    let wrong = || {
        Error::invalid(format!(
            "The base URL is no http:// or https:// address without query; correct it, or {BASE_URL}."
        ))
    };
    let url = Url::parse(text.trim()).map_err(|_| wrong())?;
    let sound = matches!(url.scheme(), "http" | "https")
        && url.query().is_none()
        && url.fragment().is_none()
        // What will be sent has to be an address to the HTTP library too.
        && url.as_str().parse::<Uri>().is_ok();
    if sound { Ok(url) } else { Err(wrong()) }
}

fn http_client() -> Result<reqwest::Client> {
    let builder = reqwest::Client::builder()
        .user_agent(concat!("byok-client/", env!("CARGO_PKG_VERSION")))
        .connect_timeout(CONNECTING)
        // The key is for this server, and a call that is sent on as a GET is no call.
        .redirect(reqwest::redirect::Policy::none());
    with_tls(builder)?.build().map_err(|error| {
        Error::invalid(format!("No HTTP client can be made: {}.", error.without_url()))
    })
}

#[cfg(feature = "rustls")]
fn with_tls(builder: reqwest::ClientBuilder) -> Result<reqwest::ClientBuilder> {
    use rustls_platform_verifier::BuilderVerifierExt as _;

    // Given here, so that nothing of the process is set: there may be others that choose one.
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .and_then(|builder| builder.with_platform_verifier())
        .map_err(|error| Error::invalid(format!("TLS cannot be set up: {error}.")))?
        .with_no_client_auth();
    Ok(builder.tls_backend_preconfigured(config))
}

#[cfg(not(feature = "rustls"))]
fn with_tls(builder: reqwest::ClientBuilder) -> Result<reqwest::ClientBuilder> {
    #[cfg(feature = "native-tls")]
    let builder = builder.tls_backend_native();
    Ok(builder)
}
