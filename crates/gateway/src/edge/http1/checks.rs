//! What must hold whatever bytes come: readers of another kind, written to be simple, against the
//! ones that serve. The fuzzer (`fuzz/`) looks for bytes where they differ; the tests go through
//! all that it has kept.

use super::answer::{self, Context, translate};
use super::chunked::{Decoder, Step};
use super::request::{Framing, Read, read, slots};
use super::scan::{Scanned, Scanner};

/// The lines of a head; `None` where the end of a line could be disputed.
fn lines(head: &[u8]) -> Option<Vec<&[u8]>> {
    let body = head.strip_suffix(b"\r\n\r\n")?;
    let mut lines = Vec::new();
    let mut rest = body;
    while let Some(at) = rest.windows(2).position(|pair| pair == b"\r\n") {
        lines.push(&rest[..at]);
        rest = &rest[at + 2..];
    }
    lines.push(rest);
    let is_clean = lines
        .iter()
        .all(|line| !line.iter().any(|byte| matches!(byte, b'\r' | b'\n' | 0)));
    is_clean.then_some(lines)
}

fn field(line: &[u8]) -> Option<(String, &[u8])> {
    let at = line.iter().position(|byte| *byte == b':')?;
    let (name, value) = (&line[..at], &line[at + 1..]);
    let is_token = |byte: &u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(byte);
    if name.is_empty() || !name.iter().all(is_token) {
        return None;
    }
    Some((
        String::from_utf8_lossy(name).to_ascii_lowercase(),
        value.trim_ascii(),
    ))
}

/// A request's head that is taken is beyond dispute.
pub fn request(bytes: &[u8]) {
    let mut whole = Scanner::default();
    let found = whole.scan(bytes);
    // Byte by byte it must be the same.
    let mut dribbled = Scanner::default();
    let mut last = Scanned::More;
    for end in 0..=bytes.len() {
        last = dribbled.scan(&bytes[..end]);
        if last != Scanned::More {
            break;
        }
    }
    assert_eq!(last, found, "cuts change where a head ends");
    let Scanned::End(end) = found else { return };
    let head = &bytes[..end];
    let mut slots = slots();
    let Ok(read) = read(head, &mut slots, 100) else {
        return;
    };
    let framing = match &read {
        Read::Call(head) => head.framing,
        Read::Other { framing } => *framing,
    };
    let lines = lines(head).expect("a head without disputed lines");
    let words: Vec<&[u8]> = lines[0].split(|byte| *byte == b' ').collect();
    let [method, target, version] = words[..] else {
        panic!("a request line of {} words", words.len());
    };
    assert!(!method.is_empty() && !target.is_empty() && !target.contains(&b'#'));
    assert!(matches!(version, b"HTTP/1.0" | b"HTTP/1.1"));
    let fields: Vec<(String, &[u8])> = lines[1..]
        .iter()
        .map(|line| field(line).expect("a field"))
        .collect();
    let all = |name: &str| -> Vec<&[u8]> {
        let same = fields.iter().filter(|(found, _)| found == name);
        same.map(|(_, value)| *value).collect()
    };
    let hosts = all("host").len();
    assert!(hosts == 1 || (hosts == 0 && version == b"HTTP/1.0"));
    let expected = match (&all("content-length")[..], &all("transfer-encoding")[..]) {
        ([], []) => Framing::None,
        ([length], []) => {
            let text = std::str::from_utf8(length).expect("digits");
            match text.parse().expect("a length") {
                0 => Framing::None,
                length => Framing::Length(length),
            }
        }
        ([], [coding]) if coding.eq_ignore_ascii_case(b"chunked") => Framing::Chunked,
        other => panic!("a doubtful length was taken: {other:?}"),
    };
    assert_eq!(framing, expected);
    if let Read::Call(head) = read {
        assert!(crate::phases::is_proxied(head.target));
        assert_eq!(
            (head.method.as_bytes(), head.target.as_bytes()),
            (method, target)
        );
        assert_eq!(head.fields.len(), fields.len());
        for (field, (name, value)) in head.fields.iter().zip(&fields) {
            assert_eq!(field.name.to_ascii_lowercase(), *name);
            assert_eq!(field.value.trim_ascii(), *value);
        }
    }
}

/// A body as RFC 9112 (7.1) writes it down, all of it at once. `None`: it is not whole, or not
/// well-formed.
fn model(bytes: &[u8]) -> Option<(Vec<u8>, usize)> {
    let mut data = Vec::new();
    let mut at = 0;
    let line = |at: usize| {
        let length = bytes[at..].windows(2).position(|pair| pair == b"\r\n")?;
        Some((&bytes[at..at + length], at + length + 2))
    };
    loop {
        let (size, next) = line(at)?;
        at = next;
        let digits = size
            .iter()
            .take_while(|byte| byte.is_ascii_hexdigit())
            .count();
        let behind = size[digits..].trim_ascii_start();
        let is_extension = behind.first() == Some(&b';');
        let is_clean = !size
            .iter()
            .any(|byte| (*byte < b' ' && *byte != b'\t') || *byte == 0x7f);
        if !(1..=16).contains(&digits) || !is_clean || !(behind.is_empty() || is_extension) {
            return None;
        }
        let text = std::str::from_utf8(&size[..digits]).ok()?;
        let length = usize::try_from(u64::from_str_radix(text, 16).ok()?).ok()?;
        if length == 0 {
            break;
        }
        let end = at.checked_add(length)?;
        data.extend_from_slice(bytes.get(at..end)?);
        if bytes.get(end..end + 2)? != b"\r\n" {
            return None;
        }
        at = end + 2;
    }
    loop {
        let (trailer, next) = line(at)?;
        at = next;
        if trailer.is_empty() {
            return Some((data, at));
        }
        let is_clean = !trailer
            .iter()
            .any(|byte| (*byte < b' ' && *byte != b'\t') || *byte == 0x7f);
        if !is_clean || !(b'!'..=b'~').contains(&trailer[0]) || trailer[0] == b':' {
            return None;
        }
    }
}

fn decoded(pieces: &[&[u8]]) -> Option<(Vec<u8>, usize)> {
    let mut decoder = Decoder::default();
    let mut data = Vec::new();
    let mut before = 0;
    for piece in pieces {
        let mut at = 0;
        loop {
            match decoder.step(piece, at).ok()? {
                Step::Data { from, to } => {
                    assert!(from >= at && to > from && to <= piece.len());
                    data.extend_from_slice(&piece[from..to]);
                    at = to;
                }
                Step::More => break,
                Step::End(end) => return Some((data, before + end)),
            }
        }
        before += piece.len();
    }
    None
}

/// A chunked body is read as the model reads it, however it is cut. The first byte says how.
pub fn chunked(bytes: &[u8]) {
    let Some((cut, body)) = bytes.split_first() else {
        return;
    };
    let ours = decoded(&[body]);
    let pieces: Vec<&[u8]> = body.chunks(usize::from(*cut).max(1)).collect();
    assert_eq!(decoded(&pieces), ours, "cuts change the body");
    let models = model(body);
    match &ours {
        Some(_) => assert_eq!(ours, models),
        // Lines that are too long are refused; all else must be read.
        None => assert!(
            models.is_none() || body.len() > 200,
            "a good body was refused"
        ),
    }
}

/// Whatever an upstream says, the caller's head is well-formed and says once where the body ends.
/// The first byte says what the caller asked.
pub fn answer(bytes: &[u8]) {
    let Some((how, text)) = bytes.split_first() else {
        return;
    };
    let context = Context {
        is_head: how & 1 != 0,
        request_id: b"id",
        own_cookies: &["session".to_owned()],
        by_query: how & 2 != 0,
        limits: None,
        close: how & 4 != 0,
        date: &|| std::rc::Rc::from(&b"now"[..]),
    };
    let mut out = Vec::new();
    let Ok(Some(head)) = translate(text, &context, &mut out) else {
        return;
    };
    assert!(head.end <= text.len() && (200..1000).contains(&head.status));
    // What is not whole yet is never taken for another answer.
    for end in 0..head.end {
        let mut scrap = Vec::new();
        assert_eq!(translate(&text[..end], &context, &mut scrap), Ok(None));
    }
    let lines = lines(&out).expect("a head without disputed lines");
    assert!(lines[0].starts_with(format!("HTTP/1.1 {}", head.status).as_bytes()));
    let fields: Vec<(String, &[u8])> = lines[1..]
        .iter()
        .map(|line| field(line).expect("a field"))
        .collect();
    let count = |name: &str| fields.iter().filter(|(found, _)| found == name).count();
    let (lengths, codings) = (count("content-length"), count("transfer-encoding"));
    match head.framing {
        answer::Framing::None => assert!(lengths <= 1 && codings == 0),
        answer::Framing::Length(_) => assert_eq!((lengths, codings), (1, 0)),
        answer::Framing::Chunked | answer::Framing::UntilClose => {
            assert_eq!((lengths, codings), (0, 1));
        }
    }
    assert_eq!((count("x-request-id"), count("x-apiverse-error")), (1, 0));
    assert_eq!(count("connection"), usize::from(context.close));
    assert!(count("date") >= 1 && count("keep-alive") == 0 && count("upgrade") == 0);
    let sets_ours = |(name, value): &(String, &[u8])| {
        name == "set-cookie"
            && value
                .split(|byte| *byte == b'=')
                .next()
                .unwrap_or_default()
                .trim_ascii()
                == b"session"
    };
    assert!(!fields.iter().any(sets_ours));
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    /// All that the fuzzer has kept for a target.
    fn each(target: &str, check: fn(&[u8])) {
        let folder = Path::new("../../fuzz/corpus").join(target);
        let mut count = 0;
        for entry in std::fs::read_dir(&folder).unwrap() {
            check(&std::fs::read(entry.unwrap().path()).unwrap());
            count += 1;
        }
        assert!(count > 0, "no corpus in {}", folder.display());
    }

    #[test]
    fn what_the_fuzzer_kept_still_holds() {
        each("request", super::request);
        each("chunked", super::chunked);
        each("answer", super::answer);
    }
}
