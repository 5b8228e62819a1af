//! Server-Sent Events, read as they come.

use reqwest::{RequestBuilder, Response};
use serde_json::Value;

/// One event.
#[derive(Debug)]
pub struct Event {
    pub name: String,
    pub id: Option<String>,
    pub data: Value,
}

/// A stream of events.
pub struct Events {
    response: Response,
    text: String,
}

impl Events {
    /// # Panics
    /// When the answer is no stream of events.
    pub async fn open(request: RequestBuilder) -> Self {
        let response = request.send().await.expect("an answer");
        assert_eq!(response.status().as_u16(), 200);
        assert_eq!(response.headers()["content-type"], "text/event-stream");
        Self {
            response,
            text: String::new(),
        }
    }

    /// Waits for the end of the stream.
    ///
    /// # Panics
    /// When it breaks off.
    pub async fn rest(mut self) {
        while self.response.chunk().await.expect("ends").is_some() {}
    }

    /// Waits for the next event that has data.
    ///
    /// # Panics
    /// When the stream ends, or what comes is not JSON.
    pub async fn next(&mut self) -> Event {
        loop {
            if let Some(end) = self.text.find("\n\n") {
                let block: String = self.text.drain(..end + 2).collect();
                let field = |name: &str| {
                    let mut lines = block.lines();
                    lines
                        .find_map(|line| line.strip_prefix(name))
                        .map(str::to_owned)
                };
                let (Some(name), Some(data)) = (field("event: "), field("data: ")) else {
                    continue;
                };
                return Event {
                    name,
                    id: field("id: "),
                    data: serde_json::from_str(&data).expect("JSON"),
                };
            }
            let chunk = self.response.chunk().await.expect("the stream goes on");
            let chunk = chunk.expect("the stream has not ended");
            // Chunks of these tests end between characters.
            self.text
                .push_str(std::str::from_utf8(&chunk).expect("UTF-8"));
        }
    }
}
