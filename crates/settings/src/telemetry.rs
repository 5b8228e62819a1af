//! Where traces and metrics are sent: the names and meanings of OpenTelemetry's and of CloudWatch's
//! own libraries, so that what sets them up elsewhere does here.

use std::time::Duration;

use url::Url;

use crate::parse::{self, Complaint, Parsed};
use crate::read::Reader;
use crate::secret::Secret;
use crate::settings::{EmfEndpoint, EmfSettings, OtlpSettings, TelemetrySettings, TraceSettings};

pub(crate) fn read(reader: &mut Reader<'_>) -> TelemetrySettings {
    let milliseconds = |reader: &mut Reader<'_>, variable, fallback, range| {
        Duration::from_millis(reader.required(variable, fallback, parse::number(range)))
    };
    let is_disabled = reader.required("OTEL_SDK_DISABLED", false, parse::boolean);
    reader.optional("OTEL_EXPORTER_OTLP_PROTOCOL", protocol);
    let endpoint = reader.optional("OTEL_EXPORTER_OTLP_ENDPOINT", endpoint);
    let headers = reader.required("OTEL_EXPORTER_OTLP_HEADERS", Vec::new(), pairs);
    let headers = headers
        .into_iter()
        .map(|(name, value)| (name, Secret::new(value)))
        .collect();
    let timeout = milliseconds(reader, "OTEL_EXPORTER_OTLP_TIMEOUT", 10_000, 100..=60_000);
    let service_name = reader.required("OTEL_SERVICE_NAME", "apiverse".to_owned(), |text| {
        Ok(text.to_owned())
    });
    let resource = reader.required("OTEL_RESOURCE_ATTRIBUTES", Vec::new(), pairs);
    let traced = reader.required("OTEL_TRACES_EXPORTER", true, exporter);
    let measured = reader.required("OTEL_METRICS_EXPORTER", true, exporter);
    let sampler = reader.required("OTEL_TRACES_SAMPLER", Sampler::PARENT_RATIO, sampler);
    let ratio = reader.required("OTEL_TRACES_SAMPLER_ARG", 0.01, ratio);
    let queue = reader.required("OTEL_BSP_MAX_QUEUE_SIZE", 2048, parse::number(16..=65_536));
    let delay = milliseconds(reader, "OTEL_BSP_SCHEDULE_DELAY", 5000, 10..=60_000);
    let interval = milliseconds(
        reader,
        "OTEL_METRIC_EXPORT_INTERVAL",
        60_000,
        100..=3_600_000,
    );
    let to = reader.optional("AWS_EMF_AGENT_ENDPOINT", emf_endpoint);
    let namespace = reader.required("AWS_EMF_NAMESPACE", "APIverse".to_owned(), namespace);
    TelemetrySettings {
        otlp: endpoint
            .filter(|_| !is_disabled)
            .map(|endpoint| OtlpSettings {
                endpoint,
                headers,
                timeout,
                service_name,
                resource,
                traces: traced.then_some(TraceSettings {
                    parent_based: sampler.parent_based,
                    ratio: sampler.ratio.unwrap_or(ratio),
                    queue: queue as usize,
                    delay,
                }),
                metrics: measured,
            }),
        emf: to.map(|to| EmfSettings { to, namespace }),
        interval,
    }
}

#[derive(Clone, Copy)]
struct Sampler {
    parent_based: bool,
    /// `None`: as the argument says.
    ratio: Option<f64>,
}

impl Sampler {
    const PARENT_RATIO: Self = Self {
        parent_based: true,
        ratio: None,
    };
}

fn sampler(text: &str) -> Parsed<Sampler> {
    let (parent_based, name) = match text.strip_prefix("parentbased_") {
        Some(name) => (true, name),
        None => (false, text),
    };
    let ratio = match name {
        "always_on" => Some(1.0),
        "always_off" => Some(0.0),
        "traceidratio" => None,
        _ => {
            return Err(Complaint::new(
                "is not a sampler of this version",
                "set parentbased_traceidratio, or another that docs/configuration.md names",
            ));
        }
    };
    Ok(Sampler {
        parent_based,
        ratio,
    })
}

fn ratio(text: &str) -> Parsed<f64> {
    match text.parse() {
        Ok(ratio) if (0.0..=1.0).contains(&ratio) => Ok(ratio),
        _ => Err(Complaint::new(
            "is not a part of a whole",
            "set a number from 0 to 1, such as 0.05",
        )),
    }
}

fn protocol(text: &str) -> Parsed<()> {
    match text {
        "http/protobuf" => Ok(()),
        _ => Err(Complaint::new(
            "is not supported",
            "set http/protobuf; receivers take it on port 4318",
        )),
    }
}

fn exporter(text: &str) -> Parsed<bool> {
    match text {
        "otlp" => Ok(true),
        "none" => Ok(false),
        _ => Err(Complaint::new("is not supported", "set otlp or none")),
    }
}

fn endpoint(text: &str) -> Parsed<Url> {
    let url = Url::parse(text).ok().filter(|url| {
        matches!(url.scheme(), "http" | "https") && url.has_host() && url.query().is_none()
    });
    url.ok_or_else(|| {
        Complaint::new(
            "is not an address of HTTP",
            "set one such as http://collector:4318",
        )
    })
}

/// `name=value,name=value`, values percent-encoded, as W3C Baggage has them.
fn pairs(text: &str) -> Parsed<Vec<(String, String)>> {
    parse::items(text)
        .map(|item| {
            let (name, value) = item.split_once('=')?;
            let name = name.trim();
            // Only the percent sign has a meaning here.
            let value = value.trim().replace('+', "%2B").replace('&', "%26");
            let encoded = format!("value={value}");
            let (_, value) = url::form_urlencoded::parse(encoded.as_bytes()).next()?;
            (!name.is_empty()).then(|| (name.to_owned(), value.into_owned()))
        })
        .collect::<Option<_>>()
        .ok_or_else(|| {
            Complaint::new(
                "is not a list of names and values",
                "set name=value,name=value, with %2C for a comma",
            )
        })
}

fn emf_endpoint(text: &str) -> Parsed<EmfEndpoint> {
    if text == "stdout" {
        return Ok(EmfEndpoint::Stdout);
    }
    let address = text.strip_prefix("tcp://").filter(|address| {
        let port = address.rsplit_once(':').map(|(_, port)| port);
        port.is_some_and(|port| port.parse::<u16>().is_ok_and(|port| port > 0))
    });
    match address {
        Some(address) => Ok(EmfEndpoint::Tcp(address.to_owned())),
        None => Err(Complaint::new(
            "is neither stdout nor an agent's address",
            "set stdout or tcp://127.0.0.1:25888",
        )),
    }
}

/// As CloudWatch takes it.
fn namespace(text: &str) -> Parsed<String> {
    let fits = (1..=255).contains(&text.len())
        && text
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b".-_/#: ".contains(&byte))
        && !text.starts_with("AWS/");
    if fits {
        Ok(text.to_owned())
    } else {
        Err(Complaint::new(
            "is not a namespace of CloudWatch",
            "set letters, digits and . - _ / # :, not beginning with AWS/",
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pairs_are_taken_apart() {
        let read = pairs("a=1, b = x%2Cy+z ,c=a=b").expect("pairs");
        let expected = [("a", "1"), ("b", "x,y+z"), ("c", "a=b")];
        assert_eq!(
            read,
            expected.map(|(name, value)| (name.to_owned(), value.to_owned()))
        );
        for bad in ["a", "=1"] {
            assert!(pairs(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn samplers_have_their_names() {
        for (name, expected) in [
            ("always_on", Some((false, Some(1.0)))),
            ("parentbased_always_off", Some((true, Some(0.0)))),
            ("traceidratio", Some((false, None))),
            ("jaeger_remote", None),
        ] {
            let found = sampler(name).ok().map(|it| (it.parent_based, it.ratio));
            assert_eq!(found, expected, "{name}");
        }
        assert!(ratio("1.5").is_err() && ratio("0.5").is_ok_and(|ratio| ratio == 0.5));
    }

    #[test]
    fn embedded_metrics_go_to_stdout_or_an_agent() {
        assert!(emf_endpoint("stdout").is_ok_and(|to| to == EmfEndpoint::Stdout));
        let agent = EmfEndpoint::Tcp("127.0.0.1:25888".to_owned());
        assert!(emf_endpoint("tcp://127.0.0.1:25888").is_ok_and(|to| to == agent));
        for bad in ["udp://127.0.0.1:25888", "tcp://host", "tcp://host:0", ""] {
            assert!(emf_endpoint(bad).is_err(), "{bad}");
        }
        assert!(namespace("AWS/Own").is_err() && namespace("Team/API").is_ok());
    }
}
