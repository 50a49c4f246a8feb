//! What one seed stands for: the rows, how they change, what the server does to the requests, and where a load breaks off.

use fastrand::Rng;
use telecine::load::Attributes;
use telecine::rehearsal::flex::Personality;

use super::rows::{Asset, KINDS};

/// Loads under faults, at most; those that must end clean come after them.
const MOST_LOADS: usize = 4;
/// Requests of an undisturbed load of the largest script, roughly: where loads break off is drawn below it.
const REQUESTS: u64 = 50;
/// Whether a row may lose fields and references although its field values are set by requests that merge: a load that
/// breaks off between the new hash and the first description leaves what is gone, for the next load merges again.
const FIELDS_GO: bool = true;
/// Whether a row may change its name while its asset is not complete: an asset that is adopted under its former name
/// keeps it where the renaming fails, for the ledger then holds the new one.
const NAMES_CHANGE: bool = true;
/// The client's deadline where answers are late or never come.
const HASTY_MS: u64 = 60;
/// And where they do not.
const PATIENT_MS: u64 = 10_000;

/// What can be looked up until the last two loads of a script.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LookUps {
    All,
    /// No list can be read.
    Refused,
    /// Lists hold everything, whatever was asked for.
    Ignored,
    /// Lists hold nothing of what was asked for, wherever they are asked for something.
    Empty,
}

impl LookUps {
    /// As the local Flex is told it.
    pub fn fault(self) -> Option<&'static str> {
        match self {
            Self::All => None,
            Self::Refused => Some("status=400:GET /assets"),
            Self::Ignored => Some("no-lookup"),
            Self::Empty => Some("no-lookup=nothing"),
        }
    }
}

/// How late answers are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Late {
    Never,
    /// Too late for the client, which waits long enough until it asks again: what it gave up has happened by then.
    Settled,
    /// What it gave up may happen after it has asked again.
    Unsettled,
}

impl Late {
    /// How long the client lets a creation that it gave up settle.
    pub fn settle_ms(self) -> u64 {
        if self == Self::Settled { 250 } else { 2 }
    }
}

/// One random campaign against one target.
#[derive(Debug)]
pub struct Script {
    pub seed: u64,
    pub personality: Personality,
    pub attributes: Attributes,
    /// Rows under way at a time.
    pub in_flight: usize,
    pub look_ups: LookUps,
    /// A server that does not know external ids.
    pub no_external_ids: bool,
    pub late: Late,
    pub kinds: Vec<usize>,
    pub loads: Vec<Disturbed>,
}

/// A load under faults.
#[derive(Debug)]
pub struct Disturbed {
    /// What is mapped from this load on.
    pub rows: Vec<Asset>,
    pub faults: Vec<String>,
    pub stop: Stop,
}

/// How a load ends before its time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stop {
    Never,
    /// Asked to drain after so many requests.
    Drain(u64),
    /// Dropped after so many requests, as a killed process would be, whatever is under way.
    Abort(u64),
}

impl Script {
    pub fn of(seed: u64) -> Self {
        let mut random = Rng::with_seed(seed);
        let personality = pick(&mut random, &[Personality::Both, Personality::Seed, Personality::Flex]);
        let attributes = match personality {
            // Annotations do not set attributes there; who asks for them is refused row by row.
            Personality::Flex => pick(&mut random, &[Attributes::Metadata, Attributes::Auto]),
            _ => pick(&mut random, &[Attributes::Annotations, Attributes::Metadata, Attributes::Auto]),
        };
        let mut kinds: Vec<usize> = (0..KINDS.len()).collect();
        random.shuffle(&mut kinds);
        kinds.truncate(random.usize(1..=KINDS.len()));
        let late = match random.u8(0..20) {
            0 => Late::Settled,
            1 => Late::Unsettled,
            _ => Late::Never,
        };
        let mut script = Self {
            seed,
            personality,
            attributes,
            in_flight: pick(&mut random, &[1, 1, 2, 4, 8]),
            look_ups: match random.u8(0..30) {
                0..3 => LookUps::Refused,
                3..5 => LookUps::Ignored,
                5 => LookUps::Empty,
                _ => LookUps::All,
            },
            no_external_ids: random.u8(0..8) == 0,
            late,
            kinds,
            loads: Vec::new(),
        };
        let count = random.usize(3..=12);
        let mut rows: Vec<Asset> = (0..count).map(|number| script.new_row(&mut random, number)).collect();
        for asset in &mut rows {
            refer(&mut random, asset, count, &script.kinds);
        }
        for version in 0..random.usize(1..=MOST_LOADS) {
            if version > 0 && random.u8(0..5) < 2 {
                script.change(&mut random, &mut rows, version);
            }
            let faults = (0..random.usize(1..=4)).map(|_| fault(&mut random, late)).collect();
            script.loads.push(Disturbed { rows: rows.clone(), faults, stop: stop(&mut random) });
        }
        script
    }

    /// Whether the client gives up waiting for answers.
    pub fn is_hasty(&self) -> bool {
        self.late != Late::Never
    }

    /// The client's deadline while faults are on.
    pub fn timeout_ms(&self) -> u64 {
        if self.is_hasty() { HASTY_MS } else { PATIENT_MS }
    }

    /// Whether a write of field values that was given up may undo what a later one did.
    pub fn may_undo(&self) -> bool {
        let is_late = |fault: &String| fault.starts_with("delay-ms") && !fault.contains("commit=true");
        let harmless = |fault: &String| fault.contains(":POST /assets:") || fault.contains(":GET ");
        let mut faults = self.loads.iter().flat_map(|load| &load.faults);
        self.late == Late::Unsettled && faults.any(|fault| is_late(fault) && !harmless(fault))
    }

    fn new_row(&self, random: &mut Rng, number: usize) -> Asset {
        let kind = self.kinds[number % self.kinds.len()];
        let mut asset = Asset { kind, number, ..Asset::default() };
        describe(random, &mut asset, 0);
        asset
    }

    /// Changes values, names and references of some rows, takes some away, and brings new or earlier ones.
    fn change(&self, random: &mut Rng, rows: &mut Vec<Asset>, version: usize) {
        let fields_go = FIELDS_GO || self.attributes == Attributes::Metadata;
        let most = rows.iter().map(|asset| asset.number).max().unwrap_or(0) + 2;
        for asset in rows.iter_mut().filter(|_| random.u8(0..3) == 0).collect::<Vec<_>>() {
            let before = asset.clone();
            describe(random, asset, version);
            if !fields_go {
                asset.description = asset.description.take().or(before.description);
                asset.tags = if asset.tags.is_empty() { before.tags } else { std::mem::take(&mut asset.tags) };
            }
        }
        for asset in rows.iter_mut().filter(|_| fields_go) {
            if random.u8(0..4) == 0 {
                refer(random, asset, most, &self.kinds);
            }
        }
        rows.retain(|_| random.u8(0..8) != 0);
        // What comes back must not have lost anything either.
        let first = if fields_go { 0 } else { 20 * version };
        for number in first..first + most {
            if random.u8(0..4) == 0 && rows.iter().all(|asset| asset.number != number) {
                let mut asset = self.new_row(random, number);
                refer(random, &mut asset, most, &self.kinds);
                rows.push(asset);
            }
        }
    }
}

fn pick<T: Clone>(random: &mut Rng, among: &[T]) -> T {
    among[random.usize(0..among.len())].clone()
}

/// New values, and perhaps another name.
fn describe(random: &mut Rng, asset: &mut Asset, version: usize) {
    if asset.name.is_empty() || NAMES_CHANGE && random.bool() {
        // Few names for many assets: a name alone finds nothing.
        asset.name = format!("{} v{version}; n=/%,é", random.u8(0..3));
    }
    asset.title = format!("Title {}, version {version}, {}", asset.number, random.u16(..));
    asset.description = random.bool().then(|| format!("line 1\nline 2 \"{}\" \\ <ü>", random.u16(..)));
    asset.tags = (0..random.usize(0..3)).map(|i| format!("tag {i} {}", random.u8(..))).collect();
    asset.legacy_id = 9_007_199_254_740_993 + i64::from(random.u32(..));
}

/// New references: to itself, in circles, to rows that come later, and to some that are nowhere.
fn refer(random: &mut Rng, asset: &mut Asset, count: usize, kinds: &[usize]) {
    let key = |random: &mut Rng| {
        let number = random.usize(0..=count);
        Asset::key_of(kinds[number % kinds.len()], number)
    };
    asset.parent = (random.u8(0..3) == 0).then(|| key(random));
    asset.members = match random.u8(0..3) {
        0 => (0..random.usize(1..4)).map(|_| key(random)).collect(),
        _ => Vec::new(),
    };
}

fn stop(random: &mut Rng) -> Stop {
    match random.u8(0..6) {
        0 => Stop::Drain(random.u64(1..REQUESTS)),
        1 | 2 => Stop::Abort(random.u64(1..REQUESTS)),
        _ => Stop::Never,
    }
}

/// A fault of the local Flex, most of them where an asset can be lost or doubled.
fn fault(random: &mut Rng, late: Late) -> String {
    let route = pick(
        random,
        &[
            "POST /assets",
            "POST /assets",
            "POST /assets",
            "POST /assets/*/annotations",
            "PUT /assets/*/metadata",
            "PUT /assets/*",
            "GET /assets",
            "GET /assets/*/metadata",
            "*",
        ],
    );
    let commit = pick(random, &["", "", ":commit=true"]);
    let html = pick(random, &["", ":body=html"]);
    let action = match random.u8(0..if late == Late::Never { 24 } else { 30 }) {
        0..4 => ("drop-after-commit".to_owned(), String::new()),
        4..6 => ("reset".to_owned(), String::new()),
        6..10 => {
            let status = pick(random, &[500, 502, 504]);
            (format!("status={status}"), format!("{commit}{html}"))
        }
        10 => ("status=503".to_owned(), format!("{commit}{}", pick(random, &["", ":retry-after=0"]))),
        11 => {
            // A few: one who is always refused comes ever more slowly, and these have nothing to do with the pace.
            let (first, after) = (random.u8(1..6), random.u8(0..20));
            return format!("status=429:{route}{}:first={first}:after={after}", pick(random, &["", ":retry-after=0"]));
        }
        12 => ("status=200".to_owned(), format!("{commit}{html}")),
        13 => ("status=409".to_owned(), String::new()),
        14 => (format!("status={}", pick(random, &[400, 422, 404])), html.to_owned()),
        15 => (format!("status={}", pick(random, &[302, 307])), String::new()),
        16 => {
            // Late, so that there is something to keep silent about.
            let status = pick(random, &[401, 401, 403]);
            return format!("status={status}:*:after={}", random.u64(6..REQUESTS));
        }
        17 => ("truncate".to_owned(), pick(random, &["", ":commit=false"]).to_owned()),
        18 => ("truncate=connection".to_owned(), String::new()),
        19 => ("html".to_owned(), commit.to_owned()),
        20 => ("errors-200".to_owned(), commit.to_owned()),
        21 => ("garbage".to_owned(), commit.to_owned()),
        22 | 23 => {
            let (rate, burst) = (pick(random, &[50, 200, 1_000]), random.u8(1..20));
            let answer = pick(random, &["", ":answer=503", ":retry-after=none", ":retry-after=date"]);
            return format!("rate={rate}:{route}:burst={burst}{answer}");
        }
        24 => ("hang".to_owned(), commit.to_owned()),
        25 => ("drip=5ms".to_owned(), String::new()),
        // The request waits, or only its answer.
        _ => (format!("delay-ms={}", pick(random, &[70, 90, 110])), commit.to_owned()),
    };
    let counted = match random.u8(0..5) {
        0 => format!(":first={}", random.u8(1..9)),
        1 => format!(":every={}:after={}", random.u8(1..5), random.u8(0..12)),
        2 => format!(":every={}:first={}", random.u8(1..4), random.u8(2..20)),
        3 => format!(":p=0.{}", random.u8(1..8)),
        _ => format!(":every={}", random.u8(2..7)),
    };
    format!("{}:{route}{}{counted}", action.0, action.1)
}
