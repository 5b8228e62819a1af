//! What `serve` prints once it listens: where to go, and what to try.

use std::fmt::Write as _;

use apiverse_platform::{FirstAccount, Sample};

/// The block; secrets in it are shown this once.
pub fn text(
    listening: std::net::SocketAddr,
    base_url: &str,
    account: Option<&FirstAccount>,
    sample: Option<&Sample>,
) -> String {
    let mut text = String::new();
    let mut line = |label: &str, value: &str| {
        let _ = writeln!(text, "  {label:<10} {value}");
    };
    line("Console", &format!("{base_url}/console"));
    line("API docs", &format!("{base_url}/api/docs"));
    if let Some(account) = account {
        line("E-mail", &account.email);
        if account.generated {
            line("Password", &account.password);
        } else {
            line("Password", "(the one you chose)");
        }
    }
    match sample {
        Some(sample) => line(
            "Try",
            &format!(
                "curl {base_url}/proxy/{}/hello -H 'X-API-Key: {}'",
                sample.slug, sample.key
            ),
        ),
        None => line("Try", "create a key in the console; keys are shown once"),
    }
    line("Listening", &format!("http://{listening}"));
    format!(
        "\nAPIverse {} is running\n\n{text}\n",
        env!("CARGO_PKG_VERSION")
    )
}
