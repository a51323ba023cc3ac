//! Whom to call, with what.

use std::net::SocketAddr;

use clap::Args;

/// The address and the headers of every request.
#[derive(Args, Clone, Debug)]
pub(crate) struct Target {
    /// Address of the server, `127.0.0.1:PORT`; only loopback addresses are called.
    #[arg(long, value_parser = loopback)]
    address: SocketAddr,
    /// Path of the call.
    #[arg(long, default_value = "/v1/chat/completions")]
    path: String,
    /// A header, `name: value`; may be repeated. `{}` in it is the number of the customer whose
    /// turn it is.
    #[arg(long = "header")]
    headers: Vec<String>,
}

impl Target {
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// The bytes of a customer's request with this JSON body.
    pub(crate) fn request(&self, customer: u32, body: &serde_json::Value) -> Vec<u8> {
        let (customer, body) = (customer.to_string(), body.to_string());
        let mut request = format!("POST {} HTTP/1.1\r\nhost: {}\r\n", self.path, self.address);
        for header in &self.headers {
            request.push_str(&format!("{}\r\n", header.replace("{}", &customer)));
        }
        request.push_str(&format!(
            "content-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
            body.len()
        ));
        request.into_bytes()
    }
}

fn loopback(text: &str) -> Result<SocketAddr, String> {
    let address: SocketAddr = text.parse().map_err(|_| "not an address with a port".to_owned())?;
    if address.ip().is_loopback() { Ok(address) } else { Err("not a loopback address".to_owned()) }
}
