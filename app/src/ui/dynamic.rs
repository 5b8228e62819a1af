//! Closures of views in a few fixed types. Every closure has a type of its own, and the view code
//! is made anew for each of them; behind these boxes it is made once.

use leptos::prelude::*;

type BoxedView = Box<dyn FnMut() -> AnyView + Send>;
type BoxedText = Box<dyn FnMut() -> String + Send>;

/// The value of an attribute that changes; `None` takes the attribute away.
pub type Changing = Box<dyn FnMut() -> Option<String> + Send>;

/// A part of a view that changes.
pub fn dynamic(view: impl FnMut() -> AnyView + Send + 'static) -> AnyView {
    let view: BoxedView = Box::new(view);
    view.into_any()
}

/// A text that changes.
pub fn text(text: impl FnMut() -> String + Send + 'static) -> AnyView {
    let text: BoxedText = Box::new(text);
    text.into_any()
}

/// An attribute that changes.
pub fn changing(value: impl FnMut() -> Option<String> + Send + 'static) -> Changing {
    Box::new(value)
}

/// What is done on an event.
pub fn on<E: 'static>(handler: impl FnMut(E) + 'static) -> Box<dyn FnMut(E)> {
    Box::new(handler)
}

/// The view, or nothing.
pub fn when(condition: bool, view: impl FnOnce() -> AnyView) -> AnyView {
    if condition { view() } else { ().into_any() }
}
