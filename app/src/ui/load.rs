//! Showing what is loaded: a skeleton, an error with retry, or the thing.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use leptos::prelude::*;
use serde::de::DeserializeOwned;

use super::dynamic::dynamic;
use super::error::error_panel;
use crate::rpc::{Loaded, RpcError};

type Render = Arc<dyn Fn(&str) -> AnyView + Send + Sync>;
type Shown = Pin<Box<dyn Future<Output = AnyView> + Send>>;

/// Shows what was loaded below the page's head. While it reloads, the old content stays.
pub fn load<T>(
    loaded: Loaded<T>,
    skeleton: fn() -> AnyView,
    render: impl Fn(T) -> AnyView + Send + Sync + 'static,
) -> AnyView
where
    T: DeserializeOwned + 'static,
{
    show(loaded, skeleton, false, render)
}

/// The same for a page whose head comes with its data.
pub fn load_page<T>(
    loaded: Loaded<T>,
    skeleton: fn() -> AnyView,
    render: impl Fn(T) -> AnyView + Send + Sync + 'static,
) -> AnyView
where
    T: DeserializeOwned + 'static,
{
    show(loaded, skeleton, true, render)
}

fn show<T>(
    loaded: Loaded<T>,
    skeleton: fn() -> AnyView,
    is_page: bool,
    render: impl Fn(T) -> AnyView + Send + Sync + 'static,
) -> AnyView
where
    T: DeserializeOwned + 'static,
{
    let render = move |answer: &str| match Loaded::<T>::read(answer) {
        Ok(data) => render(data),
        Err(RpcError(problem)) => error_panel(problem, is_page, Box::new(move || loaded.refetch())),
    };
    let resource = loaded.resource;
    let render: Render = Arc::new(render);
    let make = move || -> Shown {
        let render = Arc::clone(&render);
        Box::pin(async move { render(&resource.await) })
    };
    transition(skeleton, Box::new(make))
}

/// Not generic, so that the browser downloads it once.
fn transition(skeleton: fn() -> AnyView, make: Box<dyn Fn() -> Shown + Send + Sync>) -> AnyView {
    view! {
        <Transition fallback=skeleton>
            {dynamic(move || Suspend::new(make()).into_any())}
        </Transition>
    }
    .into_any()
}
