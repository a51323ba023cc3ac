//! One connection: request, answer, until it is closed.

use bytes::BytesMut;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;

use crate::request::{self, Wanted};
use crate::stream::{Pace, send_stream};

pub(crate) async fn serve(mut stream: TcpStream, pace: Pace) -> std::io::Result<()> {
    let mut buffer = BytesMut::with_capacity(4096);
    while let Some(request) = request::read(&mut stream, &mut buffer).await? {
        match request.wanted {
            Wanted::Answer(answer) => stream.write_all(answer).await?,
            Wanted::Stream { events, usage } => {
                // On the heap: thousands of idle connections should not carry a stream's state.
                Box::pin(send_stream(&mut stream, pace.with(events), usage)).await?;
            }
        }
        if !request.keeps_alive {
            return Ok(());
        }
    }
    Ok(())
}
