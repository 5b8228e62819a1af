//! `apiverse demo`: weeks of traffic to look at.

use apiverse_platform::{DemoOptions, Fault};
use apiverse_settings::Settings;

use crate::cli::Outcome;
use crate::compose;

/// Makes demo data.
///
/// # Errors
/// When there is some already, or the database cannot be reached.
pub async fn create(
    settings: Settings,
    organization: Option<String>,
    options: DemoOptions,
) -> Outcome {
    let platform = compose::platform_alone(&settings).await?;
    let operator = platform.operator(organization.as_deref()).await?;
    let demo = platform
        .demo_create(&operator, options)
        .await
        .map_err(|error| error.detail())?;
    println!(
        "{} APIs, {} keys and {} calls of the last {} days; `apiverse demo --remove` takes them away",
        demo.apis, demo.keys, demo.calls, options.days
    );
    Ok(())
}

/// Takes it away.
///
/// # Errors
/// When there is none, or the database cannot be reached.
pub async fn remove(settings: Settings, organization: Option<String>) -> Outcome {
    let platform = compose::platform_alone(&settings).await?;
    let operator = platform.operator(organization.as_deref()).await?;
    platform
        .demo_remove(&operator)
        .await
        .map_err(|error| error.detail())?;
    println!("the demo data is gone");
    Ok(())
}
