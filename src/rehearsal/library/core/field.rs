//! The fields of section 6: which a metadata object has, in what order, and what stands in them.

use std::cell::RefCell;

use super::asset::{Asset, Role};
use super::dice::{Dice, NOW, date, index, local};
use super::dirt::media::{self as soiled, Soil};
use super::layout::{ASSET, FIRST_ID, Layout, METADATA, NOWHERE, Owner, walk};
use super::media::{Video, format_of, image_size};
use super::property::{FIELDS, Field, On, Type};
use super::spread::Kind;
use super::title::Title;
use super::{Value, dirt, int, label, promo, text, vocabulary, words};

/// Fields of clients' own, 61 to 232 without 204.
pub const CUSTOM: u32 = 171;
/// The draw (of the object) that counts its own fields.
pub const CUSTOM_DRAW: u64 = 900;

/// A metadata object: whose it is and what it tells.
struct Subject {
    owner: Owner,
    dice: Dice,
    asset: Option<Asset>,
    title: Title,
}

/// One value of an object: which field, the place among its values, the place among the object's texts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Slot {
    field: &'static Field,
    position: u64,
    text: u64,
}

impl Subject {
    fn of(layout: &Layout, owner: Owner, object: u64) -> Self {
        let dice = layout.dice(METADATA, object);
        let asset = match owner {
            Owner::Asset(row) => Some(Asset::row(layout, row)),
            Owner::FixtureAsset(id) => super::fixture::asset(layout, id),
            _ => None,
        };
        let own = || match owner {
            Owner::Project(row) => super::project::title_id(layout, row),
            Owner::Clip(_) | Owner::Timeline(_) | Owner::Collection(_) => {
                FIRST_ID + dice.below(1, layout.titles.titles)
            }
            _ => FIRST_ID + dice.below(2, layout.titles.titles),
        };
        let title = asset.map_or_else(|| Title::of(layout, own()), |asset| asset.title);
        Self { owner, dice, asset, title }
    }

    fn kind(&self) -> Option<Kind> {
        self.asset.map(|asset| asset.kind)
    }

    fn role(&self) -> Role {
        self.asset.map_or(Role::None, |asset| asset.role)
    }

    /// How many values a field has here.
    fn count(&self, layout: &Layout, field: &Field) -> u64 {
        let role = self.role();
        let kind = self.kind();
        let fits = match field.on {
            On::All => true,
            On::Video => kind == Some(Kind::Video),
            On::Pictures => matches!(kind, Some(Kind::Video | Kind::Image)),
            On::Projects => matches!(self.owner, Owner::Project(_)),
        };
        let derived = matches!(role, Role::DerivedPromo | Role::DerivedDeliverable);
        let (possible, certain) = match field.id {
            1 => (true, derived || matches!(self.owner, Owner::FixtureAsset(24))),
            8 => (true, matches!(role, Role::Promo | Role::DerivedPromo)),
            9..=13 => (self.title.place.is_some(), false),
            14 => (self.asset.is_some_and(|asset| !format_of(layout, &asset).picklist.is_empty()), false),
            15 => (self.asset.is_some_and(|asset| asset.detail.is_some()), true),
            18 => (self.ratio(layout).is_some(), false),
            43 => (matches!(role, Role::Promo | Role::DerivedPromo), role == Role::DerivedPromo),
            44 => (true, role == Role::DerivedPromo),
            _ => (true, false),
        };
        let rate = match (self.asset, field.kind) {
            (None, Type::Text) => field.fill / 4,
            (None, _) if field.on != On::Projects => field.fill / 2,
            _ => field.fill,
        };
        let all = matches!(self.owner, Owner::FixtureAsset(172)) && field.id <= 60;
        let there = certain || all || (fits && self.dice.chance(10 + u64::from(field.id), rate));
        if !(possible && there) {
            return 0;
        }
        match field.id {
            5 if matches!(self.owner, Owner::FixtureAsset(31)) => 12_000,
            _ if !field.multiple => 1,
            5 => 1 + self.dice.below(500, 6),
            6 => 1 + self.dice.below(501, 3),
            25 => 2,
            26 => 1 + self.dice.below(502, 4),
            31 => self.title.cast().len() as u64,
            32 => self.title.genres().len() as u64,
            34 | 35 => 1 + self.dice.below(503, 2),
            _ => 1,
        }
    }

    fn ratio(&self, layout: &Layout) -> Option<&'static str> {
        let asset = self.asset?;
        match asset.kind {
            Kind::Video => Some(Video::of(layout, &asset).size.ratio),
            Kind::Image => image_size(layout, &asset).2,
            _ => None,
        }
    }

    /// The named values in their order.
    fn slots(&self, layout: &Layout) -> Vec<Slot> {
        let mut slots = Vec::with_capacity(32);
        let mut text = 0;
        for field in &FIELDS {
            for position in 0..self.count(layout, field) {
                slots.push(Slot { field, position, text });
                text += u64::from(field.kind == Type::Text);
            }
        }
        slots
    }
}

/// How many named values an object has, and how many texts are among them.
pub fn named_counts(layout: &Layout, object: u64) -> (u32, u32) {
    let subject = Subject::of(layout, layout.owner(object), object);
    let (mut values, mut texts) = (0, 0);
    for field in &FIELDS {
        let count = u32::try_from(subject.count(layout, field)).unwrap_or(0);
        values += count;
        texts += if field.kind == Type::Text { count } else { 0 };
    }
    (values, texts)
}

/// The last object whose values were made on this thread. Nothing depends on it but time.
type Last = Option<((u64, u64, u64, u64), std::rc::Rc<(Subject, Vec<Slot>)>)>;
thread_local! {
    static LAST: RefCell<Last> = const { RefCell::new(None) };
}

fn subject(layout: &Layout, object: u64) -> std::rc::Rc<(Subject, Vec<Slot>)> {
    let key = (layout.seed, layout.assets, layout.dirt.to_bits(), object);
    LAST.with_borrow_mut(|last| match last {
        Some((known, made)) if *known == key => made.clone(),
        _ => {
            let subject = Subject::of(layout, layout.owner(object), object);
            let slots = subject.slots(layout);
            let made = std::rc::Rc::new((subject, slots));
            *last = Some((key, made.clone()));
            made
        }
    })
}

/// A row of `metadata_property_value`.
pub fn value_row(layout: &Layout, row: u64, out: &mut Vec<Value>) {
    let (values, texts) = layout.values();
    let (object, k) = values.parent(row);
    let made = subject(layout, object);
    let (subject, slots) = (&made.0, &made.1);
    let dice = layout.dice(18, row);
    let id = FIRST_ID + row;
    match slots.get(index(k)) {
        Some(slot) => {
            let text_id = FIRST_ID + texts.start(object) + slot.text;
            write(layout, subject, slot, (id, FIRST_ID + object, text_id), dice, out);
        }
        None => {
            let step = subject.dice.pick(901, &[5, 7, 11, 13]);
            let place =
                (subject.dice.zipf(902, u64::from(CUSTOM)) + (k - slots.len() as u64) * step) % u64::from(CUSTOM);
            let field = 61 + place + u64::from(place >= 143);
            let parent = if dirt::orphan(layout, dice, 8_000) { NOWHERE + object } else { FIRST_ID + object };
            custom(layout, field, (id, parent), dice, out);
        }
    }
}

/// The rows of a fixture's values: ids count on from `first`, texts as well.
pub fn fixture_rows(layout: &Layout, id: u64, first: u64) -> (Vec<Vec<Value>>, Vec<Vec<Value>>) {
    let subject = Subject::of(layout, Owner::FixtureAsset(id), id.wrapping_sub(FIRST_ID));
    let (mut values, mut texts) = (Vec::new(), Vec::new());
    let skipped = super::fixture::without_title(id);
    for (number, slot) in subject.slots(layout).iter().filter(|slot| !(skipped && slot.field.id == 1)).enumerate() {
        let mut row = Vec::new();
        let value = first + number as u64;
        write(layout, &subject, slot, (value, id, first + slot.text), layout.dice(18, value), &mut row);
        values.push(row);
        if slot.field.kind == Type::Text {
            texts.push(vec![Value::id(first + slot.text), text(long_text(&subject, slot.field)), label("text/plain")]);
        }
    }
    (values, texts)
}

/// The columns of a value row that hold values, in table order.
#[derive(Debug)]
struct Held {
    string: Value,
    text: Value,
    long: Value,
    double: Value,
    decimal: Value,
    boolean: Value,
    date: Value,
    picklist: Value,
    path: Value,
}

const EMPTY: Held = Held {
    string: Value::Null,
    text: Value::Null,
    long: Value::Null,
    double: Value::Null,
    decimal: Value::Null,
    boolean: Value::Null,
    date: Value::Null,
    picklist: Value::Null,
    path: Value::Null,
};

fn finish(ids: (u64, u64), field: u64, position: u64, held: Held, dice: Dice, layout: &Layout, out: &mut Vec<Value>) {
    out.extend([Value::id(ids.0), Value::id(ids.1), Value::id(field), Value::id(position)]);
    let Held { string, text: long_text, long, double, decimal, boolean, date, picklist, path } = held;
    out.extend([string, long_text, long, double, decimal, boolean, date, picklist, path]);
    let language = if dice.chance(0, 100_000) { label("en") } else { Value::Null };
    out.extend([language, text(local(dice.past(1))), Value::id(layout.user(dice, 3))]);
}

fn write(layout: &Layout, subject: &Subject, slot: &Slot, ids: (u64, u64, u64), dice: Dice, out: &mut Vec<Value>) {
    let field = slot.field;
    let content = content(layout, subject, field.id, slot.position);
    let held = match field.kind {
        Type::Text => Held { text: Value::id(ids.2), ..EMPTY },
        Type::Picklist => Held { picklist: content, ..EMPTY },
        Type::Integer => Held { long: content, ..EMPTY },
        Type::Boolean => Held { boolean: content, ..EMPTY },
        Type::Date | Type::DateTime => Held { date: content, ..EMPTY },
        Type::Decimal => Held { decimal: content, ..EMPTY },
        _ => Held { string: content, ..EMPTY },
    };
    finish((ids.0, ids.1), field.id.into(), slot.position, held, dice, layout, out);
}

fn picked(list: &str, place: u64) -> Value {
    vocabulary::value_id(list, place).map_or(Value::Null, Value::id)
}

fn named(list: &str, value: &str) -> Value {
    vocabulary::value_named(list, value).map_or(Value::Null, Value::id)
}

fn midnight(moment: u64) -> Value {
    text(format!("{} 00:00:00", date(moment)))
}

/// The value of a field (for picklists the id of the value).
fn content(layout: &Layout, subject: &Subject, field: u16, position: u64) -> Value {
    let dice = subject.dice;
    let title = &subject.title;
    // Facts that columns of the asset tell too are drawn where those are drawn.
    let facts = subject.asset.map_or(dice, |asset| asset.dice);
    let person = |k: u64| text(words::person(dice.below(k, 4096).wrapping_add(position * 331) % 4096));
    let live = NOW - 86_400 * dice.below(600, 3000);
    let place = title.place.unwrap_or(super::title::Place { series: 0, season: 1, episode: 1 });
    match field {
        1 => subject_title(layout, subject),
        5 | 6 => {
            text(words::keyword(walk(dice, 610 + u64::from(field), position, 61_000.min(layout.keywords.max(12_000)))))
        }
        7 => named("titleClass", title.class()),
        9 => text(title.series().map_or_else(|| title.name(), |series| series.0)),
        10 => text(title.series().map_or_else(|| "SER00000".to_owned(), |series| series.1)),
        11 => int(place.season),
        12 => text(place.episode.to_string()),
        13 => int(place.episode),
        17 | 204 | 377 => text(title.house_code()),
        23 => midnight(live),
        24 => midnight(live + 86_400 * (30 + dice.below(601, 900))),
        25 => text(date(live + position * 86_400 * 365)),
        26 => picked("licenseTerritory", walk(dice, 602, position, vocabulary::TERRITORIES)),
        27 => text(format!("OID-{:08}", dice.below(603, 100_000_000))),
        28 => int(200_000 + dice.below(604, 5_200)),
        29 => label(words::place(dice, 605)),
        20 | 30 => Value::Bool(dice.chance(606 + u64::from(field), 400_000)),
        31 => title.cast().get(index(position)).map_or(Value::Null, |name| text(name.clone())),
        32 => picked("genres", title.genres().get(index(position)).copied().unwrap_or(0)),
        33 => text(title.director()),
        34 => person(640),
        35 => person(641),
        36 => picked("studio", title.studio()),
        37 => picked("rating", title.rating()),
        38 => int(title.year()),
        40 => text(title.eidr()),
        42 => text(local(FIRST_DAY_OF_AIR + dice.below(642, NOW - FIRST_DAY_OF_AIR))),
        44 => picked("network", vocabulary::network(facts, 1014) as u64),
        45 => text(promo::campaign_name(facts.zipf(1021, layout.campaigns))),
        47 => midnight(subject.asset.map_or(NOW + 86_400 * 90, |asset| asset.rights_expire())),
        48 => picked("approvalStatus", subject.asset.map_or(2, |asset| asset.approval() as u64)),
        49 => picked("language", facts_language(subject)),
        50 => text(format!("{}.{:02}", dice.below(643, 500_000), dice.below(644, 100))),
        51 => picked("status", dice.below(645, 5)),
        52..=54 => label(words::place(dice, 646)),
        58 => midnight(live),
        60 => text(format!("A{:03}", dice.below(647, 400))),
        55..=59 => person(648),
        _ => technical(layout, subject, field),
    }
}

const FIRST_DAY_OF_AIR: u64 = super::dice::FIRST_DAY;

fn facts_language(subject: &Subject) -> u64 {
    let dice = subject.asset.map_or(subject.dice, |asset| asset.dice);
    dice.zipf(2020, vocabulary::LANGUAGES.len() as u64)
}

/// Fields that say what the files say.
fn technical(layout: &Layout, subject: &Subject, field: u16) -> Value {
    let Some(asset) = subject.asset else { return Value::Null };
    match field {
        14 => return named("assetFormat", format_of(layout, &asset).picklist),
        15 => return picked("endpointImageDetail", asset.detail.unwrap_or(0) as u64),
        18 => return subject.ratio(layout).map_or(Value::Null, |ratio| named("aspectRatio", ratio)),
        8 => {
            let promo = matches!(asset.role, Role::Promo | Role::DerivedPromo);
            let other = [0, 1, 3, 4, 5, 6][index(subject.dice.below(650, 6))];
            return picked("contentType", if promo { 2 } else { other });
        }
        _ => {}
    }
    let video = Video::of(layout, &asset);
    let soil = Soil::new(layout, subject.dice, dirt::draws(u64::from(field)), !asset.is_fixture());
    match field {
        16 => named("videoResolution", video.size.label),
        19 => named("videoScanType", video.scan),
        21 => label(video.audio),
        22 => picked("closedCaptionInfo", video.captions as u64),
        39 => soiled::seconds(soil, 3, video.length()),
        41 => soiled::timecode(soil, video.count(video.frames * 9 / 10), video.rate),
        43 => soiled::spot(soil, video.spot),
        _ => Value::Null,
    }
}

fn subject_title(layout: &Layout, subject: &Subject) -> Value {
    match (subject.asset, subject.owner) {
        (Some(asset), _) if asset.is_fixture() => text(asset.name()),
        (Some(asset), _) if matches!(asset.role, Role::DerivedPromo | Role::DerivedDeliverable) => text(asset.name()),
        (Some(asset), _) => dirt::title(layout, subject.dice, asset.name()),
        (None, Owner::Collection(row)) => text(super::collection::name(layout, row)),
        (None, Owner::Project(row)) => text(super::project::name(layout, row)),
        _ => text(subject.title.name()),
    }
}

/// A value of a client's own field: by its type, one form each.
fn custom(layout: &Layout, field: u64, ids: (u64, u64), dice: Dice, out: &mut Vec<Value>) {
    let held = match super::property::custom_type(field) {
        Type::String => Held { string: text(format!("{} {}", words::keyword(dice.below(10, 400)), field)), ..EMPTY },
        Type::Text => Held { string: text(words::sentences(dice, 11, 3)), ..EMPTY },
        Type::Integer => Held { long: int(dice.below(20, 5_000)), ..EMPTY },
        Type::Double => Held { double: text(format!("{}.5", dice.below(20, 5_000))), ..EMPTY },
        Type::Decimal => {
            Held { decimal: text(format!("{}.{:04}", dice.below(20, 90_000), dice.below(21, 10_000))), ..EMPTY }
        }
        Type::Boolean => Held { boolean: Value::Bool(dice.chance(20, 500_000)), ..EMPTY },
        Type::Date => Held { date: midnight(dice.past(20)), ..EMPTY },
        Type::DateTime => Held { date: text(local(dice.past(20))), ..EMPTY },
        Type::Picklist => Held { picklist: Value::id(vocabulary::custom(field, dice.below(20, 3)).1), ..EMPTY },
        Type::Hierarchy => {
            let list = format!("{{{},{}}}", FIRST_ID + dice.below(20, 20), FIRST_ID + 20 + dice.below(21, 60));
            Held { path: text(list), ..EMPTY }
        }
        Type::Tags => Held { string: text(words::keyword(dice.zipf(20, 600))), ..EMPTY },
        Type::User => Held { long: Value::id(layout.user(dice, 20)), ..EMPTY },
    };
    finish(ids, field, 0, held, dice, layout, out);
}

/// A row of `metadata_property_text`: the text a value refers to, or one that none refers to.
pub fn text_row(layout: &Layout, row: u64, out: &mut Vec<Value>) {
    let texts = &layout.values().1;
    let body = if row < texts.total() {
        let (object, number) = texts.parent(row);
        let made = subject(layout, object);
        let slot = made.1.iter().find(|slot| slot.field.kind == Type::Text && slot.text == number);
        slot.map_or_else(String::new, |slot| long_text(&made.0, slot.field))
    } else {
        words::sentences(layout.dice(19, row), 0, 6)
    };
    out.extend([Value::id(FIRST_ID + row), text(body), label("text/plain")]);
}

fn long_text(subject: &Subject, field: &Field) -> String {
    let k = 700 + u64::from(field.id) * 16;
    match field.id {
        3 | 46 => words::body(subject.dice, k + 1, 100 << subject.dice.below(k, 6)),
        _ => words::sentences(subject.dice, k, 4),
    }
}

/// A row of `metadata`.
pub fn object_row(layout: &Layout, object: u64, out: &mut Vec<Value>) {
    let owner = layout.owner(object);
    let dice = layout.dice(METADATA, object);
    let (class, owner_id) = match owner {
        Owner::Asset(row) => ("AssetMaster", FIRST_ID + row),
        Owner::Clip(row) => ("Clip", FIRST_ID + row),
        Owner::Timeline(row) => ("Timeline", FIRST_ID + row),
        Owner::Collection(row) => ("AssetCollection", FIRST_ID + row),
        Owner::Project(row) => ("Project", FIRST_ID + row),
        Owner::Version(row) => ("AssetVersion", FIRST_ID + row),
        Owner::FixtureAsset(id) => ("AssetMaster", id),
    };
    // Only versions' objects lose their owner, so that no candidate loses its metadata.
    let lost = class == "AssetVersion" && dirt::orphan(layout, dice, 18_000);
    let categories = match owner {
        Owner::Asset(row) if dice.chance(803, 700_000) => {
            let ids = super::keyword::category_ids(layout, &Asset::row(layout, row));
            text(format!("{{{}}}", ids.join(",")))
        }
        _ => Value::Null,
    };
    let (created, updated) = match owner {
        Owner::Asset(row) => Asset::row(layout, row).dates(),
        _ => (layout.dice(ASSET, object).past(1016), NOW - 86_400),
    };
    write_object(
        layout,
        class,
        (FIRST_ID + object, if lost { NOWHERE + object } else { owner_id }),
        (created, updated),
        categories,
        out,
    );
}

/// The columns of `metadata`.
pub fn write_object(
    layout: &Layout,
    class: &'static str,
    ids: (u64, u64),
    dates: (u64, u64),
    categories: Value,
    out: &mut Vec<Value>,
) {
    let dice = layout.dice(METADATA, ids.0.wrapping_sub(FIRST_ID));
    let blob = dice.chance(804, 110_000).then(|| {
        format!(
            "{{\"oldId\":{},\"keywords\":[\"{}\"],\"revision\":{}}}",
            ids.0,
            words::keyword(dice.below(805, 300)),
            dice.below(806, 9)
        )
    });
    out.extend([
        Value::id(ids.0),
        text(dice.uuid(800)),
        label(class),
        Value::id(ids.1),
        categories,
        int(dice.below(802, 12)),
        blob.map_or(Value::Null, text),
        text(local(dates.0)),
        text(local(dates.1)),
        Value::id(layout.user(dice, 807)),
    ]);
}
