//! WebSockets over HTTP/2 (RFC 8441): an extended CONNECT becomes the upgrade it stands for, so that
//! upstreams, which speak HTTP/1.1, and all phases see a WebSocket like any other.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::header::{
    CONNECTION, SEC_WEBSOCKET_ACCEPT, SEC_WEBSOCKET_KEY, SEC_WEBSOCKET_VERSION, UPGRADE,
};
use http::{HeaderValue, Method, Request, Response, StatusCode};
use hyper::ext::Protocol;
use sha1::{Digest, Sha1};

/// What the accepting side adds to the key (RFC 6455, 1.3).
const GUID: &[u8] = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11";

/// The handshake in HTTP/1.1 that an extended CONNECT has led to.
pub(super) struct Handshake {
    accept: HeaderValue,
}

/// The upstream's side of a handshake is not the answer to ours.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct NotAccepted;

impl Handshake {
    /// Makes an extended CONNECT for a WebSocket the request that asks for one in HTTP/1.1. Anything
    /// else, CONNECT for other protocols too, stays as it is.
    pub(super) fn of<B>(request: &mut Request<B>) -> Option<Self> {
        let protocol = request.extensions().get::<Protocol>()?;
        if request.method() != Method::CONNECT
            || !protocol.as_ref().eq_ignore_ascii_case(b"websocket")
        {
            return None;
        }
        let key = STANDARD.encode(rand::random::<[u8; 16]>());
        let accept = HeaderValue::try_from(accept(key.as_bytes())).ok()?;
        *request.method_mut() = Method::GET;
        let headers = request.headers_mut();
        headers.insert(CONNECTION, HeaderValue::from_static("upgrade"));
        headers.insert(UPGRADE, HeaderValue::from_static("websocket"));
        headers.insert(SEC_WEBSOCKET_KEY, HeaderValue::try_from(key).ok()?);
        headers
            .entry(SEC_WEBSOCKET_VERSION)
            .or_insert(HeaderValue::from_static("13"));
        Some(Self { accept })
    }

    /// Makes the upstream's switch the answer of HTTP/2: 200, and the stream is the WebSocket.
    ///
    /// # Errors
    /// When what switched has not seen our key: it may be something that only repeats what it gets
    /// (RFC 6455, 4.1), and a browser's side would be missing the check.
    pub(super) fn finish<B>(&self, response: &mut Response<B>) -> Result<(), NotAccepted> {
        if response.status() != StatusCode::SWITCHING_PROTOCOLS {
            return Ok(());
        }
        let headers = response.headers_mut();
        headers.remove(CONNECTION);
        headers.remove(UPGRADE);
        if headers.remove(SEC_WEBSOCKET_ACCEPT).as_ref() != Some(&self.accept) {
            return Err(NotAccepted);
        }
        *response.status_mut() = StatusCode::OK;
        Ok(())
    }
}

fn accept(key: &[u8]) -> String {
    STANDARD.encode(Sha1::new().chain_update(key).chain_update(GUID).finalize())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn connect(protocol: &'static str) -> Request<()> {
        let mut request = Request::connect("https://h/proxy/x").body(()).unwrap();
        request
            .extensions_mut()
            .insert(Protocol::from_static(protocol));
        request
    }

    #[test]
    fn the_example_of_the_rfc() {
        assert_eq!(
            accept(b"dGhlIHNhbXBsZSBub25jZQ=="),
            "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="
        );
    }

    #[test]
    fn only_a_websocket_is_made_an_upgrade() {
        let mut request = connect("WebSocket");
        assert!(Handshake::of(&mut request).is_some());
        assert_eq!(request.method(), Method::GET);
        assert_eq!(request.headers()[UPGRADE], "websocket");
        assert_eq!(request.headers()[SEC_WEBSOCKET_VERSION], "13");
        let mut other = connect("connect-udp");
        assert!(Handshake::of(&mut other).is_none());
        assert_eq!(other.method(), Method::CONNECT);
        let mut plain = Request::connect("h:443").body(()).unwrap();
        assert!(Handshake::of(&mut plain).is_none());
    }

    #[test]
    fn what_has_not_seen_the_key_is_not_believed() {
        let handshake = Handshake::of(&mut connect("websocket")).unwrap();
        let switched = |accept: Option<HeaderValue>| {
            let mut response = Response::new(());
            *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
            if let Some(accept) = accept {
                response.headers_mut().insert(SEC_WEBSOCKET_ACCEPT, accept);
            }
            response
        };
        for wrong in [None, Some(HeaderValue::from_static("x"))] {
            assert_eq!(handshake.finish(&mut switched(wrong)), Err(NotAccepted));
        }
        let mut right = switched(Some(handshake.accept.clone()));
        assert_eq!(handshake.finish(&mut right), Ok(()));
        assert_eq!(right.status(), 200);
        assert!(right.headers().is_empty());
        let mut refused = Response::new(());
        *refused.status_mut() = StatusCode::FORBIDDEN;
        assert_eq!(handshake.finish(&mut refused), Ok(()));
        assert_eq!(refused.status(), 403);
    }
}
