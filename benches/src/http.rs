//! A keep-alive connection to dispatch, as browsers use.

use std::net::SocketAddr;
use std::time::Duration;

use http_body_util::{BodyExt, Full};
use hyper::body::Bytes;
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper::{Method, Request, StatusCode, header};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::time::Instant;

/// An HTTP/1.1 connection.
pub struct Http {
    sender: SendRequest<Full<Bytes>>,
    host: String,
}

/// A response.
pub struct Reply {
    /// The status code.
    pub status: StatusCode,
    /// The time from the request to the response headers.
    pub first_byte: Duration,
    /// The complete body.
    pub body: Bytes,
}

impl Http {
    /// Connects to `address`.
    ///
    /// # Errors
    /// Returns the error of the connection attempt.
    pub async fn connect(address: SocketAddr) -> Result<Self, String> {
        let stream = TcpStream::connect(address).await.map_err(|error| error.to_string())?;
        stream.set_nodelay(true).map_err(|error| error.to_string())?;
        let (sender, connection) =
            handshake(TokioIo::new(stream)).await.map_err(|error| error.to_string())?;
        // Completes when either side closes the connection.
        tokio::spawn(connection);
        Ok(Self { sender, host: address.to_string() })
    }

    /// Sends a GET request with this `Accept-Encoding`.
    ///
    /// # Errors
    /// Returns the error if there is no response.
    pub async fn get(&mut self, path: &str, encoding: &str) -> Result<Reply, String> {
        self.request(Method::GET, path, encoding, String::new()).await
    }

    /// Assigns a hero to a place.
    ///
    /// # Errors
    /// Returns the body of any response other than 200, or the error if there is no response.
    pub async fn assign(&mut self, hero: &str, place: &str) -> Result<(), String> {
        let path = format!("/api/v1/heroes/{hero}/location");
        let reply = self
            .request(Method::PUT, &path, "identity", format!(r#"{{"location":"{place}"}}"#))
            .await?;
        if reply.status == StatusCode::OK {
            Ok(())
        } else {
            Err(String::from_utf8_lossy(&reply.body).into_owned())
        }
    }

    async fn request(
        &mut self,
        method: Method,
        path: &str,
        encoding: &str,
        body: String,
    ) -> Result<Reply, String> {
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header(header::HOST, &self.host)
            .header(header::ACCEPT_ENCODING, encoding)
            .header(header::CONTENT_TYPE, "application/json")
            .body(Full::new(Bytes::from(body)))
            .map_err(|error| error.to_string())?;
        let sent_at = Instant::now();
        self.sender.ready().await.map_err(|error| error.to_string())?;
        let reply = self.sender.send_request(request).await.map_err(|error| error.to_string())?;
        let (status, first_byte) = (reply.status(), sent_at.elapsed());
        let body = reply.into_body().collect().await.map_err(|error| error.to_string())?.to_bytes();
        Ok(Reply { status, first_byte, body })
    }
}
