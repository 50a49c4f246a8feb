//! One method a verb.

use super::args::{
    CoverageArgs, DEFAULT_PROJECT, Extract, FlexGet, FlexPull, FlexVerb, Global, LoadArgs, Output, PlanArgs,
    ReconcileArgs, Rehearse, RunArgs, RunId, Serve, SourceArgs, Sql, TargetArgs, TraceArgs, TransformArgs, Verify, put,
};
use super::library::library_options;
use super::request_file::RequestFile;
use super::{Surroundings, output, rejects, rows};
use crate::config::{Config, Flags, is_elsewhere};
use crate::dataflow::{Progress, Source};
use crate::error::{Error, Result};
use crate::extract::ExtractReport;
use crate::flex::{FlexClient, pulled};
use crate::pipeline::{
    EXTRACT_FILE, Pipeline, Rehearsal, RehearseOptions, Sending, begin_run, credential, existing_run, latest_run, look,
    unfinished_run,
};
use crate::rehearsal::flex::{LocalFlex, Options as FlexOptions};
use crate::report::Display;
use crate::source::{PostgresSource, has_password};
use crate::staging::{RunFolder, StagingArea};
use crate::verify;

/// The verb's surroundings: global arguments, environment, the wish to stop.
pub(super) struct Session {
    pub(super) global: Global,
    pub(super) surroundings: Surroundings,
}

impl Session {
    pub(super) fn flags(&self) -> Flags {
        let mut flags = Flags::new();
        put(&mut flags, "staging.url", self.global.staging.as_ref());
        flags
    }

    pub(super) fn load_config(&self, flags: Flags) -> Result<Config> {
        refuse_passwords(&flags)?;
        self.require_project()?;
        Config::load(&self.global.project, flags, self.surroundings.environment.clone(), &[])
    }

    /// A project that was named is there; only the default may be missing, for verbs that need none.
    fn require_project(&self) -> Result<()> {
        let project = &self.global.project;
        if project.is_dir() || project.as_os_str() == DEFAULT_PROJECT {
            return Ok(());
        }
        Err(Error::config(format!("--project {}: there is no such folder", project.display())))
    }

    pub(super) fn pipeline(&self, config: Config, target: Option<String>, run: RunFolder) -> Pipeline {
        Pipeline::new(config, target, run, self.surroundings.cancel.clone(), self.global.quiet)
    }

    /// The pipeline over a run that exists: the named one, or the last.
    pub(super) async fn existing(&self, flags: Flags, run: &RunId) -> Result<Pipeline> {
        let config = self.load_config(flags)?;
        self.over(config, None, run).await
    }

    /// The same for a verb that needs the target.
    pub(super) async fn loading(&self, args: &TargetArgs) -> Result<Pipeline> {
        let config = self.load_config(self.flags())?;
        config.target(args.target.as_deref())?;
        self.over(config, args.target.clone(), &args.run).await
    }

    pub(super) async fn over(&self, config: Config, target: Option<String>, run: &RunId) -> Result<Pipeline> {
        // A mistyped path makes no folder.
        let area = StagingArea::open_existing(&config.staging)?;
        let folder = match &run.run {
            Some(id) => existing_run(&area, id).await?,
            None => latest_run(&area).await?,
        };
        Ok(self.pipeline(config, target, folder))
    }

    pub(super) fn print<T: output::Printed>(&self, value: &T) -> Result<()> {
        match self.global.output {
            // Only rows have this form, and they are printed elsewhere.
            Output::Json | Output::Csv => output::json(value),
            Output::Table => output::text(&value.to_text()),
        }
    }

    /// What was found unclean, after its report was printed: people have just read it, so the first line will do.
    pub(super) fn verdict(&self, verdict: Result<()>) -> Result<()> {
        match (verdict, self.global.output) {
            (Err(Error::Mismatch { what, message }), Output::Table) => {
                let message = message.lines().next().unwrap_or_default().to_owned();
                Err(Error::Mismatch { what, message })
            }
            (verdict, _) => verdict,
        }
    }

    pub(super) async fn rehearse(&self, args: Rehearse) -> Result<()> {
        let mut flags = Flags::new();
        put(&mut flags, "transform.memory", args.memory.as_ref());
        put(&mut flags, "source.connections", args.connections.as_ref());
        put(&mut flags, "source.reader", args.reader.as_ref());
        let options = RehearseOptions {
            library: library_options(&args.shape),
            dir: args.dir,
            project: self.global.project.clone(),
            flags,
            environment: self.surroundings.environment.clone(),
            keep: args.keep,
            quiet: self.global.quiet,
        };
        let rehearsal = Rehearsal::run(&options, &self.surroundings.cancel).await?;
        for line in &rehearsal.kept {
            output::note(line);
        }
        self.print(&rehearsal.report)?;
        rehearsal.report.verdict()
    }

    pub(super) async fn run(&self, args: RunArgs) -> Result<()> {
        let mut flags = self.flags();
        args.source.add_to(&mut flags);
        put(&mut flags, "transform.memory", args.memory.as_ref());
        let config = self.load_config(flags)?;
        config.source()?;
        config.target(args.target.target.as_deref())?;
        let area = StagingArea::open(&config.staging)?;
        let folder = match (&args.target.run.run, unfinished_run(&area).await?) {
            (None, Some(unfinished)) => unfinished,
            (id, _) => begin_run(&area, id.as_deref(), config.transform.now.as_deref()).await?,
        };
        let pipeline = self.pipeline(config, args.target.target, folder);
        ask_for_production(&pipeline, args.yes)?;
        let report = pipeline.run().await?;
        self.print(&report)?;
        report.verdict()
    }

    pub(super) async fn discover(&self, args: SourceArgs) -> Result<()> {
        let mut flags = self.flags();
        args.add_to(&mut flags);
        let config = self.load_config(flags)?;
        let source = PostgresSource::connect(config.source()?).await?;
        self.print(&source.discover().await?)
    }

    pub(super) async fn extract(&self, args: Extract) -> Result<()> {
        let mut flags = self.flags();
        args.source.add_to(&mut flags);
        let config = self.load_config(flags)?;
        // What can be told without effect is told before a run is begun.
        config.source()?;
        let area = StagingArea::open(&config.staging)?;
        let folder = begin_run(&area, args.run.run.as_deref(), config.transform.now.as_deref()).await?;
        let pipeline = self.pipeline(config, None, folder);
        let extracted = pipeline.extract().await;
        if extracted.as_ref().is_err_and(|error| error.exit_code() != 2) {
            output::note(&format!("`telecine extract --run {}` goes on where this stopped", pipeline.folder().id()));
        }
        self.print_step(&extracted?)
    }

    pub(super) async fn verify(&self, args: Verify) -> Result<()> {
        let mut flags = self.flags();
        args.source.add_to(&mut flags);
        if args.against.is_some() {
            put(&mut flags, "against.url", args.against.as_ref());
            put(&mut flags, "against.allow_insecure", args.against_allow_insecure.then_some(&true));
            return self.verify_against(flags).await;
        }
        let mut pipeline = self.existing(flags, &args.run).await?;
        let extracted: Option<ExtractReport> = pipeline.folder().get_json(EXTRACT_FILE).await?;
        if args.source.tables.is_empty() && args.source.exclude.is_empty() {
            pipeline.select_extracted(extracted);
        }
        let step = pipeline.verify().await?;
        self.print_step(&step)?;
        step.outcome.require_equal()
    }

    /// Source = another database; needs no run.
    async fn verify_against(&self, flags: Flags) -> Result<()> {
        let config = self.load_config(flags)?;
        let (source, against) = (config.source()?, config.against()?);
        let of = |side: &'static str| move |error: Error| error.about(side);
        let source = PostgresSource::connect(source).await.map_err(of("the source"))?;
        let against = PostgresSource::connect_other(against).await.map_err(of("the other database"))?;
        source.tables().await.map_err(of("the source"))?;
        against.tables().await.map_err(of("the other database"))?;
        let progress = Progress::default();
        let display = Display::start("verify", &progress, self.global.quiet);
        let report = verify::against(&source, &against, &progress, &self.surroundings.cancel).await?;
        drop(display);
        self.print(&report)?;
        report.require_equal()
    }

    pub(super) async fn transform(&self, args: TransformArgs) -> Result<()> {
        let mut flags = self.flags();
        put(&mut flags, "transform.memory", args.memory.as_ref());
        put(&mut flags, "transform.definitions", args.definitions.as_ref());
        let pipeline = self.over(self.load_config(flags)?, args.target, &args.run).await?;
        if args.dry_run {
            return self.print(&pipeline.transform_outlook(&args.select, args.force).await?);
        }
        let step = pipeline.transform(&args.select, args.force).await?;
        pipeline.keep_transform(&step).await?;
        self.print_step(&step)?;
        step.outcome.verdict()
    }

    pub(super) async fn plan(&self, args: PlanArgs) -> Result<()> {
        let pipeline = self.loading(&args.target).await?;
        pipeline.warn_of_stale_datasets().await;
        let step = match &args.requests {
            None => pipeline.plan(None).await?,
            Some(path) => {
                let mut file = RequestFile::begin(path)?;
                let step = pipeline.plan(Some(&mut file)).await?;
                file.keep()?;
                step
            }
        };
        self.print_step(&step)
    }

    pub(super) async fn load(&self, args: LoadArgs) -> Result<()> {
        let pipeline = self.loading(&args.target).await?;
        ask_for_production(&pipeline, args.yes)?;
        let sending = Sending { limit: args.limit, max_failures: args.max_failures, only_rejects: false };
        self.send(&pipeline, &sending).await
    }

    pub(super) async fn send(&self, pipeline: &Pipeline, sending: &Sending) -> Result<()> {
        let step = pipeline.load(sending).await?;
        self.print_step(&step)?;
        let report = step.outcome;
        let ended = report.created + report.updated + report.failed + report.held;
        if sending.only_rejects && ended == 0 {
            output::note(&format!(
                "no row failed or is held in {0}, so nothing was sent; rows that the transform rejected are loaded by \
                 `telecine load --target {0}` when `telecine transform` takes them",
                report.target
            ));
        } else if sending.only_rejects && report.created > 0 {
            output::note(&format!(
                "the next `telecine load --target {}` sets the references of other rows to those that were created now",
                report.target
            ));
        } else if sending.limit.is_some_and(|limit| ended >= limit) {
            output::note("as many as --limit allows; `telecine load` without it sends the rest");
        }
        rejects::verdict(&report)
    }

    pub(super) async fn reconcile(&self, args: ReconcileArgs) -> Result<()> {
        let step = self.loading(&args.target).await?.reconcile(args.sample).await?;
        self.print_step(&step)?;
        self.verdict(step.outcome.require_equal())
    }

    pub(super) async fn coverage(&self, args: CoverageArgs) -> Result<()> {
        let mut flags = self.flags();
        put(&mut flags, "transform.definitions", args.definitions.as_ref());
        let config = self.load_config(flags)?;
        let area = StagingArea::open(&config.staging)?;
        let folder = match &args.run.run {
            Some(id) => existing_run(&area, id).await?,
            None if area.runs().await?.is_empty() => area.run("none"),
            None => latest_run(&area).await?,
        };
        self.print(&self.pipeline(config, args.target, folder).coverage().await?)
    }

    pub(super) async fn sql(&self, args: Sql) -> Result<()> {
        let config = self.load_config(self.flags())?;
        if let Some(delivery) = &args.delivery {
            return rows::print(look(&config, delivery, &args.statement).await?, self.global.output).await;
        }
        let pipeline = self.over(config, args.target.target, &args.target.run).await?;
        rows::print(pipeline.sql(&args.statement).await?, self.global.output).await
    }

    pub(super) async fn trace(&self, args: TraceArgs) -> Result<()> {
        let pipeline = self.over(self.load_config(self.flags())?, args.target.target, &args.target.run).await?;
        self.print(&pipeline.whole_trace(&args.key).await?)
    }

    pub(super) async fn report(&self, args: RunId) -> Result<()> {
        let pipeline = self.existing(self.flags(), &args).await?;
        self.print(&pipeline.report().await?)
    }

    pub(super) async fn flex(&self, verb: FlexVerb) -> Result<()> {
        match verb {
            FlexVerb::Serve(args) => self.serve(args).await,
            FlexVerb::Get(args) => self.get(args).await,
            FlexVerb::Pull(args) => self.pull(args).await,
        }
    }

    async fn serve(&self, args: Serve) -> Result<()> {
        let mut problems = Vec::new();
        let mut faults = Vec::new();
        for spec in &args.fault {
            spec.parse()
                .map_or_else(|cause| problems.push(format!("--fault {spec}: {cause}")), |fault| faults.push(fault));
        }
        let personality =
            args.personality.parse().map_err(|cause| problems.push(format!("--personality: {cause}"))).ok();
        let version = args.flex_version.parse().map_err(|cause| problems.push(format!("--flex-version: {cause}"))).ok();
        let (Some(personality), Some(version)) = (personality, version.filter(|_| problems.is_empty())) else {
            return Err(Error::Config { problems });
        };
        let (username, password) = (credential("FLEX_USERNAME"), credential("FLEX_PASSWORD"));
        let Serve { listen, data, fault_seed, log, .. } = args;
        let options = FlexOptions { listen, data, personality, version, username, password, faults, fault_seed, log };
        let flex = LocalFlex::start(options)?;
        output::text(flex.base_url())?;
        self.surroundings.cancel.cancelled().await;
        flex.shutdown().await;
        Ok(())
    }

    async fn get(&self, args: FlexGet) -> Result<()> {
        let config = self.load_config(self.flags())?;
        let client = FlexClient::new(&config.target(args.target.as_deref())?.flex)?;
        let answer = tokio::select! {
            answer = client.get(&args.path) => answer?,
            () = self.surroundings.cancel.cancelled() => return Err(Error::Interrupted { signal: 2 }),
        };
        output::text(&serde_json::to_string_pretty(&answer).unwrap_or_default())
    }

    async fn pull(&self, args: FlexPull) -> Result<()> {
        let config = self.load_config(self.flags())?;
        let target = config.target(args.target.as_deref())?;
        let folder = args.dir.unwrap_or_else(|| config.definitions.clone());
        let definitions = pulled::pull(&FlexClient::new(&target.flex)?, &folder).await?;
        self.print(&output::PulledDefinitions { target: target.load.target.clone(), folder, definitions })
    }

    pub(super) fn config(&self) -> Result<()> {
        let config = self.load_config(self.flags())?;
        let absent = config.absent();
        self.print(&output::Settings { settings: config.settings, absent })
    }
}

pub(super) fn ask_for_production(pipeline: &Pipeline, yes: bool) -> Result<()> {
    let target = pipeline.target()?;
    if target.production && !yes {
        return Err(Error::preflight(format!(
            "the target `{}` is marked production: look at `telecine plan`, then repeat with --yes",
            target.load.target
        )));
    }
    Ok(())
}

/// Arguments are seen by every user of the machine: a password does not belong there.
fn refuse_passwords(flags: &Flags) -> Result<()> {
    let given = [("source.url", "--source-url"), ("against.url", "--against")];
    let holds = |key: &str| flags.get(key).is_some_and(|url| !is_elsewhere(url) && has_password(url));
    let problem = |flag| {
        format!(
            "{flag}: other users can see a password in the arguments; write env:NAME or file:PATH, or leave the password to \
             PGPASSWORD or PGPASSFILE"
        )
    };
    let problems: Vec<_> = given.into_iter().filter(|(key, _)| holds(key)).map(|(_, flag)| problem(flag)).collect();
    if problems.is_empty() { Ok(()) } else { Err(Error::Config { problems }) }
}
