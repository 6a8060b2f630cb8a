//! The film of the documentation: a bomb and the recovery, at a tenth of the speed, as an animated PNG.
//! Ignored by default, because it writes a file; `make film` runs it.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::fs;
use std::io::Cursor;
use std::path::Path;

use cluster_tests::{
    Browser, CITIES, Cluster, HANG_TIMEOUT, Heroes, Options, ensure, wait_settled, wait_until,
};
use recording::Recording;
use serde_json::json;

const WIDTH: u32 = 1024;
const HEIGHT: u32 = 620;
const FRAMES: u32 = 180;
const FRAMES_PER_S: u16 = 6;
/// A tenth of the speed: the time between two frames, in milliseconds of the recording.
const STEP_MS: f64 = 100.0 / FRAMES_PER_S as f64;
/// The delay of each frame to and from the bombed city.
const DELAY_MS: u32 = 150;
/// The time before the bomb at which the film begins.
const LEAD_MS: f64 = 500.0;
const BYTES_MAX: usize = 2_000_000;
/// The index of the palette that leaves a pixel as it was.
const UNCHANGED: u8 = 255;

/// A frame as it is: 8-bit RGB.
type Pixels = Vec<[u8; 3]>;

fn pixels(screenshot: &[u8]) -> Pixels {
    let mut decoder = png::Decoder::new(Cursor::new(screenshot)).read_info().expect("a PNG");
    let mut bytes = vec![0; decoder.output_buffer_size().expect("it fits into memory")];
    let info = decoder.next_frame(&mut bytes).expect("a PNG");
    assert_eq!((info.width, info.height), (WIDTH, HEIGHT));
    assert_eq!(info.color_type, png::ColorType::Rgb, "Chromium encodes 8-bit RGB");
    bytes.as_chunks::<3>().0.to_vec()
}

/// The most frequent colours of these frames, without the last index.
fn palette(frames: &[Pixels]) -> Vec<[u8; 3]> {
    let mut counts: BTreeMap<[u8; 3], u32> = BTreeMap::new();
    for pixel in frames.iter().flatten() {
        *counts.entry(*pixel).or_default() += 1;
    }
    let mut colours: Vec<[u8; 3]> = counts.keys().copied().collect();
    colours.sort_by_key(|colour| Reverse(counts[colour]));
    colours.truncate(usize::from(UNCHANGED));
    colours
}

/// The indices of the nearest colours.
struct Indexer {
    palette: Vec<[u8; 3]>,
    known: BTreeMap<[u8; 3], u8>,
}

impl Indexer {
    fn index(&mut self, colour: [u8; 3]) -> u8 {
        let palette = &self.palette;
        *self.known.entry(colour).or_insert_with(|| {
            let distance = |other: &[u8; 3]| -> u32 {
                other.iter().zip(colour).map(|(a, b)| u32::from(a.abs_diff(b)).pow(2)).sum()
            };
            (0..UNCHANGED)
                .zip(palette)
                .min_by_key(|(_, other)| distance(other))
                .map(|(index, _)| index)
                .expect("a film has a colour")
        })
    }
}

/// The smallest rectangle that contains every change: left, top, width, height. One pixel if there is
/// none, since a frame cannot be empty.
fn changed(before: &[u8], after: &[u8]) -> [u32; 4] {
    let width = WIDTH as usize;
    let differing = (0..after.len()).filter(|index| before[*index] != after[*index]);
    let (mut left, mut top, mut right, mut bottom) = (width, after.len() / width, 0, 0);
    for index in differing {
        let (x, y) = (index % width, index / width);
        (left, top, right, bottom) = (left.min(x), top.min(y), right.max(x), bottom.max(y));
    }
    if left > right {
        return [0, 0, 1, 1];
    }
    [left, top, right - left + 1, bottom - top + 1]
        .map(|it| u32::try_from(it).expect("it is inside of a frame"))
}

/// Encodes the frames. Each is drawn over the one before, and contains only what has changed.
fn animated(frames: &[Vec<u8>], palette: &[[u8; 3]]) -> Vec<u8> {
    let mut film = Vec::new();
    let mut encoder = png::Encoder::new(&mut film, WIDTH, HEIGHT);
    encoder.set_color(png::ColorType::Indexed);
    let mut colours = palette.concat();
    colours.resize(256 * 3, 0);
    encoder.set_palette(colours);
    let mut opacity = vec![255; 256];
    opacity[usize::from(UNCHANGED)] = 0;
    encoder.set_trns(opacity);
    encoder
        .set_animated(u32::try_from(frames.len()).expect("there are a few hundred"), 0)
        .expect("the frame is inside of the film");
    encoder.set_frame_delay(1, FRAMES_PER_S).expect("the frame is inside of the film");
    encoder.set_filter(png::Filter::NoFilter);
    encoder.set_compression(png::Compression::High);
    let mut writer = encoder.write_header().expect("memory can be written to");
    writer.set_blend_op(png::BlendOp::Over).expect("the frame is inside of the film");
    writer.write_image_data(&frames[0]).expect("memory can be written to");
    for pair in frames.windows(2) {
        let [left, top, width, height] = changed(&pair[0], &pair[1]);
        writer.reset_frame_position().expect("the frame is inside of the film");
        writer.set_frame_dimension(width, height).expect("the frame is inside of the film");
        writer.set_frame_position(left, top).expect("the frame is inside of the film");
        let part: Vec<u8> = (top..top + height)
            .flat_map(|y| (left..left + width).map(move |x| (y * WIDTH + x) as usize))
            .map(|index| if pair[0][index] == pair[1][index] { UNCHANGED } else { pair[1][index] })
            .collect();
        writer.write_image_data(&part).expect("memory can be written to");
    }
    writer.finish().expect("memory can be written to");
    film
}

/// The recording of a bomb, and the time of the bomb.
fn bombed(cluster: &Cluster) -> f64 {
    let api = superhero::Api::new(&cluster.api.url()).expect("a URL");
    let file = api.recording(None).expect("dispatch answers");
    let recording = Recording::read(&file).expect("a recording");
    let bomb = recording.events.iter().find(|event| event.kind == "destroyed");
    f64::from(bomb.expect("the bomb is an event").at)
}

#[test]
#[ignore = "writes the film of the documentation"]
fn film_of_a_bomb() {
    let cluster = Cluster::start(Options::default());
    let mut heroes = Heroes::default();
    heroes.created(cluster.api.create(40));
    cluster.wait_until_held(&heroes, &CITIES);
    for (number, name) in ["Granite", "Night Heron", "Copper Wren"].iter().enumerate() {
        let id = cluster.api.create_named(name).id;
        heroes.created([id.clone()]);
        let _ = cluster.api.assign(&id, CITIES[number]).expect(200);
        heroes.assigned(&id, CITIES[number]);
    }
    cluster.wait_until_held(&heroes, &CITIES);
    // On loopback a city recovers within milliseconds.
    let slow = json!({ "kind": "delay", "from": "gotham", "to": "*", "delay_ms": DELAY_MS });
    cluster.api.inject(&slow);
    cluster.bomb("gotham");
    cluster.wait_until_held(&heroes, &CITIES);

    let browser = Browser::start();
    browser.emulate_media(&[("prefers-color-scheme", "light")]);
    browser.resize(WIDTH, HEIGHT);
    browser.open(&format!("{}replay", cluster.api.url()));
    wait_until("the recording is open", HANG_TIMEOUT, || {
        let open = browser.evaluate("return 'open' in document.body.dataset");
        ensure(open == true, || browser.text("main"))
    });
    let _ = browser.evaluate("document.querySelector('[name=speed][value=\"0.1\"]').click()");
    wait_settled(&browser);
    let bomb = bombed(&cluster);
    let frames: Vec<Pixels> = (0..FRAMES)
        .map(|frame| {
            let moment = bomb - LEAD_MS + f64::from(frame) * STEP_MS;
            let _ = browser.evaluate(&format!(
                "const slider = document.getElementById('time'); slider.value = {moment}; \
                 slider.dispatchEvent(new Event('input')); \
                 return new Promise((done) => requestAnimationFrame(() => done()))"
            ));
            pixels(&browser.screenshot())
        })
        .collect();
    let samples: Vec<Pixels> = frames.iter().step_by(12).cloned().collect();
    let palette = palette(&samples);
    let mut indexer = Indexer { palette: palette.clone(), known: BTreeMap::new() };
    let frames: Vec<Vec<u8>> = frames
        .iter()
        .map(|frame| frame.iter().map(|pixel| indexer.index(*pixel)).collect())
        .collect();
    let film = animated(&frames, &palette);
    println!("docs/pictures/bomb.png: {} kB", film.len() / 1_000);
    assert!(film.len() <= BYTES_MAX, "the film has {} bytes", film.len());
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/pictures");
    fs::write(directory.join("bomb.png"), film).expect("docs can be written to");
}

#[test]
fn changed_rectangle_contains_every_change_and_no_more() {
    let before = vec![0; (WIDTH * HEIGHT) as usize];
    let mut after = before.clone();
    assert_eq!(changed(&before, &after), [0, 0, 1, 1]);
    for (x, y) in [(3, 9), (7, 4)] {
        after[(y * WIDTH + x) as usize] = 1;
    }
    assert_eq!(changed(&before, &after), [3, 4, 5, 6]);
}
