//! The hot routes: the envelope (`/proxy/…`) and the drop-in routes (`/v1/…`).
//!
//! They stand outside the router of the management routes: a call is matched by its prefix, and
//! its body goes from one socket to the other without being boxed on the way.

mod answer_body;
mod credential;
mod envelope;
mod errors;
mod one_value;
mod own_address;
mod path;
mod payment;

use std::error::Error;
use std::sync::Arc;
use std::time::Instant;

use byok_domain::credential::{ApiKeyKind, Caller, Permission};
use byok_domain::routing::FallbackReason;
use byok_domain::{KeySource, ProjectId, RefId, RequestId, Timestamp};
use byok_gateway::{Answer, Call, CallBody, Continued, Gateway, Here, collect, split_ticket};
use byok_providers::{BodyKind, Provider, Route};
use bytes::Bytes;
use http::request::Parts;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Response, header};
use http_body::Body;

pub use answer_body::CallBodyOut;
use envelope::Envelope;
pub use own_address::OwnAddress;
pub use path::{CallPath, Kind};

use crate::address;
use crate::error::{ApiError, Code};
use crate::state::AppState;

const PROVIDER: HeaderName = HeaderName::from_static("x-byo-provider");
const FALLBACK: HeaderName = HeaderName::from_static("x-byo-fallback");
const KEY_SOURCE: HeaderName = HeaderName::from_static("x-byo-key-source");
const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// The hot routes and what they work with.
#[derive(Clone)]
pub struct Calls {
    gateway: Arc<Gateway>,
    state: Arc<AppState>,
    /// Whether paths that no module knows are forwarded.
    forward_unknown: bool,
    own_address: Arc<OwnAddress>,
}

/// One request on its way through the hot routes.
struct Incoming {
    id: RequestId,
    at: Timestamp,
    started: Instant,
    parts: Parts,
}

/// Where a call goes, and for whom.
struct Place {
    provider: &'static dyn Provider,
    route: Route,
    project: ProjectId,
    ref_id: RefId,
    query: Option<String>,
    here: Option<Here>,
    continues: Option<Continued>,
}

impl Incoming {
    fn into_call<B>(self, place: Place, body: CallBody<B>) -> Call<B> {
        let Place { provider, route, project, ref_id, query, here, continues } = place;
        Call {
            id: self.id,
            at: self.at,
            started: self.started,
            project,
            ref_id,
            provider,
            route,
            query,
            headers: self.parts.headers,
            body,
            continues,
            here,
        }
    }
}

impl Calls {
    /// The hot routes over `gateway`. `state` is the management routes' own.
    pub fn new(gateway: Arc<Gateway>, state: Arc<AppState>, forward_unknown: bool) -> Self {
        let own_address = Arc::default();
        Self { gateway, state, forward_unknown, own_address }
    }

    /// The same, reached by its callers under this address.
    #[must_use]
    pub fn reached_at(self, address: OwnAddress) -> Self {
        Self { own_address: Arc::new(address), ..self }
    }

    /// Serves a request whose path [`CallPath::parse`] has matched.
    pub async fn serve<B>(self, path: CallPath, request: Request<B>) -> Response<CallBodyOut>
    where
        B: Body<Data = Bytes> + Send + Unpin + 'static,
        B::Error: Into<Box<dyn Error + Send + Sync>>,
    {
        let started = Instant::now();
        let (at, id) = self.gateway.begin();
        let (parts, body) = request.into_parts();
        let incoming = Incoming { id, at, started, parts };
        let provider = match path.kind {
            Kind::DropIn => path::drop_in_provider(&path, &incoming.parts.headers),
            Kind::Envelope => path::envelope_provider(&path),
        };
        let mut response = match provider {
            Ok(provider) => {
                let shape = (path.kind == Kind::DropIn).then_some(provider);
                let served = self.run(&path, provider, incoming, body).await;
                let mut response =
                    served.unwrap_or_else(|refusal| errors::respond(refusal, shape, id));
                response.headers_mut().insert(PROVIDER, HeaderValue::from_static(provider.id()));
                response
            }
            Err(refusal) => errors::respond(refusal, None, id),
        };
        finish(response.headers_mut(), id);
        response
    }

    async fn run<B>(
        &self,
        path: &CallPath,
        provider: &'static dyn Provider,
        incoming: Incoming,
        body: B,
    ) -> Result<Response<CallBodyOut>, ApiError>
    where
        B: Body<Data = Bytes> + Send + Unpin + 'static,
        B::Error: Into<Box<dyn Error + Send + Sync>>,
    {
        let headers = &incoming.parts.headers;
        let query = incoming.parts.uri.query();
        let ticket = query.filter(|_| path.kind == Kind::DropIn).and_then(split_ticket);
        let (project, implied, continues) = match (ticket, path.project()) {
            (Some((query, ticket)), Some(id)) => {
                let project = ProjectId::new(id);
                let target = target(path, query);
                let upload = self.go_on(&project, provider, &target, ticket, &incoming).await?;
                (project, Some(upload.ref_id.clone()), Some(upload))
            }
            _ => {
                let (project, implied) = self.enter(path, &incoming.parts).await?;
                (project, implied, None)
            }
        };
        let query = ticket.map_or(query, |(query, _)| query).map(str::to_owned);
        if headers.contains_key(header::CONTENT_ENCODING) {
            return Err(ApiError::new(
                Code::UnsupportedMediaType,
                "Send the body without a Content-Encoding.",
            ));
        }
        let refused = |not_answered| errors::not_answered(not_answered, self.gateway.max_body());
        match path.kind {
            Kind::Envelope => {
                let route = path::envelope_route(path, provider, &incoming.parts.method)?;
                let known = implied.as_ref();
                let envelope = Envelope::open(&self.gateway, &route, headers, known, body).await?;
                let ref_id = agree(implied, Some(envelope.ref_id))?;
                let (query, here, continues) = (None, None, None);
                let place = Place { provider, route, project, ref_id, query, here, continues };
                let call = incoming.into_call(place, envelope.body);
                Ok(envelope::answer(self.gateway.call(call).await.map_err(refused)?))
            }
            Kind::DropIn => {
                path::unambiguous(path.rest(), provider.encodes_slashes())?;
                let route = provider.drop_in(&incoming.parts.method, path.rest());
                if !route.known && !self.forward_unknown {
                    return Err(ApiError::new(
                        Code::NotFound,
                        "This path is not known, and forwarding unknown paths is turned off here.",
                    ));
                }
                let ref_id = agree(implied, path::ref_id(headers)?)?;
                let body = self.drop_in_body(provider, &route, headers, body).await?;
                let here = match provider.next_address(&route) {
                    Some(_) => Some(self.own_address.of(path, &project, &incoming.parts)?),
                    None => None,
                };
                let place = Place { provider, route, project, ref_id, query, here, continues };
                let call = incoming.into_call(place, body);
                Ok(drop_in_answer(self.gateway.call(call).await.map_err(refused)?))
            }
        }
    }

    /// The project that the caller may make calls in, and the refId that its credential implies.
    async fn enter(
        &self,
        path: &CallPath,
        parts: &Parts,
    ) -> Result<(ProjectId, Option<RefId>), ApiError> {
        let token = credential::of(&parts.headers)?;
        let caller = match self.gateway.authenticate(token).await {
            Ok(caller) => caller,
            Err(byok_gateway::AuthError::Invalid) => {
                self.failed_login(parts)?;
                return Err(credential::refused());
            }
            Err(error @ byok_gateway::AuthError::Directory(_)) => {
                return Err(credential::unavailable(error));
            }
        };
        if !caller.may(Permission::Call) {
            return Err(ApiError::new(
                Code::Forbidden,
                "A publishable key may only connect and check keys; make calls with a secret key.",
            ));
        }
        match (caller, path.project()) {
            (Caller::Admin, Some(id)) => Ok((ProjectId::new(id), None)),
            (Caller::Admin, None) => Err(ApiError::parameter(
                "The admin token belongs to no project; call this route as /projects/{id}/….",
            )),
            (Caller::Key(key), named) => {
                if named.is_some_and(|id| id != key.project.as_str()) {
                    return Err(ApiError::not_found("project"));
                }
                let implied = key.ref_id.filter(|_| key.kind == ApiKeyKind::Customer);
                Ok((key.project, implied))
            }
        }
    }

    /// The upload that a ticket lets go on. Its address is the credential: some SDKs send none there.
    async fn go_on(
        &self,
        project: &ProjectId,
        provider: &'static dyn Provider,
        target: &str,
        ticket: &str,
        incoming: &Incoming,
    ) -> Result<Continued, ApiError> {
        let found = self.gateway.continued_upload(project, provider.id(), target, ticket).await;
        match found.map_err(|error| errors::of_call(error, self.gateway.max_body()))? {
            Some(upload) => Ok(upload),
            None => {
                self.failed_login(&incoming.parts)?;
                Err(credential::unknown_ticket())
            }
        }
    }

    fn failed_login(&self, parts: &Parts) -> Result<(), ApiError> {
        let trusted = &self.state.trusted_proxies;
        let address = address::client(trusted, &parts.extensions, &parts.headers);
        self.state.limits.failed_login(address)
    }

    async fn drop_in_body<B>(
        &self,
        provider: &'static dyn Provider,
        route: &Route,
        headers: &HeaderMap,
        body: B,
    ) -> Result<CallBody<B>, ApiError>
    where
        B: Body<Data = Bytes> + Send + Unpin,
        B::Error: Into<Box<dyn Error + Send + Sync>>,
    {
        if body.is_end_stream() && route.operation.body != BodyKind::Json {
            return Ok(CallBody::Empty);
        }
        match route.operation.body {
            BodyKind::Json => {
                if !provider.takes_untyped_json() {
                    errors::require_type(headers, "application/json")?;
                }
                let limit = self.gateway.max_body();
                Ok(CallBody::Json(
                    collect(body, limit).await.map_err(|error| errors::collecting(&error))?,
                ))
            }
            BodyKind::Multipart => {
                errors::require_type(headers, "multipart/form-data")?;
                self.stream(body)
            }
            BodyKind::Opaque => self.stream(body),
        }
    }

    /// A body that is streamed through; one that announces too much is refused unread.
    fn stream<B: Body>(&self, body: B) -> Result<CallBody<B>, ApiError> {
        let limit = self.gateway.max_body();
        if body.size_hint().lower() > limit {
            return Err(errors::too_large(limit));
        }
        Ok(CallBody::Stream(body))
    }
}

/// The path and query below the provider's base URL.
fn target(path: &CallPath, query: Option<&str>) -> String {
    match query {
        Some(query) => format!("/{}?{query}", path.rest()),
        None => format!("/{}", path.rest()),
    }
}

/// The customer of the call: the one that the credential implies, or the one that is named.
fn agree(implied: Option<RefId>, named: Option<RefId>) -> Result<RefId, ApiError> {
    match (implied, named) {
        (Some(implied), Some(named)) if implied != named => Err(ApiError::new(
            Code::Forbidden,
            "This key makes calls for another refId only; leave X-BYO-Ref-Id out.",
        )),
        (Some(ref_id), _) | (None, Some(ref_id)) => Ok(ref_id),
        (None, None) => Err(ApiError::new(
            Code::MissingRefId,
            "Name the customer: send the header X-BYO-Ref-Id with its id in your system.",
        )),
    }
}

/// The provider's own answer, with our headers beside it.
fn drop_in_answer(answer: Answer) -> Response<CallBodyOut> {
    let Answer { source, fallback, status, headers, body, .. } = answer;
    let mut response = Response::new(CallBodyOut::Relayed(body));
    *response.status_mut() = status;
    *response.headers_mut() = headers;
    mark(response.headers_mut(), source, fallback);
    response
}

/// Says who paid, and why it was not the customer's own key.
fn mark(headers: &mut HeaderMap, source: KeySource, fallback: Option<FallbackReason>) {
    headers.insert(KEY_SOURCE, HeaderValue::from_static(source.as_str()));
    if let Some(why) = fallback {
        headers.insert(FALLBACK, HeaderValue::from_static(why.as_str()));
    }
}

fn finish(headers: &mut HeaderMap, id: RequestId) {
    let mut text = [0; 36];
    let id = id.encode(&mut text);
    if let Ok(id) = HeaderValue::from_str(id) {
        headers.insert(REQUEST_ID, id);
    }
}

/// Whether a method may carry a call on the envelope routes.
fn is_post(method: &Method) -> Result<(), ApiError> {
    if *method == Method::POST {
        return Ok(());
    }
    Err(ApiError::new(Code::MethodNotAllowed, "Call this route with POST.")
        .allowing("POST".to_owned()))
}
