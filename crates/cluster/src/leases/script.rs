//! The shared counts in Redis: one key for each, one script for all.

use std::sync::{Arc, LazyLock};

use apiverse_limits::{Answer, Ask, Lease, Rule};
use redis::{ErrorKind, Pipeline, RedisError, Script, ServerErrorKind};

use crate::redis::RedisLink;

static SCRIPT: LazyLock<Script> = LazyLock::new(|| Script::new(include_str!("exchange.lua")));

/// One round trip for all of `asks`.
pub(super) async fn run(
    link: &RedisLink,
    asks: &[(Arc<Lease>, Ask)],
    unix_s: i64,
) -> Result<Vec<Answer>, RedisError> {
    let mut connection = link.connection().await?;
    let mut pipeline = Pipeline::with_capacity(asks.len());
    for (lease, ask) in asks {
        add(&mut pipeline, lease, ask, unix_s);
    }
    let answered: Result<Vec<(u32, f64)>, RedisError> = pipeline.query_async(&mut connection).await;
    let answers = match answered {
        Err(error) if error.kind() == ErrorKind::Server(ServerErrorKind::NoScript) => {
            // A server that was restarted has forgotten it, and has run none of them.
            SCRIPT.load_async(&mut connection).await?;
            pipeline.query_async(&mut connection).await?
        }
        other => other?,
    };
    Ok(answers
        .into_iter()
        .map(|(granted, wait_us)| Answer {
            granted,
            // Saturates, and not a number is 0.
            wait_ns: (wait_us * 1000.0) as u64,
        })
        .collect())
}

fn add(pipeline: &mut Pipeline, lease: &Lease, ask: &Ask, unix_s: i64) {
    let name = lease.name();
    let mut call = match lease.rule() {
        Rule::Bucket {
            limit,
            window_s,
            burst,
        } => {
            let mut call = SCRIPT.key(format!("apiverse:limit:{name}"));
            call.arg("bucket").arg(limit).arg(us(window_s)).arg(burst);
            call
        }
        rule @ Rule::Window { limit, window_s } => {
            // Tokens may be used until a while after they were granted, and an exchange takes a
            // moment: calls are held for that much longer, so that no window sees too many.
            let late = 2 * rule.hold_ns() / 1000;
            let mut call = SCRIPT.key(format!("apiverse:limit:{name}"));
            call.arg("window")
                .arg(limit)
                .arg(us(window_s) + late)
                .arg(0);
            call
        }
        Rule::Calendar { limit, period } => {
            let span = period.span(unix_s);
            let left_ms = span.end_s.saturating_sub(unix_s).saturating_mul(1000);
            let mut call = SCRIPT.key(format!("apiverse:limit:{name}:{}", span.start_s));
            call.arg("calendar").arg(limit).arg(left_ms).arg(ask.seed);
            call
        }
    };
    call.arg(ask.charge)
        .arg(ask.give_back)
        .arg(ask.want)
        .arg(ask.must);
    pipeline.invoke_script(&call);
}

fn us(window_s: u32) -> u64 {
    u64::from(window_s) * 1_000_000
}
