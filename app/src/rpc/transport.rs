//! How pages call server functions.
//!
//! The generated client of a server function is a few kilobytes of code for each, and a resource
//! of its own type a few more: together twice what a first visit may download. So a page names the
//! function by its generated argument type, and everything between that and the answer goes through
//! one resource type and one fetch, over text. On the server the function runs in process.

use std::future::Future;
use std::marker::PhantomData;
use std::pin::Pin;

use apiverse_contract::Problem;
use leptos::prelude::*;
use leptos::server::codee::string::FromToStringCodec;
use leptos::server_fn::ServerFn;
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::{Rpc, RpcError};
use crate::ambient;

/// An answer as text: `+` and the JSON of what was asked for, or `-` and that of a problem.
pub type Answering = Pin<Box<dyn Future<Output = String> + Send>>;

/// What a page is made of, loaded on the server or in the browser.
pub struct Loaded<T> {
    pub(crate) resource: Resource<String, FromToStringCodec>,
    kind: PhantomData<fn() -> T>,
}

// Derived, these would ask the same of `T`.
impl<T> Clone for Loaded<T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T> Copy for Loaded<T> {}

impl<T: DeserializeOwned> Loaded<T> {
    /// Loads again; what is shown stays until then.
    pub fn refetch(self) {
        self.resource.refetch();
    }

    /// Reads an answer of this resource.
    pub(crate) fn read(answer: &str) -> Rpc<T> {
        decode(answer)
    }
}

/// Calls a function whenever its arguments change. No arguments: the address leads nowhere.
pub fn load_with<F>(ask: impl Fn() -> Option<F> + Send + Sync + 'static) -> Loaded<F::Output>
where
    F: ServerFn<Error = RpcError> + Serialize + DeserializeOwned + 'static,
    F::Output: Serialize,
{
    let source = move || ask().and_then(|arguments| serde_json::to_string(&arguments).ok());
    Loaded {
        resource: resource(Box::new(source), ambient::run::<F>),
        kind: PhantomData,
    }
}

type Source = Box<dyn Fn() -> Option<String> + Send + Sync>;

fn resource(source: Source, run: fn(String) -> Answering) -> Resource<String, FromToStringCodec> {
    Resource::new_str(source, move |arguments| match arguments {
        Some(arguments) => run(arguments),
        None => {
            let RpcError(problem) = RpcError::not_found("the address holds no id");
            let answer = encode(Err::<(), _>(&problem));
            Box::pin(std::future::ready(answer))
        }
    })
}

/// Calls a function and reads of its answer what `O` holds.
pub async fn call<F, O>(arguments: F) -> Rpc<O>
where
    F: ServerFn<Error = RpcError> + Serialize + DeserializeOwned + 'static,
    F::Output: Serialize,
    O: DeserializeOwned,
{
    decode(&answer_of(arguments).await)
}

/// Calls a function for what it does.
pub async fn send<F>(arguments: F) -> Rpc<()>
where
    F: ServerFn<Error = RpcError> + Serialize + DeserializeOwned + 'static,
    F::Output: Serialize,
{
    problem_of(&answer_of(arguments).await).map_or(Ok(()), Err)
}

async fn answer_of<F>(arguments: F) -> String
where
    F: ServerFn<Error = RpcError> + Serialize + DeserializeOwned + 'static,
    F::Output: Serialize,
{
    match serde_json::to_string(&arguments) {
        Ok(arguments) => ambient::run::<F>(arguments).await,
        Err(error) => encode(Err::<(), _>(&ambient::broken(&error.to_string()))),
    }
}

/// The text of an answer.
pub fn encode<T: Serialize>(answer: Result<T, &Problem>) -> String {
    let text = match &answer {
        Ok(value) => serde_json::to_string(value),
        Err(problem) => serde_json::to_string(problem),
    };
    let mark = if answer.is_ok() { '+' } else { '-' };
    format!("{mark}{}", text.unwrap_or_default())
}

fn decode<T: DeserializeOwned>(answer: &str) -> Rpc<T> {
    if let Some(error) = problem_of(answer) {
        return Err(error);
    }
    ambient::read(answer.get(1..).unwrap_or_default())
        .map_err(|error| RpcError(ambient::broken(&error.to_string())))
}

fn problem_of(answer: &str) -> Option<RpcError> {
    let text = answer.strip_prefix('-')?;
    Some(RpcError(
        ambient::read(text).unwrap_or_else(|error| ambient::broken(&error.to_string())),
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use apiverse_contract::ErrorCode;

    #[test]
    fn answers_come_back_as_they_went() {
        assert_eq!(decode::<Vec<u8>>(&encode(Ok([1, 2]))), Ok(vec![1, 2]));
        let problem = Problem::new(ErrorCode::ApiNotFound, "gone");
        let answer = encode(Err::<(), _>(&problem));
        assert_eq!(decode::<Vec<u8>>(&answer), Err(RpcError(problem)));
        assert!(decode::<Vec<u8>>("+{").is_err());
        assert!(decode::<Vec<u8>>("").is_err());
    }
}
