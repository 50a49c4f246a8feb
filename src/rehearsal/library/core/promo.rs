//! Promos, when they aired, and campaigns.

use super::super::Told;
use super::asset::{Asset, optional};
use super::dice::{Dice, FIRST_DAY, NOW, date, instant, local};
use super::dirt::code::house_code;
use super::dirt::date as moments;
use super::dirt::draws;
use super::dirt::identity;
use super::dirt::media::{self as soiled, Soil};
use super::dirt::term::term;
use super::layout::{FIRST_ID, Layout};
use super::media::Video;
use super::spread::Kind;
use super::vocabulary::{APPROVALS, CAPTIONS, NETWORKS};
use super::{Value, dirt, label, text, words};

const TABLE: u32 = 90;
const TYPES: [&str; 9] = ["Episodic", "Image", "Movie", "Tune-In", "Sponsor", "Stunt", "Bumper", "ID", "Other"];

/// Where a promo points to in place of its video: nowhere (D19), or to an image (D23).
fn stray(layout: &Layout, row: u64) -> Option<Value> {
    let dice = layout.dice(TABLE, row);
    if dirt::orphan(layout, dice, 6_000) {
        return Some(dirt::lost(dirt::nowhere(dice)));
    }
    identity::wrong_class(layout, dice).map(identity::misplaced)
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
    let title = dirt::name::of_asset(layout, dice, &asset, asset.name(), dirt::name::NAME);
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
    let air = Air::of(layout, dice, id >= FIRST_ID);
    let created = asset.dates().0;
    let soil = |column| Soil::new(layout, dice, draws(column), air.open);
    let told = |column, clean: String, style| {
        if air.open {
            dirt::text::from(layout, dice, draws(column), Some(asset.source()), clean, style)
        } else {
            text(clean)
        }
    };
    let line = |column, clean| told(column, clean, dirt::text::Style::default());
    let body = |column, clean, html| told(column, clean, dirt::text::Style { lines: true, html, ..Default::default() });
    out.extend([
        Value::id(id),
        reference,
        text(format!("PR{id:06}")),
        title,
        house_code(layout, dice, draws(4), asset.title.house_code()),
        Value::id(asset.title.id),
        Value::id(FIRST_ID + asset.campaign(layout)),
        label(TYPES[dice.share(2, &[35, 15, 15, 15, 6, 5, 4, 3])]),
        soiled::spot_seconds(soil(8), video.spot),
        soiled::spot(soil(9), video.spot),
        optional(dice.chance(3, 900_000), || air.starts()),
        optional(dice.chance(3, 900_000), || air.ends()),
        term(layout, dice, draws(12), "network", NETWORKS[asset.network()]),
        optional(dice.chance(4, 700_000), || line(13, format!("v{}", 1 + dice.below(5, 4)))),
        optional(dice.chance(6, 400_000), || line(14, words::sentences(dice, 50, 1))),
        optional(dice.chance(7, 300_000), || body(15, words::sentences(dice, 60, 4), false)),
        optional(dice.chance(8, 800_000), || label(dice.pick(9, &["AA", "BK", "CM", "DR", "EV", "JP"]))),
        term(layout, dice, draws(17), "approvalStatus", APPROVALS[asset.approval()]),
        optional(dice.chance(10, 300_000), || body(18, words::sentences(dice, 70, 3), true)),
        optional(dice.chance(11, 750_000), || isci(dice, air.open && layout.dirt > 0.0, id)),
        term(layout, dice, draws(20), "closedCaptionInfo", CAPTIONS[video.captions]),
        deleted,
        dirt::date::made(layout, dice, draws(22), created),
    ]);
}

/// When a promo is on the air.
struct Air<'a> {
    layout: &'a Layout,
    dice: Dice,
    start: u64,
    end: u64,
    open: bool,
}

impl<'a> Air<'a> {
    /// `open` where the row is not a fixture, which has no dirt of rates.
    fn of(layout: &'a Layout, dice: Dice, open: bool) -> Self {
        let start = FIRST_DAY + dice.below(0, NOW + 40_000_000 - FIRST_DAY);
        let end = start + 86_400 * (2 + dice.below(1, 60));
        Self { layout, dice, start, end, open }
    }

    /// `air_start`, local: D51, D52, D48 1 % sentinels and 3 % real future dates, as at the end.
    fn starts(&self) -> Value {
        let k = draws(10);
        if !self.open {
            return Told::clean(local(self.start), moments::instant_of_local(self.start)).into();
        }
        if self.dice.chance(k + 8, self.layout.dirty(10_000)) {
            return moments::sentinel(self.dice.below(k + 9, 2));
        }
        if self.dice.chance(k + 10, self.layout.dirty(30_000)) {
            return moments::to_come(1 + self.dice.below(k + 11, 670));
        }
        moments::business(self.layout, self.dice, k, self.start)
    }

    /// `air_end`, with a zone: D47 in 1.5 %, D48 1 % sentinels and 3 % real future dates, D49 before the start in
    /// 0.4 %, D52 in 0.2 %.
    fn ends(&self) -> Value {
        let (k, dice) = (draws(11), self.dice);
        let hit = |draw, ppm| self.open && dice.chance(k + draw, self.layout.dirty(ppm));
        if hit(2, 10_000) {
            return sentinel(dice.below(k + 3, 2));
        }
        if hit(4, 2_000) {
            return moments::zero_instant(dice.below(k + 3, 3));
        }
        let told = |kind, moment| Told::kept(kind, instant(moment), moments::rfc3339(moment.cast_signed())).into();
        if hit(5, 4_000) {
            return told("D49", self.start - 86_400 * 10);
        }
        if hit(6, 30_000) {
            return told("D48", NOW + 86_400 * (1 + dice.below(k + 7, 670)));
        }
        if self.open {
            return moments::open_end(self.layout, dice, k, 15_000, self.end);
        }
        Told::clean(instant(self.end), moments::rfc3339(self.end.cast_signed())).into()
    }
}

/// D48: a sentinel with a zone.
fn sentinel(number: u64) -> Value {
    let raw = if number == 0 { "2099-12-31 00:00:00+00" } else { "9999-12-31 00:00:00+00" };
    Told::warned("D48", label(raw), moments::OPEN, "OPEN_ENDED").into()
}

/// An ISCI code: upper case without blanks, stops and dashes, one in eight in another form.
fn isci(dice: Dice, dirty: bool, id: u64) -> Value {
    let code = format!("NLCP{:04}H", id % 10_000);
    if !dirty || !dice.chance(draws(19), 120_000) {
        return text(code);
    }
    let digits = &code[4..8];
    let raw = match dice.below(draws(19) + 1, 4) {
        0 => code.to_lowercase(),
        1 => format!("NLCP-{digits}-H"),
        2 => format!("NLCP {digits} H"),
        _ => format!(" {code} "),
    };
    Told::normalised("D06", raw, code).into()
}

/// A row of `promo_air_date`.
pub fn air_date(layout: &Layout, row: u64, out: &mut Vec<Value>) {
    let (promo, _) = layout.air_dates.parent(row);
    let dice = layout.dice(92, row);
    let video = layout.blocks.nth(Kind::Video, layout.promo_videos.at(promo));
    let network = NETWORKS[Asset::row(layout, video).network()];
    air(layout, FIRST_ID + promo, network, dice, out);
}

/// The columns of `promo_air_date`.
pub fn air(layout: &Layout, promo: u64, network: &'static str, dice: Dice, out: &mut Vec<Value>) {
    let at = FIRST_DAY + dice.below(0, NOW + 40_000_000 - FIRST_DAY);
    let (hour, minute) = (at / 3600 % 24, at / 60 % 60);
    let daypart = ["Overnight", "Morning", "Daytime", "Prime"][super::dice::index(hour / 6)];
    let minutes = at - at % 60;
    let k = draws(2);
    let aired = if promo >= FIRST_ID && dice.chance(k, layout.dirty(10_000)) {
        sentinel(dice.below(k + 1, 2))
    } else if promo >= FIRST_ID && dice.chance(k + 2, layout.dirty(2_000)) {
        moments::zero_instant(dice.below(k + 3, 3))
    } else {
        Told::clean(instant(minutes), moments::rfc3339(minutes.cast_signed())).into()
    };
    let network = term(layout, dice, draws(1), "network", network);
    out.extend([Value::id(promo), network, aired, label(daypart), text(format!("{hour:02}:{minute:02}:00-07"))]);
}

/// The name of a campaign.
pub fn campaign_name(row: u64) -> String {
    format!("{} {}", words::title(row + 9_000), 2012 + row % 13)
}

/// D47: the days of a campaign without an end, without a beginning, until infinity, by number. No target has them.
pub fn open_flight(number: u64, start: &str) -> Value {
    let raw = match number {
        0 => format!("[{start},)"),
        1 => format!("(,{start})"),
        _ => format!("[{start},infinity)"),
    };
    Told::kept("D47", raw.clone(), raw).into()
}

/// A row of `promo_campaign`.
pub fn campaign(layout: &Layout, row: u64, dice: Dice, out: &mut Vec<Value>) {
    let start = FIRST_DAY + 86_400 * dice.below(0, 6000);
    let open = dice.chance(draws(4), layout.dirty(5_000));
    out.extend([
        Value::id(FIRST_ID + row),
        dirt::text::line(layout, dice, draws(1), campaign_name(row)),
        text(format!("{} {}", dice.pick(1, &["Spring", "Summer", "Fall", "Winter"]), 2012 + row % 13)),
        text(format!("{}.{:02}", dice.below(2, 2_000_000), dice.below(3, 100))),
        if open {
            open_flight(dice.below(draws(4) + 1, 3), &date(start))
        } else {
            text(format!("[{},{})", date(start), date(start + 86_400 * (14 + dice.below(4, 120)))))
        },
    ]);
}
