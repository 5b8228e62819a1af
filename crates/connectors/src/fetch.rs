//! One answer of a provider, read up to a limit.

use crate::http::is_blocked;

/// Longest answer that is read: sets of keys and records of people are far smaller.
const MAX_ANSWER_BYTES: usize = 1 << 20;

/// Why there is no answer. The text holds no address and no secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FetchError {
    #[error("its address is in a range that is not allowed")]
    Blocked,
    #[error("it cannot be reached")]
    Unreachable,
    #[error("no answer in time")]
    Timeout,
    #[error("the connection broke")]
    Broken,
    #[error("its answer is too long")]
    TooLong,
    #[error("it answers with status {0}")]
    Status(u16),
    #[error("its answer is not understood")]
    NotUnderstood,
}

impl From<reqwest::Error> for FetchError {
    fn from(error: reqwest::Error) -> Self {
        if is_blocked(&error) {
            Self::Blocked
        } else if error.is_timeout() {
            Self::Timeout
        } else if error.is_connect() || error.is_builder() {
            Self::Unreachable
        } else {
            Self::Broken
        }
    }
}

/// The body, up to the limit.
pub(crate) async fn read(mut response: reqwest::Response) -> Result<Vec<u8>, FetchError> {
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await? {
        if body.len() + chunk.len() > MAX_ANSWER_BYTES {
            return Err(FetchError::TooLong);
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body)
}

/// The JSON of a request that must succeed.
pub(crate) async fn json<T: serde::de::DeserializeOwned>(
    request: reqwest::RequestBuilder,
) -> Result<T, FetchError> {
    let response = request.send().await?;
    let status = response.status().as_u16();
    if status != 200 {
        return Err(FetchError::Status(status));
    }
    let body = read(response).await?;
    serde_json::from_slice(&body).map_err(|_| FetchError::NotUnderstood)
}
