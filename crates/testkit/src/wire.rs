//! As much of HTTP/1.1 framing as test servers and load tools need, and nothing that hides a byte.
//!
//! A proper HTTP library would correct, reorder or lower-case what it reads; these tools exist to
//! see and to send exactly what was on the wire.

mod chunked;
mod head;

pub use chunked::{BadChunk, ChunkDecoder};
pub use head::{Framing, framing, head_length, header_lines, header_value, keeps_alive};
