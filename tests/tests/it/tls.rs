//! The media service by TLS: a certificate is renewed under a connection that stands, a wrong one
//! is told and left aside.

use rustls::{
    ClientConfig, RootCertStore,
    crypto::ring,
    pki_types::{CertificateDer, ServerName, pem::PemObject},
};
use std::{fs, sync::Arc, time::Duration};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};
use tokio_rustls::{TlsConnector, client::TlsStream};
use tourbus_tests::{authority::Authority, support::Cluster, wait};

const MINUTE: Duration = Duration::from_secs(60);
const HOST: &str = "server2.tourbus.localhost";

async fn connect(
    authority: &Authority,
    cluster: &Cluster,
) -> std::io::Result<TlsStream<TcpStream>> {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_file(authority.ca()).unwrap()).unwrap();
    let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let tcp = TcpStream::connect(cluster.media_address("server2")).await?;
    let name = ServerName::try_from(HOST).unwrap();
    TlsConnector::from(Arc::new(config)).connect(name, tcp).await
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
    let authority = Authority::new("one");
    let files = authority.issue("server", &[HOST]);
    let tls = toml::Table::from_iter([
        ("certificate".to_owned(), files.certificate.to_str().unwrap().into()),
        ("key".to_owned(), files.key.to_str().unwrap().into()),
    ]);
    let set = |config: &mut toml::Table| drop(config.insert("tls".to_owned(), tls.into()));
    cluster.reconfigure("media-server2", set).await;
    let connects = || async { connect(&authority, &cluster).await.is_ok() };
    wait::until("TLS", MINUTE, connects, |ok| *ok).await;

    let mut kept = connect(&authority, &cluster).await.unwrap();
    let first = certificate(&kept);
    assert!(ask(&mut kept).await.contains("\"server2\""));
    // Plain requests, and those who trust somebody else, get nothing.
    let plain = format!("http://{}/healthz", cluster.media_address("server2"));
    let http = tourbus_http::plain().unwrap().build().unwrap();
    assert!(http.get(plain).send().await.is_err());
    let error =
        connect(&Authority::new("another"), &cluster).await.map(drop).unwrap_err().to_string();
    assert!(error.starts_with("invalid peer certificate"), "{error}");

    // Rubbish is left aside.
    fs::write(&files.certificate, "rubbish").unwrap();
    let mut during = connect(&authority, &cluster).await.unwrap();
    assert_eq!(certificate(&during), first);
    assert!(ask(&mut during).await.contains("\"server2\""));

    authority.replace(&files, &[HOST]);
    let shown = || async { certificate(&connect(&authority, &cluster).await.unwrap()) };
    wait::until("the new certificate", MINUTE, shown, |seen| *seen != first).await;
    assert!(ask(&mut kept).await.contains("\"server2\""), "the connection that stood");
    cluster.finish().await;
}
