use secrecy::SecretString;
use std::time::Instant;
use tourbus_local::demo::{SeedServer, seed, seed_many};
use tourbus_store::{NewServer, Store};
#[tokio::test(flavor = "multi_thread")]
async fn adhoc() {
    let url = SecretString::from("postgres://postgres@127.0.0.1:25432/dev_media".to_owned());
    let store = Store::connect(&tourbus_config::DatabaseConfig { url, connections_max: 4 }).await.unwrap();
    store.migrate().await.unwrap();
    let mut servers = Vec::new();
    for (n, slug) in ["master", "server2", "server3"].iter().enumerate() {
        let id = store.ensure_server(NewServer { id: tourbus_domain::ServerId::new(), slug: slug.parse().unwrap(), name: slug.to_string(),
            ip: "127.0.0.1".parse().unwrap(), url: format!("http://{slug}.test"), is_master: n == 0, is_default: n == 0 }).await.unwrap();
        servers.push(SeedServer { id, slug: slug.parse().unwrap(), media_root: format!("/tmp/media-demo/{slug}").into() });
    }
    let t = Instant::now();
    println!("{:?} {:?}", seed(&store, &servers, 300).await.unwrap(), t.elapsed());
    println!("{:?}", seed(&store, &servers, 300).await.unwrap());
    for s in store.servers().await.unwrap() { println!("{s:?}"); }
    let t = Instant::now();
    if std::env::var("MANY").is_ok() { seed_many(&store, servers[0].id, 100_000).await.unwrap(); println!("many {:?}", t.elapsed()); }
}
