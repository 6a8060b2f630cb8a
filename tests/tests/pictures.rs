//! The screenshots of the documentation: a cluster is brought into the states worth showing, and a
//! screenshot of each is written to `docs/pictures`. Ignored by default, because it writes files;
//! `make pictures` runs it.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::fs;
use std::io::Cursor;
use std::path::Path;
use std::time::Duration;

use cluster_tests::{
    Browser, CITIES, Cluster, Heroes, Options, ensure, open_page, wait_settled, wait_until,
    wait_verdict,
};
use serde_json::json;

/// A desktop and a phone.
const WIDE: u32 = 1440;
const NARROW: u32 = 390;
/// The maximum height; the rest of a longer page is cut off.
const HEIGHT_MAX: u32 = 2100;
/// Screenshots stay in the repository's history forever.
const BYTES_MAX: usize = 250_000;

/// Equal in each run, so that screenshots differ only where the page does. Ids, ages and stamps
/// differ nevertheless, because they depend on time.
const HEROES: [(&str, &str); 12] = [
    ("Silver Kestrel", "gotham"),
    ("Granite", "metropolis"),
    ("Night Heron", "capitol"),
    ("Captain Quartz", "gotham"),
    ("The Lamplighter", "home"),
    ("Copper Wren", "metropolis"),
    ("Doctor Tide", "capitol"),
    ("Iron Marigold", "gotham"),
    ("Paper Tiger", "home"),
    ("Blue Meridian", "metropolis"),
    ("Miss Thistle", "capitol"),
    ("The Cartographer", "gotham"),
];

struct Screenshots<'a>(&'a Browser);

impl Screenshots<'_> {
    fn take(&self, name: &str, theme: &str, width: u32) {
        let Self(browser) = self;
        browser.emulate_media(&[
            ("prefers-color-scheme", theme),
            ("prefers-reduced-motion", "reduce"),
        ]);
        browser.resize(width, HEIGHT_MAX / 2);
        let height = browser
            .evaluate("return document.documentElement.scrollHeight")
            .as_u64()
            .expect("a page has a height");
        browser
            .resize(width, HEIGHT_MAX.min(u32::try_from(height).expect("a page is not that high")));
        wait_settled(browser);
        let screenshot = reduce_to_palette(&screenshot_of_painted_page(browser));
        assert!(screenshot.len() <= BYTES_MAX, "{name} has {} bytes", screenshot.len());
        let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/pictures");
        fs::create_dir_all(&directory).expect("docs can be written to");
        fs::write(directory.join(format!("{name}.png")), &screenshot)
            .expect("docs can be written to");
        println!("docs/pictures/{name}.png: {} kB", screenshot.len() / 1000);
    }
}

/// Returns a screenshot of the painted page: two consecutive ones that are equal. After a resize
/// parts may be blank for a moment.
fn screenshot_of_painted_page(browser: &Browser) -> Vec<u8> {
    let mut last = browser.screenshot();
    wait_until("the page is painted", Duration::from_secs(15), || {
        let before = std::mem::replace(&mut last, browser.screenshot());
        ensure(before == last, || "the page is changing".to_owned()).map(|()| before)
    })
}

/// Reduces a screenshot to 256 colours: the most frequent ones, and for the others, which occur at
/// the edges of letters, the nearest of them.
fn reduce_to_palette(screenshot: &[u8]) -> Vec<u8> {
    let mut decoder = png::Decoder::new(Cursor::new(screenshot)).read_info().expect("a PNG");
    let mut pixels =
        vec![0; decoder.output_buffer_size().expect("a picture that fits into memory")];
    let info = decoder.next_frame(&mut pixels).expect("a PNG");
    assert_eq!(
        (info.color_type, info.bit_depth),
        (png::ColorType::Rgb, png::BitDepth::Eight),
        "Chromium encodes 8-bit RGB"
    );
    let (pixels, _) = pixels.as_chunks::<3>();

    let mut counts: BTreeMap<[u8; 3], u32> = BTreeMap::new();
    for pixel in pixels {
        *counts.entry(*pixel).or_default() += 1;
    }
    let mut palette: Vec<[u8; 3]> = counts.keys().copied().collect();
    palette.sort_by_key(|colour| Reverse(counts[colour]));
    palette.truncate(256);
    let distance = |a: [u8; 3], b: [u8; 3]| {
        a.into_iter().zip(b).map(|(a, b)| u32::from(a.abs_diff(b)).pow(2)).sum::<u32>()
    };
    let nearest = |colour: [u8; 3]| {
        (0..=u8::MAX)
            .zip(&palette)
            .min_by_key(|(_, other)| distance(colour, **other))
            .map(|(index, _)| index)
    };
    let indices: BTreeMap<[u8; 3], u8> = counts
        .keys()
        .map(|colour| (*colour, nearest(*colour).expect("a picture has a colour")))
        .collect();
    let indices: Vec<u8> = pixels.iter().map(|pixel| indices[pixel]).collect();

    let mut reduced = Vec::new();
    let mut encoder = png::Encoder::new(&mut reduced, info.width, info.height);
    encoder.set_color(png::ColorType::Indexed);
    encoder.set_palette(palette.concat());
    encoder.set_filter(png::Filter::NoFilter);
    encoder.set_compression(png::Compression::High);
    let mut writer = encoder.write_header().expect("memory can be written to");
    writer.write_image_data(&indices).expect("memory can be written to");
    writer.finish().expect("memory can be written to");
    reduced
}

#[test]
#[ignore = "writes the pictures of the documentation"]
fn screenshots_of_the_page() {
    let mut cluster = Cluster::start(Options::default());
    let mut heroes = Heroes::default();
    let ids = HEROES.map(|(name, place)| {
        let id = cluster.api.create_named(name).id;
        heroes.created([id.clone()]);
        let _ = cluster.api.assign(&id, place).expect(200);
        heroes.assigned(&id, place);
        id
    });
    cluster.wait_until_held(&heroes, &CITIES);
    let browser = open_page(&cluster);
    let screenshots = Screenshots(&browser);
    wait_verdict(&cluster, &browser, "agreement", |verdict| verdict["converged"] == true);
    screenshots.take("agreed", "light", WIDE);

    cluster
        .api
        .inject(&json!({ "kind": "cut", "from": "capitol", "to": "*", "heal_after_s": 600 }));
    for id in [&ids[0], &ids[2], &ids[4]] {
        let _ = cluster.api.assign(id, "metropolis").expect(200);
        heroes.assigned(id, "metropolis");
    }
    // One of them is also written on the other side of the cut, and inspected.
    let _ = cluster.api.assign(&ids[0], "capitol").expect(200);
    wait_verdict(&cluster, &browser, "three differences", |verdict| verdict["differences"] == 3);
    browser.open(&format!("{}?hero={}", cluster.api.url(), ids[0]));
    browser.wait_text("#contact", "Live", |text| text == "Live");
    browser.wait_text("#inspector", "the winning write", |text| text.contains("will win"));
    screenshots.take("behind", "light", WIDE);
    screenshots.take("dark", "dark", WIDE);
    screenshots.take("narrow", "light", NARROW);
    cluster.api.heal_all();
    heroes.assigned(&ids[0], "capitol");
    cluster.wait_until_held(&heroes, &CITIES);
    browser.open(&cluster.api.url());
    browser.wait_text("#contact", "Live", |text| text == "Live");

    cluster.api.post("/api/v1/gossip/pause", &json!({})).expect(200);
    cluster.bomb("gotham");
    wait_verdict(&cluster, &browser, "the loss of one city's heroes", |verdict| {
        verdict["differences"] == HEROES.len()
    });
    screenshots.take("recovering", "light", WIDE);
    cluster.api.post("/api/v1/gossip/resume", &json!({})).expect(200);
    cluster.wait_until_held(&heroes, &CITIES);
    wait_verdict(&cluster, &browser, "agreement", |verdict| verdict["converged"] == true);

    browser.wait_text("#notices", "no notices", str::is_empty);

    cluster.kill9("dispatch");
    browser.wait_text("#contact", "Lost contact", |text| text == "Lost contact");
    screenshots.take("stale", "light", WIDE);
}

#[test]
fn palette_keeps_frequent_colours_and_approximates_the_others() {
    // A row of each of 250 greys, with one pixel of a slightly different colour in each.
    let grey = |row: u8| [row; 3];
    let slightly_off = |row: u8| [row, row, row ^ 1];
    let pixels: Vec<[u8; 3]> = (0..250)
        .flat_map(|row| {
            (0..250).map(move |column| if row == column { slightly_off(row) } else { grey(row) })
        })
        .collect();
    let mut screenshot = Vec::new();
    let mut encoder = png::Encoder::new(&mut screenshot, 250, 250);
    encoder.set_color(png::ColorType::Rgb);
    encoder
        .write_header()
        .and_then(|mut writer| writer.write_image_data(&pixels.concat()))
        .expect("memory can be written to");

    let reduced = reduce_to_palette(&screenshot);
    let mut decoder = png::Decoder::new(Cursor::new(&reduced));
    decoder.set_transformations(png::Transformations::EXPAND);
    let mut reader = decoder.read_info().expect("a PNG");
    let mut decoded = vec![0; reader.output_buffer_size().expect("a small picture")];
    reader.next_frame(&mut decoded).expect("a PNG");
    let (decoded, _) = decoded.as_chunks::<3>();
    for (before, after) in pixels.iter().zip(decoded) {
        let may_differ = u8::from(before[1] != before[2]);
        assert!(
            before.iter().zip(after).all(|(before, after)| before.abs_diff(*after) <= may_differ),
            "{before:?} became {after:?}"
        );
    }
}
