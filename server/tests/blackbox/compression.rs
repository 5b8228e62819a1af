//! What the console and the REST API answer, compressed for who reads that.

use apiverse_testkit::{ADMIN_EMAIL, ADMIN_PASSWORD, Answer, App, Client, Engine, both};
use apiverse_transform::coding::{Decoder, Stored};
use futures_util::future::join_all;

use crate::options;

both!(
    answers_are_compressed_for_who_reads_that,
    many_at_once_are_all_whole,
    pages_of_the_console_are_read_on_any_thread,
);

async fn ask(client: &Client, path: &str, accepted: &str) -> Answer {
    let request = client.request("GET", path);
    let answer = client
        .send(request.header("accept-encoding", accepted))
        .await;
    answer.expect_status(200)
}

/// The bytes, decoded if they are coded.
fn plain(answer: &Answer) -> Vec<u8> {
    let coding = Stored::of(&answer.headers).expect("a coding that is known");
    let mut decoder = Decoder::new(coding, 64 << 20).expect("there is memory");
    decoder.push(&answer.body).expect("decodes");
    decoder.finish().expect("is whole")
}

async fn answers_are_compressed_for_who_reads_that(engine: Engine) {
    let app = App::start(options(engine)).await;
    let client = app.anonymous();
    let document = ask(&client, "/api/openapi.json", "identity").await;
    assert_eq!(document.header("content-encoding"), None);
    assert_eq!(document.header("vary"), Some("accept-encoding"));
    for coding in ["gzip", "br", "zstd"] {
        let coded = ask(&client, "/api/openapi.json", coding).await;
        assert_eq!(coded.header("content-encoding"), Some(coding));
        assert!(coded.body.len() * 4 < document.body.len(), "{coding}");
        assert_eq!(plain(&coded), document.body, "{coding}");
        let page = ask(&client, "/login", coding).await;
        assert_eq!(page.header("content-encoding"), Some(coding));
        let length = page.header("content-length").expect("is known");
        assert_eq!(length, page.body.len().to_string());
        let text = String::from_utf8(plain(&page)).expect("text");
        assert!(
            text.contains("Sign in") && text.ends_with("</script>"),
            "{text}"
        );
    }
    let unwanted = ask(&client, "/login", "gzip;q=0.2, identity").await;
    assert_eq!(unwanted.header("content-encoding"), None);
    // What was read before is the same, compressed or not.
    let tag = document.header("etag").expect("a tag");
    let again = client.request("GET", "/api/openapi.json");
    let again = again.header("if-none-match", tag);
    let again = client.send(again.header("accept-encoding", "br")).await;
    assert_eq!((again.status, again.body.len()), (304, 0));
    // Not worth it.
    let brief = ask(&client, "/health", "gzip").await;
    assert_eq!(brief.header("content-encoding"), None);
    // A head has nothing to compress.
    let head = client.request("HEAD", "/api/openapi.json");
    let head = client.send(head.header("accept-encoding", "gzip")).await;
    assert_eq!((head.status, head.body.len()), (200, 0));
    // Files are compressed once and for all, problems like anything else that is long enough.
    let problem = client.request("GET", &format!("/api/v1/{}", "x".repeat(2_000)));
    let problem = client.send(problem.header("accept-encoding", "zstd")).await;
    assert_eq!(problem.status, 404);
    assert!(serde_json::from_slice::<serde_json::Value>(&plain(&problem)).is_ok());
    // Events leave as they come.
    let ada = app.stranger("ada").await;
    let live = ada.request("GET", "/usage/live");
    let live = live.header("accept-encoding", "gzip, br, zstd");
    let answer = live.send().await.expect("is answered");
    assert_eq!(answer.status(), 200);
    assert!(!answer.headers().contains_key("content-encoding"));
}

/// A page is made on one thread and read, compressed or not, on others.
async fn pages_of_the_console_are_read_on_any_thread(engine: Engine) {
    let app = App::start(options(engine)).await;
    let client = app.anonymous();
    let login = client.request("POST", "/login").form(&[
        ("form", "login"),
        ("email", ADMIN_EMAIL),
        ("password", ADMIN_PASSWORD),
    ]);
    let signed_in = client.send(login.header("origin", app.base())).await;
    let signed_in = signed_in.expect_status(303);
    let cookie = signed_in.header("set-cookie").expect("a cookie");
    let cookie = cookie.split(';').next().expect("a cookie");
    for path in ["/console", "/console/live", "/console/usage"] {
        for coding in ["zstd", "identity"] {
            join_all((0..30).map(|_| async {
                let request = client.request("GET", path).header("cookie", cookie);
                let page = client.send(request.header("accept-encoding", coding));
                let page = page.await.expect_status(200);
                let text = String::from_utf8(plain(&page)).expect("text");
                assert!(text.ends_with("</script>"), "{path} {coding}: {text:?}");
            }))
            .await;
        }
    }
}

async fn many_at_once_are_all_whole(engine: Engine) {
    let app = App::start(options(engine)).await;
    let client = app.anonymous();
    for _ in 0..5 {
        let asked = ["gzip", "br", "zstd", "identity"].map(|coding| {
            let client = &client;
            join_all((0..10).map(move |_| async move {
                let page = ask(client, "/register", coding).await;
                let text = String::from_utf8(plain(&page)).expect("text");
                assert!(text.ends_with("</script>"), "{coding}: {text:?}");
            }))
        });
        join_all(asked).await;
    }
}
