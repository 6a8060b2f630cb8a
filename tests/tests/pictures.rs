//! The pictures of the documentation: a cluster of its own is brought into the states worth seeing,
//! and what a real browser shows of each is written into `docs/pictures`. Ignored among the tests,
//! because it writes; `make pictures` runs it.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::fs;
use std::io::Cursor;
use std::path::Path;
use std::time::Duration;

use cluster_tests::{
    Browser, CITIES, Cluster, Heroes, Options, ensure, page_of, settled, wait_until, wait_verdict,
};
use serde_json::json;

/// A desk, and a telephone.
const WIDE: u32 = 1440;
const NARROW: u32 = 390;
/// No higher than this, however much there is below.
const HEIGHT_MAX: u32 = 2100;
/// Pictures stay in the history of the repository for ever.
const BYTES_MAX: usize = 250_000;

/// The same in each run, so that pictures differ where the page does. What differs all the same is
/// what only time gives: ids, ages, stamps.
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

struct Album<'a>(&'a Browser);

impl Album<'_> {
    fn take(&self, name: &str, theme: &str, width: u32) {
        let Self(browser) = self;
        browser.wish(&[("prefers-color-scheme", theme), ("prefers-reduced-motion", "reduce")]);
        browser.resize(width, HEIGHT_MAX / 2);
        let height = browser
            .evaluate("return document.documentElement.scrollHeight")
            .as_u64()
            .expect("a page has a height");
        browser
            .resize(width, HEIGHT_MAX.min(u32::try_from(height).expect("a page is not that high")));
        settled(browser);
        let picture = with_palette(&painted(browser));
        assert!(picture.len() <= BYTES_MAX, "{name} has {} bytes", picture.len());
        let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/pictures");
        fs::create_dir_all(&directory).expect("docs can be written to");
        fs::write(directory.join(format!("{name}.png")), &picture).expect("docs can be written to");
        println!("docs/pictures/{name}.png: {} kB", picture.len() / 1000);
    }
}

/// What the window shows once it has painted all of it: twice the same. After a change of size
/// parts may be blank for a moment.
fn painted(browser: &Browser) -> Vec<u8> {
    let mut last = browser.picture();
    wait_until("the page is painted", Duration::from_secs(15), || {
        let before = std::mem::replace(&mut last, browser.picture());
        ensure(before == last, || "it changes".to_owned()).map(|()| before)
    })
}

/// The same picture with 256 colours: those that most of it has, and for the others, which are
/// edges of letters, the nearest of them.
fn with_palette(picture: &[u8]) -> Vec<u8> {
    let mut decoder = png::Decoder::new(Cursor::new(picture)).read_info().expect("a PNG");
    let mut pixels =
        vec![0; decoder.output_buffer_size().expect("a picture that fits into memory")];
    let info = decoder.next_frame(&mut pixels).expect("a PNG");
    assert_eq!(
        (info.color_type, info.bit_depth),
        (png::ColorType::Rgb, png::BitDepth::Eight),
        "what Chromium sends"
    );
    let (pixels, _) = pixels.as_chunks::<3>();

    let mut counts: BTreeMap<[u8; 3], u32> = BTreeMap::new();
    for pixel in pixels {
        *counts.entry(*pixel).or_default() += 1;
    }
    let mut palette: Vec<[u8; 3]> = counts.keys().copied().collect();
    palette.sort_by_key(|colour| Reverse(counts[colour]));
    palette.truncate(256);
    let apart = |a: [u8; 3], b: [u8; 3]| {
        a.into_iter().zip(b).map(|(a, b)| u32::from(a.abs_diff(b)).pow(2)).sum::<u32>()
    };
    let nearest = |colour: [u8; 3]| {
        (0..=u8::MAX)
            .zip(&palette)
            .min_by_key(|(_, other)| apart(colour, **other))
            .map(|(index, _)| index)
    };
    let places: BTreeMap<[u8; 3], u8> = counts
        .keys()
        .map(|colour| (*colour, nearest(*colour).expect("a picture has a colour")))
        .collect();
    let places: Vec<u8> = pixels.iter().map(|pixel| places[pixel]).collect();

    let mut small = Vec::new();
    let mut encoder = png::Encoder::new(&mut small, info.width, info.height);
    encoder.set_color(png::ColorType::Indexed);
    encoder.set_palette(palette.concat());
    encoder.set_filter(png::Filter::NoFilter);
    encoder.set_compression(png::Compression::High);
    let mut writer = encoder.write_header().expect("memory can be written to");
    writer.write_image_data(&places).expect("memory can be written to");
    writer.finish().expect("memory can be written to");
    small
}

#[test]
#[ignore = "writes the pictures of the documentation"]
fn pictures_of_the_page() {
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
    let browser = page_of(&cluster);
    let album = Album(&browser);
    wait_verdict(&cluster, &browser, "agreement", |verdict| verdict["converged"] == true);
    album.take("agreed", "light", WIDE);

    cluster
        .api
        .inject(&json!({ "kind": "cut", "from": "capitol", "to": "*", "heal_after_s": 600 }));
    for id in [&ids[0], &ids[2], &ids[4]] {
        let _ = cluster.api.assign(id, "metropolis").expect(200);
        heroes.assigned(id, "metropolis");
    }
    // One of them on the other side too, and looked at closely.
    let _ = cluster.api.assign(&ids[0], "capitol").expect(200);
    wait_verdict(&cluster, &browser, "three differences", |verdict| verdict["differences"] == 3);
    browser.open(&format!("{}?hero={}", cluster.api.url(), ids[0]));
    browser.wait_text("#contact", "Live", |text| text == "Live");
    browser.wait_text("#inspector", "which write wins", |text| text.contains("will win"));
    album.take("behind", "light", WIDE);
    album.take("dark", "dark", WIDE);
    album.take("narrow", "light", NARROW);
    cluster.api.heal_all();
    heroes.assigned(&ids[0], "capitol");
    cluster.wait_until_held(&heroes, &CITIES);
    browser.open(&cluster.api.url());
    browser.wait_text("#contact", "Live", |text| text == "Live");

    cluster.api.post("/api/v1/gossip/pause", &json!({})).expect(200);
    cluster.bomb("gotham");
    wait_verdict(&cluster, &browser, "that a city has lost all", |verdict| {
        verdict["differences"] == HEROES.len()
    });
    album.take("recovering", "light", WIDE);
    cluster.api.post("/api/v1/gossip/resume", &json!({})).expect(200);
    cluster.wait_until_held(&heroes, &CITIES);
    wait_verdict(&cluster, &browser, "agreement", |verdict| verdict["converged"] == true);

    browser.wait_text("#notices", "nothing any more", str::is_empty);

    cluster.kill9("dispatch");
    browser.wait_text("#contact", "Lost contact", |text| text == "Lost contact");
    album.take("stale", "light", WIDE);
}

#[test]
fn a_palette_keeps_the_colours_of_most_of_a_picture_and_comes_near_the_others() {
    // A row of each of 250 greys, and in each row one pixel that is not quite so.
    let grey = |row: u8| [row; 3];
    let off = |row: u8| [row, row, row ^ 1];
    let pixels: Vec<[u8; 3]> = (0..250)
        .flat_map(|row| {
            (0..250).map(move |column| if row == column { off(row) } else { grey(row) })
        })
        .collect();
    let mut picture = Vec::new();
    let mut encoder = png::Encoder::new(&mut picture, 250, 250);
    encoder.set_color(png::ColorType::Rgb);
    encoder
        .write_header()
        .and_then(|mut writer| writer.write_image_data(&pixels.concat()))
        .expect("memory can be written to");

    let small = with_palette(&picture);
    let mut decoder = png::Decoder::new(Cursor::new(&small));
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
