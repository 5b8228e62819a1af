//! `apiverse tail`: calls as they come, a line each.

use std::io::Write;

use apiverse_contract::usage::{LiveCall, LiveQuery};
use apiverse_platform::LiveEvent;
use apiverse_settings::Settings;

use crate::cli::Outcome;
use crate::compose;

/// Prints calls until it is interrupted, or nobody reads any more.
///
/// # Errors
/// When the database cannot be reached, or there is no such organization.
pub async fn run(
    settings: Settings,
    organization: Option<String>,
    query: LiveQuery,
    as_json: bool,
) -> Outcome {
    let platform = compose::platform_alone(&settings).await?;
    let operator = platform.operator(organization.as_deref()).await?;
    let mut stream = platform.usage_live(&operator, query, None).await?;
    let mut out = std::io::stdout().lock();
    while let Some(event) = stream.next().await {
        let text = match event {
            LiveEvent::Calls { json, .. } => {
                let calls: Vec<LiveCall> = serde_json::from_slice(&json)?;
                let mut text = String::new();
                for call in &calls {
                    if as_json {
                        text.push_str(&serde_json::to_string(call)?);
                    } else {
                        text.push_str(&line(call));
                    }
                    text.push('\n');
                }
                text
            }
            LiveEvent::Dropped(calls) => {
                eprintln!("… {calls} more");
                continue;
            }
            LiveEvent::Counters { .. } | LiveEvent::Gap => continue,
        };
        // Whoever reads may have had enough: `apiverse tail | head`.
        if out
            .write_all(text.as_bytes())
            .and_then(|()| out.flush())
            .is_err()
        {
            break;
        }
    }
    Ok(())
}

fn line(call: &LiveCall) -> String {
    let mut line = format!(
        "{} {} {:>9.1} ms  {:<6} {}",
        call.started_at.format("%H:%M:%S%.3f"),
        call.status,
        call.latency_ms,
        call.method,
        printable(&call.path),
    );
    if let Some(code) = &call.error_code {
        line.push_str("  ");
        line.push_str(code);
    }
    line
}

/// A path may have anything in it; a terminal shall not be told what to do.
fn printable(path: &str) -> String {
    path.chars()
        .map(|c| if c.is_control() { '\u{fffd}' } else { c })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_do_not_speak_to_the_terminal() {
        assert_eq!(printable("/a\u{1b}[2Jb"), "/a\u{fffd}[2Jb");
    }
}
