//! Reading on for the true usage when the caller has left.

use std::future::poll_fn;
use std::pin::Pin;
use std::time::Duration;

use byok_metering::tap::Tap;
use bytes::Bytes;
use http_body::Body;

/// How long an answer is read on.
const MOST_TIME: Duration = Duration::from_secs(60);
/// How much of it, in bytes.
const MOST_BYTES: usize = 16 << 20;

/// Reads an answer to its end in a task of its own, as long as the bounds allow. However that ends,
/// the call is recorded as one whose caller left, with the usage that was told until then. Without
/// a runtime to read in it is recorded at once.
pub(crate) fn begin<B>(mut tap: Tap<B>)
where
    B: Body<Data = Bytes> + Send + Unpin + 'static,
{
    let Ok(runtime) = tokio::runtime::Handle::try_current() else { return };
    tap.caller_left();
    runtime.spawn(async move {
        let reading = to_the_end(&mut tap, MOST_BYTES);
        if !matches!(tokio::time::timeout(MOST_TIME, reading).await, Ok(true)) {
            tracing::debug!("an answer that nobody waits for any more is too long to be read on");
        }
    });
}

/// Whether the end came within so many bytes.
async fn to_the_end<B>(tap: &mut Tap<B>, mut room: usize) -> bool
where
    B: Body<Data = Bytes> + Unpin,
{
    while let Some(Ok(frame)) = poll_fn(|cx| Pin::new(&mut *tap).poll_frame(cx)).await {
        match room.checked_sub(frame.data_ref().map_or(0, Bytes::len)) {
            Some(left) => room = left,
            None => return false,
        }
    }
    true
}
