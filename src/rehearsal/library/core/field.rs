//! The fields of section 6: which a metadata object has, in what order, and what stands in them.

mod body;

use std::cell::RefCell;

use self::body::body;
pub use self::body::text_row;
use super::super::Told;
use super::asset::{Asset, Role};
use super::dice::{Dice, FIRST_DAY, NOW, date, index};
use super::dirt::code::{disagreeing, eidr, house_code};
use super::dirt::date::Wanted;
use super::dirt::media::{self as soiled, Soil};
use super::held::{self, EMPTY, Fact, Held, Ids, finish, position, soil};
use super::layout::{FIRST_ID, Layout, METADATA, NOWHERE, Owner, walk};
use super::media::{Video, format_of, image_size};
use super::property::{FIELDS, Field, On, Type};
use super::spread::Kind;
use super::title::{Place, Title};
use super::{Value, custom, dirt, int, label, promo, text, vocabulary, words};

/// Fields of clients' own, 61 to 232 without 204.
pub const CUSTOM: u32 = 171;
/// The draw (of the object) that counts its own fields.
pub const CUSTOM_DRAW: u64 = 900;

/// Columns of `metadata_property_value`: the metadata object, the property.
const OBJECT: usize = 1;
const PROPERTY: usize = 2;

/// A metadata object: whose it is and what it tells.
struct Subject {
    owner: Owner,
    dice: Dice,
    asset: Option<Asset>,
    /// The asset whose technical facts it tells: its own.
    shown: Option<Asset>,
    title: Title,
}

/// One value of an object: which field, the place among its values, the place among the object's texts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Slot {
    field: &'static Field,
    position: u64,
    text: u64,
}

/// Fields for one value that have two now and then (D26); the second is another object's.
const DOUBLED: [u16; 40] = [
    1, 2, 3, 4, 7, 9, 10, 11, 12, 13, 14, 16, 17, 18, 19, 20, 21, 22, 23, 24, 27, 29, 30, 36, 37, 38, 39, 40, 42, 43,
    44, 45, 46, 47, 48, 49, 50, 57, 204, 377,
];

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
        Self { owner, dice, asset, shown: asset, title }
    }

    /// Whose value the second of a field for one value is: another title's, drawn anew, and another asset's of its kind.
    fn other(&self, layout: &Layout) -> Self {
        let dice = layout.dice(METADATA, self.dice.draw(904));
        let title = Title::of(layout, FIRST_ID + dice.below(1, layout.titles.titles));
        let shown = self.asset.map(|asset| {
            let row = layout.blocks.nth(asset.kind, dice.below(2, layout.blocks.count(asset.kind).max(1)));
            Asset { role: asset.role, ..Asset::row(layout, row) }
        });
        Self { owner: self.owner, dice, asset: self.asset, shown, title }
    }

    /// The source of its asset.
    fn source(&self) -> Option<u64> {
        self.asset.map(|asset| asset.source())
    }

    /// Whether its dates begin with the day: those of the European office (source 12).
    fn day_first(&self) -> bool {
        self.source() == Some(12)
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
            id if DOUBLED.contains(&id) => {
                1 + u64::from(
                    !self.dice.is_fixture() && self.dice.chance(dirt::draws(id.into()) + 29, layout.dirty(10_000)),
                )
            }
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
        let asset = self.shown?;
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
            let start = out.len();
            custom::write(layout, Ids { value: id, object: FIRST_ID + object, field }, dice, out);
            if dirt::orphan(layout, dice, 8_000)
                && let Some(cell) = out.get_mut(start + OBJECT)
            {
                *cell = dirt::parentless(NOWHERE + object);
            }
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
            let body = body(layout, &subject, slot);
            texts.push(vec![Value::id(first + slot.text), body, label("text/plain")]);
        }
    }
    (values, texts)
}

fn write(layout: &Layout, subject: &Subject, slot: &Slot, ids: (u64, u64, u64), dice: Dice, out: &mut Vec<Value>) {
    let field = slot.field;
    let other;
    let subject = if slot.position > 0 && !field.multiple {
        other = subject.other(layout);
        &other
    } else {
        subject
    };
    let fact = fact(layout, subject, field.id, slot.position);
    let held = match (field.kind, fact) {
        (Type::Text, _) => Held { text: Value::id(ids.2), ..EMPTY },
        (_, Some(Fact::Term(list, term))) => picked(layout, subject, slot, list, term),
        (kind, _) => {
            let content = content(layout, subject, field.id, slot.position);
            Held::typed(kind, written(layout, subject, slot, content))
        }
    };
    let held = soil(layout, subject.dice, field, fact, subject.day_first(), slot.position, held);
    let held = if held::empty(layout, subject.dice, field, dice) { held::nothing(field.kind) } else { held };
    let place = position(layout, subject.dice, field, slot.position);
    let start = out.len();
    finish(Ids { value: ids.0, object: ids.1, field: field.id.into() }, place, held, dice, layout, out);
    if slot.position > 0
        && !field.multiple
        && let Some(cell) = out.get_mut(start + PROPERTY)
    {
        *cell = held::doubled(field.id.into());
    }
}

/// The draws for the dirt of a value of this field, from [`held::draws`] on: text in lines, lists, dates and numbers
/// that are kept as text.
fn written(layout: &Layout, subject: &Subject, slot: &Slot, clean: Value) -> Value {
    let (field, dice, k) = (slot.field, subject.dice, held::draws(slot.field, slot.position));
    if dice.is_fixture() || layout.dirt == 0.0 {
        return clean;
    }
    match field.id {
        12 => dirt::number::episode(layout, dice, k, series_place(subject).episode),
        25 => {
            let moment = NOW - 86_400 * dice.below(600, 3000) + slot.position * 86_400 * 365;
            dirt::date::text_date(layout, dice, k, moment, Wanted::Date, subject.day_first())
        }
        5 | 6 | 31 | 33 | 35 if dice.chance(k + 13, layout.dirty(120_000)) => {
            let people = field.id > 6;
            let more = |place: u64| match people {
                true if place.is_multiple_of(3) => format!("Null, {}", words::person(place % 4096)),
                true => words::person(place % 4096),
                false => words::keyword(place % 12_000),
            };
            let first = clean.text().unwrap_or_default();
            let choice = dice.draw(k + 14);
            let items = [first.clone(), more(choice >> 8), first.to_uppercase(), more(choice >> 24)];
            dirt::text::list(choice, &items[..2 + index(choice >> 40) % 3], people).into()
        }
        10 => dirt::code::series_code(layout, dice, k, clean.text().unwrap_or_default()),
        27 if let Some(found) = dirt::identity::record_id(layout, dice, k) => found,
        5 | 6 | 9 | 27 | 29 | 31 | 33 | 35 | 45 => {
            // A placeholder that is a cell of several values is dropped with a warning, as in any other text (D03).
            let style = dirt::text::Style { item: field.multiple, ..dirt::text::Style::default() };
            dirt::text::from(layout, dice, k, subject.source(), clean.text().unwrap_or_default(), style)
        }
        _ => clean,
    }
}

/// A picklist's value: the reference to it, whose row holds a spelling of the term, or a text beside a lost one.
fn picked(layout: &Layout, subject: &Subject, slot: &Slot, list: &'static str, term: &'static str) -> Held {
    let k = held::draws(slot.field, slot.position);
    if let Some(string) = dirt::term::several(layout, subject.dice, k + 8, list, term) {
        return Held { string, ..EMPTY };
    }
    // The terms of sizes are labels; their other forms tell the size itself.
    let size = subject.asset.filter(|_| slot.field.id == 16).map(|asset| Video::of(layout, &asset).size.text());
    let reference = dirt::described::picked(layout, subject.dice, k, list, size.as_deref().unwrap_or(term))
        .unwrap_or_else(|| dirt::term::picked(layout, subject.dice, k, list, term));
    let (picklist, string) = dirt::term::held(layout, subject.dice, k + 4, reference);
    Held { picklist, string, ..EMPTY }
}

/// The vocabulary and the place in it that a field's value has.
fn place_of(layout: &Layout, subject: &Subject, field: u16, position: u64) -> Option<(&'static str, u64)> {
    let dice = subject.dice;
    let title = &subject.title;
    // Facts that columns of the asset tell too are drawn where those are drawn.
    let facts = subject.shown.map_or(dice, |asset| asset.dice);
    let named = |list, value: &str| vocabulary::place_of(list, value).map(|place| (list, place));
    Some(match field {
        7 => return named("titleClass", title.class()),
        26 => ("licenseTerritory", walk(dice, 602, position, vocabulary::TERRITORIES)),
        32 => ("genres", title.genres().get(index(position)).copied().unwrap_or(0)),
        36 => ("studio", title.studio()),
        37 => ("rating", title.rating()),
        44 => ("network", vocabulary::network(facts, 1014) as u64),
        48 => ("approvalStatus", subject.shown.map_or(2, |asset| asset.approval() as u64)),
        49 => ("language", facts.zipf(2020, vocabulary::LANGUAGES.len() as u64)),
        51 => ("status", dice.below(645, 5)),
        _ => {
            let asset = subject.shown?;
            match field {
                8 => {
                    let promo = matches!(asset.role, Role::Promo | Role::DerivedPromo);
                    let other = [0, 1, 3, 4, 5, 6][index(dice.below(650, 6))];
                    ("contentType", if promo { 2 } else { other })
                }
                14 => return named("assetFormat", format_of(layout, &asset).picklist),
                15 => ("endpointImageDetail", asset.detail.unwrap_or(0) as u64),
                16 => return named("videoResolution", Video::of(layout, &asset).size.label),
                18 => return named("aspectRatio", subject.ratio(layout)?),
                19 => return named("videoScanType", Video::of(layout, &asset).scan),
                22 => ("closedCaptionInfo", Video::of(layout, &asset).captions as u64),
                _ => return None,
            }
        }
    })
}

/// The moment of a date field. D49: in 0.4 % a period ends before it begins.
fn moment(layout: &Layout, subject: &Subject, field: u16) -> Option<u64> {
    let dice = subject.dice;
    let live = NOW - 86_400 * dice.below(600, 3000);
    Some(match field {
        23 | 58 => live,
        24 if reversed(layout, dice) => live - 86_400 * (1 + dice.below(601, 900)),
        24 => live + 86_400 * (30 + dice.below(601, 900)),
        42 => FIRST_DAY + dice.below(642, NOW - FIRST_DAY),
        47 => subject.shown.map_or(NOW + 86_400 * 90, |asset| asset.rights_expire()),
        _ => return None,
    })
}

/// D49: whether the end of the period comes before its beginning.
fn reversed(layout: &Layout, dice: Dice) -> bool {
    !dice.is_fixture() && dice.chance(dirt::draws(24), layout.dirty(4_000))
}

fn truth(subject: &Subject, field: u16) -> bool {
    subject.dice.chance(606 + u64::from(field), 400_000)
}

/// The place in a series; where there is none, the first one.
fn series_place(subject: &Subject) -> Place {
    subject.title.place.unwrap_or(Place { series: 0, season: 1, episode: 1 })
}

/// What a typed value is, for a text that stands in for it.
fn fact(layout: &Layout, subject: &Subject, field: u16, position: u64) -> Option<Fact> {
    Some(match field {
        11 => Fact::Number(series_place(subject).season),
        13 => Fact::Number(series_place(subject).episode),
        20 | 30 => Fact::Truth(truth(subject, field)),
        38 => Fact::Number(subject.title.year()),
        23 | 24 | 42 | 47 => Fact::Moment(moment(layout, subject, field)?),
        _ => {
            let (list, place) = place_of(layout, subject, field, position)?;
            Fact::Term(list, vocabulary::term_at(list, place))
        }
    })
}

/// The value of a field in the column of its type (for picklists the id of the value).
fn content(layout: &Layout, subject: &Subject, field: u16, position: u64) -> Value {
    let dice = subject.dice;
    let title = &subject.title;
    let person = |k: u64| text(words::person(dice.below(k, 4096).wrapping_add(position * 331) % 4096));
    match field {
        1 => subject_title(layout, subject),
        5 | 6 => {
            text(words::keyword(walk(dice, 610 + u64::from(field), position, 61_000.min(layout.keywords.max(12_000)))))
        }
        9 => text(title.series().map_or_else(|| title.name(), |series| series.0)),
        10 => text(title.series().map_or_else(|| "SER00000".to_owned(), |series| series.1)),
        11 => int(series_place(subject).season),
        12 => text(series_place(subject).episode.to_string()),
        13 => int(series_place(subject).episode),
        17 | 204 | 377 => disagreeing(layout, dice, dirt::draws(field.into()) + 3, title.id)
            .unwrap_or_else(|| house_code(layout, dice, dirt::draws(field.into()), title.house_code())),
        24 if reversed(layout, dice) => moment(layout, subject, field).map_or(Value::Null, dirt::date::reversed_day),
        23 | 24 | 47 | 58 => moment(layout, subject, field).map_or(Value::Null, day),
        25 => text(date(NOW - 86_400 * dice.below(600, 3000) + position * 86_400 * 365)),
        27 => text(dirt::identity::record_of(dice)),
        28 => int(200_000 + dice.below(604, 5_200)),
        29 => label(words::place(dice, 605)),
        20 | 30 => Value::Bool(truth(subject, field)),
        31 => title.cast().get(index(position)).map_or(Value::Null, |name| text(name.clone())),
        33 => text(title.director()),
        34 => person(640),
        35 => person(641),
        38 => int(title.year()),
        40 => eidr(layout, dice, dirt::draws(40), title.eidr(), dirt::code::EIDR_FORMS),
        42 => moment(layout, subject, field)
            .map_or(Value::Null, |at| dirt::date::aired(layout, dice, dirt::draws(42), at)),
        45 => text(promo::campaign_name(subject.shown.map_or(dice, |asset| asset.dice).zipf(1021, layout.campaigns))),
        50 => dirt::number::amount(layout, dice, dirt::draws(50), (dice.below(643, 500_000), dice.below(644, 100))),
        52..=54 => label(words::place(dice, 646)),
        60 => text(format!("A{:03}", dice.below(647, 400))),
        55..=59 => person(648),
        _ => technical(layout, subject, field),
    }
}

/// A day, in a column of moments without a zone.
pub fn day(moment: u64) -> Value {
    Told::clean(format!("{} 00:00:00", date(moment)), date(moment)).into()
}

/// Fields that say what the files say.
fn technical(layout: &Layout, subject: &Subject, field: u16) -> Value {
    let Some(asset) = subject.shown else { return Value::Null };
    let video = Video::of(layout, &asset);
    let soil = Soil::new(layout, subject.dice, dirt::draws(u64::from(field)), !asset.is_fixture());
    match field {
        21 => {
            let clean = video.audio.to_owned();
            dirt::text::from(
                layout,
                subject.dice,
                dirt::draws(21),
                subject.source(),
                clean,
                dirt::text::Style::default(),
            )
        }
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
        (Some(asset), _) => dirt::name::of_asset(layout, subject.dice, &asset, asset.name(), dirt::name::PROPERTY),
        (None, Owner::Collection(row)) => text(super::collection::name(layout, row)),
        (None, Owner::Project(row)) => text(super::project::name(layout, row)),
        _ => text(subject.title.name()),
    }
}
