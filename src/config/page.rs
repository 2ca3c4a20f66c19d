//! A `page` block -> what visitors read.

use std::path::PathBuf;

use hcl_edit::structure::Block;

use super::read::Reader;
use super::spot::Spots;

/// What visitors read when they may not pass.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PageConfig {
    /// What happens, in the operator's words; shown as it is, in every language.
    pub message: Option<String>,
    /// Whom to ask: an e-mail address or a URL.
    pub contact: Option<String>,
    /// Where the page asks whether the site is open again while the name leads elsewhere: another host.
    pub status_url: Option<String>,
    /// A template of one's own instead of the built-in page.
    pub template: Option<PathBuf>,
    /// Where each key stands.
    pub spots: Spots,
}

const KEYS: [&str; 4] = ["message", "contact", "status_url", "template"];
/// A page is read by somebody who wanted something else.
const LONGEST_MESSAGE: usize = 2_000;

/// Reads `page { .. }` of a site with these hosts.
pub(super) fn read<'a>(reader: &mut Reader<'a>, block: &'a Block, hosts: &[String]) -> PageConfig {
    reader.labels(block, &[]);
    let body = &block.body;
    reader.only(body, &KEYS, &[], &[]);
    let mut spots = Spots::default();
    for attribute in body.attributes() {
        spots.note(attribute.key.as_str(), reader.spot(&attribute.value));
    }
    let message = reader.parsed(body, "message", |text| {
        if text.chars().count() <= LONGEST_MESSAGE {
            Ok(text.to_owned())
        } else {
            Err(format!("`message` has more than {LONGEST_MESSAGE} characters"))
        }
    });
    let status_url = reader.parsed(body, "status_url", url);
    if let (Some(url), Some(given)) = (&status_url, body.get_attribute("status_url"))
        && hosts.iter().any(|host| host_of(url) == host)
    {
        reader.warn(
            &given.value,
            "status_url is at a host of the site itself: in detour the page could never see that it is open again",
        );
    }
    PageConfig {
        message,
        contact: reader.parsed(body, "contact", contact),
        status_url,
        template: reader.text(body, "template").map(|path| reader.folder().join(path)),
        spots,
    }
}

/// What a link of the page may lead to: never a script.
fn url(text: &str) -> Result<String, String> {
    let rest = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://"));
    let sound = text.bytes().all(|byte| byte.is_ascii_graphic() && !b"\"<>\\^`{|}".contains(&byte));
    match rest {
        Some(rest) if sound && !rest.starts_with(['/', '?', '#']) && !rest.is_empty() => {
            Ok(text.to_owned())
        }
        _ => Err(format!("`{text}` is not a URL: https://..")),
    }
}

/// The host of a URL that [`url`] took, without its port.
fn host_of(url: &str) -> &str {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    let end = rest.find(['/', '?', '#', ':']).unwrap_or(rest.len());
    rest.get(..end).unwrap_or_default()
}

fn contact(text: &str) -> Result<String, String> {
    let of_mail = text.split_once('@').is_some_and(|(name, host)| {
        let sound = |part: &str| {
            !part.is_empty()
                && part.bytes().all(|b| b.is_ascii_graphic() && !b"\"<>\\&?@:,;".contains(&b))
        };
        sound(name) && sound(host)
    });
    if of_mail || url(text).is_ok() {
        Ok(text.to_owned())
    } else {
        Err(format!("`{text}` is neither an e-mail address nor a URL"))
    }
}
