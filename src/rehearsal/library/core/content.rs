//! Versions, their contents, files, and what was measured in them.

use super::super::Told;
use super::asset::{Asset, Version, audio_millis, optional};
use super::dice::{NOW, date, index, instant, local};
use super::dirt::identity::{self, Versions};
use super::dirt::media::{self as soiled, Soil};
use super::dirt::{draws, file};
use super::layout::{CONTENT, FIRST_ID, Layout};
use super::media::{Format, Rendition, SIDECAR, Video, format_of, image_size, rendition_format};
use super::spread::Kind;
use super::{Value, array, dirt, int, label, text, words};

/// A content: whose it is, and the ids of its file and its media report.
pub struct Content<'a> {
    /// The id, which is also the file's.
    pub id: u64,
    /// The asset.
    pub asset: &'a Asset,
    /// The version.
    pub version: Version,
    /// The version's number, from 1.
    pub number: u64,
    /// What it is for.
    pub rendition: Rendition,
    /// The id of its media report.
    pub media: Option<u64>,
    row: u64,
}

/// A row of `asset_version`.
pub fn version(layout: &Layout, asset: &Asset, number: u64, out: &mut Vec<Value>) {
    let version = asset.version(layout, number);
    let dice = version.dice;
    let current = number + 1 == asset.versions(layout);
    let contents = version.contents(layout, asset.kind);
    let content =
        |wanted| contents.iter().find(|found| found.1 == wanted).map_or(Value::Null, |found| Value::id(found.0));
    let (created, updated) = asset.dates();
    let at = created + (updated - created) * (number + 1) / 10;
    let wrong = identity::versions(layout, asset);
    let master = if !current && dirt::orphan(layout, dice, 10_000) {
        dirt::parentless(dirt::nowhere(dice))
    } else {
        optional(current || !dirt::without_master(layout, dice), || Value::id(asset.id))
    };
    out.extend([
        Value::id(version.id),
        text(dice.uuid(0)),
        master,
        int(identity::version_number(layout, asset, number + 1)),
        optional(dice.chance(2, 500_000), || text(format!("Version {}", number + 1))),
        identity::current_flag(wrong, asset.versions(layout) - 1 - number),
        content(Rendition::Source),
        content(Rendition::Mezzanine),
        content(Rendition::Proxy),
        content(Rendition::Thumbnail),
        Value::id(layout.user(dice, 3)),
        optional(dice.chance(4, 200_000), || text(words::sentences(dice, 5, 1))),
        text(local(at)),
        text(local(updated)),
        Value::Bool(wrong == Versions::AllDeleted || (!current && dirt::deleted_version(layout, dice))),
    ]);
}

impl<'a> Content<'a> {
    /// The content of a row; `asset` is the one that [`Layout::version_asset`] gives for its version.
    pub fn of(layout: &Layout, row: u64, asset: &'a Asset, number: u64, k: u64) -> Self {
        let version = asset.version(layout, number);
        let (id, rendition) = version.contents(layout, asset.kind)[index(k)];
        let media = (layout.media.count(row) == 1).then(|| FIRST_ID + layout.media.start(row));
        Self { id, asset, version, number: number + 1, rendition, media, row }
    }

    /// All contents of a fixture's only version; each has a report with its own id.
    pub fn fixtures(layout: &Layout, asset: &'a Asset) -> Vec<Self> {
        let version = asset.current(layout);
        let make = |(id, rendition): (u64, Rendition)| {
            let row = id.wrapping_sub(FIRST_ID);
            Self { id, asset, version, number: 1, rendition, media: Some(id), row }
        };
        version.contents(layout, asset.kind).into_iter().map(make).collect()
    }

    fn format(&self, layout: &Layout) -> &'static Format {
        rendition_format(format_of(layout, self.asset), self.asset.kind, self.rendition)
    }

    /// Whether it is a moving picture.
    pub fn moving(&self) -> bool {
        self.asset.kind == Kind::Video && self.rendition != Rendition::Thumbnail
    }

    /// Width and height, as stored.
    fn size(&self, layout: &Layout) -> Option<(u64, u64)> {
        let (width, height) = match self.asset.kind {
            Kind::Video => {
                let size = Video::of(layout, self.asset).size;
                (size.width, size.height)
            }
            Kind::Image => {
                let (width, height, _) = image_size(layout, self.asset);
                (width, height)
            }
            _ => return (self.rendition == Rendition::Thumbnail).then_some((320, 240)),
        };
        match self.rendition {
            Rendition::Source | Rendition::Mezzanine => Some((width, height)),
            Rendition::Proxy => Some((width / 2, height / 2)),
            Rendition::Thumbnail | Rendition::ThumbnailVideo => Some((width / 4, height / 4)),
        }
    }

    fn millis(&self, layout: &Layout) -> Option<u64> {
        match self.asset.kind {
            Kind::Video if self.moving() => Some(Video::of(layout, self.asset).millis),
            Kind::Audio if self.rendition != Rendition::Thumbnail => Some(audio_millis(self.asset)),
            _ => None,
        }
    }

    /// Bytes of the file: some over 2 GiB.
    fn bytes(&self, layout: &Layout) -> u64 {
        let dice = layout.dice(CONTENT, self.row);
        let base = match (self.rendition, self.millis(layout)) {
            (Rendition::Source | Rendition::Mezzanine, Some(millis)) => millis * 12_000,
            (_, Some(millis)) => millis * 200,
            (Rendition::Source, None) => 4_000_000,
            _ => 40_000,
        };
        base + dice.below(20, base / 8)
    }

    fn file_name(&self, layout: &Layout) -> String {
        let source = self.asset.file_name(layout, self.number);
        match self.rendition {
            Rendition::Source => source,
            rendition => {
                let stem = source.rsplit_once('.').map_or(source.as_str(), |parts| parts.0);
                let use_ = rendition.name().to_lowercase();
                format!("{stem}_{use_}_{}.{}", self.id, self.format(layout).extension)
            }
        }
    }
}

fn opt_text(value: Option<String>) -> Value {
    value.map_or(Value::Null, text)
}

/// A row of `asset_content`.
pub fn content(layout: &Layout, content: &Content<'_>, out: &mut Vec<Value>) {
    let dice = layout.dice(CONTENT, content.row);
    let asset = content.asset;
    let format = content.format(layout);
    let size = content.size(layout);
    // Three pictures in ten were never measured.
    let measured = size.filter(|_| asset.kind != Kind::Image || !dice.chance(31, 300_000));
    let ratio = measured.and_then(|_| image_ratio(layout, content));
    let video = content.moving().then(|| Video::of(layout, asset));
    let millis = content.millis(layout);
    let stills = content.rendition == Rendition::ThumbnailVideo;
    let soil = |column| Soil::new(layout, dice, draws(column), !asset.is_fixture());
    let rate = |video: &Video| if stills { label("1.0") } else { soiled::rate(soil(18), video.rate) };
    let bits = millis.map(|millis| content.bytes(layout) * 8_000 / millis.max(1));
    let length = match (&video, millis) {
        (Some(video), _) => soiled::seconds(soil(14), 0, video.length()),
        (None, millis) => opt_text(millis.map(|millis| f64::from(millis as f32 / 1000.0).to_string())),
    };
    let kind = if size.is_some() && millis.is_none() { "Image" } else { asset.kind.label() };
    let sound = millis.is_some() && !stills;
    out.extend([
        Value::id(content.id),
        text(dice.uuid(0)),
        Value::id(content.version.id),
        Value::id(asset.id),
        text(content.file_name(layout)),
        soiled::uses(soil(5), content.rendition),
        label(kind),
        int(FIRST_ID + dice.below(2, 200)),
        Value::id(content.id),
        int(content.bytes(layout)),
        file::mime(layout, dice, draws(10), format),
        measured.map_or(Value::Null, |size| soiled::side(soil(11), size.0)),
        measured.map_or(Value::Null, |size| soiled::side(soil(12), size.1)),
        video
            .as_ref()
            .map(|video| video.size.ratio)
            .or(ratio)
            .map_or(Value::Null, |ratio| soiled::aspect(soil(13), ratio)),
        length,
        optional(millis.is_some(), || label("0")),
        video.as_ref().map_or(Value::Null, |video| soiled::timecode(soil(16), video.count(0), video.rate)),
        video.as_ref().map_or(Value::Null, |video| label(if video.drop { "DROP" } else { "NON_DROP" })),
        video.as_ref().map_or(Value::Null, rate),
        video.as_ref().map_or(Value::Null, |video| Value::Bool(video.drop)),
        bits.map_or(Value::Null, |bits| soiled::bitrate(soil(20), bits)),
        optional(video.is_some(), || soiled::codec(soil(21), format.codec)),
        optional(sound, || {
            soiled::codec(soil(22), if asset.kind == Kind::Audio { "PCM" } else { sound_codec(format) })
        }),
        optional(sound, || label("2")),
        optional(sound, || file::language(layout, dice, draws(24), asset.language(layout))),
        Value::Bool(false),
        content.media.map_or(Value::Null, Value::id),
        text(local(asset.dates().0)),
        Value::Bool(false),
    ]);
}

/// The ratio of an image's content, where the image has one that is known.
fn image_ratio(layout: &Layout, content: &Content<'_>) -> Option<&'static str> {
    if content.asset.kind == Kind::Image { image_size(layout, content.asset).2 } else { None }
}

fn sound_codec(format: &Format) -> &'static str {
    if format.name == "MP4" { "AAC" } else { "PCM" }
}

/// A row of `file_info`: the file of a content, or one that no content has.
pub fn file(layout: &Layout, id: u64, content: Option<&Content<'_>>, out: &mut Vec<Value>) {
    let dice = layout.dice(46, id.wrapping_sub(FIRST_ID));
    let (name, format, bytes, at) = match content {
        Some(content) => {
            let format = content.format(layout);
            (content.file_name(layout), format, content.bytes(layout), content.asset.dates().0)
        }
        None => (format!("sidecar_{id}.srt"), &SIDECAR, 2_000 + dice.below(0, 90_000), dice.past(1)),
    };
    let tags = dice.chance(10, 200_000).then(|| array(&[words::keyword(dice.below(11, 500)), "checked".to_owned()]));
    out.extend([
        Value::id(id),
        text(dice.uuid(3)),
        file::name(layout, dice, draws(2), name),
        file::format(layout, dice, draws(3), format),
        file::mime(layout, dice, draws(4), format),
        file::bytes(layout, dice, draws(5), bytes),
        text(local(at)),
        optional(!dice.chance(5, 120_000), || {
            let hex = format!("{:016x}{:016x}", dice.draw(6), dice.draw(7));
            file::checksum(layout, dice, draws(7), hex)
        }),
        optional(dice.chance(8, 300_000), || {
            text(format!("\\x{:016x}{:016x}{:08x}", dice.draw(6), dice.draw(7), dice.draw(9) >> 32))
        }),
        label("ONLINE"),
        opt_text(tags),
    ]);
}

/// A row of `media_info`.
pub fn media(layout: &Layout, content: &Content<'_>, out: &mut Vec<Value>) {
    let dice = layout.dice(61, content.row);
    let format = content.format(layout);
    let millis = content.millis(layout);
    let created = content.asset.dates().0;
    let soil = Soil::new(layout, dice, draws(4), content.moving() && !content.asset.is_fixture());
    let measured = millis.filter(|_| !soiled::unmeasured(soil));
    out.extend([
        content.media.map_or(Value::Null, Value::id),
        Value::id(content.id),
        file::container(layout, dice, draws(2), format),
        optional(format.name == "MXF", || label("OP1a")),
        measured.map_or(Value::Null, int),
        opt_text(millis.map(|millis| format!("{} s {} ms", millis / 1000, millis % 1000))),
        measured.map_or(Value::Null, |millis| int(content.bytes(layout) * 8_000 / millis.max(1))),
        text(format!("UTC {}", local(created))),
        optional(dice.chance(0, 700_000), || text(format!("UTC {}", local(created)))),
        optional(millis.is_some(), || label("Lavf58.76.100")),
        optional(dice.chance(1, 300_000), || {
            text(format!("{{\"HeaderSize\":{},\"IsStreamable\":true}}", 24 + dice.below(2, 900)))
        }),
    ]);
}

/// A row of `media_info_track_video`.
pub fn video_track(layout: &Layout, id: u64, content: &Content<'_>, out: &mut Vec<Value>) {
    let dice = layout.dice(62, id.wrapping_sub(FIRST_ID));
    let video = Video::of(layout, content.asset);
    let (width, height) = content.size(layout).unwrap_or((0, 0));
    let stills = content.rendition == Rendition::ThumbnailVideo;
    let soil = |column| Soil::new(layout, dice, draws(column), !content.asset.is_fixture());
    let measured = !soiled::unmeasured(soil(4));
    let fraction = measured && !dice.chance(0, 30_000);
    let (num, den) = if stills { (1, 1) } else { (video.rate.num, video.rate.den) };
    let rate = || if stills { label("1.0") } else { soiled::rate(soil(8), video.rate) };
    let frames = if stills { video.millis / 1000 } else { video.frames };
    out.extend([
        Value::id(id),
        content.media.map_or(Value::Null, Value::id),
        int(0),
        soiled::codec(soil(3), content.format(layout).codec),
        optional(measured, || int(width)),
        optional(measured, || int(height)),
        label("1.00000"),
        optional(measured, || Told::clean(video.size.dar, video.size.ratio).into()),
        optional(measured, rate),
        optional(fraction, || int(num)),
        optional(fraction, || int(den)),
        int(frames),
        optional(measured, || label(video.scan)),
        int(if video.size.label == "UHD" { 10 } else { 8 }),
        label("BT.709"),
        optional(video.size.label == "UHD" && dice.chance(1, 300_000), || label("SMPTE ST 2086, HDR10 compatible")),
        optional(dice.chance(2, 500_000), || label("0.00")),
    ]);
}

/// A row of `media_info_track_audio`.
pub fn audio_track(layout: &Layout, id: u64, content: &Content<'_>, order: u64, out: &mut Vec<Value>) {
    let dice = layout.dice(63, id.wrapping_sub(FIRST_ID));
    let codec = if content.asset.kind == Kind::Audio { "PCM" } else { sound_codec(content.format(layout)) };
    let soil = Soil::new(layout, dice, draws(3), !content.asset.is_fixture());
    out.extend([
        Value::id(id),
        content.media.map_or(Value::Null, Value::id),
        int(1 + order),
        soiled::codec(soil, codec),
        label("2"),
        label("L R"),
        int(48_000),
        int(if codec == "AAC" { 192_000 } else { 2_304_000 }),
        file::language(layout, dice, draws(8), content.asset.language(layout)),
        optional(dice.chance(0, 200_000), || text(format!("Mix {}", order + 1))),
    ]);
}

/// A row of `media_info_raw`: the report of a content that has a media report.
pub fn raw(layout: &Layout, row: u64, content: &Content<'_>, out: &mut Vec<Value>) {
    let dice = layout.dice(64, row);
    let format = content.format(layout);
    let mut report = format!("<MediaReport version=\"2.1\"><General><Format>{}</Format>", format.report);
    if let Some(millis) = content.millis(layout) {
        report.push_str(&format!("<Duration>{millis}</Duration>"));
    }
    report.push_str(&format!("<FileSize>{}</FileSize></General>", content.bytes(layout)));
    if let Some((width, height)) = content.size(layout) {
        report.push_str(&format!(
            "<Video><Width>{width}</Width><Height>{height}</Height><CodecID>{}</CodecID></Video>",
            format.codec
        ));
    }
    for block in 0..40 + dice.below(0, 40) {
        report.push_str(&format!("<Extra number=\"{block}\"><Offset>{}</Offset>", dice.draw(10 + block)));
        report.push_str(EXTRA);
    }
    report.push_str("</MediaReport>");
    out.extend([Value::id(content.id), label("2.1.0"), text(report), text(instant(dice.past(1)))]);
}

const EXTRA: &str = "<Field name=\"Format_Settings_CABAC\">Yes</Field><Field name=\"Format_Settings_RefFrames\">4</Field>\
    <Field name=\"ColorSpace\">YUV</Field><Field name=\"ChromaSubsampling\">4:2:2</Field><Field name=\"Delay\">0.000</Field>\
    <Field name=\"StreamSize_Proportion\">0.98513</Field></Extra>";

/// A row of `document_text`.
pub fn document_text(layout: &Layout, row: u64, out: &mut Vec<Value>) {
    let (document, part) = layout.texts.parent(row);
    let asset = Asset::row(layout, layout.blocks.nth(Kind::Document, document));
    let dice = layout.dice(69, row);
    let length = match dice.share(0, &[60, 30, 9]) {
        0 => 2_000 + dice.below(1, 12_000),
        1 => 12_000 + dice.below(1, 20_000),
        2 => 30_000 + dice.below(1, 60_000),
        _ => 120_000 + dice.below(1, 120_000),
    };
    out.extend([
        Value::id(FIRST_ID + row),
        Value::id(asset.id),
        int(part * 10 + 1),
        int(part * 10 + 10),
        text(words::body(dice, 2, index(length))),
        label(asset.language(layout)),
    ]);
}

/// A row of `asset_external_id`: each of another asset; D10, D12: some have the system and the id of a row before them.
pub fn external_id(layout: &Layout, row: u64, out: &mut Vec<Value>) {
    let dice = layout.dice(12, row);
    let from = dice.past(0);
    let system = |row| layout.dice(12, row).pick(2, &["legacy", "tms", "mam1"]);
    let (system, id) = match identity::same_legacy_id(layout, dice, row) {
        Some((other, id)) => (system(other), id),
        None => (system(row), text(format!("LEG-{}", FIRST_ID + row))),
    };
    out.extend([
        Value::id(FIRST_ID + row),
        Value::id(FIRST_ID + layout.external_places.at(row)),
        label(system),
        id,
        text(date(from)),
        optional(dice.chance(3, 100_000), || text(date(NOW + 86_400 * dice.below(4, 900)))),
    ]);
}
