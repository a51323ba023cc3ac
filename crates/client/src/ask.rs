//! One request to the server, which every method of this crate comes to.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::header::{CONTENT_TYPE, HeaderName, HeaderValue};
use http::{HeaderMap, Method, StatusCode};
use reqwest::Url;
use reqwest::multipart::Form;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};
use tokio::time::{Instant, timeout};

use crate::client::Byok;
use crate::error::{Error, Result, content_type};
use crate::receipt::request_id;
use crate::retry;

/// As much of a refusal as is read, in bytes.
const REFUSAL_CAP: usize = 1024 * 1024;

/// A request that is being put together.
#[derive(Clone)]
#[must_use]
pub(crate) struct Ask {
    byok: Byok,
    method: Method,
    path: Vec<String>,
    query: Vec<(&'static str, String)>,
    headers: HeaderMap,
    body: Body,
    limit: Duration,
    /// Whether sending it twice does what sending it once does.
    repeatable: bool,
    /// An argument that cannot be sent, told when it is time to send.
    fault: Option<String>,
}

#[derive(Clone)]
enum Body {
    Nothing,
    Fields(Map<String, Value>),
    Json(Bytes),
    /// A form can be sent once, so each attempt makes its own.
    Form(Arc<dyn Fn() -> Form + Send + Sync>),
}

/// The head of an answer, and the whole of its body.
pub(crate) struct Whole {
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

impl Ask {
    /// In the key's own project, or the one that the client was told.
    pub(crate) fn new(byok: &Byok, method: Method, path: &[&str]) -> Self {
        match &byok.project {
            Some(project) => Self::in_project(byok, project, method, path),
            None => Self::over_all(byok, method, path),
        }
    }

    /// In this project.
    pub(crate) fn in_project(byok: &Byok, project: &str, method: Method, path: &[&str]) -> Self {
        Self::over_all(byok, method, &[&["projects", project], path].concat())
    }

    /// In no project: for what the operator asks of all of them.
    pub(crate) fn over_all(byok: &Byok, method: Method, path: &[&str]) -> Self {
        let path = path.iter().map(|part| (*part).to_owned()).collect();
        let mut ask = Self {
            byok: byok.clone(),
            repeatable: method == Method::GET,
            method,
            path,
            query: Vec::new(),
            headers: HeaderMap::new(),
            body: Body::Nothing,
            limit: byok.inner.timeout,
            fault: None,
        };
        // However they are encoded, URLs are read as if these were not there.
        let vanishes =
            |part: &str| matches!(part, "" | "." | "..") || part.contains(|c: char| c.is_control());
        if let Some(odd) = ask.path.iter().find(|part| vanishes(part)) {
            ask.fault = Some(format!("The id {odd:?} cannot be part of an address; use another."));
        }
        ask
    }

    /// Sets a query parameter, in the place of an earlier value.
    pub(crate) fn query(self, name: &'static str, value: &impl ToString) -> Self {
        let mut ask = self.without(name);
        ask.query.push((name, value.to_string()));
        ask
    }

    pub(crate) fn without(mut self, name: &str) -> Self {
        self.query.retain(|(earlier, _)| *earlier != name);
        self
    }

    pub(crate) fn has(&self, name: &str) -> bool {
        self.query.iter().any(|(known, _)| *known == name)
    }

    /// Sets a field of the body.
    pub(crate) fn field(mut self, name: &str, value: impl Serialize) -> Self {
        match serde_json::to_value(value) {
            Ok(value) => {
                if let Body::Nothing = self.body {
                    self.body = Body::Fields(Map::new());
                }
                if let Body::Fields(fields) = &mut self.body {
                    fields.insert(name.to_owned(), value);
                }
                self
            }
            Err(error) => self.refuse(format!("The field {name} is no JSON: {error}.")),
        }
    }

    /// A body that is JSON already.
    pub(crate) fn json(mut self, body: Bytes) -> Self {
        self.body = Body::Json(body);
        self
    }

    pub(crate) fn form(mut self, form: impl Fn() -> Form + Send + Sync + 'static) -> Self {
        self.body = Body::Form(Arc::new(form));
        self
    }

    pub(crate) fn header(mut self, name: HeaderName, value: &str) -> Self {
        match HeaderValue::from_bytes(value.as_bytes()) {
            Ok(value) => {
                self.headers.insert(name, value);
                self
            }
            Err(_) => self.refuse(format!("The header {name} cannot hold {value:?}.")),
        }
    }

    /// With the patience that is for providers.
    pub(crate) fn for_provider(mut self) -> Self {
        self.limit = self.byok.inner.call_timeout;
        self
    }

    /// Sending it twice does what sending it once does.
    pub(crate) fn repeatable(mut self) -> Self {
        self.repeatable = true;
        self
    }

    /// Has sending it fail.
    pub(crate) fn refuse(mut self, why: String) -> Self {
        self.fault.get_or_insert(why);
        self
    }

    /// How long is waited for each piece of an answer.
    pub(crate) fn limit(&self) -> Duration {
        self.limit
    }

    /// Sends it and reads the answer.
    pub(crate) async fn send<T: DeserializeOwned>(self) -> Result<T> {
        let Whole { headers, body } = self.whole().await?;
        serde_json::from_slice(&body).map_err(|error| {
            let message = format!(
                "The answer ({}) is none of this API: {error}. Check the base URL.",
                content_type(&headers)
            );
            Error::unexpected(message, request_id(&headers))
        })
    }

    /// Sends it and reads the answer to its end.
    pub(crate) async fn whole(self) -> Result<Whole> {
        self.attempts(|ask| async move {
            let began = Instant::now();
            let head = timeout(ask.limit, ask.head()).await;
            let mut answer = head.map_err(|_| Error::timeout(ask.limit, None))??;
            let headers = std::mem::take(answer.headers_mut());
            let left = ask.limit.saturating_sub(began.elapsed());
            let body = timeout(left, answer.bytes()).await;
            let body = body.map_err(|_| Error::timeout(ask.limit, request_id(&headers)))?;
            let body = body.map_err(|error| Error::network(error, request_id(&headers)))?;
            Ok(Whole { headers, body })
        })
        .await
    }

    /// Sends it and reads the head of the answer; what follows is read by the caller.
    pub(crate) async fn open(self) -> Result<reqwest::Response> {
        self.attempts(|ask| async move {
            let head = timeout(ask.limit, ask.head()).await;
            head.map_err(|_| Error::timeout(ask.limit, None))?
        })
        .await
    }

    async fn attempts<T, F>(self, once: impl Fn(Arc<Self>) -> F) -> Result<T>
    where
        F: Future<Output = Result<T>>,
    {
        let ask = Arc::new(self);
        let most = ask.byok.inner.retries;
        let mut attempt = 0;
        loop {
            let error = match once(ask.clone()).await {
                Ok(answer) => return Ok(answer),
                Err(error) => error,
            };
            let Some(pause) = retry::pause(&error, attempt, most, ask.repeatable) else {
                return Err(error);
            };
            tokio::time::sleep(pause).await;
            attempt += 1;
        }
    }

    /// One attempt, as far as the head of an answer that is a success.
    async fn head(&self) -> Result<reqwest::Response> {
        let request = self.request()?;
        let answer = request.send().await.map_err(|error| Error::network(error, None))?;
        let status = answer.status();
        if status.is_success() {
            return Ok(answer);
        }
        Err(refused(status, answer).await)
    }

    fn request(&self) -> Result<reqwest::RequestBuilder> {
        if let Some(fault) = &self.fault {
            return Err(Error::invalid(fault.clone()));
        }
        let inner = &self.byok.inner;
        let mut request = inner
            .http
            .request(self.method.clone(), self.url()?)
            .headers(inner.headers.clone())
            .headers(self.headers.clone());
        let json = |request: reqwest::RequestBuilder, body: Bytes| {
            request.header(CONTENT_TYPE, "application/json").body(body)
        };
        request = match &self.body {
            Body::Nothing => request,
            Body::Json(body) => json(request, body.clone()),
            Body::Fields(fields) => match serde_json::to_vec(fields) {
                Ok(body) => json(request, body.into()),
                Err(error) => return Err(Error::invalid(format!("No JSON: {error}."))),
            },
            Body::Form(form) => request.multipart(form()),
        };
        Ok(request)
    }

    fn url(&self) -> Result<Url> {
        let mut url = self.byok.inner.base.clone();
        match url.path_segments_mut() {
            Ok(mut path) => {
                path.pop_if_empty().extend(&self.path);
            }
            Err(()) => return Err(Error::invalid("The base URL can hold no path; correct it.")),
        }
        if !self.query.is_empty() {
            url.query_pairs_mut().extend_pairs(&self.query);
        }
        Ok(url)
    }
}

impl fmt::Debug for Ask {
    /// Not what is sent: there may be keys in it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} /{}", self.method, self.path.join("/"))
    }
}

/// The error that an answer without success is.
async fn refused(status: StatusCode, mut answer: reqwest::Response) -> Error {
    let headers = std::mem::take(answer.headers_mut());
    let mut body = BytesMut::new();
    // What cannot be read does not matter any more: the status tells the class.
    while let Ok(Some(piece)) = answer.chunk().await {
        if body.len() + piece.len() > REFUSAL_CAP {
            break;
        }
        body.extend_from_slice(&piece);
    }
    Error::answered(status, &headers, &body)
}
