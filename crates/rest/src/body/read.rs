//! Reading a body without ever holding more than its limit.

use std::time::Duration;

use apiverse_contract::ErrorCode;
use axum::body::{Body, HttpBody};
use axum::extract::Request;
use http_body_util::BodyExt;

use crate::ApiProblem;

/// A body that is not there after this long is not coming.
const TIME_LIMIT: Duration = Duration::from_secs(30);
/// How much of a body that is too large is still taken and thrown away: a client that is cut off
/// while it writes sees a broken connection in place of the answer.
const DISCARD_LIMIT: usize = 32 << 20;
const DISCARD_TIME: Duration = Duration::from_secs(10);

/// The whole body, if it has at most `limit` bytes.
///
/// # Errors
/// 413 `body_too_large`; 400 `invalid_request` when it breaks off or takes too long.
pub async fn within_limit(request: Request, limit: usize) -> Result<Vec<u8>, ApiProblem> {
    let mut body = request.into_body();
    let announced = usize::try_from(body.size_hint().lower()).unwrap_or(usize::MAX);
    let mut bytes = Vec::new();
    let fits = announced <= limit
        && match tokio::time::timeout(TIME_LIMIT, collect(&mut body, &mut bytes, limit)).await {
            Ok(fits) => fits?,
            Err(_) => {
                return Err(ApiProblem::new(
                    ErrorCode::InvalidRequest,
                    "the body did not arrive in time",
                ));
            }
        };
    if fits {
        return Ok(bytes);
    }
    drop(bytes);
    // Whether the rest arrives or not, the answer is the same.
    let _ = tokio::time::timeout(DISCARD_TIME, discard(&mut body)).await;
    Err(ApiProblem::new(
        ErrorCode::BodyTooLarge,
        format!("the body may have at most {limit} bytes"),
    ))
}

/// `false` once there is more than `limit`.
async fn collect(body: &mut Body, bytes: &mut Vec<u8>, limit: usize) -> Result<bool, ApiProblem> {
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|_| {
            ApiProblem::new(
                ErrorCode::InvalidRequest,
                "the body broke off before its end",
            )
        })?;
        let Ok(data) = frame.into_data() else {
            continue;
        };
        if bytes.len() + data.len() > limit {
            return Ok(false);
        }
        bytes.extend_from_slice(&data);
    }
    Ok(true)
}

async fn discard(body: &mut Body) {
    let mut seen = 0;
    while let Some(Ok(frame)) = body.frame().await {
        seen += frame.data_ref().map_or(0, |data| data.len());
        if seen > DISCARD_LIMIT {
            return;
        }
    }
}
