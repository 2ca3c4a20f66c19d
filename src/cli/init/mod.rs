//! `init`: looks at the folder and writes a commented roadworks.hcl for what is there. Never touches one that is there.

mod compose;
mod found;
mod terraform;
mod written;

use std::io;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use super::args::InitArgs;
use super::context::Context;
use super::error::Error;
use super::report::Form;
use crate::config::FILE_NAME;
use crate::files::write_new;
use crate::switch::Mode;
use found::{Found, Upstream};

pub(super) async fn run(context: &Context, args: &InitArgs) -> Result<u8, Error> {
    let file = target(&context.path());
    let there = || Error::AlreadyThere { path: file.clone() };
    // A link to nowhere too: somebody put it there.
    if std::fs::symlink_metadata(&file).is_ok() {
        return Err(there());
    }
    let folder = folder_of(&file);
    is_open(folder).await?;
    let found = found::look(context, folder, args).await?;
    write_new(&file, written::text(&found).as_bytes()).map_err(|source| match source.kind() {
        io::ErrorKind::AlreadyExists => there(),
        _ => Error::File { path: file.clone(), doing: "written", source },
    })?;
    if context.report.form() == Form::Json {
        context.report.object(&object(&found, &file))?;
    } else {
        context.report.data(&file.display().to_string())?;
        context.report.words(&words(&found));
    }
    Ok(0)
}

/// The file that is to be written.
fn target(path: &Path) -> PathBuf {
    if path.is_dir() {
        let folder = if path == Path::new(".") { Path::new("") } else { path };
        folder.join(FILE_NAME)
    } else {
        path.to_owned()
    }
}

fn folder_of(file: &Path) -> &Path {
    file.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// A bare folder keeps its switch elsewhere than a roadworks.hcl does: one that is not open would be lost sight of.
async fn is_open(folder: &Path) -> Result<(), Error> {
    let Ok(bare) = crate::config::load(folder, &|_| None) else { return Ok(()) };
    let Some(site) = bare.sites.first().filter(|site| site.name.is_none()) else { return Ok(()) };
    match Context::store(&bare, site).await?.switch().await? {
        Some((switch, _)) if switch.mode != Mode::Open => {
            Err(Error::UnderWay { folder: folder.to_owned(), mode: switch.mode })
        }
        _ => Ok(()),
    }
}

/// What to do with the file.
fn next(found: &Found) -> [&'static str; 2] {
    match found.upstreams.as_slice() {
        [] => ["roadworks doctor", "roadworks plan"],
        _ => ["roadworks doctor", "roadworks serve"],
    }
}

fn words(found: &Found) -> String {
    let mut lines = vec!["Found:".to_owned()];
    if let Some(terraform) = &found.terraform {
        let place = terraform.dir.display();
        lines.push(format!("  terraform  {place}: {}", terraform.said()));
    }
    for Upstream { url, from } in &found.upstreams {
        lines.push(format!("  app        {url}: {from}"));
    }
    if !found.hosts.is_empty() {
        lines.push(format!("  hosts      {}", found.hosts.join(", ")));
    }
    lines.extend(found.notes.iter().map(|note| format!("note: {note}")));
    let [first, then] = next(found);
    lines.push(format!("Next: {first}, then {then}"));
    lines.join("\n")
}

fn object(found: &Found, file: &Path) -> Value {
    let upstream = |Upstream { url, from }: &Upstream| json!({ "url": url, "from": from });
    let terraform = found.terraform.as_ref().map(|terraform| {
        json!({
            "dir": terraform.dir.display().to_string(),
            "variable": terraform.variable,
            "records": terraform.records,
            "rule": terraform.rule,
        })
    });
    json!({
        "format": 1,
        "file": file.display().to_string(),
        "site": found.site,
        "hosts": found.hosts,
        "terraform": terraform,
        "upstreams": found.upstreams.iter().map(upstream).collect::<Vec<_>>(),
        "listen": found.listen.map(|port| format!("127.0.0.1:{port}")),
        "notes": found.notes,
        "next": next(found),
    })
}
