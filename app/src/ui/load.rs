//! Showing what is loaded: a skeleton, an error with retry, or the thing.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use leptos::prelude::*;
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::error::error_panel;
use crate::rpc::RpcError;

type Shown = Pin<Box<dyn Future<Output = AnyView> + Send>>;

/// Shows what `resource` gives below the page's head. While it reloads, the old content stays.
pub fn load<T>(
    resource: Resource<Result<T, RpcError>>,
    skeleton: fn() -> AnyView,
    render: impl Fn(T) -> AnyView + Send + Sync + 'static,
) -> AnyView
where
    T: Clone + Serialize + DeserializeOwned + Send + Sync + 'static,
{
    show(resource, skeleton, false, render)
}

/// The same for a page whose head comes with its data.
pub fn load_page<T>(
    resource: Resource<Result<T, RpcError>>,
    skeleton: fn() -> AnyView,
    render: impl Fn(T) -> AnyView + Send + Sync + 'static,
) -> AnyView
where
    T: Clone + Serialize + DeserializeOwned + Send + Sync + 'static,
{
    show(resource, skeleton, true, render)
}

fn show<T>(
    resource: Resource<Result<T, RpcError>>,
    skeleton: fn() -> AnyView,
    is_page: bool,
    render: impl Fn(T) -> AnyView + Send + Sync + 'static,
) -> AnyView
where
    T: Clone + Serialize + DeserializeOwned + Send + Sync + 'static,
{
    let render = Arc::new(render);
    let make = move || -> Shown {
        let render = Arc::clone(&render);
        Box::pin(async move {
            match resource.await {
                Ok(data) => render(data),
                Err(RpcError(problem)) => error_panel(problem, is_page, move || resource.refetch()),
            }
        })
    };
    transition(skeleton, Arc::new(make))
}

/// Not generic, so that the browser downloads it once.
fn transition(skeleton: fn() -> AnyView, make: Arc<dyn Fn() -> Shown + Send + Sync>) -> AnyView {
    view! {
        <Transition fallback=skeleton>
            {move || Suspend::new(make())}
        </Transition>
    }
    .into_any()
}
