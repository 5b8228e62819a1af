//! A request's body that can be sent more than once: what has passed is kept, up to a limit.

use std::cell::RefCell;
use std::rc::Rc;
use std::task::{Context, Poll};

use bytes::{Bytes, BytesMut};
use http::HeaderMap;
use http_body::{Frame, SizeHint};

use super::request::{RequestBodyError, Streaming};

/// One reader of a body; there is one at a time.
pub(super) struct KeptBody {
    shared: Rc<RefCell<Kept>>,
    /// The next of the kept parts.
    next: usize,
}

struct Kept {
    source: Streaming,
    parts: Vec<Part>,
    /// Bytes that may still be kept; `None`: the body is longer, and nothing of it is kept.
    room: Option<usize>,
    is_whole: bool,
}

enum Part {
    Data(Bytes),
    Trailers(HeaderMap),
}

impl Part {
    fn frame(&self) -> Frame<Bytes> {
        match self {
            Self::Data(bytes) => Frame::data(bytes.clone()),
            Self::Trailers(trailers) => Frame::trailers(trailers.clone()),
        }
    }

    fn len(&self) -> u64 {
        match self {
            Self::Data(bytes) => bytes.len() as u64,
            Self::Trailers(_) => 0,
        }
    }
}

impl KeptBody {
    pub(super) fn new(source: Streaming, most: usize) -> Self {
        let kept = Kept {
            source,
            parts: Vec::new(),
            room: Some(most),
            is_whole: false,
        };
        Self {
            shared: Rc::new(RefCell::new(kept)),
            next: 0,
        }
    }

    pub(super) fn again(&self) -> Option<Self> {
        self.shared.borrow().room?;
        Some(Self {
            shared: Rc::clone(&self.shared),
            next: 0,
        })
    }

    pub(super) fn whole(&self) -> Option<Bytes> {
        let kept = self.shared.borrow();
        if kept.room.is_none() || !kept.is_over() {
            return None;
        }
        let mut all = BytesMut::new();
        for part in &kept.parts {
            if let Part::Data(bytes) = part {
                all.extend_from_slice(bytes);
            }
        }
        Some(all.freeze())
    }

    pub(super) fn poll(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, RequestBodyError>>> {
        let mut kept = self.shared.borrow_mut();
        if let Some(part) = kept.parts.get(self.next) {
            self.next += 1;
            return Poll::Ready(Some(Ok(part.frame())));
        }
        if kept.is_whole {
            return Poll::Ready(None);
        }
        let Poll::Ready(item) = kept.source.poll(cx) else {
            return Poll::Pending;
        };
        match item {
            None => kept.is_whole = true,
            // The caller's body broke off: there is nothing to send again.
            Some(Err(_)) => kept.forget(),
            Some(Ok(ref frame)) => kept.keep(frame),
        }
        self.next = kept.parts.len();
        Poll::Ready(item)
    }

    pub(super) fn is_end_stream(&self) -> bool {
        let kept = self.shared.borrow();
        self.next >= kept.parts.len() && kept.is_over()
    }

    pub(super) fn size_hint(&self) -> SizeHint {
        let kept = self.shared.borrow();
        let waiting: u64 = kept.parts.iter().skip(self.next).map(Part::len).sum();
        let coming = match kept.is_whole {
            true => SizeHint::with_exact(0),
            false => kept.source.size_hint(),
        };
        let mut hint = SizeHint::new();
        if let Some(upper) = coming.upper() {
            hint.set_upper(upper.saturating_add(waiting));
        }
        hint.set_lower(coming.lower().saturating_add(waiting));
        hint
    }
}

impl Kept {
    fn is_over(&self) -> bool {
        self.is_whole || self.source.is_end_stream()
    }

    fn keep(&mut self, frame: &Frame<Bytes>) {
        let Some(room) = self.room else {
            return;
        };
        let length = frame.data_ref().map_or(0, Bytes::len);
        match (
            room.checked_sub(length),
            frame.data_ref(),
            frame.trailers_ref(),
        ) {
            (None, ..) => self.forget(),
            (Some(left), Some(bytes), _) => {
                self.room = Some(left);
                self.parts.push(Part::Data(bytes.clone()));
            }
            (Some(_), None, Some(trailers)) => {
                self.parts.push(Part::Trailers(trailers.clone()));
            }
            (Some(_), None, None) => {}
        }
    }

    fn forget(&mut self) {
        self.room = None;
        self.parts = Vec::new();
    }
}

#[cfg(test)]
mod tests {
    use http_body::Body;
    use http_body_util::BodyExt;

    use super::*;
    use crate::body::{RequestBody, RequestProgress};
    use crate::timer::Timer;

    fn body(text: &'static [u8], most: usize) -> RequestBody {
        let progress = RequestProgress::new(Timer::new());
        RequestBody::at_hand(Bytes::from_static(text), progress).kept(most)
    }

    #[tokio::test]
    async fn a_kept_body_is_the_same_each_time() {
        let template = body(b"hello", 5);
        assert_eq!(template.whole(), None, "it has not passed yet");
        for _ in 0..3 {
            let once = template.again().expect("is kept");
            assert_eq!(once.size_hint().exact(), Some(5));
            assert!(!once.is_end_stream());
            assert_eq!(once.collect().await.unwrap().to_bytes(), "hello");
        }
        assert_eq!(template.whole().unwrap(), "hello");
    }

    #[tokio::test]
    async fn a_longer_one_is_sent_once() {
        let template = body(b"hello", 4);
        let once = template.again().expect("nothing was sent yet");
        assert_eq!(once.collect().await.unwrap().to_bytes(), "hello");
        assert!(template.again().is_none());
        assert_eq!(template.whole(), None);
    }

    #[tokio::test]
    async fn no_body_is_always_at_hand() {
        let template = RequestBody::empty().kept(0);
        assert!(template.again().expect("is empty").is_end_stream());
        assert_eq!(template.whole().unwrap(), "");
    }
}
