//! From a step to the order that a worker gets.

use crate::{
    StoreError,
    jobs_core::{Ground, Held},
    lofi::LofiParams,
    outbox::NewOrder,
    verify::VerifyParams,
};
use tourbus_domain::{Epoch, Lane, MoveSettings, ServerId, Step, StepKey, StepKind};
use tourbus_protocol::Order;

/// The outbox row of a step's current try.
pub(crate) fn of_step(
    held: &Held,
    step: &Step,
    ground: &Ground,
    settings: &MoveSettings,
) -> Result<NewOrder, StoreError> {
    let artist = held.artist.clone();
    let input = || {
        step.input.clone().ok_or_else(|| {
            let which = format!("{} {}/{} has no input", held.job.id, step.key.kind, step.key.seq);
            StoreError::undecodable("steps", which)
        })
    };
    let order = match step.key.kind {
        StepKind::Export => Order::ExportV1 { artist },
        StepKind::Import => Order::ImportV1 { artist, segment: input()? },
        StepKind::Sync => {
            Order::SyncV1 { artist, round: step.key.seq, freeze_lease_s: settings.freeze_lease_s }
        }
        StepKind::Promote => Order::PromoteV1 { artist, manifest: input()? },
        StepKind::Retire => Order::RetireV1 {
            artist,
            new_home_url: ground.server(held.job.target_id)?.url.clone(),
            keep_s: settings.retired_keep_s,
        },
        StepKind::AbandonImport => Order::AbandonImportV1 { artist },
        StepKind::AbandonExport => Order::AbandonExportV1 { artist },
        StepKind::Provision => Order::ProvisionV1 { artist, name: text(held, "name")? },
        StepKind::Lofi => {
            let params: LofiParams = serde_json::from_value(held.params.clone())
                .map_err(|e| StoreError::undecodable("jobs", format!("{}: {e}", held.job.id)))?;
            let LofiParams { song, profile, spec, anew } = params;
            Order::LofiV1 { artist, song, profile, spec, anew }
        }
        StepKind::Verify => {
            let VerifyParams { rate_bytes_s, accepted } =
                serde_json::from_value(held.params.clone()).map_err(|e| {
                    StoreError::undecodable("jobs", format!("{}: {e}", held.job.id))
                })?;
            Order::VerifyV1 { artist, rate_bytes_s, accepted }
        }
    };
    Ok(NewOrder {
        server: ground.server(step.server_id)?.slug.clone(),
        lane: step.lane,
        job_id: held.job.id,
        key: step.key,
        epoch: step.epoch,
        floor: held.job.floor,
        order,
        run_after: step.run_after,
    })
}

/// A parameter of a task.
fn text(held: &Held, key: &str) -> Result<String, StoreError> {
    let missing = || StoreError::undecodable("jobs", format!("{}: no {key}", held.job.id));
    held.params[key].as_str().map(str::to_owned).ok_or_else(missing)
}

/// The outbox row that tells a server's workers to stop every try below `floor`. The try that it
/// names is one below it: no step has that epoch any more.
pub(crate) fn of_void(
    held: &Held,
    server_id: ServerId,
    floor: Epoch,
    ground: &Ground,
) -> Result<NewOrder, StoreError> {
    Ok(NewOrder {
        server: ground.server(server_id)?.slug.clone(),
        lane: Lane::Upkeep,
        job_id: held.job.id,
        key: StepKey { kind: StepKind::Export, seq: 0 },
        epoch: floor.saturating_sub(1),
        floor,
        order: Order::VoidV1,
        run_after: ground.now,
    })
}
