//! The technical fields of promos and what stands on their timelines (D60 to D64, D67 to D69).
//!
//! Sources in the order of section 10. A source that says nothing right falls through and warns; those behind the
//! first good one are only compared: the first that differs gives the field's conflict (rulings A18).

use serde_json::{Map, Value as Json, json};

use super::super::Value;
use super::eav;
use super::entity::{self, Candidate};
use super::sheet::Sheet;
use super::source::{Described, Source, equal, settle};
use super::tables::{Row, Tables};
use super::version::Technical;

/// A frame rate, as numerator and denominator.
pub type Rate = (u64, u64);

/// A cell of a row that may not be there.
fn cell<'a>(row: Option<Row<'a>>, column: &str) -> &'a Value {
    entity::cell(row.as_ref(), column)
}

/// Fills in the technical fields, and gives the frame rate, which others need.
pub fn fill(tables: &Tables<'_>, candidate: &mut Candidate<'_>) -> Option<Rate> {
    let asset = tables.one("video_asset_master", "id", candidate.sheet.asset_id);
    let timeline = tables.one("timeline", "id", candidate.of_asset("main_timeline_id").number());
    let described = |property| eav::one(tables, candidate.metadata_id, property);
    let [resolution, ratio, sound, runtime] = [16, 18, 21, 39].map(described);
    let doubled = |property| eav::doubled(tables, candidate.metadata_id, property);
    let [sizes, ratios, runtimes] = [16, 18, 39].map(doubled);
    if cell(asset, "audio_channel_configuration").means().is_null() {
        eav::tell_several(&mut candidate.sheet, "audioLayout", tables, candidate.metadata_id, 21);
    }
    let (sheet, known) = (&mut candidate.sheet, &candidate.technical);
    let rate = frame_rate(sheet, known, timeline);
    let aspect = aspect_ratio(sheet, known, asset, (&ratio, ratios));
    size(sheet, known, asset, (&resolution, sizes), &aspect);
    length(sheet, known, (&runtime, runtimes), rate);
    let timecodes = [cell(known.content, "start_timecode"), cell(asset, "start_timecode")]
        .map(|found| Source::resolved(found, |means| timecode(means, rate)));
    settle(sheet, "startTimecode", &timecodes, Some(("TIMECODE_CONFLICT", &equal)));
    codec(sheet, "videoCodec", [cell(known.video, "codec_id"), cell(known.content, "video_codec")]);
    codec(sheet, "audioCodec", [cell(known.audio, "codec_id"), cell(known.content, "audio_codec")]);
    sheet.choose("audioLayout", [cell(asset, "audio_channel_configuration"), &sound]);
    bitrate(sheet, known);
    markers(tables, candidate, rate);
    rate
}

/// D62: the track's fraction, else its text, then the content's, then the timeline's.
fn frame_rate(sheet: &mut Sheet, known: &Technical<'_>, timeline: Option<Row<'_>>) -> Option<Rate> {
    let sources = rates(known, timeline);
    rate_of(&settle(sheet, "frameRate", &sources, Some(("FRAME_RATE_CONFLICT", &equal))))
}

/// Whether the frame rate is written as that of interlaced pictures (`50i`: D62, rulings A33), by any source that tells
/// the rate which counts.
pub fn interlaced(tables: &Tables<'_>, candidate: &Candidate<'_>) -> bool {
    let timeline = tables.one("timeline", "id", candidate.of_asset("main_timeline_id").number());
    let sources = rates(&candidate.technical, timeline);
    let Some(best) = sources.iter().map(|source| &source.value).find(|value| !value.is_null()) else { return false };
    let says = |source: &Source<'_>| source.cell.is_some_and(|cell| cell.means()["interlaced"] == true);
    sources.iter().any(|source| source.value == *best && says(source))
}

fn rates<'a>(known: &Technical<'a>, timeline: Option<Row<'a>>) -> [Source<'a>; 3] {
    let text = |cell| Source::resolved(cell, |means| (rate_text(means), None));
    let side = |column| cell(known.video, column).number().and_then(|side| u64::try_from(side).ok()).unwrap_or(0);
    let track = match (side("frame_rate_num"), side("frame_rate_den")) {
        (0, _) | (_, 0) => text(cell(known.video, "frame_rate")),
        (num, den) => {
            let common = greatest_common(num, den);
            Source::measured(json!(format!("{}/{}", num / common, den / common)))
        }
    };
    [track, text(cell(known.content, "frame_rate")), text(cell(timeline, "frame_rate"))]
}

/// The rate alone of what a text means.
fn rate_text(means: &Json) -> Json {
    if means.is_string() { means.clone() } else { means["rate"].clone() }
}

fn greatest_common(a: u64, b: u64) -> u64 {
    if b == 0 { a } else { greatest_common(b, a % b) }
}

/// The rate that `30000/1001` names.
fn rate_of(text: &Json) -> Option<Rate> {
    let (num, den) = text.as_str()?.split_once('/')?;
    Some((num.parse().ok()?, den.parse().ok()?))
}

/// Frames that are counted in a second.
fn nominal(rate: Rate) -> u64 {
    (rate.0 + rate.1 / 2) / rate.1
}

/// Frame numbers that a drop-frame count skips in a minute.
fn dropped(rate: Rate) -> u64 {
    if rate.1 == 1001 && matches!(nominal(rate), 30 | 60) { nominal(rate) / 15 } else { 0 }
}

fn half_to_even(dividend: u64, divisor: u64) -> u64 {
    let (whole, twice) = (dividend / divisor, dividend % divisor * 2);
    whole + u64::from(twice > divisor || (twice == divisor && whole % 2 == 1))
}

/// D60.
fn aspect_ratio(sheet: &mut Sheet, known: &Technical<'_>, asset: Option<Row<'_>>, described: Described<'_>) -> Json {
    let cells = [cell(known.video, "dar"), cell(known.content, "aspect_ratio"), cell(asset, "aspect_ratio")];
    let [report, content, stated] = cells.map(Source::of);
    let sources = [report, content, stated, Source::described(described)];
    settle(sheet, "aspectRatio", &sources, Some(("ASPECT_CONFLICT", &equal)))
}

/// D61: a label is no size, but the class.
fn size(
    sheet: &mut Sheet,
    known: &Technical<'_>,
    asset: Option<Row<'_>>,
    (described, several): Described<'_>,
    aspect: &Json,
) {
    let sides = [known.video, known.content].map(|row| ["width", "height"].map(|side| cell(row, side)));
    let stated = cell(asset, "video_resolution");
    let [track, content] = sides.map(|[width, height]| Source::sides(width, height));
    let text = Source { several: several.clone(), ..sized(described, aspect) };
    sides.iter().flatten().for_each(|side| sheet.touch("resolution", side));
    settle_size(sheet, &[track, content, sized(stated, aspect), text], [stated, described]);
    if several.is_some() && label(&stated.means()).is_null() && !label(&described.means()).is_null() {
        sheet.warn_of("MULTI_FOR_SINGLE", "resolutionClass", several);
    }
}

/// The first size of the sources as width, height and resolution, and the first label of the texts as the class; whether
/// there is a size.
pub fn settle_size(sheet: &mut Sheet, sources: &[Source<'_>], texts: [&Value; 2]) -> bool {
    let best = settle(sheet, "resolution", sources, Some(("RESOLUTION_CONFLICT", &equal)));
    if let (Some(w), Some(h)) = (best["width"].as_u64(), best["height"].as_u64()) {
        sheet.put("resolution", format!("{w}x{h}"));
    }
    sheet.put("width", best["width"].clone());
    sheet.put("height", best["height"].clone());
    let class = texts.map(|found| label(&found.means()));
    sheet.put("resolutionClass", class.into_iter().find(|class| !class.is_null()).unwrap_or_default());
    !best.is_null()
}

/// The label that a meaning is: `{"class"}`, or a term of the vocabulary of labels.
fn label(means: &Json) -> Json {
    if means.is_string() { means.clone() } else { means["class"].clone() }
}

/// A text that tells a size at a ratio.
pub fn sized<'a>(cell: &'a Value, aspect: &Json) -> Source<'a> {
    Source::resolved(cell, |means| pixels(means, aspect))
}

fn pixels(means: &Json, aspect: &Json) -> (Json, Option<&'static str>) {
    match (means["lines"].as_array(), means["width"].is_null()) {
        (Some(lines), _) if aspect == "16:9" => (json!({"width": lines[0], "height": lines[1]}), None),
        (None, false) => (means.clone(), None),
        _ => (Json::Null, Some("RESOLUTION_LABEL_ONLY")),
    }
}

/// D63: the report's milliseconds, the content's length, the runtime. A text that says a thousand times what the
/// report says is in milliseconds; lengths within a hundredth are the same.
fn length(sheet: &mut Sheet, known: &Technical<'_>, (runtime, several): Described<'_>, rate: Option<Rate>) {
    let report = cell(known.media, "duration_ms");
    let measured = report.means().as_u64().filter(|millis| *millis > 0);
    let unread = measured.is_none() && !report.is_null();
    let stated = |found| {
        let mut fixed = false;
        let source = Source::resolved(found, |means| match (millis(means, rate), measured) {
            (Some(n), Some(m)) if n.abs_diff(m * 1000) * 100 <= m * 1000 => {
                fixed = true;
                (json!(n / 1000), None)
            }
            (Some(n), _) => (json!(n), None),
            (None, _) => (Json::Null, Some("DURATION_INVALID")),
        });
        Source { always: fixed.then_some("DURATION_UNIT_FIXED"), ..source }
    };
    let measured =
        Source { cell: Some(report), code: unread.then_some("DURATION_INVALID"), ..Source::measured(json!(measured)) };
    let sources = [measured, stated(cell(known.content, "duration")), Source { several, ..stated(runtime) }];
    settle(sheet, "durationMs", &sources, Some(("DURATION_CONFLICT", &near)));
}

/// The first of some lengths, in milliseconds; put as it is, for the caller to round.
pub fn lengths(sheet: &mut Sheet, field: &'static str, cells: &[Value], rate: Option<Rate>) -> Json {
    let read = |found| {
        Source::resolved(found, |means| match millis(means, rate) {
            Some(millis) => (json!(millis), None),
            None => (Json::Null, Some("DURATION_INVALID")),
        })
    };
    let sources: Vec<Source<'_>> = cells.iter().map(read).collect();
    settle(sheet, field, &sources, Some(("DURATION_CONFLICT", &near)))
}

/// Within a hundredth of the first.
pub fn near(a: &Json, b: &Json) -> bool {
    let (a, b) = (a.as_u64().unwrap_or(0), b.as_u64().unwrap_or(0));
    a.abs_diff(b) * 100 <= a
}

/// The milliseconds that a length means at a rate.
pub fn millis(means: &Json, rate: Option<Rate>) -> Option<u64> {
    if let Some(millis) = means.as_u64() {
        return Some(millis);
    }
    let played = |frames: u64| rate.map(|rate| half_to_even(frames * rate.1 * 1000, rate.0));
    let frames = means["frames"].as_u64()?;
    let Some(seconds) = means["seconds"].as_u64() else { return played(frames) };
    match rate {
        None => (frames == 0).then_some(seconds * 1000),
        Some(rate) if frames >= nominal(rate) => None,
        Some(rate) => {
            // A count with drops leaves numbers out in every minute that is no tenth (rulings A19).
            let minutes = seconds / 60;
            let skipped = if means["drop"] == true { dropped(rate) * (minutes - minutes / 10) } else { 0 };
            played((seconds * nominal(rate) + frames).checked_sub(skipped)?)
        }
    }
}

/// D64: the timecode, and the code where it is none or over a day.
fn timecode(means: &Json, rate: Option<Rate>) -> (Json, Option<&'static str>) {
    const INVALID: (Json, Option<&str>) = (Json::Null, Some("TIMECODE_INVALID"));
    let write = |[h, m, s, f]: [u64; 4], mark| json!(format!("{h:02}:{m:02}:{s:02}{mark}{f:02}"));
    if let Some(millis) = means["millis"].as_u64() {
        // A moment in seconds tells the label: an hour is 01:00:00:00 at any rate.
        let base = match rate {
            Some(rate) => nominal(rate),
            None if millis % 1000 == 0 => 1,
            None => return INVALID,
        };
        let frames = half_to_even(millis * base, 1000);
        let second = frames / base;
        let value = write([second / 3600, second / 60 % 60, second % 60, frames % base], ':');
        return (value, (second >= 86_400).then_some("TIMECODE_OVER_24H"));
    }
    let number = |place: usize| means["count"][place].as_u64().unwrap_or(0);
    let [h, m, s, f] = [0, 1, 2, 3].map(number);
    let drop = means["drop"] == true;
    let skipped = if drop { rate.map_or(2, dropped) } else { 0 };
    if f >= rate.map_or(100, nominal) || (s == 0 && m % 10 != 0 && f < skipped) {
        return INVALID;
    }
    (write([h, m, s, f], if drop { ';' } else { ':' }), (h > 23).then_some("TIMECODE_OVER_24H"))
}

/// D67: the report's codec, then the content's.
fn codec(sheet: &mut Sheet, field: &'static str, cells: [&Value; 2]) {
    let same = |a: &Json, b: &Json| {
        let fold = |codec: &Json| codec.as_str().map(str::to_lowercase);
        fold(a) == fold(b)
    };
    settle(sheet, field, &cells.map(Source::of), Some(("CODEC_CONFLICT", &same)));
}

/// D68 (rulings A41): whole kilobits; a content's number above 100,000 counts bits.
fn bitrate(sheet: &mut Sheet, known: &Technical<'_>) {
    let stated = cell(known.content, "bitrate_kbs");
    let measured = cell(known.media, "overall_bitrate").means().as_u64().filter(|bits| *bits > 0);
    if measured.is_none() {
        sheet.read("bitrateKbps", stated);
    }
    let stated = stated.means().as_u64().filter(|number| *number > 0);
    let kilobits = measured.map(|bits| bits / 1000);
    let value = kilobits.or(stated.map(|number| if number > 100_000 { number / 1000 } else { number }));
    sheet.put("bitrateKbps", json!(value));
}

/// The markers of the main timeline, then the annotations of the asset, by id; a timecode that is none leaves the
/// marker without one.
fn markers(tables: &Tables<'_>, candidate: &mut Candidate<'_>, rate: Option<Rate>) {
    let timeline = candidate.of_asset("main_timeline_id").number();
    let mut marked = timeline.map_or_else(Vec::new, |id| tables.by("marker", "timeline_id", id));
    marked.sort_by_key(|row| row.id("id"));
    let asset = candidate.asset.as_ref().and_then(|asset| asset.id("id"));
    let mut noted = asset.map_or_else(Vec::new, |id| tables.by("annotation", "asset_id", id));
    noted.sort_by_key(|row| row.id("id"));
    let sheet = &mut candidate.sheet;
    let mut list = Vec::new();
    for (row, [at, body]) in
        marked.iter().map(|row| (row, ["time", "text"])).chain(noted.iter().map(|row| (row, ["tc", "body"])))
    {
        let at = Source::resolved(row.cell(at), |means| timecode(means, rate));
        let value = at.value.clone();
        settle(sheet, "markers", &[at], None);
        let mut marker = Map::new();
        marker.insert("timecode".to_owned(), value);
        marker.insert("text".to_owned(), sheet.read("markers", row.cell(body)));
        if row.table() == "marker" {
            marker.insert("durationMs".to_owned(), sheet.read("markers", row.cell("duration")));
        }
        list.push(Json::from(marker));
    }
    sheet.put("markers", list);
}

/// Sequences of projects: the main timelines of the videos among their members, each once, in the members' order.
/// Length and timecode are those of the timeline's own rate.
pub fn sequences(tables: &Tables<'_>, candidates: &mut [Candidate<'_>]) {
    let assets: std::collections::HashMap<String, i64> =
        candidates.iter().filter_map(|found| Some((found.sheet.source_key.clone(), found.sheet.asset_id?))).collect();
    for candidate in candidates.iter_mut().filter(|candidate| candidate.sheet.target == "project") {
        let members = candidate.sheet.get("members");
        let mut videos: Vec<i64> = Vec::new();
        for member in members.as_array().into_iter().flatten() {
            let key = member["source_key"].as_str().unwrap_or_default();
            let asset = assets.get(key).copied();
            videos.extend(asset.filter(|asset| !videos.contains(asset)));
        }
        let mut list = Vec::new();
        for video in videos {
            let asset = tables.one("asset_master", "id", Some(video));
            let moving = tables.one("video_asset_master", "id", Some(video)).is_some();
            let timeline = tables.one("timeline", "id", cell(asset, "main_timeline_id").number());
            if let (true, Some(timeline)) = (moving, timeline) {
                list.push(sequence(&mut candidate.sheet, timeline));
            }
        }
        candidate.sheet.put("sequences", list);
    }
}

fn sequence(sheet: &mut Sheet, timeline: Row<'_>) -> Json {
    let name = sheet.read("sequences", timeline.cell("name"));
    let text = rate_text(&sheet.read("sequences", timeline.cell("frame_rate")));
    let rate = rate_of(&text);
    let frames = timeline.means("duration_frames").as_u64();
    let start = Source::resolved(timeline.cell("start_timecode"), |means| timecode(means, rate));
    let value = start.value.clone();
    settle(sheet, "sequences", &[start], None);
    let length = frames.and_then(|frames| millis(&json!({"frames": frames}), rate));
    json!({"name": name, "durationMs": length, "frameRate": text, "startTimecode": value})
}

#[cfg(test)]
mod tests {
    use super::super::expected;
    use super::*;
    use crate::rehearsal::library::{Library, LibraryOptions};

    const NTSC: Option<Rate> = Some((30_000, 1001));
    const DOUBLE: Option<Rate> = Some((60_000, 1001));
    const FILM: Option<Rate> = Some((24, 1));

    #[test]
    fn lengths_at_a_rate() {
        let clock = |seconds: u64, frames: u64| json!({"seconds": seconds, "frames": frames, "drop": false});
        for (means, rate, expected) in [
            (json!(30_030), None, Some(30_030)),
            (json!({"frames": 4195}), NTSC, Some(139_973)),
            (json!({"frames": 4195}), None, None),
            (clock(30, 15), NTSC, Some(30_530)),
            (clock(30, 0), None, Some(30_000)),
            (clock(30, 1), None, None),
            (clock(30, 24), FILM, None),
            (json!({"seconds": 60, "frames": 2, "drop": true}), NTSC, Some(60_060)),
            (json!({"seconds": 600, "frames": 0, "drop": true}), NTSC, Some(599_999)),
            (json!({"seconds": 60, "frames": 2, "drop": true}), Some((25, 1)), Some(60_080)),
        ] {
            assert_eq!(millis(&means, rate), expected, "{means}");
        }
        assert!(near(&json!(30_000), &json!(30_300)) && !near(&json!(30_000), &json!(30_301)));
    }

    #[test]
    fn timecodes_at_a_rate() {
        let count = |count: [u64; 4], drop: bool| json!({"count": count, "drop": drop});
        let invalid = Some("TIMECODE_INVALID");
        for (means, rate, expected, code) in [
            (count([1, 0, 0, 2], true), NTSC, json!("01:00:00;02"), None),
            (count([0, 1, 0, 0], true), NTSC, Json::Null, invalid),
            (count([0, 10, 0, 0], true), NTSC, json!("00:10:00;00"), None),
            (count([0, 1, 0, 3], true), NTSC, json!("00:01:00;03"), None),
            (count([0, 1, 0, 3], true), DOUBLE, Json::Null, invalid),
            (count([0, 59, 50, 24], false), FILM, Json::Null, invalid),
            (count([25, 0, 0, 0], false), NTSC, json!("25:00:00:00"), Some("TIMECODE_OVER_24H")),
            (json!({"millis": 3_600_000}), NTSC, json!("01:00:00:00"), None),
            (json!({"millis": 3_723_167}), FILM, json!("01:02:03:04"), None),
            (json!({"millis": 86_399_990}), FILM, json!("24:00:00:00"), Some("TIMECODE_OVER_24H")),
            (json!({"millis": 500}), None, Json::Null, invalid),
        ] {
            assert_eq!(timecode(&means, rate), (expected, code), "{means} at {rate:?}");
        }
    }

    #[test]
    fn a_rate_of_fields_tells_the_scan_where_nothing_else_does() {
        let options = LibraryOptions { scale: 0.0001, dirt: 1.0, ..LibraryOptions::default() };
        let sheets = expected(&Library::new(options).unwrap());
        for (id, rate, scan) in [
            (82, json!("25/1"), json!("Interlaced")),
            (83, json!("60000/1001"), Json::Null),
            (90, json!("30000/1001"), json!("Progressive")),
        ] {
            let key = format!("Promo:{id}");
            let sheet = sheets.iter().find(|sheet| sheet.source_key == key).unwrap();
            assert_eq!((sheet.get("frameRate"), sheet.get("scanType")), (rate, scan), "{id}");
        }
    }

    #[test]
    fn lines_are_a_size_at_16_9() {
        let lines = json!({"lines": [1920, 1080]});
        let only = (Json::Null, Some("RESOLUTION_LABEL_ONLY"));
        assert_eq!(pixels(&lines, &json!("16:9")), (json!({"width": 1920, "height": 1080}), None));
        assert_eq!(pixels(&lines, &json!("4:3")), only);
        assert_eq!(pixels(&json!("HD"), &json!("16:9")), only);
        assert_eq!(label(&json!({"class": "UHD"})), "UHD");
    }
}
