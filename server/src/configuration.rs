//! `apiverse config export|diff|plan|apply`: an organization's configuration as a file for git.

use std::io::Read;

use apiverse_contract::configuration::plan::{
    PlanCounts, PlanOutcome, PlanRequest, PlanVerdict, TrafficPlan,
};
use apiverse_contract::configuration::{
    Configuration, ConfigurationAction, ConfigurationChange, ConfigurationDiff,
    ConfigurationRequest,
};
use apiverse_platform::Fault;
use apiverse_settings::Settings;

use crate::cli::Outcome;
use crate::compose;

/// Prints the configuration, or writes it into a file.
///
/// # Errors
/// When there is no such organization, or the file cannot be written.
pub async fn export(
    settings: Settings,
    organization: Option<String>,
    file: Option<String>,
) -> Outcome {
    let platform = compose::platform_alone(&settings).await?;
    let operator = platform.operator(organization.as_deref()).await?;
    let configuration = platform.configuration_export(&operator).await?;
    let mut text = serde_json::to_string_pretty(&configuration)?;
    text.push('\n');
    match file {
        Some(path) => {
            std::fs::write(&path, text).map_err(|error| format!("cannot write {path}: {error}"))?
        }
        None => print!("{text}"),
    }
    Ok(())
}

/// Compares a file with what is there, and with `apply` makes it so.
///
/// # Errors
/// When the file is not understood or cannot be applied.
pub async fn compare(
    settings: Settings,
    organization: Option<String>,
    file: String,
    prune: bool,
    apply: bool,
) -> Outcome {
    let request = ConfigurationRequest {
        configuration: read(&file)?,
        prune,
    };
    let platform = compose::platform_alone(&settings).await?;
    let operator = platform.operator(organization.as_deref()).await?;
    let diff = if apply {
        platform.configuration_apply(&operator, request).await
    } else {
        platform.configuration_diff(&operator, request).await
    };
    let diff = diff.map_err(fault)?;
    print!("{}", told(&diff, apply));
    Ok(())
}

/// Tells what a file would do to the last calls: the file, whether it is the whole configuration,
/// and how many calls.
///
/// # Errors
/// When the file is not understood or cannot be applied.
pub async fn plan(
    settings: Settings,
    organization: Option<String>,
    (file, prune, calls): (String, bool, Option<u32>),
) -> Outcome {
    let request = PlanRequest {
        configuration: read(&file)?,
        prune,
        from: None,
        calls,
    };
    let platform = compose::platform_alone(&settings).await?;
    let operator = platform.operator(organization.as_deref()).await?;
    let planned = platform.configuration_plan(&operator, request).await;
    print!("{}", planned_text(&planned.map_err(fault)?));
    Ok(())
}

fn read(file: &str) -> Result<Configuration, String> {
    serde_json::from_str(&text_of(file)?)
        .map_err(|error| format!("{file} is not understood: {error}"))
}

/// What is wrong, each field on a line.
fn fault(error: impl Fault) -> String {
    let mut text = error.detail();
    for field in error.fields() {
        text.push_str(&format!("\n  {}: {}", field.field, field.message));
    }
    text
}

/// A line for each group of calls that changes, and what becomes of all.
fn planned_text(plan: &TrafficPlan) -> String {
    let mut text = String::new();
    for group in &plan.changed {
        let name = |name: &Option<String>| name.clone().unwrap_or_else(|| "?".to_owned());
        text.push_str(&format!(
            "{} calls of {} to {}: {} -> {}, as {}\n",
            group.calls,
            name(&group.key_name),
            name(&group.api_name),
            verdict(&group.before),
            verdict(&group.after),
            group.example,
        ));
    }
    if plan.changed.is_empty() {
        text.push_str("no call changes\n");
    }
    let counts = |counts: &PlanCounts| {
        format!(
            "{} forwarded, {} cached, {} mocked, {} limited, {} refused",
            counts.forwarded, counts.cached, counts.mocked, counts.limited, counts.refused
        )
    };
    text.push_str(&format!(
        "{} calls now: {}\n",
        plan.calls,
        counts(&plan.before)
    ));
    text.push_str(&format!("afterwards: {}\n", counts(&plan.after)));
    for what in &plan.unknown {
        text.push_str(&format!("not replayed: {what}\n"));
    }
    text
}

fn verdict(verdict: &PlanVerdict) -> String {
    let outcome = match verdict.outcome {
        PlanOutcome::Forwarded => "forwarded",
        PlanOutcome::Cached => "cached",
        PlanOutcome::Mocked => "mocked",
        PlanOutcome::Limited => "limited",
        PlanOutcome::Refused => "refused",
    };
    match (&verdict.by, verdict.code) {
        (Some(by), _) => format!("{outcome} by {by}"),
        (None, Some(code)) => format!("{outcome} ({code})"),
        (None, None) => outcome.to_owned(),
    }
}

/// `-` is standard input.
fn text_of(file: &str) -> Result<String, String> {
    let read = if file == "-" {
        let mut text = String::new();
        std::io::stdin().read_to_string(&mut text).map(|_| text)
    } else {
        std::fs::read_to_string(file)
    };
    read.map_err(|error| format!("cannot read {file}: {error}"))
}

/// One line for each change, and what differs below it.
fn told(diff: &ConfigurationDiff, applied: bool) -> String {
    if diff.changes.is_empty() {
        return "nothing differs\n".to_owned();
    }
    let mut text = String::new();
    for change in &diff.changes {
        let mark = match change.action {
            ConfigurationAction::Create => '+',
            ConfigurationAction::Update => '~',
            ConfigurationAction::Delete => '-',
        };
        text.push_str(&format!("{mark} {}\n", change.path));
        for line in lines(change) {
            text.push_str(&format!("    {line}\n"));
        }
    }
    let count = diff.changes.len();
    let what = if applied { "made" } else { "would be made" };
    text.push_str(&format!("{count} changes {what}\n"));
    text
}

/// The fields that differ.
fn lines(change: &ConfigurationChange) -> Vec<String> {
    let (Some(before), Some(after)) = (change.before.as_object(), change.after.as_object()) else {
        return Vec::new();
    };
    let mut lines = Vec::new();
    for (field, old) in before {
        match after.get(field) {
            Some(new) if new == old => {}
            Some(new) => lines.push(format!("{field}: {old} -> {new}")),
            None => lines.push(format!("{field}: {old} -> nothing")),
        }
    }
    for (field, new) in after {
        if !before.contains_key(field) {
            lines.push(format!("{field}: nothing -> {new}"));
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_diff_is_told_by_line() {
        let change = |action, path: &str, before, after| ConfigurationChange {
            action,
            path: path.to_owned(),
            before,
            after,
        };
        let diff = ConfigurationDiff {
            changes: vec![
                change(
                    ConfigurationAction::Create,
                    "a",
                    json!(null),
                    json!({ "x": 1 }),
                ),
                change(
                    ConfigurationAction::Update,
                    "b",
                    json!({ "x": 1, "same": 2, "gone": 3 }),
                    json!({ "x": 2, "same": 2, "new": [] }),
                ),
                change(ConfigurationAction::Delete, "c", json!({}), json!(null)),
            ],
        };
        let lines =
            "+ a\n~ b\n    gone: 3 -> nothing\n    x: 1 -> 2\n    new: nothing -> []\n- c\n";
        assert_eq!(
            told(&diff, false),
            format!("{lines}3 changes would be made\n")
        );
        assert_eq!(
            told(&ConfigurationDiff::default(), true),
            "nothing differs\n"
        );
    }
}
