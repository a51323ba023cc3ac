//! The mail server that notices to customers are handed to, and the address they come from.

use byok_webhooks::email::{SenderAddress, SmtpUrl};

use super::Setting;
use super::reader::Reader;

/// The way to customers by e-mail.
pub(crate) struct Mail {
    /// The mail server, with the credentials for it.
    pub(crate) server: SmtpUrl,
    /// Whom messages come from.
    pub(crate) from: SenderAddress,
}

/// The mail settings. Without a sender of their own, messages come from `byok` at the host that the
/// server is known by, or else at the mail server's.
pub(super) fn read(reader: &mut Reader<'_>, public_url: Option<&str>) -> Option<Mail> {
    let from = reader.get(Setting::SMTP_FROM, |text| {
        SenderAddress::parse(text)
            .map_err(|error| format!("{error}; write it like BYOK <keys@example.com>"))
    });
    let server = reader.get(Setting::SMTP_URL, |text| {
        SmtpUrl::parse(text).map_err(|error| {
            format!(
                "{error}; write it like smtps://user:password@mail.example.com:465, or \
                 smtp://mail.example.com:587?tls=required"
            )
        })
    });
    if let (None, Some(_), Some(found)) =
        (reader.text(Setting::SMTP_URL), &from, reader.found(Setting::SMTP_FROM))
    {
        let problem = "is set and BYO_SMTP_URL is not; set both, or neither".to_owned();
        reader.invalid(found, problem);
    }
    let server = server?;
    let from = from.unwrap_or_else(|| {
        let named = public_url.and_then(host);
        SenderAddress::at(named.unwrap_or_else(|| server.host()))
    });
    Some(Mail { server, from })
}

/// The host of a URL that was read already.
fn host(url: &str) -> Option<&str> {
    let (_, rest) = url.split_once("://")?;
    let authority = rest.split('/').next()?;
    authority.split(':').next().filter(|host| !host.is_empty() && !host.starts_with('['))
}
