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

/// `apiverse audit verify`: checks the chains of the audit log.
///
/// # Errors
/// When something does not fit, or there is no such organization.
pub async fn verify_audit(settings: Settings, slug: Option<String>) -> Outcome {
    let platform = compose::platform_alone(&settings).await?;
    let reports = platform.audit_verify(slug.as_deref()).await?;
    if reports.is_empty() {
        return Err("there is no organization with this slug".into());
    }
    let mut faults = 0;
    for report in &reports {
        let name = report.organization.as_deref().unwrap_or("(installation)");
        let head = report.head.get(..16).unwrap_or("-");
        match &report.fault {
            None => println!("{name}: {} lines fit, the last is {head}", report.lines),
            Some(fault) => {
                faults += 1;
                println!("{name}: {fault}");
            }
        }
        if report.forgotten > 0 {
            println!(
                "{name}: {} lines before them are not kept any more",
                report.forgotten
            );
        }
        if report.unchained > 0 {
            println!(
                "{name}: {} lines are older than the chain",
                report.unchained
            );
        }
    }
    if faults > 0 {
        return Err(format!("the audit log was tampered with in {faults} place(s)").into());
    }
    Ok(())
}
