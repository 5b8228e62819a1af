//! The compilers of the policies that change calls.

use std::convert::Infallible;
use std::fmt;

use apiverse_contract::FieldError;
use apiverse_contract::policies::{
    CompressionPolicy, CorsPolicy, MockPolicy, RequestTransformPolicy, ResponseTransformPolicy,
    TokensPolicy, ValidationPolicy,
};
use apiverse_transform::coding::Compression;
use apiverse_transform::{Cors, Mock, RequestChange, RequestSchema, ResponseChange};

use crate::snapshot::{PolicyOrigin, Tools};

/// A policy, compiled, and where it comes from.
#[derive(Debug)]
pub(crate) struct Ready<T> {
    pub(crate) origin: PolicyOrigin,
    pub(crate) policy: T,
}

/// What cannot be compiled.
#[derive(Debug)]
pub(crate) struct Errors(Vec<FieldError>);

impl fmt::Display for Errors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, error) in self.0.iter().enumerate() {
            let separator = if at > 0 { ", " } else { "" };
            write!(f, "{separator}{} {}", error.field, error.message)?;
        }
        Ok(())
    }
}

pub(crate) fn cors(
    document: CorsPolicy,
    origin: PolicyOrigin,
    _: Tools<'_>,
) -> Result<Ready<Cors>, Infallible> {
    let policy = Cors::new(document);
    Ok(Ready { origin, policy })
}

pub(crate) fn compression(
    document: CompressionPolicy,
    origin: PolicyOrigin,
    _: Tools<'_>,
) -> Result<Ready<Compression>, Infallible> {
    let policy = Compression::new(&document);
    Ok(Ready { origin, policy })
}

pub(crate) fn tokens(
    _: TokensPolicy,
    origin: PolicyOrigin,
    _: Tools<'_>,
) -> Result<Ready<()>, Infallible> {
    let policy = ();
    Ok(Ready { origin, policy })
}

pub(crate) fn mock(
    document: MockPolicy,
    origin: PolicyOrigin,
    _: Tools<'_>,
) -> Result<Ready<Mock>, Infallible> {
    let policy = Mock::new(&document);
    Ok(Ready { origin, policy })
}

pub(crate) fn schema(
    document: ValidationPolicy,
    origin: PolicyOrigin,
    _: Tools<'_>,
) -> Result<Ready<RequestSchema>, Errors> {
    let policy = RequestSchema::new(&document).map_err(Errors)?;
    Ok(Ready { origin, policy })
}

pub(crate) fn request_change(
    document: RequestTransformPolicy,
    origin: PolicyOrigin,
    _: Tools<'_>,
) -> Result<Ready<RequestChange>, Errors> {
    let policy = RequestChange::new(&document).map_err(Errors)?;
    Ok(Ready { origin, policy })
}

pub(crate) fn response_change(
    document: ResponseTransformPolicy,
    origin: PolicyOrigin,
    _: Tools<'_>,
) -> Result<Ready<ResponseChange>, Errors> {
    let policy = ResponseChange::new(document).map_err(Errors)?;
    Ok(Ready { origin, policy })
}
