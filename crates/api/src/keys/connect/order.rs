//! What a request to connect a key says, read and judged before anything is done.

use byok_domain::{ProviderConfig, ProviderId, RefId};
use byok_net::EgressPolicy;
use byok_vault::ProviderSecret;
use serde_json::Value;

use crate::error::{ApiError, Code};
use crate::fields::Fields;

/// A key to be connected, as far as it can be judged without asking the provider.
pub(super) struct Order {
    pub(super) provider: ProviderId,
    pub(super) ref_id: RefId,
    pub(super) secret: ProviderSecret,
    /// Its `baseUrl`, if any, in canonical spelling.
    pub(super) config: ProviderConfig,
    /// The origin of that `baseUrl`; empty for the provider's own.
    pub(super) origin: String,
    /// Empty when nothing was said.
    pub(super) label: String,
    pub(super) priority: Option<i32>,
    pub(super) require_valid: bool,
}

impl Order {
    /// Reads the request; `public` when anyone may have sent it.
    pub(super) fn read(
        mut fields: Fields,
        egress: &EgressPolicy,
        public: bool,
    ) -> Result<Self, ApiError> {
        // First of all: from here on the key's text lies where it will be wiped.
        let secret = secret(&mut fields);
        let mut config = config(&mut fields);
        if public && config.base_url().is_some() {
            return Err(forbidden("set a baseUrl"));
        }
        if matches!(secret, Sent::Nothing) && config.base_url().is_some() {
            return Err(ApiError::new(
                Code::KeyRequired,
                "A baseUrl can only be set together with the key; send providerKey again.",
            ));
        }
        let secret = match secret {
            Sent::Key(secret) => Some(secret),
            Sent::Nothing | Sent::Nonsense => fields.required("providerKey", None),
        };
        let provider = fields.provider();
        let label = fields.label();
        let priority = fields.integer("priority");
        let require_valid = fields.flag("requireValid").unwrap_or(false);
        let ref_id = fields.ref_id()?;
        if let Some(provider) = provider.as_ref().and_then(|id| byok_providers::find(id.as_str())) {
            for error in provider.check_config(&config) {
                fields.reject(error.field, error.message);
            }
        }
        let (provider, secret) = fields.finish(provider.zip(secret))?;
        let secret = with_session_token(&provider, &mut config, secret)?;
        if public && !label.is_empty() {
            return Err(forbidden("give a key a label"));
        }
        if public && priority.is_some() {
            return Err(forbidden("set a key's priority"));
        }
        let origin = settle_address(&mut config, egress)?;
        Ok(Self { provider, ref_id, secret, config, origin, label, priority, require_valid })
    }
}

/// What was sent as the key.
pub(in crate::keys) enum Sent {
    Key(ProviderSecret),
    Nothing,
    /// Something that is no key; the fields know why.
    Nonsense,
}

pub(in crate::keys) fn secret(fields: &mut Fields) -> Sent {
    match fields.take("providerKey") {
        None => Sent::Nothing,
        Some(Value::String(text)) => match ProviderSecret::parse(text) {
            Ok(secret) => Sent::Key(secret),
            Err(error) => {
                fields.reject("providerKey", error.to_string());
                Sent::Nonsense
            }
        },
        Some(_) => {
            fields.reject("providerKey", "must be a string");
            Sent::Nonsense
        }
    }
}

/// Moves the half of a credential that was sent in the configuration to the other.
pub(in crate::keys) fn with_session_token(
    provider: &ProviderId,
    config: &mut ProviderConfig,
    secret: ProviderSecret,
) -> Result<ProviderSecret, ApiError> {
    let field = byok_providers::find(provider.as_str()).and_then(|p| p.session_token_field());
    let Some(field) = field else { return Ok(secret) };
    match config.take_secret(field) {
        None => Ok(secret),
        Some(token) => secret.with_session_token(token).map_err(|_| {
            ApiError::field(format!("providerConfig.{field}"), "is not what the provider issued")
        }),
    }
}

pub(in crate::keys) fn config(fields: &mut Fields) -> ProviderConfig {
    let mut config = ProviderConfig::default();
    match fields.take("providerConfig") {
        None => {}
        Some(Value::Object(members)) => {
            for (name, value) in members {
                match value {
                    Value::String(text) => config.set(&name, text),
                    Value::Null => {}
                    _ => fields.reject(format!("providerConfig.{name}"), "must be a string"),
                }
            }
        }
        Some(_) => fields.reject("providerConfig", "must be an object"),
    }
    config
}

/// Writes the `baseUrl` in its canonical spelling and returns its origin.
pub(in crate::keys) fn settle_address(
    config: &mut ProviderConfig,
    egress: &EgressPolicy,
) -> Result<String, ApiError> {
    let Some(text) = config.base_url() else { return Ok(String::new()) };
    let url = egress
        .parse(text)
        .map_err(|error| ApiError::blocked_at_save("providerConfig.baseUrl", error))?;
    config.set("baseUrl", url.as_str());
    Ok(url.origin().to_owned())
}

fn forbidden(what: &str) -> ApiError {
    ApiError::new(
        Code::Forbidden,
        format!("A publishable key may not {what}; use a secret key from your server."),
    )
}
