//! The media service by TLS: a certificate is renewed under a connection that stands, a wrong one
//! is told and left aside.

use rustls::{
    ClientConfig, RootCertStore,
    crypto::ring,
    pki_types::{CertificateDer, ServerName, pem::PemObject},
};
use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
    sync::Arc,
    time::Duration,
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};
use tokio_rustls::{TlsConnector, client::TlsStream};
use tourbus_tests::{support::Cluster, wait};

const MINUTE: Duration = Duration::from_secs(60);
const HOST: &str = "server2.tourbus.localhost";

fn openssl(dir: &Path, args: &str) {
    let output = Command::new("openssl").current_dir(dir).args(args.split(' ')).output().unwrap();
    assert!(output.status.success(), "{args}: {}", String::from_utf8_lossy(&output.stderr));
}

/// An authority, and certificates that it vouches for.
struct Authority {
    dir: tempfile::TempDir,
}

impl Authority {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let new = "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2";
        openssl(dir.path(), &format!("{new} -keyout ca.key -out ca.pem -subj /CN=test-authority"));
        Self { dir }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// Puts a fresh certificate and its key into place.
    fn issue(&self, certificate: &Path, key: &Path) {
        let request = "req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj /CN=server2";
        openssl(self.dir.path(), &format!("{request} -keyout new.key -out new.csr"));
        fs::write(self.path("san"), format!("subjectAltName=DNS:{HOST}")).unwrap();
        let sign = "x509 -req -in new.csr -CA ca.pem -CAkey ca.key -CAcreateserial -days 2";
        openssl(self.dir.path(), &format!("{sign} -extfile san -out new.pem"));
        fs::rename(self.path("new.key"), key).unwrap();
        fs::rename(self.path("new.pem"), certificate).unwrap();
    }

    async fn connect(&self, cluster: &Cluster) -> std::io::Result<TlsStream<TcpStream>> {
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_file(self.path("ca.pem")).unwrap()).unwrap();
        let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
        let tcp = TcpStream::connect(cluster.media_address("server2")).await?;
        let name = ServerName::try_from(HOST).unwrap();
        TlsConnector::from(Arc::new(config)).connect(name, tcp).await
    }
}

/// What the server showed.
fn certificate(stream: &TlsStream<TcpStream>) -> Vec<u8> {
    stream.get_ref().1.peer_certificates().unwrap()[0].to_vec()
}

/// Asks which server this is, on a connection that is kept.
async fn ask(stream: &mut TlsStream<TcpStream>) -> String {
    let request = format!("GET /.well-known/tourbus HTTP/1.1\r\nHost: {HOST}\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = vec![0; 16 << 10];
    let mut got = 0;
    while !String::from_utf8_lossy(&answer[..got]).contains("\"version\"") {
        let n = stream.read(&mut answer[got..]).await.unwrap();
        assert!(n > 0, "closed after {:?}", String::from_utf8_lossy(&answer[..got]));
        got += n;
    }
    String::from_utf8_lossy(&answer[..got]).into_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_renewed_certificate_is_taken_up_and_drops_nobody() {
    let cluster = Cluster::start("tls").await;
    let authority = Authority::new();
    let (pem, key) = (authority.path("server.pem"), authority.path("server.key"));
    authority.issue(&pem, &key);
    let tls = toml::Table::from_iter([
        ("certificate".to_owned(), pem.to_str().unwrap().into()),
        ("key".to_owned(), key.to_str().unwrap().into()),
    ]);
    let set = |config: &mut toml::Table| drop(config.insert("tls".to_owned(), tls.into()));
    cluster.reconfigure("media-server2", set).await;
    let connects = || async { authority.connect(&cluster).await.is_ok() };
    wait::until("TLS", MINUTE, connects, |ok| *ok).await;

    let mut kept = authority.connect(&cluster).await.unwrap();
    let first = certificate(&kept);
    assert!(ask(&mut kept).await.contains("\"server2\""));
    // Plain requests, and those who trust somebody else, get nothing.
    let plain = format!("http://{}/healthz", cluster.media_address("server2"));
    assert!(reqwest::get(plain).await.is_err());
    let error = Authority::new().connect(&cluster).await.map(drop).unwrap_err().to_string();
    assert!(error.starts_with("invalid peer certificate"), "{error}");

    // Rubbish is left aside.
    fs::write(&pem, "rubbish").unwrap();
    let mut during = authority.connect(&cluster).await.unwrap();
    assert_eq!(certificate(&during), first);
    assert!(ask(&mut during).await.contains("\"server2\""));

    authority.issue(&pem, &key);
    let shown = || async { certificate(&authority.connect(&cluster).await.unwrap()) };
    wait::until("the new certificate", MINUTE, shown, |seen| *seen != first).await;
    assert!(ask(&mut kept).await.contains("\"server2\""), "the connection that stood");
    cluster.finish().await;
}
