//! What a sealed provider key belongs to.

use byok_domain::{ProjectId, ProviderId, ProviderKeyId, RefId};

/// What a sealed secret is for. A record of one purpose does not open for another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Purpose {
    /// A customer's key for a provider.
    ProviderKey,
    /// The platform's own key for a provider.
    PlatformKey,
}

impl Purpose {
    fn as_str(self) -> &'static str {
        match self {
            Self::ProviderKey => "provider-key",
            Self::PlatformKey => "platform-key",
        }
    }
}

/// Everything that a sealed provider key is bound to.
///
/// It is authenticated with the record, not stored in it: the caller has to know it, and a record
/// whose row was changed in any of these fields does not open. Renaming the customer or moving
/// the key to another origin therefore takes a new sealing, by someone who may open the old one.
#[derive(Clone, Copy, Debug)]
pub struct Binding<'a> {
    /// What the secret is for.
    pub purpose: Purpose,
    /// The project that holds it.
    pub project: &'a ProjectId,
    /// The row it is stored in.
    pub connection: &'a ProviderKeyId,
    /// The customer it belongs to; `None` for the platform's own.
    pub ref_id: Option<&'a RefId>,
    /// The provider it opens.
    pub provider: &'a ProviderId,
    /// The only origin it may be sent to, `https://host:port`; empty for the provider's own.
    pub origin: &'a str,
    /// How often the row has been rewritten.
    pub version: u32,
}

impl Binding<'_> {
    /// The fields that a record of this binding authenticates, beside the kid.
    pub(crate) fn aad(&self, kid: &str) -> Vec<u8> {
        aad(&[
            self.purpose.as_str(),
            kid,
            self.project.as_str(),
            self.connection.as_str(),
            self.ref_id.map_or("", RefId::as_str),
            self.provider.as_str(),
            self.origin,
            &self.version.to_string(),
        ])
    }
}

/// `fields` as one string of bytes, each with its length in front, so that no two lists of fields
/// share a form.
pub(crate) fn aad(fields: &[&str]) -> Vec<u8> {
    let length = fields.iter().map(|field| field.len() + 8).sum::<usize>() + 16;
    let mut bytes = Vec::with_capacity(length);
    for field in std::iter::once(&"byo/v1").chain(fields) {
        bytes.extend_from_slice(&(field.len() as u64).to_be_bytes());
        bytes.extend_from_slice(field.as_bytes());
    }
    bytes
}
