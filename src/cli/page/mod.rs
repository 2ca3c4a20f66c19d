//! `page`: what visitors would see, before anybody sees it. Needs neither a store nor a network, and changes nothing but the
//! files that it was asked for.

use std::fs;
use std::path::Path;

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use super::args::{PageArgs, PageBuildArgs, PagePreviewArgs, PageVerb};
use super::context::Context;
use super::error::Error;
use super::report::{Form, built_words};
use crate::clock;
use crate::config::{self, SiteConfig};
use crate::files::write_whole;
use crate::hcl::Diagnostic;
use crate::page::{self, Language, Page, StaticFile, To, Told};
use crate::switch::{Mode, Posture};

pub(super) fn run(context: &Context, args: &PageArgs) -> Result<u8, Error> {
    let config = context.config()?;
    let site = config.site(context.common.site.as_deref())?;
    match &args.verb {
        PageVerb::Preview(args) => preview(context, site, args),
        PageVerb::Build(args) => build(context, site, args),
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
    let page = compiled(site)?;
    let now = clock::now();
    let mut posture = posture(mode(&args.mode)?, now, now);
    posture.until = args.until;
    let host = site.hosts.first().map(String::as_str);
    let files = page.files(&Told { host, posture: Some(&posture), now });
    fs::create_dir_all(&args.dir).map_err(|source| not_written(&args.dir, source))?;
    let mut built = Vec::new();
    // What visitors come to first is written last: it never leads to what is not there yet.
    for file in files.iter().rev() {
        built.push(write_packed(&args.dir, file)?);
    }
    Ok(built.into_iter().rev().flatten().collect())
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
    let packed = |packed: std::io::Result<Vec<u8>>| {
        packed.map_err(|source| not_written(&folder.join(&file.name), source))
    };
    let (gzip, brotli) = (packed(file.gzip())?, packed(file.brotli())?);
    let forms = [
        ("", Value::Null, &file.content),
        (".br", "br".into(), &brotli),
        (".gz", "gzip".into(), &gzip),
    ];
    for (ending, _, content) in &forms {
        write(&folder.join(format!("{}{ending}", file.name)), content)?;
    }
    Ok(forms.map(|(ending, encoding, content)| {
        json!({
            "name": format!("{}{ending}", file.name),
            "content_type": file.content_type,
            "content_encoding": encoding,
            "bytes": content.len(),
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
    Posture { mode, operation: None, since, until: Some(until), patience: None }
}

fn after(now: Timestamp, wait: std::time::Duration) -> Result<Timestamp, Error> {
    let later = SignedDuration::try_from(wait).ok().and_then(|wait| now.checked_add(wait).ok());
    later.ok_or_else(|| Error::Usage {
        message: "that is too long from now".to_owned(),
        hint: "say 30m, or 2h".to_owned(),
    })
}
