//! The audit log is kept as long as it should be, and what is left still fits together.

use std::time::Duration;

use super::bench_with;

const DAY: Duration = Duration::from_secs(86_400);

#[tokio::test]
async fn what_is_too_old_is_forgotten_and_the_rest_fits() {
    let bench = bench_with(|config| config.accounts.audit_kept = Some(30 * DAY)).await;
    let platform = &bench.platform;
    let forget = async || {
        platform
            .audit_forget(platform.now())
            .await
            .expect("forgets")
    };
    let verified = async || {
        let reports = platform.audit_verify(None).await.expect("reads");
        for report in &reports {
            assert_eq!(report.fault, None, "{report:?}");
        }
        reports.last().cloned().expect("an organization")
    };
    bench.actor("ada").await;
    let before = verified().await;
    assert!(before.lines > 1 && before.forgotten == 0, "{before:?}");
    bench.clock.advance(36 * DAY);
    assert_eq!(forget().await, 0, "not a week's worth is too old");
    bench.clock.advance(2 * DAY);
    let gone = forget().await;
    assert_eq!(gone, u64::try_from(before.lines).expect("few"));
    let after = verified().await;
    assert_eq!((after.lines, after.forgotten), (1, before.lines));
    assert_eq!(forget().await, 0, "once");

    // Later once more: the line that told of the first time goes too.
    bench.actor("bob").await;
    bench.clock.advance(40 * DAY);
    assert!(forget().await > 1);
    verified().await;
}

#[tokio::test]
async fn without_a_limit_everything_is_kept() {
    let bench = bench_with(|_| ()).await;
    bench.actor("ada").await;
    bench.clock.advance(4000 * DAY);
    let now = bench.platform.now();
    assert_eq!(bench.platform.audit_forget(now).await.expect("ok"), 0);
}
