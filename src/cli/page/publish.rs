//! `page publish`: the page into a bucket, and what was there before out of the distribution.

use std::path::PathBuf;
use std::time::Duration;

use serde_json::json;

use super::super::args::{PageBuildArgs, PagePublishArgs};
use super::super::context::Context;
use super::super::error::Error;
use super::super::report::{Form, Waiting, published_words, warnings_words};
use crate::aws::{Session, Settings};
use crate::clock;
use crate::config::SiteConfig;
use crate::page::away::{self, Front, Invalidation, Place, Stored};
use crate::page::{PageObject, StaticFile};

const SCHEME: &str = "s3://";

pub(super) async fn run(
    context: &Context,
    site: &SiteConfig,
    args: &PagePublishArgs,
) -> Result<u8, Error> {
    let Some(place) = args.place.strip_prefix(SCHEME) else {
        return into_folder(context, site, args);
    };
    let (name, prefix) = parts(place).ok_or_else(|| Error::Usage {
        message: format!("`{}` is not a place in S3", args.place),
        hint: "for example s3://shop-page, or s3://shop-page/maintenance".to_owned(),
    })?;
    let files = super::files(site, &args.made)?;
    let objects = files.iter().map(StaticFile::objects).collect::<Result<Vec<_>, _>>();
    let objects = objects.map_err(away::Error::Packed)?.into_iter().flatten().collect::<Vec<_>>();
    let settings =
        Settings { profile: args.profile.clone(), region: args.region.clone(), assume_role: None };
    let session = Session::load(&settings).await;
    let place = Place::open(&session, name, prefix)?;
    let waiting = Waiting::new(context.report);
    let done = published(context, (&place, &session), &objects, args, &waiting).await;
    waiting.ended();
    let Published { stored, fronts, invalidations, warnings } = done?;
    if context.report.form() == Form::Json {
        context.report.object(&json!({
            "format": 1,
            "place": place.url(),
            "written": stored.written,
            "unchanged": stored.unchanged,
            "invalidations": invalidations.iter().map(|made| json!({
                "id": made.id,
                "distribution": made.distribution,
                "path": made.path,
                "status": made.status,
            })).collect::<Vec<_>>(),
            "warnings": warnings,
        }))?;
    } else {
        let first = fronts.first().map(|front| front.domain.as_str());
        let host = site.hosts.first().map(String::as_str);
        let (data, words) = published_words(&place.url(), &stored, &invalidations, (first, host));
        context.report.data(&data)?;
        context.report.words(&words);
    }
    Ok(0)
}

struct Published {
    stored: Stored,
    fronts: Vec<Front>,
    invalidations: Vec<Invalidation>,
    warnings: Vec<String>,
}

/// Looks first, so that what is refused is refused before anything is written; then writes, then has it forgotten.
async fn published(
    context: &Context,
    (place, session): (&Place, &Session),
    objects: &[PageObject],
    args: &PagePublishArgs,
    waiting: &Waiting,
) -> Result<Published, Error> {
    let began = clock::monotonic();
    let waited = || clock::monotonic().duration_since(began);
    let work = async {
        let mut warnings = place.access().await?.warnings;
        let mut fronts = Vec::new();
        for id in &args.distribution {
            let front = Front::read(session, id).await?;
            warnings.extend(front.warnings(place));
            fronts.push(front);
        }
        context.report.words(&warnings_words(&warnings));
        let tell = |what: &str, done: usize, all: usize| {
            waiting.told(&format!("{what} {done} of {all}"), waited());
        };
        let stored = place.put(objects, &tell).await?;
        Ok::<_, away::Error>((stored, fronts, warnings))
    };
    let written = tokio::time::timeout(args.timeout, work).await;
    let unfinished =
        |what: &str| away::Error::Unfinished { what: what.to_owned(), waited: waited() };
    let (stored, fronts, warnings) =
        written.unwrap_or_else(|_| Err(unfinished("the page is not whole in its place")))?;
    let left = || args.timeout.saturating_sub(waited()).max(Duration::from_secs(1));
    let tell = |what: &str, so_far: Duration| waiting.told(what, so_far);
    // All are asked for before one is waited for.
    let mut made = Vec::new();
    for front in &fronts {
        made.push(front.forget(place, &stored.stamp, left(), &tell).await?);
    }
    let mut invalidations = Vec::new();
    for (front, made) in fronts.iter().zip(made) {
        invalidations.push(front.follow(made, left(), &tell).await?);
    }
    Ok(Published { stored, fronts, invalidations, warnings })
}

/// The same as `page build`.
fn into_folder(context: &Context, site: &SiteConfig, args: &PagePublishArgs) -> Result<u8, Error> {
    let of_aws = !args.distribution.is_empty() || args.profile.is_some() || args.region.is_some();
    if of_aws || args.place.contains("://") {
        return Err(Error::Usage {
            message: format!("`{}` is not a place in S3", args.place),
            hint: "for example s3://shop-page; a folder of this machine knows no --distribution, --profile or --region"
                .to_owned(),
        });
    }
    let args = PageBuildArgs { dir: PathBuf::from(&args.place), made: args.made.clone() };
    super::build(context, site, &args)
}

/// Bucket and folder, where both are ones.
fn parts(place: &str) -> Option<(&str, &str)> {
    let (name, prefix) = place.split_once('/').unwrap_or((place, ""));
    let prefix = prefix.trim_end_matches('/');
    let letter =
        |one: char| one.is_ascii_lowercase() || one.is_ascii_digit() || "-._".contains(one);
    let named = (3..=63).contains(&name.len()) && name.chars().all(letter);
    let well = prefix.is_empty() || prefix.split('/').all(|part| !["", ".", ".."].contains(&part));
    (named && well).then_some((name, prefix))
}

#[cfg(test)]
mod tests {
    use super::parts;

    #[test]
    fn a_place_is_a_bucket_and_maybe_a_folder() {
        assert_eq!(parts("shop-page"), Some(("shop-page", "")));
        assert_eq!(parts("shop-page/"), Some(("shop-page", "")));
        assert_eq!(parts("shop-page/a/b/"), Some(("shop-page", "a/b")));
        for wrong in ["", "ab", "Shop", "shop-page//a", "shop-page/../a", "shop page"] {
            assert_eq!(parts(wrong), None, "{wrong}");
        }
    }
}
