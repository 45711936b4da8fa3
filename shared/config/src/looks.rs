//! Every way over the network of every process.

use crate::{
    CoordinatorConfig, Inspection, MediaConfig, StagingServerConfig, TopologyConfig, Way, Ways,
    WebConfig, WorkerConfig,
};

impl Ways for WebConfig {
    fn look(&self, inspection: &mut Inspection) {
        inspection.telemetry(&self.telemetry);
        inspection.listener(Way::Listen, "listen", self.listen, self.tls.as_ref());
        inspection.url(Way::MainUrl, "cluster.main_url", &self.cluster.main_url);
        inspection.management("management", &self.management);
        if let Some(joining) = &self.joining {
            inspection.broker_address("joining.broker_address", &joining.broker_address);
            inspection.staging("joining.staging", &joining.staging);
        }
    }

    fn allow_unencrypted(&self) -> &[Way] {
        &self.allow_unencrypted
    }
}

impl Ways for CoordinatorConfig {
    fn look(&self, inspection: &mut Inspection) {
        inspection.telemetry(&self.telemetry);
        inspection.broker("broker", &self.broker);
        inspection.staging("staging", &self.staging);
        inspection.tls("servers_tls", &self.servers_tls, true);
        inspection.tls("webhooks.tls", &self.webhooks.tls, true);
        inspection.listener(Way::Health, "health.listen", self.health.listen, None);
    }

    fn allow_unencrypted(&self) -> &[Way] {
        &self.allow_unencrypted
    }
}

impl Ways for WorkerConfig {
    fn look(&self, inspection: &mut Inspection) {
        inspection.telemetry(&self.telemetry);
        inspection.broker("broker", &self.broker);
        inspection.staging("staging", &self.staging);
        inspection.listener(Way::Health, "health.listen", self.health.listen, None);
    }

    fn allow_unencrypted(&self) -> &[Way] {
        &self.allow_unencrypted
    }
}

impl Ways for MediaConfig {
    fn look(&self, inspection: &mut Inspection) {
        inspection.telemetry(&self.telemetry);
        inspection.listener(Way::Listen, "listen", self.listen, self.tls.as_ref());
        inspection.url(Way::MainUrl, "cluster.main_url", &self.cluster.main_url);
    }

    fn allow_unencrypted(&self) -> &[Way] {
        &self.allow_unencrypted
    }
}

impl Ways for StagingServerConfig {
    fn look(&self, inspection: &mut Inspection) {
        inspection.telemetry(&self.telemetry);
        inspection.listener(Way::Listen, "listen", self.listen, self.tls.as_ref());
    }

    fn allow_unencrypted(&self) -> &[Way] {
        &self.allow_unencrypted
    }
}

impl Ways for TopologyConfig {
    fn look(&self, inspection: &mut Inspection) {
        inspection.management("management", &self.management);
    }

    fn allow_unencrypted(&self) -> &[Way] {
        &self.allow_unencrypted
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde::de::DeserializeOwned;

    fn refused<T: DeserializeOwned + Ways>(text: &str) -> String {
        let config: T = crate::parse(text, "test", std::iter::empty()).unwrap();
        Inspection::of(&config).unwrap_or_default()
    }

    const WORKER: &str = "
server = 'server2'
worker = 'server2-1'
media_root = '/m'
master_public_keys = []
ALLOW
[health]
listen = 'HEALTH'
[broker]
address = 'BROKER'
vhost = 'v'
user = 'u'
password = 'p'
BROKER_TLS
[staging]
endpoint = 'STAGING'
region = 'r'
bucket = 'b'
access_key = 'a'
secret_key = 's'
";

    fn worker(allow: &str, health: &str, broker: &str, broker_tls: &str, staging: &str) -> String {
        let text = WORKER
            .replace("ALLOW", allow)
            .replace("HEALTH", health)
            .replace("BROKER_TLS", broker_tls)
            .replace("BROKER", broker)
            .replace("STAGING", staging);
        refused::<WorkerConfig>(&text)
    }

    #[test]
    fn a_worker_sends_nothing_readable_unless_it_was_said() {
        let (here, broker, staging) =
            ("127.0.0.1:9", "amqps://rabbit.example", "https://s3.example");
        assert_eq!(worker("", here, broker, "", staging), "");
        assert_eq!(worker("", here, "localhost:5672", "", "http://127.0.0.1:9000"), "");

        let told = worker("", "0.0.0.0:9100", "rabbit:5672", "", "http://staging:9000");
        let lines: Vec<&str> = told.lines().collect();
        assert_eq!(lines.len(), 3, "{told}");
        for (line, words) in lines.iter().zip([
            ["broker.address is amqp://rabbit:5672", "Use amqps://", "[\"broker\"]"],
            ["staging.endpoint is http://staging:9000", "Use https://", "[\"staging\"]"],
            ["health.listen is 0.0.0.0:9100", "Listen on loopback", "[\"health\"]"],
        ]) {
            assert!(words.iter().all(|w| line.contains(w)), "{line}");
        }

        let allow = "allow_unencrypted = ['broker', 'staging', 'health']";
        assert_eq!(worker(allow, "0.0.0.0:9100", "rabbit:5672", "", "http://staging:9000"), "");
        let some = "allow_unencrypted = ['broker']";
        let told = worker(some, here, "rabbit:5672", "", "http://staging:9000");
        assert!(told.contains("staging.endpoint") && !told.contains("broker.address"), "{told}");
    }

    #[test]
    fn settings_of_tls_that_cannot_be_meant_are_refused() {
        let (here, staging) = ("127.0.0.1:9", "https://s3.example");
        let tls =
            |broker, tls: &str| worker("", here, broker, &format!("tls = {{ {tls} }}"), staging);
        assert!(tls("localhost:1", "ca_file = '/ca'").contains("broker.tls is set, but"));
        assert!(tls("amqps://r", "certificate = '/c'").contains("only one of certificate and key"));
        assert!(tls("amqps://r", "ca_file = '/ca', ca_pem = 'x'").contains("both ca_file and"));
        assert_eq!(tls("amqps://r", "ca_file = '/ca', certificate = '/c', key = '/k'"), "");
        assert!(worker("", here, "rabbit", "", staging).contains("no address of a broker"));
    }

    #[test]
    fn a_listener_beyond_this_machine_has_a_certificate_or_was_allowed() {
        let media = |listen: &str, more: &str| {
            refused::<MediaConfig>(&format!(
                "server = 'server2'\nlisten = '{listen}'\nmedia_root = '/m'\n{more}\n\
                 [cluster]\nmain_domain = 'a.example'\nmain_url = 'https://a.example'\n"
            ))
        };
        assert!(media("0.0.0.0:80", "").contains("listen is 0.0.0.0:80"));
        assert!(media("[::]:80", "").contains("Set [tls]"));
        assert_eq!(media("0.0.0.0:80", "allow_unencrypted = ['listen']"), "");
        assert_eq!(media("0.0.0.0:443", "tls = { certificate = '/c', key = '/k' }"), "");
        assert_eq!(media("[::1]:80", ""), "");
    }

    /// A file of the Docker stack, with what `compose.yml` adds from the environment.
    fn of_compose<T: DeserializeOwned + Ways>(file: &str, more: &[(&str, &str)]) -> String {
        let dir = concat!(env!("CARGO_MANIFEST_DIR"), "/../../compose/config/");
        let text = std::fs::read_to_string(format!("{dir}{file}")).unwrap();
        let env = more.iter().map(|(k, v)| (format!("TOURBUS__{k}"), (*v).to_owned()));
        let config: T = crate::parse(&text, file, env).unwrap();
        Inspection::of(&config).unwrap_or_default()
    }

    #[test]
    fn the_docker_stack_says_what_it_sends_unencrypted() {
        let staging = [("STAGING__ACCESS_KEY", "a"), ("STAGING__SECRET_KEY", "s")];
        let broker = [("BROKER__USER", "u"), ("BROKER__PASSWORD", "p")];
        let database = [("DATABASE__URL", "postgres://postgres/tourbus")];
        let management = [("MANAGEMENT__PASSWORD", "p")];
        let worker =
            [("SERVER", "master"), ("WORKER", "master-1"), ("MASTER_PUBLIC_KEYS", "['00']")];
        let worker = [&staging[..], &broker, &worker].concat();
        assert_eq!(of_compose::<WorkerConfig>("worker.toml", &worker), "");
        let coordinator = [&staging[..], &broker, &database, &[("SIGNING_KEY", "'00'")]].concat();
        assert_eq!(of_compose::<CoordinatorConfig>("coordinator.toml", &coordinator), "");
        let web = [&database[..], &management].concat();
        assert_eq!(of_compose::<WebConfig>("web.toml", &web), "");
        assert_eq!(of_compose::<MediaConfig>("media.toml", &[("SERVER", "master")]), "");
        let store = [("ACCESS_KEY", "a"), ("SECRET_KEY", "s")];
        assert_eq!(of_compose::<StagingServerConfig>("staging.toml", &store), "");
        let topology = [&management[..], &[("COORDINATOR__PASSWORD", "p")]].concat();
        assert_eq!(of_compose::<TopologyConfig>("topology.toml", &topology), "");
    }

    #[test]
    fn web_looks_at_what_it_tells_servers() {
        let told = refused::<WebConfig>(
            "listen = '127.0.0.1:1'
            [cluster]
            main_domain = 'a.example'
            main_url = 'http://a.example'
            [database]
            url = 'postgres://localhost/x'
            [management]
            url = 'http://rabbit:15672'
            vhost = 'v'
            user = 'u'
            password = 'p'
            [joining]
            broker_address = 'rabbit:5672'
            master_public_keys = []
            [joining.staging]
            endpoint = 'http://staging:1'
            region = 'r'
            bucket = 'b'
            access_key = 'a'
            secret_key = 's'",
        );
        let settings = [
            "cluster.main_url",
            "management.url",
            "joining.broker_address",
            "joining.staging.endpoint",
        ];
        assert_eq!(told.lines().count(), settings.len(), "{told}");
        assert!(settings.iter().all(|s| told.contains(s)), "{told}");
    }
}
