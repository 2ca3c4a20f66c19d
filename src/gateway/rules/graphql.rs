//! Whether a GraphQL request only reads. Whatever cannot be told for certain is a write: two servers may read a body that
//! is out of the ordinary in two ways, and the app's way decides.

use std::fmt;

use apollo_parser::Parser;
use apollo_parser::cst::{CstNode, Definition, OperationDefinition};
use http::HeaderMap;
use http::header::{CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, TRANSFER_ENCODING};
use serde::Deserialize;
use serde::de::{IgnoredAny, MapAccess, SeqAccess, Visitor};

use super::Nature;
use super::path::hex;

/// The longest body that is read to find out; a longer one is a write.
pub const BODY_LIMIT: usize = 64 << 10;
/// Selection sets, types and values within each other.
const DEPTH_LIMIT: usize = 64;
/// Tokens of one document.
const TOKEN_LIMIT: usize = 20_000;
/// Operations sent in one array.
const BATCH_LIMIT: usize = 100;

/// Of a GET: its document is in the query string. Without any query string it asks for a page.
pub(super) fn nature_of_query(headers: &HeaderMap, query: Option<&str>) -> Nature {
    let has_body = headers.contains_key(TRANSFER_ENCODING)
        || headers.get(CONTENT_LENGTH).is_some_and(|length| length != "0");
    match query {
        _ if has_body => Nature::Write,
        None | Some("") => Nature::Read,
        Some(query) => told(parameters(query).and_then(|found| {
            let document = found.query?;
            reads(&document, found.operation.as_deref())
        })),
    }
}

/// Of a POST, by its head alone: a write, or its body has to be read.
pub(super) fn nature_of_head(headers: &HeaderMap, query: Option<&str>) -> Nature {
    let declared =
        headers.get(CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse().ok());
    let is_long = declared.is_some_and(|length: u64| length > BODY_LIMIT as u64);
    // Some servers prefer what the query string says.
    let is_plain = query.is_none_or(|query| {
        parameters(query).is_some_and(|found| found.query.is_none() && found.operation.is_none())
    });
    match form(headers) {
        Some(_) if is_plain && !is_long => Nature::Graphql,
        _ => Nature::Write,
    }
}

/// Of a POST whose whole body is at hand.
pub(super) fn nature_of_body(headers: &HeaderMap, query: Option<&str>, body: &[u8]) -> Nature {
    if body.len() > BODY_LIMIT || nature_of_head(headers, query) != Nature::Graphql {
        return Nature::Write;
    }
    let Ok(text) = std::str::from_utf8(body) else { return Nature::Write };
    match form(headers) {
        Some(Form::Json) => told(reads_json(text)),
        Some(Form::Document) => told(reads(text, None)),
        None => Nature::Write,
    }
}

/// `Some(())` where something certainly only reads.
type Certain = Option<()>;

fn told(certain: Certain) -> Nature {
    certain.map_or(Nature::Write, |()| Nature::Read)
}

enum Form {
    Json,
    Document,
}

/// What the body is, if it is said once, uncompressed and in UTF-8.
fn form(headers: &HeaderMap) -> Option<Form> {
    let mut types = headers.get_all(CONTENT_TYPE).iter();
    let (Some(value), None) = (types.next(), types.next()) else { return None };
    if headers.contains_key(CONTENT_ENCODING) {
        return None;
    }
    let mut parts = value.to_str().ok()?.split(';').map(str::trim);
    let name = parts.next()?;
    let charset = |part: &str| {
        let charset = part.split_once('=').filter(|(key, _)| key.eq_ignore_ascii_case("charset"));
        charset.map_or("utf-8", |(_, value)| value).trim_matches('"').eq_ignore_ascii_case("utf-8")
    };
    if !parts.all(charset) {
        return None;
    }
    match name.to_ascii_lowercase().as_str() {
        "application/json" => Some(Form::Json),
        "application/graphql" => Some(Form::Document),
        _ => None,
    }
}

#[derive(Default)]
struct Parameters {
    query: Option<String>,
    operation: Option<String>,
}

/// The parameters that matter, unless one comes twice or in a spelling that some server might take for it.
fn parameters(query: &str) -> Option<Parameters> {
    let mut found = Parameters::default();
    if query.contains(';') {
        return None;
    }
    for pair in query.split('&') {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        let name = form_decoded(name)?;
        let folded: String = name.trim().to_ascii_lowercase();
        let place = match name.as_str() {
            "query" => &mut found.query,
            "operationName" => &mut found.operation,
            _ if folded.starts_with("query") || folded.starts_with("operationname") => return None,
            _ => continue,
        };
        if place.replace(form_decoded(value)?).is_some() {
            return None;
        }
    }
    Some(found)
}

/// Percent-decoded, `+` as a space; `None` if it is not well-formed UTF-8.
fn form_decoded(text: &str) -> Option<String> {
    let mut plain = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        plain.push(match byte {
            b'+' => b' ',
            b'%' => hex(rest.next()?, rest.next()?)?,
            byte => byte,
        });
    }
    String::from_utf8(plain).ok()
}

/// One request, or several in an array.
fn reads_json(text: &str) -> Certain {
    if text.trim_start().starts_with('[') {
        let batch: Batch = serde_json::from_str(text).ok()?;
        return batch.0.iter().try_for_each(Request::reads).filter(|()| !batch.0.is_empty());
    }
    serde_json::from_str::<Request>(text).ok()?.reads()
}

struct Batch(Vec<Request>);

struct Batches;

impl<'de> Deserialize<'de> for Batch {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Batch, D::Error> {
        deserializer.deserialize_seq(Batches)
    }
}

impl<'de> Visitor<'de> for Batches {
    type Value = Batch;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an array of requests")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut requests: A) -> Result<Batch, A::Error> {
        let mut batch = Vec::new();
        while let Some(request) = requests.next_element()? {
            if batch.len() == BATCH_LIMIT {
                return Err(serde::de::Error::custom("too many requests"));
            }
            batch.push(request);
        }
        Ok(Batch(batch))
    }
}

#[derive(Default)]
struct Request {
    query: Option<String>,
    operation: Option<String>,
}

impl Request {
    fn reads(&self) -> Certain {
        reads(self.query.as_deref()?, self.operation.as_deref())
    }
}

struct Fields;

impl<'de> Deserialize<'de> for Request {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Request, D::Error> {
        deserializer.deserialize_map(Fields)
    }
}

/// By hand, so that a key that comes twice, or in another case, is an error: servers differ in which one they take.
impl<'de> Visitor<'de> for Fields {
    type Value = Request;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object with a query")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut fields: A) -> Result<Request, A::Error> {
        let mut request = Request::default();
        let (mut queries, mut operations, mut odd) = (0, 0, 0);
        while let Some(key) = fields.next_key::<String>()? {
            if key == "query" {
                queries += 1;
                request.query = fields.next_value()?;
            } else if key == "operationName" {
                operations += 1;
                request.operation = fields.next_value()?;
            } else {
                let taken = ["query", "operationname"];
                odd += usize::from(taken.iter().any(|name| key.eq_ignore_ascii_case(name)));
                let IgnoredAny = fields.next_value()?;
            }
        }
        if queries > 1 || operations > 1 || odd > 0 {
            return Err(serde::de::Error::custom("a key comes twice"));
        }
        Ok(request)
    }
}

/// Whether the operation that would be executed is a query: the one of this name, or the only one.
fn reads(document: &str, name: Option<&str>) -> Certain {
    // Parsers disagree about a carriage return alone: it may end a comment, or not.
    if document.len() > BODY_LIMIT || document.replace("\r\n", "\n").contains('\r') {
        return None;
    }
    let parser = Parser::new(document).recursion_limit(DEPTH_LIMIT).token_limit(TOKEN_LIMIT);
    let tree = parser.parse();
    if tree.errors().len() > 0 {
        return None;
    }
    let mut operations = Vec::new();
    for definition in tree.document().definitions() {
        match definition {
            Definition::OperationDefinition(operation) => operations.push(operation),
            Definition::FragmentDefinition(_) => {}
            _ => return None,
        }
    }
    let mut meant = operations.iter().filter(|operation| match name {
        None => true,
        Some(name) => operation.name().is_some_and(|own| own.text() == name),
    });
    let (Some(operation), None) = (meant.next(), meant.next()) else { return None };
    is_query(operation).then_some(())
}

/// `query ..`, or the short form that begins with a brace.
fn is_query(operation: &OperationDefinition) -> bool {
    match operation.operation_type() {
        Some(kind) => kind.syntax().text() == "query",
        None => operation.selection_set().is_some(),
    }
}
