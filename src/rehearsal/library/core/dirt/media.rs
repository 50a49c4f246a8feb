//! Technical values of videos (D60 to D64, D67 to D69, D75).
//!
//! Some meanings depend on another value of the row, which the answer key applies: a length may be `{"frames"}` or
//! `{"seconds", "frames", "drop"}` (a count with or without drops), of which only a frame rate makes milliseconds; a timecode is
//! `{"count": [h, m, s, f], "drop"}` or `{"millis"}`, and legal at some rates only; a size may be `{"lines": [w, h]}`,
//! good at 16:9 alone, or `{"class"}`, a label. Plain numbers are milliseconds.

use serde_json::{Value as Json, json};

use super::super::super::Told;
use super::super::dice::{Dice, index};
use super::super::layout::Layout;
use super::super::media::{RATES, Rate, Rendition, Size, THIRTY};
use super::super::{Value, label, text};
use super::number::integer_form;

/// The dirt of one cell: its numbers, where they start, and whether it may be dirty at all (fixtures are not).
#[derive(Debug, Clone, Copy)]
pub struct Soil<'a> {
    layout: &'a Layout,
    dice: Dice,
    k: u64,
    open: bool,
}

impl<'a> Soil<'a> {
    /// The dirt of the column whose draws start at `k`; `open` where the row is not a fixture.
    pub fn new(layout: &'a Layout, dice: Dice, k: u64, open: bool) -> Self {
        Self { layout, dice, k, open: open && layout.dirt > 0.0 }
    }

    /// Whether draw `k` falls under a rate of dirt.
    fn hit(self, k: u64, ppm: u64) -> bool {
        self.open && self.dice.chance(self.k + k, self.layout.dirty(ppm))
    }

    /// One of the forms of a kind that all cells take as soon as there is dirt; the first where there is none.
    fn form<T: Copy>(self, k: u64, forms: &[T]) -> (usize, T) {
        let place = if self.open { index(self.dice.below(self.k + k, forms.len() as u64)) } else { 0 };
        (place, forms[place])
    }

    fn pick<T: Copy>(self, k: u64, forms: &[T]) -> T {
        self.dice.pick(self.k + k, forms)
    }
}

fn told(dirt: &'static str, clean: bool, raw: Value, means: impl Into<Json>) -> Value {
    if clean { Told::clean(raw, means).into() } else { Told::normalised(dirt, raw, means).into() }
}

/// What a rate means: `30000/1001`; written in fields (`59.94i`) `{"rate", "interlaced"}`.
fn rate_told(form: &str, rate: &Rate) -> Json {
    fields(form, &format!("{}/{}", rate.num, rate.den))
}

/// The rate, or that and what its text says of the pictures (D62, rulings A33).
pub fn fields(form: &str, rate: &str) -> Json {
    if form.ends_with('i') { json!({"rate": rate, "interlaced": true}) } else { json!(rate) }
}

/// D62: the ways to write a rate, the usual one first.
fn rate_forms(rate: &Rate) -> &'static [&'static str] {
    match (rate.num, rate.den) {
        (30_000, _) => &["29.97", "29.970", "29.97DF", "30000/1001", "2997/100", "59.94i"],
        (24_000, _) => &["23.976", "23.98", "24000/1001"],
        (60_000, _) => &["59.94", "59.94p", "60000/1001", "5994/100"],
        (25, _) => &["25", "25.0", "25 fps", "50i", "25/1"],
        (50, _) => &["50", "50.0", "50p", "50 fps"],
        (30, _) => &["30", "30.0", "30/1", "30 fps"],
        _ => &["24", "24.0", "24 fps", "24/1"],
    }
}

/// D62: a frame rate in one of its forms. 1 % is none, 0.4 % is another rate.
pub fn rate(soil: Soil<'_>, rate: &'static Rate) -> Value {
    if soil.hit(0, 10_000) {
        return Told::dropped("D62", label(soil.pick(1, &["0", "VFR", "1000", "1.0"])), "FRAME_RATE_INVALID").into();
    }
    let rate = if soil.hit(2, 4_000) { other_rate(rate) } else { rate };
    let (place, form) = soil.form(3, rate_forms(rate));
    told("D62", place == 0, label(form), rate_told(form, rate))
}

/// A rate that a person might have taken for this one.
fn other_rate(rate: &Rate) -> &'static Rate {
    match (rate.num, rate.den) {
        (30_000, _) => &THIRTY,
        (24_000, _) => &RATES[5],
        (60_000, _) => &RATES[4],
        (25, _) => &RATES[0],
        (50, _) => &RATES[2],
        _ => &RATES[1],
    }
}

/// A length in its forms: milliseconds, frames and their rate.
#[derive(Debug, Clone, Copy)]
pub struct Length {
    /// Milliseconds.
    pub millis: u64,
    /// Frames.
    pub frames: u64,
    /// At this rate.
    pub rate: &'static Rate,
    /// Whether its frames are counted with drops.
    pub drop: bool,
}

/// D63: a length as text by the number of its form: seconds, then clock, timecode, clock with milliseconds, frames,
/// period, words, and what is short.
pub fn length_form(number: usize, length: Length) -> (String, Json) {
    let Length { millis, frames, rate, drop } = length;
    let (second, milli) = (millis / 1000, millis % 1000);
    let (h, m, s) = (second / 3600, second / 60 % 60, second % 60);
    let whole = || json!(second * 1000);
    match number {
        0 => (f64::from(millis as f32 / 1000.0).to_string(), json!(millis)),
        1 => (format!("{h:02}:{m:02}:{s:02}"), whole()),
        2 => {
            let [h, m, s, f] = rate.count(frames, drop);
            let mark = if drop { ';' } else { ':' };
            let raw = format!("{h:02}:{m:02}:{s:02}{mark}{f:02}");
            (raw, json!({"seconds": h * 3600 + m * 60 + s, "frames": f, "drop": drop}))
        }
        3 => (format!("{h:02}:{m:02}:{s:02}.{milli:03}"), json!(millis)),
        4 => (format!("{frames} frames"), json!({"frames": frames})),
        5 => (format!("PT{}M{s}.{milli:03}S", second / 60), json!(millis)),
        6 => (format!("{} min {s} s", second / 60), whole()),
        7 if second < 60 => (format!(":{second:02}"), whole()),
        8 => (format!("{second}s"), whole()),
        _ => (format!("{}:{s:02}", second / 60), whole()),
    }
}

/// Lengths that are none (D63).
const NO_LENGTHS: [&str; 2] = ["-1", "PT"];

/// D63: a length as text, in a column whose numbers are seconds. 1 % is none, 0.4 % has milliseconds in it, 0.4 %
/// is another length. `first` is the number of the clean form.
pub fn seconds(soil: Soil<'_>, first: usize, length: Length) -> Value {
    if soil.hit(0, 10_000) {
        return Told::dropped("D63", label(soil.pick(1, &NO_LENGTHS)), "DURATION_INVALID").into();
    }
    if soil.hit(2, 4_000) {
        return Told::normalised("D63", text(length.millis.to_string()), length.millis * 1000).into();
    }
    let length = if soil.hit(4, 4_000) {
        Length { millis: length.millis + 2_000, frames: length.frames + 2 * length.rate.nominal, ..length }
    } else {
        length
    };
    let (place, number) = soil.form(3, &[first, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
    let (raw, means) = length_form(number, length);
    told("D63", place == 0, text(raw), means)
}

/// D63: a length as text, in a column whose numbers are milliseconds.
pub fn millis(soil: Soil<'_>, length: Length) -> Value {
    if soil.hit(0, 10_000) {
        return Told::dropped("D63", label(soil.pick(1, &NO_LENGTHS)), "DURATION_INVALID").into();
    }
    match soil.form(3, &[0, 1, 2, 3, 4, 5, 6, 8]) {
        (0, _) => Told::clean(text(length.millis.to_string()), length.millis).into(),
        (_, number) => {
            let (raw, means) = length_form(number, length);
            told("D63", false, text(raw), means)
        }
    }
}

/// D63: the length of a spot as text; 0.5 % is none.
pub fn spot(soil: Soil<'_>, seconds: u64) -> Value {
    if soil.hit(0, 5_000) {
        return Told::dropped("D63", label(soil.pick(1, &NO_LENGTHS)), "DURATION_INVALID").into();
    }
    let (place, number) = soil.form(3, &[0, 1, 2, 3, 4]);
    let (raw, means) = spot_form(number, seconds);
    told("D63", place == 0, text(raw), means)
}

/// The text of a spot's length by the number of its form.
pub fn spot_form(number: usize, seconds: u64) -> (String, Json) {
    let (m, s) = (seconds / 60, seconds % 60);
    match number {
        0 => (format!(":{seconds:02}"), json!(seconds * 1000)),
        1 => (format!("{seconds}s"), json!(seconds * 1000)),
        2 => (format!("{m}:{s:02}"), json!(seconds * 1000)),
        3 => (format!("{seconds} sec"), json!(seconds * 1000)),
        _ => (format!("00:{m:02}:{s:02}:00"), json!({"seconds": seconds, "frames": 0, "drop": false})),
    }
}

/// D75: the length of a spot as a number of seconds; 4 % count the second of 30 frames at 29.97. The meaning is in
/// milliseconds.
pub fn spot_seconds(soil: Soil<'_>, seconds: u64) -> Value {
    if soil.hit(0, 40_000) {
        let millis = RATES[0].millis(seconds * 30);
        return Told::normalised("D75", text(format!("{}.{:03}", millis / 1000, millis % 1000)), millis).into();
    }
    Told::clean(text(format!("{seconds}.000")), seconds * 1000).into()
}

/// A timecode's numbers and whether it counts with drops.
pub type Count = ([u64; 4], bool);

/// A timecode as it is written, and what it means.
pub fn count_told(count: Count) -> (String, Json) {
    let ([h, m, s, f], drop) = count;
    let raw = format!("{h:02}:{m:02}:{s:02}{}{f:02}", if drop { ';' } else { ':' });
    (raw, json!({"count": [h, m, s, f], "drop": drop}))
}

/// D64: a timecode; 6 % in another form or none.
pub fn timecode(soil: Soil<'_>, count: Count, rate: &Rate) -> Value {
    let (raw, means) = count_told(count);
    if !soil.hit(0, 60_000) {
        return Told::clean(text(raw), means).into();
    }
    let ([h, m, s, f], drop) = count;
    let invalid = |raw: String| Value::from(Told::dropped("D64", text(raw), "TIMECODE_INVALID"));
    match soil.dice.below(soil.k + 1, 8) {
        0 if !drop => told("D64", false, text(format!("{h}:{m:02}:{s:02}:{f:02}")), means),
        1 if !drop => told("D64", false, text(format!("{h:02}.{m:02}.{s:02}.{f:02}")), means),
        2 => invalid(format!("{h:02}:{m:02}:{s:02}:-1")),
        3 => {
            let count = [h, m, s, rate.nominal + 1];
            // Whether so many frames are too many depends on the rate.
            let raw = format!("{h:02}:{m:02}:{s:02}:{:02}", rate.nominal + 1);
            Told::warned("D64", text(raw), json!({"count": count, "drop": false}), "TIMECODE_INVALID").into()
        }
        4 => {
            let (raw, means) = count_told(([h + 24, m, s, f], drop));
            told("D64", false, text(raw), means)
        }
        5 => {
            // The first number of a minute that is no tenth, which a count with drops skips (at rates that have one).
            let (raw, means) = count_told(([h, m / 10 * 10 + 1, 0, 0], true));
            Told::warned("D64", text(raw), means, "TIMECODE_INVALID").into()
        }
        6 if !drop => {
            // The mark of a count with drops, whatever the rate.
            let (raw, means) = count_told((count.0, true));
            told("D64", false, text(raw), means)
        }
        _ => {
            let millis = (h * 3600 + m * 60 + s) * 1000;
            told("D64", false, text(format!("{}.0", millis / 1000)), json!({"millis": millis}))
        }
    }
}

/// Where a marker stands: a timecode, or (as soon as there is dirt) seconds, milliseconds or a period.
pub fn moment(soil: Soil<'_>, count: Count, rate: &Rate) -> Value {
    let ([h, m, s, f], _) = count;
    let second = h * 3600 + m * 60 + s;
    // Rounded to the next tenth of a millisecond.
    let tenths = (f * 20_000 + rate.nominal) / (2 * rate.nominal);
    let millis = second * 1000 + (tenths + 5) / 10;
    match soil.form(8, &[0, 1, 2, 3]).0 {
        1 => told("D64", false, text(format!("{second}.{tenths:04}")), json!({"millis": millis})),
        2 => told("D64", false, text(millis.to_string()), json!({"millis": millis})),
        3 => {
            let raw = format!("PT{h}H{m}M{s}.{:03}S", millis - second * 1000);
            told("D64", false, text(raw), json!({"millis": millis}))
        }
        _ => timecode(soil, count, rate),
    }
}

/// The size as JSON.
pub fn size_told(width: u64, height: u64) -> Json {
    json!({"width": width, "height": height})
}

/// D61: a size as text. Of the sizes that a label names alone (`HD` stands in 31 % of the column) 43 % are that label, of
/// the others one in five has another form or none, so that about 30 % of the column are the clean form of full HD.
pub fn resolution(soil: Soil<'_>, size: &Size) -> Value {
    let (w, h) = (size.width, size.height);
    if soil.hit(4, 4_000) {
        return told("D61", false, text(format!("{}x{}", w - 16, h)), size_told(w - 16, h));
    }
    if size.label == "HD" && soil.hit(5, 426_000) {
        return size_label(10, size);
    }
    if !soil.hit(0, 200_000) {
        return Told::clean(text(size.text()), size_told(w, h)).into();
    }
    size_form(soil.dice.below(soil.k + 1, SIZE_FORMS), size)
}

/// The ways of [`size_form`].
pub const SIZE_FORMS: u64 = 15;

/// D61: a size in another form than the clean one, by number; from 8 on labels and what is no size.
pub fn size_form(number: u64, size: &Size) -> Value {
    let (w, h) = (size.width, size.height);
    let thousands = |side: u64| {
        if side < 1000 { side.to_string() } else { format!("{}.{:03}", side / 1000, side % 1000) }
    };
    let raw = match number {
        0..=1 => format!("{w} x {h}"),
        2..=3 => format!("{w}X{h}"),
        4 => format!("{w}\u{d7}{h}"),
        5 => format!("{w}*{h}"),
        6 => format!("{w} x {h} px"),
        7 => format!("{} x {}", thousands(w), thousands(h)),
        number => return size_label(number, size),
    };
    told("D61", false, text(raw), size_told(w, h))
}

/// D61: a label, or what is no size, by number (8 to 14).
fn size_label(number: u64, size: &Size) -> Value {
    let only =
        |raw: &'static str, means: Json| Value::from(Told::warned("D61", label(raw), means, "RESOLUTION_LABEL_ONLY"));
    match number {
        8 if size.height == 720 => told("D61", false, label("720p"), json!({"lines": [1280, 720]})),
        8 => told("D61", false, label("1080p"), json!({"lines": [1920, 1080]})),
        9 => told("D61", false, label("1080i59.94"), json!({"lines": [1920, 1080]})),
        11 if size.label == "UHD" => only("4K", json!({"class": "4K"})),
        10 | 11 => only(size.label, json!({"class": size.label})),
        12 => only("720", Json::Null),
        13 => Told::dropped("D61", label("null"), "PLACEHOLDER_DROPPED").into(),
        _ => Told::dropped("D61", label("0x0"), "INVALID_RESOLUTION").into(),
    }
}

/// D60: the ways to write a ratio, the usual one first.
fn ratio_forms(ratio: &str) -> &'static [&'static str] {
    match ratio {
        "16:9" => &["16:9", "16x9", "16/9", "1.78", "1.7778", "178"],
        "4:3" => &["4:3", "4x3", "4/3", "1.33", "1.3333", "133"],
        "3:2" => &["3:2", "3x2", "3/2", "1.5"],
        "2:3" => &["2:3", "2x3", "2/3", "0.667"],
        "2.39:1" => &["2.39:1", "2.39x1", "2.39/1", "2.39", "239"],
        _ => &["1:1", "1x1", "1/1", "1.00"],
    }
}

/// D60: an aspect ratio as text; 8 % in another form, of which one in eight says nothing; 0.4 % another ratio.
pub fn aspect(soil: Soil<'_>, ratio: &'static str) -> Value {
    if soil.hit(4, 4_000) {
        let other = if ratio == "4:3" { "16:9" } else { soil.pick(1, &["4:3", "2.39:1"]) };
        return told("D60", false, label(other), other);
    }
    if !soil.hit(0, 80_000) {
        return label(ratio);
    }
    if soil.dice.below(soil.k + 1, 8) == 0 {
        return Told::dropped("D60", label(soil.pick(2, &["widescreen", "letterbox"])), "ASPECT_UNKNOWN").into();
    }
    let form = soil.pick(3, &ratio_forms(ratio)[1..]);
    told("D60", false, label(form), ratio)
}

/// D67: a codec; 20 % by another name, 0.4 % another codec.
pub fn codec(soil: Soil<'_>, codec: &'static str) -> Value {
    if soil.hit(4, 4_000) && !matches!(codec, "AAC" | "PCM") {
        let other = if codec == "H.264" { "ProRes 422 HQ" } else { "H.264" };
        return told("D67", false, label(other), other);
    }
    let forms: &[&'static str] = match codec {
        "H.264" => &["avc1", "AVC", "h264"],
        "ProRes 422 HQ" => &["apch"],
        "AAC" => &["40", "mp4a"],
        _ => &[],
    };
    if forms.is_empty() || !soil.hit(0, 200_000) {
        return label(codec);
    }
    told("D67", false, label(soil.pick(1, forms)), codec)
}

/// D68: kilobits a second, in 92 % of the cells bits as soon as there is dirt. The meaning is the number; above
/// 100,000 it is one of bits.
pub fn bitrate(soil: Soil<'_>, bits: u64) -> Value {
    if soil.open && soil.dice.chance(soil.k, 920_000) {
        return told("D68", false, text(bits.to_string()), bits);
    }
    Told::clean(text((bits / 1000).to_string()), bits / 1000).into()
}

/// D54: 5 % of the sides of a picture in pixels, kept as text, in another form.
pub fn side(soil: Soil<'_>, pixels: u64) -> Value {
    if soil.hit(0, 50_000) {
        return integer_form(soil.pick(1, &SIDE_FORMS), pixels);
    }
    Told::clean(text(pixels.to_string()), pixels).into()
}

/// The forms of [`integer_form`] that a side is met in: all but those of numbers of seasons and negative ones.
const SIDE_FORMS: [u64; 7] = [0, 1, 2, 3, 4, 7, 8];

/// D69: what a content is for; 3 % in another form, with which a source may be a mezzanine or proxy as well.
pub fn uses(soil: Soil<'_>, rendition: Rendition) -> Value {
    let own = rendition.name();
    if !soil.hit(0, 30_000) {
        return Told::clean(label(rendition.uses()), json!([own])).into();
    }
    let (raw, means): (&'static str, Json) = match (rendition, soil.dice.below(soil.k + 1, 3)) {
        (Rendition::Source, 0) => ("|SOURCE|MEZZANINE|", json!(["SOURCE", "MEZZANINE"])),
        (Rendition::Source, 1) => ("Source", json!([own])),
        (Rendition::Source, _) => ("source,proxy", json!(["SOURCE", "PROXY"])),
        (Rendition::Mezzanine, _) => ("mezzanine", json!([own])),
        (Rendition::Proxy, _) => ("|proxy|", json!([own])),
        (Rendition::Thumbnail, _) => ("Thumbnail", json!([own])),
        (Rendition::ThumbnailVideo, _) => ("THUMBNAIL VIDEO", json!([own])),
    };
    told("D69", false, label(raw), means)
}

/// Whether a track was not measured (1 %): what its report would say is absent, and other sources stand in.
pub fn unmeasured(soil: Soil<'_>) -> bool {
    soil.hit(0, 10_000)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rehearsal::library::core::tests::layout;

    const HD: Size = Size { width: 1920, height: 1080, ratio: "16:9", dar: "1.77778", label: "HD" };
    const LENGTH: Length = Length { millis: 30_030, frames: 900, rate: &RATES[0], drop: false };

    fn cells(layout: &Layout, row: u64) -> Vec<Value> {
        let soil = Soil::new(layout, layout.dice(1, row), 4000, true);
        let count = ([1, 0, 0, 0], false);
        vec![
            rate(soil, &RATES[0]),
            seconds(soil, 0, LENGTH),
            spot(soil, 30),
            spot_seconds(soil, 30),
            timecode(soil, count, &RATES[0]),
            moment(soil, count, &RATES[0]),
            resolution(soil, &HD),
            aspect(soil, "16:9"),
            codec(soil, "H.264"),
            bitrate(soil, 96_000_000),
            uses(soil, Rendition::Source),
        ]
    }

    #[test]
    fn clean_cells_have_no_dirt() {
        let clean = layout(0.0001, 0.0);
        for row in 0..500 {
            for cell in cells(&clean, row) {
                assert_eq!((cell.dirt(), cell.codes()), (None, &[][..]), "{cell:?}");
            }
        }
    }

    #[test]
    fn rates_are_about_right() {
        let dirty = layout(0.0001, 1.0);
        let mut found = [0_usize; 11];
        for row in 0..20_000 {
            for (count, cell) in found.iter_mut().zip(cells(&dirty, row)) {
                *count += usize::from(cell.dirt().is_some());
            }
        }
        // Of 20,000; a share of the forms is the clean one.
        let wanted = [16_800, 18_200, 16_100, 800, 1200, 15_300, 10_850, 1_680, 4_080, 18_400, 600];
        for (at, (found, wanted)) in found.into_iter().zip(wanted).enumerate() {
            assert!(found.abs_diff(wanted) < wanted / 6, "{at}: {found} of 20,000, not about {wanted}");
        }
    }

    #[test]
    fn forms_of_a_length() {
        let raw: Vec<String> = (0..10).map(|number| length_form(number, LENGTH).0).collect();
        let wanted = [
            "30.030000686645508",
            "00:00:30",
            "00:00:30:00",
            "00:00:30.030",
            "900 frames",
            "PT0M30.030S",
            "0 min 30 s",
            ":30",
            "30s",
            "0:30",
        ];
        assert_eq!(raw, wanted);
        assert_eq!(length_form(3, LENGTH).1, json!(30_030));
        assert_eq!(length_form(2, LENGTH).1, json!({"seconds": 30, "frames": 0, "drop": false}));
        let minute = Length { frames: 1800, drop: true, ..LENGTH };
        let (raw, means) = length_form(2, minute);
        assert_eq!((raw.as_str(), means), ("00:01:00;02", json!({"seconds": 60, "frames": 2, "drop": true})));
    }
}
