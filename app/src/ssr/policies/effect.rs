//! What policies did for the calls of the last day.

use apiverse_contract::policies::{PolicyKind, PolicyLevel};
use apiverse_contract::usage::{UsageBreakdown, UsageDimension, UsageQuery};
use apiverse_contract::{ApiId, ErrorCode, KeyId};
use apiverse_platform::{Actor, PlaceFound, Platform};
use chrono::Duration;

use crate::format;
use crate::rpc::Rpc;
use crate::ssr::call::fail;
use crate::ssr::views::{ago, between};

/// More kinds of refusals than there are.
const CODES: u32 = 200;

/// The calls of the last day that came to a place, by what the gateway refused them as.
///
/// # Errors
/// What the platform refuses.
pub async fn calls_of(
    platform: &Platform,
    actor: &Actor,
    found: &PlaceFound,
) -> Rpc<UsageBreakdown> {
    let now = platform.now();
    let mut query = UsageQuery {
        api_id: found.api.as_ref().map(|(id, _)| *id),
        by: Some(UsageDimension::ErrorCode),
        limit: Some(CODES),
        ..between(ago(now, Duration::hours(24)), now)
    };
    match found.level {
        PolicyLevel::Organization => {}
        PolicyLevel::Api => query.api_id = Some(ApiId(found.id)),
        PolicyLevel::Version => query.version = Some(found.id.to_string()),
        PolicyLevel::Route => query.route = Some(found.id.to_string()),
        PolicyLevel::Key => query.key_id = Some(KeyId(found.id)),
    }
    platform.usage_breakdown(actor, query).await.map_err(fail)
}

/// What a policy of this kind did for them; `None` for kinds that leave no trace in usage.
pub fn words(kind: PolicyKind, calls: &UsageBreakdown) -> Option<String> {
    let totals = &calls.totals;
    if totals.calls == 0 {
        return None;
    }
    let of = |codes: &[ErrorCode], what: &str| {
        Some(format!(
            "{what} {} of {} calls in the last 24 hours",
            format::count(counted(calls, codes)),
            format::count(totals.calls)
        ))
    };
    match kind {
        PolicyKind::Cache => Some(format!(
            "Answered {} of {} calls in the last 24 hours",
            format::count(totals.cache_hits),
            format::count(totals.calls)
        )),
        PolicyKind::Validation => of(&[ErrorCode::RequestInvalid], "Refused"),
        PolicyKind::RequestTransform => of(&[ErrorCode::RequestTransformFailed], "Failed on"),
        PolicyKind::ResponseTransform => of(&[ErrorCode::ResponseTransformFailed], "Failed on"),
        PolicyKind::Upstream => of(
            &[
                ErrorCode::UpstreamUnreachable,
                ErrorCode::UpstreamTimeout,
                ErrorCode::CircuitOpen,
            ],
            "No answer to",
        ),
        PolicyKind::Tokens => Some(format!(
            "Counted {} read and {} written in the last 24 hours",
            format::count(totals.tokens_in),
            format::count(totals.tokens_out)
        )),
        PolicyKind::Cors | PolicyKind::Mock | PolicyKind::Compression => None,
    }
}

fn counted(calls: &UsageBreakdown, codes: &[ErrorCode]) -> u64 {
    let rows = calls.data.iter().filter(|row| {
        let code = row.values.first().and_then(|value| value.id.as_deref());
        codes.iter().any(|known| code == Some(known.as_str()))
    });
    rows.map(|row| row.totals.calls).sum()
}

#[cfg(test)]
mod tests {
    use apiverse_contract::usage::{BreakdownRow, UsageTotals, UsageValue};
    use chrono::DateTime;

    use super::*;

    fn calls(rows: &[(Option<&str>, u64)], cache_hits: u64) -> UsageBreakdown {
        let totals = |calls| UsageTotals {
            calls,
            cache_hits,
            ..UsageTotals::default()
        };
        UsageBreakdown {
            from: DateTime::UNIX_EPOCH,
            to: DateTime::UNIX_EPOCH,
            starts: Vec::new(),
            data: rows
                .iter()
                .map(|(code, calls)| BreakdownRow {
                    values: vec![UsageValue {
                        dimension: UsageDimension::ErrorCode,
                        id: code.map(str::to_owned),
                        name: None,
                        api_id: None,
                    }],
                    totals: totals(*calls),
                    previous: None,
                    series: Vec::new(),
                })
                .collect(),
            rows: rows.len() as u64,
            totals: totals(rows.iter().map(|row| row.1).sum()),
        }
    }

    #[test]
    fn an_effect_counts_its_own_refusals() {
        let calls = calls(
            &[
                (None, 40_000),
                (Some("request_invalid"), 214),
                (Some("upstream_timeout"), 3),
                (Some("circuit_open"), 4),
            ],
            21,
        );
        let said = |kind| words(kind, &calls).unwrap_or_default();
        assert_eq!(
            said(PolicyKind::Validation),
            "Refused 214 of 40,221 calls in the last 24 hours"
        );
        assert!(said(PolicyKind::Upstream).starts_with("No answer to 7 of"));
        assert!(said(PolicyKind::Cache).starts_with("Answered 21 of 40,221"));
        assert_eq!(words(PolicyKind::Cors, &calls), None);
    }

    #[test]
    fn without_calls_there_is_no_effect() {
        assert_eq!(words(PolicyKind::Cache, &calls(&[], 0)), None);
    }
}
