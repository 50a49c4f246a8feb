//! Assets: what each is, and the rows of `asset_master` and its six subclass tables.

use super::super::Told;
use super::dice::{Dice, exif, index};
use super::dirt::code::house_code;
use super::dirt::date::{self, Wanted};
use super::dirt::file;
use super::dirt::identity;
use super::dirt::media::{self as soiled, Soil};
use super::dirt::term::{picked, referred, term};
use super::layout::{ASSET, FIRST_ID, FIXTURE_ROWS, Layout, Owner, VERSION};
use super::media::{Rendition, Video, format_of, image_size, renditions};
use super::spread::Kind;
use super::title::Title;
use super::{Value, dirt, int, keyword, label, text, vocabulary, words};

/// `video_asset_master`, whose own dirt is drawn from its own numbers.
const VIDEO: u32 = 2;
/// `image_asset_master`.
const IMAGE: u32 = 3;

/// What the migration makes of an asset.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// Nothing.
    None,
    /// A promo, with a row in `promo`.
    Promo,
    /// A promo by its content type alone.
    DerivedPromo,
    /// A deliverable image, with a row in `deliverable_image`.
    Deliverable,
    /// A deliverable image by its endpoint detail alone.
    DerivedDeliverable,
}

/// An asset and the facts that several tables tell of it.
#[derive(Debug, Clone, Copy)]
pub struct Asset {
    /// The id.
    pub id: u64,
    /// The row its numbers are drawn from (for fixtures beyond all rows).
    pub row: u64,
    /// The type.
    pub kind: Kind,
    /// What the migration makes of it.
    pub role: Role,
    /// The endpoint image detail, for deliverable images.
    pub detail: Option<usize>,
    /// The title it belongs to.
    pub title: Title,
    /// Its numbers.
    pub dice: Dice,
}

/// A version of an asset.
#[derive(Debug, Clone, Copy)]
pub struct Version {
    /// The id.
    pub id: u64,
    /// Its numbers.
    pub dice: Dice,
    row: Option<u64>,
}

impl Asset {
    /// The generated asset with this row.
    pub fn row(layout: &Layout, row: u64) -> Self {
        let kind = layout.blocks.kind(row);
        let dice = layout.dice(ASSET, row);
        let ordinal = layout.blocks.ordinal(row);
        let role = match kind {
            Kind::Video if layout.has_promo(ordinal) => Role::Promo,
            Kind::Video if dirt::derived_promo(layout, dice) => Role::DerivedPromo,
            Kind::Image if layout.has_deliverable(ordinal) => Role::Deliverable,
            Kind::Image if dice.chance(1010, 5_000) => Role::DerivedDeliverable,
            _ => Role::None,
        };
        let title = Title::of(layout, FIRST_ID + dice.below(1011, layout.titles.titles));
        Self { id: FIRST_ID + row, row, kind, role, detail: None, title, dice }.detailed()
    }

    /// The asset of a fixture.
    pub fn fixture(layout: &Layout, id: u64, kind: Kind, role: Role) -> Self {
        let row = id.wrapping_sub(FIRST_ID);
        let title = Title::of(layout, id);
        Self { id, row, kind, role, detail: None, title, dice: layout.dice(ASSET, row) }.detailed()
    }

    fn detailed(mut self) -> Self {
        if matches!(self.role, Role::Deliverable | Role::DerivedDeliverable) {
            self.detail = Some(index(self.dice.below(1012, vocabulary::DETAILS.len() as u64)));
        }
        self
    }

    /// Whether the asset is a fixture.
    pub fn is_fixture(&self) -> bool {
        self.id < FIRST_ID
    }

    /// The title a person gave it.
    pub fn name(&self) -> String {
        const VIDEO: [&str; 8] =
            ["Tonight", "Trailer", "Tease", "Coming Soon", "Behind the Scenes", "Next Week", "Launch Spot", "Recap"];
        const IMAGE: [&str; 6] = ["Key Art", "Gallery", "Portrait", "Banner", "Still", "Poster"];
        const OTHER: [&str; 4] = ["Notes", "Score", "Script", "Package"];
        let suffix = match self.kind {
            Kind::Video => self.dice.pick(1013, &VIDEO),
            Kind::Image => self.dice.pick(1013, &IMAGE),
            _ => self.dice.pick(1013, &OTHER),
        };
        format!("{} {suffix}", self.title.name())
    }

    /// The file name of a version's source.
    pub fn file_name(&self, layout: &Layout, version: u64) -> String {
        let format = format_of(layout, self);
        let words = self.title.name().replace(' ', "_");
        let network = vocabulary::NETWORKS[vocabulary::network(self.dice, 1014)];
        format!(
            "{network}_{}_{words}_{}_v{version}_{}.{}",
            self.title.house_code(),
            self.id,
            format.short,
            format.extension
        )
    }

    /// The source it came from, by id: 7 is the import of 2013 (mojibake), 12 writes the day first, 21 shouts titles.
    pub fn source(&self) -> u64 {
        1 + self.dice.zipf(1038, 38)
    }

    /// The network, an index of the vocabulary.
    pub fn network(&self) -> usize {
        vocabulary::network(self.dice, 1014)
    }

    /// Whether the asset itself tells its house code.
    pub fn tells_house_code(&self) -> bool {
        self.role != Role::None || self.dice.chance(1015, 540_000)
    }

    /// When the asset was made, and changed.
    pub fn dates(&self) -> (u64, u64) {
        let created = self.dice.past(1016);
        (created, self.dice.later(1018, created))
    }

    /// Until when it may be used: after today.
    pub fn rights_expire(&self) -> u64 {
        super::dice::NOW + 86_400 * (30 + self.dice.below(1019, 700))
    }

    /// Index in the vocabulary of approvals.
    pub fn approval(&self) -> usize {
        [2, 0, 1, 3, 4][self.dice.share(1020, &[60, 15, 15, 4])]
    }

    /// The row of its campaign.
    pub fn campaign(&self, layout: &Layout) -> u64 {
        self.dice.zipf(1021, layout.campaigns)
    }

    /// The language.
    pub fn language(&self, layout: &Layout) -> &'static str {
        vocabulary::language(layout, ASSET, self.row)
    }

    /// The number of versions.
    pub fn versions(&self, layout: &Layout) -> u64 {
        if self.is_fixture() { 1 } else { layout.versions.count(self.row) }
    }

    /// A version, the last one being current.
    pub fn version(&self, layout: &Layout, number: u64) -> Version {
        if self.is_fixture() {
            return Version { id: self.id, dice: layout.dice(VERSION, self.row), row: None };
        }
        let row = layout.versions.start(self.row) + number;
        Version { id: FIRST_ID + row, dice: layout.dice(VERSION, row), row: Some(row) }
    }

    /// The current version.
    pub fn current(&self, layout: &Layout) -> Version {
        self.version(layout, self.versions(layout) - 1)
    }

    /// The id of the main timeline, for videos.
    pub fn timeline(&self, layout: &Layout) -> Option<u64> {
        let generated = || FIRST_ID + layout.blocks.ordinal(self.row);
        (self.kind == Kind::Video).then(|| if self.is_fixture() { self.id } else { generated() })
    }

    /// Its owner's object in `metadata`.
    pub fn owner(&self) -> Owner {
        if self.is_fixture() { Owner::FixtureAsset(self.id) } else { Owner::Asset(self.row) }
    }

    /// Names of its categories.
    pub fn categories(&self, layout: &Layout) -> Vec<u64> {
        let count = if self.is_fixture() { 1 } else { layout.asset_categories.count(self.row) };
        (0..count).map(|k| keyword::category_of(self.dice, k)).collect()
    }
}

impl Version {
    /// The ids of its contents and what they are for.
    pub fn contents(&self, layout: &Layout, kind: Kind) -> Vec<(u64, Rendition)> {
        let listed = renditions(self.dice, kind);
        let Some(row) = self.row else {
            return listed.enumerate().map(|(k, rendition)| (fixture_content(self.id, k), rendition)).collect();
        };
        let more = std::iter::repeat(Rendition::Proxy);
        listed
            .chain(more)
            .take(index(layout.contents.count(row)))
            .zip(FIRST_ID + layout.contents.start(row)..)
            .map(|(rendition, id)| (id, rendition))
            .collect()
    }
}

/// The id of a fixture's content: the source has the fixture's own id.
pub fn fixture_content(id: u64, k: usize) -> u64 {
    if k == 0 { id } else { FIXTURE_ROWS + id * 10 + k as u64 }
}

impl Layout {
    /// Whether a video has a promo row (one whose reference is in order).
    fn has_promo(&self, video: u64) -> bool {
        let (first, step) = (self.promo_videos.position(video), self.blocks.count(Kind::Video).max(1));
        (first..self.promos).step_by(index(step)).any(|promo| !super::promo::misplaced(self, promo))
    }

    fn has_deliverable(&self, image: u64) -> bool {
        let (first, step) = (self.deliverable_places.position(image), self.blocks.count(Kind::Image).max(1));
        let mut rows = (first..self.deliverable_images).step_by(index(step));
        rows.any(|row| !super::deliverable::orphaned(self, row))
    }
}

/// A row of `asset_master`.
pub fn master(layout: &Layout, asset: &Asset, out: &mut Vec<Value>) {
    let dice = asset.dice;
    let (created, updated) = asset.dates();
    let (deleted, deleted_at) =
        if asset.is_fixture() { (Value::Bool(false), Value::Null) } else { dirt::deleted(layout, dice, 42_000) };
    let file_like = dice.chance(1030, 550_000);
    let name = if file_like { asset.file_name(layout, asset.versions(layout)) } else { asset.name() };
    let categories = asset.categories(layout);
    let names: String = categories.iter().map(|category| format!("{}|", keyword::category_name(*category))).collect();
    let owner = layout.user(dice, 1031);
    out.extend([
        Value::id(asset.id),
        uuid(layout, asset),
        identity::declared_type(layout, asset),
        if file_like {
            dirt::name::title(layout, dice, name)
        } else {
            dirt::name::of_asset(layout, dice, asset, name, dirt::name::NAME)
        },
        optional(dice.chance(1034, 340_000), || {
            let style = dirt::text::Style { lines: true, html: true, ..dirt::text::Style::default() };
            dirt::text::from(layout, dice, dirt::draws(4), Some(asset.source()), words::sentences(dice, 1100, 6), style)
        }),
        identity::external_id(layout, asset),
        optional(asset.tells_house_code(), || house_code(layout, dice, dirt::draws(6), asset.title.house_code())),
        dirt::term::status(layout, dice, [3, 7, 10, 4, 1 + dice.zipf(1037, 10)][dice.share(1036, &[88, 4, 3, 3])]),
        int(asset.source()),
        current_version(layout, asset),
        asset.timeline(layout).map_or(Value::Null, Value::id),
        layout.object_id(asset.owner()).map_or(Value::Null, Value::id),
        dirt::code::owner(layout, dice, dirt::draws(12), owner),
        optional(!categories.is_empty(), || category_cache(layout, asset, format!("|{names}"))),
        Value::Bool(dice.chance(1039, 60_000)),
        optional(!dice.chance(1040, 30_000), || Value::Bool(true)),
        optional(!dice.chance(1041, 300_000), || label(if dice.chance(1042, 100_000) { "Y" } else { "N" })),
        deleted,
        deleted_at,
        date::audit(layout, dice, dirt::draws(19), created),
        date::changed(layout, dice, dirt::draws(20), (created, updated)),
        Value::id(owner),
        Value::id(layout.user(dice, 1043)),
        int(dice.below(1044, 9)),
        optional(dice.chance(1045, 1_000), || int(100_000 + asset.id)),
    ]);
}

/// D73: the cached names of categories, in 1.1 % others than those of the table, which wins.
fn category_cache(layout: &Layout, asset: &Asset, names: String) -> Value {
    let k = dirt::draws(13);
    if asset.is_fixture() || !asset.dice.chance(k, layout.dirty(11_000)) {
        return text(names);
    }
    let other = keyword::category_name(asset.dice.below(k + 1, keyword::CATEGORIES));
    dirt::category_cache(format!("|{other}|"))
}

/// The uuid; a duplicate is that of the row before (D30).
fn uuid(layout: &Layout, asset: &Asset) -> Value {
    let clean = asset.dice.uuid(1032);
    let before = asset.row.checked_sub(1).map(|row| layout.dice(ASSET, row).uuid(1032));
    identity::uuid(layout, asset.dice, dirt::draws(1), clean, before)
}

/// The pointer to the current version, or to the first version of the next asset (D22).
fn current_version(layout: &Layout, asset: &Asset) -> Value {
    let version = asset.current(layout);
    match version.row {
        Some(row) if identity::versions(layout, asset) == identity::Versions::Astray => {
            identity::astray(FIRST_ID + (row + 1) % layout.versions.total())
        }
        _ => Value::id(version.id),
    }
}

/// The value, if there is to be one.
pub fn optional(there: bool, make: impl FnOnce() -> Value) -> Value {
    if there { make() } else { Value::Null }
}

/// A row of the subclass table of the asset's kind.
pub fn subclass(layout: &Layout, asset: &Asset, out: &mut Vec<Value>) {
    let dice = asset.dice;
    match asset.kind {
        Kind::Video => video(layout, asset, out),
        Kind::Image => image(layout, asset, out),
        Kind::Audio => out.extend([
            Value::id(asset.id),
            int(audio_millis(asset)),
            label(dice.pick(1200, &["48000", "44100", "96000"])),
            label(dice.pick(1201, &["2", "5.1", "stereo"])),
            int(dice.pick(1202, &[16, 24, 32])),
            text(format!("-{}.{}", 14 + dice.below(1203, 14), dice.below(1204, 10))),
            label(asset.language(layout)),
        ]),
        Kind::Document => {
            let pages = layout.texts.start(if asset.is_fixture() { 0 } else { layout.blocks.ordinal(asset.row) });
            out.extend([
                identity::subclass_id(layout, asset),
                int(1 + dice.below(1200, 90)),
                label("PDF"),
                text(words::person(dice.below(1201, 4096))),
                label(asset.language(layout)),
                label("N"),
                optional(!asset.is_fixture(), || Value::id(FIRST_ID + pages)),
            ]);
        }
        Kind::Other => out.extend([Value::id(asset.id), label("zip"), label("application/zip")]),
        Kind::Placeholder => out.extend([
            Value::id(asset.id),
            text(asset.file_name(layout, 1)),
            text(super::dice::date(super::dice::NOW + 86_400 * dice.below(1200, 200))),
        ]),
    }
}

/// The length of an audio asset.
pub fn audio_millis(asset: &Asset) -> u64 {
    20_000 + asset.dice.below(1205, 3_600_000)
}

fn video(layout: &Layout, asset: &Asset, out: &mut Vec<Value>) {
    let dice = asset.dice;
    let video = Video::of(layout, asset);
    let (open, own) = (!asset.is_fixture(), layout.dice(VIDEO, asset.row));
    let contents = asset.current(layout).contents(layout, Kind::Video);
    let soil = |column| Soil::new(layout, own, dirt::draws(column), open);
    let content =
        |wanted| contents.iter().find(|found| found.1 == wanted).map_or(Value::Null, |found| Value::id(found.0));
    out.extend([
        identity::subclass_id(layout, asset),
        content(Rendition::Source),
        optional(!dice.chance(1210, 40_000), || soiled::aspect(soil(2), video.size.ratio)),
        optional(!dice.chance(1211, 90_000), || soiled::resolution(soil(3), video.size)),
        soiled::rate(soil(4), video.rate),
        soiled::millis(soil(5), video.length()),
        soiled::timecode(soil(6), video.count(0), video.rate),
        Value::Bool(video.drop),
        optional(!dice.chance(1212, 60_000), || term(layout, own, dirt::draws(8), "videoScanType", video.scan)),
        term(layout, own, dirt::draws(9), "closedCaptionInfo", vocabulary::CAPTIONS[video.captions]),
        if open { dirt::text::line(layout, own, dirt::draws(10), video.audio.to_owned()) } else { label(video.audio) },
        file::language(layout, own, dirt::draws(11), asset.language(layout)),
        content(Rendition::Mezzanine),
        content(Rendition::Proxy),
    ]);
}

fn image(layout: &Layout, asset: &Asset, out: &mut Vec<Value>) {
    let dice = asset.dice;
    let (width, height, _) = image_size(layout, asset);
    let contents = asset.current(layout).contents(layout, Kind::Image);
    let proxy = contents.iter().find(|found| found.1 == Rendition::Proxy);
    let own = layout.dice(IMAGE, asset.row);
    let detail = asset.detail.map_or(Value::Null, |detail| {
        let picked = picked(layout, own, dirt::draws(6), "endpointImageDetail", vocabulary::DETAILS[detail].0);
        referred(layout, own, dirt::draws(6) + 4, picked)
    });
    let (wide, high) = file::sides(layout, own, dirt::draws(1), width, height);
    let captured = captured(asset);
    out.extend([
        identity::subclass_id(layout, asset),
        wide,
        high,
        file::picture_size(layout, own, dirt::draws(3), width, height),
        optional(!dice.chance(1221, 50_000), || term(layout, own, dirt::draws(4), "colorSpace", color_space(dice))),
        int(1),
        detail,
        text(if dice.chance(1222, 600_000) { "72.0000" } else { "300.0000" }),
        optional(dice.chance(1223, 700_000), || {
            if asset.is_fixture() {
                return Told::clean(exif(captured), date::instant_of_local(captured)).into();
            }
            date::text_date(layout, own, dirt::draws(8), captured, Wanted::Instant, asset.source() == 12)
        }),
        Value::Bool(dice.chance(1224, 100_000)),
        proxy.map_or(Value::Null, |proxy| Value::id(proxy.0)),
    ]);
}

/// When a picture was taken.
pub fn captured(asset: &Asset) -> u64 {
    asset.dates().0.saturating_sub(86_400 * (1 + asset.dice.below(1220, 300)))
}

/// The colour space of an image.
pub fn color_space(dice: Dice) -> &'static str {
    ["sRGB", "Adobe RGB", "CMYK", "Gray"][dice.share(1225, &[80, 10, 6])]
}
