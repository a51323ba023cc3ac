//! A provider as cheap as can be, so that a benchmark measures the proxy in front of it.
//!
//! No HTTP library: a request is looked through for the few things that matter, an answer is bytes
//! that were ready before. Connections are dealt round to one single-threaded runtime a thread:
//! with `SO_REUSEPORT` the kernel's hash may put most of sixteen connections on one thread, and
//! the figures would differ from start to start.

mod answers;
mod connection;
mod request;
mod stream;

use std::io;
use std::net::{Ipv4Addr, TcpListener, TcpStream};

use clap::Parser;
use tokio::sync::mpsc;

/// A provider stand-in for benchmarks: OpenAI's chat completions, at once or as a timed stream, and
/// fixed answers of OpenAI's responses, Anthropic's messages and Google's generated content.
#[derive(Debug, Parser)]
struct Flags {
    /// Port on 127.0.0.1; 0 takes a free one. The address is printed on standard output.
    #[arg(long, default_value_t = 0)]
    port: u16,
    /// Threads; 0 is one a core.
    #[arg(long, default_value_t = 0)]
    threads: usize,
    /// Events of a stream, where the request has no `max_tokens`.
    #[arg(long, default_value_t = 100)]
    events: u32,
    /// Events per second of each stream.
    #[arg(long, default_value_t = 20)]
    rate: u32,
}

#[expect(clippy::print_stdout, reason = "who started it reads its address there")]
fn main() -> io::Result<()> {
    let flags = Flags::parse();
    let listener = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None)?;
    listener.set_reuse_address(true)?;
    let address = std::net::SocketAddr::from((Ipv4Addr::LOCALHOST, flags.port));
    listener.bind(&address.into())?;
    listener.listen(4096)?;
    let listener = TcpListener::from(listener);
    println!("listening on {}", listener.local_addr()?);
    let pace = stream::Pace::new(flags.events, flags.rate);
    let threads = match flags.threads {
        0 => std::thread::available_parallelism()?.get(),
        threads => threads,
    };
    let workers: Vec<_> = (0..threads).map(|_| start_worker(pace)).collect::<io::Result<_>>()?;
    for worker in workers.iter().cycle() {
        let (stream, _) = listener.accept()?;
        stream.set_nonblocking(true)?;
        stream.set_nodelay(true)?;
        worker.send(stream).map_err(io::Error::other)?;
    }
    Ok(())
}

fn start_worker(pace: stream::Pace) -> io::Result<mpsc::UnboundedSender<TcpStream>> {
    let (sender, mut receiver) = mpsc::unbounded_channel();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    std::thread::Builder::new().name("standin".into()).spawn(move || {
        runtime.block_on(async {
            while let Some(stream) = receiver.recv().await {
                let Ok(stream) = tokio::net::TcpStream::from_std(stream) else { continue };
                // A client that breaks off ends its own connection only.
                tokio::spawn(async move {
                    let _ = connection::serve(stream, pace).await;
                });
            }
        });
    })?;
    Ok(sender)
}
