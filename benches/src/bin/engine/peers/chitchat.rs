//! `chitchat`: each node's own pairs of key and value, brought to the others by handshakes. Its
//! values are text.
//!
//! Its state machine is not public. So two of its servers speak over UDP on this host, and what the
//! kernel takes for that counts too. A handshake carries 64 KiB at most: catching up takes as many
//! as it takes.

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

/// How many messages are a handshake.
const HANDSHAKE: usize = 3;

/// All servers run on this thread, in turns: while none of them runs, all that was received has
/// been processed.
static RUNTIME: LazyLock<Runtime> = LazyLock::new(|| {
    Builder::new_current_thread().enable_all().build().expect("a runtime can be had")
});
/// Told of each message that has been received by any server.
static RECEIVED: Notify = Notify::const_new();

/// A server's traffic.
#[derive(Debug, Default)]
struct Traffic {
    address: Mutex<Option<SocketAddr>>,
    bytes_sent: AtomicUsize,
    messages_received: AtomicUsize,
}

/// UDP, counted.
struct Counted(Arc<Traffic>);

#[async_trait]
impl Transport for Counted {
    async fn open(&self, address: SocketAddr) -> anyhow::Result<Box<dyn Socket>> {
        let socket = UdpTransport.open(address).await?;
        *self.0.address.lock().expect("nobody panicked with it") = Some(socket.local_addr()?);
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
    /// There until it is dropped.
    server: Option<ChitchatHandle>,
    traffic: Arc<Traffic>,
}

impl Chitchat {
    fn with<T>(&self, ask: impl FnMut(&mut chitchat::Chitchat) -> T) -> T {
        let server = self.server.as_ref().expect("it is there until it is dropped");
        RUNTIME.block_on(server.with_chitchat(ask))
    }

    /// How much of each node's pairs it has.
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
            .expect("nobody panicked with it")
            .expect("its socket is open");
        self.server
            .as_ref()
            .expect("it is there until it is dropped")
            .gossip(address)
            .expect("its server runs");
        RUNTIME.block_on(async {
            while received() < until {
                tokio::time::timeout(Duration::from_secs(60), RECEIVED.notified())
                    .await
                    .expect("no message is lost on this host");
            }
        });
    }

    /// Handshakes until that is so, one at least.
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

    /// The latest that any node has written under this key.
    fn latest(state: &chitchat::Chitchat, key: &str) -> Option<Record> {
        let records =
            state.node_states().values().filter_map(|pairs| Some(record(pairs.get(key)?)));
        records.max_by_key(|record| record.stamp)
    }
}

fn record(text: &str) -> Record {
    Record::of_bytes(&BASE64URL_NOPAD.decode(text.as_bytes()).expect("a record as it was said"))
}

impl Peer for Chitchat {
    const NAME: &'static str = "chitchat";
    const HEROES_MAX: u32 = 100_000;
    const LEFT_OUT: &'static str = "its whole state takes time by the square of their number";

    fn empty(node: u8) -> Self {
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        let config = ChitchatConfig {
            chitchat_id: ChitchatId::new(format!("city-{node}"), 0, address),
            cluster_id: "heroes".into(),
            // It gossips when it is told to, and not of its own accord.
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
            .expect("a server can be had");
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
            RUNTIME.block_on(server.shutdown()).expect("its server ends");
        }
    }
}
