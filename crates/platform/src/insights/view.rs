//! Findings as they are told.

use std::collections::HashMap;

use apiverse_contract::insights::{
    FindingMetric, FindingPart, FindingState, FindingView, MuteView,
};
use apiverse_contract::{ApiId, OrganizationId};
use apiverse_store::{FindingRow, MuteRow};
use chrono::{DateTime, Utc};

use super::InsightsError;
use crate::platform::Platform;

impl Platform {
    pub(super) async fn finding_view(
        &self,
        organization_id: OrganizationId,
        row: FindingRow,
        muted: bool,
        names: &mut HashMap<ApiId, Option<String>>,
    ) -> Result<FindingView, InsightsError> {
        let api_name = match row.api_id {
            None => None,
            Some(id) => match names.get(&id) {
                Some(name) => name.clone(),
                None => {
                    let name = self.store().usage_api_name(organization_id, id.0).await?;
                    names.insert(id, name.clone());
                    name
                }
            },
        };
        let parts: Vec<FindingPart> = serde_json::from_value(row.parts.clone()).unwrap_or_default();
        let metric = FindingMetric::parse(&row.metric).unwrap_or(FindingMetric::Traffic);
        Ok(FindingView {
            summary: summary(&row, metric, api_name.as_deref(), &parts),
            id: row.id,
            api_id: row.api_id,
            api_name,
            route: Some(row.route).filter(|route| !route.is_empty()),
            metric,
            state: FindingState::parse(&row.state).unwrap_or(FindingState::Passed),
            above: row.above,
            started_at: at(row.started_us),
            ended_at: row.ended_us.map(at),
            worst_at: at(row.worst_us),
            value: row.value,
            expected: row.expected,
            score: row.score,
            parts,
            acknowledged_at: row.acknowledged_us.map(at),
            acknowledged_by: row.acknowledged_by,
            note: row.note,
            muted,
        })
    }
}

fn at(us: i64) -> DateTime<Utc> {
    DateTime::from_timestamp_micros(us).unwrap_or_default()
}

pub(super) fn mute_view(row: MuteRow) -> MuteView {
    MuteView {
        id: row.id,
        api_id: row.api_id,
        route: row.route,
        metric: row.metric.as_deref().and_then(FindingMetric::parse),
        until: row.until_us.map(at),
        created_by: row.created_by,
        created_at: at(row.created_us),
    }
}

pub(super) fn is_muted(row: &FindingRow, mutes: &[MuteRow], now_us: i64) -> bool {
    mutes.iter().any(|mute| {
        mute.until_us.is_none_or(|until| until > now_us)
            && (mute.api_id.is_none() || mute.api_id == row.api_id)
            && mute.route.as_ref().is_none_or(|route| *route == row.route)
            && mute
                .metric
                .as_ref()
                .is_none_or(|metric| *metric == row.metric)
    })
}

/// What happened, in one sentence.
fn summary(
    row: &FindingRow,
    metric: FindingMetric,
    api: Option<&str>,
    parts: &[FindingPart],
) -> String {
    let place = match (api, row.route.as_str()) {
        (Some(api), "") => api.to_owned(),
        (Some(api), route) => format!("{api} {route}"),
        (None, "") => "calls to no API".to_owned(),
        (None, route) => route.to_owned(),
    };
    let mut text = match metric {
        FindingMetric::Traffic => format!(
            "{place}: {:.0} calls in five minutes, {:.0} were expected",
            row.value, row.expected
        ),
        FindingMetric::ErrorRate => format!(
            "{place}: {:.1} % of calls failed, {:.1} % were expected",
            row.value * 100.0,
            row.expected * 100.0
        ),
        FindingMetric::Latency => format!(
            "{place}: p95 of {:.0} ms, {:.0} ms were expected",
            row.value, row.expected
        ),
    };
    if let Some(part) = parts.first().filter(|part| part.share >= 0.5) {
        let name = part
            .name
            .as_deref()
            .or(part.id.as_deref())
            .unwrap_or("none");
        text.push_str(&format!(
            "; {:.0} % of it: {} {name}",
            (part.share * 100.0).min(100.0),
            part.dimension
        ));
    }
    text
}

#[cfg(test)]
mod tests {
    use apiverse_contract::MuteId;
    use serde_json::json;

    use super::*;

    fn row() -> FindingRow {
        FindingRow {
            id: apiverse_contract::FindingId::from_parts(1, [0; 10]),
            organization_id: OrganizationId::from_parts(1, [0; 10]),
            api_id: Some(ApiId::from_parts(1, [1; 10])),
            route: String::new(),
            metric: "error_rate".to_owned(),
            state: "open".to_owned(),
            above: true,
            started_us: 1,
            ended_us: None,
            worst_us: 1,
            value: 0.62,
            expected: 0.004,
            score: 12.0,
            parts: json!([]),
            acknowledged_us: None,
            acknowledged_by: None,
            note: None,
        }
    }

    #[test]
    fn a_sentence_says_what_changed_and_what_explains_it() {
        let parts = [FindingPart {
            dimension: "route".to_owned(),
            id: Some("/v1/charges".to_owned()),
            name: Some("/v1/charges".to_owned()),
            share: 0.83,
        }];
        assert_eq!(
            summary(&row(), FindingMetric::ErrorRate, Some("Payments"), &parts),
            "Payments: 62.0 % of calls failed, 0.4 % were expected; 83 % of it: route /v1/charges"
        );
    }

    #[test]
    fn mutes_hold_for_what_they_name_and_for_their_time() {
        let row = row();
        let mute = MuteRow {
            id: MuteId::from_parts(1, [0; 10]),
            organization_id: row.organization_id,
            api_id: None,
            route: None,
            metric: None,
            until_us: None,
            created_by: String::new(),
            created_us: 0,
        };
        let muted = |mute: MuteRow| is_muted(&row, &[mute], 100);
        assert!(muted(mute.clone()));
        assert!(muted(MuteRow {
            api_id: row.api_id,
            ..mute.clone()
        }));
        let other = Some(ApiId::from_parts(2, [2; 10]));
        assert!(!muted(MuteRow {
            api_id: other,
            ..mute.clone()
        }));
        assert!(!muted(MuteRow {
            until_us: Some(100),
            ..mute.clone()
        }));
        assert!(!muted(MuteRow {
            route: Some("/x".to_owned()),
            ..mute.clone()
        }));
        assert!(!muted(MuteRow {
            metric: Some("traffic".to_owned()),
            ..mute
        }));
    }
}
