//! The checks, told in the terminal as they turn green or red.

use std::{collections::BTreeMap, path::Path, time::Duration};
use tourbus_agent::state::AgentState;
use tourbus_protocol::{CheckName, CheckResult, CheckState};

/// How often the agent's state is read.
const READ_EVERY: Duration = Duration::from_millis(300);

/// Tells every change until all checks are green.
pub(crate) async fn until_green(agent_dir: &Path, since: chrono::DateTime<chrono::Utc>) {
    let mut told: BTreeMap<CheckName, CheckResult> = BTreeMap::new();
    let mut advised = false;
    loop {
        // What an earlier run left says nothing about this one.
        if let Some(state) = AgentState::read(agent_dir).filter(|s| s.at >= since) {
            for check in &state.checks {
                if told.get(&check.name) != Some(check) {
                    tell(check);
                    told.insert(check.name, check.clone());
                }
            }
            if all_green(&state) {
                return;
            }
            let red = state.checks.iter().any(|c| c.state == CheckState::Red);
            let pending = state.checks.iter().any(|c| c.state == CheckState::Pending);
            if red && !pending && !advised {
                println!(
                    "\nMend what is red; the checks run again every half minute, or at once with \
                     \"Try again\" on the server's page.\n"
                );
            }
            advised = red && !pending;
        }
        tokio::time::sleep(READ_EVERY).await;
    }
}

fn all_green(state: &AgentState) -> bool {
    let green = |name| state.checks.iter().any(|c| c.name == name && c.state == CheckState::Green);
    state.trouble.is_none() && CheckName::ALL.into_iter().all(green)
}

fn tell(check: &CheckResult) {
    match check.state {
        CheckState::Green => println!("  [green] {}: {}", check.name.title(), check.cause),
        CheckState::Red => {
            println!("  [RED]   {}: {}", check.name.title(), check.cause);
            println!("          To mend it: {}", check.remedy);
        }
        CheckState::Pending => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_over_when_every_check_is_green_and_the_master_knows() {
        let green = |name| CheckResult::green(name, "well");
        let mut state = AgentState {
            checks: CheckName::ALL.into_iter().map(green).collect(),
            ..AgentState::default()
        };
        assert!(all_green(&state));
        state.checks[3].state = CheckState::Pending;
        assert!(!all_green(&state));
        state.checks.remove(3);
        assert!(!all_green(&state));
    }
}
