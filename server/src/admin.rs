//! `apiverse user`: accounts from the command line.

use apiverse_settings::{Secret, Settings};

use crate::cli::Outcome;
use crate::compose;

/// # Errors
/// When the address is taken or a field is not acceptable.
pub async fn create_user(settings: Settings, email: String, password: Option<Secret>) -> Outcome {
    let platform = compose::platform_alone(&settings).await?;
    let chosen = password.as_ref().map(Secret::expose);
    let account = platform
        .user_create(&email, chosen)
        .await
        .map_err(|error| format!("cannot create {email}: {error}"))?;
    println!("created {}", account.email);
    if account.generated {
        println!("password {}", account.password);
    }
    Ok(())
}

/// # Errors
/// When there is no such account.
pub async fn reset_password(settings: Settings, email: String) -> Outcome {
    let platform = compose::platform_alone(&settings).await?;
    let password = platform
        .password_reset(&email)
        .await
        .map_err(|error| format!("cannot reset the password of {email}: {error}"))?;
    println!("all sessions of {email} are over");
    println!("password {password}");
    Ok(())
}
