//! Reading all assets of a target, each exactly once, or saying why that cannot be done.
//!
//! First the plain list, by id. Where that does not add up (the server stops at ten thousand results, keeps no order,
//! moves too fast) time is halved into windows of creation (`createdFrom` inclusive, `createdTo` exclusive, whole seconds,
//! UTC) until each can be read whole. Halves are counted against the whole, all windows against the list without a filter:
//! a parameter that the server ignores is noticed. Every loop is bounded.

mod window;

use tokio::sync::mpsc;

use self::window::Window;
use super::client::FlexClient;
use super::ids::IdSet;
use super::matrix::Address;
use super::model::{Asset, Outcome};
use super::pass::{Answer, Pass};
use crate::error::{Error, Result};

/// Where offset paging ends on servers that limit it (contract: ten thousand results); also a total that may be a cap.
const RESULT_WINDOW: u64 = 10_000;
/// Passes over a list whose total moves, and rounds of counts that do not agree.
const ATTEMPTS: u32 = 4;
/// Passes over a single second whose rows come in no order.
const ATTEMPTS_ON_A_SECOND: u32 = 8;
/// Rows of a page below which a server that refuses it is not asked for a smaller one.
const SMALLEST: u64 = 10;
/// Pages that are read ahead.
const AHEAD: usize = 2;

/// All assets, page by page, each exactly once: by ascending id where the server can be read that way, else by windows of
/// creation. An asset that is there from the first request to the last is given; one that comes or goes meanwhile may be.
/// Pages are read ahead on a task of their own, which ends with this. Must be made within a Tokio runtime.
#[derive(Debug)]
pub struct Scan {
    pages: mpsc::Receiver<Result<Page>>,
    ended: bool,
}

#[derive(Debug)]
enum Page {
    Assets(Vec<Asset>),
    /// Everything was read and adds up.
    Complete,
}

impl Scan {
    /// `address` is the list without order, limit and offset.
    pub(super) fn start(client: FlexClient, address: Address, limit: usize) -> Self {
        let (sender, pages) = mpsc::channel(AHEAD);
        let limit = (limit as u64).max(1);
        let mut walk = Walk {
            client,
            address,
            limit,
            window: RESULT_WINDOW,
            seen: IdSet::default(),
            pages: sender.clone(),
            accepted: Vec::new(),
        };
        tokio::spawn(async move {
            let end = walk.walk().await.map(|()| Page::Complete);
            // A receiver that is gone wants no more.
            let _ = sender.send(end).await;
        });
        Self { pages, ended: false }
    }

    /// The next page; `None` when all were given and their number was checked. After an error there is nothing more.
    ///
    /// # Errors
    /// When the list cannot be read, or cannot be proven to be whole; the error names the window and what does not add up.
    pub async fn next(&mut self) -> Result<Option<Vec<Asset>>> {
        if self.ended {
            return Ok(None);
        }
        match self.pages.recv().await {
            Some(Ok(Page::Assets(assets))) => Ok(Some(assets)),
            Some(Ok(Page::Complete)) => {
                self.ended = true;
                Ok(None)
            }
            Some(Err(error)) => {
                self.ended = true;
                Err(error)
            }
            None => {
                self.ended = true;
                Err(Error::Interrupted { signal: 2 })
            }
        }
    }
}

struct Walk {
    client: FlexClient,
    address: Address,
    limit: u64,
    /// Windows that hold fewer are tried; lowered when the server turns out to stop earlier.
    window: u64,
    seen: IdSet,
    pages: mpsc::Sender<Result<Page>>,
    /// Windows that were read, with their counts.
    accepted: Vec<(Window, u64)>,
}

impl Walk {
    async fn walk(&mut self) -> Result<()> {
        for _ in 0..ATTEMPTS {
            let pass = self.pass(None, false).await?;
            if pass.is_proven() && pass.total() != RESULT_WINDOW {
                return Ok(());
            }
            tracing::debug!(complaint = pass.complaint(), "the plain list of assets does not add up");
            // What stands still is not read better a second time.
            if pass.is_steady() {
                self.learn(&pass);
                break;
            }
        }
        let before = self.count(None).await?;
        let whole = Window::ALL;
        let total = self.count(Some(&whole)).await?;
        self.windows(vec![(whole, total)]).await?;
        self.audit(before).await
    }

    /// Reads these windows, halving those that cannot be read whole. Oldest first, so that assets made meanwhile fall
    /// into what is still to be read.
    async fn windows(&mut self, mut stack: Vec<(Window, u64)>) -> Result<()> {
        while let Some((window, total)) = stack.pop() {
            if total == 0 {
                self.accepted.push((window, 0));
                continue;
            }
            let mut complaint = None;
            if total < self.window || window.is_second() {
                match self.read_window(&window).await? {
                    Ok(count) => {
                        self.accepted.push((window, count));
                        continue;
                    }
                    Err(pass) => complaint = Some(pass),
                }
            }
            let Some((earlier, later)) = window.halves() else {
                let complaint = complaint.unwrap_or_default();
                return Err(self.broken(&format!("assets created {window} cannot be read whole: {complaint}")));
            };
            let counts = self.count_halves(&window, total, &earlier, &later).await?;
            stack.push((later, counts.1));
            stack.push((earlier, counts.0));
        }
        Ok(())
    }

    /// Reads one window: how many assets it holds, or why it cannot be told.
    async fn read_window(&mut self, window: &Window) -> Result<Result<u64, String>> {
        let mut before: Option<IdSet> = None;
        let mut union = (IdSet::default(), None);
        let attempts = if window.is_second() { ATTEMPTS_ON_A_SECOND } else { ATTEMPTS };
        let mut complaint = String::new();
        for _ in 0..attempts {
            let reach = self.seen.len();
            let pass = self.pass(Some(window), false).await?;
            if pass.is_proven() {
                return Ok(Ok(pass.ids().len()));
            }
            complaint = pass.complaint();
            tracing::debug!(%window, complaint, new = self.seen.len() - reach, "a window does not add up");
            if !pass.is_steady() {
                (before, union) = (None, (IdSet::default(), None));
                continue;
            }
            if pass.stopped().is_some() {
                self.learn(&pass);
                if pass.is_joined() && window.is_second() {
                    return self.both_ends(window, &pass).await;
                }
                break;
            }
            // Without order a second pass must show the same assets: had one been missed for another that went away,
            // the second pass could not have shown that one again.
            if pass.is_complete() && before.as_ref() == Some(pass.ids()) {
                return Ok(Ok(pass.ids().len()));
            }
            if !pass.is_complete() && !window.is_second() {
                break;
            }
            let total = pass.total();
            if union.1.is_some_and(|known| known != total) {
                union.0 = IdSet::default();
            }
            union.1 = Some(total);
            union.0.absorb(pass.ids());
            if before.is_some() && union.0.len() == total {
                return Ok(Ok(total));
            }
            before = Some(pass.into_ids());
        }
        Ok(Err(complaint))
    }

    /// A second that holds more than the server's result window: from its first row up and from its last row down, until
    /// the two readings meet.
    async fn both_ends(&mut self, window: &Window, up: &Pass) -> Result<Result<u64, String>> {
        let down = self.pass(Some(window), true).await?;
        let mut ids = IdSet::default();
        for pass in [up, &down] {
            ids.absorb(pass.ids());
        }
        // Refused from its first row on, it shows nothing at all: no reading of nothing.
        let still = up.ids().len() > 0 && down.is_steady() && down.is_joined() && down.total() == up.total();
        if still && ids.len() == up.total() {
            return Ok(Ok(ids.len()));
        }
        let (read, total) = (ids.len(), up.total());
        Ok(Err(format!("from both ends {read} of {total} were read, the middle is out of the server's reach")))
    }

    /// The counts of both halves, which must make the whole.
    async fn count_halves(&self, window: &Window, total: u64, earlier: &Window, later: &Window) -> Result<(u64, u64)> {
        let (mut before, mut counts) = (total, (0, 0));
        for _ in 0..ATTEMPTS {
            counts = (self.count(Some(earlier)).await?, self.count(Some(later)).await?);
            let sum = counts.0 + counts.1;
            if agrees(sum, before, before) {
                return Ok(counts);
            }
            let after = self.count(Some(window)).await?;
            if agrees(sum, before, after) {
                return Ok(counts);
            }
            before = after;
        }
        let message = format!(
            "createdFrom and createdTo do not divide the list: {window} holds {before} assets, {earlier} {} and {later} {}",
            counts.0, counts.1
        );
        Err(self.broken(&message))
    }

    /// All windows together against the list without a filter. Windows that have grown since are read again.
    async fn audit(&mut self, mut before: u64) -> Result<()> {
        let mut sum = 0;
        for _ in 0..ATTEMPTS {
            sum = self.accepted.iter().map(|(_, count)| count).sum();
            let after = self.count(None).await?;
            if agrees(sum, before, after) {
                return Ok(());
            }
            before = after;
            for (window, known) in std::mem::take(&mut self.accepted) {
                let count = self.count(Some(&window)).await?;
                if count > known {
                    self.windows(vec![(window, count)]).await?;
                } else {
                    self.accepted.push((window, count));
                }
            }
        }
        Err(self.broken(&format!("all windows of creation together hold {sum} assets, the list {before}")))
    }

    /// The server stops paging where this pass stopped: larger windows need not be tried.
    fn learn(&mut self, pass: &Pass) {
        if pass.stopped().is_some() {
            self.window = self.window.min((pass.position() + 1).max(self.limit));
        }
    }

    /// Reads a list as far as the server lets; assets not given before are handed on.
    async fn pass(&mut self, window: Option<&Window>, descending: bool) -> Result<Pass> {
        let order = if descending { "desc" } else { "asc" };
        let address = self.filtered(window).with("sortBy", "id").with("sort", order);
        let mut pass = Pass::new(descending);
        while let Some((offset, limit)) = pass.next(self.limit.max(2)) {
            match self.ask(address.clone().with("limit", limit).with("offset", offset)).await? {
                Ok(answer) => {
                    pass.take(&answer);
                    self.hand_on(answer.assets).await?;
                }
                // A server may refuse pages of this size, or show fewer rows in all than one has.
                Err(_) if offset == 0 && limit > SMALLEST => self.limit = limit / 2,
                Err(reason) => pass.stop(reason),
            }
        }
        Ok(pass)
    }

    async fn hand_on(&mut self, mut assets: Vec<Asset>) -> Result<()> {
        assets.retain(|asset| self.seen.insert(asset.id));
        if assets.is_empty() {
            return Ok(());
        }
        let gone = |_| Error::Interrupted { signal: 2 };
        self.pages.send(Ok(Page::Assets(assets))).await.map_err(gone)
    }

    async fn count(&self, window: Option<&Window>) -> Result<u64> {
        let address = self.filtered(window).with("sortBy", "id").with("sort", "asc").with("limit", 1);
        match self.ask(address).await? {
            Ok(answer) => Ok(answer.total),
            Err(reason) => Err(self.broken(&reason)),
        }
    }

    fn filtered(&self, window: Option<&Window>) -> Address {
        match window {
            Some(window) => window.of(self.address.clone()),
            None => self.address.clone(),
        }
    }

    /// One answer, or why the server gives none for this request alone.
    async fn ask(&self, address: Address) -> Result<Result<Answer, String>> {
        match self.client.list(&address).await? {
            Outcome::Done(page) => Answer::read(page).map(Ok).map_err(|message| self.broken(&message)),
            Outcome::Refused(refusal) => Ok(Err(format!("HTTP {}: {}", refusal.status, refusal.message))),
            Outcome::Unclear(message) => Ok(Err(message)),
        }
    }

    fn broken(&self, message: &str) -> Error {
        self.client.error("GET", self.address.as_str(), None, message.to_owned(), false)
    }
}

/// Whether a sum was right at some time between two counts. A count of exactly the result window may be a cap.
fn agrees(sum: u64, before: u64, after: u64) -> bool {
    let capped = before == RESULT_WINDOW && after == RESULT_WINDOW && sum > RESULT_WINDOW;
    (before.min(after)..=before.max(after)).contains(&sum) || capped
}
