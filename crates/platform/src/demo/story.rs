//! What happened to three small services in the last weeks.

use apiverse_contract::usage::CacheState;

/// A service.
pub(super) struct DemoApi {
    pub(super) name: &'static str,
    /// Of all calls.
    share: f64,
    /// How much quieter weekends are.
    weekend: f64,
    routes: &'static [DemoRoute],
}

struct DemoRoute {
    method: &'static str,
    /// `#` stands for a number, `@` for an id.
    path: &'static str,
    share: f64,
    /// The middle latency, milliseconds.
    ms: f64,
    /// Of calls, those that go wrong on an ordinary day: the caller's fault, the service's.
    wrong: f64,
    failing: f64,
    bytes_out: f64,
    cached: f64,
}

/// Who calls.
pub(super) struct DemoKey {
    pub(super) name: &'static str,
    share: f64,
}

#[expect(clippy::too_many_arguments, reason = "a row of a table")]
const fn route(
    method: &'static str,
    path: &'static str,
    share: f64,
    ms: f64,
    wrong: f64,
    failing: f64,
    bytes_out: f64,
    cached: f64,
) -> DemoRoute {
    DemoRoute {
        method,
        path,
        share,
        ms,
        wrong,
        failing,
        bytes_out,
        cached,
    }
}

pub(super) const APIS: [DemoApi; 3] = [
    DemoApi {
        name: "Payments",
        share: 0.25,
        weekend: 0.55,
        routes: &[
            route(
                "POST",
                "/v1/charges",
                0.35,
                180.0,
                0.03,
                0.002,
                1_400.0,
                0.0,
            ),
            route(
                "GET",
                "/v1/charges/@",
                0.30,
                35.0,
                0.01,
                0.001,
                1_600.0,
                0.0,
            ),
            route(
                "GET",
                "/v1/customers/@",
                0.20,
                28.0,
                0.008,
                0.001,
                2_100.0,
                0.0,
            ),
            route("POST", "/v1/refunds", 0.05, 240.0, 0.05, 0.003, 900.0, 0.0),
            route("GET", "/v1/balance", 0.10, 18.0, 0.002, 0.0005, 400.0, 0.0),
        ],
    },
    DemoApi {
        name: "Search",
        share: 0.45,
        weekend: 0.9,
        routes: &[
            route("GET", "/search", 0.7, 65.0, 0.005, 0.002, 18_000.0, 0.35),
            route("GET", "/suggest", 0.25, 12.0, 0.002, 0.0005, 900.0, 0.6),
            route("POST", "/feedback", 0.05, 22.0, 0.02, 0.001, 120.0, 0.0),
        ],
    },
    DemoApi {
        name: "Catalog",
        share: 0.30,
        weekend: 1.15,
        routes: &[
            route("GET", "/products", 0.35, 48.0, 0.004, 0.001, 42_000.0, 0.7),
            route("GET", "/products/#", 0.40, 21.0, 0.02, 0.001, 5_200.0, 0.8),
            route(
                "GET",
                "/products/#/reviews",
                0.15,
                33.0,
                0.01,
                0.001,
                9_000.0,
                0.5,
            ),
            route("PUT", "/products/#", 0.06, 90.0, 0.02, 0.002, 5_200.0, 0.0),
            route("DELETE", "/products/#", 0.04, 60.0, 0.03, 0.002, 60.0, 0.0),
        ],
    },
];

pub(super) const KEYS: [DemoKey; 6] = [
    DemoKey {
        name: "Web shop",
        share: 0.40,
    },
    DemoKey {
        name: "Mobile app",
        share: 0.30,
    },
    DemoKey {
        name: "Partner: Northwind",
        share: 0.12,
    },
    DemoKey {
        name: "Back office",
        share: 0.08,
    },
    DemoKey {
        name: "Nightly import",
        share: 0.06,
    },
    DemoKey {
        name: "Data team",
        share: 0.04,
    },
];

const PAYMENTS: usize = 0;
const SEARCH: usize = 1;
const PARTNER: usize = 2;
const IMPORT: usize = 4;

const MINUTE_US: i64 = 60_000_000;
const HOUR: i64 = 60;
const DAY: i64 = 24 * HOUR;

/// One call.
pub(super) struct Told {
    pub(super) at_us: i64,
    pub(super) api: usize,
    pub(super) key: Option<usize>,
    pub(super) method: &'static str,
    pub(super) path: String,
    pub(super) status: i32,
    pub(super) error: Option<&'static str>,
    pub(super) refused: bool,
    pub(super) cache: Option<CacheState>,
    pub(super) latency_us: i64,
    pub(super) bytes_in: i64,
    pub(super) bytes_out: i64,
}

/// SplitMix64: the same story every time.
struct Random(u64);

impl Random {
    fn bits(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// 0 to 1.
    #[expect(clippy::cast_precision_loss, reason = "53 bits fit")]
    fn part(&mut self) -> f64 {
        (self.bits() >> 11) as f64 / (1_u64 << 53) as f64
    }

    fn happens(&mut self, chance: f64) -> bool {
        self.part() < chance
    }

    fn normal(&mut self) -> f64 {
        let radius = (-2.0 * self.part().max(1e-12).ln()).sqrt();
        radius * (self.part() * std::f64::consts::TAU).cos()
    }

    /// How many of something that happens `mean` times on average.
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "small and positive"
    )]
    fn count(&mut self, mean: f64) -> u64 {
        if mean > 40.0 {
            return (mean + mean.sqrt() * self.normal()).max(0.0) as u64;
        }
        let (limit, mut product, mut count) = ((-mean).exp(), self.part(), 0);
        while product > limit {
            product *= self.part();
            count += 1;
        }
        count
    }

    fn pick(&mut self, shares: impl Iterator<Item = f64>) -> usize {
        let mut left = self.part();
        let mut last = 0;
        for (n, share) in shares.enumerate() {
            last = n;
            if left < share {
                break;
            }
            left -= share;
        }
        last
    }
}

/// What is not as always.
#[derive(Default, Clone, Copy)]
struct Weather {
    times: f64,
    failing: f64,
    slower: f64,
}

/// Tells minute by minute what was called.
pub(super) struct Story {
    random: Random,
    minutes: i64,
    minute: i64,
    start_us: i64,
    now_us: i64,
    /// Calls of an average minute, of all APIs.
    per_minute: f64,
    told: Vec<Told>,
}

impl Story {
    pub(super) fn new(days: u32, calls: u64, now_us: i64) -> Self {
        let minutes = i64::from(days.max(1)) * DAY;
        let now_minute = now_us.div_euclid(MINUTE_US);
        #[expect(clippy::cast_precision_loss, reason = "about so many")]
        let per_minute = calls as f64 / minutes as f64;
        Self {
            random: Random(42),
            minutes,
            minute: 0,
            start_us: (now_minute - minutes) * MINUTE_US,
            now_us,
            per_minute,
            told: Vec::new(),
        }
    }

    /// The next calls, in their order; about `most`, none at the end.
    pub(super) fn next(&mut self, most: usize) -> Vec<Told> {
        while self.told.len() < most && self.minute <= self.minutes {
            for api in 0..APIS.len() {
                self.tell(api);
            }
            self.minute += 1;
        }
        let mut told = std::mem::take(&mut self.told);
        told.retain(|call| call.at_us < self.now_us);
        told.sort_by_key(|call| call.at_us);
        if told.is_empty() && self.minute <= self.minutes {
            // A minute without calls is not the end.
            return self.next(most);
        }
        told
    }

    /// Minutes before now.
    fn ago(&self) -> i64 {
        self.minutes - self.minute
    }

    fn weather(&self, api: usize) -> Weather {
        let fair = Weather {
            times: 1.0,
            failing: 0.0,
            slower: 1.0,
        };
        let ago = self.ago();
        match api {
            // The bank is away for three quarters of an hour.
            PAYMENTS if (6 * DAY..6 * DAY + 45).contains(&ago) => Weather {
                failing: 0.62,
                slower: 3.0,
                ..fair
            },
            // An index is rebuilt at the wrong time.
            SEARCH if (3 * DAY..3 * DAY + 2 * HOUR).contains(&ago) => Weather {
                slower: 6.0,
                ..fair
            },
            // Somebody crawls.
            SEARCH if (DAY + 2 * HOUR..DAY + 3 * HOUR).contains(&ago) => {
                Weather { times: 4.0, ..fair }
            }
            _ => fair,
        }
    }

    #[expect(clippy::cast_precision_loss, reason = "minutes of weeks")]
    fn tell(&mut self, at: usize) {
        let api = &APIS[at];
        let begins_us = self.start_us + self.minute * MINUTE_US;
        let minute_of_day = begins_us.div_euclid(MINUTE_US).rem_euclid(DAY) as f64;
        // Quiet at four in the morning, busy in the afternoon.
        let phase = (minute_of_day / DAY as f64 - 10.0 / 24.0) * std::f64::consts::TAU;
        let day = 1.0 + 0.75 * phase.sin();
        // 1970 began on a Thursday.
        let weekday = (begins_us.div_euclid(MINUTE_US * DAY) + 3).rem_euclid(7);
        let weekend = if weekday >= 5 { api.weekend } else { 1.0 };
        // A few percent more every week.
        let growth = 0.9 + 0.2 * self.minute as f64 / self.minutes as f64;
        let weather = self.weather(at);
        let mean = self.per_minute * api.share * day * weekend * growth * weather.times;
        for _ in 0..self.random.count(mean) {
            let call = self.call(at, begins_us, weather);
            self.told.push(call);
        }
        // Every night at two, an import.
        let is_import = at == 2 && (2 * HOUR..2 * HOUR + 20).contains(&(minute_of_day as i64));
        if is_import {
            for _ in 0..self.random.count(self.per_minute * 1.5) {
                let mut call = self.call(at, begins_us, weather);
                call.key = Some(IMPORT);
                call.method = "PUT";
                call.path = format!("/products/{}", self.random.bits() % 9000 + 1000);
                call.cache = None;
                self.told.push(call);
            }
        }
    }

    fn call(&mut self, at: usize, begins_us: i64, weather: Weather) -> Told {
        let random = &mut self.random;
        let api = &APIS[at];
        let route = &api.routes[random.pick(api.routes.iter().map(|route| route.share))];
        let ago = self.minutes - self.minute;
        let crawled = weather.times > 1.0 && random.happens(0.8);
        let key = if crawled {
            PARTNER
        } else {
            random.pick(KEYS.iter().map(|key| key.share))
        };
        #[expect(clippy::cast_possible_truncation, reason = "a fraction of a minute")]
        let at_us = begins_us + (random.part() * MINUTE_US as f64) as i64;
        let mut told = Told {
            at_us,
            api: at,
            key: Some(key),
            method: route.method,
            path: path(route.path, random),
            status: if route.method == "POST" { 201 } else { 200 },
            error: None,
            refused: false,
            cache: None,
            latency_us: 0,
            bytes_in: if matches!(route.method, "POST" | "PUT") {
                micros(380.0 * (0.6 * random.normal()).exp())
            } else {
                0
            },
            bytes_out: micros(route.bytes_out * (0.4 * random.normal()).exp()),
        };
        let ms = route.ms * (0.35 * random.normal()).exp() * weather.slower;
        told.latency_us = micros(ms * 1000.0);
        if route.cached > 0.0 {
            let is_hit = random.happens(route.cached);
            told.cache = Some(if is_hit {
                CacheState::Hit
            } else {
                CacheState::Miss
            });
            if is_hit {
                told.latency_us = micros(400.0 * (0.3 * random.normal()).exp());
            }
        }
        if crawled && random.happens(0.55) {
            refuse(&mut told, 429, "rate_limited", random);
        } else if random.happens(0.004) {
            told.key = None;
            refuse(&mut told, 401, "invalid_api_key", random);
        } else if random.happens(weather.failing) {
            fail(&mut told, 502, Some("upstream_unreachable"), random);
        } else if random.happens(route.failing) {
            fail(&mut told, 500, None, random);
        } else if random.happens(route.wrong) {
            told.status = if route.method == "GET" { 404 } else { 422 };
            told.bytes_out = 180;
            told.cache = None;
        } else if at == PAYMENTS && route.path == "/v1/refunds" && ago < 9 * HOUR {
            // Since a release nine hours ago some refunds fail in a new way.
            if random.happens(0.3) {
                fail(&mut told, 503, None, random);
            }
        }
        told
    }
}

fn refuse(told: &mut Told, status: i32, code: &'static str, random: &mut Random) {
    told.status = status;
    told.error = Some(code);
    told.refused = true;
    told.cache = None;
    told.bytes_out = 240;
    told.latency_us = micros(90.0 * (0.3 * random.normal()).exp());
}

fn fail(told: &mut Told, status: i32, code: Option<&'static str>, random: &mut Random) {
    told.status = status;
    told.error = code;
    told.cache = None;
    told.bytes_out = 210;
    told.latency_us = told
        .latency_us
        .max(micros(30_000.0 * (0.5 * random.normal()).exp()));
}

fn path(pattern: &str, random: &mut Random) -> String {
    let mut path = String::with_capacity(pattern.len() + 16);
    for c in pattern.chars() {
        match c {
            '#' => path.push_str(&(random.bits() % 9000 + 1000).to_string()),
            '@' => path.push_str(&format!("ch_{:016x}", random.bits())),
            c => path.push(c),
        }
    }
    path
}

#[expect(clippy::cast_possible_truncation, reason = "of the order of a second")]
fn micros(value: f64) -> i64 {
    value as i64
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW_US: i64 = 1_790_000_012_345_678;

    fn all(days: u32, calls: u64) -> Vec<Told> {
        let mut story = Story::new(days, calls, NOW_US);
        let mut all = Vec::new();
        loop {
            let next = story.next(1000);
            if next.is_empty() {
                return all;
            }
            all.extend(next);
        }
    }

    #[test]
    fn there_are_about_as_many_calls_as_asked_for_and_none_to_come() {
        let calls = all(14, 30_000);
        assert!((24_000..40_000).contains(&calls.len()), "{}", calls.len());
        assert!(calls.iter().all(|call| call.at_us < NOW_US));
        let days: std::collections::BTreeSet<i64> = calls
            .iter()
            .map(|call| call.at_us.div_euclid(86_400_000_000))
            .collect();
        assert!(days.len() >= 14);
    }

    #[test]
    fn the_incidents_show() {
        let calls = all(14, 60_000);
        let rate = |from: i64, to: i64, api: usize| {
            let (mut all, mut failed) = (0_u32, 0_u32);
            for call in &calls {
                let ago = (NOW_US - call.at_us) / MINUTE_US;
                if call.api == api && (from..to).contains(&ago) {
                    all += 1;
                    failed += u32::from(call.status >= 500);
                }
            }
            f64::from(failed) / f64::from(all.max(1))
        };
        assert!(rate(6 * DAY, 6 * DAY + 45, PAYMENTS) > 0.4);
        assert!(rate(5 * DAY, 5 * DAY + 600, PAYMENTS) < 0.05);
        assert!(calls.iter().any(|call| call.error == Some("rate_limited")));
    }

    #[test]
    fn shares_are_shares() {
        let sum = |shares: &mut dyn Iterator<Item = f64>| shares.sum::<f64>();
        assert!((sum(&mut APIS.iter().map(|api| api.share)) - 1.0).abs() < 1e-9);
        assert!((sum(&mut KEYS.iter().map(|key| key.share)) - 1.0).abs() < 1e-9);
        for api in &APIS {
            let total = sum(&mut api.routes.iter().map(|route| route.share));
            assert!((total - 1.0).abs() < 1e-9, "{}", api.name);
        }
    }
}
