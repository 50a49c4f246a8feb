//! `telecine library …`: the sample source database, its answer key, and the sample documents.

use std::sync::Arc;

use secrecy::SecretString;

use super::args::{LibraryAnswers, LibraryCompare, LibraryDocuments, LibraryShape, LibraryVerb};
use super::output::{self, Printed};
use super::verbs::Session;
use crate::config::is_elsewhere;
use crate::dataflow::Progress;
use crate::error::{Error, Result};
use crate::rehearsal::documents::{self, DocumentOptions};
use crate::rehearsal::library::{self, Library, LibraryOptions, answers::Written};
use crate::report::{Display, Table, thousands, visible};
use crate::source::has_password;

impl Session {
    pub(super) async fn library(&self, verb: LibraryVerb) -> Result<()> {
        let args = match verb {
            LibraryVerb::Create(args) => args,
            LibraryVerb::Answers(args) => return self.answers(&args),
            LibraryVerb::Compare(args) => return self.compare(args).await,
            LibraryVerb::Documents(args) => return self.sample_documents(&args),
        };
        let library = Arc::new(Library::new(library_options(&args.shape))?);
        warn_of_password("--url", &args.url);
        let url = match args.url.strip_prefix("env:") {
            Some(name) => self
                .surroundings
                .environment
                .get(name)
                .cloned()
                .ok_or_else(|| Error::config(format!("--url: the environment variable {name} is not set")))?,
            None => args.url.clone(),
        };
        let progress = Progress::default();
        let display = Display::start("library", &progress, self.global.quiet);
        let url = SecretString::from(url);
        let work = library::create(&library, &url, args.connections, &progress);
        let summary = tokio::select! {
            summary = work => summary?,
            () = self.surroundings.cancel.cancelled() => {
                output::note("the database holds a part of the library: drop it and create it anew before the next try");
                return Err(Error::Interrupted { signal: 2 });
            }
        };
        drop(display);
        self.print(&summary)
    }

    fn answers(&self, args: &LibraryAnswers) -> Result<()> {
        let library = Library::new(library_options(&args.shape))?;
        let sheets = library::answers::expected(&library);
        self.print(&library::answers::write(&library, &sheets, &args.out)?)
    }

    async fn compare(&self, args: LibraryCompare) -> Result<()> {
        let pipeline = self.existing(self.flags(), &args.run).await?;
        let sheets = library::answers::expected(&Library::new(library_options(&args.shape))?);
        let comparison = library::answers::compare(&sheets, pipeline.folder()).await?;
        self.print(&comparison)?;
        comparison.require_equal()
    }

    fn sample_documents(&self, args: &LibraryDocuments) -> Result<()> {
        if args.answers.starts_with(&args.out) {
            return Err(Error::config("--answers: the answer key is no document; name a file outside of --out"));
        }
        let options = DocumentOptions { seed: args.seed, count: args.count, dirt: args.dirt, large: args.large };
        self.print(&documents::write(&options, &args.out, &args.answers)?)
    }
}

impl Printed for Written {
    fn to_text(&self) -> String {
        let mut files = Table::new(&["dataset (.parquet, .csv)", "rows"]);
        for (name, rows) in &self.rows {
            files.row([(*name).to_owned(), thousands(*rows)]);
        }
        if self.dirt.is_empty() {
            return files.to_string();
        }
        let mut dirt = Table::new(&["dirt", "cells"]);
        for (kind, cells) in &self.dirt {
            dirt.row([(*kind).to_owned(), thousands(*cells)]);
        }
        format!("{files}\n\n{dirt}")
    }
}

impl Printed for documents::Written {
    fn to_text(&self) -> String {
        let mut table = Table::new(&["flaw", "objects"]);
        for (flaw, objects) in &self.flaws {
            table.row([format!("{flaw:?}"), thousands(*objects)]);
        }
        let mut text = format!("{table}\n{} objects, {} bytes", thousands(self.objects), thousands(self.bytes));
        for key in &self.no_files {
            text.push_str(&format!("\nno file can be called {}", visible(key)));
        }
        text
    }
}

/// Arguments are seen by every user of the machine. The password is taken all the same: it may be that of a throw-away.
fn warn_of_password(flag: &str, url: &str) {
    if !is_elsewhere(url) && has_password(url) {
        output::note(&format!("warning: {flag} holds a password that other users can see; write env:NAME instead"));
    }
}

pub(super) fn library_options(shape: &LibraryShape) -> LibraryOptions {
    LibraryOptions { seed: shape.seed, scale: shape.scale, dirt: shape.dirt, ..LibraryOptions::default() }
}
