//! `page`: what visitors would see, before anybody sees it, and its place of its own. Needs no store; changes nothing but the
//! files and objects that it was asked for.

mod init;
mod publish;
mod verify;

use std::fs;
use std::path::Path;

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use super::args::{MadeArgs, PageArgs, PageBuildArgs, PagePreviewArgs, PageVerb};
use super::context::Context;
use super::error::Error;
use super::report::{Form, built_words};
use crate::clock;
use crate::config::{self, SiteConfig};
use crate::files::{read_up_to, write_whole};
use crate::hcl::Diagnostic;
use crate::page::{self, Language, Page, StaticFile, To, Told};
use crate::switch::{Mode, Posture};

pub(super) use verify::Looked;

/// Google reads no more of one.
const LARGEST_ROBOTS: usize = 500 << 10;

pub(super) async fn run(context: &Context, args: &PageArgs) -> Result<u8, Error> {
    if let PageVerb::Verify(args) = &args.verb {
        return verify::run(context, args).await;
    }
    let config = context.config()?;
    let site = config.site(context.common.site.as_deref())?;
    match &args.verb {
        PageVerb::Preview(args) => preview(context, site, args),
        PageVerb::Build(args) => build(context, site, args),
        PageVerb::Init(args) => init::run(context, site, args),
        PageVerb::Publish(args) => publish::run(context, site, args).await,
        PageVerb::Verify(args) => verify::run(context, args).await,
    }
}

fn preview(context: &Context, site: &SiteConfig, args: &PagePreviewArgs) -> Result<u8, Error> {
    let page = compiled(site)?;
    let language = Language::of_tag(&args.lang).ok_or_else(|| Error::Usage {
        message: format!("the page does not speak `{}`", args.lang),
        hint: format!("one of {}", Language::ALL.map(Language::tag).join(", ")),
    })?;
    let since = clock::now();
    let posture = posture(mode(&args.mode)?, since, after(since, args.r#for)?);
    let told = Told {
        host: site.hosts.first().map(String::as_str),
        posture: Some(&posture),
        now: after(since, args.at)?,
    };
    let to = if args.sent { To::Sender } else { To::Reader };
    let html = page.preview(&told, language, to).map_err(|error| wrong(site, &error))?;
    match (&args.out, context.report.form()) {
        (Some(file), _) => {
            write(file, html.as_bytes())?;
            context.report.words(&format!("written to {}", file.display()));
        }
        (None, Form::Json) => context.report.object(&json!({ "format": 1, "html": html }))?,
        (None, Form::Words) => context.report.data(&html)?,
    }
    Ok(0)
}

/// Writes the site's page as files, and says which.
pub(super) fn built(site: &SiteConfig, args: &PageBuildArgs) -> Result<Vec<Value>, Error> {
    let files = files(site, &args.made)?;
    fs::create_dir_all(&args.dir).map_err(|source| not_written(&args.dir, source))?;
    let mut built = Vec::new();
    // What visitors come to first is written last: it never leads to what is not there yet.
    for file in files.iter().rev() {
        built.push(write_packed(&args.dir, file)?);
    }
    Ok(built.into_iter().rev().flatten().collect())
}

/// The site's page as files.
fn files(site: &SiteConfig, made: &MadeArgs) -> Result<Vec<StaticFile>, Error> {
    let page = compiled(site)?;
    let now = clock::now();
    let mut posture = posture(mode(&made.mode)?, now, now);
    posture.until = made.until;
    let host = site.hosts.first().map(String::as_str);
    let mut files = page.files(&Told { host, posture: Some(&posture), now });
    let mut instead = Vec::new();
    if let Some(word) = &made.status {
        let status = word.parse::<Mode>().map_err(|error| Error::Usage {
            message: error.to_string(),
            hint: "say `open`, or leave it out".to_owned(),
        })?;
        let until = made.until.filter(|_| status != Mode::Open);
        instead.push(StaticFile::status(status, until));
    }
    if let Some(path) = &made.robots {
        let content = read_up_to(path, LARGEST_ROBOTS)
            .and_then(|content| content.ok_or_else(|| std::io::ErrorKind::NotFound.into()))
            .map_err(|source| Error::File { path: path.clone(), doing: "read", source })?;
        instead.push(StaticFile::robots(content));
    }
    for file in &mut files {
        if let Some(own) = instead.iter().find(|own| own.name == file.name) {
            file.clone_from(own);
        }
    }
    Ok(files)
}

fn build(context: &Context, site: &SiteConfig, args: &PageBuildArgs) -> Result<u8, Error> {
    let built = built(site, args)?;
    if context.report.form() == Form::Json {
        let folder = args.dir.display().to_string();
        context.report.object(&json!({ "format": 1, "folder": folder, "files": built }))?;
    } else {
        let looks = site.page.status_url.as_deref();
        let names = built.iter().filter_map(|file| file["name"].as_str());
        context.report.data(&names.collect::<Vec<_>>().join("\n"))?;
        context.report.words(&built_words(&args.dir, looks));
    }
    Ok(0)
}

/// The site's page, or what is wrong with its template.
fn compiled(site: &SiteConfig) -> Result<Page, Error> {
    Page::compile(&site.page).map_err(|error| wrong(site, &error))
}

/// The template's own place is in the message, that of roadworks.hcl beside it.
fn wrong(site: &SiteConfig, error: &page::Error) -> Error {
    let cause = std::error::Error::source(error);
    let message = cause.map_or_else(|| error.to_string(), |cause| format!("{error}: {cause}"));
    let spot = site.page.spots.wrong("template", message);
    config::Error::Wrong(vec![Diagnostic { hint: Some(error.hint()), ..spot }]).into()
}

/// The file as it is, and as Brotli and gzip beside it.
fn write_packed(folder: &Path, file: &StaticFile) -> Result<[Value; 3], Error> {
    let objects = file.objects().map_err(|source| not_written(&folder.join(&file.name), source))?;
    for object in &objects {
        write(&folder.join(&object.name), &object.content)?;
    }
    Ok(objects.map(|object| {
        json!({
            "name": object.name,
            "content_type": object.content_type,
            "content_encoding": object.content_encoding,
            "cache_control": object.cache_control,
            "bytes": object.content.len(),
        })
    }))
}

fn write(path: &Path, content: &[u8]) -> Result<(), Error> {
    write_whole(path, content).map_err(|source| not_written(path, source))
}

fn not_written(path: &Path, source: std::io::Error) -> Error {
    Error::File { path: path.to_owned(), doing: "written", source }
}

/// A mode that refuses somebody something.
fn mode(word: &str) -> Result<Mode, Error> {
    let usage = |message: String| Error::Usage {
        message,
        hint: "one of read-only, hold, closed, detour".to_owned(),
    };
    match word.parse::<Mode>() {
        Ok(Mode::Open) => Err(usage("an open site has no page of ours".to_owned())),
        Ok(mode) => Ok(mode),
        Err(error) => Err(usage(error.to_string())),
    }
}

fn posture(mode: Mode, since: Timestamp, until: Timestamp) -> Posture {
    Posture { mode, operation: None, since, until: Some(until), patience: None, reopened: None }
}

fn after(now: Timestamp, wait: std::time::Duration) -> Result<Timestamp, Error> {
    let later = SignedDuration::try_from(wait).ok().and_then(|wait| now.checked_add(wait).ok());
    later.ok_or_else(|| Error::Usage {
        message: "that is too long from now".to_owned(),
        hint: "say 30m, or 2h".to_owned(),
    })
}
