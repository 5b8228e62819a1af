//! Who is at the other end of a connection, and what upstreams are told about it.

use std::cell::{Cell, RefCell};
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use http::header::FORWARDED;
use http::{HeaderMap, HeaderName, HeaderValue};
use ipnet::IpNet;

pub(crate) static X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");

/// The client's side of one connection. What depends on it alone is computed once.
pub(crate) struct Peer {
    pub(crate) socket: SocketAddr,
    /// The address, an IPv4 one always in its own form.
    pub(crate) address: IpAddr,
    /// It is a proxy of the operator's.
    pub(crate) is_trusted: bool,
    pub(crate) tls: bool,
    /// The address as `X-Forwarded-For` has it.
    pub(crate) forwarded_for: HeaderValue,
    /// The last `Host`, and the `Forwarded` made with it: a connection's calls mostly share both.
    forwarded: RefCell<Option<(HeaderValue, HeaderValue)>>,
    /// The last `Host`, and what [`Peer::push_own_fields`] writes with it.
    own_fields: RefCell<(Vec<u8>, Vec<u8>)>,
    /// See [`Peer::linger`].
    linger: Arc<AtomicBool>,
    /// See [`Peer::tunnels`].
    tunnels: Cell<usize>,
}

impl Peer {
    pub(crate) fn new(
        socket: SocketAddr,
        tls: bool,
        trusted: &[IpNet],
        linger: Arc<AtomicBool>,
    ) -> Self {
        let address = socket.ip().to_canonical();
        Self {
            socket,
            address,
            is_trusted: contains(trusted, address),
            tls,
            forwarded_for: header_value(&address.to_string()),
            forwarded: RefCell::new(None),
            own_fields: RefCell::default(),
            linger,
            tunnels: Cell::new(0),
        }
    }

    /// Tunnels that are open for it: a connection of HTTP/2 is not idle while one of its streams is
    /// one, although its request has long been answered.
    pub(crate) const fn tunnels(&self) -> usize {
        self.tunnels.get()
    }

    pub(crate) fn tunnel_begins(&self) {
        self.tunnels.set(self.tunnels.get() + 1);
    }

    pub(crate) fn tunnel_ends(&self) {
        self.tunnels.set(self.tunnels.get().saturating_sub(1));
    }

    /// Asks the connection to go on reading for a moment when it closes. An answer that was given
    /// before the request was read would otherwise be lost: a socket that closes with unread data
    /// resets, and the reset overtakes the answer.
    pub(crate) fn linger(&self) {
        self.linger.store(true, Ordering::Relaxed);
    }

    /// What [`Peer::linger`] sets, for who is on another thread.
    pub(crate) fn linger_flag(&self) -> Arc<AtomicBool> {
        Arc::clone(&self.linger)
    }

    pub(crate) fn scheme(&self) -> HeaderValue {
        HeaderValue::from_static(if self.tls { "https" } else { "http" })
    }

    /// The element this gateway adds to `Forwarded` (RFC 7239).
    pub(crate) fn forwarded(&self, host: Option<&[u8]>) -> HeaderValue {
        let Some(host) = host else {
            return self.forwarded_element(None);
        };
        let mut cached = self.forwarded.borrow_mut();
        if let Some((known, element)) = &*cached
            && known.as_bytes() == host
        {
            return element.clone();
        }
        let visible = |byte: &u8| (b' '..=b'~').contains(byte);
        let text = std::str::from_utf8(host)
            .ok()
            .filter(|_| host.iter().all(visible));
        let element = self.forwarded_element(text);
        if let Ok(known) = HeaderValue::from_bytes(host) {
            *cached = Some((known, element.clone()));
        }
        element
    }

    /// The fields of an HTTP/1.1 head that tell an upstream about a caller that is believed
    /// nothing, and `via`. A connection's calls share them mostly.
    pub(crate) fn push_own_fields(&self, host: &[u8], via: &[u8], out: &mut Vec<u8>) {
        let mut cached = self.own_fields.borrow_mut();
        let (known, fields) = &mut *cached;
        if known != host || fields.is_empty() {
            *known = host.to_vec();
            fields.clear();
            for (name, value) in [
                (&b"via"[..], via),
                (b"x-forwarded-for", self.forwarded_for.as_bytes()),
                (b"forwarded", self.forwarded(Some(host)).as_bytes()),
                (b"x-forwarded-proto", self.scheme().as_bytes()),
                (b"x-forwarded-host", host),
            ] {
                for part in [name, b": ", value, b"\r\n"] {
                    fields.extend_from_slice(part);
                }
            }
        }
        out.extend_from_slice(fields);
    }

    fn forwarded_element(&self, host: Option<&str>) -> HeaderValue {
        let proto = if self.tls { "https" } else { "http" };
        let mut element = match self.address {
            IpAddr::V4(v4) => format!("for={v4}"),
            IpAddr::V6(v6) => format!("for=\"[{v6}]\""),
        };
        // A quoted string may carry any host there is; what is none is left out.
        if let Some(host) = host.filter(|host| !host.contains(['"', '\\'])) {
            element.push_str(";host=\"");
            element.push_str(host);
            element.push('"');
        }
        element.push_str(";proto=");
        element.push_str(proto);
        header_value(&element)
    }

    /// Where the call comes from: the peer, or what trusted proxies say. The list is read from
    /// its end, and the first address that is no proxy of ours is it: what stands before was
    /// written by strangers. `Forwarded` counts only when there is no `X-Forwarded-For`, since a
    /// proxy that writes one passes the other on unread.
    pub(crate) fn client_address(&self, headers: &HeaderMap, trusted: &[IpNet]) -> IpAddr {
        if !self.is_trusted {
            return self.address;
        }
        let (name, read): (&HeaderName, fn(&str) -> Option<IpAddr>) =
            if headers.contains_key(&X_FORWARDED_FOR) {
                (&X_FORWARDED_FOR, address_in_list)
            } else {
                (&FORWARDED, address_in_forwarded)
            };
        let mut client = self.address;
        let values: Vec<&HeaderValue> = headers.get_all(name).iter().collect();
        for value in values.into_iter().rev() {
            let Ok(text) = value.to_str() else {
                return client;
            };
            for element in text.rsplit(',') {
                // An element that cannot be read hides all before it.
                let Some(address) = read(element.trim()) else {
                    return client;
                };
                client = address.to_canonical();
                if !contains(trusted, client) {
                    return client;
                }
            }
        }
        client
    }
}

/// Whether any of the networks holds the address.
fn contains(networks: &[IpNet], address: IpAddr) -> bool {
    networks.iter().any(|net| net.contains(&address))
}

fn address_in_list(element: &str) -> Option<IpAddr> {
    element.parse().ok().or_else(|| address_with_port(element))
}

/// `for=192.0.2.1`, `For="[2001:db8::1]:4711"` among other parameters.
fn address_in_forwarded(element: &str) -> Option<IpAddr> {
    let node = element.split(';').find_map(|pair| {
        let (name, value) = pair.split_once('=')?;
        name.trim()
            .eq_ignore_ascii_case("for")
            .then(|| value.trim())
    })?;
    let node = node.trim_matches('"');
    address_in_list(node)
}

fn address_with_port(text: &str) -> Option<IpAddr> {
    if let Ok(socket) = text.parse::<SocketAddr>() {
        return Some(socket.ip());
    }
    text.strip_prefix('[')?.strip_suffix(']')?.parse().ok()
}

fn header_value(text: &str) -> HeaderValue {
    // Addresses and what `HeaderValue::to_str` gave are visible ASCII.
    HeaderValue::from_str(text).unwrap_or_else(|_| HeaderValue::from_static("unknown"))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn peer(address: &str, trusted: &[IpNet]) -> Peer {
        let address: IpAddr = address.parse().unwrap();
        Peer::new((address, 4711).into(), false, trusted, Arc::default())
    }

    fn trusted() -> Vec<IpNet> {
        vec!["10.0.0.0/8".parse().unwrap(), "fd00::/8".parse().unwrap()]
    }

    fn client(from: &str, name: &'static str, values: &[&str]) -> String {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(name, value.parse().unwrap());
        }
        let trusted = trusted();
        peer(from, &trusted)
            .client_address(&headers, &trusted)
            .to_string()
    }

    #[test]
    fn strangers_are_not_believed() {
        assert_eq!(
            client("192.0.2.1", "x-forwarded-for", &["1.2.3.4"]),
            "192.0.2.1"
        );
        assert_eq!(
            client("192.0.2.1", "forwarded", &["for=1.2.3.4"]),
            "192.0.2.1"
        );
    }

    #[test]
    fn the_list_is_read_from_its_end() {
        let xff = "x-forwarded-for";
        assert_eq!(client("10.0.0.1", xff, &["6.6.6.6, 1.2.3.4"]), "1.2.3.4");
        assert_eq!(
            client("10.0.0.1", xff, &["6.6.6.6, 1.2.3.4, 10.9.9.9"]),
            "1.2.3.4"
        );
        assert_eq!(
            client("10.0.0.1", xff, &["6.6.6.6", "1.2.3.4, 10.0.0.2"]),
            "1.2.3.4"
        );
        assert_eq!(client("10.0.0.1", xff, &["10.0.0.7"]), "10.0.0.7");
        assert_eq!(client("10.0.0.1", xff, &["1.2.3.4, unknown"]), "10.0.0.1");
        assert_eq!(client("10.0.0.1", xff, &["1.2.3.4:80"]), "1.2.3.4");
        assert_eq!(
            client("10.0.0.1", xff, &["[2001:db8::1]:80"]),
            "2001:db8::1"
        );
        assert_eq!(client("10.0.0.1", xff, &[]), "10.0.0.1");
        assert_eq!(
            client("::ffff:10.0.0.1", xff, &["::ffff:1.2.3.4"]),
            "1.2.3.4"
        );
    }

    #[test]
    fn forwarded_is_read_when_it_stands_alone() {
        let forwarded = ["for=6.6.6.6, For=\"[2001:db8::1]:4711\";proto=https"];
        assert_eq!(client("10.0.0.1", "forwarded", &forwarded), "2001:db8::1");
        assert_eq!(
            client("10.0.0.1", "forwarded", &["for=_hidden"]),
            "10.0.0.1"
        );
        assert_eq!(client("10.0.0.1", "forwarded", &["proto=http"]), "10.0.0.1");

        let trusted = trusted();
        let mut both = HeaderMap::new();
        both.insert("x-forwarded-for", "1.2.3.4".parse().unwrap());
        both.insert("forwarded", "for=6.6.6.6".parse().unwrap());
        let found = peer("10.0.0.1", &trusted).client_address(&both, &trusted);
        assert_eq!(found.to_string(), "1.2.3.4");
    }

    #[test]
    fn our_element_of_forwarded() {
        let peer_v6 = peer("2001:db8::1", &[]);
        let host = HeaderValue::from_static("example.com:8000");
        let expected = "for=\"[2001:db8::1]\";host=\"example.com:8000\";proto=http";
        assert_eq!(peer_v6.forwarded(Some(host.as_bytes())), expected);
        assert_eq!(
            peer_v6.forwarded(Some(host.as_bytes())),
            expected,
            "from memory"
        );
        let other = HeaderValue::from_static("a\"b");
        assert_eq!(
            peer_v6.forwarded(Some(other.as_bytes())),
            "for=\"[2001:db8::1]\";proto=http"
        );
        assert_eq!(
            peer("::ffff:192.0.2.1", &[]).forwarded(None),
            "for=192.0.2.1;proto=http"
        );
    }

    proptest! {
        #[test]
        fn nothing_a_stranger_writes_panics_or_is_trusted(value in "[ -~]{0,80}") {
            let mut headers = HeaderMap::new();
            headers.insert("x-forwarded-for", value.parse().unwrap());
            headers.insert("forwarded", value.parse().unwrap());
            let trusted = trusted();
            let stranger = peer("192.0.2.1", &trusted);
            prop_assert_eq!(stranger.client_address(&headers, &trusted), stranger.address);
            // Through a proxy that adds the true address, nothing before it matters.
            let appended = format!("{value}, 1.2.3.4");
            headers.insert("x-forwarded-for", appended.parse().unwrap());
            let proxy = peer("10.0.0.1", &trusted);
            let found = proxy.client_address(&headers, &trusted).to_string();
            prop_assert_eq!(found, "1.2.3.4");
        }
    }
}
