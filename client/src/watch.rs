//! `superhero watch`: changes of the cluster, from dispatch's live socket.

use std::collections::BTreeMap;
use std::io;

use serde::Deserialize;
use tungstenite::client::IntoClientRequest as _;
use tungstenite::error::Error as SocketError;
use tungstenite::protocol::WebSocketConfig;
use tungstenite::{HandshakeError, Message, WebSocket};

use api_types::{Event, Fault, Gossip, Verdict};
use superhero::{Api, Connection, Error, Opened, REQUEST_TIMEOUT};

use crate::output::{Failure, Output, at};

/// The largest frame that is read.
const FRAME_BYTES_MAX: usize = 16 << 20;

/// A frame of the live socket. Unknown kinds are ignored, since a newer dispatch may send more.
#[derive(Deserialize)]
struct Frame {
    t: String,
    verdict: Option<Verdict>,
    #[serde(default)]
    faults: Option<Vec<Fault>>,
    gossip: Option<Gossip>,
    #[serde(default)]
    events: Vec<Event>,
}

/// Prints a line for each change, or with `json` the frames as received, until the socket or the
/// pipe closes.
pub(crate) fn watch(api: &Api, out: Output, json: bool) -> Result<(), Failure> {
    let mut socket = open(api)?;
    let mut printed = Printed::default();
    loop {
        let lost = |why: String| Failure::from(Error::NoAnswer { url: api.url().to_owned(), why });
        match socket.read() {
            Ok(Message::Text(text)) if json => out.line(&text)?,
            Ok(Message::Text(text)) => {
                let frame: Frame = serde_json::from_str(&text).map_err(|error| {
                    Failure::from(Error::NotDispatch {
                        url: api.url().to_owned(),
                        why: error.to_string(),
                    })
                })?;
                for line in printed.changes(frame) {
                    out.line(&line)?;
                }
            }
            Ok(Message::Binary(_) | Message::Ping(_) | Message::Pong(_) | Message::Frame(_)) => {}
            Ok(Message::Close(why)) => {
                return Err(lost(
                    why.map_or_else(|| "connection closed".into(), |why| why.reason.to_string()),
                ));
            }
            Err(SocketError::Io(error))
                if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut) =>
            {
                return Err(lost(format!("no frame for {} s", REQUEST_TIMEOUT.as_secs())));
            }
            Err(error) => return Err(lost(error.to_string())),
        }
    }
}

fn open(api: &Api) -> Result<WebSocket<Box<dyn Connection>>, Failure> {
    let no_answer = |why: String| Failure::from(Error::NoAnswer { url: api.url().to_owned(), why });
    let Opened { connection, headers } = api.connect().map_err(Failure::from)?;
    let url = format!("ws://{}/live?as=data", api.authority());
    let mut request = url.into_client_request().map_err(|error| no_answer(error.to_string()))?;
    for (name, value) in headers {
        request
            .headers_mut()
            .insert(name, value.parse().map_err(|_| no_answer("invalid token".into()))?);
    }
    let config = WebSocketConfig::default()
        .max_message_size(Some(FRAME_BYTES_MAX))
        .max_frame_size(Some(FRAME_BYTES_MAX));
    match tungstenite::client::client_with_config(request, connection, Some(config)) {
        Ok((socket, _)) => Ok(socket),
        Err(HandshakeError::Failure(SocketError::Http(refusal))) => {
            Err(Failure::No(format!("dispatch refused the live socket: {}", refusal.status())))
        }
        Err(error) => Err(no_answer(error.to_string())),
    }
}

/// The state as last printed.
#[derive(Default)]
struct Printed {
    sentence: String,
    lost_writes: Option<u64>,
    faults: BTreeMap<String, String>,
    gossip: Option<Gossip>,
}

impl Printed {
    /// Returns a line for each change in this frame.
    fn changes(&mut self, frame: Frame) -> Vec<String> {
        let mut lines = Vec::new();
        if frame.t != "data" {
            return lines;
        }
        // A frame contains only the events since the previous frame, so all of them are new.
        lines.extend(
            frame
                .events
                .iter()
                .map(|event| format!("{}  {}: {}", at(event.at_ms), event.kind, event.text)),
        );
        if let Some(faults) = frame.faults {
            let faults: BTreeMap<String, String> =
                faults.iter().map(|fault| (fault.id.clone(), described(fault))).collect();
            lines.extend(
                faults
                    .iter()
                    .filter(|(id, _)| !self.faults.contains_key(*id))
                    .map(|(id, fault)| format!("fault {id}: {fault}")),
            );
            lines.extend(
                self.faults
                    .keys()
                    .filter(|id| !faults.contains_key(*id))
                    .map(|id| format!("fault {id} is healed")),
            );
            self.faults = faults;
        }
        if let Some(gossip) = frame.gossip.filter(|gossip| self.gossip.as_ref() != Some(gossip)) {
            let state = if gossip.paused { "paused" } else { "running" };
            lines.push(format!("gossip is {state}, rate {} %", gossip.percent));
            self.gossip = Some(gossip);
        }
        if let Some(verdict) = frame.verdict {
            if verdict.sentence != self.sentence {
                lines.push(verdict.sentence.clone());
                self.sentence = verdict.sentence;
            }
            if self.lost_writes.is_some_and(|lost| lost != verdict.lost_writes) {
                lines.push(format!("lost writes: {}", verdict.lost_writes));
            }
            self.lost_writes = Some(verdict.lost_writes);
        }
        lines
    }
}

fn described(fault: &Fault) -> String {
    let to = fault.to.as_ref().map_or_else(String::new, |to| {
        format!(" {} {to}", if fault.both == Some(true) { "<->" } else { "->" })
    });
    format!("{} {}{to}", fault.kind, fault.from)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn frame(value: Value) -> Frame {
        serde_json::from_value(value).expect("a frame")
    }

    #[test]
    fn each_change_is_one_line() {
        let mut printed = Printed::default();
        let verdict = |sentence: &str, lost: u64| {
            json!({
                "converged": true, "sentence": sentence, "differences": 0, "only_copies": 0,
                "lost_writes": lost, "oldest_difference_ms": null,
            })
        };
        let event = json!({
            "number": 7, "at_ms": 1_790_000_000_123_u64, "node": "gotham", "kind": "destroyed",
            "text": "boom", "hero": "?",
        });
        let cut = json!({ "id": "3", "kind": "cut", "from": "gotham", "to": "*", "both": true });
        let gossip = json!({ "paused": false, "percent": 100 });
        let unchanged = |events: Value| {
            json!({
                "t": "data", "verdict": verdict("All agree.", 1), "faults": [cut],
                "gossip": gossip, "events": events,
            })
        };
        assert_eq!(
            printed.changes(frame(unchanged(json!([event])))),
            [
                "2026-09-21T14:13:20.123Z  destroyed: boom",
                "fault 3: cut gotham <-> *",
                "gossip is running, rate 100 %",
                "All agree."
            ]
        );
        assert_eq!(printed.changes(frame(unchanged(json!([])))), [""; 0]);
        assert_eq!(printed.changes(frame(json!({ "t": "k" }))), [""; 0]);
        let later = json!({
            "t": "data", "verdict": verdict("All agree.", 2), "faults": [],
            "gossip": { "paused": true, "percent": 100 }, "events": [],
        });
        assert_eq!(
            printed.changes(frame(later)),
            ["fault 3 is healed", "gossip is paused, rate 100 %", "lost writes: 2"]
        );
    }
}
