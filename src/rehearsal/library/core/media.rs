//! Technical facts of an asset, which subclass tables, contents, media reports and timelines all tell alike.

use super::asset::{Asset, Role};
use super::dice::Dice;
use super::dirt::media::{Count, Length};
use super::layout::{ASSET, Layout};
use super::spread::Kind;
use super::vocabulary;

/// What a content is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rendition {
    /// The file that was delivered.
    Source,
    /// The house format made of it.
    Mezzanine,
    /// For browsing.
    Proxy,
    /// A still.
    Thumbnail,
    /// Stills in a row, one a second.
    ThumbnailVideo,
}

impl Rendition {
    /// The `content_uses` cell.
    pub fn uses(self) -> &'static str {
        ["|SOURCE|", "|MEZZANINE|", "|PROXY|", "|THUMBNAIL|", "|THUMBNAIL_VIDEO|"][self as usize]
    }

    /// The use alone.
    pub fn name(self) -> &'static str {
        self.uses().trim_matches('|')
    }
}

/// The renditions of a version in the order of its contents; contents beyond these are further proxies.
pub fn renditions(version: Dice, kind: Kind) -> impl Iterator<Item = Rendition> {
    let moving = kind == Kind::Video;
    let real = kind != Kind::Placeholder;
    [
        (Rendition::Source, true),
        (Rendition::Proxy, real && version.chance(1000, 880_000)),
        (Rendition::Thumbnail, real && version.chance(1001, 840_000)),
        (Rendition::Mezzanine, real && version.chance(1002, 220_000)),
        (Rendition::ThumbnailVideo, moving && version.chance(1003, 550_000)),
    ]
    .into_iter()
    .filter_map(|(rendition, there)| there.then_some(rendition))
}

/// A file format: how files, media reports and mime types name it, and the codec found in it.
#[derive(Debug)]
pub struct Format {
    /// The canonical name.
    pub name: &'static str,
    /// The file name's extension.
    pub extension: &'static str,
    /// The mime type.
    pub mime: &'static str,
    /// `media_info.format`.
    pub report: &'static str,
    /// The video (or only) codec.
    pub codec: &'static str,
    /// The same as part of a file name.
    pub short: &'static str,
    /// The value of picklist assetFormat.
    pub picklist: &'static str,
}

const fn format(
    name: &'static str,
    extension: &'static str,
    mime: &'static str,
    report: &'static str,
    codec: &'static str,
    short: &'static str,
    picklist: &'static str,
) -> Format {
    Format { name, extension, mime, report, codec, short, picklist }
}

/// Video, then image formats, then those of the other kinds.
pub const FORMATS: [Format; 9] = [
    format("MOV", "mov", "video/quicktime", "QuickTime", "ProRes 422 HQ", "prores", "MOV"),
    format("MP4", "mp4", "video/mp4", "MPEG-4", "H.264", "h264", "MP4"),
    format("MXF", "mxf", "application/mxf", "MXF", "XDCAM HD422", "xdcam", "MXF"),
    format("JPEG", "jpg", "image/jpeg", "JPEG", "JPEG", "web", "JPG"),
    format("PNG", "png", "image/png", "PNG", "PNG", "alpha", "PNG"),
    format("TIFF", "tif", "image/tiff", "TIFF", "TIFF", "print", "TIF"),
    format("WAV", "wav", "audio/wav", "Wave", "PCM", "pcm", ""),
    format("PDF", "pdf", "application/pdf", "PDF", "PDF", "doc", "PDF"),
    format("ZIP", "zip", "application/zip", "ZIP", "ZIP", "pkg", ""),
];

/// The format of captions beside a video.
pub const SIDECAR: Format = format("SRT", "srt", "application/x-subrip", "SubRip", "SubRip", "srt", "SRT");

/// A frame rate: its text, the fraction, the frames counted a second.
#[derive(Debug, PartialEq, Eq)]
pub struct Rate {
    /// As text columns tell it.
    pub text: &'static str,
    /// Numerator.
    pub num: u64,
    /// Denominator.
    pub den: u64,
    /// Frames that a timecode counts in a second.
    pub nominal: u64,
}

/// Thirty whole frames, which no video has and some texts tell for 29.97 (D62).
pub static THIRTY: Rate = Rate { text: "30", num: 30, den: 1, nominal: 30 };

/// The rates in use.
pub const RATES: [Rate; 6] = [
    Rate { text: "29.97", num: 30_000, den: 1001, nominal: 30 },
    Rate { text: "23.976", num: 24_000, den: 1001, nominal: 24 },
    Rate { text: "59.94", num: 60_000, den: 1001, nominal: 60 },
    Rate { text: "25", num: 25, den: 1, nominal: 25 },
    Rate { text: "50", num: 50, den: 1, nominal: 50 },
    Rate { text: "24", num: 24, den: 1, nominal: 24 },
];

impl Rate {
    /// Milliseconds of so many frames, exact, half to even.
    pub fn millis(&self, frames: u64) -> u64 {
        let (n, d) = (frames * 1000 * self.den, self.num);
        let (whole, rest) = (n / d, n % d * 2);
        whole + u64::from(rest > d || (rest == d && whole % 2 == 1))
    }

    /// The timecode of a frame number. Drop frame skips the first two numbers (four at 60) of each minute that is no
    /// tenth (SMPTE 12M).
    pub fn timecode(&self, frame: u64, drop: bool) -> String {
        let [h, m, s, f] = self.count(frame, drop);
        format!("{h:02}:{m:02}:{s:02}{}{f:02}", if drop { ';' } else { ':' })
    }

    /// The hour, minute, second and frame that a frame number is counted as.
    pub fn count(&self, frame: u64, drop: bool) -> [u64; 4] {
        let mut number = frame;
        if drop {
            let skip = self.nominal / 15;
            let ten = self.nominal * 600 - 9 * skip;
            let minute = self.nominal * 60 - skip;
            let rest = frame % ten;
            let minutes = if rest < self.nominal * 60 { 0 } else { 1 + (rest - self.nominal * 60) / minute };
            number = frame + frame / ten * 9 * skip + minutes * skip;
        }
        let second = number / self.nominal;
        [second / 3600, second / 60 % 60, second % 60, number % self.nominal]
    }

    /// The frame that stands at a timecode given as seconds of full numbers (minutes that are tenths only).
    fn frame_at(&self, second: u64, drop: bool) -> u64 {
        let number = second * self.nominal;
        if !drop {
            return number;
        }
        let minutes = second / 60;
        number - (minutes - minutes / 10) * (self.nominal / 15)
    }
}

/// A picture size and its ratio.
#[derive(Debug, PartialEq, Eq)]
pub struct Size {
    /// Width in pixels.
    pub width: u64,
    /// Height in pixels.
    pub height: u64,
    /// The display ratio as text.
    pub ratio: &'static str,
    /// The display ratio as a number of five digits.
    pub dar: &'static str,
    /// The label of picklist videoResolution.
    pub label: &'static str,
}

impl Size {
    /// `1920x1080`.
    pub fn text(&self) -> String {
        format!("{}x{}", self.width, self.height)
    }
}

/// The picture sizes of videos.
pub static SIZES: [Size; 4] = [
    Size { width: 1920, height: 1080, ratio: "16:9", dar: "1.77778", label: "HD" },
    Size { width: 3840, height: 2160, ratio: "16:9", dar: "1.77778", label: "UHD" },
    Size { width: 1280, height: 720, ratio: "16:9", dar: "1.77778", label: "HD" },
    Size { width: 640, height: 480, ratio: "4:3", dar: "1.33333", label: "SD" },
];

/// The facts of a video.
#[derive(Debug)]
pub struct Video {
    /// Picture size.
    pub size: &'static Size,
    /// Frame rate.
    pub rate: &'static Rate,
    /// Drop-frame timecode.
    pub drop: bool,
    /// Length in frames.
    pub frames: u64,
    /// Length in milliseconds.
    pub millis: u64,
    /// The frame number of the first frame.
    pub start: u64,
    /// `Progressive` or `Interlaced`.
    pub scan: &'static str,
    /// Index in vocabulary closedCaptionInfo.
    pub captions: usize,
    /// How the audio channels are laid out.
    pub audio: &'static str,
    /// Seconds of the spot, for promos.
    pub spot: u64,
}

/// Spot lengths in seconds.
const SPOTS: [u64; 8] = [30, 30, 15, 20, 60, 30, 15, 10];

impl Video {
    /// The facts of a video asset.
    pub fn of(layout: &Layout, asset: &Asset) -> Self {
        let dice = layout.dice(ASSET, asset.row);
        let rate = match dice.share(2000, &[60, 15, 8, 10, 3]) {
            number @ 0..=4 => &RATES[number],
            _ => &RATES[5],
        };
        let drop = rate.nominal % 30 == 0 && dice.chance(2001, 300_000);
        let second = match dice.share(2002, &[60, 22]) {
            1 if drop => 3590,
            0 | 1 => 3600,
            _ => 0,
        };
        let spot = dice.pick(2003, &SPOTS);
        let frames = if matches!(asset.role, Role::Promo | Role::DerivedPromo) {
            spot * rate.nominal
        } else {
            rate.nominal * 20 + dice.below(2004, rate.nominal * (60 << dice.below(2005, 7)))
        };
        let size = match dice.share(2006, &[72, 10, 8]) {
            number @ 0..=2 => &SIZES[number],
            _ => &SIZES[3],
        };
        let interlaced = rate.text == "29.97" && dice.chance(2007, 300_000);
        Self {
            size,
            rate,
            drop,
            frames,
            millis: rate.millis(frames),
            start: rate.frame_at(second, drop),
            scan: if interlaced { "Interlaced" } else { "Progressive" },
            captions: super::dice::index(dice.below(2008, 4)),
            audio: dice.pick(2009, &["Stereo", "Stereo", "5.1 + 2.0", "Ch1-2 LR; Ch3-8 5.1"]),
            spot,
        }
    }

    /// The timecode so many frames after the start.
    pub fn timecode(&self, frames: u64) -> String {
        self.rate.timecode(self.start + frames, self.drop)
    }

    /// The same as numbers, and whether frame numbers are dropped.
    pub fn count(&self, frames: u64) -> Count {
        (self.rate.count(self.start + frames, self.drop), self.drop)
    }

    /// The length.
    pub fn length(&self) -> Length {
        Length { millis: self.millis, frames: self.frames, rate: self.rate, drop: self.drop }
    }
}

/// The facts of an image: width, height, and where the ratio is known, its text.
pub fn image_size(layout: &Layout, asset: &Asset) -> (u64, u64, Option<&'static str>) {
    if let Some(detail) = asset.detail {
        let detail = &vocabulary::DETAILS[detail];
        return (detail.1, detail.2, Some(detail.3));
    }
    let dice = layout.dice(ASSET, asset.row);
    const SIZES: [(u64, u64, Option<&str>); 6] = [
        (1920, 1080, Some("16:9")),
        (3000, 2000, Some("3:2")),
        (4000, 3000, Some("4:3")),
        (2000, 3000, Some("2:3")),
        (1200, 1200, Some("1:1")),
        (5120, 2011, None),
    ];
    dice.pick(2006, &SIZES)
}

/// The format of an asset's source file.
pub fn format_of(layout: &Layout, asset: &Asset) -> &'static Format {
    let dice = layout.dice(ASSET, asset.row);
    let place = match asset.kind {
        Kind::Video => [0, 0, 1, 2][dice.share(2010, &[40, 20, 25])],
        Kind::Image => [3, 4, 5][dice.share(2010, &[60, 30])],
        Kind::Audio => 6,
        Kind::Document => 7,
        Kind::Other | Kind::Placeholder => 8,
    };
    &FORMATS[place]
}

/// The format of a rendition.
pub fn rendition_format(source: &'static Format, kind: Kind, rendition: Rendition) -> &'static Format {
    match (rendition, kind) {
        (Rendition::Source, _) => source,
        (Rendition::Thumbnail, _) | (_, Kind::Image | Kind::Document | Kind::Other | Kind::Placeholder) => &FORMATS[3],
        (_, Kind::Audio) => &FORMATS[6],
        (Rendition::Mezzanine, Kind::Video) => &FORMATS[0],
        (Rendition::Proxy | Rendition::ThumbnailVideo, Kind::Video) => &FORMATS[1],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_are_exact() {
        assert_eq!(RATES[0].millis(900), 30_030);
        assert_eq!(RATES[0].millis(4195), 139_973);
        assert_eq!(RATES[0].millis(915), 30_530, "half to even");
        assert_eq!(RATES[3].millis(750), 30_000);
    }

    #[test]
    fn drop_frame_numbers() {
        let rate = &RATES[0];
        assert_eq!(rate.timecode(1799, true), "00:00:59;29");
        assert_eq!(rate.timecode(1800, true), "00:01:00;02");
        assert_eq!(rate.timecode(17_982, true), "00:10:00;00");
        assert_eq!(rate.timecode(107_892, true), "01:00:00;00");
        assert_eq!(rate.timecode(rate.frame_at(3600, true), true), "01:00:00;00");
        assert_eq!(rate.timecode(rate.frame_at(3590, true), true), "00:59:50;00");
        assert_eq!(RATES[2].timecode(3600, true), "00:01:00;04");
        assert_eq!(RATES[3].timecode(90_001, false), "01:00:00:01");
    }
}
