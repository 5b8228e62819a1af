//! Bytes from one socket to the other. Knows lengths, and nothing else: no chunks, no upgrades.

use std::cell::RefCell;
use std::io;
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::Instant;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::checks::{Checks, below};

thread_local!(static IDLE: RefCell<Vec<TcpStream>> = const { RefCell::new(Vec::new()) });

const PIECE: usize = 64 * 1024;

pub async fn serve(checks: Rc<Checks>, upstream: SocketAddr, mut client: TcpStream) {
    // An end, wanted or not.
    let _ = calls(&checks, upstream, &mut client).await;
}

fn broken() -> io::Error {
    io::ErrorKind::InvalidData.into()
}

fn length(fields: &[httparse::Header<'_>]) -> io::Result<usize> {
    let Some(field) = fields.iter().find(|field| field.name.eq_ignore_ascii_case("content-length")) else {
        return Ok(0);
    };
    std::str::from_utf8(field.value).ok().and_then(|text| text.parse().ok()).ok_or_else(broken)
}

fn copy_fields(out: &mut Vec<u8>, fields: &[httparse::Header<'_>], without: &[&str]) {
    for field in fields {
        if without.iter().any(|name| field.name.eq_ignore_ascii_case(name)) {
            continue;
        }
        for part in [field.name.as_bytes(), b": ", field.value, b"\r\n"] {
            out.extend_from_slice(part);
        }
    }
    out.extend_from_slice(b"\r\n");
}

/// Passes a body on of which `buffer` holds some from `at` on; what follows it stays in `buffer`.
async fn body(
    from: &mut TcpStream, to: &mut TcpStream, out: &[u8], buffer: &mut Vec<u8>, at: usize, length: usize,
) -> io::Result<()> {
    let there = (buffer.len() - at).min(length);
    if there <= 16 * 1024 {
        to.write_all(&[out, &buffer[at..at + there]].concat()).await?;
    } else {
        to.write_all(out).await?;
        to.write_all(&buffer[at..at + there]).await?;
    }
    buffer.drain(..at + there);
    let mut left = length - there;
    while left > 0 {
        buffer.clear();
        buffer.reserve(PIECE);
        let count = from.read_buf(buffer).await?;
        if count == 0 {
            return Err(broken());
        }
        let part = count.min(left);
        to.write_all(&buffer[..part]).await?;
        buffer.drain(..part);
        left -= part;
    }
    Ok(())
}

async fn calls(checks: &Checks, upstream: SocketAddr, client: &mut TcpStream) -> io::Result<()> {
    let host = format!("host: {upstream}\r\n");
    let (mut input, mut answer, mut out) = (Vec::with_capacity(PIECE), Vec::with_capacity(PIECE), Vec::new());
    loop {
        let (head, sent, consumer, method, path) = loop {
            let mut slots = [httparse::EMPTY_HEADER; 64];
            let mut request = httparse::Request::new(&mut slots);
            if let httparse::Status::Complete(end) = request.parse(&input).map_err(|_| broken())? {
                let key = request.headers.iter().find(|field| field.name.eq_ignore_ascii_case("x-api-key"));
                let consumer = match checks.admit(key.map(|field| field.value)) {
                    Ok(consumer) => consumer,
                    Err(refused) => {
                        let status = refused.status();
                        let text = format!("HTTP/1.1 {status} No\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
                        return client.write_all(text.as_bytes()).await;
                    }
                };
                let method = request.method.unwrap_or_default().to_owned();
                let path = below(request.path.unwrap_or("/")).to_owned();
                out.clear();
                for part in [&method, " ", &path, " HTTP/1.1\r\n", &host] {
                    out.extend_from_slice(part.as_bytes());
                }
                copy_fields(&mut out, request.headers, &["x-api-key", "host", "connection"]);
                break (end, length(request.headers)?, consumer, method, path);
            }
            if client.read_buf(&mut input).await? == 0 {
                return Ok(());
            }
        };
        let began = Instant::now();
        let mut link = match IDLE.with_borrow_mut(Vec::pop) {
            Some(link) => link,
            None => {
                let link = TcpStream::connect(upstream).await?;
                link.set_nodelay(true)?;
                link
            }
        };
        body(client, &mut link, &out, &mut input, head, sent).await?;
        answer.clear();
        let (head, length, status) = loop {
            if link.read_buf(&mut answer).await? == 0 {
                return Err(broken());
            }
            let mut slots = [httparse::EMPTY_HEADER; 64];
            let mut response = httparse::Response::new(&mut slots);
            if let httparse::Status::Complete(end) = response.parse(&answer).map_err(|_| broken())? {
                let status = response.code.unwrap_or_default();
                out.clear();
                out.extend_from_slice(format!("HTTP/1.1 {status} {}\r\n", response.reason.unwrap_or("")).as_bytes());
                copy_fields(&mut out, response.headers, &["connection"]);
                break (end, length(response.headers)?, status);
            }
        };
        checks.note(consumer, &method, &path, status, length as u64, began);
        body(&mut link, client, &out, &mut answer, head, length).await?;
        IDLE.with_borrow_mut(|idle| idle.push(link));
    }
}
