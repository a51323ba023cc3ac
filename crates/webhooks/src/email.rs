//! Notices to customers by e-mail.

mod message;
mod send;
mod smtp;

pub use message::Text;
pub use send::MailWorker;
pub use smtp::{InvalidAddress, InvalidSmtpUrl, Mailer, SenderAddress, SmtpUrl};
