//! One HTTP/1.1 request to a server on loopback, and its answer.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::time::Duration;

const DEADLINE: Duration = Duration::from_secs(20);

/// The status and the body.
pub(crate) fn call(endpoint: &str, method: &str, path: &str, body: &str) -> (u16, String) {
    let service = match path {
        _ if path.starts_with("/2013-04-01/") => "route53",
        _ if path.starts_with("/2020-05-31/") => "cloudfront",
        _ => "s3",
    };
    call_as(endpoint, method, path, body, service)
}

/// The same, for a service that its path does not tell.
pub(crate) fn call_as(
    endpoint: &str,
    method: &str,
    path: &str,
    body: &str,
    service: &str,
) -> (u16, String) {
    let host = endpoint.strip_prefix("http://").expect("an endpoint of a test is plain HTTP");
    let mut stream = TcpStream::connect(host).unwrap_or_else(|error| panic!("{endpoint}: {error}"));
    stream.set_read_timeout(Some(DEADLINE)).unwrap();
    // The emulators tell services apart by the scope of the signature, which they do not check.
    let form = if path == "/" { "application/x-www-form-urlencoded" } else { "text/xml" };
    let head = format!(
        "{method} {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\nContent-Type: {form}\r\nContent-Length: {}\r\nAuthorization: AWS4-HMAC-SHA256 Credential=test/20261123/us-east-1/{service}/aws4_request, SignedHeaders=host, Signature=0\r\n\r\n",
        body.len()
    );
    stream.write_all((head + body).as_bytes()).unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).unwrap();
    let answer = String::from_utf8_lossy(&answer).into_owned();
    let (head, body) = answer.split_once("\r\n\r\n").expect("an answer has a head");
    let status = head.split(' ').nth(1).and_then(|status| status.parse().ok());
    (status.expect("an answer has a status"), body.to_owned())
}
