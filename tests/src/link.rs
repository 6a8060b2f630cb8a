//! One end of a WebSocket: a stranger at a node's door, a node that is not, or a page at the live
//! socket.

use std::io;
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};
use superhero::Connection;
use tungstenite::client::IntoClientRequest as _;
use tungstenite::error::Error;
use tungstenite::http::{HeaderName, HeaderValue};
use tungstenite::{HandshakeError, Message, WebSocket};

use gossip::link::{Purpose, Secret};
use gossip::wire::{Hello, Welcome};
use gossip::{Incarnation, Origin, wire};
use shared::Frame;

use crate::certificates::Certificates;
use crate::nodes::DEVELOPMENT_COOKIE;
use crate::wait::HANG_TIMEOUT;

/// How the other end ended a connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ending {
    /// It said why.
    Closed(u16, String),
    /// It just went.
    Gone,
}

/// Why there is no WebSocket.
enum NotOpened {
    /// It was refused, with this HTTP status.
    Refused(u16),
    /// The other end went, or speaks something else.
    Broken(String),
}

/// One end of a WebSocket.
pub struct Link {
    socket: WebSocket<Box<dyn Connection>>,
}

impl Link {
    /// Opens a WebSocket at `path`.
    ///
    /// # Errors
    /// The HTTP status of the refusal.
    ///
    /// # Panics
    /// When the server does not speak HTTP at all.
    #[track_caller]
    pub fn open(address: SocketAddr, path: &str, headers: &[(&str, &str)]) -> Result<Self, u16> {
        Self::over(Box::new(connect(address)), address, path, headers).map_err(|why| match why {
            NotOpened::Refused(status) => status,
            NotOpened::Broken(why) => panic!("no WebSocket at {address}{path}: {why}"),
        })
    }

    /// Opens a WebSocket at `path` of the node `name`, which speaks TLS; as the node `me`, or as
    /// somebody without a certificate.
    ///
    /// # Errors
    /// The HTTP status of the refusal, or why there is no TLS.
    ///
    /// # Panics
    /// When nobody listens there.
    pub fn open_encrypted(
        address: SocketAddr,
        name: &str,
        path: &str,
        certificates: &Certificates,
        me: Option<&str>,
    ) -> Result<Self, String> {
        let mut roots = RootCertStore::empty();
        roots.add(certificates.authority()).expect("an authority");
        let builder =
            ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
                .with_safe_default_protocol_versions()
                .expect("versions that this provider has")
                .with_root_certificates(roots);
        let config = match me {
            None => builder.with_no_client_auth(),
            Some(me) => {
                let certificate =
                    CertificateDer::from_pem_file(certificates.file(&format!("{me}.pem")))
                        .expect("a certificate");
                let key = PrivateKeyDer::from_pem_file(certificates.file(&format!("{me}-key.pem")))
                    .expect("a key");
                builder
                    .with_client_auth_cert(vec![certificate], key)
                    .expect("a certificate and its key")
            }
        };
        let name = ServerName::try_from(name.to_owned()).expect("a name");
        let mut connection = ClientConnection::new(Arc::new(config), name)
            .expect("a configuration that can be used");
        let mut stream = connect(address);
        while connection.is_handshaking() {
            connection.complete_io(&mut stream).map_err(|error| error.to_string())?;
        }
        Self::over(Box::new(StreamOwned::new(connection, stream)), address, path, &[]).map_err(
            |why| match why {
                NotOpened::Refused(status) => status.to_string(),
                NotOpened::Broken(why) => why,
            },
        )
    }

    fn over(
        stream: Box<dyn Connection>,
        address: SocketAddr,
        path: &str,
        headers: &[(&str, &str)],
    ) -> Result<Self, NotOpened> {
        let mut request =
            format!("ws://{address}{path}").into_client_request().expect("a valid address");
        for (name, value) in headers {
            let name = HeaderName::from_bytes(name.as_bytes()).expect("a valid header name");
            request
                .headers_mut()
                .insert(name, HeaderValue::from_str(value).expect("a valid header value"));
        }
        match tungstenite::client(request, stream) {
            Ok((socket, _)) => Ok(Self { socket }),
            Err(HandshakeError::Failure(Error::Http(response))) => {
                Err(NotOpened::Refused(response.status().as_u16()))
            }
            Err(error) => Err(NotOpened::Broken(error.to_string())),
        }
    }

    /// A stranger at a node's door.
    ///
    /// # Panics
    /// When the door does not open.
    #[track_caller]
    #[must_use]
    pub fn to_node(address: SocketAddr) -> Self {
        Self::open(address, "/cluster", &[])
            .unwrap_or_else(|status| panic!("{address} refuses a WebSocket: {status}"))
    }

    /// Links to a node as the member `name`, which must not be linked to it otherwise.
    ///
    /// # Errors
    /// How the node refused.
    #[track_caller]
    pub fn as_member(address: SocketAddr, name: &str, incarnation: u64) -> Result<Self, Ending> {
        let mut link = Self::to_node(address);
        let welcome = link.introduce(&hello(name, incarnation), DEVELOPMENT_COOKIE)?;
        if welcome.running_elsewhere.is_some() {
            return Err(link.ending());
        }
        Ok(link)
    }

    /// Says this hello and proves to know this cookie, as far as one is let; and believes the node
    /// only if it proves the same.
    ///
    /// # Errors
    /// How the node refused.
    ///
    /// # Panics
    /// When the node does not know the cookie, and says that it does.
    #[track_caller]
    pub fn introduce(&mut self, hello: &[u8], cookie: &str) -> Result<Welcome, Ending> {
        self.send(hello.to_vec());
        let theirs = self.receive()?;
        let (secret, occasion) =
            (Secret::new(shared::well_known::SECRET_DOMAIN, cookie), [hello, &theirs[..]]);
        self.send(secret.prove(Purpose::DIALLING, &occasion).to_vec());
        let welcome = Welcome::decode(&self.receive()?).expect("a node welcomes, or closes");
        assert!(
            secret.is_proved(Purpose::LISTENING, &occasion, &welcome.proof),
            "the node does not know the cookie"
        );
        Ok(welcome)
    }

    /// Sends a message. An error shows when something is received.
    pub fn send(&mut self, message: impl Into<Message>) {
        let _ = self.socket.send(message.into());
    }

    /// Sends a frame to a node.
    pub fn send_frame(&mut self, frame: &Frame) {
        self.send(wire::encode(frame));
    }

    /// The next message with something in it.
    ///
    /// # Errors
    /// How the other end ended the connection.
    ///
    /// # Panics
    /// When nothing comes.
    #[track_caller]
    pub fn receive(&mut self) -> Result<Vec<u8>, Ending> {
        loop {
            match self.socket.read() {
                Ok(Message::Binary(bytes)) => return Ok(bytes.into()),
                Ok(Message::Text(text)) => return Ok(text.as_bytes().to_vec()),
                Ok(Message::Ping(_) | Message::Pong(_) | Message::Frame(_)) => {}
                Ok(Message::Close(Some(close))) => {
                    // Answers the close, so that the other end need not wait for it.
                    let _ = self.socket.flush();
                    return Err(Ending::Closed(close.code.into(), close.reason.to_string()));
                }
                Err(Error::Io(error))
                    if matches!(
                        error.kind(),
                        io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut
                    ) =>
                {
                    panic!("the other end of the WebSocket said nothing for {HANG_TIMEOUT:?}")
                }
                Ok(Message::Close(None)) | Err(_) => return Err(Ending::Gone),
            }
        }
    }

    /// The next frame that `wanted` takes; others are passed over.
    ///
    /// # Errors
    /// How the other end ended the connection.
    ///
    /// # Panics
    /// When nothing comes, or something that is no frame.
    #[track_caller]
    pub fn receive_frame<T>(&mut self, wanted: impl Fn(Frame) -> Option<T>) -> Result<T, Ending> {
        loop {
            let frame = wire::decode(&self.receive()?).expect("a node sends frames");
            if let Some(found) = wanted(frame) {
                return Ok(found);
            }
        }
    }

    /// Reads to the end, and says how it ended.
    ///
    /// # Panics
    /// When it does not end.
    #[track_caller]
    #[must_use]
    pub fn ending(mut self) -> Ending {
        // A live page or link talks all the time: what ends this loop is the other end, or
        // nextest's patience.
        loop {
            if let Err(ending) = self.receive() {
                return ending;
            }
        }
    }

    /// Says goodbye and waits for the answer, so that the other end knows that this link is gone.
    pub fn close(mut self) {
        let _ = self.socket.close(None);
        let _ = self.ending();
    }
}

#[track_caller]
fn connect(address: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect(address)
        .unwrap_or_else(|error| panic!("connecting to {address}: {error}"));
    stream.set_read_timeout(Some(HANG_TIMEOUT)).expect("a timeout above zero");
    stream.set_write_timeout(Some(HANG_TIMEOUT)).expect("a timeout above zero");
    stream
}

/// The hello of a node.
#[must_use]
pub fn hello(name: &str, incarnation: u64) -> Vec<u8> {
    let node = Origin {
        node: name.parse().expect("a valid node name"),
        incarnation: Incarnation(incarnation),
    };
    Hello { node, joined: false, nonce: rand::random() }.encode()
}

/// The incarnation of a life that begins now.
#[must_use]
#[expect(clippy::disallowed_methods, reason = "a node's life is numbered by the real clock")]
pub fn incarnation_now() -> u64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(now.as_millis()).unwrap_or(u64::MAX)
}
