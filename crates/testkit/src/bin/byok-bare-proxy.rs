//! A reverse proxy that does nothing else, on hyper: what our server could cost at best.
//!
//! One single-threaded runtime a core, `SO_REUSEPORT`, a connection pool a thread; bodies are
//! passed on as they arrive.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};

use clap::Parser;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper::{Request, Response, Uri, header};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioIo};

/// A bare hyper reverse proxy, as a yardstick.
#[derive(Clone, Debug, Parser)]
struct Flags {
    /// Port on 127.0.0.1.
    #[arg(long)]
    port: u16,
    /// Address of the server behind it.
    #[arg(long)]
    upstream: SocketAddr,
}

fn main() -> io::Result<()> {
    let flags = Flags::parse();
    let cores = std::thread::available_parallelism()?.get();
    let threads: Vec<_> = (0..cores)
        .map(|_| {
            let flags = flags.clone();
            std::thread::spawn(move || {
                let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
                runtime.block_on(serve(&flags))
            })
        })
        .collect();
    for thread in threads {
        thread.join().map_err(|_| io::Error::other("a thread panicked"))??;
    }
    Ok(())
}

async fn serve(flags: &Flags) -> io::Result<()> {
    let socket = tokio::net::TcpSocket::new_v4()?;
    socket.set_reuseaddr(true)?;
    socket.set_reuseport(true)?;
    socket.bind((Ipv4Addr::LOCALHOST, flags.port).into())?;
    let listener = socket.listen(4096)?;
    let mut connector = HttpConnector::new();
    connector.set_nodelay(true);
    let client = Client::builder(TokioExecutor::new()).build(connector);
    loop {
        let (stream, _) = listener.accept().await?;
        stream.set_nodelay(true)?;
        let (client, upstream) = (client.clone(), flags.upstream);
        let service = service_fn(move |request| forward(client.clone(), upstream, request));
        // A client that breaks off ends its own connection only.
        tokio::spawn(async move {
            let http = hyper::server::conn::http1::Builder::new();
            let _ = http.serve_connection(TokioIo::new(stream), service).await;
        });
    }
}

async fn forward(
    client: Client<HttpConnector, Incoming>,
    upstream: SocketAddr,
    mut request: Request<Incoming>,
) -> Result<Response<Incoming>, Box<dyn std::error::Error + Send + Sync>> {
    let path = request.uri().path_and_query().map_or("/", |path| path.as_str());
    *request.uri_mut() = format!("http://{upstream}{path}").parse::<Uri>()?;
    request.headers_mut().remove(header::HOST);
    Ok(client.request(request).await?)
}
