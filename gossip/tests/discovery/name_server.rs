//! A name server with a few records, over UDP.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use hickory_resolver::proto::op::{Message, MessageType, ResponseCode};
use hickory_resolver::proto::rr::rdata::{A, SRV};
use hickory_resolver::proto::rr::{Name, RData, Record, RecordType};
use tokio::net::UdpSocket;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::timeout;

/// The time to live of each record, in seconds. Nodes look again after at least one second.
const TTL: u32 = 0;

/// The records of the server. Names end with a dot.
#[derive(Clone, Debug, Default)]
pub(crate) struct Records {
    pub(crate) hosts: Vec<(&'static str, Vec<Ipv4Addr>)>,
    /// The targets and ports of services.
    pub(crate) services: Vec<(&'static str, Vec<(&'static str, u16)>)>,
}

/// A running name server.
pub(crate) struct NameServer {
    address: SocketAddr,
    records: Arc<Mutex<Records>>,
    answered: watch::Receiver<usize>,
    _task: JoinSet<()>,
}

impl NameServer {
    pub(crate) async fn start(records: Records) -> Self {
        let socket = UdpSocket::bind("127.0.0.1:0").await.expect("a free port");
        let address = socket.local_addr().expect("it is bound");
        let records = Arc::new(Mutex::new(records));
        let (answers, answered) = watch::channel(0);
        let served = Arc::clone(&records);
        let mut tasks = JoinSet::new();
        tasks.spawn(async move {
            let mut buffer = [0; 4_096];
            while let Ok((bytes, from)) = socket.recv_from(&mut buffer).await {
                let query = Message::from_vec(&buffer[..bytes]).expect("a query");
                let records = served.lock().expect("no panic").clone();
                let answer = answer(&query, &records).to_vec().expect("it is encoded");
                socket.send_to(&answer, from).await.expect("it is sent");
                answers.send_modify(|answers| *answers += 1);
            }
        });
        Self { address, records, answered, _task: tasks }
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    pub(crate) fn set(&self, records: Records) {
        *self.records.lock().expect("no panic") = records;
    }

    /// Waits for this number of further answers.
    pub(crate) async fn answers(&self, further: usize) {
        let mut answered = self.answered.clone();
        let until = *answered.borrow() + further;
        let waited = timeout(Duration::from_secs(30), answered.wait_for(|all| *all >= until)).await;
        waited.expect("nodes ask again").expect("the server runs");
    }
}

fn answer(query: &Message, records: &Records) -> Message {
    let mut answer = Message::response(query.metadata.id, query.metadata.op_code);
    answer.metadata.message_type = MessageType::Response;
    answer.metadata.recursion_desired = query.metadata.recursion_desired;
    answer.metadata.recursion_available = true;
    let asked = query.queries.first().expect("one question").clone();
    let name = asked.name().to_string().to_lowercase();
    let hosts = records.hosts.iter().filter(|(host, _)| *host == name);
    let services = records.services.iter().filter(|(service, _)| *service == name);
    let found: Vec<RData> = if asked.query_type() == RecordType::A {
        hosts.flat_map(|(_, ips)| ips).map(|ip| RData::A(A(*ip))).collect()
    } else if asked.query_type() == RecordType::SRV {
        let name = |text: &str| Name::from_ascii(text).expect("a name");
        let targets = services.flat_map(|(_, targets)| targets);
        targets.map(|(target, port)| RData::SRV(SRV::new(0, 0, *port, name(target)))).collect()
    } else {
        Vec::new()
    };
    let is_known = records.hosts.iter().any(|(host, _)| *host == name) || !found.is_empty();
    if !is_known {
        answer.metadata.response_code = ResponseCode::NXDomain;
    }
    for data in found {
        answer.add_answer(Record::from_rdata(asked.name().clone(), TTL, data));
    }
    answer.add_query(asked);
    answer
}
