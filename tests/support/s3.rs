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
}

/// A running one.
pub(crate) struct S3 {
    pub(crate) endpoint: String,
    asked: Arc<Mutex<BTreeSet<String>>>,
}

impl S3 {
    /// Each `METHOD /BUCKET/KEY` that it was asked.
    pub(crate) fn asked(&self) -> BTreeSet<String> {
        self.asked.lock().unwrap().clone()
    }
}

/// Starts it.
pub(crate) fn start(flaw: Flaw) -> S3 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let asked = Arc::<Mutex<BTreeSet<String>>>::default();
    let writing = Arc::clone(&asked);
    let serve = move || {
        let mut objects = BTreeMap::new();
        for stream in listener.incoming().map_while(Result::ok) {
            if let Some(request) = answer(stream, &mut objects, flaw) {
                writing.lock().unwrap().insert(request);
            }
        }
    };
    Tasks::new().start_thread("s3", serve).unwrap();
    S3 { endpoint: format!("http://{address}"), asked }
}

/// One request of a connection: it is closed then.
fn answer(
    stream: TcpStream,
    objects: &mut BTreeMap<String, Vec<u8>>,
    flaw: Flaw,
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
    let now = objects.get(&path).map(|content| etag(content));
    let expects = (value("if-match"), value("if-none-match"));
    let holds = flaw == Flaw::IgnoresConditions
        || match (&expects, &now) {
            ((Some(wanted), _), now) => now.as_ref() == Some(wanted),
            ((None, Some(_)), now) => now.is_none(),
            ((None, None), _) => true,
        };
    let (status, content) = match (method, objects.get(&path)) {
        ("PUT", _) if !holds => ("412 Precondition Failed", Vec::new()),
        ("PUT", _) => {
            objects.insert(path.clone(), body);
            ("200 OK", Vec::new())
        }
        ("DELETE", _) => {
            objects.remove(&path);
            ("200 OK", b"<DeleteResult></DeleteResult>".to_vec())
        }
        (_, Some(_)) if expects.1.is_some() && expects.1 == now => ("304 Not Modified", Vec::new()),
        (_, Some(content)) => ("200 OK", content.clone()),
        (_, None) if flaw == Flaw::HidesWhatIsNotThere => (
            "403 Forbidden",
            b"<Error><Code>AccessDenied</Code><Message>no</Message></Error>".to_vec(),
        ),
        (_, None) => ("404 Not Found", b"<Error><Code>NoSuchKey</Code></Error>".to_vec()),
    };
    let etag = objects.get(&path).map_or_else(|| "\"none\"".to_owned(), |content| etag(content));
    let head = format!(
        "HTTP/1.1 {status}\r\nContent-Length: {}\r\nETag: {etag}\r\nLast-Modified: Mon, 23 Nov 2026 00:00:00 GMT\r\nConnection: close\r\n\r\n",
        content.len()
    );
    let mut stream = reader.into_inner();
    stream.write_all(&[head.as_bytes(), &content].concat()).unwrap_or_default();
    Some(format!("{method} {path}"))
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
