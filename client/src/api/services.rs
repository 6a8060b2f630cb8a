//! The calls of the services, which every node serves.

use serde_json::Value;
use ureq::http::Method;

use api_types::{
    CacheEntry, CacheRequest, CallDone, CallRequest, LimitRequest, LimitVerdict, MapDone,
    MapRequest, Members, Top, TrackRequest,
};

use crate::api::{Answer, Api, body};
use crate::error::Error;
use crate::http::segment;

#[expect(clippy::missing_errors_doc, reason = "all calls fail in the same ways")]
impl Api {
    /// Returns the members of the cluster, as the node sees them.
    pub fn members(&self) -> Result<Answer<Members>, Error> {
        self.get("/members")
    }

    /// Calls a handler.
    pub fn call_handler(
        &self,
        handler: &str,
        request: &CallRequest,
    ) -> Result<Answer<CallDone>, Error> {
        self.post(&format!("/calls/{}", segment(handler)), request)
    }

    /// Calls a handler for each item.
    pub fn map(&self, handler: &str, request: &MapRequest) -> Result<Answer<MapDone>, Error> {
        self.post(&format!("/maps/{}", segment(handler)), request)
    }

    /// Hits a key of a limit. A refused hit is an error, `limited`. If an answer is lost, the hit is sent
    /// again, and may count twice.
    pub fn hit(
        &self,
        limit: &str,
        key: &str,
        quota: LimitRequest,
    ) -> Result<Answer<LimitVerdict>, Error> {
        self.post(&format!("/limits/{}/{}", segment(limit), segment(key)), &quota)
    }

    /// Returns a value of the cache.
    pub fn cached(&self, key: &str) -> Result<Answer<CacheEntry>, Error> {
        self.get(&format!("/cache/{}", segment(key)))
    }

    /// Puts a value into the cache, for this time.
    pub fn cache(
        &self,
        key: &str,
        value: Value,
        ttl_ms: Option<u64>,
    ) -> Result<Answer<CacheEntry>, Error> {
        let path = format!("/cache/{}", segment(key));
        self.call(Method::PUT, &path, Some(&body(&CacheRequest { value, ttl_ms })))
    }

    /// Removes a value from the cache.
    pub fn uncache(&self, key: &str) -> Result<(), Error> {
        self.delete(&format!("/cache/{}", segment(key)))
    }

    /// Counts an event of a stream. If an answer is lost, it is sent again, and may count twice.
    pub fn track(&self, stream: &str, event: &str) -> Result<(), Error> {
        let event = TrackRequest { event: event.to_owned() };
        self.send(&format!("/tracked/{}", segment(stream)), &event)
    }

    /// Returns the most frequent events of a stream.
    pub fn top(&self, stream: &str, count: u64) -> Result<Answer<Top>, Error> {
        self.get(&format!("/tracked/{}?top={count}", segment(stream)))
    }
}
