//! What a person reads of the page: built, published, looked at.

use std::path::Path;

use super::super::page::Looked;
use super::one_line;
use crate::page::away::{Invalidation, Stored};
use crate::page::looks::Verdict;

/// What to tell a CDN about the page that was built.
pub(in crate::cli) fn built_words(folder: &Path, status_url: Option<&str>) -> String {
    let status = match status_url {
        Some(url) => format!(
            "  and put status.json at {url}, with access-control-allow-origin: *, changed when the mode changes"
        ),
        None => "  without `status_url` in the page block, a visitor's page sees that the name leads back only on a new connection; docs/page.md"
            .to_owned(),
    };
    format!(
        "The page is in {}. Wherever it is served from:\n\
         \x20 answer every path and method with index.html, status 503, never 200 and never a redirect; robots.txt and status.json with 200\n\
         \x20 send cache-control: no-store, and retry-after: 120 where it can be set\n\
         \x20 send the file with .br or .gz where accept-encoding allows, with content-encoding br or gzip\n\
         \x20 on CloudFront set the error caching minimum TTL of 503 to 0\n\
         {status}",
        one_line(&folder.display().to_string()),
    )
}

/// What became of the objects, a line each, and the next step. `at` is the first distribution's domain, and the site's
/// first host.
pub(in crate::cli) fn published_words(
    place: &str,
    stored: &Stored,
    invalidations: &[Invalidation],
    at: (Option<&str>, Option<&str>),
) -> (String, String) {
    let Stored { written, unchanged, .. } = stored;
    let mut lines: Vec<_> = written.iter().map(|name| format!("written      {name}")).collect();
    lines.push(format!("unchanged    {} of {}", unchanged.len(), unchanged.len() + written.len()));
    lines.extend(invalidations.iter().map(|made| {
        let Invalidation { id, distribution, path, status } = made;
        format!("{:<12} invalidation {id} of {distribution}, {path}", status.to_lowercase())
    }));
    let domain = at.0.map_or_else(|| "URL".to_owned(), |domain| format!("https://{domain}"));
    let host = at.1.unwrap_or("NAME");
    let kept = if invalidations.is_empty() {
        "; what stands in front of it may keep what was before (--distribution ID has it forgotten)"
    } else {
        ""
    };
    let words = format!(
        "The page is in {}{kept}.\nNext: roadworks page verify {domain} --host {host}",
        one_line(place)
    );
    (lines.join("\n"), words)
}

/// Each look in a line, with what to do where it is not well.
pub(in crate::cli) fn looks_words(looks: &[Looked]) -> String {
    let mut lines = Vec::new();
    for looked in looks {
        let (result, reason, fix) = match &looked.verdict {
            Verdict::Well => ("ok", None, None),
            Verdict::Worse { reason, fix } => ("warn", Some(reason), Some(fix)),
            Verdict::Wrong { reason, fix } => ("FAIL", Some(reason), Some(fix)),
        };
        let status = looked.status.map(|status| format!("{status}, {} bytes", looked.bytes));
        let told = reason.cloned().or(status).unwrap_or_default();
        let line = format!("{result:<5} {:<7} {:<30} {told}", looked.method, looked.path);
        lines.push(one_line(&line));
        lines.extend(fix.map(|fix| format!("{:<44} fix: {fix}", "")));
    }
    lines.join("\n")
}
