//! `chitchat`: each node owns key-value pairs, which handshakes copy to the others. Values are
//! text.
//!
//! Its state machine is not public, so two of its servers communicate over UDP on this host, and
//! the measured time includes the kernel. A handshake transfers at most 64 KiB; catching up takes
//! as many handshakes as needed.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, LazyLock, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use chitchat::transport::{RecvOutcome, SendOutcome, Socket, Transport, UdpTransport};
use chitchat::{
    ChitchatConfig, ChitchatEnvelope, ChitchatHandle, ChitchatId, FailureDetectorConfig,
    ProtocolVersion, spawn_chitchat,
};
use data_encoding::BASE64URL_NOPAD;
use tokio::runtime::{Builder, Runtime};
use tokio::sync::Notify;

use super::keys::{key_of_text, text_key};
use crate::hero::{Record, Write, key};
use crate::peer::{Bytes, Held, Peer};

/// The number of messages in a handshake.
const HANDSHAKE: usize = 3;

/// A single-threaded runtime for all servers: while `block_on` is not running, every received
/// message has been processed.
static RUNTIME: LazyLock<Runtime> = LazyLock::new(|| {
    Builder::new_current_thread().enable_all().build().expect("the runtime starts")
});
/// Notified when any server receives a message.
static RECEIVED: Notify = Notify::const_new();

/// The address and traffic counters of a server.
#[derive(Debug, Default)]
struct Traffic {
    address: Mutex<Option<SocketAddr>>,
    bytes_sent: AtomicUsize,
    messages_received: AtomicUsize,
}

/// A UDP transport that counts its traffic.
struct Counted(Arc<Traffic>);

#[async_trait]
impl Transport for Counted {
    async fn open(&self, address: SocketAddr) -> anyhow::Result<Box<dyn Socket>> {
        let socket = UdpTransport.open(address).await?;
        *self.0.address.lock().expect("no thread panicked with the lock") =
            Some(socket.local_addr()?);
        Ok(Box::new(CountedSocket { socket, traffic: Arc::clone(&self.0) }))
    }
}

struct CountedSocket {
    socket: Box<dyn Socket>,
    traffic: Arc<Traffic>,
}

#[async_trait]
impl Socket for CountedSocket {
    fn local_addr(&self) -> anyhow::Result<SocketAddr> {
        self.socket.local_addr()
    }

    async fn send(
        &mut self,
        to: SocketAddr,
        envelope: ChitchatEnvelope,
    ) -> anyhow::Result<SendOutcome> {
        let sent = self.socket.send(to, envelope).await?;
        self.traffic.bytes_sent.fetch_add(sent.num_bytes_sent, Ordering::Relaxed);
        Ok(sent)
    }

    async fn recv(&mut self) -> anyhow::Result<RecvOutcome> {
        let received = self.socket.recv().await?;
        self.traffic.messages_received.fetch_add(1, Ordering::Relaxed);
        RECEIVED.notify_one();
        Ok(received)
    }
}

pub(crate) struct Chitchat {
    /// `None` only during drop.
    server: Option<ChitchatHandle>,
    traffic: Arc<Traffic>,
}

impl Chitchat {
    fn with<T>(&self, ask: impl FnMut(&mut chitchat::Chitchat) -> T) -> T {
        let server = self.server.as_ref().expect("the server is present until drop");
        RUNTIME.block_on(server.with_chitchat(ask))
    }

    /// Returns the highest version held of each node's pairs.
    fn versions(&self) -> BTreeMap<ChitchatId, u64> {
        self.with(|state| {
            state
                .node_states()
                .iter()
                .map(|(node, pairs)| (node.clone(), pairs.max_version()))
                .collect()
        })
    }

    fn covers(&self, other: &Self) -> bool {
        let mine = self.versions();
        other
            .versions()
            .iter()
            .all(|(node, version)| mine.get(node).copied().unwrap_or(0) >= *version)
    }

    fn handshake(&self, other: &Self) {
        let received = || {
            [self, other]
                .map(|end| end.traffic.messages_received.load(Ordering::Relaxed))
                .iter()
                .sum::<usize>()
        };
        let until = received() + HANDSHAKE;
        let address = other
            .traffic
            .address
            .lock()
            .expect("no thread panicked with the lock")
            .expect("the socket is open");
        self.server
            .as_ref()
            .expect("the server is present until drop")
            .gossip(address)
            .expect("the server is running");
        RUNTIME.block_on(async {
            while received() < until {
                tokio::time::timeout(Duration::from_secs(60), RECEIVED.notified())
                    .await
                    .expect("no message is lost on this host");
            }
        });
    }

    /// Runs handshakes until the condition is met, at least one.
    fn handshakes(&self, other: &Self, until: impl Fn() -> bool) -> Bytes {
        let sent = || [self, other].map(|end| end.traffic.bytes_sent.load(Ordering::Relaxed));
        let before = sent();
        self.handshake(other);
        while !until() {
            self.handshake(other);
        }
        let [asked, answered] = sent();
        Bytes { asked: asked - before[0], answered: answered - before[1] }
    }

    /// Returns the latest record that any node has written under this key.
    fn latest(state: &chitchat::Chitchat, key: &str) -> Option<Record> {
        let records =
            state.node_states().values().filter_map(|pairs| Some(record(pairs.get(key)?)));
        records.max_by_key(|record| record.stamp)
    }
}

fn record(text: &str) -> Record {
    Record::of_bytes(
        &BASE64URL_NOPAD.decode(text.as_bytes()).expect("a value is an encoded record"),
    )
}

impl Peer for Chitchat {
    const NAME: &'static str = "chitchat";
    const HEROES_MAX: u32 = 100_000;
    const LEFT_OUT: &'static str =
        "the time for its whole state grows with the square of their number";

    fn empty(node: u8) -> Self {
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        let config = ChitchatConfig {
            chitchat_id: ChitchatId::new(format!("city-{node}"), 0, address),
            cluster_id: "heroes".into(),
            // Periodic gossip is effectively disabled: the benchmark starts every handshake.
            gossip_interval: Duration::from_secs(24 * 60 * 60),
            listen_addr: address,
            seed_nodes: Vec::new(),
            failure_detector_config: FailureDetectorConfig::default(),
            marked_for_deletion_grace_period: Duration::from_secs(24 * 60 * 60),
            catchup_callback: None,
            extra_liveness_predicate: None,
            protocol_version: ProtocolVersion::V1,
        };
        let traffic = Arc::new(Traffic::default());
        let transport = Counted(Arc::clone(&traffic));
        let server = RUNTIME
            .block_on(spawn_chitchat(config, Vec::new(), &transport))
            .expect("the server starts");
        Self { server: Some(server), traffic }
    }

    fn write(&mut self, writes: &[Write]) {
        self.with(|state| {
            let pairs = state.self_node_state();
            for Write { key, record } in writes {
                pairs.set(text_key(*key), BASE64URL_NOPAD.encode(&record.to_bytes()));
            }
        });
    }

    fn catch_up(&mut self, source: &mut Self) -> Bytes {
        self.handshakes(source, || self.covers(source))
    }

    fn sync(&mut self, other: &mut Self) -> Bytes {
        self.handshakes(other, || self.covers(other) && other.covers(self))
    }

    fn held(&self) -> Held {
        let latest = self.with(|state| {
            let pairs = state.node_states().values().flat_map(|pairs| pairs.key_values());
            pairs.fold(BTreeMap::<_, Record>::new(), |mut latest, (key, text)| {
                let record = record(text);
                if latest.get(key).is_none_or(|held| held.stamp < record.stamp) {
                    latest.insert(key.to_owned(), record);
                }
                latest
            })
        });
        Held::of(latest.into_iter().map(|(key, record)| (key_of_text(&key), record.to_bytes())))
    }

    fn health(&self, number: u32) -> Option<u8> {
        let key = text_key(key(number));
        Some(self.with(|state| Self::latest(state, &key))?.health)
    }
}

impl Drop for Chitchat {
    fn drop(&mut self) {
        if let Some(server) = self.server.take() {
            RUNTIME.block_on(server.shutdown()).expect("the server shuts down");
        }
    }
}
