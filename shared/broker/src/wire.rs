//! One connection, over a stream that we have made ourselves: plain or TLS.
//!
//! lapin takes its streams from a runtime; ours is tokio's, with another kind of stream. So there
//! is one way to speak TLS in the whole project, and lapin brings none of its own.

use crate::{
    ConnectError,
    error::explain,
    limits::{CLOSE_TIMEOUT, CONNECT_TIMEOUT},
};
use async_rs::{Runtime, Tokio, traits::Reactor, util::RuntimeParts};
use futures_io::{AsyncRead, AsyncWrite};
use futures_util::Stream as Items;
use lapin::{
    Connection, ConnectionProperties,
    tcp::AsyncTcpStream,
    uri::{AMQPAuthority, AMQPQueryString, AMQPScheme, AMQPUri, AMQPUserInfo},
};
use secrecy::ExposeSecret;
use std::{
    io::{self, Read, Write},
    net::SocketAddr,
    os::fd::{AsFd, AsRawFd},
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};
use tokio::time::timeout;
use tokio_util::compat::{Compat, TokioAsyncReadCompatExt};
use tourbus_config::{BrokerConfig, BrokerPlace};
use tourbus_tls::{Made, Stream};

/// Connects and signs in once, and closes the connection again: says what is wrong, for checks.
pub async fn try_once(config: &BrokerConfig, name: &str) -> Result<(), ConnectError> {
    let connection = open(config, name).await?;
    match timeout(CLOSE_TIMEOUT, connection.close(200, "OK".into())).await {
        Ok(Ok(())) => {}
        Ok(Err(error)) => tracing::debug!(reason = explain(&error), "broker.close"),
        Err(_) => tracing::debug!("broker.close took too long"),
    }
    Ok(())
}

/// Connects and signs in. Reads the files of `broker.tls`.
pub(crate) async fn open(config: &BrokerConfig, name: &str) -> Result<Connection, ConnectError> {
    let place = BrokerPlace::parse(&config.address)?;
    let late = |_| {
        let s = CONNECT_TIMEOUT.as_secs();
        Err(ConnectError::Unreachable(format!("no answer within {s} s")))
    };
    timeout(CONNECT_TIMEOUT, open_at(config, place, name)).await.unwrap_or_else(late)
}

async fn open_at(
    config: &BrokerConfig,
    place: BrokerPlace,
    name: &str,
) -> Result<Connection, ConnectError> {
    let tls = place.tls.then_some(&config.tls);
    let made = tourbus_tls::connect(&place.host, place.port, tls).await;
    let Made { stream, if_hung_up } = made.map_err(|e| ConnectError::from_io(&e))?;
    let stream = Mutex::new(Some(stream));
    let runtime = Runtime::new(RuntimeParts::new(Tokio::current(), Streams(Tokio::current())));
    // No automatic recovery: the supervisor is the recovery, and so there is one stream for one
    // connection.
    let take = async move |_: AMQPUri, _: Runtime<RuntimeParts<Tokio, Streams>>| {
        let stream = stream.lock().unwrap_or_else(PoisonError::into_inner).take();
        let stream = stream.ok_or_else(|| io::Error::from(io::ErrorKind::ConnectionAborted))?;
        Ok(AsyncTcpStream::Plain(stream.compat()))
    };
    let properties = ConnectionProperties::default().with_connection_name(name.into());
    let opened = Connection::connector(uri(config, place), runtime, take, properties).await;
    opened.map_err(|e| ConnectError::from_lapin(&e, if_hung_up))
}

fn uri(config: &BrokerConfig, place: BrokerPlace) -> AMQPUri {
    AMQPUri {
        scheme: if place.tls { AMQPScheme::AMQPS } else { AMQPScheme::AMQP },
        authority: AMQPAuthority {
            userinfo: AMQPUserInfo {
                username: config.user.clone(),
                password: config.password.expose_secret().to_owned(),
            },
            host: place.host,
            port: place.port,
        },
        vhost: config.vhost.clone(),
        query: AMQPQueryString {
            heartbeat: Some(config.heartbeat_s),
            connection_timeout: Some(CONNECT_TIMEOUT.as_millis() as u64),
            ..AMQPQueryString::default()
        },
    }
}

/// Tokio, whose streams are ours.
#[derive(Debug, Clone)]
struct Streams(Tokio);

impl Reactor for Streams {
    type TcpStream = Compat<Stream>;
    type Sleep = <Tokio as Reactor>::Sleep;

    fn register<H: Read + Write + AsFd + AsRawFd + Send + 'static>(
        &self,
        socket: H,
    ) -> io::Result<impl AsyncRead + AsyncWrite + Send + Unpin + 'static> {
        self.0.register(socket)
    }

    fn sleep(&self, time: Duration) -> Self::Sleep {
        self.0.sleep(time)
    }

    fn interval(&self, time: Duration) -> impl Items<Item = Instant> + Send + 'static {
        self.0.interval(time)
    }

    #[allow(clippy::manual_async_fn, reason = "the future must not borrow the reactor")]
    fn tcp_connect_addr(
        &self,
        address: SocketAddr,
    ) -> impl Future<Output = io::Result<Self::TcpStream>> + Send + 'static {
        async move {
            let host = address.ip().to_string();
            Ok(tourbus_tls::connect(&host, address.port(), None).await?.stream.compat())
        }
    }
}
