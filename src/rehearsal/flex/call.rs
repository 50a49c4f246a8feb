//! One request as handlers see it: the path taken apart, typed matrix parameters, a strict JSON body.

use axum::body::Bytes;
use serde_json::{Map, Value};

use super::answer::{Answer, parse_flex_time};
use super::behaviour::{Behaviour, Beyond, Switch};
use super::lossy::Loss;
use super::matrix::MatrixPath;

/// The number of rows of a page where none is asked for.
const DEFAULT_LIMIT: usize = 100;
/// A property of creations, and how the first description of the API spells it.
const DEFINITION_ID: (&str, &str) = ("metadataDefinitionId", "metadatadefinitionId");

/// A request whose credentials are checked and whose body is read.
#[derive(Debug)]
pub struct Call<'a> {
    /// The path below `/api`.
    pub path: &'a MatrixPath,
    /// What follows `?`; only collections look at it.
    pub query: &'a str,
    /// The body; empty where there is none.
    pub body: Bytes,
    /// The base URL for `href`s, ending in `/api`.
    pub base_url: &'a str,
    /// How the server behaves.
    pub behaviour: &'a Behaviour,
    /// What is lost of what the request stores.
    pub losses: &'a [Loss],
}

/// A page of a list.
#[derive(Debug, Clone, Copy)]
pub struct Page {
    /// The number of rows before it.
    pub offset: usize,
    /// The greatest number of its rows.
    pub limit: usize,
    /// How many rows too early a page of assets begins, where the server is told to repeat rows.
    pub early: usize,
}

impl Call<'_> {
    /// The parameter `name` as text, if it is there and not empty.
    pub fn text(&self, name: &str) -> Option<&str> {
        self.path.param(name).filter(|value| !value.is_empty() && !self.behaviour.ignores(name))
    }

    /// The parameter `name` as a whole number.
    pub fn number(&self, name: &str) -> Result<Option<u64>, Answer> {
        let Some(text) = self.text(name) else { return Ok(None) };
        text.parse().map(Some).map_err(|_| Answer::bad(format!("Parameter {name}: \"{text}\" is not a number")))
    }

    /// The parameter `name` as a boolean, in any case.
    pub fn flag(&self, name: &str) -> Result<bool, Answer> {
        match self.text(name) {
            None => Ok(false),
            Some(text) if text.eq_ignore_ascii_case("true") => Ok(true),
            Some(text) if text.eq_ignore_ascii_case("false") => Ok(false),
            Some(text) => Err(Answer::bad(format!("Parameter {name}: \"{text}\" is not a boolean"))),
        }
    }

    /// The parameter `name` as a date, in seconds since 1970.
    pub fn date(&self, name: &str) -> Result<Option<i64>, Answer> {
        let Some(text) = self.text(name) else { return Ok(None) };
        let wrong = || Answer::bad(format!("Parameter {name}: \"{text}\" is not a date such as 24 Jun 2021 10:48:41"));
        parse_flex_time(text).map(Some).ok_or_else(wrong)
    }

    /// Whether `sort` asks for the descending order.
    pub fn descending(&self) -> Result<bool, Answer> {
        match self.text("sort").unwrap_or("asc").to_ascii_lowercase().as_str() {
            "asc" => Ok(false),
            "desc" => Ok(true),
            other => Err(Answer::bad(format!("Parameter sort: \"{other}\" is not asc or desc"))),
        }
    }

    /// `limit` with `offset`, or else with `page` (from 1), as the server's caps and windows allow.
    pub fn page(&self) -> Result<Page, Answer> {
        let small = |number: Option<u64>| number.map(|number| usize::try_from(number).unwrap_or(usize::MAX));
        let limit = small(self.number("limit")?).unwrap_or(DEFAULT_LIMIT);
        if let Some(most) = self.behaviour.max_page.filter(|most| limit > *most) {
            return Err(Answer::bad(format!("Parameter limit: {limit} is more than {most}")));
        }
        let limit = limit.min(self.behaviour.page_cap);
        let page = small(self.number("page")?).map_or(0, |page| page.saturating_sub(1).saturating_mul(limit));
        let offset = small(self.number("offset")?).unwrap_or(page);
        let unsorted = self.behaviour.has(Switch::Unsorted) && self.path.param("sortBy").is_none();
        let every = self.behaviour.repeat_every.or(unsorted.then_some(2));
        let number = offset / limit.max(1) + 1;
        let early = usize::from(offset > 0 && every.is_some_and(|every| number.is_multiple_of(every)));
        let page = Page { offset, limit, early };
        if self.behaviour.window_for_all { self.within_window(page) } else { Ok(page) }
    }

    /// The page that is answered in the place of one beyond the result window.
    ///
    /// # Errors
    /// A 400, where that is how the server answers.
    pub fn within_window(&self, page: Page) -> Result<Page, Answer> {
        let window = self.behaviour.window;
        if page.offset.saturating_add(page.limit) <= window {
            return Ok(page);
        }
        match self.behaviour.beyond {
            Beyond::Refuse => {
                Err(Answer::bad(format!("Result window is too large: offset + limit must not exceed {window}")))
            }
            Beyond::Empty => Ok(Page { limit: window.saturating_sub(page.offset), ..page }),
            Beyond::Last => Ok(Page { offset: window.saturating_sub(page.limit), ..page }),
        }
    }

    /// `offset` and `limit` of the query string, which only collections page by.
    pub fn query_page(&self) -> Result<Page, Answer> {
        let given = |name: &str| {
            let text = self.query.split('&').filter_map(|pair| pair.split_once('=')).find(|(key, _)| *key == name);
            let wrong = |text| Answer::bad(format!("Parameter {name}: \"{text}\" is not a number"));
            text.map(|(_, text)| text.parse::<usize>().map_err(|_| wrong(text))).transpose()
        };
        Ok(Page {
            offset: given("offset")?.unwrap_or(0),
            limit: given("limit")?.unwrap_or(DEFAULT_LIMIT).min(self.behaviour.page_cap),
            early: 0,
        })
    }

    /// The body as a JSON object.
    pub fn object(&self) -> Result<Map<String, Value>, Answer> {
        serde_json::from_slice(&self.body)
            .map_err(|error| Answer::bad(format!("The body is not a JSON object that can be read: {error}")))
    }

    /// The body as a JSON object that holds no other properties than `allowed`; `class` is the name in the refusal.
    pub fn strict_object(&self, class: &str, allowed: &[&str]) -> Result<Map<String, Value>, Answer> {
        let mut object = self.object()?;
        let (known, spelled) = DEFINITION_ID;
        if self.behaviour.has(Switch::LenientCase)
            && allowed.contains(&known)
            && let Some(id) = object.shift_remove(spelled)
        {
            object.insert(known.to_owned(), id);
        }
        if self.behaviour.has(Switch::IgnoreUnknown) {
            object.retain(|key, _| allowed.contains(&key.as_str()));
        }
        match object.keys().find(|key| !allowed.contains(&key.as_str())) {
            Some(key) => {
                Err(Answer::bad(format!("Unrecognized field \"{key}\" (Class {class}), not marked as ignorable")))
            }
            None => Ok(object),
        }
    }
}

/// The property `name` as text; `null` is absent.
pub fn optional_text(object: &Map<String, Value>, name: &str) -> Result<Option<String>, Answer> {
    match object.get(name) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) => Ok(Some(text.clone())),
        Some(_) => Err(Answer::bad(format!("Property \"{name}\" is not a string"))),
    }
}

/// The property `name` as text that is not blank.
pub fn required_text(object: &Map<String, Value>, name: &str) -> Result<String, Answer> {
    let text = optional_text(object, name)?.filter(|text| !text.trim().is_empty());
    text.ok_or_else(|| Answer::bad(format!("Property \"{name}\" is required")))
}

/// The property `name` as an id; number text is a number too; `null` is absent.
pub fn optional_id(object: &Map<String, Value>, name: &str) -> Result<Option<u64>, Answer> {
    let id = match object.get(name) {
        None | Some(Value::Null) => return Ok(None),
        Some(Value::String(text)) => text.parse().ok(),
        Some(value) => value.as_u64(),
    };
    id.map(Some).ok_or_else(|| Answer::bad(format!("Property \"{name}\" is not an id")))
}
