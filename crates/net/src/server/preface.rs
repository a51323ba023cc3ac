//! Which protocol a client without TLS begins to speak.

use std::io;

use tokio::{io::Interest, net::TcpStream};

/// What a client that speaks HTTP/2 says first (RFC 9113, section 3.4).
const PREFACE: &[u8; 24] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// So many bytes of it tell: `PRI` is no method, and never will be.
const TELLING: usize = 4;

/// Whether the client speaks HTTP/2. Looks at the first bytes and leaves them where they are.
pub(super) async fn is_http2(tcp: &TcpStream) -> io::Result<bool> {
    let mut first = [0; TELLING];
    loop {
        let seen = tcp.peek(&mut first).await?;
        if seen == 0 || !PREFACE.starts_with(&first[..seen]) {
            return Ok(false);
        }
        if seen == TELLING {
            return Ok(true);
        }
        // What is there will not do, so the socket counts as not ready until more has come.
        let _ = tcp.try_io(Interest::READABLE, || {
            Err::<(), _>(io::Error::from(io::ErrorKind::WouldBlock))
        });
    }
}
