//! What the core tables share: how many rows there are, which row belongs to which, kept as arithmetic or prefix sums.

use std::sync::OnceLock;

use super::asset::Asset;
use super::dice::{Dice, index};
use super::field;
use super::media::{Rendition, renditions};
use super::spread::{Blocks, FanOut, Kind, Permutation, coprime};
use super::{title::Titles, user::USERS};

/// The id of the first generated row of most tables.
pub const FIRST_ID: u64 = super::super::FIRST_ID;
/// Ids of fixtures' secondary rows (contents, values and so on) start here.
pub const FIXTURE_ROWS: u64 = 900_000_000;
/// Ids that no row has: what orphans point to.
pub const NOWHERE: u64 = 800_000_000;

/// Table numbers (section 12 of the specification) whose draws other tables look at.
pub const ASSET: u32 = 1;
/// `asset_version`.
pub const VERSION: u32 = 8;
/// `asset_content`.
pub const CONTENT: u32 = 43;
/// `metadata`.
pub const METADATA: u32 = 16;

/// The class of a metadata object's owner and its row, in the order in which the objects stand.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Owner {
    /// The asset with this row.
    Asset(u64),
    /// The clip with this row.
    Clip(u64),
    /// The timeline with this row.
    Timeline(u64),
    /// The collection with this row.
    Collection(u64),
    /// The project with this row.
    Project(u64),
    /// The version with this row.
    Version(u64),
    /// The asset of a fixture (its id).
    FixtureAsset(u64),
}

/// The shared facts of one library.
#[derive(Debug)]
pub struct Layout {
    /// The seed.
    pub seed: u64,
    /// The dirt level.
    pub dirt: f64,
    /// Generated assets.
    pub assets: u64,
    /// Which asset is of which kind.
    pub blocks: Blocks,
    /// Generated promos, and where they are among the videos.
    pub promos: u64,
    /// Promo to video.
    pub promo_videos: Permutation,
    /// Generated deliverable images, and where they are among the images.
    pub deliverable_images: u64,
    /// Deliverable image to image.
    pub deliverable_places: Permutation,
    /// Picture with EXIF tags to image.
    pub exif_places: Permutation,
    /// Titles, series, seasons and episodes.
    pub titles: Titles,
    /// Users.
    pub users: u64,
    /// Versions over assets.
    pub versions: FanOut,
    /// Contents over versions.
    pub contents: FanOut,
    /// Files.
    pub files: u64,
    /// Media reports over contents (none or one).
    pub media: FanOut,
    /// Media reports kept as they were written.
    pub raw_reports: u64,
    /// Video tracks over media reports.
    pub video_tracks: FanOut,
    /// Audio tracks over media reports.
    pub audio_tracks: FanOut,
    /// Timelines; the first are the videos' main timelines.
    pub timelines: u64,
    /// Clips over timelines.
    pub clips: FanOut,
    /// Markers over timelines.
    pub markers: FanOut,
    /// Pages of text over documents.
    pub texts: FanOut,
    /// Projects.
    pub projects: u64,
    /// Assets over projects.
    pub project_assets: FanOut,
    /// Air dates over promos.
    pub air_dates: FanOut,
    /// Parents and depths of collections: `(parent row + 1 or 0, depth from 1)`.
    pub collections: Vec<(u32, u8)>,
    /// Items over collections.
    pub items: FanOut,
    /// Relations over their left assets.
    pub relations: FanOut,
    /// Keywords.
    pub keywords: u64,
    /// Keywords over assets.
    pub asset_keywords: FanOut,
    /// Categories over assets.
    pub asset_categories: FanOut,
    /// External ids.
    pub external_ids: u64,
    /// External id to asset.
    pub external_places: Permutation,
    /// Deliverables.
    pub deliverables: u64,
    /// Campaigns.
    pub campaigns: u64,
    /// Metadata objects.
    pub objects: u64,
    property_values: u64,
    texts_wanted: u64,
    values: OnceLock<(FanOut, FanOut)>,
}

impl Layout {
    /// The facts of a library of this seed and dirt, whose tables have so many rows by their size class.
    pub fn new(seed: u64, dirt: f64, rows: impl Fn(&str) -> u64) -> Self {
        let assets = rows("asset_master");
        let blocks = Blocks::new(assets);
        let videos = blocks.count(Kind::Video).max(1);
        let images = blocks.count(Kind::Image).max(1);
        let versions = versions(seed, assets, rows("asset_version"));
        let contents = contents(seed, &blocks, &versions, rows("asset_content"));
        let media = media(&contents, rows("media_info"));
        let (video_tracks, audio_tracks) = tracks(seed, &blocks, &versions, &contents, &media, &rows);
        let timelines = rows("timeline").max(blocks.count(Kind::Video));
        let projects = rows("project");
        let promos = rows("promo");
        let collections = tree(seed, rows("asset_collection"));
        let pages = FanOut::new(blocks.count(Kind::Document), rows("document_text"), |_| (1, 1, 9));
        let mut layout = Self {
            seed,
            dirt,
            assets,
            promos,
            promo_videos: Permutation::new(videos, seed % 97),
            deliverable_images: rows("deliverable_image"),
            deliverable_places: Permutation::new(images, seed % 89),
            exif_places: Permutation::new(images, seed % 79),
            titles: Titles::new(&rows),
            users: rows(USERS),
            files: rows("file_info").max(contents.total()),
            timelines,
            clips: FanOut::new(timelines, rows("clip"), |row| few(seed, 110, row, 3, 40)),
            markers: FanOut::new(timelines, rows("marker"), |row| few(seed, 111, row, 6, 80)),
            texts: pages,
            projects,
            project_assets: FanOut::new(projects, rows("project_asset"), |row| {
                few(seed, 87, row, 30, u32::try_from(assets / 2).unwrap_or(9).min(400))
            }),
            air_dates: FanOut::new(promos, rows("promo_air_date"), |row| few(seed, 92, row, 6, 60)),
            items: items(seed, assets, collections.len() as u64, rows("asset_collection_item")),
            relations: relations(seed, assets, rows("asset_relation")),
            keywords: rows("keyword"),
            asset_keywords: FanOut::new(assets, rows("asset_keyword"), |row| few(seed, 38, row, 5, 24)),
            asset_categories: FanOut::new(assets, rows("asset_category_asset"), |row| few(seed, 42, row, 1, 6)),
            external_ids: rows("asset_external_id").min(assets),
            external_places: Permutation::new(assets, seed % 83),
            deliverables: rows("deliverable"),
            campaigns: rows("promo_campaign"),
            objects: 0,
            property_values: rows("metadata_property_value"),
            texts_wanted: rows("metadata_property_text"),
            values: OnceLock::new(),
            raw_reports: rows("media_info_raw").min(media.total()),
            blocks,
            versions,
            contents,
            media,
            video_tracks,
            audio_tracks,
            collections,
        };
        layout.objects = rows("metadata").max(layout.owned());
        layout.objects = layout.objects.min(layout.owned() + layout.versions.total());
        layout
    }

    /// The numbers of a row of a table.
    pub fn dice(&self, table: u32, row: u64) -> Dice {
        Dice::new(self.seed, table, row)
    }

    /// A rate of dirt in parts of a million, times the dirt level. The level raises no rate above 30 % (section 1 of the
    /// specification); those that are told higher (D61, D66) stay as they are from level 1 on.
    pub fn dirty(&self, ppm: u64) -> u64 {
        ((ppm as f64 * self.dirt).round() as u64).min(ppm.max(300_000))
    }

    /// The id of a user, some far more often than others.
    pub fn user(&self, dice: Dice, k: u64) -> u64 {
        FIRST_ID + dice.zipf(k, self.users)
    }

    /// Metadata objects of all owners that have one for certain.
    fn owned(&self) -> u64 {
        let clips = self.clips.total();
        self.assets
            + (clips - clips / 5)
            + (self.timelines / 20 * 7 + (self.timelines % 20).min(7))
            + self.collections.len() as u64
            + self.projects
    }

    /// The owner of a metadata object.
    pub fn owner(&self, object: u64) -> Owner {
        let mut at = object;
        let clips = self.clips.total();
        let timelines = self.timelines / 20 * 7 + (self.timelines % 20).min(7);
        for (count, owner) in [
            (self.assets, Owner::Asset as fn(u64) -> Owner),
            (clips - clips / 5, |at| Owner::Clip(at / 4 * 5 + at % 4)),
            (timelines, |at| Owner::Timeline(at / 7 * 20 + at % 7)),
            (self.collections.len() as u64, Owner::Collection),
            (self.projects, Owner::Project),
        ] {
            if at < count {
                return owner(at);
            }
            at -= count;
        }
        Owner::Version(at)
    }

    /// The id of an owner's metadata object, if it has one.
    pub fn object_id(&self, owner: Owner) -> Option<u64> {
        let clips = self.assets;
        let timelines = clips + self.clips.total() - self.clips.total() / 5;
        let collections = timelines + self.timelines / 20 * 7 + (self.timelines % 20).min(7);
        let projects = collections + self.collections.len() as u64;
        let object = match owner {
            Owner::Asset(row) => row,
            Owner::Clip(row) if row % 5 < 4 => clips + row / 5 * 4 + row % 5,
            Owner::Timeline(row) if row % 20 < 7 => timelines + row / 20 * 7 + row % 20,
            Owner::Collection(row) => collections + row,
            Owner::Project(row) => projects + row,
            Owner::FixtureAsset(id) => return Some(id),
            _ => return None,
        };
        Some(FIRST_ID + object)
    }

    /// Property values over metadata objects, and the texts among them.
    pub fn values(&self) -> &(FanOut, FanOut) {
        self.values.get_or_init(|| {
            let texts = std::cell::RefCell::new(Vec::with_capacity(index(self.objects)));
            let values = FanOut::new(self.objects, self.property_values, |object| {
                let (named, long) = field::named_counts(self, object);
                texts.borrow_mut().push(long);
                let custom = self.dice(METADATA, object).geometric(field::CUSTOM_DRAW, 11);
                (named, named + u32::try_from(custom).unwrap_or(0), named + field::CUSTOM)
            });
            let texts = texts.into_inner();
            let total = texts.iter().map(|count| u64::from(*count)).sum();
            let texts = FanOut::new(self.objects, total, |object| (texts[index(object)], 0, texts[index(object)]));
            (values, texts)
        })
    }

    /// The rows of the text table: at least the texts that values refer to.
    pub fn text_rows(&self) -> u64 {
        self.values().1.total().max(self.texts_wanted)
    }

    /// The asset of a version row, and which of its versions it is (0-based).
    pub fn version_asset(&self, version: u64) -> (Asset, u64) {
        let (row, number) = self.versions.parent(version);
        (Asset::row(self, row), number)
    }

    /// The row of the source content of an asset's current version.
    pub fn current_source(&self, asset_row: u64) -> u64 {
        let version = self.versions.start(asset_row) + self.versions.count(asset_row) - 1;
        self.contents.start(version)
    }
}

fn small(number: u64) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}

/// A geometric count of children with a mean, between none and `most`.
fn few(seed: u64, table: u32, parent: u64, mean: u64, most: u32) -> (u32, u32, u32) {
    (0, small(Dice::new(seed, table, parent).geometric(1000, mean)), most)
}

fn versions(seed: u64, assets: u64, total: u64) -> FanOut {
    FanOut::new(assets, total, |row| {
        let dice = Dice::new(seed, ASSET, row);
        let count = match dice.share(1001, &[82, 14, 3]) {
            0 => 1,
            1 => 2,
            2 => 3,
            _ => 4 + small(dice.below(1002, 6)),
        };
        (1, count, 9)
    })
}

fn contents(seed: u64, blocks: &Blocks, versions: &FanOut, total: u64) -> FanOut {
    FanOut::new(versions.total(), total, |version| {
        let kind = blocks.kind(versions.parent(version).0);
        let least = renditions(Dice::new(seed, VERSION, version), kind).count();
        (small(least as u64), small(least as u64), 12)
    })
}

/// Every source content has a media report; the others share what is left evenly.
fn media(contents: &FanOut, total: u64) -> FanOut {
    let mut sources = vec![false; index(contents.total())];
    let mut content = 0;
    let mut version = 0;
    while content < contents.total() {
        sources[index(content)] = true;
        content += contents.count(version).max(1);
        version += 1;
    }
    FanOut::new(contents.total(), total, |content| (u32::from(sources[index(content)]), 1, 1))
}

fn tracks(
    seed: u64,
    blocks: &Blocks,
    versions: &FanOut,
    contents: &FanOut,
    media: &FanOut,
    rows: &impl Fn(&str) -> u64,
) -> (FanOut, FanOut) {
    let classes: Vec<(Kind, Option<Rendition>)> = (0..media.total())
        .map(|report| {
            let (content, _) = media.parent(report);
            let (version, k) = contents.parent(content);
            let kind = blocks.kind(versions.parent(version).0);
            let found = renditions(Dice::new(seed, VERSION, version), kind).nth(index(k));
            (kind, Some(found.unwrap_or(Rendition::Proxy)))
        })
        .collect();
    let least = |report: u64| u32::from(classes[index(report)].1 == Some(Rendition::Source));
    let video = FanOut::new(media.total(), rows("media_info_track_video"), |report| match classes[index(report)] {
        (Kind::Video, Some(rendition)) if rendition != Rendition::Thumbnail => (least(report), 1, 1),
        _ => (0, 0, 0),
    });
    let audio = FanOut::new(media.total(), rows("media_info_track_audio"), |report| match classes[index(report)] {
        (Kind::Video | Kind::Audio, Some(Rendition::Source | Rendition::Mezzanine | Rendition::Proxy)) => {
            (least(report), 2, 8)
        }
        _ => (0, 0, 0),
    });
    (video, audio)
}

/// The tree of collections: 29 % have a parent, at most nine levels, one chain of nine for certain.
fn tree(seed: u64, rows: u64) -> Vec<(u32, u8)> {
    let mut tree: Vec<(u32, u8)> = Vec::with_capacity(index(rows));
    for row in 0..rows {
        let dice = Dice::new(seed, 74, row);
        let parent = if (1..9).contains(&row) {
            Some(row - 1)
        } else if row > 0 && dice.chance(1000, 290_000) {
            Some(if dice.chance(1001, 500_000) {
                dice.below(1002, row)
            } else {
                row - 1 - dice.below(1002, row.min(20))
            })
        } else {
            None
        };
        let parent = parent.filter(|parent| tree[index(*parent)].1 < 9);
        tree.push(parent.map_or((0, 1), |parent| (small(parent) + 1, tree[index(parent)].1 + 1)));
    }
    tree
}

/// The first collection holds 8.5 % of all items, the first twenty 35 %, half hold fewer than five.
fn items(seed: u64, assets: u64, collections: u64, total: u64) -> FanOut {
    let most = small(assets * 9 / 10);
    let big = small(total * 85 / 1000).min(most);
    let large = (collections / 2).min(20);
    let other = small(total * 265 / 1000 / large.max(2).saturating_sub(1)).min(most);
    let middle = (collections - large).div_ceil(2).max(1);
    let mean = (total * 64 / 100 / middle).clamp(4, 2000);
    FanOut::new(collections, total, |row| {
        let dice = Dice::new(seed, 75, row);
        if row == 0 {
            (big, big, big)
        } else if row < large {
            (other, other, other)
        } else if row % 2 == 0 {
            let few = small(dice.below(1000, 5));
            (few, few, few)
        } else {
            (5, small(5 + dice.below(1000, 2 * mean)).min(most), most)
        }
    })
}

/// Row 17 is the left side of 9,000 of the 1,360,000 relations.
fn relations(seed: u64, assets: u64, total: u64) -> FanOut {
    let most = small(assets.saturating_sub(1) / 2);
    FanOut::new(assets, total, |row| {
        if row == 17 {
            let many = small(total * 9000 / 1_360_000).min(most);
            return (many, many, many);
        }
        few(seed, 79, row, 1, most.min(24))
    })
}

/// The `k`-th of a series of different numbers below `n`, which starts at a place of `dice`; different for `k` below
/// `n`.
pub fn walk(dice: Dice, draw: u64, k: u64, n: u64) -> u64 {
    if n == 0 {
        return 0;
    }
    let step = coprime(n, n * 38 / 100 + 1);
    let at = u128::from(dice.below(draw, n)) + u128::from(k) * u128::from(step);
    u64::try_from(at % u128::from(n)).unwrap_or(0)
}
