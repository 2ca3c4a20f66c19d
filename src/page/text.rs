//! The forms without markup: plain text, the form of 1,024 bytes, and what gRPC clients are told.

use super::html::escaped;
use super::language::Language;
use super::told::Draft;

/// What an ALB's fixed response holds.
pub const NANO_LIMIT: usize = 1024;

/// The page as plain text: the same sentences, a line each.
pub(super) fn text(draft: &Draft<'_>) -> String {
    let situation = draft.situation();
    let mut lines = vec![situation.heading.to_owned(), String::new(), situation.what.to_owned()];
    lines.extend(draft.message().map(one_line));
    lines.extend([situation.works.to_owned(), draft.saved().into_owned(), draft.when()]);
    if let Some(contact) = draft.contact() {
        lines.push(format!("{} {}", draft.words().questions, one_line(contact.text)));
    }
    if let Some(reference) = draft.reference {
        lines.push(format!("{}: {reference}", draft.words().reference));
    }
    lines.push(String::new());
    lines.join("\n")
}

/// What a program is told in a sentence: that it was not carried out is true of every refusal.
pub(super) fn detail(draft: &Draft<'_>) -> String {
    let draft = &Draft { language: Language::English, ..*draft };
    let mut detail = format!("{} This request was not carried out.", draft.situation().what);
    if let Some(message) = draft.message() {
        detail.push(' ');
        detail.push_str(&one_line(message));
    }
    detail
}

/// A page of at most [`NANO_LIMIT`] bytes, in English: what an ALB's fixed response holds. What does not fit is left
/// out, the operator's message last.
pub(super) fn nano(draft: &Draft<'_>) -> String {
    let draft = &Draft { language: Language::English, reference: None, ..*draft };
    let contact = draft.contact().map(|contact| format!("Questions? {}", contact.text));
    let with = |message: Option<&str>, contact: Option<&str>| {
        let situation = draft.situation();
        let (when, saved) = (draft.when(), draft.saved());
        let told = [Some(situation.what), message, Some(&*saved), Some(&when), contact];
        let told = told.into_iter().flatten().map(|line| format!("<p>{}", escaped(line)));
        format!(
            "<!doctype html><html lang=en><meta charset=utf-8><meta name=viewport content=\"width=device-width\">\
             <meta name=color-scheme content=\"light dark\"><title>{0}</title>\
             <style>body{{font:1.1em/1.6 system-ui;max-width:36em;margin:8vh auto;padding:0 1em}}</style>\
             <main><h1>{0}</h1>{1}</main>",
            escaped(situation.heading),
            told.collect::<String>(),
        )
    };
    let tries = [(draft.message(), contact.as_deref()), (draft.message(), None), (None, None)];
    let mut forms = tries.into_iter().map(|(message, contact)| with(message, contact));
    forms.find(|form| form.len() <= NANO_LIMIT).unwrap_or_else(|| with(None, None))
}

/// `text` as a `grpc-message`: percent-encoded UTF-8 (gRPC over HTTP/2, "Responses").
pub(super) fn grpc_message(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for byte in text.bytes() {
        if (0x20..=0x7e).contains(&byte) && byte != b'%' {
            safe.push(char::from(byte));
        } else {
            let digit = |four: u8| char::from_digit(u32::from(four), 16).unwrap_or('0');
            safe.extend(['%', digit(byte >> 4), digit(byte & 15)].map(|c| c.to_ascii_uppercase()));
        }
    }
    safe
}

/// Line breaks and other controls in somebody's words would make lines of their own.
fn one_line(text: &str) -> String {
    text.chars().map(|one| if one.is_control() { ' ' } else { one }).collect()
}
