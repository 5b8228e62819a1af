//! `apiverse doctor`: what stands in the way, before it does.

use std::time::Duration;

use apiverse_connectors::egress::EgressPolicy;
use apiverse_settings::Settings;
use apiverse_store::{ConnectOptions, Store};

use crate::cli::{Outcome, is_writable};

/// Asks a running node; the health check of the container image.
///
/// # Errors
/// When it does not answer with success.
pub async fn ask(url: &str) -> Outcome {
    let everywhere = EgressPolicy::new(vec!["0.0.0.0/0".parse()?, "::/0".parse()?]);
    let client = apiverse_connectors::http::client(everywhere, Duration::from_secs(5))?;
    let status = client.get(url).send().await?.status();
    if !status.is_success() {
        return Err(format!("{url} answered {status}").into());
    }
    println!("{url} answered {status}");
    Ok(())
}

/// Checks the parts that `serve` needs, and tells of each.
///
/// # Errors
/// When one of them is missing.
pub async fn examine(settings: Settings) -> Outcome {
    let mut failures = 0;
    let mut report = |name: &str, result: Result<String, String>| match result {
        Ok(detail) => println!("ok      {name:<12} {detail}"),
        Err(detail) => {
            failures += 1;
            println!("FAILED  {name:<12} {detail}");
        }
    };
    report(
        "settings",
        Ok(format!("environment {}", settings.environment)),
    );
    let data_dir = &settings.server.data_dir;
    report(
        "data folder",
        if is_writable(data_dir) {
            Ok(data_dir.display().to_string())
        } else {
            Err(format!("{} cannot be written", data_dir.display()))
        },
    );
    report("database", database(&settings).await);
    if let Some(url) = &settings.redis.url {
        report("redis", redis(url.expose()).await);
    }
    let site = &settings.server.site_root;
    report(
        "console",
        if site.is_dir() {
            Ok(site.display().to_string())
        } else {
            Ok(format!(
                "{} is not there: pages come without styles",
                site.display()
            ))
        },
    );
    if failures > 0 {
        return Err(format!("{failures} check(s) failed").into());
    }
    Ok(())
}

async fn database(settings: &Settings) -> Result<String, String> {
    let options = ConnectOptions {
        wait: Duration::ZERO,
        ..ConnectOptions::default()
    };
    let store = Store::connect(settings.database.url.expose(), &options)
        .await
        .map_err(|error| error.cause())?;
    let took = store.ping().await.map_err(|error| error.cause())?;
    let kind = store.kind().as_str();
    store.close().await;
    Ok(format!(
        "{kind}, answers in {:.1} ms",
        took.as_secs_f64() * 1000.0
    ))
}

async fn redis(url: &str) -> Result<String, String> {
    let bus = apiverse_cluster::Bus::redis(url, None).map_err(|error| error.to_string())?;
    let deadline = tokio::time::Instant::now() + Duration::from_secs(3);
    loop {
        let health = bus.health().await;
        if health.ok {
            return Ok("answers".to_owned());
        }
        if tokio::time::Instant::now() > deadline {
            return Err("does not answer".to_owned());
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}
