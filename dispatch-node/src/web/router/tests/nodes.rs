//! The list of nodes.

use serde_json::json;

use super::{Site, open_policy};

#[tokio::test]
async fn node_has_the_address_that_dispatch_is_configured_with() {
    let site = Site::new(open_policy());
    let cluster = site.request("GET", "/api/v1/cluster", &[], "").await.json();
    let nodes = cluster["nodes"].as_array().expect("a list").iter();
    let addresses: Vec<_> = nodes.map(|node| json!([node["name"], node["address"]])).collect();
    assert_eq!(
        addresses,
        [
            json!(["gotham", "127.0.0.1:4901"]),
            json!(["metropolis", null]),
            json!(["capitol", null]),
            json!(["dispatch", null])
        ]
    );
}
