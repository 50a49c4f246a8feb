//! Timelines with their assets, clips, markers, and annotations.

use super::super::Told;
use super::asset::{Asset, optional};
use super::dice::{Dice, index, instant, local};
use super::dirt::media::{self as soiled, Soil};
use super::layout::{FIRST_ID, Layout, Owner};
use super::media::Video;
use super::spread::Kind;
use super::{Value, dirt, int, label, text, words};

/// The video whose timeline a row is: the first rows are main timelines, the others second ones.
pub fn video_of(layout: &Layout, timeline: u64) -> Asset {
    let videos = layout.blocks.count(Kind::Video).max(1);
    Asset::row(layout, layout.blocks.nth(Kind::Video, timeline % videos))
}

/// A row of `timeline`.
pub fn row(layout: &Layout, row: u64, out: &mut Vec<Value>) {
    let asset = video_of(layout, row);
    write(layout, FIRST_ID + row, &asset, layout.object_id(Owner::Timeline(row)), out);
}

/// The columns of `timeline`.
pub fn write(layout: &Layout, id: u64, asset: &Asset, object: Option<u64>, out: &mut Vec<Value>) {
    let dice = layout.dice(106, id.wrapping_sub(FIRST_ID));
    let video = Video::of(layout, asset);
    let (created, updated) = asset.dates();
    let soil = |column| Soil::new(layout, dice, dirt::draws(column), !asset.is_fixture());
    out.extend([
        Value::id(id),
        text(dice.uuid(0)),
        line(layout, asset, dice, dirt::draws(2), format!("{} timeline", asset.name())),
        object.map_or(Value::Null, Value::id),
        int(video.frames),
        soiled::rate(soil(5), video.rate),
        soiled::timecode(soil(6), video.count(0), video.rate),
        Value::Bool(video.drop),
        text(local(created)),
        text(local(updated)),
    ]);
}

/// A row of `timeline_asset`: each timeline's video, then second entries.
pub fn asset(layout: &Layout, row: u64, out: &mut Vec<Value>) {
    let timeline = row % layout.timelines;
    out.extend([
        Value::id(FIRST_ID + row),
        Value::id(FIRST_ID + timeline),
        Value::id(video_of(layout, timeline).id),
        Value::id(row / layout.timelines),
        text(format!("{}.000000", row / layout.timelines * 10)),
    ]);
}

/// A row of `timeline_video`: the source content of the current version.
pub fn video(layout: &Layout, row: u64, out: &mut Vec<Value>) {
    let asset = video_of(layout, row % layout.timelines);
    out.extend([
        Value::id(FIRST_ID + row),
        Value::id(FIRST_ID + row),
        Value::id(FIRST_ID + layout.current_source(asset.row)),
        int(row / layout.timelines),
    ]);
}

/// A row of `clip`.
pub fn clip(layout: &Layout, row: u64, out: &mut Vec<Value>) {
    let (timeline, _) = layout.clips.parent(row);
    let asset = video_of(layout, timeline);
    let video = Video::of(layout, &asset);
    let dice = layout.dice(110, row);
    let first = dice.below(0, video.frames * 3 / 4);
    let last = first + 1 + dice.below(1, video.frames - first - 1);
    out.extend([
        Value::id(FIRST_ID + row),
        text(dice.uuid(2)),
        Value::id(FIRST_ID + timeline),
        Value::id(asset.id),
        text(format!("{} clip {}", asset.title.name(), row % 50 + 1)),
        text(seconds(&video, first)),
        text(seconds(&video, last)),
        text(video.timecode(first)),
        text(video.timecode(last)),
        layout.object_id(Owner::Clip(row)).map_or(Value::Null, Value::id),
        Value::id(layout.user(dice, 4)),
        Value::Bool(dice.chance(5, 60_000)),
        text(local(dice.later(6, asset.dates().0))),
        Value::Bool(false),
    ]);
}

/// Seconds with nine places.
fn seconds(video: &Video, frames: u64) -> String {
    let nanos = u128::from(frames) * 1_000_000_000 * u128::from(video.rate.den) / u128::from(video.rate.num);
    format!("{}.{:09}", nanos / 1_000_000_000, nanos % 1_000_000_000)
}

/// A row of `marker`.
pub fn marker(layout: &Layout, row: u64, out: &mut Vec<Value>) {
    let (timeline, _) = layout.markers.parent(row);
    let asset = video_of(layout, timeline);
    write_marker(layout, FIRST_ID + row, FIRST_ID + timeline, &asset, out);
}

/// The columns of `marker`.
pub fn write_marker(layout: &Layout, id: u64, timeline: u64, asset: &Asset, out: &mut Vec<Value>) {
    let dice = layout.dice(111, id.wrapping_sub(FIRST_ID));
    let video = Video::of(layout, asset);
    let soil = Soil::new(layout, dice, dirt::draws(3), !asset.is_fixture());
    out.extend([
        Value::id(id),
        Value::id(timeline),
        int(1 + dice.zipf(0, 24)),
        soiled::moment(soil, video.count(dice.below(1, video.frames)), video.rate),
        optional(dice.chance(2, 400_000), || seconds_told(dice.below(3, 10))),
        optional(dice.chance(4, 900_000), || body(layout, asset, dice, dirt::draws(5), words::sentences(dice, 20, 1))),
        optional(dice.chance(5, 300_000), || text(format!("#{:06X}", dice.below(6, 0x0100_0000)))),
        Value::id(layout.user(dice, 7)),
        text(instant(dice.later(8, asset.dates().0))),
    ]);
}

/// A length of whole seconds below ten, as PostgreSQL prints an interval.
fn seconds_told(seconds: u64) -> Value {
    Told::clean(text(format!("00:00:{seconds:02}")), seconds * 1000).into()
}

/// Text of one line, clean in fixtures.
fn line(layout: &Layout, asset: &Asset, dice: Dice, k: u64, clean: String) -> Value {
    told(layout, asset, dice, k, clean, false)
}

/// Text of many lines, clean in fixtures.
fn body(layout: &Layout, asset: &Asset, dice: Dice, k: u64, clean: String) -> Value {
    told(layout, asset, dice, k, clean, true)
}

/// Text of an asset: its source may have misread it (D38).
fn told(layout: &Layout, asset: &Asset, dice: Dice, k: u64, clean: String, lines: bool) -> Value {
    if asset.is_fixture() {
        return text(clean);
    }
    let style = dirt::text::Style { lines, ..dirt::text::Style::default() };
    dirt::text::from(layout, dice, k, Some(asset.source()), clean, style)
}

/// A row of `annotation`: on a clip's video, or on any asset.
pub fn annotation(layout: &Layout, row: u64, out: &mut Vec<Value>) {
    let dice = layout.dice(113, row);
    let clip = (layout.clips.total() > 0 && dice.chance(0, 200_000)).then(|| dice.below(1, layout.clips.total()));
    let asset = match clip {
        Some(clip) => video_of(layout, layout.clips.parent(clip).0),
        None => Asset::row(layout, dice.below(2, layout.assets)),
    };
    let at = (asset.kind == Kind::Video).then(|| {
        let video = Video::of(layout, &asset);
        soiled::moment(
            Soil::new(layout, dice, dirt::draws(4), true),
            video.count(dice.below(3, video.frames)),
            video.rate,
        )
    });
    let created = dice.later(4, asset.dates().0);
    out.extend([
        Value::id(FIRST_ID + row),
        Value::id(asset.id),
        clip.map_or(Value::Null, |clip| Value::id(FIRST_ID + clip)),
        Value::id(layout.user(dice, 5)),
        at.unwrap_or(Value::Null),
        body(layout, &asset, dice, dirt::draws(5), words::sentences(dice, 20, 2)),
        label(["open", "resolved"][index(dice.below(6, 2))]),
        text(instant(created)),
        text(instant(dice.later(7, created))),
    ]);
}
