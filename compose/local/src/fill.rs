//! What a cluster needs before its processes start: rows, queues, artists.

use crate::{
    DatabaseEndpoint, LocalError, ServerView, Supervisor,
    config::{self, Writer},
    demo::{self, SeedServer},
};
use secrecy::SecretString;
use std::{
    net::{IpAddr, Ipv4Addr},
    path::Path,
};
use tourbus_config::{DatabaseConfig, TopologyConfig};
use tourbus_domain::ServerId;
use tourbus_store::{NewServer, Store};
use tourbus_supervisor::files;
use tourbus_topology::{Management, Topology};

/// Connections that the cluster's own handle on the database may use.
const STORE_CONNECTIONS: u32 = 4;

/// A handle on the database.
pub async fn connect(endpoint: &DatabaseEndpoint) -> Result<Store, LocalError> {
    let url = SecretString::from(endpoint.url());
    let config = DatabaseConfig { url, connections_max: STORE_CONNECTIONS };
    Ok(Store::connect(&config).await?)
}

/// Declares exchanges, queues, users and permissions.
pub async fn broker(
    config: &Path,
    store: &Store,
    supervisor: &Supervisor,
) -> Result<(), LocalError> {
    let config: TopologyConfig =
        tourbus_config::load(config).map_err(|e| LocalError::Topology(e.to_string()))?;
    let api =
        Management::new(&config.management).map_err(|e| LocalError::Topology(e.to_string()))?;
    let changes = Topology::new(&config)
        .with_joined(store.joined_servers().await?)
        .declare(&api)
        .await
        .map_err(|e| LocalError::Topology(e.to_string()))?;
    for change in changes.iter().filter(|c| c.is_left()) {
        supervisor.say("tourbus", &change.to_string());
    }
    Ok(())
}

/// Makes the demo's artists, unless there are some.
pub async fn demo(
    store: &Store,
    servers: &[ServerView],
    artists: usize,
    supervisor: &Supervisor,
) -> Result<(), LocalError> {
    let seeds: Vec<_> = servers
        .iter()
        .map(|s| SeedServer { id: s.id, slug: s.slug.clone(), media_root: s.media_root.clone() })
        .collect();
    supervisor.say("tourbus", "making the demo's artists, if there are none");
    let report =
        demo::seed(store, &seeds, artists).await.map_err(|e| LocalError::Demo(e.to_string()))?;
    if report.artists > 0 {
        let text = format!(
            "made {} artists with {} songs, {} MiB, in {} s",
            report.artists,
            report.songs,
            report.bytes >> 20,
            report.elapsed_ms / 1000
        );
        supervisor.say("tourbus", &text);
    }
    Ok(())
}

/// Makes every server known, with an empty media root.
pub async fn servers(store: &Store, writer: &Writer<'_>) -> Result<Vec<ServerView>, LocalError> {
    let mut views = Vec::new();
    for (at, server) in writer.spec.servers.iter().enumerate() {
        let port = writer.spec.ports.media[at];
        let url = config::server_url(server, at == 0, port);
        let new = NewServer {
            id: ServerId::new(),
            slug: server.slug.clone(),
            name: server.name.clone(),
            ip: IpAddr::V4(Ipv4Addr::LOCALHOST),
            url: url.clone(),
            is_master: at == 0,
            is_default: at == 0,
        };
        let id = store.ensure_server(new).await?;
        store.set_server_key(id, &writer.server_key(server)?.public_key_hex()).await?;
        let media_root = writer.media_root(server);
        files::make_dir(&media_root)?;
        let media_address = (Ipv4Addr::LOCALHOST, port).into();
        views.push(ServerView { id, slug: server.slug.clone(), media_root, media_address, url });
    }
    Ok(views)
}
