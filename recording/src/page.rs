//! The page of the player: linked to the files of a server, or as one file that contains a recording.

use data_encoding::BASE64;

/// The modules of the player, each after those that it imports.
const SCRIPTS: [(&str, &str); 6] = [
    ("recording.js", include_str!("../../static/replay/recording.js")),
    ("handover.js", include_str!("../../static/replay/handover.js")),
    ("past.js", include_str!("../../static/replay/past.js")),
    ("pictures.js", include_str!("../../static/replay/pictures.js")),
    ("rows.js", include_str!("../../static/replay/rows.js")),
    ("strip.js", include_str!("../../static/replay/strip.js")),
];
const PLAYER: (&str, &str) = ("player.js", include_str!("../../static/replay/player.js"));
const STYLES: [(&str, &str); 3] = [
    ("style.css", include_str!("../../static/style.css")),
    ("pictures.css", include_str!("../../static/pictures.css")),
    ("replay/replay.css", include_str!("../../static/replay/replay.css")),
];
const PAGE: &str = include_str!("page.html");

/// Returns the page as a server shows it: with the files below `/static/`, and the recording at the
/// address `source`, with this name.
#[must_use]
pub fn linked(source: &str, name: &str) -> String {
    let styles =
        STYLES.map(|(file, _)| format!("<link rel=\"stylesheet\" href=\"/static/{file}\">"));
    let icon = "<link rel=\"icon\" href=\"/static/favicon.svg\" type=\"image/svg+xml\">".to_owned();
    let early = "<script src=\"/static/early.js\"></script>".to_owned();
    let preloads = SCRIPTS
        .map(|(file, _)| format!("<link rel=\"modulepreload\" href=\"/static/replay/{file}\">"));
    let head = [icon, styles.join("\n"), early, preloads.join("\n")].join("\n");
    let links = format!(
        "<a class=\"button\" href=\"{source}\" download>Save this recording</a> \
         <a class=\"button\" href=\"/\">Live page</a>"
    );
    let script = format!("<script src=\"/static/replay/{}\" type=\"module\"></script>", PLAYER.0);
    let source = format!(" data-source=\"{source}\" data-name=\"{name}\"");
    filled([&head, &source, &links, "", &script])
}

/// Returns the page as one file that contains this recording, which `name` names, and needs no server.
#[must_use]
pub fn whole(name: &str, file: &[u8]) -> String {
    // The address of a font would lead nowhere; the fonts of the system replace them.
    let styles = STYLES.map(|(_, text)| {
        let lines = text.lines().filter(|line| !line.starts_with("@font-face"));
        format!("<style>\n{}\n</style>", lines.collect::<Vec<_>>().join("\n"))
    });
    let scripts: Vec<String> =
        SCRIPTS.iter().chain([&PLAYER]).map(|(_, text)| alone(text)).collect();
    let script = format!("<script type=\"module\">\n{}</script>", scripts.concat());
    let recording = format!(
        "<script type=\"text/plain\" id=\"recording\" data-name=\"{}\">{}</script>",
        escaped(name),
        BASE64.encode(file)
    );
    filled([&styles.join("\n"), "", "", &recording, &script])
}

/// Returns the page with its variable parts, in the order of the document.
fn filled([head, source, links, recording, script]: [&str; 5]) -> String {
    let parts = [
        ("<!--styles-->", head),
        ("<!--source-->", source),
        ("<!--links-->", links),
        ("<!--recording-->", recording),
        ("<!--scripts-->", script),
    ];
    let mut page = String::new();
    let mut rest = PAGE;
    for (place, part) in parts {
        let (before, after) = rest.split_once(place).expect("the page has a place for each part");
        page.push_str(before);
        page.push_str(part);
        rest = after;
    }
    page + rest
}

/// Returns a module as a part of one script: without imports and exports, since all share a scope.
fn alone(module: &str) -> String {
    let lines = module.lines().filter(|line| !line.starts_with("import "));
    lines.map(|line| line.strip_prefix("export ").unwrap_or(line).to_owned() + "\n").collect()
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn page_in_one_file_refers_to_no_other() {
        let page = whole("a \"name\" <b>.replay.gz", b"content");
        assert!(page.contains("data-name=\"a &quot;name&quot; &lt;b>.replay.gz\">Y29udGVudA==<"));
        for reference in ["src=", "url(fonts", "/static/", "\nimport ", "\nexport "] {
            assert!(!page.contains(reference), "{reference}");
        }
    }

    #[test]
    fn linked_page_refers_to_every_file_of_the_player() {
        let page = linked("/api/v1/recording", "This cluster");
        for (file, _) in SCRIPTS.iter().chain([&PLAYER]) {
            assert!(page.contains(&format!("/static/replay/{file}\"")), "{file}");
        }
        assert!(!page.contains("<!--"), "each part has its place");
    }

    #[test]
    fn modules_share_a_scope_without_a_name_twice() {
        let mut names: Vec<&str> = Vec::new();
        for (_, text) in SCRIPTS.iter().chain([&PLAYER]) {
            for line in text.lines() {
                let line = line.strip_prefix("export ").unwrap_or(line);
                let line = line.strip_prefix("async ").unwrap_or(line);
                let kinds = ["const ", "let ", "function ", "class "];
                let named = kinds.iter().find_map(|kind| line.strip_prefix(kind));
                let end = |text: &'static str| {
                    text.find(|it: char| !it.is_alphanumeric() && it != '_').unwrap_or(text.len())
                };
                names.extend(named.map(|text| &text[..end(text)]).filter(|name| !name.is_empty()));
            }
        }
        let count = names.len();
        names.sort_unstable();
        names.dedup();
        assert_eq!((names.len(), count > 30), (count, true), "{names:?}");
    }
}
