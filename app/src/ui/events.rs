//! Server-Sent Events (HTML, 9.2), from when a page is hydrated until it is left.

use std::rc::Rc;

use leptos::prelude::*;
use leptos::web_sys::{EventSource, MessageEvent};
use send_wrapper::SendWrapper;
use wasm_bindgen::JsCast;
use wasm_bindgen::closure::Closure;

/// What a stream says.
pub enum Said {
    /// It is open.
    Open,
    /// It broke off; the browser tries again by itself.
    Lost,
    /// It was refused, and nothing is tried any more.
    Ended,
    /// An event of one of the names that are listened to, with its data.
    Event(&'static str, String),
}

/// An open stream. It closes when it is dropped.
pub struct Events {
    source: EventSource,
    /// The browser calls these; they live as long as the stream.
    _listeners: Vec<Closure<dyn FnMut(MessageEvent)>>,
}

impl Events {
    /// Opens `address`. `None` when the browser cannot.
    pub fn open(
        address: &str,
        names: &[&'static str],
        hear: impl Fn(Said) + 'static,
    ) -> Option<Self> {
        let source = EventSource::new(address).ok()?;
        let hear: Rc<dyn Fn(Said)> = Rc::new(hear);
        let mut listeners = Vec::new();
        let mut listen = |name: &'static str, run: Box<dyn FnMut(MessageEvent)>| {
            let closure = Closure::wrap(run);
            let listener = closure.as_ref().unchecked_ref();
            if source
                .add_event_listener_with_callback(name, listener)
                .is_ok()
            {
                listeners.push(closure);
            }
        };
        for name in names.iter().copied() {
            let hear = Rc::clone(&hear);
            listen(
                name,
                Box::new(move |ev| {
                    if let Some(text) = ev.data().as_string() {
                        hear(Said::Event(name, text));
                    }
                }),
            );
        }
        let opened = Rc::clone(&hear);
        listen("open", Box::new(move |_| opened(Said::Open)));
        let asked = source.clone();
        listen(
            "error",
            Box::new(move |_| {
                let ended = asked.ready_state() == EventSource::CLOSED;
                hear(if ended { Said::Ended } else { Said::Lost });
            }),
        );
        Some(Self {
            source,
            _listeners: listeners,
        })
    }
}

impl Drop for Events {
    fn drop(&mut self) {
        self.source.close();
    }
}

/// Where an open stream is kept; it is closed with the page. A browser has one thread. On the server
/// there is no stream, and so nothing that could not be dropped on another thread than its own: a
/// page is made on one and thrown away on another.
pub type Kept = StoredValue<Option<SendWrapper<Events>>>;
