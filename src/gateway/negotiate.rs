//! In which form and language a refusal is: what the client can read, by what it says of itself. Garbage is ignored, never
//! an error: a refusal is always understood by somebody.

use http::header::{ACCEPT, ACCEPT_LANGUAGE, CONTENT_TYPE};
use http::request::Parts;
use http::{HeaderMap, HeaderName};

use super::rules;
use crate::page::Language;

const SEC_FETCH_MODE: HeaderName = HeaderName::from_static("sec-fetch-mode");
const REQUESTED_WITH: HeaderName = HeaderName::from_static("x-requested-with");
/// Elements of one header that are looked at; nobody sends more but to keep us busy.
const ELEMENTS: usize = 64;

/// The form of a refusal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Form {
    /// A page.
    Html,
    /// `application/problem+json`, RFC 9457.
    Problem,
    /// Plain text.
    Text,
    /// An answer of gRPC or gRPC-Web: HTTP 200, and the status beside.
    Grpc,
}

/// The form for this request.
pub fn form(parts: &Parts) -> Form {
    if is_grpc(&parts.headers) {
        return Form::Grpc;
    }
    if rules::upgrades(&parts.headers) {
        return Form::Text;
    }
    let preferred = by_default(parts);
    accepted(&parts.headers, preferred)
}

/// The language for this request.
pub fn language(headers: &HeaderMap) -> Language {
    let default = Language::ALL.first().copied().unwrap_or(Language::English);
    let mut best: Option<(u16, Language)> = None;
    let mut refused = Vec::new();
    for (tag, quality) in elements(headers, &ACCEPT_LANGUAGE) {
        let language = if tag == "*" { Some(default) } else { Language::of_tag(tag) };
        let Some(language) = language else { continue };
        if quality == 0 {
            // `de-CH;q=0` refuses one region, not the language.
            if !tag.contains(['-', '_']) && tag != "*" {
                refused.push(language);
            }
        } else if best.is_none_or(|(other, _)| quality > other) {
            best = Some((quality, language));
        }
    }
    match best {
        Some((_, language)) if !refused.contains(&language) => language,
        _ => default,
    }
}

/// `application/grpc`, `application/grpc+proto`, `application/grpc-web-text`..
pub fn is_grpc(headers: &HeaderMap) -> bool {
    headers.get(CONTENT_TYPE).is_some_and(|value| {
        let (name, rest) = value.as_bytes().split_at(value.len().min(16));
        name.eq_ignore_ascii_case(b"application/grpc")
            && rest.first().is_none_or(|next| b"+;- ".contains(next))
    })
}

/// What somebody gets who takes anything.
fn by_default(parts: &Parts) -> Form {
    let headers = &parts.headers;
    if headers.get(SEC_FETCH_MODE).is_some_and(|mode| mode == "navigate") {
        return Form::Html;
    }
    let is_json = || {
        let value = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
        let name = value.and_then(|value| value.split(';').next());
        name.is_some_and(|name| media(name.trim()) == Some(Range::Form(Form::Problem)))
    };
    let is_api = || parts.uri.path().split('/').any(|segment| segment.eq_ignore_ascii_case("api"));
    if headers.contains_key(REQUESTED_WITH) || is_api() || is_json() {
        Form::Problem
    } else {
        Form::Html
    }
}

/// What a media range of `Accept` takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Range {
    Form(Form),
    /// `text/*`
    AnyText,
    /// `application/*`
    AnyApplication,
    /// `*/*`
    Anything,
}

impl Range {
    /// How exactly it says `form`; `None` if it does not.
    fn says(self, form: Form) -> Option<u8> {
        match self {
            Range::Form(own) => (own == form).then_some(2),
            Range::AnyText => matches!(form, Form::Html | Form::Text).then_some(1),
            Range::AnyApplication => (form == Form::Problem).then_some(1),
            Range::Anything => Some(0),
        }
    }
}

fn media(range: &str) -> Option<Range> {
    let is = |name: &str| range.eq_ignore_ascii_case(name);
    if is("*/*") || is("*") {
        return Some(Range::Anything);
    }
    let (kind, subtype) = range.split_once('/')?;
    let (_, suffix) = subtype.rsplit_once('+').unwrap_or(("", subtype));
    if is("text/html") || is("application/xhtml+xml") {
        Some(Range::Form(Form::Html))
    } else if suffix.eq_ignore_ascii_case("json") {
        Some(Range::Form(Form::Problem))
    } else if is("text/plain") {
        Some(Range::Form(Form::Text))
    } else if is("text/*") {
        Some(Range::AnyText)
    } else if kind.eq_ignore_ascii_case("application") && subtype == "*" {
        Some(Range::AnyApplication)
    } else {
        None
    }
}

/// What is known of one form: the quality of the range that says it most exactly, and how exactly that is.
#[derive(Debug, Clone, Copy, Default)]
struct Wish {
    exactness: Option<u8>,
    quality: u16,
    /// Its place in the header; the first of equals wins.
    place: usize,
}

/// RFC 9110 §12.5.1: for each form the most exact range counts, then the highest quality wins; among equals the more exact
/// one, then the one that is `preferred`, then the one that comes first. Nothing acceptable is like no header at all.
fn accepted(headers: &HeaderMap, preferred: Form) -> Form {
    let forms = match preferred {
        Form::Problem => [Form::Problem, Form::Html, Form::Text],
        Form::Html | Form::Text | Form::Grpc => [Form::Html, Form::Problem, Form::Text],
    };
    let mut wishes = [Wish::default(); 3];
    for (place, (range, quality)) in elements(headers, &ACCEPT).enumerate() {
        let Some(range) = media(range) else { continue };
        for (form, wish) in forms.iter().zip(&mut wishes) {
            let exactness = range.says(*form);
            let is_better = exactness > wish.exactness
                || (exactness.is_some() && exactness == wish.exactness && quality > wish.quality);
            if is_better {
                *wish = Wish { exactness, quality, place };
            }
        }
    }
    let taken = forms.iter().zip(&wishes).filter(|(_, wish)| wish.quality > 0);
    // Of equals `max_by_key` takes the last one, so the order is turned round.
    let best =
        taken.rev().max_by_key(|(_, wish)| (wish.quality, wish.exactness, usize::MAX - wish.place));
    let not_refused = || {
        let mut refused = forms.iter().zip(&wishes);
        refused.find(|(_, wish)| wish.exactness != Some(2)).map(|(form, _)| *form)
    };
    best.map(|(form, _)| *form).or_else(not_refused).unwrap_or(preferred)
}

/// The elements of a list with their qualities in thousandths; those that cannot be read are left out.
fn elements<'a>(headers: &'a HeaderMap, name: &HeaderName) -> impl Iterator<Item = (&'a str, u16)> {
    let lines = headers.get_all(name).into_iter().filter_map(|line| line.to_str().ok());
    lines.flat_map(|line| split(line, ',')).filter_map(element).take(ELEMENTS)
}

fn element(text: &str) -> Option<(&str, u16)> {
    let mut parameters = split(text, ';').map(str::trim);
    let value = parameters.next().filter(|value| !value.is_empty())?;
    let mut quality = 1000;
    for parameter in parameters {
        if let Some((name, number)) = parameter.split_once('=')
            && name.trim_end().eq_ignore_ascii_case("q")
        {
            quality = thousandths(number.trim_start())?;
            break;
        }
    }
    Some((value, quality))
}

/// `0`, `0.5`, `1.000`: nothing else is a quality (RFC 9110 §12.4.2).
fn thousandths(number: &str) -> Option<u16> {
    let (whole, digits) = number.split_once('.').unwrap_or((number, ""));
    if digits.len() > 3 || !digits.bytes().all(|digit| digit.is_ascii_digit()) {
        return None;
    }
    let part = after_point(digits);
    match whole {
        "0" => Some(part),
        "1" if part == 0 => Some(1000),
        _ => None,
    }
}

/// Up to three digits after the point, as thousandths.
fn after_point(digits: &str) -> u16 {
    let places = digits.bytes().chain(std::iter::repeat(b'0')).take(3);
    places.fold(0, |number, digit| number * 10 + u16::from(digit - b'0'))
}

/// Splits at a letter that does not stand within quotes.
fn split(text: &str, at: char) -> impl Iterator<Item = &str> {
    let (mut quoted, mut escaped) = (false, false);
    text.split(move |letter| {
        let is_escaped = std::mem::take(&mut escaped);
        match letter {
            '"' if !is_escaped => quoted = !quoted,
            '\\' if quoted && !is_escaped => escaped = true,
            _ => {}
        }
        letter == at && !quoted
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::{HeaderValue, Request};
    use proptest::prelude::*;

    fn parts(uri: &str, headers: &[(&str, &str)]) -> Parts {
        let request = headers.iter().fold(Request::builder().uri(uri), |request, (name, value)| {
            request.header(*name, HeaderValue::from_bytes(value.as_bytes()).unwrap())
        });
        request.body(()).unwrap().into_parts().0
    }

    fn accept(value: &str) -> Form {
        form(&parts("/", &[("accept", value)]))
    }

    fn spoken(value: &str) -> Language {
        language(&parts("/", &[("accept-language", value)]).headers)
    }

    #[test]
    fn e1_the_highest_quality_wins_and_zero_excludes() {
        for (value, wanted) in [
            ("text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8", Form::Html),
            ("application/json", Form::Problem),
            ("application/problem+json", Form::Problem),
            ("application/vnd.github.v3+json", Form::Problem),
            ("application/json, text/plain, */*", Form::Problem),
            ("application/json;q=0.5, text/html;q=0.4", Form::Problem),
            ("application/json;q=0.5, text/html", Form::Html),
            ("text/html, application/json", Form::Html),
            ("application/json, text/html", Form::Problem),
            ("text/plain", Form::Text),
            ("text/plain;q=0.9, text/html;q=0.8", Form::Text),
            ("text/*", Form::Html),
            ("application/*", Form::Problem),
            ("*/*, text/html;q=0", Form::Problem),
            ("text/html;q=0", Form::Problem),
            ("text/html;q=0, application/json;q=0.0, text/plain;q=0.000", Form::Html),
            ("*/*;q=0", Form::Html),
            ("TEXT/HTML;Q=0.1, Application/JSON;q=0.2", Form::Problem),
            ("text/html;level=\"1,2;q=0\";q=0.3, application/json;q=0.2", Form::Html),
        ] {
            assert_eq!(accept(value), wanted, "{value}");
        }
    }

    #[test]
    fn t2_what_we_do_not_have_and_what_nobody_can_read_is_like_no_header() {
        for value in
            ["*/*", "image/gif", "", ",,;", "garbage", "text/html;q=x", "\u{e9}", "a/b;q=2"]
        {
            assert_eq!(accept(value), Form::Html, "{value}");
        }
        assert_eq!(accept("text/json"), Form::Problem);
        assert_eq!(accept("application/json;q=1.1, text/plain;q=0.1"), Form::Text);
    }

    #[test]
    fn l4_who_takes_anything_gets_what_its_kind_of_client_reads() {
        let any = |uri, headers: &[(&str, &str)]| form(&parts(uri, headers));
        assert_eq!(any("/shop", &[]), Form::Html);
        for uri in ["/api/items", "/api", "/shop/API/x"] {
            assert_eq!(any(uri, &[("accept", "*/*")]), Form::Problem, "{uri}");
            assert_eq!(any(uri, &[("sec-fetch-mode", "navigate")]), Form::Html, "{uri}");
            assert_eq!(any(uri, &[("accept", "text/html")]), Form::Html, "{uri}");
        }
        assert_eq!(any("/apiary", &[]), Form::Html);
        assert_eq!(any("/", &[("x-requested-with", "XMLHttpRequest")]), Form::Problem);
        assert_eq!(any("/", &[("content-type", "application/json; charset=utf-8")]), Form::Problem);
        assert_eq!(any("/", &[("content-type", "application/vnd.api+json")]), Form::Problem);
        assert_eq!(any("/", &[("content-type", "text/plain")]), Form::Html);
    }

    #[test]
    fn grpc_goes_before_accept_and_an_upgrade_gets_plain_text() {
        let of = |value| form(&parts("/", &[("content-type", value), ("accept", "text/html")]));
        for value in [
            "application/grpc",
            "application/grpc+proto",
            "application/grpc-web-text",
            "Application/gRPC;x",
        ] {
            assert_eq!(of(value), Form::Grpc, "{value}");
        }
        assert_eq!(of("application/grpcx"), Form::Html);
        let upgrade = [("upgrade", "websocket"), ("accept", "text/html")];
        assert_eq!(form(&parts("/", &upgrade)), Form::Text);
    }

    #[test]
    fn t3_languages_go_by_quality_fall_back_from_their_region_and_garbage_is_ignored() {
        for (value, wanted) in [
            ("de", Language::German),
            ("de-AT,en;q=0.5", Language::German),
            ("en;q=0.5, fr;q=0.9", Language::French),
            ("fr, de", Language::French),
            ("zh-CN", Language::Chinese),
            ("pt-BR,pt;q=0.9", Language::Portuguese),
            ("iw-IL", Language::Hebrew),
            ("xx, ja;q=0.1", Language::Japanese),
            ("*", Language::English),
            ("xx-YY", Language::English),
            ("de;q=0, it;q=0.1", Language::Italian),
            ("de;q=0", Language::English),
            ("de-CH;q=0, de", Language::German),
            (";;,q=,\u{e9}", Language::English),
            ("de;q=nonsense, pl;q=0.2", Language::Polish),
            ("", Language::English),
        ] {
            assert_eq!(spoken(value), wanted, "{value}");
        }
    }

    proptest! {
        #[test]
        fn any_header_gets_a_form_and_a_language(
            value in "([a-z*]{1,5}(/[a-z*+]{1,9})?|[ -~]{0,6})(;q=[0-9.]{0,6})?(, ?[ -~]{0,12}){0,8}",
        ) {
            accept(&value);
            spoken(&value);
            let twice = format!("{value}, application/json;q=0");
            let refused = accept(&format!("*/*;q=0.5, {twice}"));
            if !value.contains(['"', 'j', '+']) {
                prop_assert_ne!(refused, Form::Problem);
            }
        }
    }
}
