//! What refusals tell of a limit of requests a second. Such a limit is a bucket of tokens that the target fills at a steady
//! rate up to a size; neither can be seen, but at each refusal it is empty. What was granted between two refusals is
//! therefore what came in, less what did not fit while the client paused or was slow. One such [`Epoch`] fits many pairs of
//! rate and size; a second one leaves one pair.

/// Slots in which an epoch counts, and their length in seconds at first; when all are used, two become one.
const SLOTS: usize = 1_024;
const SLOT: f64 = 0.004;
/// Tokens in an empty bucket: nearly one, for those who send evenly are refused just before it is there.
const EMPTY: f64 = 0.9;
/// Requests a second, at least and at most.
const RATES: (f64, f64) = (1e-3, 1e6);
/// Sizes tried, in seconds of the rate: no bucket at all to ten seconds, each a quarter more than the one before.
const SIZES: i32 = 26;
const LEAST_SIZE: f64 = 0.01;
const STEP: f64 = 1.3;
/// The size taken for likely before two epochs told more: half-way between a tenth of a second and a second.
const LIKELY: f64 = 0.3;
/// What a size of e times the likely one costs, as a difference between epochs: it decides where they fit many sizes.
const UNLIKELY: f64 = 0.01;
/// Epochs remembered.
const EPOCHS: usize = 4;
/// What each new epoch leaves of the weight of those before.
const OLDER: f64 = 0.3;
/// Epochs that differ more (standard deviation of the logarithm) are of different limits.
const DIFFERENT: f64 = 0.15;
/// A burst of refusals with so many answers tells the rate by itself: so much of what was sent was granted meanwhile.
const ANSWERS: f64 = 16.0;

/// What was granted, from the moment at which requests went again until the bucket was empty. Times are those of sending,
/// in seconds since the start of the client.
#[derive(Debug, Clone)]
pub(super) struct Epoch {
    pub(super) from: f64,
    /// Seconds before it in which the bucket filled unused; infinite where it was full at first.
    pub(super) gap: f64,
    width: f64,
    granted: Vec<u32>,
    /// The first and last request refused, and how many there were.
    pub(super) refused: Option<(f64, f64, u32)>,
}

impl Epoch {
    pub(super) fn new(from: f64, gap: f64) -> Self {
        Self { from, gap, width: SLOT, granted: Vec::new(), refused: None }
    }

    /// A request sent at `sent` was granted.
    pub(super) fn grant(&mut self, sent: f64) {
        if sent < self.from {
            return;
        }
        while (sent - self.from) / self.width >= SLOTS as f64 {
            self.granted = self.granted.chunks(2).map(|pair| pair.iter().sum()).collect();
            self.width *= 2.0;
        }
        let slot = self.slot(sent);
        if self.granted.len() <= slot {
            self.granted.resize(slot + 1, 0);
        }
        self.granted[slot] += 1;
    }

    /// A request sent at `sent` was refused.
    pub(super) fn refuse(&mut self, sent: f64) {
        if sent < self.from {
            return;
        }
        let (first, last, count) = self.refused.unwrap_or((sent, sent, 0));
        self.refused = Some((first.min(sent), last.max(sent), count + 1));
    }

    /// Requests granted.
    pub(super) fn total(&self) -> f64 {
        self.granted.iter().map(|count| f64::from(*count)).sum()
    }

    /// Seconds until the first refusal.
    pub(super) fn active(&self) -> f64 {
        self.refused.map_or(0.0, |(first, ..)| first - self.from)
    }

    fn slot(&self, at: f64) -> usize {
        ((at - self.from) / self.width).max(0.0) as usize
    }

    /// The rate at which a bucket of so many seconds is empty at the first refusal and not before.
    fn rate(&self, size: f64) -> f64 {
        let active = self.active().max(0.001);
        let until = self.slot(self.from + active).min(self.granted.len());
        let counts = &self.granted[..until];
        let left = |rate: f64| {
            let most = (size * rate).max(1.0);
            let filled = |level: f64, seconds: f64| (level + seconds * rate).min(most);
            let level = filled(0.0, self.gap);
            let level = counts.iter().fold(level, |level, count| filled(level, self.width) - f64::from(*count));
            filled(level, active - until as f64 * self.width)
        };
        let (mut low, mut high) = RATES;
        for _ in 0..40 {
            let middle = (low * high).sqrt();
            if left(middle) < EMPTY { low = middle } else { high = middle }
        }
        low
    }

    /// The rate granted among refusals, and how many were.
    fn among_refusals(&self) -> Option<(f64, f64)> {
        let (first, last, refused) = self.refused?;
        let from = (self.slot(first) + 1).min(self.granted.len());
        let until = self.slot(last).clamp(from, self.granted.len());
        let granted: f64 = self.granted[from..until].iter().map(|count| f64::from(*count)).sum();
        let sent = granted + f64::from(refused);
        let seconds = (until - from) as f64 * self.width;
        (seconds > 0.0 && sent >= ANSWERS && granted >= ANSWERS / 4.0 && f64::from(refused) > 0.2 * sent)
            .then(|| (granted / seconds, granted))
    }
}

/// What one epoch says: a rate for each size, and how much it weighs.
#[derive(Debug, Clone)]
struct Sighting {
    rates: Vec<f64>,
    weight: f64,
}

/// The limit as the last epochs show it.
#[derive(Debug)]
pub(super) struct Bucket {
    sightings: Vec<Sighting>,
    /// Seconds of the rate that fit in.
    size: f64,
    /// Requests a second.
    pub(super) rate: f64,
    /// Share by which the rate may be wrong.
    pub(super) doubt: f64,
    /// The longest epoch that it rests on.
    longest: f64,
}

impl Default for Bucket {
    fn default() -> Self {
        Self { sightings: Vec::new(), size: LIKELY, rate: 0.0, doubt: 1.0, longest: 0.0 }
    }
}

impl Bucket {
    /// Learns from an epoch that ended in a refusal.
    pub(super) fn learn(&mut self, epoch: &Epoch) {
        let rates = sizes().map(|size| epoch.rate(size)).collect();
        let mut fresh = vec![Sighting { rates, weight: epoch.total().max(1.0) }];
        if let Some((rate, weight)) = epoch.among_refusals() {
            fresh.push(Sighting { rates: sizes().map(|_| rate).collect(), weight });
        }
        self.sightings.iter_mut().for_each(|old| old.weight *= OLDER);
        self.sightings.extend(fresh.iter().cloned());
        if self.sightings.len() > EPOCHS {
            self.sightings.drain(..self.sightings.len() - EPOCHS);
        }
        let (mut size, mut rate, mut spread) = fit(&self.sightings, LIKELY);
        if spread > DIFFERENT && self.sightings.len() > fresh.len() {
            self.sightings = fresh;
            self.longest = 0.0;
            (size, rate, spread) = fit(&self.sightings, self.size);
        }
        (self.size, self.rate) = (size, rate);
        self.longest = self.longest.max(epoch.active());
        // A size that is wrong by a tenth of a second, a count that is wrong by two.
        let weight = self.sightings.iter().map(|sighting| sighting.weight).fold(1.0, f64::max);
        self.doubt = if self.sightings.len() < 2 { 1.0 } else { spread + 0.1 / self.longest.max(0.1) + 2.0 / weight };
    }
}

fn sizes() -> impl Iterator<Item = f64> {
    (0..SIZES).map(|step| if step == 0 { 0.0 } else { LEAST_SIZE * STEP.powi(step - 1) })
}

/// Size, rate and standard deviation of the logarithm of the rate, where the sightings agree best.
fn fit(sightings: &[Sighting], likely: f64) -> (f64, f64, f64) {
    let weights: f64 = sightings.iter().map(|sighting| sighting.weight).sum();
    let at = |(step, size): (usize, f64)| {
        let mean = |value: &dyn Fn(f64) -> f64| {
            sightings.iter().map(|sighting| sighting.weight * value(sighting.rates[step].ln())).sum::<f64>() / weights
        };
        let middle = mean(&|log| log);
        let variance = mean(&|log| (log - middle).powi(2));
        let unlikely = UNLIKELY * (size.max(LEAST_SIZE) / likely.max(LEAST_SIZE)).ln();
        (variance + unlikely * unlikely, (size, middle.exp(), variance.sqrt()))
    };
    let best = sizes().enumerate().map(at).min_by(|a, b| a.0.total_cmp(&b.0));
    best.map_or((likely, 0.0, 0.0), |(_, found)| found)
}
