//! gRPC-Web: the same messages as gRPC, the trailers as a last message of their own, and all of it
//! in base64 where the client wants text.

use std::pin::Pin;
use std::task::{Context, Poll};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::{BufMut, Bytes, BytesMut};
use http::HeaderMap;
use http_body::{Body, Frame, SizeHint};

use crate::body::{AnswerError, UpstreamBody};

/// The first byte of the message that holds the trailers.
const TRAILERS: u8 = 0x80;

/// An upstream's gRPC answer as gRPC-Web.
pub(crate) struct WebBody {
    upstream: UpstreamBody,
    is_text: bool,
    /// The trailers' message has gone out, or the upstream had none to send.
    is_over: bool,
}

impl WebBody {
    pub(crate) const fn new(upstream: UpstreamBody, is_text: bool) -> Self {
        Self {
            upstream,
            is_text,
            is_over: false,
        }
    }

    fn coded(&self, bytes: Bytes) -> Frame<Bytes> {
        if self.is_text {
            // Each part is padded: clients decode part by part, so that streams do not wait.
            Frame::data(STANDARD.encode(&bytes).into())
        } else {
            Frame::data(bytes)
        }
    }
}

impl Body for WebBody {
    type Data = Bytes;
    type Error = AnswerError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, AnswerError>>> {
        let this = &mut *self;
        if this.is_over {
            return Poll::Ready(None);
        }
        let frame = match Pin::new(&mut this.upstream).poll_frame(cx) {
            Poll::Ready(Some(Ok(frame))) => frame,
            Poll::Ready(None) => {
                this.is_over = true;
                return Poll::Ready(None);
            }
            Poll::Ready(Some(Err(error))) => return Poll::Ready(Some(Err(error))),
            Poll::Pending => return Poll::Pending,
        };
        let bytes = match frame.into_data() {
            Ok(data) => data,
            Err(frame) => {
                this.is_over = true;
                let trailers = frame.into_trailers().unwrap_or_default();
                last_message(&trailers)
            }
        };
        Poll::Ready(Some(Ok(this.coded(bytes))))
    }

    fn is_end_stream(&self) -> bool {
        self.is_over || self.upstream.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::default()
    }
}

/// The trailers as HTTP/1.1 would write them, behind the five bytes every message begins with.
fn last_message(trailers: &HeaderMap) -> Bytes {
    let mut text = Vec::new();
    for (name, value) in trailers {
        text.extend_from_slice(name.as_str().as_bytes());
        text.extend_from_slice(b": ");
        text.extend_from_slice(value.as_bytes());
        text.extend_from_slice(b"\r\n");
    }
    let mut message = BytesMut::with_capacity(5 + text.len());
    message.put_u8(TRAILERS);
    message.put_u32(u32::try_from(text.len()).unwrap_or(u32::MAX));
    message.put_slice(&text);
    message.freeze()
}

/// Decodes base64 that comes in parts of any size, padded or not within.
#[derive(Default)]
pub(crate) struct TextDecoder {
    /// Up to three characters that wait for their group's last.
    rest: Vec<u8>,
}

/// The text is not base64.
#[derive(Debug, thiserror::Error)]
#[error("the body is not base64")]
pub(crate) struct NotBase64;

impl TextDecoder {
    pub(crate) fn decode(&mut self, part: &[u8]) -> Result<Bytes, NotBase64> {
        self.rest.extend_from_slice(part);
        let whole = self.rest.len() / 4 * 4;
        let mut out = Vec::with_capacity(whole / 4 * 3);
        let mut start = 0;
        for (number, group) in self.rest[..whole].chunks_exact(4).enumerate() {
            let end = (number + 1) * 4;
            // A padded group ends what was encoded at once.
            if group[3] == b'=' || end == whole {
                STANDARD
                    .decode_vec(&self.rest[start..end], &mut out)
                    .map_err(|_| NotBase64)?;
                start = end;
            }
        }
        self.rest.drain(..whole);
        Ok(out.into())
    }

    /// Whether no group was left open.
    pub(crate) fn is_whole(&self) -> bool {
        self.rest.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn trailers_become_a_message() {
        let mut trailers = HeaderMap::new();
        trailers.insert("grpc-status", "0".parse().unwrap());
        let message = last_message(&trailers);
        assert_eq!(&message[..5], [0x80, 0, 0, 0, 16]);
        assert_eq!(&message[5..], b"grpc-status: 0\r\n");
    }

    proptest! {
        #[test]
        fn text_is_decoded_in_any_parts(
            parts in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..20), 0..6),
            cut in 1usize..9,
        ) {
            let text: String = parts.iter().map(|part| STANDARD.encode(part)).collect();
            let mut decoder = TextDecoder::default();
            let mut back = Vec::new();
            for piece in text.as_bytes().chunks(cut) {
                back.extend_from_slice(&decoder.decode(piece).unwrap());
            }
            prop_assert!(decoder.is_whole());
            prop_assert_eq!(back, parts.concat());
        }

        #[test]
        fn foreign_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..60)) {
            let _ = TextDecoder::default().decode(&bytes);
        }
    }
}
