//! How long a request waits: a fixed time or a draw from a distribution.

use std::time::Duration;

use fastrand::Rng;

/// No draw is longer; the tails of `lognormal` and `pareto` have no end.
const LONGEST: f64 = 60.0;

/// A time, or where times are drawn from. All are in seconds.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Latency {
    /// Always this long.
    Fixed(f64),
    /// Equally likely between the two.
    Uniform(f64, f64),
    /// Mean and standard deviation; never below zero.
    Normal(f64, f64),
    /// Median, and the standard deviation of the logarithm.
    LogNormal(f64, f64),
    /// The least time, and the shape: the smaller, the longer the tail.
    Pareto(f64, f64),
}

impl Latency {
    /// Reads `5ms`, `uniform(1ms,20ms)`, `normal(50ms,10ms)`, `lognormal(20ms,0.5)`, `pareto(5ms,1.5)`.
    ///
    /// # Errors
    /// A sentence with the part that is not understood.
    pub fn parse(text: &str) -> Result<Self, String> {
        let Some((name, rest)) = text.split_once('(') else { return time(text).map(Self::Fixed) };
        let pair = rest.strip_suffix(')').and_then(|inner| inner.split_once(','));
        let (first, second) = pair.ok_or_else(|| format!("\"{text}\" should be {name}(A,B)"))?;
        let (first, second) = (time(first.trim())?, second.trim());
        let number = || match second.parse() {
            Ok(number) if number > 0.0 => Ok(number),
            _ => Err(format!("\"{second}\" is not a number above 0")),
        };
        match name {
            "uniform" if time(second)? >= first => Ok(Self::Uniform(first, time(second)?)),
            "uniform" => Err(format!("\"{text}\" ends before it begins")),
            "normal" => Ok(Self::Normal(first, time(second)?)),
            "lognormal" => Ok(Self::LogNormal(first, number()?)),
            "pareto" => Ok(Self::Pareto(first, number()?)),
            _ => Err(format!("\"{name}\" is not one of uniform, normal, lognormal, pareto")),
        }
    }

    /// One time.
    pub fn draw(self, random: &mut Rng) -> Duration {
        let seconds = match self {
            Self::Fixed(time) => time,
            Self::Uniform(least, most) => least + random.f64() * (most - least),
            Self::Normal(mean, deviation) => mean + deviation * gauss(random),
            Self::LogNormal(median, sigma) => median * (sigma * gauss(random)).exp(),
            Self::Pareto(least, shape) => least * (1.0 - random.f64()).powf(-1.0 / shape),
        };
        Duration::from_secs_f64(seconds.clamp(0.0, LONGEST))
    }
}

/// A draw from the standard normal distribution (Box and Muller).
fn gauss(random: &mut Rng) -> f64 {
    let radius = (-2.0 * (1.0 - random.f64()).ln()).sqrt();
    radius * (std::f64::consts::TAU * random.f64()).cos()
}

/// Seconds in `20ms`, `1.5s`, `300us` or, in milliseconds, `20`.
///
/// # Errors
/// A sentence with the text, where it is no time of at most a minute.
pub fn time(text: &str) -> Result<f64, String> {
    let units = [("us", 1e-6), ("ms", 1e-3), ("s", 1.0), ("", 1e-3)];
    let unit = units.iter().find(|(unit, _)| text.ends_with(unit));
    let seconds = unit.and_then(|(unit, factor)| Some(text.strip_suffix(unit)?.parse::<f64>().ok()? * factor));
    let seconds = seconds.filter(|seconds| (0.0..=LONGEST).contains(seconds));
    seconds.ok_or_else(|| format!("\"{text}\" is not a time such as 20ms, up to 60s"))
}

#[cfg(test)]
mod tests {
    use fastrand::Rng;

    use super::Latency;

    #[test]
    fn draws_follow_their_distribution() {
        let mut random = Rng::with_seed(7);
        for (text, median) in [
            ("5ms", 0.005),
            ("uniform(10ms,30ms)", 0.020),
            ("normal(50ms,10ms)", 0.050),
            ("lognormal(20ms,0.5)", 0.020),
            ("pareto(5ms,1)", 0.010),
        ] {
            let latency = Latency::parse(text).unwrap();
            let mut draws: Vec<_> = (0..4_001).map(|_| latency.draw(&mut random).as_secs_f64()).collect();
            draws.sort_by(f64::total_cmp);
            assert!((draws[2_000] / median - 1.0).abs() < 0.1, "{text}: {}", draws[2_000]);
        }
    }

    #[test]
    fn what_is_no_latency_is_named() {
        for text in ["fast", "-1ms", "61s", "NaNs", "uniform(20ms,1ms)", "normal(1ms)", "pareto(1ms,0)", "beta(1ms,2)"]
        {
            let problem = Latency::parse(text).unwrap_err();
            assert!(problem.contains(text.split('(').next().unwrap()) || problem.contains('0'), "{text}: {problem}");
        }
    }
}
