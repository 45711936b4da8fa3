//! Settings that the master sends and this server does not take: nothing begins to travel
//! unencrypted because the other end says so.

use tourbus_config::{Inspection, Way, Ways};
use tourbus_protocol::{CheckName, CheckResult, agent::Settings};

struct Told<'a> {
    settings: &'a Settings,
    allowed: &'a [Way],
}

impl Ways for Told<'_> {
    fn look(&self, inspection: &mut Inspection) {
        inspection.url(Way::MainUrl, "the master's URL", &self.settings.main_url);
        if let Some(broker) = &self.settings.broker {
            inspection.broker_address("the broker's address", &broker.address);
        }
        let endpoint = &self.settings.staging.endpoint;
        inspection.url(Way::Staging, "the staging endpoint", endpoint);
    }

    fn allow_unencrypted(&self) -> &[Way] {
        self.allowed
    }

    fn how_to_allow(&self, way: Way) -> String {
        format!("run `tourbus join` on this server again, with --allow-unencrypted {way}")
    }
}

/// Why these settings are not taken, as checks; empty when they are.
pub(crate) fn refused(settings: &Settings, allowed: &[Way]) -> Vec<CheckResult> {
    let faults = Inspection::faults(&Told { settings, allowed });
    let red = |fault: tourbus_config::WayFault| {
        let name = match fault.way {
            Some(Way::Staging) => CheckName::Staging,
            _ => CheckName::Broker,
        };
        let cause =
            format!("This server does not take the master's new settings: {}.", fault.cause);
        let remedy = match fault.remedy.as_str() {
            "" => "Correct it in web's configuration on the master.",
            remedy => remedy,
        };
        CheckResult::red(name, cause, remedy)
    };
    faults.into_iter().map(red).collect()
}

/// Lets refusals win over what else was found.
pub(crate) fn overrule(found: &mut [CheckResult], refused: &[CheckResult]) {
    for check in found {
        if let Some(red) = refused.iter().find(|red| red.name == check.name) {
            check.clone_from(red);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tourbus_protocol::{
        CheckState,
        agent::{BrokerPlace, StagingAccess},
    };

    #[test]
    fn what_would_become_readable_is_not_taken_and_told() {
        let text = |s: &str| s.to_owned();
        let settings = Settings {
            main_domain: text("a.example"),
            main_url: text("https://a.example"),
            main_ca: None,
            broker: Some(BrokerPlace { address: text("amqp://rabbit.example"), ca: None }),
            master_public_keys: Vec::new(),
            visitor_public_keys: Vec::new(),
            staging: StagingAccess {
                endpoint: text("https://s3.example"),
                ca: None,
                region: text("r"),
                bucket: text("b"),
                prefix: String::new(),
                access_key: text("k"),
                secret_key: text("s"),
            },
        };
        let red = refused(&settings, &[]);
        assert_eq!(red.len(), 1);
        assert!(red[0].cause.contains("amqp://rabbit.example:5672"), "{red:?}");
        assert!(red[0].remedy.contains("--allow-unencrypted broker"), "{red:?}");
        let mut found = vec![CheckResult::green(CheckName::Broker, "well")];
        overrule(&mut found, &red);
        assert_eq!(found[0].state, CheckState::Red);
        assert!(refused(&settings, &[Way::Broker]).is_empty());
    }
}
