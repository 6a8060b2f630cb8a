//! The static files, and their validation by browsers and caches.

use super::{Site, open_policy};

const PATH: &str = "/static/style.css";

#[tokio::test]
async fn known_file_is_not_sent_again() {
    let site = Site::new(open_policy());
    let tag = site.request("GET", PATH, &[], "").await.header("etag").unwrap().to_owned();
    let opaque = tag.trim_start_matches("W/").trim_matches('"').to_owned();
    for known in [
        tag.clone(),
        format!("\"{opaque}\""),
        format!("W/\"{opaque}\""),
        format!("\"other\", W/\"{opaque}\""),
        format!("\"a,b\" ,\"{opaque}\""),
        format!("\"{opaque}-gzip\""),
        format!("W/\"{opaque}-gzip\""),
        format!("\"{opaque}--gzip\""),
        format!("\"{opaque}-br\""),
        "*".into(),
    ] {
        for method in ["GET", "HEAD"] {
            let answer = site.request(method, PATH, &[("if-none-match", &known)], "").await;
            assert_eq!(answer.status, 304, "{known}: {answer:?}");
            assert!(answer.body.is_empty());
            assert_eq!(answer.header("etag"), Some(tag.as_str()));
            assert_eq!(answer.header("cache-control"), Some("no-cache"));
        }
    }
    let lines = [("if-none-match", "\"other\""), ("if-none-match", tag.as_str())];
    assert_eq!(site.request("GET", PATH, &lines, "").await.status, 304, "two header lines");
    for other in ["\"other\"", "W/\"other\"", "\"\"", "", opaque.as_str(), "\"-gzip\"", "garbage"] {
        let answer = site.request("GET", PATH, &[("if-none-match", other)], "").await;
        assert_eq!(answer.status, 200, "{other}: {answer:?}");
    }
}

#[tokio::test]
async fn compressed_and_plain_files_have_the_same_weak_tag() {
    let site = Site::new(open_policy());
    let plain = site.request("GET", PATH, &[], "").await;
    let packed = site.request("GET", PATH, &[("accept-encoding", "gzip")], "").await;
    assert_eq!(packed.header("content-encoding"), Some("gzip"));
    assert!(plain.header("etag").unwrap().starts_with("W/\""), "{:?}", plain.headers);
    assert_eq!(plain.header("etag"), packed.header("etag"));
}
