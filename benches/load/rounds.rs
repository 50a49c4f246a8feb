//! The measurements.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;
use tempfile::TempDir;

use crate::process::{self, Cost};
use crate::sender::{self, Planned};
use crate::server::{self, Server};
use crate::{Arguments, mapped};

/// Requests an asset takes.
const REQUESTS: usize = 2;
/// Assets that wrk creates before it describes the first: by then the server has answered for that one.
const AHEAD: usize = 256;
/// The id of a local Flex's first asset.
const FIRST_ASSET: usize = 1_001;

/// Who sends.
const CLIENTS: [&str; 3] = ["telecine", "sender", "wrk"];

/// What one client did in one round.
struct Sent {
    requests: f64,
    seconds: f64,
    client: Cost,
    /// Seconds of the server's CPU.
    server: f64,
}

/// The rows and the requests that they become, in a folder that is gone when this is dropped.
struct Ground {
    folder: TempDir,
    telecine: PathBuf,
    /// The requests as the plan tells them.
    requests: PathBuf,
    core: Option<u32>,
}

/// All latencies and concurrencies, a line each client.
pub fn compare(arguments: &Arguments) {
    let ground = Ground::new(arguments);
    let cores = if arguments.pin { "server and client on a core each" } else { "all cores for both" };
    println!("{} assets, {cores}, medians of {} rounds", arguments.assets, arguments.rounds);
    println!("latency  in flight  client    requests/s  of best  client us/req  server us/req  client peak MiB");
    for latency in &arguments.latency {
        for in_flight in &arguments.in_flight {
            ground.compare(arguments, *latency, *in_flight);
        }
    }
}

impl Ground {
    fn new(arguments: &Arguments) -> Self {
        let folder = TempDir::new().unwrap();
        let requests = folder.path().join("requests.ndjson");
        let telecine = arguments.telecine.clone();
        server::runtime().block_on(mapped::write(folder.path(), arguments.assets as u64));
        let ground = Self { folder, telecine, requests, core: arguments.pin.then_some(1) };
        let server = Server::start(&ground.telecine, 0, None);
        process::run(ground.telecine("plan", &server, 1).arg("--requests").arg(&ground.requests));
        ground
    }

    fn compare(&self, arguments: &Arguments, latency: u64, in_flight: usize) {
        let fits = if latency == 0 { arguments.assets } else { 10_000 * in_flight / usize::try_from(latency).unwrap() };
        let assets = arguments.assets.min(fits);
        let mut rounds: Vec<Vec<Sent>> = CLIENTS.iter().map(|_| Vec::new()).collect();
        for _ in 0..arguments.rounds {
            for (client, sent) in CLIENTS.iter().zip(&mut rounds) {
                sent.extend(self.round(client, arguments.pin, latency, in_flight, assets));
            }
        }
        let rate = |sent: &Sent| sent.requests / sent.seconds;
        let best =
            rounds[1..].iter().filter(|sent| !sent.is_empty()).map(|sent| median(sent, rate)).fold(0.0, f64::max);
        for (client, sent) in CLIENTS.iter().zip(&rounds).filter(|(_, sent)| !sent.is_empty()) {
            println!(
                "{latency:>4} ms  {in_flight:>9}  {client:<8}  {:>10.0}  {:>7.2}  {:>13.0}  {:>13.0}  {:>15.0}",
                median(sent, rate),
                median(sent, rate) / best,
                median(sent, |sent| sent.client.cpu / sent.requests * 1e6),
                median(sent, |sent| sent.server / sent.requests * 1e6),
                median(sent, |sent| sent.client.peak as f64 / f64::from(1 << 20)),
            );
        }
    }

    fn round(&self, client: &str, pin: bool, latency: u64, in_flight: usize, assets: usize) -> Option<Sent> {
        let server = Server::start(&self.telecine, latency, pin.then_some(0));
        let before = server.cpu();
        let measured = match client {
            "telecine" => Some(self.load(&server, in_flight, assets)),
            "sender" => Some(self.send(&server, in_flight, assets)),
            _ => self.wrk(&server, in_flight, assets),
        };
        measured.map(|(requests, seconds, cost)| {
            // Those of wrk that were under way at its end may or may not have been carried out.
            let (written, wanted) = (server.written(), (REQUESTS * assets) as u64);
            let under_way = if client == "wrk" { in_flight as u64 } else { 0 };
            assert!((wanted - under_way..=wanted).contains(&written), "{client}: {written} of {wanted} requests");
            Sent { requests, seconds, client: cost, server: server.cpu() - before }
        })
    }

    fn load(&self, server: &Server, in_flight: usize, assets: usize) -> (f64, f64, Cost) {
        // Every round begins without a ledger.
        let _ = fs::remove_dir_all(self.folder.path().join("ledger"));
        let cost = process::run(self.telecine("load", server, in_flight).args(["--limit", &assets.to_string()]));
        let report: Value = serde_json::from_str(&cost.stdout).unwrap();
        assert_eq!(report["created"], assets, "{report}");
        ((REQUESTS * assets) as f64, report["seconds"].as_f64().unwrap(), cost)
    }

    fn send(&self, server: &Server, in_flight: usize, assets: usize) -> (f64, f64, Cost) {
        let mut command = process::command(&std::env::current_exe().unwrap(), self.core);
        command.arg("send").arg(&self.requests);
        let cost = process::run(command.args([&assets.to_string(), server.host(), &in_flight.to_string()]));
        told(cost)
    }

    /// `None` where wrk is not installed.
    fn wrk(&self, server: &Server, in_flight: usize, assets: usize) -> Option<(f64, f64, Cost)> {
        Command::new("wrk").arg("--version").output().ok()?;
        let file = self.folder.path().join("wrk.requests");
        fs::write(&file, in_wrks_order(&sender::planned(&self.requests, assets), server.host())).unwrap();
        let script = self.folder.path().join("wrk.lua");
        fs::write(&script, include_str!("wrk.lua")).unwrap();
        let mut command = process::command(Path::new("wrk"), self.core);
        command.env("REQUESTS", file).args(["--threads", "1", "--timeout", "30s", "--duration", "600s"]);
        command.args(["--connections", &in_flight.to_string(), "--script"]).arg(script);
        Some(told(process::run(command.arg(format!("http://{}", server.host())))))
    }

    fn telecine(&self, verb: &str, server: &Server, in_flight: usize) -> Command {
        telecine(&self.telecine, self.folder.path(), verb, &server.url, in_flight, self.core)
    }
}

/// A verb of telecine over the run below `folder`.
fn telecine(binary: &Path, folder: &Path, verb: &str, flex: &str, in_flight: usize, core: Option<u32>) -> Command {
    let project = folder.join("project");
    mapped::settings(&project, flex, in_flight);
    let mut command = process::command(binary, core);
    command.args([verb, "--quiet", "--output", "json", "--run", mapped::RUN, "--project"]).arg(project);
    command.arg("--staging").arg(folder.join("staging"));
    command.env("TELECINE_LOAD_LEDGER", folder.join("ledger"));
    command.env("BENCH_FLEX_USERNAME", "rehearsal").env("BENCH_FLEX_PASSWORD", "rehearsal");
    command
}

/// The line `sent REQUESTS SECONDS`.
fn told(cost: Cost) -> (f64, f64, Cost) {
    let line = cost.stdout.lines().find_map(|line| line.strip_prefix("sent "));
    let numbers: Vec<f64> = line.unwrap().split(' ').map(|number| number.parse().unwrap()).collect();
    (numbers[0], numbers[1], cost)
}

/// wrk reads no answer, so ids are foretold: assets get them in the order of their creation.
fn in_wrks_order(assets: &[Vec<Planned>], host: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut add = |planned: &Planned, place: usize| {
        bytes.extend(sender::request(planned, &(FIRST_ASSET + place).to_string(), host));
        bytes.push(0);
    };
    for place in 0..assets.len() + AHEAD {
        if let Some(asset) = assets.get(place) {
            add(&asset[0], place);
        }
        if let Some(place) = place.checked_sub(AHEAD)
            && let Some(asset) = assets.get(place)
        {
            asset[1..].iter().for_each(|planned| add(planned, place));
        }
    }
    bytes
}

fn median(sent: &[Sent], figure: impl Fn(&Sent) -> f64) -> f64 {
    let mut figures: Vec<f64> = sent.iter().map(figure).collect();
    figures.sort_by(f64::total_cmp);
    figures[figures.len() / 2]
}

/// A load of `assets` assets: what it costs, and what it leaves.
pub fn full(binary: &Path, assets: u64, in_flight: usize) {
    let folder = TempDir::new().unwrap();
    server::runtime().block_on(mapped::write(folder.path(), assets));
    let server = Server::start(binary, 0, None);
    let cost = process::run(&mut telecine(binary, folder.path(), "load", &server.url, in_flight, None));
    let report: Value = serde_json::from_str(&cost.stdout).unwrap();
    assert_eq!(report["created"], assets, "{report}");
    let mib = |bytes: u64| bytes as f64 / f64::from(1 << 20);
    println!("assets               {assets}");
    println!("requests             {}", report["requests"]);
    println!("seconds              {:.0}", cost.wall);
    println!("requests a second    {:.0}", report["requests"].as_f64().unwrap() / cost.wall);
    println!("CPU of the load      {:.0} s", cost.cpu);
    println!("CPU of the server    {:.0} s", server.cpu());
    println!("peak of the load     {:.0} MiB", mib(cost.peak));
    println!("peak of the server   {:.0} MiB", mib(server.peak_memory()));
    println!("rows, Parquet        {:.0} MiB", mib(size(&folder.path().join("staging/runs"))));
    println!("ledger               {:.0} MiB", mib(size(&folder.path().join("ledger"))));
    println!("its copies           {:.0} MiB", mib(size(&folder.path().join("staging/ledger"))));
}

/// Bytes of all files below a folder.
fn size(folder: &Path) -> u64 {
    let entries = fs::read_dir(folder).into_iter().flatten().map(Result::unwrap);
    entries.map(|entry| if entry.path().is_dir() { size(&entry.path()) } else { entry.metadata().unwrap().len() }).sum()
}
