//! What the forms say, how large they are, and what happens when a template goes wrong.

use std::fs;
use std::io::Write as _;

use jiff::Timestamp;
use serde_json::Value;

use super::*;
use crate::switch::{OperationId, Posture};

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(1_800_000_000 + second).unwrap()
}

fn posture(mode: Mode) -> Posture {
    Posture {
        mode,
        operation: Some(OperationId::at(at(0), 7)),
        since: at(0),
        until: Some(at(1200)),
        patience: None,
        reopened: None,
    }
}

fn forms_of(config: &PageConfig, mode: Mode) -> Forms {
    let told = Told { host: Some("shop.example.com"), posture: Some(&posture(mode)), now: at(60) };
    Page::compile(config).unwrap().render(&told)
}

fn forms(mode: Mode) -> Forms {
    let config = PageConfig {
        message: Some("We are moving to a bigger database.".to_owned()),
        contact: Some("help@example.com".to_owned()),
        status_url: Some("https://status.example.com/shop.json".to_owned()),
        ..PageConfig::default()
    };
    forms_of(&config, mode)
}

fn text(bytes: &bytes::Bytes) -> &str {
    std::str::from_utf8(bytes).unwrap()
}

const REFUSING: [Mode; 4] = [Mode::ReadOnly, Mode::Hold, Mode::Closed, Mode::Detour];

#[test]
fn every_language_says_everything_in_every_mode() {
    for mode in REFUSING {
        let forms = forms(mode);
        for language in Language::ALL {
            let words = words::of(language);
            let page = forms.html(language, "ref-42");
            let page = text(&page);
            let start = format!(
                "<!doctype html>\n<html lang=\"{}\" dir=\"{}\">",
                language.tag(),
                language.direction()
            );
            assert!(page.starts_with(&start), "{page}");
            let when = "2027-01-15 08:20 UTC";
            for said in [
                words.ends,
                when,
                words.reference,
                "ref-42",
                "help@example.com",
                words.check_now,
                words.stop,
            ] {
                let said = html::escaped(said);
                assert!(page.contains(&*said), "{mode} in {language:?} does not say {said}");
            }
            assert!(page.contains("We are moving to a bigger database."));
            assert!(!page.contains("{{"), "{page}");
            assert!(!page.to_ascii_lowercase().contains("http-equiv=\"refresh"));
            let plain = forms.text(language, "ref-42");
            assert!(text(&plain).contains("ref-42") && text(&plain).contains(when), "{plain:?}");
        }
    }
}

#[test]
fn what_was_sent_is_said_to_be_unsaved_and_is_never_sent_again_by_itself() {
    let words = words::of(Language::English);
    let closed = forms(Mode::Closed);
    let (reader, sender) =
        (closed.html(Language::English, "r"), closed.html_to_sender(Language::English, "r"));
    assert!(text(&reader).contains(words.safe) && text(&reader).contains("data-sent=\"no\""));
    assert!(text(&sender).contains(words.unsent) && text(&sender).contains("data-sent=\"yes\""));
    // Whatever is refused in read-only is a change, a GET too.
    let read_only = forms(Mode::ReadOnly);
    let page = read_only.html(Language::English, "r");
    assert!(text(&page).contains(words.unsent) && text(&page).contains("data-sent=\"yes\""));
    assert!(text(&read_only.text(Language::English, "r")).contains(words.unsent));
}

#[test]
fn past_the_end_it_says_that_it_takes_longer_than_planned() {
    let forms = forms(Mode::Closed);
    let words = words::of(Language::French);
    let before = forms.at(at(1199)).text(Language::French, "r");
    let after = forms.at(at(1200)).text(Language::French, "r");
    assert!(text(&before).contains(words.ends) && !text(&before).contains(words.overdue));
    assert!(text(&after).contains(words.overdue) && !text(&after).contains(words.ends));
    let page = forms.at(at(1200)).html(Language::French, "r");
    assert!(text(&page).contains("data-late>") && text(&page).contains("data-end hidden"));
    // Made when it was overdue already: the same.
    let told = Told { host: None, posture: Some(&posture(Mode::Closed)), now: at(1201) };
    let late = Page::default().render(&told);
    assert!(text(&late.at(at(1202)).text(Language::French, "r")).contains(words.overdue));
}

#[test]
fn a_gateway_that_knows_no_mode_has_a_page_too() {
    let forms = Page::default().render(&Told { host: None, posture: None, now: at(0) });
    let words = words::of(Language::Polish);
    let page = forms.html(Language::Polish, "r");
    assert!(text(&page).contains(words.closed.heading) && text(&page).contains(words.endless));
    let problem = forms.problem(&ProblemDetails { status: 503, instance: "r", retry_after: None });
    let problem: Value = serde_json::from_slice(&problem).unwrap();
    assert_eq!(problem["mode"], Value::Null);
}

#[test]
fn the_operators_words_are_text_whatever_is_in_them() {
    let config = PageConfig {
        message: Some("<script>alert(1)</script> & \"so on\"\r\nReference: forged".to_owned()),
        contact: Some("javascript:alert(1)//@x".to_owned()),
        status_url: Some("https://evil.example'; script-src *\">/x".to_owned()),
        ..PageConfig::default()
    };
    let forms = forms_of(&config, Mode::Detour);
    let page = forms.html(Language::English, "\"><script>x</script>");
    let page = text(&page);
    assert_eq!(page.matches("<script>").count(), 1, "{page}");
    assert!(page.contains("&lt;script&gt;alert(1)&lt;/script&gt; &amp; &quot;so on&quot;"));
    assert!(!page.contains("href=\"javascript") && !page.contains("script-src *"), "{page}");
    assert!(!text(&forms.text(Language::English, "r")).contains("\nReference: forged"));
    let nano = text(forms.nano());
    assert!(!nano.contains("<script>"), "{nano}");
}

#[test]
fn a_problem_has_every_field_and_is_json_whatever_the_reference() {
    let problem = forms(Mode::Closed).problem(&ProblemDetails {
        status: 503,
        instance: "a\"b\\c\n7",
        retry_after: Some(240),
    });
    let problem: Value = serde_json::from_slice(&problem).unwrap();
    assert_eq!(problem["type"], "/.well-known/roadworks#closed");
    assert_eq!(problem["title"], "Closed for maintenance");
    assert_eq!(problem["status"], 503);
    assert_eq!(problem["mode"], "closed");
    assert_eq!(problem["until"], "2027-01-15T08:20:00Z");
    assert_eq!(problem["operation"], posture(Mode::Closed).operation.unwrap().to_string());
    assert_eq!(problem["instance"], "abc7");
    assert_eq!(problem["retry_after"], 240);
    let detail = problem["detail"].as_str().unwrap();
    assert!(
        detail.contains("not carried out") && detail.ends_with("a bigger database."),
        "{detail}"
    );
}

#[test]
fn grpc_clients_are_told_in_what_a_header_may_hold() {
    let config =
        PageConfig { message: Some("50 % größer\n".to_owned()), ..PageConfig::default() };
    let forms = forms_of(&config, Mode::Closed);
    let message = forms.grpc_message();
    assert!(message.ends_with("50 %25 gr%C3%B6%C3%9Fer"), "{message}");
    assert!(http::HeaderValue::from_str(message).is_ok());
}

#[test]
fn the_nano_form_fits_an_alb_whatever_the_operator_says() {
    for length in [0, 10, 300, 600, 5000] {
        let message = Some("<\u{2028}".repeat(length));
        let contact = Some("x".repeat(length / 4));
        let config = PageConfig { message, contact, ..PageConfig::default() };
        for mode in REFUSING {
            let forms = forms_of(&config, mode);
            assert!(forms.nano().len() <= NANO_LIMIT, "{}", forms.nano().len());
            assert!(forms.at(at(9999)).nano().len() <= NANO_LIMIT);
        }
    }
    let nano = forms(Mode::Closed);
    let nano = text(nano.nano());
    assert!(nano.contains("bigger database") && nano.contains("help@example.com"), "{nano}");
}

/// Four KiB is the aim, one congestion window the limit of HTTP.md.
#[test]
fn the_page_is_at_most_four_kib_compressed_in_every_language() {
    let mut largest = 0;
    for mode in [Mode::ReadOnly, Mode::Closed] {
        for language in Language::ALL {
            largest =
                largest.max(brotli(&forms(mode).html_to_sender(language, "0123456789abcdef")));
        }
    }
    assert!(largest <= 4096, "{largest} bytes");
}

fn brotli(page: &[u8]) -> usize {
    let mut packed = brotli::CompressorWriter::new(Vec::new(), 4096, 11, 22);
    packed.write_all(page).unwrap();
    packed.into_inner().len()
}

/// A `page` block with the template in `text`, which is gone with the folder.
fn block(text: &str) -> (tempfile::TempDir, PageConfig) {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("page.html");
    fs::write(&file, text).unwrap();
    (folder, PageConfig { template: Some(file), ..PageConfig::default() })
}

/// The template in `text`, compiled.
fn template(text: &str) -> Result<Page, Error> {
    let (_folder, config) = block(text);
    Page::compile(&config)
}

/// The line and the reason of the refusal of the template in `text`.
fn refused(text: &str) -> (usize, String) {
    match template(text) {
        Err(Error::Template { line, why, .. }) => (line, why),
        other => panic!("{other:?}"),
    }
}

#[test]
fn k13_a_broken_template_is_refused_with_its_line() {
    assert_eq!(refused("a\n{% if %}").0, 2);
    assert_eq!(refused("a\nb\n{{ no_such_thing }}").0, 3);
    // Only in one mode: it is tried in all.
    assert_eq!(refused("a\n{% if mode == 'hold' %}\n{{ nothing.there }}\n{% endif %}").0, 3);
    let (_, why) =
        refused("{% for a in range(9999) %}{% for b in range(9999) %}x{% endfor %}{% endfor %}");
    assert!(why.contains("fuel"), "{why}");
    assert!(template("{% include 'other.html' %}").is_err());
    let missing = PageConfig { template: Some("no/such/file".into()), ..PageConfig::default() };
    assert!(matches!(Page::compile(&missing), Err(Error::Unreadable { .. })));
}

#[test]
fn k13_a_template_gets_what_the_page_says_and_what_is_in_it_is_text() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("page.html");
    fs::write(&file, "<p>{{ message }}|{{ mode }}|{{ until_utc }}|{{ reference }}|{{ lang }}")
        .unwrap();
    let config = PageConfig {
        message: Some("<b>".to_owned()),
        template: Some(file),
        ..PageConfig::default()
    };
    let forms = forms_of(&config, Mode::Closed);
    let page = forms.html(Language::Hebrew, "ref-1");
    assert_eq!(text(&page), "<p>&lt;b&gt;|closed|2027-01-15 08:20 UTC|ref-1|he");
    assert_eq!(forms.fell_back(), None);
}

#[test]
fn where_a_template_fails_later_the_built_in_page_answers_and_says_so() {
    // Its data differs from all that it was tried with: a host of another name.
    let page =
        template("{% if host == 'shop.example.com' %}{{ nothing.there }}{% endif %}").unwrap();
    let posture = posture(Mode::Closed);
    let told = Told { host: Some("shop.example.com"), posture: Some(&posture), now: at(0) };
    let forms = page.render(&told);
    let html = forms.html(Language::English, "r");
    assert!(text(&html).contains("Closed for maintenance"));
    assert!(forms.fell_back().unwrap().contains("page.html:1: "), "{:?}", forms.fell_back());
}

#[test]
fn the_files_are_the_same_each_time_and_say_nothing_of_a_visitor() {
    let page = Page::default();
    let posture = posture(Mode::Detour);
    let told = Told { host: Some("shop.example.com"), posture: Some(&posture), now: at(0) };
    let files = page.files(&told);
    assert_eq!(files, page.files(&told));
    assert_eq!(files.len(), 1 + 2 * Language::ALL.len() + 4);
    let content = |name: &str| {
        let file = files.iter().find(|file| file.name == name).unwrap();
        String::from_utf8(file.content.clone()).unwrap()
    };
    for language in Language::ALL {
        let words = words::of(language);
        for name in [format!("{}.html", language.tag()), "index.html".to_owned()] {
            assert!(content(&name).contains(&*html::escaped(words.closed.what)), "{name}");
            assert!(!content(&name).contains("<code"), "{name}");
        }
    }
    let problem: Value = serde_json::from_str(&content("problem.json")).unwrap();
    assert_eq!((problem.get("instance"), &problem["status"]), (None, &503.into()));
    let status: Value = serde_json::from_str(&content("status.json")).unwrap();
    assert_eq!(status, serde_json::json!({ "mode": "detour", "until": "2027-01-15T08:20:00Z" }));
    let index = files.iter().find(|file| file.name == "index.html").unwrap();
    let (gzip, brotli) = (index.gzip().unwrap(), index.brotli().unwrap());
    assert!(
        gzip.len() <= 14 * 1024 && brotli.len() <= 14 * 1024,
        "{} {}",
        gzip.len(),
        brotli.len()
    );
    assert_eq!(index.gzip().unwrap(), gzip);
    let mut unpacked = Vec::new();
    std::io::Read::read_to_end(&mut flate2::read::GzDecoder::new(&*gzip), &mut unpacked).unwrap();
    assert_eq!(unpacked, index.content);
}

/// The page as a whole, so that a change of a word, a rule or the script shows in the same commit. To write it anew:
/// `ROADWORKS_SNAPSHOT=write cargo nextest run --lib the_whole_page`.
#[test]
fn the_whole_page_reads_as_it_was_kept() {
    let kept = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/browser/closed.ar.html");
    let forms = forms(Mode::Closed);
    let page = forms.html(Language::Arabic, "0123456789abcdef");
    if std::env::var("ROADWORKS_SNAPSHOT").is_ok_and(|mode| mode == "write") {
        fs::write(kept, &page).unwrap();
    }
    assert_eq!(fs::read_to_string(kept).unwrap(), text(&page));
}

#[test]
fn the_templates_that_we_ship_compile_and_say_everything() {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/page");
    let mut seen = 0;
    for entry in fs::read_dir(folder).unwrap() {
        let config = PageConfig {
            message: Some("We are moving.".to_owned()),
            contact: Some("https://example.com/help".to_owned()),
            template: Some(entry.unwrap().path()),
            ..PageConfig::default()
        };
        let forms = forms_of(&config, Mode::Closed);
        assert_eq!(forms.fell_back(), None);
        let page = forms.html(Language::German, "ref-7");
        let words = words::of(Language::German);
        let said = [
            words.closed.what,
            words.safe,
            words.ends,
            words.check_now,
            "ref-7",
            "We are moving.",
            "data-roadworks",
        ];
        for said in said {
            assert!(text(&page).contains(&*html::escaped(said)), "{said} in {config:?}");
        }
        seen += 1;
    }
    assert_eq!(seen, 3);
}
