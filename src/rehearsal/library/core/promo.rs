//! Promos, when they aired, and campaigns.

use super::asset::{Asset, optional};
use super::dice::{Dice, FIRST_DAY, NOW, date, instant, local};
use super::dirt::code::house_code;
use super::dirt::draws;
use super::dirt::identity;
use super::dirt::term::term;
use super::layout::{FIRST_ID, Layout};
use super::media::Video;
use super::spread::Kind;
use super::vocabulary::{APPROVALS, CAPTIONS, NETWORKS};
use super::{Value, dirt, label, text, words};

const TABLE: u32 = 90;
const TYPES: [&str; 9] = ["Episodic", "Image", "Movie", "Tune-In", "Sponsor", "Stunt", "Bumper", "ID", "Other"];

/// `:30`.
pub fn length_text(seconds: u64) -> String {
    format!(":{seconds:02}")
}

/// Where a promo points to in place of its video: nowhere (D19), or to an image (D23).
fn stray(layout: &Layout, row: u64) -> Option<Value> {
    let dice = layout.dice(TABLE, row);
    if dirt::orphan(layout, dice, 6_000) {
        return Some(dirt::lost(dirt::nowhere(dice)));
    }
    identity::wrong_class(layout, dice).map(|image| identity::misplaced(image))
}

/// Whether a promo does not stand on its video (D19, D23).
pub fn misplaced(layout: &Layout, row: u64) -> bool {
    stray(layout, row).is_some()
}

/// A row of `promo`.
pub fn row(layout: &Layout, row: u64, out: &mut Vec<Value>) {
    let dice = layout.dice(TABLE, row);
    let video = layout.blocks.nth(Kind::Video, layout.promo_videos.at(row));
    let asset = Asset::row(layout, video);
    let deleted = dirt::deleted(layout, dice, 20_000).0;
    let reference = stray(layout, row).unwrap_or(Value::id(asset.id));
    let title = dirt::name::of_asset(layout, dice, &asset, asset.name());
    write(layout, dice, FIRST_ID + row, (reference, &asset), title, deleted, out);
}

/// The columns of `promo`; the reference may differ from the asset whose facts it tells.
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
    let video = Video::of(layout, &Asset { role: super::asset::Role::Promo, ..*asset });
    let start = FIRST_DAY + dice.below(0, NOW + 40_000_000 - FIRST_DAY);
    let end = start + 86_400 * (1 + dice.below(1, 60));
    let created = asset.dates().0;
    out.extend([
        Value::id(id),
        reference,
        text(format!("PR{id:06}")),
        title,
        house_code(layout, dice, draws(4), asset.title.house_code()),
        Value::id(asset.title.id),
        Value::id(FIRST_ID + asset.campaign(layout)),
        label(TYPES[dice.share(2, &[35, 15, 15, 15, 6, 5, 4, 3])]),
        text(format!("{}.000", video.spot)),
        text(length_text(video.spot)),
        optional(dice.chance(3, 900_000), || text(local(start))),
        optional(dice.chance(3, 900_000), || text(instant(end + 86_400))),
        term(layout, dice, draws(12), "network", NETWORKS[asset.network()]),
        optional(dice.chance(4, 700_000), || text(format!("v{}", 1 + dice.below(5, 4)))),
        optional(dice.chance(6, 400_000), || text(words::sentences(dice, 50, 1))),
        optional(dice.chance(7, 300_000), || text(words::sentences(dice, 60, 4))),
        optional(dice.chance(8, 800_000), || label(dice.pick(9, &["AA", "BK", "CM", "DR", "EV", "JP"]))),
        term(layout, dice, draws(17), "approvalStatus", APPROVALS[asset.approval()]),
        optional(dice.chance(10, 300_000), || text(words::sentences(dice, 70, 3))),
        optional(dice.chance(11, 750_000), || text(format!("NLCP{:04}H", id % 10_000))),
        term(layout, dice, draws(20), "closedCaptionInfo", CAPTIONS[video.captions]),
        deleted,
        dirt::date::made(layout, dice, dirt::draws(22), created),
    ]);
}

/// A row of `promo_air_date`.
pub fn air_date(layout: &Layout, row: u64, out: &mut Vec<Value>) {
    let (promo, _) = layout.air_dates.parent(row);
    let dice = layout.dice(92, row);
    let video = layout.blocks.nth(Kind::Video, layout.promo_videos.at(promo));
    let network = NETWORKS[Asset::row(layout, video).network()];
    air(FIRST_ID + promo, network, dice, out);
}

/// The columns of `promo_air_date`.
pub fn air(promo: u64, network: &'static str, dice: Dice, out: &mut Vec<Value>) {
    let at = FIRST_DAY + dice.below(0, NOW + 40_000_000 - FIRST_DAY);
    let (hour, minute) = (at / 3600 % 24, at / 60 % 60);
    let daypart = ["Overnight", "Morning", "Daytime", "Prime"][super::dice::index(hour / 6)];
    out.extend([
        Value::id(promo),
        label(network),
        text(instant(at - at % 60)),
        label(daypart),
        text(format!("{hour:02}:{minute:02}:00-07")),
    ]);
}

/// The name of a campaign.
pub fn campaign_name(row: u64) -> String {
    format!("{} {}", words::title(row + 9_000), 2012 + row % 13)
}

/// A row of `promo_campaign`.
pub fn campaign(row: u64, dice: Dice, out: &mut Vec<Value>) {
    let start = FIRST_DAY + 86_400 * dice.below(0, 6000);
    out.extend([
        Value::id(FIRST_ID + row),
        text(campaign_name(row)),
        text(format!("{} {}", dice.pick(1, &["Spring", "Summer", "Fall", "Winter"]), 2012 + row % 13)),
        text(format!("{}.{:02}", dice.below(2, 2_000_000), dice.below(3, 100))),
        text(format!("[{},{})", date(start), date(start + 86_400 * (14 + dice.below(4, 120))))),
    ]);
}
