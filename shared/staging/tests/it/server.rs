//! A fault injector: speaks just enough HTTP to answer each request with what the test scripted.

use std::{collections::VecDeque, time::Duration};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    sync::mpsc,
};
use tourbus_config::StagingConfig;
use tourbus_staging::S3Staging;

const HEAD_BYTES_MAX: usize = 64 << 10;

/// What to do with one request.
pub enum Answer {
    /// Send these bytes and keep the connection.
    Send(Vec<u8>),
    /// Send these bytes and hang up.
    Cut(Vec<u8>),
    /// Send these bytes and say nothing more.
    Hang(Vec<u8>),
}

/// An answer with a body.
pub fn answer(status: &str, body: &str) -> Answer {
    let len = body.len();
    Answer::Send(format!("HTTP/1.1 {status}\r\ncontent-length: {len}\r\n\r\n{body}").into())
}

/// An error in S3's words.
pub fn refusal(status: &str, code: &str) -> Answer {
    answer(status, &format!("<Error><Code>{code}</Code><Message>because</Message></Error>"))
}

/// The server; it ends with the test's runtime.
pub struct Faulty {
    endpoint: String,
    requests: mpsc::UnboundedReceiver<String>,
}

impl Faulty {
    /// Gives the answers in order, one for each request; the last one again and again.
    pub async fn start(answers: Vec<Answer>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let endpoint = format!("http://{}", listener.local_addr().unwrap());
        let (seen, requests) = mpsc::unbounded_channel();
        tokio::spawn(async move {
            let mut answers = VecDeque::from(answers);
            let mut hung = Vec::new();
            loop {
                let (mut stream, _) = listener.accept().await.unwrap();
                while let Some(request) = request(&mut stream).await {
                    seen.send(request).unwrap();
                    let next = if answers.len() > 1 { answers.pop_front() } else { None };
                    match next.as_ref().or_else(|| answers.front()).unwrap() {
                        Answer::Send(bytes) => stream.write_all(bytes).await.unwrap(),
                        Answer::Cut(bytes) => {
                            stream.write_all(bytes).await.unwrap();
                            break;
                        }
                        Answer::Hang(bytes) => {
                            stream.write_all(bytes).await.unwrap();
                            hung.push(stream);
                            break;
                        }
                    }
                }
            }
        });
        Self { endpoint, requests }
    }

    /// A client of it, with time limits of a second.
    pub fn client(&self, attempts_max: usize) -> S3Staging {
        S3Staging::connect(&config(&self.endpoint, attempts_max)).unwrap()
    }

    /// First lines of the requests so far.
    pub fn requests(&mut self) -> Vec<String> {
        std::iter::from_fn(|| self.requests.try_recv().ok()).collect()
    }
}

pub fn config(endpoint: &str, attempts_max: usize) -> StagingConfig {
    StagingConfig {
        endpoint: endpoint.to_owned(),
        tls: tourbus_config::ClientTlsConfig::default(),
        region: "test".to_owned(),
        bucket: "bucket".to_owned(),
        prefix: "cluster/".to_owned(),
        access_key: "AKTEST".to_owned(),
        secret_key: "the-secret-itself".to_owned().into(),
        request_timeout_s: Duration::from_secs(1).as_secs(),
        attempts_max,
    }
}

/// Reads one request with its body; `None` when the client hung up. Returns its first line.
async fn request(stream: &mut TcpStream) -> Option<String> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        assert!(head.len() < HEAD_BYTES_MAX, "a head without an end");
        head.push(stream.read_u8().await.ok()?);
    }
    let head = String::from_utf8(head).unwrap().to_ascii_lowercase();
    let len = head.lines().find_map(|l| l.strip_prefix("content-length: ")).unwrap_or("0");
    let mut body = vec![0; len.trim().parse().unwrap()];
    stream.read_exact(&mut body).await.ok()?;
    head.lines().next().map(str::to_owned)
}
