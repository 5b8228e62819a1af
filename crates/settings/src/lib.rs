#![doc = include_str!("../README.md")]
#![warn(clippy::unwrap_used, clippy::expect_used)]

pub mod catalog;
mod database_url;
mod file;
mod flags;
mod inputs;
mod integrations;
mod layers;
mod load;
mod parse;
mod problem;
mod read;
mod redacted;
mod reports;
mod secret;
pub mod secrets;
mod settings;
mod sign_in;
mod strength;
mod suggest;
mod telemetry;
mod validate;
pub mod vault;

#[cfg(test)]
mod tests;

pub use file::DEFAULT_FILE;
pub use flags::Flags;
pub use inputs::Inputs;
pub use integrations::{
    AwsSettings, ClerkSettings, ClioSettings, IntegrationSettings, MailgunRegion, MailgunSettings,
    StripeSettings, TwilioSettings,
};
pub use layers::Layer;
pub use load::FirstStart;
pub use problem::{SettingProblem, SettingProblems};
pub use redacted::{Redacted, ShownSetting};
pub use secret::{REDACTED, Secret};
pub use settings::{
    BootstrapSettings, DatabaseKind, DatabaseSettings, EgressSettings, EmfEndpoint, EmfSettings,
    Environment, GatewaySettings, JwtAlgorithm, LogFormat, LoggingSettings, OtlpSettings,
    RedisSettings, ReportSettings, ReportStoreSettings, SecuritySettings, ServerSettings, Settings,
    TelemetrySettings, TlsSettings, TraceSettings, UsageSettings,
};
pub use sign_in::OidcSettings;
pub use vault::{OpenError, Vault};
