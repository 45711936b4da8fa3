//! A line of known speed, so that a test of what happens meanwhile does not depend on how fast
//! this machine's disks are.

use std::{io, net::SocketAddr, sync::Arc, time::Duration};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{
        TcpListener, TcpStream,
        tcp::{OwnedReadHalf, OwnedWriteHalf},
    },
    sync::Mutex,
    time::Instant,
};
use tokio_util::task::AbortOnDropHandle;

/// Carried at once.
const PIECE: usize = 64 << 10;

/// Listens on loopback and passes on to one address, all connections together no faster than
/// asked for. Closed when dropped.
pub struct SlowLine {
    address: SocketAddr,
    _listening: AbortOnDropHandle<()>,
}

impl SlowLine {
    /// A line to `to`, a `host:port`.
    pub async fn to(to: &str, bytes_per_s: u32) -> io::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        let to: Arc<str> = to.into();
        let pace = Arc::new(Pace { bytes_per_s, free_at: Mutex::new(Instant::now()) });
        let listening = tokio::spawn(async move {
            while let Ok((near, _)) = listener.accept().await {
                tokio::spawn(carry(near, Arc::clone(&to), Arc::clone(&pace)));
            }
        });
        Ok(Self { address, _listening: AbortOnDropHandle::new(listening) })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }
}

struct Pace {
    bytes_per_s: u32,
    free_at: Mutex<Instant>,
}

impl Pace {
    /// Waits for the turn of so many bytes.
    async fn turn(&self, bytes: usize) {
        let bytes = u32::try_from(bytes).unwrap_or(u32::MAX);
        let takes = Duration::from_secs(1) * bytes / self.bytes_per_s;
        let at = {
            let mut free_at = self.free_at.lock().await;
            let at = (*free_at).max(Instant::now());
            *free_at = at + takes;
            at
        };
        tokio::time::sleep_until(at).await;
    }
}

/// One connection, until either side ends it. What went wrong with it, its two ends see.
async fn carry(near: TcpStream, to: Arc<str>, pace: Arc<Pace>) {
    let Ok(far) = TcpStream::connect(&*to).await else { return };
    let (near_read, near_write) = near.into_split();
    let (far_read, far_write) = far.into_split();
    tokio::join!(pass(near_read, far_write, &pace), pass(far_read, near_write, &pace));
}

async fn pass(mut from: OwnedReadHalf, mut to: OwnedWriteHalf, pace: &Pace) {
    let mut piece = vec![0; PIECE];
    while let Ok(read @ 1..) = from.read(&mut piece).await {
        pace.turn(read).await;
        if to.write_all(&piece[..read]).await.is_err() {
            break;
        }
    }
}
