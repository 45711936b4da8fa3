//! `tourbus join`.

use crate::{
    CertificateFiles, JoinedError, ask, encryption,
    home::{Home, Joined},
    run::Server,
    systemd, watch,
};
use chrono::Utc;
use secrecy::{ExposeSecret, SecretString};
use sha2::{Digest, Sha256};
use std::{
    fs,
    net::{IpAddr, Ipv4Addr, SocketAddr},
    os::unix::fs::DirBuilderExt,
    path::{Path, PathBuf},
};
use tokio_util::sync::CancellationToken;
use tourbus_config::{ClientTlsConfig, Way};
use tourbus_protocol::agent::{Identity, JoinAnswer};
use tourbus_supervisor::Logs;

/// What `tourbus join` is told.
pub struct JoinOptions {
    /// Base URL of the master.
    pub master: String,
    /// Where everything of this server is kept.
    pub dir: PathBuf,
    /// The media root; by default `media` in `dir`, or what it was before.
    pub media_root: Option<PathBuf>,
    /// Where the media service listens; by default the URL's port, on every address, or only on
    /// loopback if the server's IP is that.
    pub listen: Option<SocketAddr>,
    /// How many workers run; by default one, or what it was before.
    pub workers: Option<u8>,
    /// The enrolment token; not needed once joined.
    pub token: Option<SecretString>,
    /// Runs here rather than as a systemd unit.
    pub foreground: bool,
    /// Who vouches for the master's certificate, if it is none whom this machine believes; PEM.
    pub ca: Option<PathBuf>,
    /// The media service's certificate; by default none, or what it was before.
    pub tls: Option<CertificateFiles>,
    /// What is shown to a broker that asks for a certificate; likewise.
    pub broker_tls: Option<CertificateFiles>,
    /// What may travel unencrypted beyond this machine, besides what was allowed before.
    pub allow_unencrypted: Vec<Way>,
    /// The program that the processes run.
    pub binary: PathBuf,
}

/// Joins, or goes on after an earlier try; tells the checks until all are green. Without systemd
/// it then goes on running the server until `shutdown`.
pub async fn join(
    options: JoinOptions,
    shutdown: CancellationToken,
    kill: CancellationToken,
) -> Result<(), JoinedError> {
    let home = Home::at(&options.dir)?;
    home.prepare()?;
    let begun = Utc::now();
    let with_systemd = systemd::is_here() && !options.foreground;
    // Before anything changes: what runs would go on with a key that is worth nothing. The unit
    // is restarted, and holds its lock until then.
    let lock = if with_systemd { None } else { Some(home.lock()?) };
    let joined = joined(&home, &options).await?;
    prepare_media_root(&joined.media_root);
    println!("\nThis is {} ({}) of {}.", joined.server.name, joined.server.url, joined.master_url);
    let Some(lock) = lock else {
        systemd::install(&home, &options.binary)?;
        println!("It runs as the systemd unit tourbus.service. Its checks:\n");
        let agent = home.agent();
        tokio::select! {
            () = shutdown.cancelled() => println!("\nThe server goes on running."),
            () = watch::until_green(&agent, begun) => next(&joined),
        }
        return Ok(());
    };
    let logs = home.path().join("logs");
    fs::create_dir_all(&logs).map_err(JoinedError::io("make", &logs))?;
    let server = Server::start(home.clone(), lock, options.binary, Logs::files(&logs))?;
    println!("It runs here; what its processes say is in {}. Its checks:\n", logs.display());
    let watch = async {
        watch::until_green(&home.agent(), begun).await;
        next(&joined);
        println!(
            "\nCtrl-C stops this server; `tourbus server run --dir {}` starts it again.",
            home.path().display()
        );
        std::future::pending::<()>().await;
    };
    tokio::select! {
        stopped = server.until(shutdown, kill) => stopped,
        () = watch => Ok(()),
    }
}

fn next(joined: &Joined) {
    println!(
        "\nAll checks are green: {} is part of the cluster.\nNext: move artists to it at \
         {}/move, or make it the default server for new artists at {}/servers/{}.",
        joined.server.name, joined.master_url, joined.master_url, joined.server.id
    );
}

/// What the master answered: now, or to an earlier try with the same token.
async fn joined(home: &Home, options: &JoinOptions) -> Result<Joined, JoinedError> {
    let master = options.master.trim_end_matches('/');
    let token_sha256 =
        options.token.as_ref().map(|t| hex::encode(Sha256::digest(t.expose_secret())));
    if let Some(before) = home.joined()?
        && let Some(settings) = home.settings()?
        && token_sha256.as_ref().is_none_or(|t| *t == before.token_sha256)
    {
        println!("This server has joined before; going on from there.");
        let joined = shaped(before, options)?;
        encryption::look(&joined, &settings)?;
        home.keep_joined(&joined)?;
        return Ok(joined);
    }
    let (Some(token), Some(token_sha256)) = (&options.token, token_sha256) else {
        return Err(JoinedError::NoToken);
    };
    encryption::look_at_master(master, &options.allow_unencrypted)?;
    let before = home.joined()?;
    let main_ca = main_ca(options)?.or_else(|| before.as_ref().and_then(|b| b.main_ca.clone()));
    let tls = ClientTlsConfig::believing(main_ca.clone());
    let key = home.next_key()?;
    println!("Asking {master} to let this server in.");
    let JoinAnswer { server, broker, settings, .. } = ask::ask(master, token, &key, &tls).await?;
    let joined = Joined {
        master_url: master.to_owned(),
        public_key: Some(key.public_key_hex()),
        token_sha256,
        media_root: before.as_ref().map_or_else(|| home.media(), |b| b.media_root.clone()),
        listen: default_listen(&server)?,
        workers: before.as_ref().map_or(1, |b| b.workers),
        main_ca,
        tls: before.as_ref().and_then(|b| b.tls.clone()),
        broker_tls: before.and_then(|b| b.broker_tls),
        allow_unencrypted: Vec::new(),
        server,
        broker,
    };
    let joined = shaped(joined, options)?;
    encryption::look(&joined, &settings)?;
    home.keep(&joined, &settings)?;
    Ok(joined)
}

fn main_ca(options: &JoinOptions) -> Result<Option<String>, JoinedError> {
    Ok(options.ca.as_ref().map(|path| tourbus_tls::ca_file("--ca", path)).transpose()?)
}

/// What was asked for explicitly wins over what was before.
fn shaped(mut joined: Joined, options: &JoinOptions) -> Result<Joined, JoinedError> {
    if let Some(root) = &options.media_root {
        joined.media_root = std::path::absolute(root).unwrap_or_else(|_| root.clone());
    }
    joined.listen = options.listen.unwrap_or(joined.listen);
    joined.workers = options.workers.unwrap_or(joined.workers);
    joined.main_ca = main_ca(options)?.or(joined.main_ca);
    joined.tls = options.tls.clone().map(absolute).or(joined.tls);
    joined.broker_tls = options.broker_tls.clone().map(absolute).or(joined.broker_tls);
    for way in &options.allow_unencrypted {
        if !joined.allow_unencrypted.contains(way) {
            joined.allow_unencrypted.push(*way);
        }
    }
    Ok(joined)
}

fn absolute(files: CertificateFiles) -> CertificateFiles {
    let absolute = |path: PathBuf| std::path::absolute(&path).unwrap_or(path);
    CertificateFiles { certificate: absolute(files.certificate), key: absolute(files.key) }
}

/// The URL's port; on loopback only if that is where the master reaches this server.
fn default_listen(server: &Identity) -> Result<SocketAddr, JoinedError> {
    let no_url = || JoinedError::Invalid(format!("the server's URL {:?} is none", server.url));
    let url = reqwest::Url::parse(&server.url).map_err(|_| no_url())?;
    let port = url.port_or_known_default().ok_or_else(no_url)?;
    let ip: IpAddr = server
        .ip
        .parse()
        .map_err(|_| JoinedError::Invalid(format!("the server's IP {:?} is none", server.ip)))?;
    let listen = match ip {
        _ if ip.is_loopback() => ip,
        IpAddr::V4(_) => IpAddr::V4(Ipv4Addr::UNSPECIFIED),
        IpAddr::V6(_) => IpAddr::V6(std::net::Ipv6Addr::UNSPECIFIED),
    };
    Ok(SocketAddr::new(listen, port))
}

/// Makes the media root if it can; the checks say it if it cannot, with the command that does.
fn prepare_media_root(path: &Path) {
    let made = fs::DirBuilder::new().recursive(true).mode(0o755).create(path);
    if let Err(error) = made {
        tracing::debug!(%error, path = %path.display(), "join.media_root_not_made");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn listen(url: &str, ip: &str) -> String {
        let server = Identity {
            id: tourbus_domain::ServerId::new(),
            slug: "server4".parse().unwrap(),
            name: "Server 4".to_owned(),
            ip: ip.to_owned(),
            url: url.to_owned(),
        };
        default_listen(&server).map_or_else(|e| e.to_string(), |a| a.to_string())
    }

    #[test]
    fn the_web_port_is_the_urls() {
        assert_eq!(listen("http://a.localhost:8085", "127.0.0.1"), "127.0.0.1:8085");
        assert_eq!(listen("https://a.example", "192.0.2.7"), "0.0.0.0:443");
        assert_eq!(listen("http://a.example", "2001:db8::7"), "[::]:80");
        assert!(listen("a.example", "192.0.2.7").contains("none"));
    }
}
