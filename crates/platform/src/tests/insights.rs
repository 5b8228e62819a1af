//! Demo data, and what is unusual in it.

use apiverse_contract::insights::{
    AcknowledgeFinding, CreateMute, FindingMetric, FindingState, FindingsQuery,
};
use apiverse_contract::usage::{UsageDimension, UsageQuery};
use chrono::Duration;

use super::bench;
use crate::{DemoOptions, Fault};

#[tokio::test]
async fn incidents_are_found_and_explained() {
    let bench = bench().await;
    let actor = bench.actor("ada").await;
    let platform = &bench.platform;
    let options = DemoOptions {
        days: 8,
        calls: 120_000,
    };
    let demo = platform.demo_create(&actor, options).await;
    let demo = demo.expect("makes demo data");
    assert!((100_000..160_000).contains(&demo.calls), "{demo:?}");
    let twice = platform.demo_create(&actor, options).await;
    assert!(twice.expect_err("is there").detail().contains("already"));

    let all = FindingsQuery::default();
    let list = async |query: &FindingsQuery| {
        let page = platform.findings_list(&actor, query.clone()).await;
        page.expect("reads").data
    };
    let findings = list(&all).await;
    assert!((3..50).contains(&findings.len()), "{}", findings.len());
    // Demo data is looked at when it is made. Later only what lasts is looked at again.
    let again = platform.look_for_findings(actor.organization_id).await;
    let lasting = findings
        .iter()
        .filter(|finding| finding.state == FindingState::Open);
    assert_eq!(again.expect("looks"), lasting.count());
    assert_eq!(list(&all).await.len(), findings.len());
    let now = bench.clock.now();
    // The bank was away six days ago, and the index was rebuilt three days ago.
    for (name, metric, began) in [
        (
            "Payments (demo)",
            FindingMetric::ErrorRate,
            Duration::days(6) + Duration::minutes(45),
        ),
        (
            "Search (demo)",
            FindingMetric::Latency,
            Duration::days(3) + Duration::hours(2),
        ),
    ] {
        let expected = now - began;
        let found = findings.iter().find(|finding| {
            finding.api_name.as_deref() == Some(name)
                && finding.metric == metric
                && finding.route.is_none()
                && (finding.started_at - expected).abs() < Duration::minutes(21)
        });
        let found = found.unwrap_or_else(|| panic!("{name}: {findings:#?}"));
        assert!(
            found.above && found.state == FindingState::Passed,
            "{found:?}"
        );
        assert!(found.summary.starts_with(name), "{}", found.summary);
        assert!(!found.parts.is_empty());
    }
    // Somebody crawled a day ago: mostly one key.
    let crawl = findings.iter().find(|finding| {
        finding.metric == FindingMetric::Traffic
            && finding.route.is_none()
            && finding.above
            && (now - finding.started_at - Duration::hours(27)).abs() < Duration::minutes(21)
    });
    let crawl = crawl.unwrap_or_else(|| panic!("{findings:#?}"));
    assert_eq!(
        crawl.parts[0].name.as_deref(),
        Some("Partner: Northwind (demo)")
    );

    let note = AcknowledgeFinding {
        note: Some("a crawler".to_owned()),
    };
    let known = platform.finding_acknowledge(&actor, crawl.id, note).await;
    assert_eq!(known.expect("notes").note.as_deref(), Some("a crawler"));
    let acknowledged = FindingsQuery {
        acknowledged: Some(true),
        ..FindingsQuery::default()
    };
    assert_eq!(list(&acknowledged).await.len(), 1);
    let open = platform.finding_reopen(&actor, crawl.id).await;
    assert_eq!(open.expect("reopens").acknowledged_at, None);
    let mute = CreateMute {
        metric: Some(FindingMetric::Traffic),
        ..CreateMute::default()
    };
    let mute = platform.mute_create(&actor, mute).await.expect("mutes");
    assert!(
        list(&all)
            .await
            .iter()
            .all(|finding| finding.metric != FindingMetric::Traffic)
    );
    let muted = FindingsQuery {
        muted: Some(true),
        ..FindingsQuery::default()
    };
    assert_eq!(list(&muted).await.len(), findings.len());
    platform
        .mute_delete(&actor, mute.id)
        .await
        .expect("deletes");
    assert_eq!(list(&all).await.len(), findings.len());
    let stranger = bench.actor("bob").await;
    let refused = platform.finding_get(&stranger, crawl.id).await;
    assert!(refused.is_err());

    let week = UsageQuery {
        from: Some(now - Duration::days(9)),
        by: Some(UsageDimension::Route),
        ..UsageQuery::default()
    };
    let top = platform.usage_top(&actor, week.clone()).await;
    assert!(!top.expect("reads").is_empty());
    platform.demo_remove(&actor).await.expect("takes it away");
    let top = platform.usage_top(&actor, week).await;
    assert!(top.expect("reads").is_empty());
    assert!(platform.demo_remove(&actor).await.is_err());
}
