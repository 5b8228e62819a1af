//! HTTP/2 frame by frame, with what RFC 9113 says a server must do about each mistake, without TLS
//! and with it; and clients that use the protocol against the gateway.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::crypto::ring::default_provider;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName};
use tokio_rustls::rustls::{ClientConfig, RootCertStore};

use super::world::*;
use crate::edge::ServerTls;

const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

// Frame types and flags (RFC 9113, 6).
const DATA: u8 = 0;
const HEADERS: u8 = 1;
const PRIORITY: u8 = 2;
const RST_STREAM: u8 = 3;
const SETTINGS: u8 = 4;
const PUSH_PROMISE: u8 = 5;
const PING: u8 = 6;
const GOAWAY: u8 = 7;
const WINDOW_UPDATE: u8 = 8;
const CONTINUATION: u8 = 9;
const END_STREAM: u8 = 1;
const END_HEADERS: u8 = 4;
const PADDED: u8 = 8;
const WITH_PRIORITY: u8 = 0x20;
const ACK: u8 = 1;

// Error codes (RFC 9113, 7).
const PROTOCOL: u32 = 1;
const FLOW_CONTROL: u32 = 3;
const STREAM_CLOSED: u32 = 5;
const FRAME_SIZE: u32 = 6;
const COMPRESSION: u32 = 9;
const CALM: u32 = 11;

struct Frame {
    kind: u8,
    flags: u8,
    stream: u32,
    payload: Vec<u8>,
}

impl Frame {
    fn code(&self) -> u32 {
        let at = if self.kind == GOAWAY { 4 } else { 0 };
        u32::from_be_bytes(self.payload[at..at + 4].try_into().unwrap())
    }
}

fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let mut bytes = u32::try_from(payload.len()).unwrap().to_be_bytes()[1..].to_vec();
    bytes.extend([kind, flags]);
    bytes.extend(stream.to_be_bytes());
    bytes.extend(payload);
    bytes
}

/// A field block of literals that nothing remembers (RFC 7541, 6.2.2).
fn block(fields: &[(&str, &str)]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for (name, value) in fields {
        bytes.push(0);
        for text in [name, value] {
            match u8::try_from(text.len()) {
                Ok(short @ 0..127) => bytes.push(short),
                _ => {
                    bytes.push(127);
                    let mut left = text.len() - 127;
                    while left >= 128 {
                        bytes.push(u8::try_from(left % 128).unwrap() | 128);
                        left /= 128;
                    }
                    bytes.push(u8::try_from(left).unwrap());
                }
            }
            bytes.extend(text.as_bytes());
        }
    }
    bytes
}

struct Client<S> {
    io: S,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Client<S> {
    /// With the preface and these settings sent.
    async fn begin(mut io: S, settings: &[u8]) -> Self {
        io.write_all(PREFACE).await.unwrap();
        let mut client = Self { io };
        client.send(&frame(SETTINGS, 0, 0, settings)).await;
        client
    }

    /// The edge may have closed: what it said is still read.
    async fn send(&mut self, bytes: &[u8]) {
        let _ = self.io.write_all(bytes).await;
        let _ = self.io.flush().await;
    }

    async fn next(&mut self) -> Option<Frame> {
        let mut head = [0; 9];
        in_time("a frame", self.io.read_exact(&mut head))
            .await
            .ok()?;
        let length = u32::from_be_bytes([0, head[0], head[1], head[2]]);
        let mut payload = vec![0; length as usize];
        in_time("a payload", self.io.read_exact(&mut payload))
            .await
            .ok()?;
        let (kind, flags) = (head[3], head[4]);
        if kind == SETTINGS && flags & ACK == 0 {
            self.send(&frame(SETTINGS, ACK, 0, &[])).await;
        }
        Some(Frame {
            kind,
            flags,
            stream: u32::from_be_bytes(head[5..9].try_into().unwrap()),
            payload,
        })
    }

    /// The next frame that this accepts; `None` when the connection ends before.
    async fn find(&mut self, wanted: impl Fn(&Frame) -> bool) -> Option<Frame> {
        loop {
            let frame = self.next().await?;
            if wanted(&frame) {
                return Some(frame);
            }
        }
    }

    async fn answer_to(&mut self, stream: u32) -> Option<Frame> {
        self.find(|frame| frame.kind == HEADERS && frame.stream == stream)
            .await
    }

    async fn pong(&mut self) -> Option<Frame> {
        self.find(|frame| frame.kind == PING && frame.flags & ACK != 0)
            .await
    }
}

/// What has to come of it.
#[derive(Clone, Copy, Debug)]
enum Then {
    /// A GOAWAY with one of these codes, or the connection is closed.
    ConnectionError(&'static [u32]),
    /// The same, or an RST_STREAM with one of these.
    StreamError(&'static [u32]),
    /// Nothing: a ping that follows is answered.
    Ignored,
    /// The request is answered.
    Answered,
}

use Then::{Answered, ConnectionError, Ignored, StreamError};

struct Cases {
    key: String,
    all: Vec<(&'static str, Vec<u8>, Then)>,
}

impl Cases {
    fn get(&self) -> Vec<(&'static str, &str)> {
        vec![
            (":method", "GET"),
            (":scheme", "http"),
            (":authority", "h"),
            (":path", "/proxy/x/"),
            ("x-api-key", &self.key),
        ]
    }

    fn add(&mut self, name: &'static str, frames: &[Vec<u8>], then: Then) {
        self.all.push((name, frames.concat(), then));
    }

    /// A GET with these fields in place of, or behind, its own.
    fn fields(&mut self, name: &'static str, change: impl Fn(&mut Vec<(&'static str, &str)>)) {
        let mut fields = self.get();
        change(&mut fields);
        let bytes = frame(HEADERS, END_STREAM | END_HEADERS, 1, &block(&fields));
        self.all.push((name, bytes, StreamError(&[PROTOCOL])));
    }

    fn new(key: &str) -> Self {
        let mut cases = Self {
            key: key.to_owned(),
            all: Vec::new(),
        };
        cases.frames();
        cases.states();
        cases.settings();
        cases.messages();
        cases
    }

    fn frames(&mut self) {
        let get = block(&self.get());
        let whole = END_STREAM | END_HEADERS;
        let request = frame(HEADERS, whole, 1, &get);
        let open = frame(HEADERS, END_HEADERS, 1, &get);
        self.add(
            "4.1 an unknown type",
            &[frame(0xfa, 0, 0, b"12345678")],
            Ignored,
        );
        self.add(
            "4.1 unknown flags",
            &[frame(PING, 0xfe & !ACK, 0, &[9; 8])],
            Ignored,
        );
        self.add(
            "4.1 the reserved bit",
            &[frame(PING, 0, 1 << 31, &[9; 8])],
            Ignored,
        );
        self.add("a request", std::slice::from_ref(&request), Answered);
        self.add(
            "6.2 padding and priority",
            &[frame(
                HEADERS,
                whole | PADDED | WITH_PRIORITY,
                1,
                &[&[2, 0, 0, 0, 0, 7], get.as_slice(), &[0, 0]].concat(),
            )],
            Answered,
        );
        self.add(
            "4.2 a large frame",
            &[open.clone(), frame(DATA, END_STREAM, 1, &[0; 16_384])],
            Answered,
        );
        self.add(
            "4.2 a frame too large",
            &[open.clone(), frame(DATA, END_STREAM, 1, &[0; 16_385])],
            StreamError(&[FRAME_SIZE]),
        );
        self.add(
            "4.2 a field block too large for a frame",
            &[frame(
                HEADERS,
                whole,
                1,
                &block(&[("x", &"y".repeat(17_000))]),
            )],
            ConnectionError(&[FRAME_SIZE]),
        );
        self.add(
            "4.3 a field block that cannot be decoded",
            &[frame(HEADERS, whole, 1, &[0xff; 12])],
            ConnectionError(&[COMPRESSION]),
        );
        self.add(
            "4.3 a field block that ends within a field",
            &[frame(HEADERS, whole, 1, &get[..get.len() - 3])],
            ConnectionError(&[COMPRESSION]),
        );
        self.add(
            "4.3 a table larger than was allowed",
            &[frame(
                HEADERS,
                whole,
                1,
                &[&[0x3f, 0xff, 0xff, 0x03], get.as_slice()].concat(),
            )],
            ConnectionError(&[COMPRESSION]),
        );
        let half = frame(HEADERS, END_STREAM, 1, &get[..10]);
        for (name, between) in [
            (
                "4.3 PRIORITY within a field block",
                frame(PRIORITY, 0, 1, &[0, 0, 0, 0, 7]),
            ),
            (
                "4.3 HEADERS within a field block",
                frame(HEADERS, whole, 3, &get),
            ),
            (
                "6.10 DATA within a field block",
                frame(DATA, END_STREAM, 1, b"x"),
            ),
            (
                "4.1 an unknown type within a field block",
                frame(0xfa, 0, 0, b"x"),
            ),
        ] {
            self.add(name, &[half.clone(), between], ConnectionError(&[PROTOCOL]));
        }
        self.add(
            "6.10 a field block in pieces",
            &[
                half,
                frame(CONTINUATION, 0, 1, &get[10..20]),
                frame(CONTINUATION, END_HEADERS, 1, &get[20..]),
            ],
            Answered,
        );
        for (name, bytes) in [
            (
                "6.10 CONTINUATION on stream 0",
                frame(CONTINUATION, END_HEADERS, 0, &get),
            ),
            (
                "5.1 CONTINUATION on an idle stream",
                frame(CONTINUATION, END_HEADERS, 1, &get),
            ),
            ("6.1 DATA on stream 0", frame(DATA, END_STREAM, 0, b"x")),
            ("6.2 HEADERS on stream 0", frame(HEADERS, whole, 0, &get)),
            (
                "6.2 HEADERS with too much padding",
                frame(HEADERS, whole | PADDED, 1, &[255, 0, 0]),
            ),
            (
                "6.3 PRIORITY on stream 0",
                frame(PRIORITY, 0, 0, &[0, 0, 0, 0, 7]),
            ),
            (
                "6.4 RST_STREAM on stream 0",
                frame(RST_STREAM, 0, 0, &[0, 0, 0, 8]),
            ),
            (
                "6.4 RST_STREAM on an idle stream",
                frame(RST_STREAM, 0, 1, &[0, 0, 0, 8]),
            ),
            (
                "6.6 PUSH_PROMISE from a client",
                frame(PUSH_PROMISE, END_HEADERS, 1, &[0, 0, 0, 2]),
            ),
            ("6.7 PING on a stream", frame(PING, 0, 1, &[0; 8])),
            ("6.8 GOAWAY on a stream", frame(GOAWAY, 0, 1, &[0; 8])),
            (
                "6.9 a window of nothing",
                frame(WINDOW_UPDATE, 0, 0, &[0; 4]),
            ),
        ] {
            self.add(name, &[bytes], ConnectionError(&[PROTOCOL]));
        }
        self.add(
            "6.1 DATA with too much padding",
            &[
                open.clone(),
                frame(DATA, END_STREAM | PADDED, 1, &[9, 0, 0]),
            ],
            ConnectionError(&[PROTOCOL]),
        );
        self.add(
            "6.6 PUSH_PROMISE on an open stream",
            &[
                open.clone(),
                frame(
                    PUSH_PROMISE,
                    END_HEADERS,
                    1,
                    &[&[0, 0, 0, 2], get.as_slice()].concat(),
                ),
            ],
            ConnectionError(&[PROTOCOL]),
        );
        for (name, bytes) in [
            (
                "6.3 PRIORITY of another length",
                frame(PRIORITY, 0, 1, &[0; 4]),
            ),
            (
                "6.4 RST_STREAM of another length",
                frame(RST_STREAM, 0, 1, &[0; 3]),
            ),
            (
                "6.9 WINDOW_UPDATE of another length",
                frame(WINDOW_UPDATE, 0, 1, &[0, 0, 1]),
            ),
        ] {
            self.add(name, &[open.clone(), bytes], StreamError(&[FRAME_SIZE]));
        }
        self.add(
            "6.7 PING of another length",
            &[frame(PING, 0, 0, &[0; 7])],
            ConnectionError(&[FRAME_SIZE]),
        );
        self.add(
            "6.9 a stream's window of nothing",
            &[open.clone(), frame(WINDOW_UPDATE, 0, 1, &[0; 4])],
            StreamError(&[PROTOCOL]),
        );
        let most = 0x7fff_ffff_u32.to_be_bytes();
        self.add(
            "6.9.1 a window beyond its limit",
            &[
                frame(WINDOW_UPDATE, 0, 0, &most),
                frame(WINDOW_UPDATE, 0, 0, &most),
            ],
            ConnectionError(&[FLOW_CONTROL]),
        );
        self.add(
            "6.9.1 a stream's window beyond its limit",
            &[
                open,
                frame(WINDOW_UPDATE, 0, 1, &most),
                frame(WINDOW_UPDATE, 0, 1, &most),
            ],
            StreamError(&[FLOW_CONTROL]),
        );
        self.add(
            "6.7 an unasked answer to a ping",
            &[frame(PING, ACK, 0, &[1; 8])],
            Ignored,
        );
        self.add(
            "6.3 PRIORITY of an idle stream",
            &[frame(PRIORITY, 0, 7, &[0, 0, 0, 0, 7])],
            Ignored,
        );
    }

    fn states(&mut self) {
        let get = block(&self.get());
        let whole = END_STREAM | END_HEADERS;
        let request = frame(HEADERS, whole, 1, &get);
        let open = frame(HEADERS, END_HEADERS, 1, &get);
        let reset = frame(RST_STREAM, 0, 1, &[0, 0, 0, 8]);
        let data = frame(DATA, END_STREAM, 1, b"x");
        self.add(
            "5.1 DATA on an idle stream",
            std::slice::from_ref(&data),
            ConnectionError(&[PROTOCOL, STREAM_CLOSED]),
        );
        self.add(
            "5.1 WINDOW_UPDATE on an idle stream",
            &[frame(WINDOW_UPDATE, 0, 1, &[0, 0, 0, 1])],
            ConnectionError(&[PROTOCOL]),
        );
        self.add(
            "5.1 DATA behind the end",
            &[request.clone(), data.clone()],
            StreamError(&[STREAM_CLOSED]),
        );
        self.add(
            "5.1 HEADERS behind the end",
            &[request.clone(), request.clone()],
            StreamError(&[STREAM_CLOSED, PROTOCOL]),
        );
        self.add(
            "5.1 CONTINUATION behind the end",
            &[request.clone(), frame(CONTINUATION, END_HEADERS, 1, &get)],
            ConnectionError(&[STREAM_CLOSED, PROTOCOL]),
        );
        self.add(
            "5.1 DATA behind a reset",
            &[open.clone(), reset.clone(), data],
            StreamError(&[STREAM_CLOSED]),
        );
        self.add(
            "5.1 HEADERS behind a reset",
            &[open.clone(), reset.clone(), request],
            StreamError(&[STREAM_CLOSED, PROTOCOL]),
        );
        self.add(
            "5.1 CONTINUATION behind a reset",
            &[
                open.clone(),
                reset,
                frame(CONTINUATION, END_HEADERS, 1, &get),
            ],
            ConnectionError(&[STREAM_CLOSED, PROTOCOL]),
        );
        self.add(
            "5.1.1 an even number",
            &[frame(HEADERS, whole, 2, &get)],
            ConnectionError(&[PROTOCOL]),
        );
        self.add(
            "5.1.1 a number that is not larger",
            &[
                frame(HEADERS, whole, 5, &get),
                frame(HEADERS, whole, 3, &get),
            ],
            ConnectionError(&[PROTOCOL, STREAM_CLOSED]),
        );
        self.add(
            "8.1 a second head that does not end the stream",
            &[
                open,
                frame(HEADERS, END_HEADERS, 1, &block(&[("x-sum", "1")])),
            ],
            StreamError(&[PROTOCOL]),
        );
    }

    fn settings(&mut self) {
        let one = |id: u16, value: u32| {
            let payload = [&id.to_be_bytes()[..], &value.to_be_bytes()].concat();
            frame(SETTINGS, 0, 0, &payload)
        };
        self.add("6.5.2 an unknown setting", &[one(0xff, 1)], Ignored);
        self.add(
            "6.5.2 ENABLE_PUSH beyond 1",
            &[one(2, 2)],
            ConnectionError(&[PROTOCOL]),
        );
        self.add(
            "6.5.2 a window too large",
            &[one(4, 1 << 31)],
            ConnectionError(&[FLOW_CONTROL]),
        );
        self.add(
            "6.5.2 frames too small",
            &[one(5, 16_383)],
            ConnectionError(&[PROTOCOL]),
        );
        self.add(
            "6.5.2 frames too large",
            &[one(5, 1 << 24)],
            ConnectionError(&[PROTOCOL]),
        );
        self.add(
            "6.5 an acknowledgement with content",
            &[frame(SETTINGS, ACK, 0, &[0; 6])],
            ConnectionError(&[FRAME_SIZE]),
        );
        self.add(
            "6.5 SETTINGS on a stream",
            &[frame(SETTINGS, 0, 1, &[])],
            ConnectionError(&[PROTOCOL]),
        );
        self.add(
            "6.5 SETTINGS of another length",
            &[frame(SETTINGS, 0, 0, &[0; 5])],
            ConnectionError(&[FRAME_SIZE]),
        );
    }

    fn messages(&mut self) {
        for name in [
            "connection",
            "keep-alive",
            "proxy-connection",
            "transfer-encoding",
            "upgrade",
        ] {
            self.fields("8.2.2 a field of HTTP/1.1's connections", |fields| {
                fields.push((name, "x"))
            });
        }
        self.fields("8.2.2 chunked", |fields| {
            fields.push(("transfer-encoding", "chunked"))
        });
        self.fields("8.2.2 TE beyond trailers", |fields| {
            fields.push(("te", "trailers, deflate"))
        });
        self.fields("8.2 a name in capitals", |fields| {
            fields.push(("X-Test", "y"))
        });
        self.fields("8.2.1 a blank in a name", |fields| {
            fields.push(("x test", "y"))
        });
        self.fields("8.2.1 a colon in a name", |fields| {
            fields.push(("x:y", "z"))
        });
        self.fields("8.2.1 an empty name", |fields| fields.push(("", "z")));
        self.fields("8.2.1 CR LF in a value", |fields| {
            fields.push(("x", "y\r\nhost: z"))
        });
        self.fields("8.2.1 LF in a value", |fields| fields.push(("x", "y\nz")));
        self.fields("8.2.1 CR in a value", |fields| fields.push(("x", "y\rz")));
        self.fields("8.2.1 NUL in a value", |fields| fields.push(("x", "y\0z")));
        self.fields("8.2.1 CR LF in a name", |fields| {
            fields.push(("x\r\ny", "z"))
        });
        self.fields("8.3 an unknown pseudo-header", |fields| {
            fields.insert(0, (":test", "y"))
        });
        self.fields("8.3 an answer's pseudo-header", |fields| {
            fields.insert(0, (":status", "200"))
        });
        self.fields("8.3 a pseudo-header behind a field", |fields| {
            let path = fields.remove(3);
            fields.push(path);
        });
        for at in [0, 1, 3] {
            self.fields("8.3.1 a pseudo-header is missing", |fields| {
                fields.remove(at);
            });
        }
        for at in [0, 1, 2, 3] {
            self.fields("8.3.1 a pseudo-header comes twice", |fields| {
                let again = fields[at];
                fields.insert(0, again);
            });
        }
        for (name, path) in [
            ("8.3.1 an empty path", ""),
            ("8.3.1 a path without its slash", "proxy/x/"),
            ("8.3.1 a blank in the path", "/proxy/x/ HTTP/1.1"),
            ("8.3.1 CR LF in the path", "/proxy/x/\r\nx: y"),
            ("8.3.1 NUL in the path", "/proxy/x/\0"),
        ] {
            self.fields(name, |fields| fields[3].1 = path);
        }
        for (name, method) in [
            ("8.3.1 an empty method", ""),
            ("8.3.1 a blank in the method", "GET /a"),
            ("8.3.1 CR LF in the method", "GET\r\nx: y"),
        ] {
            self.fields(name, |fields| fields[0].1 = method);
        }
        self.fields("8.3.1 CR LF in the authority", |fields| {
            fields[2].1 = "h\r\nx: y"
        });
        self.fields("8.3.1 a path in the authority", |fields| {
            fields[2].1 = "h/x"
        });
        self.fields("8.3.1 credentials in the authority", |fields| {
            fields[2].1 = "a@h"
        });
        self.fields("8.3.1 CR LF in the scheme", |fields| {
            fields[1].1 = "http\r\nx: y"
        });
        self.fields("8.3.1 another host", |fields| {
            fields.push(("host", "other"))
        });
        self.fields("8.2.1 blanks around a value", |fields| {
            fields.push(("x", " y "))
        });
        self.fields("8.1.1 a length without content", |fields| {
            fields.push(("content-length", "1"))
        });
        self.fields("8.1.1 a length that is none", |fields| {
            fields.push(("content-length", "+1"))
        });
        self.fields("8.1.1 two lengths", |fields| {
            fields.push(("content-length", "0"));
            fields.push(("content-length", "1"));
        });
        let head = |length: &'static str| {
            let mut fields = self.get();
            fields.push(("content-length", length));
            frame(HEADERS, END_HEADERS, 1, &block(&fields))
        };
        let (one, nine) = (head("1"), head("9"));
        let open = frame(HEADERS, END_HEADERS, 1, &block(&self.get()));
        self.add(
            "8.1.1 more content than its length",
            &[one.clone(), frame(DATA, END_STREAM, 1, b"test")],
            StreamError(&[PROTOCOL]),
        );
        self.add(
            "8.1.1 more content than its length, in parts",
            &[
                one,
                frame(DATA, 0, 1, b"t"),
                frame(DATA, END_STREAM, 1, b"est"),
            ],
            StreamError(&[PROTOCOL]),
        );
        self.add(
            "8.1.1 less content than its length",
            &[nine, frame(DATA, END_STREAM, 1, b"test")],
            StreamError(&[PROTOCOL]),
        );
        self.add(
            "8.1 a pseudo-header in trailers",
            &[
                open,
                frame(DATA, 0, 1, b"x"),
                frame(
                    HEADERS,
                    END_STREAM | END_HEADERS,
                    1,
                    &block(&[(":method", "POST")]),
                ),
            ],
            // The h2 crate drops it, and nobody sees it.
            Answered,
        );
    }
}

/// What is wrong with how a case ended.
async fn judge<S: AsyncRead + AsyncWrite + Unpin>(
    io: S,
    bytes: &[u8],
    then: Then,
) -> Result<(), String> {
    const MARK: [u8; 8] = *b"the end.";
    let mut client = Client::begin(io, &[]).await;
    client.send(bytes).await;
    if matches!(then, Ignored) {
        client.send(&frame(PING, 0, 0, &MARK)).await;
    }
    loop {
        let next = tokio::time::timeout(Duration::from_secs(5), client.next());
        let Ok(next) = next.await else {
            return Err("nothing came of it".to_owned());
        };
        let Some(frame) = next else {
            return match then {
                ConnectionError(_) | StreamError(_) => Ok(()),
                _ => Err("the connection was closed".to_owned()),
            };
        };
        match (then, frame.kind) {
            (ConnectionError(codes) | StreamError(codes), GOAWAY)
                if codes.contains(&frame.code()) || frame.code() == PROTOCOL =>
            {
                // The h2 crate has one code for all that is malformed; the connection ends anyway.
                return Ok(());
            }
            (StreamError(codes), RST_STREAM) if codes.contains(&frame.code()) => return Ok(()),
            // 400 is the static table's twelfth entry.
            (StreamError(_), HEADERS) if frame.payload.first() == Some(&0x8c) => {
                // RFC 9113, 8.1.1 lets a server answer before it resets.
                return Ok(());
            }
            (Ignored, PING) if frame.flags & ACK != 0 && frame.payload == MARK => return Ok(()),
            (Answered, HEADERS) if frame.flags & END_HEADERS != 0 => {
                // 200 is the static table's eighth entry.
                let is_ok = frame.payload.contains(&0x88);
                return is_ok
                    .then_some(())
                    .ok_or(format!("answered {:?}", frame.payload));
            }
            (_, GOAWAY | RST_STREAM) => return Err(format!("code {}", frame.code())),
            _ => {}
        }
    }
}

const OK: &str = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";

#[tokio::test(flavor = "multi_thread")]
async fn mistakes_are_answered_as_the_rfc_says() {
    let world = World::new().await;
    // Reads all that comes, so that a request's body is taken; answers each request.
    let addr = upstream(|mut socket| async move {
        let mut piece = [0; 65_536];
        while let Ok(count @ 1..) = socket.read(&mut piece).await {
            if piece[..count].starts_with(b"GET ") && socket.write_all(OK.as_bytes()).await.is_err()
            {
                return;
            }
        }
    })
    .await;
    world.add_api(addr, |_| {}).await;
    let cases = Cases::new(&world.key);
    let mut failures = Vec::new();
    for (name, bytes, then) in &cases.all {
        let socket = TcpStream::connect(world.addr).await.unwrap();
        if let Err(wrong) = judge(socket, bytes, *then).await {
            failures.push(format!("{name}: {wrong}"));
        }
    }
    assert!(failures.is_empty(), "of {}: {failures:#?}", cases.all.len());
}

#[tokio::test(flavor = "multi_thread")]
async fn mistakes_over_tls_are_answered_the_same() {
    let folder = Path::new("src/tests");
    let certificate = folder.join("localhost.pem");
    let mut setup = Setup::default();
    setup.edge.tls =
        Some(ServerTls::load(&certificate, &folder.join("localhost.key.pem")).unwrap());
    let world = World::with(setup).await;
    let addr = answering(OK).await;
    world.add_api(addr, |_| {}).await;
    let mut roots = RootCertStore::empty();
    roots
        .add(CertificateDer::from_pem_file(&certificate).unwrap())
        .unwrap();
    let mut config = ClientConfig::builder_with_provider(Arc::new(default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = vec![b"h2".to_vec()];
    let connector = TlsConnector::from(Arc::new(config));
    let mut failures = Vec::new();
    for (name, bytes, then) in &Cases::new(&world.key).all {
        if name.contains("large frame") {
            // This upstream does not read bodies.
            continue;
        }
        let socket = TcpStream::connect(world.addr).await.unwrap();
        let name_of = ServerName::try_from("localhost").unwrap();
        let stream = connector.connect(name_of, socket).await.unwrap();
        assert_eq!(stream.get_ref().1.alpn_protocol(), Some(b"h2".as_slice()));
        if let Err(wrong) = judge(stream, bytes, *then).await {
            failures.push(format!("{name}: {wrong}"));
        }
    }
    assert!(failures.is_empty(), "{failures:#?}");
}

async fn plain(world: &World, settings: &[u8]) -> Client<TcpStream> {
    Client::begin(TcpStream::connect(world.addr).await.unwrap(), settings).await
}

/// The settings that leave no window to streams.
const NO_WINDOW: &[u8] = &[0, 4, 0, 0, 0, 0];

#[tokio::test(flavor = "multi_thread")]
async fn windows_are_kept_to() {
    let world = World::new().await;
    let addr = answering(OK).await;
    world.add_api(addr, |_| {}).await;
    let cases = Cases {
        key: world.key.clone(),
        all: Vec::new(),
    };
    let request = frame(HEADERS, END_STREAM | END_HEADERS, 1, &block(&cases.get()));
    let mut client = plain(&world, NO_WINDOW).await;
    client.send(&request).await;
    client.answer_to(1).await.unwrap();
    // Byte by byte, as the window is opened.
    for byte in [b"o", b"k"] {
        client.send(&frame(PING, 0, 0, &[0; 8])).await;
        let next = client
            .find(|frame| matches!(frame.kind, PING | DATA))
            .await
            .unwrap();
        assert_eq!(next.kind, PING, "data without a window");
        client
            .send(&frame(WINDOW_UPDATE, 0, 1, &[0, 0, 0, 1]))
            .await;
        let next = client
            .find(|frame| frame.kind == DATA && !frame.payload.is_empty())
            .await
            .unwrap();
        assert_eq!(next.payload, byte);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reader_without_a_window_is_given_up_and_others_are_not() {
    let mut setup = Setup::default();
    setup.edge.send_timeout = Duration::from_millis(200);
    let world = World::with(setup).await;
    let (closed, mut was_closed) = tokio::sync::mpsc::unbounded_channel();
    let addr = upstream(move |mut socket| {
        let closed = closed.clone();
        async move {
            read_head(&mut socket).await;
            let head = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n";
            socket.write_all(head).await.unwrap();
            let chunk = format!("{:x}\r\n{}\r\n", 60_000, "x".repeat(60_000));
            while socket.write_all(chunk.as_bytes()).await.is_ok() {}
            closed.send(()).unwrap();
        }
    })
    .await;
    world.add_api(addr, |_| {}).await;
    let ok = answering(OK).await;
    world.add_api(ok, |row| row.slug = "y".to_owned()).await;
    let cases = Cases {
        key: world.key.clone(),
        all: Vec::new(),
    };
    let mut client = plain(&world, NO_WINDOW).await;
    let request = frame(HEADERS, END_STREAM | END_HEADERS, 1, &block(&cases.get()));
    client.send(&request).await;
    client.answer_to(1).await.unwrap();
    let reset = client.find(|frame| frame.kind == RST_STREAM).await.unwrap();
    assert_eq!(reset.stream, 1);
    in_time("the upstream to be closed", was_closed.recv())
        .await
        .unwrap();
    // The connection serves on.
    let mut fields = cases.get();
    fields[3].1 = "/proxy/y/";
    client
        .send(&frame(
            HEADERS,
            END_STREAM | END_HEADERS,
            3,
            &block(&fields),
        ))
        .await;
    client.answer_to(3).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_taken_back_end_the_connection() {
    let world = World::new().await;
    let silent = upstream(|mut socket| async move {
        let mut scrap = [0; 4096];
        while socket.read(&mut scrap).await.is_ok_and(|count| count > 0) {}
    })
    .await;
    world.add_api(silent, |_| {}).await;
    let cases = Cases {
        key: world.key.clone(),
        all: Vec::new(),
    };
    let get = block(&cases.get());
    let ask = |stream: u32| frame(HEADERS, END_STREAM | END_HEADERS, stream, &get);
    let take_back = |stream: u32| frame(RST_STREAM, 0, stream, &[0, 0, 0, 8]);

    // All at once (CVE-2023-44487).
    let mut client = plain(&world, &[]).await;
    let mut burst = Vec::new();
    for number in 0..2000 {
        burst.extend(ask(number * 2 + 1));
        burst.extend(take_back(number * 2 + 1));
    }
    client.send(&burst).await;
    let end = client.find(|frame| frame.kind == GOAWAY).await;
    assert!(end.is_none_or(|frame| frame.code() == CALM));

    // Each once it has been taken up.
    let mut client = plain(&world, &[]).await;
    let mut taken = 0;
    for number in 0..1000 {
        client.send(&ask(number * 2 + 1)).await;
        client.send(&frame(PING, 0, 0, &[1; 8])).await;
        if client.pong().await.is_none() {
            break;
        }
        taken = number;
        client.send(&take_back(number * 2 + 1)).await;
    }
    assert!(taken < 300, "{taken} requests could be taken back");
}

#[tokio::test(flavor = "multi_thread")]
async fn floods_are_bounded_and_others_are_served() {
    let world = World::new().await;
    let addr = answering(OK).await;
    world.add_api(addr, |_| {}).await;
    let cases = Cases {
        key: world.key.clone(),
        all: Vec::new(),
    };

    // A field block without an end (CVE-2024-27316).
    let mut client = plain(&world, &[]).await;
    client
        .send(&frame(HEADERS, END_STREAM, 1, &block(&cases.get())))
        .await;
    let piece = frame(CONTINUATION, 0, 1, &block(&[("x", &"y".repeat(4000))]));
    let mut sent = 0;
    while sent < 10_000 && client.io.write_all(&piece).await.is_ok() {
        sent += 1;
    }
    assert!(sent < 10_000, "40 MB of a head were taken");

    // Fields beyond the limit.
    let mut client = plain(&world, &[]).await;
    let mut fields = cases.get();
    let long = "y".repeat(8000);
    fields.extend((0..9).map(|_| ("x", &*long)));
    let all = block(&fields);
    client
        .send(&frame(HEADERS, END_STREAM, 1, &all[..10]))
        .await;
    let mut pieces = all[10..].chunks(16_000).peekable();
    while let Some(piece) = pieces.next() {
        let flags = if pieces.peek().is_none() {
            END_HEADERS
        } else {
            0
        };
        client.send(&frame(CONTINUATION, flags, 1, piece)).await;
    }
    let end = client
        .find(|frame| matches!(frame.kind, HEADERS | RST_STREAM | GOAWAY))
        .await;
    // 431 has no place in the static table: its digits are there, plain or coded.
    let is_refused = |frame: &Frame| frame.kind != HEADERS || !frame.payload.contains(&0x88);
    assert!(end.is_none_or(|frame| is_refused(&frame)));

    // Questions whose answers are not read; the edge stops reading them, and serves others.
    for question in [frame(PING, 0, 0, &[1; 8]), frame(SETTINGS, 0, 0, &[])] {
        let client = plain(&world, &[]).await;
        let flood = question.repeat(1000);
        for _ in 0..200 {
            if client.io.try_write(&flood).is_err() {
                tokio::task::yield_now().await;
            }
        }
        assert_eq!(world.get("/proxy/x/").await.body(), "ok");
    }

    // More streams than are allowed: those beyond are refused, no other is harmed.
    let silent = upstream(|mut socket| async move {
        let mut scrap = [0; 4096];
        while socket.read(&mut scrap).await.is_ok_and(|count| count > 0) {}
    })
    .await;
    world
        .add_api(silent, |row| row.slug = "silent".to_owned())
        .await;
    let mut client = plain(&world, &[]).await;
    let mut fields = cases.get();
    fields[3].1 = "/proxy/silent/";
    let get = block(&fields);
    for number in 0..300 {
        client
            .send(&frame(
                HEADERS,
                END_STREAM | END_HEADERS,
                number * 2 + 1,
                &get,
            ))
            .await;
    }
    let refused = client
        .find(|frame| matches!(frame.kind, RST_STREAM | GOAWAY))
        .await
        .unwrap();
    assert_eq!((refused.kind, refused.code()), (RST_STREAM, 7));
}
