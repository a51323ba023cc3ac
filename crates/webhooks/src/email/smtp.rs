//! The operator's mail server, and the address that messages come from.

use std::fmt;
use std::time::Duration;

use lettre::message::{Mailbox, MultiPart};
use lettre::transport::smtp::AsyncSmtpTransportBuilder;
use lettre::{Address, AsyncSmtpTransport, AsyncTransport, Message, Tokio1Executor};
use thiserror::Error;

use super::Text;

/// How long the server may take for one command.
const PATIENCE: Duration = Duration::from_secs(20);

type Transport = AsyncSmtpTransport<Tokio1Executor>;

/// Where mail is handed over, with the credentials for it. Cannot be formatted.
pub struct SmtpUrl {
    builder: AsyncSmtpTransportBuilder,
    host: String,
}

/// A text that names no mail server. Says nothing of the text itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("is not the URL of a mail server")]
pub struct InvalidSmtpUrl;

impl SmtpUrl {
    /// Reads `smtps://user:password@host:465`, or `smtp://` with `?tls=required`, with
    /// `?tls=opportunistic`, or, for a server on the same machine, with neither.
    ///
    /// # Errors
    /// [`InvalidSmtpUrl`].
    pub fn parse(text: &str) -> Result<Self, InvalidSmtpUrl> {
        let (_, rest) = text.split_once("://").ok_or(InvalidSmtpUrl)?;
        let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
        let host = authority.rsplit('@').next().unwrap_or_default();
        let host = match host.strip_prefix('[') {
            Some(v6) => v6.split(']').next().unwrap_or_default(),
            None => host.split(':').next().unwrap_or_default(),
        };
        if host.is_empty() {
            return Err(InvalidSmtpUrl);
        }
        let builder = Transport::from_url(text).map_err(|_| InvalidSmtpUrl)?;
        Ok(Self { builder: builder.timeout(Some(PATIENCE)), host: host.to_owned() })
    }

    /// The host, without credentials.
    pub fn host(&self) -> &str {
        &self.host
    }
}

/// The address that messages come from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SenderAddress(Mailbox);

/// A text that is no address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("is not an e-mail address")]
pub struct InvalidAddress;

impl SenderAddress {
    /// Reads `keys@example.com` or `Example <keys@example.com>`.
    ///
    /// # Errors
    /// [`InvalidAddress`].
    pub fn parse(text: &str) -> Result<Self, InvalidAddress> {
        text.parse().map(Self).map_err(|_| InvalidAddress)
    }

    /// `byok` at a host; at `localhost` when the host is no name.
    pub fn at(host: &str) -> Self {
        let address = |host: &str| Address::new("byok", host);
        let named = host.contains(|c: char| c.is_ascii_alphabetic()) && !host.contains(':');
        let address = match named.then(|| address(host)) {
            Some(Ok(address)) => address,
            _ => address("localhost").expect("a local part and a host"),
        };
        Self(Mailbox::new(None, address))
    }
}

impl fmt::Display for SenderAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Hands messages to the mail server.
pub struct Mailer {
    transport: Transport,
    from: SenderAddress,
}

/// Why a message was not handed over.
#[derive(Debug, Error)]
pub(super) enum MailError {
    /// The customer's address is none, or the server will never take the message.
    #[error("the message is refused")]
    Never,
    /// It may be taken later.
    #[error("the mail server cannot be reached or takes nothing for now")]
    NotNow,
}

impl Mailer {
    /// Messages from `from`, by the server at `url`.
    pub fn new(url: SmtpUrl, from: SenderAddress) -> Self {
        Self { transport: url.builder.build(), from }
    }

    pub(super) async fn send(&self, to: &str, text: Text) -> Result<(), MailError> {
        let to: Address = to.parse().map_err(|_| MailError::Never)?;
        let message = Message::builder()
            .from(self.from.0.clone())
            .to(Mailbox::new(None, to))
            .subject(text.subject)
            .multipart(MultiPart::alternative_plain_html(text.plain, text.html))
            .map_err(|_| MailError::Never)?;
        match self.transport.send(message).await {
            Ok(_) => Ok(()),
            // The error's own text may show the address, or what the server says of it.
            Err(error) if error.is_permanent() => Err(MailError::Never),
            Err(_) => Err(MailError::NotNow),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mail_server_is_named_by_its_url() {
        for (url, host) in [
            ("smtp://127.0.0.1:2525", "127.0.0.1"),
            ("smtp://mail.example.com?tls=required", "mail.example.com"),
            ("smtps://user:p%40ss@mail.example.com:465", "mail.example.com"),
            ("smtp://user:pass@mail.example.com:587?tls=opportunistic", "mail.example.com"),
        ] {
            assert_eq!(SmtpUrl::parse(url).map(|url| url.host).as_deref(), Ok(host), "{url}");
        }
        for bad in ["", "mail.example.com", "https://mail.example.com", "smtp://", "smtp://:25"] {
            assert!(SmtpUrl::parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn the_sender_is_what_is_set_or_byok_at_a_named_host() {
        for (host, address) in [
            ("mail.example.com", "byok@mail.example.com"),
            ("localhost", "byok@localhost"),
            ("127.0.0.1", "byok@localhost"),
            ("::1", "byok@localhost"),
        ] {
            assert_eq!(SenderAddress::at(host).to_string(), address);
        }
        for good in ["keys@example.com", "Example <keys@example.com>"] {
            assert!(SenderAddress::parse(good).is_ok(), "{good}");
        }
        for bad in ["", "keys", "keys@", "a@b\r\nBcc: c@d", "a@b, c@d"] {
            assert!(SenderAddress::parse(bad).is_err(), "{bad}");
        }
    }
}
