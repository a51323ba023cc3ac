//! What a provider is to the rest of the system.

use std::borrow::Cow;
use std::sync::Arc;

use byok_domain::usage::HostRegion;
use byok_domain::{AnswerReader, ErrorClass, FieldError, ProviderConfig, Timestamp, Usage};
use byok_vault::ProviderSecret;
use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, Uri};
use thiserror::Error;

use crate::anthropic::Anthropic;
use crate::azure_openai::AzureOpenAi;
use crate::bedrock::Bedrock;
use crate::cohere::Cohere;
use crate::google::Google;
use crate::media_type::MediaType;
use crate::mistral::Mistral;
use crate::next_address::NextAddress;
use crate::openai::OpenAi;

/// A provider's wire. Implementations hold no state: one value serves all calls.
pub trait Provider: Send + Sync + 'static {
    /// The name the API uses (`openai`).
    fn id(&self) -> &'static str;

    /// The name people use (`OpenAI`).
    fn display_name(&self) -> &'static str;

    /// The first segment of its drop-in routes (`anthropic` of `/anthropic/v1/messages`); what
    /// follows it is a path below the base URL.
    fn mount(&self) -> &'static str;

    /// The public base URL for a key with this configuration, in the form the provider's own SDK
    /// takes; `None` where only the key's `baseUrl` says it.
    fn base_url(&self, config: &ProviderConfig, plane: Plane) -> Option<Cow<'static, str>>;

    /// The provider's own OpenAI-compatible endpoint, which `X-BYO-Provider` picks on `/v1`; `None`
    /// where it has none. Its id, keys and prices are this provider's.
    fn compatible(&self) -> Option<&'static dyn Provider>;

    /// What is wrong with a key's configuration, field by field; nothing when it is sound. The
    /// address in `baseUrl` is judged by the egress guard, not here.
    fn check_config(&self, config: &ProviderConfig) -> Vec<FieldError>;

    /// The field of a key's configuration that is sent as one of its own and is half of the
    /// credential: it is sealed with the key, and nothing but that it is there stays behind.
    fn session_token_field(&self) -> Option<&'static str> {
        None
    }

    /// Whether a host that a customer chose is the provider's own all the same: what it says of
    /// usage is the provider's word then, and not the customer's.
    fn owns_host(&self, host: &str) -> bool {
        let _ = host;
        false
    }

    /// The operation of an envelope call (`chat/completions`).
    fn envelope(&self, operation: &str) -> Option<Route>;

    /// The operation behind a method and path of the drop-in routes. The path has no leading
    /// slash and is relative to the base URL.
    fn drop_in(&self, method: &Method, path: &str) -> Route;

    /// Where an answer to `route` names an address that the provider's SDKs call next, if it does.
    fn next_address(&self, route: &Route) -> Option<NextAddress> {
        let _ = route;
        None
    }

    /// Whether a segment of its paths may hold an encoded slash (`%2F`), as ARNs do. Only where no
    /// path names a stored object: how an encoded slash is read, two servers may disagree on.
    fn encodes_slashes(&self) -> bool {
        false
    }

    /// Whether its JSON bodies come under other content types too, or under none, because its SDKs
    /// leave that to their callers.
    fn takes_untyped_json(&self) -> bool {
        false
    }

    /// Reads the few fields that are acted on, and makes the edits that are documented.
    ///
    /// # Errors
    /// [`PayloadError`] when the payload is no JSON object.
    fn prepare(&self, route: &Route, body: Bytes, ask_usage: bool)
    -> Result<Payload, PayloadError>;

    /// The path below the base URL, with its query if it has one, once the model (of the payload)
    /// and the key are known. The route's own, unless the contract moves something into it.
    ///
    /// # Errors
    /// [`PayloadError::Invalid`] when what belongs into the path is missing or cannot be in one.
    fn path<'r>(
        &self,
        route: &'r Route,
        model: Option<&str>,
        config: &ProviderConfig,
    ) -> Result<Cow<'r, str>, PayloadError> {
        let _ = (model, config);
        Ok(Cow::Borrowed(&route.path))
    }

    /// What the key's configuration adds to the body, as one member of its object
    /// (`"model":"x"`), where the contract takes from there what the payload leaves out.
    fn added_member(
        &self,
        route: &Route,
        model: Option<&str>,
        config: &ProviderConfig,
    ) -> Option<String> {
        let _ = (route, model, config);
        None
    }

    /// Writes the credential, and what the key's configuration adds, into the outgoing headers.
    /// Nothing of the request changes after this: it may be signed here.
    fn authorize(
        &self,
        config: &ProviderConfig,
        secret: &ProviderSecret,
        request: &mut OutgoingRequest<'_>,
    );

    /// Request headers of the caller that may go upstream, beyond those every provider takes.
    fn forwards_header(&self, name: &str) -> bool;

    /// Whether a query parameter of that name, as it is written in the query, carries a credential of
    /// the caller's: it stays here.
    fn withholds_parameter(&self, name: &str) -> bool {
        let _ = name;
        false
    }

    /// The cheapest call that proves a key.
    fn validation(&self, config: &ProviderConfig) -> ValidationCall;

    /// What the answer to the validation call says of the key.
    fn judge(&self, status: StatusCode, headers: &HeaderMap, body: &[u8]) -> Verdict;

    /// What kind of failure an answer is. `body` may be its beginning only.
    fn classify(&self, status: StatusCode, headers: &HeaderMap, body: &[u8]) -> ErrorClass;

    /// A refusal of our own in the shape that the provider's SDKs read: fields laid over ours.
    fn own_error(&self, code: &str, message: &str) -> serde_json::Value;

    /// A header that the provider's SDKs read beside it.
    fn own_error_header(&self, code: &str) -> Option<(HeaderName, HeaderValue)> {
        let _ = code;
        None
    }

    /// The region that an address of its own (scheme, host and port) is bound to, where calls cost
    /// other there.
    fn host_region(&self, origin: &str) -> HostRegion {
        let _ = origin;
        HostRegion::None
    }

    /// A reader for the answer to `route`, whose body is of this type.
    fn reader(&self, route: &Route, media: MediaType) -> Box<dyn AnswerReader>;

    /// The same, where the answer's headers tell what its body may not.
    fn reader_beside(
        &self,
        route: &Route,
        media: MediaType,
        headers: &HeaderMap,
    ) -> Box<dyn AnswerReader> {
        let _ = headers;
        self.reader(route, media)
    }
}

/// Which of a provider's hosts a call goes to, where it has two.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Plane {
    /// The one that runs models.
    Runtime,
    /// The one that lists them.
    Control,
}

/// The cheapest call that proves a key: a GET.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ValidationCall {
    /// Which host it goes to.
    pub plane: Plane,
    /// The path below the base URL, with its query if it has one.
    pub path: Cow<'static, str>,
}

/// A request about to leave, all but its credential.
#[derive(Debug)]
pub struct OutgoingRequest<'a> {
    /// Its method.
    pub method: &'a Method,
    /// Where it goes, as it will be sent.
    pub uri: &'a Uri,
    /// Its headers.
    pub headers: &'a mut HeaderMap,
    /// Its body in pieces; `None` for one that is streamed through.
    pub body: Option<&'a [Bytes]>,
    /// Now, for signatures.
    pub at: Timestamp,
}

/// How a request's body is treated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BodyKind {
    /// A JSON object, read for the fields that are acted on.
    Json,
    /// A multipart form, streamed through, its `model` field read in passing.
    Multipart,
    /// Anything or nothing, streamed through unread.
    Opaque,
}

/// What an answer of an operation looks like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AnswerShape {
    /// A JSON document, or an event stream when one was asked for.
    Json,
    /// Bytes of another kind (audio, file contents).
    Bytes,
}

/// What a call is: a name for logs and the rules that go with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Operation {
    /// As written in logs (`chat/completions`).
    pub name: &'static str,
    /// How the request's body is treated.
    pub body: BodyKind,
    /// What the answer looks like.
    pub answer: AnswerShape,
}

/// An object that a provider keeps, as a path or a payload names it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ObjectRef {
    /// What it is: `file`, `batch`, `response` …
    pub kind: &'static str,
    /// The provider's id for it.
    pub id: String,
}

/// Where a call goes at the provider.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Route {
    /// What it is.
    pub operation: Operation,
    /// The HTTP method.
    pub method: Method,
    /// The path, relative to the base URL, with a leading slash.
    pub path: Cow<'static, str>,
    /// The stored object it touches.
    pub object: Option<ObjectRef>,
    /// The kind of stored object that it makes.
    pub makes: Option<&'static str>,
    /// Whether it is one of the operations this system knows.
    pub known: bool,
}

/// A request's JSON body, read and edited.
#[derive(Debug)]
pub struct Payload {
    /// The body as it goes upstream, in pieces that share the memory of the one that came in.
    pub pieces: Vec<Bytes>,
    /// The model it names.
    pub model: Option<Arc<str>>,
    /// Whether it asks for an event stream.
    pub stream: bool,
    /// Whether usage was asked for on the caller's behalf, so that the extra chunk is hidden.
    pub hide_usage: bool,
    /// What the call will have used if the answer does not say: known from the request alone.
    pub presumed: Option<Usage>,
    /// Stored objects that the payload names, and which are at the account that pays.
    pub objects: Vec<ObjectRef>,
    /// Stored objects that are read for the answer: whose they are matters, but not who pays.
    pub reads: Vec<ObjectRef>,
}

/// The payload cannot be read.
#[derive(Debug, Error)]
pub enum PayloadError {
    /// Not JSON, or not an object; says where.
    #[error("the body is no JSON object: {0}")]
    NotAnObject(String),
    /// A field that the path is made of is missing or cannot be in one; says which, and what to do.
    #[error("{0}")]
    Invalid(String),
}

/// What the provider says of a key when asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It is accepted.
    Valid,
    /// It is not accepted.
    Invalid,
    /// It is a real key without the permission that the check needs.
    NoPermission,
    /// It is a real key of an account without money or quota.
    NoQuota,
    /// The provider could not be asked.
    Unreachable,
    /// The provider answered something that says nothing of the key.
    Inconclusive(u16),
}

/// Every provider there is.
pub fn registry() -> &'static [&'static dyn Provider] {
    use crate::hosts::{DEEPSEEK, FIREWORKS, GROQ, OPENROUTER, TOGETHER, XAI};
    &[
        &OpenAi,
        &Anthropic,
        &Google,
        &AzureOpenAi,
        &Bedrock,
        &Cohere,
        &Mistral,
        &DEEPSEEK,
        &FIREWORKS,
        &GROQ,
        &OPENROUTER,
        &TOGETHER,
        &XAI,
    ]
}

/// The provider of that name.
pub fn find(id: &str) -> Option<&'static dyn Provider> {
    registry().iter().copied().find(|provider| provider.id() == id)
}

/// The provider whose drop-in routes begin with that segment.
pub fn mounted(segment: &str) -> Option<&'static dyn Provider> {
    registry().iter().copied().find(|provider| provider.mount() == segment)
}
