//! The ways in which servers differ: what a Flex does where the public sources are silent.

/// Where paging by offset ends for filters on metadata (contract 0.1).
const RESULT_WINDOW: usize = 10_000;
/// The greatest number of rows of a page; more asked for is cut to it (contract 0.1: assumed).
const PAGE_CAP: usize = 1_000;
/// Every so many-th page repeats a row where rows are repeated.
const REPEATED: usize = 2;

/// A way in which servers differ that is there or is not.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Switch {
    /// Instances must hold what is required.
    EnforceRequired,
    /// Text that looks like a tag is refused.
    RefuseHtml,
    /// `externalIds` is an unknown property.
    NoExternalIds,
    /// Unknown properties and fields are ignored.
    IgnoreUnknown,
    /// `metadatadefinitionId` is taken for `metadataDefinitionId`.
    LenientCase,
    /// Any text is an option.
    AnyOption,
    /// PUT metadata keeps the fields that its body lacks.
    MergePut,
    /// A uuid that is taken is a 400.
    BadUuid,
    /// The creation of an asset whose uuid is taken answers with the asset that has it.
    ExistingUuid,
    /// An external id that is taken is a 409.
    UniqueExternalIds,
    /// Errors are pages.
    HtmlErrors,
    /// Errors are envelopes.
    JsonErrors,
    /// No session is offered.
    NoSession,
    /// Looking assets up by uuid, external id, name or metadata finds none.
    NothingFound,
    /// Lists without `sortBy` repeat rows.
    Unsorted,
    /// `totalCount` wobbles.
    MovingTotals,
    /// The uuid of a deleted asset stays taken.
    KeepUuids,
    /// Workflows and jobs end as failed.
    FailWorkflows,
}

/// Every switch by the word that turns it on; `None` is a word for what is so anyway.
const SWITCHES: [(&str, Option<Switch>); 25] = [
    ("enforce-required", Some(Switch::EnforceRequired)),
    ("refuse-html", Some(Switch::RefuseHtml)),
    ("no-external-ids", Some(Switch::NoExternalIds)),
    ("strict=refuse", None),
    ("strict=ignore", Some(Switch::IgnoreUnknown)),
    ("lenient-case", Some(Switch::LenientCase)),
    ("options=check", None),
    ("options=ignore", Some(Switch::AnyOption)),
    ("put=replace", None),
    ("put=merge", Some(Switch::MergePut)),
    ("duplicate-uuid=409", None),
    ("duplicate-uuid=400", Some(Switch::BadUuid)),
    ("duplicate-uuid=existing", Some(Switch::ExistingUuid)),
    ("duplicate-external-id=allow", None),
    ("duplicate-external-id=409", Some(Switch::UniqueExternalIds)),
    ("html-errors", Some(Switch::HtmlErrors)),
    ("json-errors", Some(Switch::JsonErrors)),
    ("session-cookie", None),
    ("session-cookie=on", None),
    ("session-cookie=off", Some(Switch::NoSession)),
    ("no-lookup=nothing", Some(Switch::NothingFound)),
    ("unsorted", Some(Switch::Unsorted)),
    ("moving-totals", Some(Switch::MovingTotals)),
    ("keep-uuids", Some(Switch::KeepUuids)),
    ("fail-workflows", Some(Switch::FailWorkflows)),
];

/// The other words that [`Behaviour::set`] knows.
const SETTINGS: [&str; 9] = [
    "annotations-body=ABC",
    "page-cap=N",
    "max-page=N",
    "ignore-limit",
    "ignore-include-metadata",
    "ignore-parameters=NAMES",
    "no-lookup",
    "window=N",
    "repeat-rows",
];

/// The parameters by which an asset can be looked up.
pub const LOOK_UPS: [&str; 4] = ["uuid", "externalId", "name", "metadata"];

/// What a server answers to a page beyond its result window.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Beyond {
    /// A 400.
    Refuse,
    /// A page without rows.
    Empty,
    /// The last page of the window, again and again.
    Last,
}

/// How one server behaves.
#[derive(Debug, Clone)]
pub struct Behaviour {
    switches: Vec<Switch>,
    ignored: Vec<String>,
    /// The letters of the bodies that POST annotations takes.
    pub bodies: String,
    /// A greater limit is cut to this.
    pub page_cap: usize,
    /// A greater limit is refused.
    pub max_page: Option<usize>,
    /// Where paging by offset ends.
    pub window: usize,
    /// Whether that holds without a filter on metadata too.
    pub window_for_all: bool,
    /// What is answered there.
    pub beyond: Beyond,
    /// Every so many-th page of assets begins with the last row of the page before.
    pub repeat_every: Option<usize>,
}

impl Default for Behaviour {
    fn default() -> Self {
        Self {
            switches: Vec::new(),
            ignored: Vec::new(),
            bodies: "ABC".to_owned(),
            page_cap: PAGE_CAP,
            max_page: None,
            window: RESULT_WINDOW,
            window_for_all: false,
            beyond: Beyond::Refuse,
            repeat_every: None,
        }
    }
}

impl Behaviour {
    /// Whether the server was told to behave in this way.
    pub fn has(&self, switch: Switch) -> bool {
        self.switches.contains(&switch)
    }

    /// Whether the matrix parameter `name` is not looked at.
    pub fn ignores(&self, name: &str) -> bool {
        self.ignored.iter().any(|ignored| ignored == name)
    }

    /// Behaves as `word` says, which is a switch or a setting with its value: `window=500`.
    ///
    /// # Errors
    /// A sentence with the part that is not understood.
    pub fn set(&mut self, word: &str) -> Result<(), String> {
        if let Some((_, switch)) = SWITCHES.iter().find(|(known, _)| *known == word) {
            self.switches.extend(switch);
            return Ok(());
        }
        let (name, value) = word.split_once('=').unwrap_or((word, ""));
        match name {
            "page-cap" => self.page_cap = count(value)?,
            "max-page" => self.max_page = Some(count(value)?),
            "window" => self.window = count(value)?,
            "repeat-rows" if value.is_empty() => self.repeat_every = Some(REPEATED),
            "repeat-rows" => self.repeat_every = Some(count(value)?),
            "ignore-limit" if value.is_empty() => self.ignored.push("limit".to_owned()),
            "ignore-include-metadata" if value.is_empty() => self.ignored.push("includeMetadata".to_owned()),
            "no-lookup" if value.is_empty() => self.ignored.extend(LOOK_UPS.map(str::to_owned)),
            "ignore-parameters" if !value.is_empty() => self.ignored.extend(value.split(',').map(str::to_owned)),
            "annotations-body" => {
                let letters = value.replace([',', '|'], "");
                if letters.is_empty() || letters.contains(|letter| !('A'..='C').contains(&letter)) {
                    return Err(format!("\"{value}\" is not made of the letters A, B and C"));
                }
                self.bodies = letters;
            }
            _ => return Err(unknown(word, name)),
        }
        Ok(())
    }

    /// A key that stands behind `word`: only `window` has any.
    ///
    /// # Errors
    /// A sentence with the part that is not understood.
    pub fn set_key(&mut self, word: &str, key: &str, value: &str) -> Result<(), String> {
        match (word.split('=').next(), key, value) {
            (Some("window"), "all", "true" | "false") => self.window_for_all = value == "true",
            (Some("window"), "answer", "400") => self.beyond = Beyond::Refuse,
            (Some("window"), "answer", "empty") => self.beyond = Beyond::Empty,
            (Some("window"), "answer", "last") => self.beyond = Beyond::Last,
            (Some("window"), "all" | "answer", _) => {
                return Err(format!("\"{key}={value}\" is not one of all=true, all=false, answer=400|empty|last"));
            }
            _ => return Err(format!("\"{key}\" is not a key of a switch")),
        }
        Ok(())
    }
}

/// All words, for messages.
pub fn words() -> impl Iterator<Item = &'static str> {
    SWITCHES.iter().map(|(word, _)| *word).chain(SETTINGS)
}

fn unknown(word: &str, name: &str) -> String {
    let like: Vec<_> = words().filter(|known| known.split('=').next() == Some(name)).collect();
    if like.is_empty() {
        format!("\"{name}\" is not an action")
    } else {
        format!("\"{word}\" is not {}", like.join(", "))
    }
}

fn count(text: &str) -> Result<usize, String> {
    text.parse().ok().filter(|count| *count > 0).ok_or_else(|| format!("\"{text}\" is not a whole number above 0"))
}
