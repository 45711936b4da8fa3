//! A private nginx, as it is told to serve files: the peer.

use super::measure::cpu_s;
use anyhow::{Context, Result, bail};
use std::{
    net::{TcpListener, TcpStream},
    path::Path,
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

const START_WAIT: Duration = Duration::from_secs(10);

/// Runs until it is stopped.
pub struct Nginx {
    child: Child,
    port: u16,
    _dir: tempfile::TempDir,
}

impl Nginx {
    /// Serves a directory at `/files` and answers 302 below `/a/`, with two workers like the two
    /// cores of the machine that the figures are from.
    pub fn start(files: &Path) -> Result<Self> {
        let dir = tempfile::tempdir()?;
        let port = TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
        let at = dir.path().display();
        let config = format!(
            "daemon off; user root; pid {at}/pid; error_log {at}/error.log;\n\
             worker_processes 2; events {{ worker_connections 1024; }}\n\
             http {{ access_log off; sendfile on; keepalive_requests 1000000;\n\
             types {{ audio/mpeg mp3; }} client_body_temp_path {at}/b; proxy_temp_path {at}/p;\n\
             fastcgi_temp_path {at}/f; uwsgi_temp_path {at}/u; scgi_temp_path {at}/s;\n\
             server {{ listen 127.0.0.1:{port};\n\
             location /files/ {{ alias {}/; }}\n\
             location /a/ {{ return 302 http://server2.tourbus.localhost$request_uri; }} }} }}\n",
            files.display()
        );
        let file = dir.path().join("nginx.conf");
        std::fs::write(&file, config)?;
        let mut child = Command::new("nginx")
            .args(["-e", "stderr", "-c"])
            .arg(&file)
            .stdin(Stdio::null())
            .spawn()
            .context("nginx does not start: run compose/install.sh --bench")?;
        let begun = Instant::now();
        while TcpStream::connect(("127.0.0.1", port)).is_err() {
            if let Some(status) = child.try_wait()? {
                bail!("nginx ended with {status}");
            }
            if begun.elapsed() > START_WAIT {
                bail!("nginx does not listen");
            }
            std::thread::yield_now();
        }
        Ok(Self { child, port, _dir: dir })
    }

    /// The URL of a path.
    pub fn url(&self, path: &str) -> String {
        format!("http://127.0.0.1:{}{path}", self.port)
    }

    /// CPU seconds of its workers.
    pub fn cpu_s(&self) -> Result<f64> {
        let master = self.child.id();
        let children = std::fs::read_to_string(format!("/proc/{master}/task/{master}/children"))?;
        children.split_whitespace().map(|pid| cpu_s(pid.parse()?)).sum()
    }

    /// Stops it.
    pub fn stop(mut self) -> Result<()> {
        let pid = rustix::process::Pid::from_child(&self.child);
        rustix::process::kill_process(pid, rustix::process::Signal::TERM)?;
        self.child.wait()?;
        Ok(())
    }
}
