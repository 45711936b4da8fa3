//! What the API shows of the rows. Field names are a promise to scripts.

mod account;
mod artist;
mod batch;
mod job;
mod lofi;
mod server;
mod verify;
mod webhook;

pub use account::{AccountView, RoleName, ScopeName, SessionView, TokenView};
pub use artist::{ArtistView, SongView};
pub use batch::BatchView;
pub use job::{JobDetail, JobView, StepView, TimelineView};
pub use lofi::{LofiFailureView, LofiServerView};
pub use server::{QuarantineView, ServerState, ServerView};
pub use verify::{FindingView, VerifyServerView};
pub use webhook::{DeliveryView, WebhookView};
