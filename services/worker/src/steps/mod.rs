//! The steps, one file each, in the same order: parameters, step, implementation.

mod abandon_export;
mod abandon_import;
mod demote;
mod export;
mod import;
mod lofi;
mod promote;
mod provision;
mod retire;
mod sync;
mod tree;
mod verify;
mod verify_job;

pub(crate) use lofi::MOVING_AGAIN_S;

use crate::context::{Context, Outcome};
use std::{future::Future, pin::Pin};
use tourbus_domain::StepKind;
use tourbus_protocol::Order;
use tourbus_staging::Staging;

/// One kind of step: its parameters, and what it does.
trait Step: Sized + Send + 'static {
    /// Its kind; the name is stable.
    const KIND: StepKind;

    /// Its parameters, if the order is one of this kind.
    fn from_order(order: Order) -> Option<Self>;

    /// Does it. Must be harmless to repeat, from any point at which it was cut off.
    fn run<S: Staging>(self, ctx: Context<S>) -> impl Future<Output = Outcome> + Send;
}

/// A step under way.
pub type Running = Pin<Box<dyn Future<Output = Outcome> + Send>>;

/// An entry of the registry.
#[derive(Clone, Copy)]
pub struct Definition<S> {
    /// The kind.
    pub kind: StepKind,
    start: fn(Context<S>, Order) -> Option<Running>,
}

/// Every kind of step.
pub fn registry<S: Staging>() -> [Definition<S>; 10] {
    [
        define::<S, export::Export>(),
        define::<S, import::Import>(),
        define::<S, sync::Sync>(),
        define::<S, promote::Promote>(),
        define::<S, retire::Retire>(),
        define::<S, abandon_import::AbandonImport>(),
        define::<S, abandon_export::AbandonExport>(),
        define::<S, provision::Provision>(),
        define::<S, lofi::Lofi>(),
        define::<S, verify_job::Verify>(),
    ]
}

/// Begins the step that an order asks for; `None` when the order is none of its kind's.
pub fn start<S: Staging>(ctx: Context<S>, order: Order) -> Option<Running> {
    let kind = ctx.step.key.kind;
    let definition = registry::<S>().into_iter().find(|d| d.kind == kind)?;
    (definition.start)(ctx, order)
}

fn define<S: Staging, T: Step>() -> Definition<S> {
    Definition {
        kind: T::KIND,
        start: |ctx, order| {
            let step = T::from_order(order)?;
            Some(Box::pin(step.run(ctx)))
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tourbus_staging::S3Staging;

    #[test]
    fn every_kind_has_one_definition() {
        let kinds: Vec<StepKind> = registry::<S3Staging>().iter().map(|d| d.kind).collect();
        assert_eq!(kinds, StepKind::ALL);
    }
}
