//! Drills: somebody guesses, listens to how long answers take, or has stolen something.

use std::net::{IpAddr, Ipv4Addr};
use std::time::{Duration, Instant};

use apiverse_testkit::{App, Client, Engine, Redis, both, eventually};
use serde_json::{Value, json};

use crate::{options, start};

both!(
    a_thousand_wrong_passwords_do_not_lock_the_owner_out,
    how_long_an_answer_takes_tells_nobody_who_has_an_account,
    a_stolen_refresh_token_ends_with_its_owners,
    a_password_that_was_stolen_elsewhere_is_refused,
);

const PASSWORD: &str = "a password of some length";

async fn login(client: &Client, email: &str, password: &str) -> apiverse_testkit::Answer {
    let body = json!({ "email": email, "password": password });
    client.post("/auth/login", &body).await
}

fn from(app: &App, n: u8, m: u8) -> Client {
    let address = IpAddr::V4(Ipv4Addr::new(127, 77, n, m));
    Client::from_address(app.base(), address)
}

async fn a_thousand_wrong_passwords_do_not_lock_the_owner_out(engine: Engine) {
    let app = start(engine).await;
    app.stranger("ada").await;
    let stranger = from(&app, 0, 1);
    let mut checked = 0;
    for n in 0..1000 {
        let answer = login(&stranger, "ada@example.org", &format!("guess number {n}")).await;
        if answer.status == 401 {
            checked += 1;
        } else {
            answer.assert_problem(429, "too_many_attempts");
        }
    }
    // Five, and one more each time a wait is over, which doubles: twelve of them take an hour.
    assert!(
        (5..=17).contains(&checked),
        "{checked} guesses were checked"
    );
    let owner = from(&app, 0, 2);
    login(&owner, "ada@example.org", PASSWORD)
        .await
        .assert_status(200);
    // Nor is anybody else at the owner's address.
    login(&owner, "nobody@example.org", PASSWORD)
        .await
        .assert_problem(401, "invalid_credentials");
}

/// Known and unknown accounts are tried in turns, 200 tries, each pair from an address of its own. A
/// check of a password that is left out makes nearly all answers of one kind faster than nearly all
/// of the other, whatever else the machine does at the time; so it is the order of all times that
/// is looked at, not how long they are. How likely it is that a known one took longer than an unknown one
/// (Mann and Whitney's U over its largest value) is a half when nothing tells them apart, with a
/// deviation of 0.04 at this many; below 0.2 and above 0.8 is told by something.
async fn how_long_an_answer_takes_tells_nobody_who_has_an_account(engine: Engine) {
    const PAIRS: u8 = 100;
    let app = start(engine).await;
    app.stranger("ada").await;
    let mut known = Vec::new();
    let mut unknown = Vec::new();
    for n in 0..PAIRS {
        let client = from(&app, 1, n + 1);
        let of_known = async {
            let begun = Instant::now();
            let answer = login(&client, "ada@example.org", "a wrong password").await;
            (begun.elapsed(), answer)
        };
        let of_unknown = async {
            let begun = Instant::now();
            let email = format!("nobody{n}@example.org");
            let answer = login(&client, &email, "a wrong password").await;
            (begun.elapsed(), answer)
        };
        // Whoever is first pays for the connection.
        client.get("/health").await;
        let ((a, first), (b, second)) = if n % 2 == 0 {
            let first = of_known.await;
            (first, of_unknown.await)
        } else {
            let second = of_unknown.await;
            (of_known.await, second)
        };
        known.push(a);
        unknown.push(b);
        assert_eq!((first.status, second.status), (401, 401));
        let same = |answer: &apiverse_testkit::Answer| {
            let mut body = answer.json();
            body["request_id"] = Value::Null;
            body
        };
        assert_eq!(same(&first), same(&second));
    }
    let share = superiority(&known, &unknown);
    assert!(
        (0.2..=0.8).contains(&share),
        "a known account took longer than an unknown one in {share:.2} of all pairs"
    );
}

/// How likely one of `a` is larger than one of `b`.
fn superiority(a: &[Duration], b: &[Duration]) -> f64 {
    let mut wins = 0.0;
    for one in a {
        for other in b {
            wins += match one.cmp(other) {
                std::cmp::Ordering::Greater => 1.0,
                std::cmp::Ordering::Equal => 0.5,
                std::cmp::Ordering::Less => 0.0,
            };
        }
    }
    wins / (a.len() as f64 * b.len() as f64)
}

async fn tokens(client: &Client, email: &str) -> (String, String) {
    let pair = login(client, email, PASSWORD).await;
    let pair = pair.expect_status(200).json();
    let text = |name: &str| pair[name].as_str().expect("a token").to_owned();
    (text("access_token"), text("refresh_token"))
}

async fn refresh(client: &Client, token: &str) -> apiverse_testkit::Answer {
    let body = json!({ "refresh_token": token });
    client.post("/auth/refresh", &body).await
}

async fn a_stolen_refresh_token_ends_with_its_owners(engine: Engine) {
    let app = start(engine).await;
    app.stranger("ada").await;
    let client = app.anonymous();
    let (_, stolen) = tokens(&client, "ada@example.org").await;
    let thief = refresh(&from(&app, 2, 1), &stolen).await;
    let thief = thief.expect_status(200).json();
    let access = thief["access_token"].as_str().expect("a token");
    let thief_at = client.with_token(access);
    thief_at.get("/auth/me").await.assert_status(200);
    // Its owner uses it too: one of the two is a thief, and nobody can tell which.
    refresh(&client, &stolen)
        .await
        .assert_problem(401, "invalid_refresh_token");
    thief_at
        .get("/auth/me")
        .await
        .assert_problem(401, "invalid_token");
    let next = thief["refresh_token"].as_str().expect("a token");
    refresh(&client, next)
        .await
        .assert_problem(401, "invalid_refresh_token");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_new_password_ends_a_thief_on_every_node_through_postgres() {
    let first = start(Engine::Postgres).await;
    let second = first.another_node().await;
    a_new_password_ends_a_thief(&first, &second).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_new_password_ends_a_thief_on_every_node_through_redis() {
    let redis = Redis::start().await;
    let first = App::start(options(Engine::Postgres).env("REDIS_URL", &redis.url())).await;
    let second = first.another_node().await;
    a_new_password_ends_a_thief(&first, &second).await;
}

/// At once: nothing is waited for.
async fn a_new_password_ends_a_thief(first: &App, second: &App) {
    let owner = first.stranger("ada").await;
    let there = second.anonymous();
    let (access, stolen) = tokens(&there, "ada@example.org").await;
    let thief = there.with_token(&access);
    thief.get("/auth/me").await.assert_status(200);
    first
        .anonymous()
        .with_token(&access)
        .get("/auth/me")
        .await
        .assert_status(200);
    let change = json!({
        "current_password": PASSWORD,
        "new_password": "quite another password of some length",
    });
    owner
        .post("/auth/password", &change)
        .await
        .assert_status(204);
    for node in [second, first] {
        node.anonymous()
            .with_token(&access)
            .get("/auth/me")
            .await
            .assert_problem(401, "invalid_token");
        refresh(&node.anonymous(), &stolen)
            .await
            .assert_problem(401, "invalid_refresh_token");
        login(&node.anonymous(), "ada@example.org", PASSWORD)
            .await
            .assert_problem(401, "invalid_credentials");
        owner
            .at(node.base())
            .get("/auth/me")
            .await
            .assert_status(200);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn guessing_at_two_nodes_is_guessing_at_one_through_postgres() {
    let first = start(Engine::Postgres).await;
    let second = first.another_node().await;
    guessing_at_two_nodes(&first, &second).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn guessing_at_two_nodes_is_guessing_at_one_through_redis() {
    let redis = Redis::start().await;
    let first = App::start(options(Engine::Postgres).env("REDIS_URL", &redis.url())).await;
    let second = first.another_node().await;
    guessing_at_two_nodes(&first, &second).await;
}

/// Every round guesses at another address's worth of failures here and once there, so that the one
/// guess there is refused only when the node there has heard of those here.
async fn guessing_at_two_nodes(first: &App, second: &App) {
    first.stranger("ada").await;
    let mut round = 0;
    eventually("the other node to have heard", async || {
        round += 1;
        let (here, there) = (from(first, 3, round), from(second, 3, round));
        for n in 0..6 {
            login(&here, "ada@example.org", &format!("guess number {n}")).await;
        }
        let answer = login(&there, "ada@example.org", "one guess there").await;
        (answer.status == 429).then_some(())
    })
    .await;
    // Its owner has another address.
    login(&from(second, 4, 1), "ada@example.org", PASSWORD)
        .await
        .assert_status(200);
}

async fn a_password_that_was_stolen_elsewhere_is_refused(engine: Engine) {
    // SHA-1 of "violet harbour 93 cartwheel", among others.
    const LIST: &str = "294C9CAB5CCD0607BAE6966E6DF0926893697A40:1\r\n\
        5BAA61E4C9B93F3F0682250B6CF8331B7EE68FD8:2\r\n\
        B7A875FC1EA228B9061041B7CEC4BD3C52AB3CE3:4\r\n\
        F3BBBD66A63D4BF1747940578EC3D0103530E21D:3\r\n";
    let folder = std::env::temp_dir().join(format!("apiverse-breached-{}", std::process::id()));
    std::fs::create_dir_all(&folder).expect("a folder");
    let file = folder.join(format!("{engine:?}.txt"));
    std::fs::write(&file, LIST).expect("writes");
    let path = file.to_str().expect("a path");
    let app = App::start(options(engine).env("BREACHED_PASSWORDS_FILE", path)).await;
    let register = async |password: &str| {
        let body = json!({ "email": "eve@example.org", "password": password });
        app.anonymous().post("/auth/register", &body).await
    };
    let refused = register("violet harbour 93 cartwheel").await;
    let refused = refused.assert_problem(422, "validation_failed");
    assert_eq!(refused["errors"][0]["field"], "password");
    let why = refused["errors"][0]["message"].as_str().expect("a reason");
    assert!(why.contains("was stolen"), "{why}");
    register("violet harbour 94 cartwheel")
        .await
        .assert_status(201);
    let ada = app.stranger("ada").await;
    let change = json!({
        "current_password": PASSWORD,
        "new_password": "violet harbour 93 cartwheel",
    });
    let refused = ada.post("/auth/password", &change).await;
    let refused = refused.assert_problem(422, "validation_failed");
    assert_eq!(refused["errors"][0]["field"], "new_password");
    std::fs::remove_file(&file).expect("removes");
}
