//! Plays: counted when audio has really been sent, once per listener and song within a window.
//!
//! A stream tells its [`Meter`] how many bytes have gone out. When a listener has had
//! [`PLAY_BYTES`] of a song within the window, over however many requests, that is a play: one
//! line in the journal, before the next byte is sent. So neither a HEAD, nor each range, nor a
//! player that only looks at the beginning is a play, and no death of a process loses one or
//! counts one twice.
//!
//! *Invariant:* no listener's address is kept. A listener is a mark: a keyed hash of address,
//! agent and song, whose key is thrown away after two windows.

mod listeners;
mod marks;

use chrono::Utc;
use listeners::Listeners;
use marks::Marks;
use std::{
    net::IpAddr,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;
use tourbus_domain::ArtistId;
use tourbus_mediaroot::{MediaRoot, Play, PlayJournal, RootError};
use tourbus_protocol::TreePath;

/// Bytes of a song that make a play; all of it when it is smaller. 256 KiB are 6 s of a 320 kbit/s
/// song and half a minute at 64 kbit/s.
const PLAY_BYTES: u64 = 256 << 10;
/// A listener who hears a song again within this time is counted once.
const WINDOW: Duration = Duration::from_mins(30);
/// How often what was counted is handed to the worker.
const HAND_OVER_EVERY: Duration = Duration::from_secs(2);
/// With so many plays a batch is handed over at once: it bounds the message that it becomes.
const BATCH_PLAYS: usize = 4_000;

/// Counts plays. Shared by all streams.
pub(crate) struct Plays {
    root: MediaRoot,
    marks: Marks,
    state: Mutex<State>,
    full: Notify,
    counted: metrics::Counter,
    lost: metrics::Counter,
}

struct State {
    listeners: Listeners,
    journal: PlayJournal,
}

/// Who hears what; one per answered request.
pub(crate) struct Meter {
    plays: Arc<Plays>,
    mark: [String; 2],
    artist: ArtistId,
    path: TreePath,
    needed: u64,
    done: bool,
}

impl Plays {
    /// Takes up where the process before this one has ended.
    pub(crate) fn resume(root: &MediaRoot) -> Result<Self, RootError> {
        root.close_orphaned_plays()?;
        let journal = PlayJournal::begin(root)?;
        let marks = Marks::load(root, WINDOW)?;
        let mut listeners = Listeners::new(WINDOW);
        let now_s = Utc::now().timestamp();
        for play in root.recent_plays(now_s - WINDOW.as_secs().cast_signed())? {
            listeners.counted(&play.mark, play.at_s);
        }
        Ok(Self {
            root: root.clone(),
            marks,
            state: Mutex::new(State { listeners, journal }),
            full: Notify::new(),
            counted: metrics::counter!("tourbus_media_plays_total"),
            lost: metrics::counter!("tourbus_media_plays_lost_total"),
        })
    }

    /// For a stream of a song of this size to this listener.
    pub(crate) fn meter(
        self: &Arc<Self>,
        listener: (IpAddr, &[u8]),
        artist: ArtistId,
        path: TreePath,
        bytes: u64,
    ) -> Meter {
        let mark = self.marks.of(listener, artist, &path);
        let plays = Arc::clone(self);
        Meter { plays, mark, artist, path, needed: bytes.min(PLAY_BYTES), done: false }
    }

    /// Hands over what was counted, and renews the marks, until `shutdown` and once more then.
    pub(crate) async fn keep(self: Arc<Self>, shutdown: CancellationToken) {
        let mut last = false;
        while !last {
            tokio::select! {
                () = shutdown.cancelled() => last = true,
                () = tokio::time::sleep(HAND_OVER_EVERY) => {}
                () = self.full.notified() => {}
            }
            let plays = Arc::clone(&self);
            let round = tokio::task::spawn_blocking(move || plays.round());
            match round.await {
                Ok(Ok(())) => {}
                Ok(Err(error)) => tracing::error!(%error, "plays.not_handed_over: tried again"),
                // The runtime is ending; the next process closes the file.
                Err(_) => return,
            }
        }
    }

    fn round(&self) -> Result<(), RootError> {
        self.marks.renew(&self.root)?;
        if self.has_plays() {
            let next = PlayJournal::begin(&self.root)?;
            let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
            let full = std::mem::replace(&mut state.journal, next);
            // Streams count into the next file while this one waits for the disk.
            drop(state);
            full.close()?;
        }
        self.root.forget_sent_plays(WINDOW * 2).map(drop)
    }

    /// Whether there is something to hand over. Forgets old listeners now and then.
    fn has_plays(&self) -> bool {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.listeners.forget(Utc::now().timestamp());
        !state.journal.is_empty()
    }
}

impl Meter {
    /// So many bytes more are on their way to the listener.
    pub(crate) fn sent(&mut self, bytes: u64) {
        if self.done {
            return;
        }
        let at_s = Utc::now().timestamp();
        let mut state = self.plays.state.lock().unwrap_or_else(PoisonError::into_inner);
        let State { listeners, journal } = &mut *state;
        self.done = listeners.hear(&self.mark, bytes, self.needed, at_s);
        if !self.done || !listeners.count(&self.mark, at_s) {
            return;
        }
        let [mark, _] = self.mark.clone();
        let play = Play { at_s, mark, artist: self.artist, path: self.path.clone() };
        match journal.append(&play) {
            Ok(()) => {
                self.plays.counted.increment(1);
                if journal.len() == BATCH_PLAYS {
                    self.plays.full.notify_one();
                }
            }
            Err(error) => {
                self.plays.lost.increment(1);
                tracing::error!(%error, "plays.not_noted");
            }
        }
    }
}
