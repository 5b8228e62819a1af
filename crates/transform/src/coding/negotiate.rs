//! Proactive negotiation of the coding (RFC 9110, 12.5.3).

use apiverse_contract::policies::CompressionPolicy;
use apiverse_contract::policies::compression::Coding;
use http::header::{
    ACCEPT_ENCODING, CACHE_CONTROL, CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_RANGE, CONTENT_TYPE,
    ETAG,
};
use http::{HeaderMap, HeaderValue, Method, StatusCode};

/// Bytes below which compression is not worth its bytes.
const MIN_BYTES: u32 = 1024;

/// A compression policy, ready to be asked.
#[derive(Debug)]
pub struct Compression {
    min_bytes: u64,
    codings: Vec<Coding>,
    types: Vec<String>,
}

/// What is done with an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Choice {
    /// It is none that is ever compressed: nothing is changed.
    Never,
    /// Another caller would get it compressed: `Vary` says so.
    AsItIs,
    Coded(Coding),
}

impl Compression {
    /// Takes a policy that is valid.
    #[must_use]
    pub fn new(policy: &CompressionPolicy) -> Self {
        let mut codings = policy.codings.clone();
        if codings.is_empty() {
            codings = Coding::ALL.to_vec();
        }
        Self {
            min_bytes: u64::from(policy.min_bytes.unwrap_or(MIN_BYTES)),
            codings,
            types: policy
                .types
                .iter()
                .map(|kind| kind.to_ascii_lowercase())
                .collect(),
        }
    }

    /// What to do with an answer; `length`: of its body, where it is known.
    #[must_use]
    pub fn choose(
        &self,
        method: &Method,
        request: &HeaderMap,
        status: StatusCode,
        response: &HeaderMap,
        length: Option<u64>,
    ) -> Choice {
        let has_body = !status.is_informational()
            && !matches!(status.as_u16(), 204 | 205 | 206 | 304)
            && !response.contains_key(CONTENT_RANGE);
        let is_coded = response.get_all(CONTENT_ENCODING).iter().any(|value| {
            let text = value.as_bytes().trim_ascii();
            !text.is_empty() && !text.eq_ignore_ascii_case(b"identity")
        });
        let announced = response
            .get(CONTENT_LENGTH)
            .and_then(|value| value.to_str().ok()?.parse().ok());
        if !has_body
            || is_coded
            || no_transform(response)
            || !self.is_compressible(response)
            || length
                .or(announced)
                .is_some_and(|length| length < self.min_bytes)
        {
            return Choice::Never;
        }
        match self.preferred(request) {
            // The head is that of the answer to GET, so that caches understand one another; but
            // there is nothing to compress, and a length cannot be told.
            Some(coding) if *method != Method::CONNECT => Choice::Coded(coding),
            _ => Choice::AsItIs,
        }
    }

    /// The caller's favourite among ours; `None`: the answer as it is.
    fn preferred(&self, request: &HeaderMap) -> Option<Coding> {
        let mut named: Vec<(String, u16)> = Vec::new();
        for value in request.get_all(ACCEPT_ENCODING) {
            for member in value.to_str().unwrap_or_default().split(',') {
                let mut parts = member.split(';');
                let name = parts.next().unwrap_or_default().trim().to_ascii_lowercase();
                if name.is_empty() {
                    continue;
                }
                // Every parameter but a good weight makes it one that is not wanted.
                let mut weight = Some(1000);
                for parameter in parts {
                    let parameter = parameter.trim();
                    let quality = parameter
                        .strip_prefix("q=")
                        .or_else(|| parameter.strip_prefix("Q="));
                    weight = quality.and_then(thousandths);
                }
                named.push((name, weight.unwrap_or(0)));
            }
        }
        let weight = |name: &str| {
            named
                .iter()
                .find(|(known, _)| known == name)
                .map(|(_, q)| *q)
        };
        let others = weight("*").unwrap_or(0);
        let as_is = weight("identity");
        let mut best: Option<(u16, Coding)> = None;
        for &coding in &self.codings {
            let own = match coding {
                // RFC 9110, 8.4.1.3.
                Coding::Gzip => weight("gzip").or_else(|| weight("x-gzip")),
                other => weight(other.as_str()),
            };
            let quality = own.unwrap_or(others);
            if quality > 0 && best.is_none_or(|(known, _)| quality > known) {
                best = Some((quality, coding));
            }
        }
        let (quality, coding) = best?;
        // Who says that the answer as it is would be better gets it so.
        if as_is.is_some_and(|as_is| as_is > quality) {
            return None;
        }
        Some(coding)
    }

    fn is_compressible(&self, response: &HeaderMap) -> bool {
        let Some(text) = response
            .get(CONTENT_TYPE)
            .and_then(|value| value.to_str().ok())
        else {
            return false;
        };
        let kind = text.split(';').next().unwrap_or_default().trim();
        let kind = kind.to_ascii_lowercase();
        // Each event has to leave at once.
        if kind == "text/event-stream" || kind.starts_with("application/grpc") {
            return false;
        }
        kind.starts_with("text/")
            || kind.ends_with("+json")
            || kind.ends_with("+xml")
            || matches!(
                kind.as_str(),
                "application/json"
                    | "application/xml"
                    | "application/javascript"
                    | "application/x-javascript"
                    | "application/x-ndjson"
                    | "application/ndjson"
                    | "application/jsonl"
                    | "application/graphql"
                    | "application/yaml"
                    | "application/x-yaml"
                    | "application/toml"
                    | "application/wasm"
                    | "application/x-www-form-urlencoded"
                    | "font/ttf"
                    | "font/otf"
                    | "image/bmp"
                    | "image/x-icon"
                    | "image/vnd.microsoft.icon"
            )
            || self.types.contains(&kind)
    }
}

/// `Cache-Control: no-transform` (RFC 9111, 5.2.2.6).
fn no_transform(response: &HeaderMap) -> bool {
    response
        .get_all(CACHE_CONTROL)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|text| text.split(','))
        .any(|directive| directive.trim().eq_ignore_ascii_case("no-transform"))
}

/// A weight in thousandths (RFC 9110, 12.4.2).
fn thousandths(text: &str) -> Option<u16> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    if fraction.len() > 3 || !fraction.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let thousandths: u16 = format!("{fraction:0<3}").parse().ok()?;
    match whole {
        "0" => Some(thousandths),
        "1" if thousandths == 0 => Some(1000),
        _ => None,
    }
}

/// Makes a strong validator weak: the bytes are not those it stands for (RFC 9110, 8.8.1).
pub fn weaken_etag(headers: &mut HeaderMap) {
    let Some(etag) = headers.get(ETAG) else {
        return;
    };
    if etag.as_bytes().starts_with(b"W/") {
        return;
    }
    let mut weak = b"W/".to_vec();
    weak.extend_from_slice(etag.as_bytes());
    match HeaderValue::from_bytes(&weak) {
        Ok(weak) => drop(headers.insert(ETAG, weak)),
        Err(_) => drop(headers.remove(ETAG)),
    }
}
