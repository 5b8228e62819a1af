//! The command line.

use std::path::Path;
use std::process::ExitCode;

use apiverse_contract::usage::{LiveQuery, StatusClass};
use apiverse_platform::DemoOptions;
use apiverse_settings::secrets::generate_secret;
use apiverse_settings::{FirstStart, Flags, Inputs, Secret, Settings};
use clap::{Args, Parser, Subcommand};

use crate::reload::ReadSettings;
use crate::{admin, compose, configuration, demo, doctor, serve, tail, telemetry};

/// APIverse: a self-hosted API platform in one binary.
#[derive(Parser)]
#[command(name = "apiverse", version, about, disable_help_subcommand = true)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Run the gateway, the REST API and the console
    Serve(Flags),
    /// Create or update the database schema, and end
    Migrate(Flags),
    /// Look at the settings; write, compare and apply the configuration of an organization
    Config {
        #[command(subcommand)]
        command: ConfigCommand,
    },
    /// Make secrets
    Secrets {
        #[command(subcommand)]
        command: SecretsCommand,
    },
    /// Print the OpenAPI document
    Openapi,
    /// Manage accounts
    User {
        #[command(subcommand)]
        command: UserCommand,
    },
    /// Watch calls as they come
    Tail(TailArgs),
    /// Make weeks of traffic to look at, in APIs and keys of its own
    Demo {
        /// Take it away again
        #[arg(long)]
        remove: bool,
        /// Days until now
        #[arg(long, default_value_t = 28, value_parser = clap::value_parser!(u32).range(1..=400))]
        days: u32,
        /// Calls, about
        #[arg(long, default_value_t = 800_000)]
        calls: u64,
        #[command(flatten)]
        scope: ConfigScope,
    },
    /// Check the audit log
    Audit {
        #[command(subcommand)]
        command: AuditCommand,
    },
    /// Check what `serve` needs, or ask a running node how it is
    Doctor(DoctorArgs),
}

#[derive(Subcommand)]
enum AuditCommand {
    /// Tell whether a line was changed, put in or taken out; ends with 1 when one was
    Verify {
        /// Only the log of the organization with this slug
        #[arg(long, value_name = "SLUG")]
        organization: Option<String>,
        #[command(flatten)]
        place: Place,
    },
}

#[derive(Subcommand)]
enum ConfigCommand {
    /// Tell every problem of the settings
    Check(Flags),
    /// Show every setting, where it comes from, without secrets
    Show(Flags),
    /// Write an organization's APIs, policies and limits as JSON, without secrets
    Export {
        /// Into this file, not to standard output
        #[arg(long, short, value_name = "FILE")]
        output: Option<String>,
        #[command(flatten)]
        scope: ConfigScope,
    },
    /// Tell what applying a file would change
    Diff {
        #[command(flatten)]
        source: ConfigSource,
        #[command(flatten)]
        scope: ConfigScope,
    },
    /// Tell whose recent calls applying a file would change
    Plan {
        #[command(flatten)]
        source: ConfigSource,
        /// Replay at most so many of the last calls
        #[arg(long, value_name = "COUNT")]
        calls: Option<u32>,
        #[command(flatten)]
        scope: ConfigScope,
    },
    /// Make the configuration as a file says, all of it or nothing
    Apply {
        #[command(flatten)]
        source: ConfigSource,
        /// Only tell what would change
        #[arg(long)]
        dry_run: bool,
        #[command(flatten)]
        scope: ConfigScope,
    },
}

/// A configuration, and how it is meant.
#[derive(Args)]
struct ConfigSource {
    /// The file; `-` is standard input
    file: String,
    /// Remove what is not in the file
    #[arg(long)]
    prune: bool,
}

/// Whose configuration.
#[derive(Args)]
struct ConfigScope {
    /// Slug of the organization; the oldest one when absent
    #[arg(long, value_name = "SLUG")]
    organization: Option<String>,
    #[command(flatten)]
    place: Place,
}

#[derive(Subcommand)]
enum SecretsCommand {
    /// Print fresh secrets as environment variables
    Generate,
}

#[derive(Subcommand)]
enum UserCommand {
    /// Create an account with an organization of its own
    Create {
        #[arg(long)]
        email: String,
        /// Generated and printed when absent
        #[arg(long)]
        password: Option<Secret>,
        #[command(flatten)]
        place: Place,
    },
    /// Give an account a new password and end its sessions
    ResetPassword {
        #[arg(long)]
        email: String,
        #[command(flatten)]
        place: Place,
    },
}

/// Where the database is, for commands that only need that.
#[derive(Args)]
struct Place {
    /// Configuration file
    #[arg(long, value_name = "FILE")]
    config: Option<String>,
    /// Folder of all data
    #[arg(long, value_name = "FOLDER")]
    data_dir: Option<String>,
    /// Database address
    #[arg(long, value_name = "URL")]
    database_url: Option<Secret>,
}

impl Place {
    fn into_flags(self) -> Flags {
        Flags {
            config: self.config,
            data_dir: self.data_dir,
            database_url: self.database_url,
            ..Flags::default()
        }
    }
}

#[derive(Args)]
struct TailArgs {
    /// Only answers of a class (2xx, 3xx, 4xx, 5xx), or with one status
    #[arg(long)]
    status: Option<String>,
    #[arg(long)]
    method: Option<String>,
    /// Only paths that contain this
    #[arg(long)]
    path: Option<String>,
    /// Only calls that took so many milliseconds at least
    #[arg(long, value_name = "MS")]
    slower_than: Option<u32>,
    /// A JSON object a line
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    scope: ConfigScope,
}

impl TailArgs {
    fn query(&self) -> Result<LiveQuery, String> {
        let class = self.status.as_deref().and_then(|text| {
            StatusClass::ALL
                .into_iter()
                .find(|class| class.as_str() == text)
        });
        let status_code = match (&self.status, class) {
            (Some(text), None) => Some(text.parse().map_err(|_| {
                format!("{text} is neither a class of statuses, as 5xx, nor a status")
            })?),
            _ => None,
        };
        Ok(LiveQuery {
            status: class,
            status_code,
            method: self.method.clone(),
            path: self.path.clone(),
            slower_than_ms: self.slower_than,
            ..LiveQuery::default()
        })
    }
}

#[derive(Args)]
struct DoctorArgs {
    /// Only ask this address of a running node, such as http://127.0.0.1:8000/health
    #[arg(long)]
    url: Option<String>,
    #[command(flatten)]
    flags: Flags,
}

/// Runs the command that the process was started with.
pub fn run() -> ExitCode {
    apiverse_connectors::tls::install_default_provider();
    match Cli::parse().command {
        Command::Serve(flags) => with_settings(&flags, FirstStart::Create, |settings| {
            let telemetry = telemetry_of(&settings);
            let filter = telemetry::start(telemetry.0, telemetry.1);
            // Read from the same flags and environment; files may say something new.
            let again = flags.clone();
            let read: ReadSettings = Box::new(move || {
                let inputs = Inputs::from_process()?;
                Ok(Settings::load(&inputs, &again, FirstStart::Create)?)
            });
            block_on(serve::run(settings, filter, read))
        }),
        Command::Migrate(flags) => with_settings(&flags, FirstStart::Create, |settings| {
            let telemetry = telemetry_of(&settings);
            telemetry::start(telemetry.0, telemetry.1);
            block_on(async move {
                compose::store(&settings).await?.close().await;
                println!("the schema is up to date");
                Ok(())
            })
        }),
        Command::Config {
            command: ConfigCommand::Check(flags),
        } => with_settings(&flags, FirstStart::Preview, |_| {
            println!("the settings are good");
            Ok(())
        }),
        Command::Config {
            command: ConfigCommand::Show(flags),
        } => with_settings(&flags, FirstStart::Preview, |settings| {
            print!("{}", settings.redacted());
            Ok(())
        }),
        Command::Config {
            command: ConfigCommand::Export { output, scope },
        } => {
            let ConfigScope {
                organization,
                place,
            } = scope;
            with_settings(&place.into_flags(), FirstStart::Create, |settings| {
                block_on(configuration::export(settings, organization, output))
            })
        }
        Command::Config {
            command: ConfigCommand::Diff { source, scope },
        } => compare(source, scope, false),
        Command::Config {
            command:
                ConfigCommand::Plan {
                    source: ConfigSource { file, prune },
                    calls,
                    scope,
                },
        } => with_settings(&scope.place.into_flags(), FirstStart::Create, |settings| {
            let (of, request) = (scope.organization, (file, prune, calls));
            block_on(configuration::plan(settings, of, request))
        }),
        Command::Config {
            command:
                ConfigCommand::Apply {
                    source,
                    dry_run,
                    scope,
                },
        } => compare(source, scope, !dry_run),
        Command::Secrets {
            command: SecretsCommand::Generate,
        } => {
            for name in ["SECRET_KEY", "JWT_SECRET", "JWT_REFRESH_SECRET"] {
                println!("{name}={}", generate_secret().expose());
            }
            ExitCode::SUCCESS
        }
        Command::Openapi => finish(compose::print_openapi()),
        Command::Audit {
            command:
                AuditCommand::Verify {
                    organization,
                    place,
                },
        } => with_settings(&place.into_flags(), FirstStart::Preview, |settings| {
            block_on(admin::verify_audit(settings, organization))
        }),
        Command::User {
            command:
                UserCommand::Create {
                    email,
                    password,
                    place,
                },
        } => with_settings(&place.into_flags(), FirstStart::Create, |settings| {
            block_on(admin::create_user(settings, email, password))
        }),
        Command::User {
            command: UserCommand::ResetPassword { email, place },
        } => with_settings(&place.into_flags(), FirstStart::Create, |settings| {
            block_on(admin::reset_password(settings, email))
        }),
        Command::Tail(arguments) => {
            let query = match arguments.query() {
                Ok(query) => query,
                Err(error) => return finish(Err(error.into())),
            };
            let (as_json, scope) = (arguments.json, arguments.scope);
            let organization = scope.organization;
            with_settings(&scope.place.into_flags(), FirstStart::Create, |settings| {
                block_on(tail::run(settings, organization, query, as_json))
            })
        }
        Command::Demo {
            remove,
            days,
            calls,
            scope,
        } => {
            let organization = scope.organization;
            with_settings(&scope.place.into_flags(), FirstStart::Create, |settings| {
                block_on(async move {
                    if remove {
                        demo::remove(settings, organization).await
                    } else {
                        demo::create(settings, organization, DemoOptions { days, calls }).await
                    }
                })
            })
        }
        Command::Doctor(DoctorArgs { url: Some(url), .. }) => {
            finish(block_on(async move { doctor::ask(&url).await }))
        }
        Command::Doctor(DoctorArgs { url: None, flags }) => {
            with_settings(&flags, FirstStart::Preview, |settings| {
                block_on(doctor::examine(settings))
            })
        }
    }
}

fn compare(source: ConfigSource, scope: ConfigScope, apply: bool) -> ExitCode {
    let ConfigSource { file, prune } = source;
    let ConfigScope {
        organization,
        place,
    } = scope;
    with_settings(&place.into_flags(), FirstStart::Create, |settings| {
        block_on(configuration::compare(
            settings,
            organization,
            file,
            prune,
            apply,
        ))
    })
}

/// What a command ends with when it fails: a sentence for whoever typed it.
pub type Outcome = Result<(), Box<dyn std::error::Error + Send + Sync>>;

fn with_settings(
    flags: &Flags,
    first_start: FirstStart,
    then: impl FnOnce(Settings) -> Outcome,
) -> ExitCode {
    let inputs = match Inputs::from_process() {
        Ok(inputs) => inputs,
        Err(error) => return finish(Err(error.into())),
    };
    match Settings::load(&inputs, flags, first_start) {
        Ok(settings) => finish(then(settings)),
        Err(problems) => {
            eprintln!("{problems}");
            ExitCode::from(2)
        }
    }
}

fn finish(outcome: Outcome) -> ExitCode {
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprint!("apiverse: {error}");
            let mut reason = error.source();
            while let Some(inner) = reason {
                eprint!(": {inner}");
                reason = inner.source();
            }
            eprintln!();
            ExitCode::FAILURE
        }
    }
}

fn block_on(future: impl Future<Output = Outcome>) -> Outcome {
    tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()?
        .block_on(future)
}

fn telemetry_of(settings: &Settings) -> (&str, telemetry::Format) {
    let format = match settings.logging.format {
        apiverse_settings::LogFormat::Json => telemetry::Format::Json,
        apiverse_settings::LogFormat::Pretty => telemetry::Format::Pretty,
    };
    (&settings.logging.filter, format)
}

/// Whether `folder` can be written: what `doctor` asks of the data folder.
pub fn is_writable(folder: &Path) -> bool {
    let probe = folder.join(".apiverse-probe");
    std::fs::create_dir_all(folder).is_ok()
        && std::fs::write(&probe, b"").is_ok()
        && std::fs::remove_file(&probe).is_ok()
}
