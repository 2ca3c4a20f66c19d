//! The built-in page: one file, nothing loaded from anywhere. It cannot fail, because it is what stands in for a template
//! that does.

use std::borrow::Cow;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use sha2::{Digest, Sha256};

use super::told::{Draft, End, To, utc};

const PAGE: &str = include_str!("page.html");
const MAIN: &str = include_str!("main.html");
pub(super) const STYLE: &str = include_str!("page.css");
pub(super) const SCRIPT: &str = include_str!("page.js");

/// The page in one language.
pub(super) fn page(draft: &Draft<'_>) -> String {
    whole(draft, &main(draft))
}

/// A page around `mains`, which speaks in the first draft's language outside of them.
pub(super) fn whole(draft: &Draft<'_>, mains: &str) -> String {
    fill(PAGE, |name| match name {
        "lang" => draft.language.tag().into(),
        "dir" => draft.language.direction().into(),
        "title" => escaped(&draft.title()).into_owned().into(),
        "policy" => escaped(&policy(draft.look())).into_owned().into(),
        "style" => STYLE.into(),
        "script" => SCRIPT.into(),
        "mains" => mains.into(),
        _ => "".into(),
    })
}

/// One page in `drafts`' languages: the visitor's is shown by the script, or chosen from a list without one.
pub(super) fn index(drafts: &[Draft<'_>]) -> String {
    let Some(first) = drafts.first() else { return String::new() };
    let link = |draft: &Draft<'_>| {
        let tag = draft.language.tag();
        let name = escaped(draft.words().name);
        format!("<a href=\"#{tag}\" lang=\"{tag}\" hreflang=\"{tag}\">{name}</a>\n")
    };
    let links: String = drafts.iter().map(link).collect();
    let mains: String = drafts.iter().map(main).collect();
    let label = escaped(first.words().languages);
    whole(first, &format!("{mains}<nav aria-label=\"{label}\">\n{links}</nav>\n"))
}

/// What a page says in one language.
pub(super) fn main(draft: &Draft<'_>) -> String {
    fill(MAIN, |name| match name {
        "lang" => draft.language.tag().into(),
        "dir" => draft.language.direction().into(),
        "heading" => escaped(draft.situation().heading),
        "what" => escaped(draft.situation().what),
        "works" => escaped(draft.situation().works),
        "saved" => escaped(&draft.saved()).into_owned().into(),
        "message" => message(draft).into(),
        "end" => end(draft).into(),
        "contact" => contact(draft).into(),
        "controls" => controls(draft).into(),
        "reference" => reference(draft).into(),
        _ => "".into(),
    })
}

/// The operator's words. Nobody knows their language, so they are told neither it nor its direction.
fn message(draft: &Draft<'_>) -> String {
    let message = draft.message();
    message.map_or_else(String::new, |text| {
        format!("<p class=\"message\" lang=\"\" dir=\"auto\">{}</p>\n", escaped(text))
    })
}

/// When it ends: all three sentences, of which the script shows the right one as time passes.
pub(super) fn end(draft: &Draft<'_>) -> String {
    let words = draft.words();
    let hidden = |shown: bool| if shown { "" } else { " hidden" };
    let (datetime, time) =
        draft.end.at().map_or_else(Default::default, |at| (at.to_string(), utc(at)));
    format!(
        "<p class=\"end\" data-end{}>{}: <bdi><time datetime=\"{datetime}\">{time}</time></bdi><bdi data-local></bdi></p>\n\
         <p class=\"end\" data-late{}>{}</p>\n\
         <p class=\"end\" data-endless{}>{}</p>",
        hidden(matches!(draft.end, End::At(_))),
        escaped(words.ends),
        hidden(matches!(draft.end, End::Passed(_))),
        escaped(words.overdue),
        hidden(draft.end == End::Unknown),
        escaped(words.endless),
    )
}

fn contact(draft: &Draft<'_>) -> String {
    let Some(contact) = draft.contact() else { return String::new() };
    let text = escaped(contact.text);
    let asked = match &contact.href {
        Some(href) => format!("<a href=\"{}\"><bdi>{text}</bdi></a>", escaped(href)),
        None => format!("<bdi>{text}</bdi>"),
    };
    format!("<p>{} {asked}</p>\n", escaped(draft.words().questions))
}

/// What the script needs: the buttons, and its sentences.
pub(super) fn controls(draft: &Draft<'_>) -> String {
    let words = draft.words();
    let checking = match draft.to() {
        To::Reader | To::Anybody => words.checking,
        To::Sender => words.watching,
    };
    let sent = draft.to().word();
    let until = draft.end.at().map(|at| at.to_string()).unwrap_or_default();
    format!(
        "<p data-by-hand>{}</p>\n\
         <div hidden data-roadworks data-look=\"{}\" data-until=\"{until}\" data-sent=\"{sent}\" data-checked=\"{}\" \
         data-unreachable=\"{}\" data-stopped=\"{}\" data-reopened=\"{}\">\n\
         <p role=\"status\">{}</p>\n\
         <button type=\"button\" data-now>{}</button><button type=\"button\" data-stop>{}</button><button \
         type=\"button\" data-back hidden>{}</button>\n\
         </div>",
        escaped(words.by_hand),
        escaped(draft.look()),
        escaped(words.checked),
        escaped(words.unreachable),
        escaped(words.stopped),
        escaped(words.reopened),
        escaped(checking),
        escaped(words.check_now),
        escaped(words.stop),
        escaped(words.back),
    )
}

fn reference(draft: &Draft<'_>) -> String {
    draft.reference.map_or_else(String::new, |reference| {
        let label = escaped(draft.words().reference);
        format!(
            "<p class=\"reference\">{label}: <code dir=\"ltr\">{}</code></p>\n",
            escaped(reference)
        )
    })
}

/// What the page may do: run our script, wear our style, ask where it has to ask. Nothing else, whatever is in it.
fn policy(look: &str) -> String {
    let hash = |text: &str| STANDARD.encode(Sha256::digest(text.as_bytes()));
    // A sender's page goes to the same place.
    let elsewhere = origin(look).map(|origin| format!(" {origin}")).unwrap_or_default();
    format!(
        "default-src 'none'; style-src 'sha256-{}'; script-src 'sha256-{}'; connect-src 'self'{elsewhere}; img-src data:; \
         base-uri 'none'; form-action 'none'",
        hash(STYLE),
        hash(SCRIPT),
    )
}

/// `https://host:port` of a URL, if it has nothing in it that a policy would act on.
fn origin(url: &str) -> Option<&str> {
    let (scheme, rest) = url.split_once("://")?;
    let host = rest.split(['/', '?', '#']).next()?;
    let plain = |c: char| c.is_ascii_alphanumeric() || "-.:[]_".contains(c);
    host.chars().all(plain).then(|| url.get(..scheme.len() + 3 + host.len()))?
}

/// `skeleton` with each `{{ name }}` replaced by its value, once: what is in a value stays as it is.
fn fill<'a>(skeleton: &str, value: impl Fn(&str) -> Cow<'a, str>) -> String {
    let mut text = String::with_capacity(8 * 1024);
    let mut rest = skeleton;
    while let Some((before, after)) = rest.split_once("{{ ") {
        text.push_str(before);
        let Some((name, after)) = after.split_once(" }}") else { break };
        text.push_str(&value(name));
        rest = after;
    }
    text.push_str(rest);
    text
}

/// Text, in HTML and in its attributes.
pub(super) fn escaped(text: &str) -> Cow<'_, str> {
    if !text.contains(['&', '<', '>', '"', '\'', '\0']) {
        return Cow::Borrowed(text);
    }
    let mut safe = String::with_capacity(text.len() + 16);
    for one in text.chars() {
        match one {
            '&' => safe.push_str("&amp;"),
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '"' => safe.push_str("&quot;"),
            '\'' => safe.push_str("&#39;"),
            '\0' => {}
            one => safe.push(one),
        }
    }
    Cow::Owned(safe)
}
