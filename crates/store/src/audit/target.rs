//! The kinds of object that entries of the audit log are about.

/// The kind of object that an entry is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Target {
    Project,
    ApiKey,
    ProviderKey,
    PlatformKey,
    Customer,
    Webhook,
    Keyring,
}

impl Target {
    const ALL: [Self; 7] = [
        Self::Project,
        Self::ApiKey,
        Self::ProviderKey,
        Self::PlatformKey,
        Self::Customer,
        Self::Webhook,
        Self::Keyring,
    ];

    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Project => "project",
            Self::ApiKey => "api_key",
            Self::ProviderKey => "provider_key",
            Self::PlatformKey => "platform_key",
            Self::Customer => "customer",
            Self::Webhook => "webhook",
            Self::Keyring => "keyring",
        }
    }

    pub(crate) fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|target| target.as_str() == text)
    }
}
