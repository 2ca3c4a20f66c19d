//! Something that looks like S3, writes down what it is asked, and may be not quite S3: what no emulator does.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufRead, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

use roadworks::tasks::Tasks;

/// What is wrong with it.
#[derive(Clone, Copy, PartialEq)]
pub(crate) enum Flaw {
    None,
    /// It takes every write, whatever that expects.
    IgnoresConditions,
    /// It says 403 of what is not there, as S3 does to whoever may not list.
    HidesWhatIsNotThere,
    /// It has no time for anybody.
    SlowsDown,
    /// It has no time for the next so many conditional writes.
    Conflicts(u32),
    /// It takes a switch, and answers nobody from then on.
    LosesTheSwitch,
    AnswersNobody,
    /// It lets nobody in who has another key than this one.
    LetsIn(&'static str),
}

/// A running one.
pub(crate) struct S3 {
    pub(crate) endpoint: String,
    asked: Arc<Mutex<BTreeSet<String>>>,
    flaw: Arc<Mutex<Flaw>>,
}

impl S3 {
    /// Each `METHOD /BUCKET/KEY` that it was asked, and let in.
    pub(crate) fn asked(&self) -> BTreeSet<String> {
        self.asked.lock().unwrap().clone()
    }

    /// This is wrong with it from now on; what was asked before is forgotten.
    pub(crate) fn becomes(&self, flaw: Flaw) {
        *self.flaw.lock().unwrap() = flaw;
        self.asked.lock().unwrap().clear();
    }
}

/// Starts it.
pub(crate) fn start(flaw: Flaw) -> S3 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let asked = Arc::<Mutex<BTreeSet<String>>>::default();
    let writing = Arc::clone(&asked);
    let flaw = Arc::new(Mutex::new(flaw));
    let now = Arc::clone(&flaw);
    let serve = move || {
        let mut objects = BTreeMap::new();
        for stream in listener.incoming().map_while(Result::ok) {
            let asked = answer(stream, &mut objects, &mut now.lock().unwrap());
            if let Some(request) = asked {
                writing.lock().unwrap().insert(request);
            }
        }
    };
    Tasks::new().start_thread("s3", serve).unwrap();
    S3 { endpoint: format!("http://{address}"), asked, flaw }
}

/// One request of a connection: it is closed then.
fn answer(
    stream: TcpStream,
    objects: &mut BTreeMap<String, Vec<u8>>,
    flaw: &mut Flaw,
) -> Option<String> {
    let mut reader = BufReader::new(stream);
    let head = head(&mut reader)?;
    let value = |name: &str| {
        let lines = head.iter().filter_map(|line| line.split_once(':'));
        let mut found = lines.filter(|(other, _)| other.eq_ignore_ascii_case(name));
        found.next().map(|(_, value)| value.trim().to_owned())
    };
    let mut body = vec![0; value("content-length").and_then(|text| text.parse().ok()).unwrap_or(0)];
    reader.read_exact(&mut body).unwrap();
    let mut words = head[0].split(' ');
    let (method, path) = (words.next()?, words.next()?.to_owned());
    // Several are taken away by one request, whose body names them.
    let (method, path) = match path.split_once("?delete") {
        Some((bucket, _)) => {
            let body = String::from_utf8_lossy(&body);
            let key = body.split("<Key>").nth(1)?.split("</Key>").next()?;
            ("DELETE", format!("{bucket}/{key}"))
        }
        None => (method, path),
    };
    if let Some((status, code)) = refusal(*flaw, &head) {
        let body = format!("<Error><Code>{code}</Code><Message>no</Message></Error>");
        says(&mut reader.into_inner(), status, "\"none\"", body.as_bytes());
        return None;
    }
    let expects = (value("if-match"), value("if-none-match"));
    let (status, content) = does(objects, flaw, (method, &path), &expects, body);
    let asked = format!("{method} {path}");
    if *flaw == Flaw::AnswersNobody {
        return None;
    }
    if *flaw == Flaw::LosesTheSwitch && method == "PUT" && path.ends_with("/switch.json") {
        *flaw = Flaw::AnswersNobody;
        return Some(asked);
    }
    let etag = objects.get(&path).map_or_else(|| "\"none\"".to_owned(), |content| etag(content));
    says(&mut reader.into_inner(), status, &etag, &content);
    Some(asked)
}

/// Does it, where what it expects of what is there is so: status and content of the answer.
fn does(
    objects: &mut BTreeMap<String, Vec<u8>>,
    flaw: &mut Flaw,
    (method, path): (&str, &str),
    expects: &(Option<String>, Option<String>),
    body: Vec<u8>,
) -> (&'static str, Vec<u8>) {
    let now = objects.get(path).map(|content| etag(content));
    let conditional = *expects != (None, None);
    let holds = *flaw == Flaw::IgnoresConditions
        || match (expects, &now) {
            ((Some(wanted), _), now) => now.as_ref() == Some(wanted),
            ((None, Some(_)), now) => now.is_none(),
            ((None, None), _) => true,
        };
    match (method, objects.get(path)) {
        ("PUT", _) if conditional && conflicts(flaw) => (
            "409 Conflict",
            b"<Error><Code>ConditionalRequestConflict</Code><Message>busy</Message></Error>"
                .to_vec(),
        ),
        ("PUT", _) if !holds => ("412 Precondition Failed", Vec::new()),
        ("PUT", _) => {
            objects.insert(path.to_owned(), body);
            ("200 OK", Vec::new())
        }
        ("DELETE", _) => {
            objects.remove(path);
            let key = path.trim_start_matches('/').split_once('/').map_or("", |(_, key)| key);
            let done = format!("<DeleteResult><Deleted><Key>{key}</Key></Deleted></DeleteResult>");
            ("200 OK", done.into_bytes())
        }
        (_, Some(_)) if expects.1.is_some() && expects.1 == now => ("304 Not Modified", Vec::new()),
        (_, Some(content)) => ("200 OK", content.clone()),
        (_, None) if *flaw == Flaw::HidesWhatIsNotThere => (
            "403 Forbidden",
            b"<Error><Code>AccessDenied</Code><Message>no</Message></Error>".to_vec(),
        ),
        (_, None) if path.contains("list-type=2") => ("200 OK", listed(objects, path)),
        (_, None) => ("404 Not Found", b"<Error><Code>NoSuchKey</Code></Error>".to_vec()),
    }
}

fn says(stream: &mut TcpStream, status: &str, etag: &str, content: &[u8]) {
    let head = format!(
        "HTTP/1.1 {status}\r\nContent-Length: {}\r\nETag: {etag}\r\nLast-Modified: Mon, 23 Nov 2026 00:00:00 GMT\r\nConnection: close\r\n\r\n",
        content.len()
    );
    stream.write_all(&[head.as_bytes(), content].concat()).unwrap_or_default();
}

/// Status and code with which it answers whoever asks now, whatever that is.
fn refusal(flaw: Flaw, head: &[String]) -> Option<(&'static str, &'static str)> {
    match flaw {
        Flaw::SlowsDown => Some(("503 Slow Down", "SlowDown")),
        Flaw::LetsIn(key) if !head.iter().any(|line| line.contains(key)) => {
            Some(("403 Forbidden", "InvalidAccessKeyId"))
        }
        _ => None,
    }
}

/// Whether it has no time for a write now.
fn conflicts(flaw: &mut Flaw) -> bool {
    let Flaw::Conflicts(left) = flaw else { return false };
    *left = left.saturating_sub(1);
    if *left == 0 {
        *flaw = Flaw::None;
    }
    true
}

/// The objects of a folder, as `GET /BUCKET?list-type=2&delimiter=%2F&prefix=FOLDER%2F` asks for them.
fn listed(objects: &BTreeMap<String, Vec<u8>>, path: &str) -> Vec<u8> {
    let (bucket, query) = path.split_once('?').unwrap();
    let prefix = query.split('&').find_map(|pair| pair.strip_prefix("prefix=")).unwrap_or("");
    let prefix = prefix.replace("%2F", "/");
    let mut found = Vec::new();
    for (path, content) in objects {
        let key = path.strip_prefix(bucket).and_then(|path| path.strip_prefix('/'));
        let Some(key) = key else { continue };
        if key.strip_prefix(&prefix).is_some_and(|name| !name.contains('/')) {
            found.push(format!(
                "<Contents><Key>{key}</Key><LastModified>2026-11-23T00:00:00.000Z</LastModified><ETag>{}</ETag><Size>{}</Size></Contents>",
                etag(content),
                content.len()
            ));
        }
    }
    let found = found.concat();
    format!("<ListBucketResult><IsTruncated>false</IsTruncated>{found}</ListBucketResult>")
        .into_bytes()
}

/// The lines of a request, but for its body.
fn head(reader: &mut impl BufRead) -> Option<Vec<String>> {
    let mut head = Vec::new();
    loop {
        let mut line = String::new();
        match reader.read_line(&mut line) {
            Ok(0) | Err(_) => return None,
            Ok(_) if line.trim().is_empty() => return Some(head),
            Ok(_) => head.push(line.trim().to_owned()),
        }
    }
}

fn etag(content: &[u8]) -> String {
    let sum = content.iter().fold(7_u64, |sum, byte| sum.wrapping_mul(31) ^ u64::from(*byte));
    format!("\"{sum:016x}\"")
}
