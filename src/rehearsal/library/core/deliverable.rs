//! Deliverables and deliverable images.

use super::super::Told;
use super::asset::{Asset, color_space, optional};
use super::dice::{Dice, NOW, index, instant};
use super::dirt::code::house_code;
use super::dirt::term::term;
use super::dirt::text::{Style, from};
use super::dirt::{date as moment, draws, file};
use super::layout::{FIRST_ID, Layout};
use super::media::{format_of, image_size};
use super::spread::Kind;
use super::vocabulary::{DETAILS, LANGUAGES};
use super::{Value, dirt, int, label, text, words};

const TABLE: u32 = 95;

/// D19: whether a deliverable image's asset does not exist.
pub fn orphaned(layout: &Layout, row: u64) -> bool {
    dirt::orphan(layout, layout.dice(TABLE, row), 5_000)
}

/// A row of `deliverable_image`.
pub fn image(layout: &Layout, row: u64, out: &mut Vec<Value>) {
    let dice = layout.dice(TABLE, row);
    let place = layout.blocks.nth(Kind::Image, layout.deliverable_places.at(row));
    let asset = Asset::row(layout, place);
    let deleted = dirt::deleted(layout, dice, 25_000).0;
    let reference = if orphaned(layout, row) { dirt::lost(dirt::nowhere(dice)) } else { Value::id(asset.id) };
    let title = dirt::name::of_asset(layout, dice, &asset, asset.name(), dirt::name::NAME);
    write(layout, dice, FIRST_ID + row, (reference, &asset), title, deleted, out);
}

/// The columns of `deliverable_image`; the reference may differ from the asset whose facts it tells.
pub fn write(
    layout: &Layout,
    dice: Dice,
    id: u64,
    asset: (Value, &Asset),
    title: Value,
    deleted: Value,
    out: &mut Vec<Value>,
) {
    let (reference, asset) = asset;
    let detail = asset.detail.unwrap_or(0);
    let (width, height, ratio) = image_size(layout, asset);
    let format = format_of(layout, asset);
    let (created, updated) = asset.dates();
    let approved = dice.chance(0, 700_000);
    let approved_at = approved.then(|| created + (updated - created) / 2);
    let folder = format!("images/{}", asset.title.house_code());
    let corner = (dice.below(1, width / 2), dice.below(2, height / 2));
    out.extend([
        Value::id(id),
        Value::id(FIRST_ID + dice.below(3, layout.deliverables)),
        reference,
        Value::id(FIRST_ID + detail as u64 + 14 * dice.below(4, 4)),
        term(layout, dice, draws(4), "endpointImageDetail", DETAILS[detail].0),
        house_code(layout, dice, draws(5), asset.title.house_code()),
        title,
        file::picture_size(layout, dice, draws(7), width, height),
        ratio.map_or(Value::Null, |ratio| file::ratio(layout, dice, draws(8), ratio)),
        file::format(layout, dice, draws(9), format),
        term(layout, dice, draws(10), "colorSpace", color_space(asset.dice)),
        file::language(layout, dice, draws(11), LANGUAGES[index(dice.zipf(5, LANGUAGES.len() as u64))]),
        optional(!dice.chance(6, 80_000), || Value::Bool(approved)),
        optional(approved, || file::approver(layout, dice, draws(13), layout.user(dice, 7))),
        approved_at.map_or(Value::Null, |at| moment::business(layout, dice, draws(14), at)),
        optional(dice.chance(8, 300_000), || {
            let day_first = asset.source() == 12;
            file::expiry(layout, dice, draws(15), asset.rights_expire(), approved_at, day_first)
        }),
        optional(dice.chance(9, 600_000), || {
            from(layout, dice, draws(16), Some(asset.source()), words::sentences(dice, 30, 1), Style::default())
        }),
        optional(dice.chance(10, 300_000), || crop((width, height), corner)),
        file::place(layout, dice, draws(18), "studio-deliverables", &folder, &format!("{id}.{}", format.extension)),
        optional(dice.chance(11, 850_000), || {
            let hex = (12..16).map(|k| format!("{:016x}", dice.draw(k))).collect();
            file::checksum(layout, dice, draws(19), hex)
        }),
        optional(dice.chance(16, 250_000), || {
            let style = Style { lines: true, html: true, ..Style::default() };
            from(layout, dice, draws(20), Some(asset.source()), words::sentences(dice, 40, 3), style)
        }),
        deleted,
        moment::audit(layout, dice, draws(22), created),
        moment::changed(layout, dice, draws(23), (created, updated)),
    ]);
}

/// A crop as PostgreSQL writes boxes: the upper right corner, then the lower left one.
fn crop(high: (u64, u64), low: (u64, u64)) -> Value {
    let means = serde_json::json!({"x0": low.0, "y0": low.1, "x1": high.0, "y1": high.1});
    Told::clean(format!("({},{}),({},{})", high.0, high.1, low.0, low.1), means).into()
}

/// A row of `deliverable`.
pub fn row(layout: &Layout, row: u64, dice: Dice, out: &mut Vec<Value>) {
    let due = NOW - 86_400 * dice.below(0, 4000);
    let asset = Asset::row(layout, dice.below(1, layout.assets));
    let package = serde_json::json!({"files": 1 + dice.below(2, 20), "profile": dice.pick(3, &["HD", "UHD", "Image"])});
    out.extend([
        Value::id(FIRST_ID + row),
        text(dice.uuid(4)),
        Value::id(asset.title.id),
        text(format!("{} Delivery", asset.title.name())),
        label(dice.pick(6, &["video", "image set", "captions", "package"])),
        int(FIRST_ID + dice.below(7, 41)),
        label(dice.pick(8, &["planned", "delivered", "accepted"])),
        text(instant(due)),
        optional(dice.chance(9, 800_000), || text(instant((due + 86_400 * dice.below(10, 9)).min(NOW)))),
        label(dice.pick(11, &["partner-a", "partner-b", "web", "set-top"])),
        Value::id(asset.id),
        text(package.to_string()),
    ]);
}
