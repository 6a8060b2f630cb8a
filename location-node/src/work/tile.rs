//! A tile of a picture of the Mandelbrot set, in the colour of the city that draws it.

use data_encoding::BASE64;
use gossip::NodeName;
use png::{BitDepth, ColorType, Encoder};
use serde::{Deserialize, Serialize};

/// The width and height of a tile, in pixels.
const PIXELS: u32 = 128;
/// The largest number of tiles in a row and in a column.
const TILES_MAX: u32 = 64;
/// The number of samples in each direction of a pixel.
const SAMPLES: u32 = 2;
/// The number of iterations after which a point counts as a part of the set.
const ITERATIONS: u32 = 1_500;
/// The widths of the views, as powers of two, and their centres.
const VIEWS: [(f64, f64, f64); 5] = [
    (3.2, -0.65, 0.0),
    (0.012, -0.7453, 0.1127),
    (0.004, -0.761_574, -0.084_759_6),
    (0.06, 0.285, 0.011),
    (0.000_6, -1.250_66, 0.020_12),
];

/// A tile of a picture.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Tile {
    /// The number of the picture.
    view: u32,
    /// The column, from 0.
    x: u32,
    /// The row, from 0.
    y: u32,
    /// The number of columns.
    columns: u32,
    /// The number of rows.
    rows: u32,
}

/// A drawn tile.
#[derive(Debug, Serialize)]
pub(super) struct Drawn {
    /// The city that has drawn it.
    by: String,
    /// The PNG file, in base64.
    png: String,
}

impl Tile {
    /// Draws the tile in the colour of `me`.
    pub(super) fn draw(
        self,
        me: NodeName,
        is_cancelled: impl Fn() -> bool,
    ) -> Result<Drawn, String> {
        if !(1..=TILES_MAX).contains(&self.columns) || !(1..=TILES_MAX).contains(&self.rows) {
            return Err(format!("columns and rows must be 1 to {TILES_MAX}"));
        }
        if self.x >= self.columns || self.y >= self.rows {
            return Err("x and y must be less than columns and rows".to_owned());
        }
        let mut shades = Vec::new();
        for row in 0..PIXELS {
            if is_cancelled() {
                return Err("cancelled".to_owned());
            }
            shades.extend((0..PIXELS).map(|column| self.shade(column, row)));
        }
        Ok(Drawn { by: me.to_string(), png: BASE64.encode(&png(&shades, colour(me))) })
    }

    /// Returns how far a pixel is from the set: 0 inside of it, up to 255.
    fn shade(self, column: u32, row: u32) -> u8 {
        let (width, centre_x, centre_y) = VIEWS[self.view as usize % VIEWS.len()];
        let size = width / f64::from(self.columns * PIXELS * SAMPLES);
        let point = |tile: u32, tiles: u32, pixel: u32, sample: u32| {
            let position = (tile * PIXELS + pixel) * SAMPLES + sample;
            (f64::from(position) - f64::from(tiles * PIXELS * SAMPLES) / 2.0) * size
        };
        let samples = (0..SAMPLES * SAMPLES).map(|sample| {
            let x = centre_x + point(self.x, self.columns, column, sample % SAMPLES);
            let y = centre_y + point(self.y, self.rows, row, sample / SAMPLES);
            u32::from(escape(x, y))
        });
        u8::try_from(samples.sum::<u32>() / (SAMPLES * SAMPLES)).expect("a mean of bytes")
    }
}

/// Returns a shade for the number of iterations after which a point leaves the set; 0 if it does not.
fn escape(x: f64, y: f64) -> u8 {
    let (mut re, mut im) = (0.0_f64, 0.0_f64);
    for iteration in 0..ITERATIONS {
        let (re2, im2) = (re * re, im * im);
        if re2 + im2 > 64.0 {
            let smooth = f64::from(iteration) + 1.0 - (re2 + im2).ln().log2();
            // A slow wave, so that neighbouring shades differ little everywhere.
            let wave = (smooth.max(0.0).sqrt() * 0.6).sin();
            #[expect(
                clippy::cast_possible_truncation,
                clippy::cast_sign_loss,
                reason = "in range"
            )]
            return (140.0 + wave * 110.0) as u8;
        }
        (re, im) = (re2 - im2 + x, 2.0 * re * im + y);
    }
    0
}

/// Returns the colour of a city, as red, green and blue. Those of the three are the ones of the page.
fn colour(city: NodeName) -> [u8; 3] {
    match city.as_str() {
        "gotham" => [112, 88, 205],
        "metropolis" => [22, 140, 124],
        "capitol" => [200, 104, 36],
        other => {
            let sum = other.bytes().fold(7_u32, |sum, byte| sum.wrapping_mul(31) + u32::from(byte));
            [sum, sum >> 8, sum >> 16].map(|part| 64 + (part % 160) as u8)
        }
    }
}

/// Encodes shades with a palette from black over the colour to white.
fn png(shades: &[u8], colour: [u8; 3]) -> Vec<u8> {
    let palette = (0..=255_u32).flat_map(|shade| {
        colour.map(|part| {
            let part = u32::from(part);
            let mixed = if shade < 128 {
                part * shade / 127
            } else {
                part + (255 - part) * (shade - 127) / 128
            };
            u8::try_from(mixed).expect("a mixture of bytes")
        })
    });
    let mut file = Vec::new();
    let mut encoder = Encoder::new(&mut file, PIXELS, PIXELS);
    encoder.set_color(ColorType::Indexed);
    encoder.set_depth(BitDepth::Eight);
    encoder.set_palette(palette.collect::<Vec<u8>>());
    let written = encoder.write_header().and_then(|mut writer| writer.write_image_data(shades));
    written.expect("a file in memory can be written, and the sizes match");
    file
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tile(view: u32, x: u32) -> Tile {
        Tile { view, x, y: 1, columns: 4, rows: 3 }
    }

    #[test]
    fn tile_is_a_png_in_the_colour_of_its_city_and_fits_into_a_result() {
        let draw = |city: &str| tile(0, 2).draw(city.parse().unwrap(), || false).unwrap();
        let drawn = draw("gotham");
        let bytes = BASE64.decode(drawn.png.as_bytes()).unwrap();
        let mut reader = png::Decoder::new(std::io::Cursor::new(bytes)).read_info().unwrap();
        let mut pixels = vec![0; reader.output_buffer_size().unwrap()];
        let info = reader.next_frame(&mut pixels).unwrap();
        assert_eq!((info.width, info.height), (PIXELS, PIXELS));
        assert_ne!(draw("capitol").png, drawn.png);
        for view in 0..VIEWS.len() as u32 {
            let drawn = tile(view, 1).draw("star-city".parse().unwrap(), || false).unwrap();
            assert!(drawn.png.len() < gossip::CALL_BYTES_MAX / 2, "view {view}");
        }
    }

    #[test]
    fn tiles_outside_of_the_picture_are_refused() {
        let gotham: NodeName = "gotham".parse().unwrap();
        assert!(tile(0, 4).draw(gotham, || false).is_err());
        let none = Tile { columns: 0, ..tile(0, 0) };
        assert!(none.draw(gotham, || false).is_err());
        let many = Tile { columns: TILES_MAX + 1, ..tile(0, 0) };
        assert!(many.draw(gotham, || false).is_err());
        assert_eq!(tile(0, 0).draw(gotham, || true).unwrap_err(), "cancelled");
    }
}
