//! Pictures of pixels: rectangles, text in a font that the program carries, and PNG files.

use std::convert::Infallible;
use std::io::Write;

use anyhow::Result;
use embedded_graphics::mono_font::MonoTextStyle;
use embedded_graphics::mono_font::iso_8859_1::FONT_9X15;
use embedded_graphics::pixelcolor::{Rgb888, RgbColor};
use embedded_graphics::prelude::*;
use embedded_graphics::text::{Alignment, Baseline, Text, TextStyleBuilder};

/// Pixels of a letter.
pub(crate) const LETTER: (usize, usize) = (9, 15);

/// A colour: red, green, blue.
pub(crate) type Colour = [u8; 3];

/// Which part of a text is at the place it is drawn to; vertically it is the middle.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Anchor {
    Left,
    Middle,
    Right,
}

/// A picture, white at first.
#[derive(Debug)]
pub(crate) struct Picture {
    width: usize,
    height: usize,
    pixels: Vec<u8>,
}

impl Picture {
    pub(crate) fn new(width: usize, height: usize) -> Self {
        Self { width, height, pixels: vec![255; 3 * width * height] }
    }

    pub(crate) fn dot(&mut self, x: usize, y: usize, colour: Colour) {
        if x < self.width && y < self.height {
            self.pixels[3 * (y * self.width + x)..][..3].copy_from_slice(&colour);
        }
    }

    /// Fills a rectangle.
    pub(crate) fn fill(&mut self, (x, y): (usize, usize), (width, height): (usize, usize), colour: Colour) {
        for row in y..y + height {
            for column in x..x + width {
                self.dot(column, row, colour);
            }
        }
    }

    /// Draws a frame of one pixel around a rectangle.
    pub(crate) fn frame(&mut self, (x, y): (usize, usize), (width, height): (usize, usize), colour: Colour) {
        let (left, top) = (x.saturating_sub(1), y.saturating_sub(1));
        self.fill((left, top), (width + 2, 1), colour);
        self.fill((left, y + height), (width + 2, 1), colour);
        self.fill((left, top), (1, height + 2), colour);
        self.fill((x + width, top), (1, height + 2), colour);
    }

    /// Writes a text; letters outside Western European languages become question marks.
    pub(crate) fn text(&mut self, text: &str, (x, y): (usize, usize), anchor: Anchor) {
        let known: String = text.chars().map(|c| if (c as u32) < 256 { c } else { '?' }).collect();
        let alignment = match anchor {
            Anchor::Left => Alignment::Left,
            Anchor::Middle => Alignment::Center,
            Anchor::Right => Alignment::Right,
        };
        let style = TextStyleBuilder::new().alignment(alignment).baseline(Baseline::Middle).build();
        let letters = MonoTextStyle::new(&FONT_9X15, Rgb888::new(40, 40, 40));
        let at = Point::new(x as i32, y as i32);
        let Ok(_) = Text::with_text_style(&known, at, letters, style).draw(self);
    }

    /// Writes the picture as a PNG file.
    pub(crate) fn write(&self, to: impl Write) -> Result<()> {
        let mut encoder = png::Encoder::new(to, self.width as u32, self.height as u32);
        encoder.set_color(png::ColorType::Rgb);
        encoder.set_depth(png::BitDepth::Eight);
        let mut writer = encoder.write_header()?;
        writer.write_image_data(&self.pixels)?;
        Ok(writer.finish()?)
    }
}

impl OriginDimensions for Picture {
    fn size(&self) -> Size {
        Size::new(self.width as u32, self.height as u32)
    }
}

impl DrawTarget for Picture {
    type Color = Rgb888;
    type Error = Infallible;

    fn draw_iter<I: IntoIterator<Item = Pixel<Rgb888>>>(&mut self, pixels: I) -> Result<(), Infallible> {
        for Pixel(at, colour) in pixels {
            if at.x >= 0 && at.y >= 0 {
                self.dot(at.x as usize, at.y as usize, [colour.r(), colour.g(), colour.b()]);
            }
        }
        Ok(())
    }
}
