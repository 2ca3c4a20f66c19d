//! The way to an emulated load balancer: as strict as AWS where the emulator is not, and broken on demand.

use std::fmt::Write as _;
use std::io::{self, BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

use roadworks::tasks::Tasks;

use super::{DEADLINE, ask, rules};

/// As the ELB user guide has it ("Quotas for your Application Load Balancers").
const MOST_VALUES: usize = 5;
const LARGEST_BODY: usize = 1_024;

/// What happens to a request instead of being answered.
#[derive(Debug, Clone)]
pub(crate) enum Mishap {
    /// It is refused with this status, code and message, and not carried out.
    Refused(u16, &'static str, &'static str),
    /// It is carried out, and nobody hears of it.
    Unheard,
    /// It is not carried out, and nobody hears anything until the client is gone.
    Stalled,
    /// Somebody else is quicker: this rule is written first, at the same number.
    Overtaken,
}

/// What the relay was asked, and what is to go wrong.
#[derive(Default)]
pub(super) struct Told {
    /// Each action of Elastic Load Balancing, and each path of another service.
    pub(super) asked: Vec<String>,
    /// `ACTION`, how many of them go well before, and what happens then.
    pub(super) mishaps: Vec<(String, usize, Mishap)>,
    /// How many rules a listener has at most, where it matters.
    pub(super) quota: Option<usize>,
}

fn decoded(text: &str) -> String {
    let mut bytes = Vec::new();
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        bytes.push(match byte {
            b'+' => b' ',
            b'%' => {
                let digits = [rest.next().unwrap_or(b'0'), rest.next().unwrap_or(b'0')];
                u8::from_str_radix(&String::from_utf8_lossy(&digits), 16).unwrap()
            }
            other => other,
        });
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

pub(super) fn relay(emulator: &str, told: Arc<Mutex<Told>>) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let endpoint = format!("http://{}", listener.local_addr().unwrap());
    let emulator = emulator.to_owned();
    let accept = move || {
        for client in listener.incoming().map_while(Result::ok) {
            let (emulator, told) = (emulator.clone(), Arc::clone(&told));
            let one = move || relayed(client, &emulator, &told);
            Tasks::new().start_thread("relay", one).unwrap();
        }
    };
    Tasks::new().start_thread("relay", accept).unwrap();
    endpoint
}

/// A request as it came.
struct Request {
    /// Its lines, without those that are the relay's own.
    head: Vec<String>,
    body: Vec<u8>,
    /// What its form says.
    parts: Vec<(String, String)>,
    /// The action of a form, else the path.
    action: String,
}

impl Request {
    fn read(client: &TcpStream) -> io::Result<Request> {
        let mut reader = BufReader::new(client.try_clone()?);
        let (mut head, mut length) = (Vec::new(), 0);
        loop {
            let mut line = String::new();
            if reader.read_line(&mut line)? == 0 || line == "\r\n" {
                break;
            }
            let lower = line.to_ascii_lowercase();
            if let Some(value) = lower.strip_prefix("content-length:") {
                length = value.trim().parse().unwrap_or(0);
            }
            if !lower.starts_with("connection:") && !lower.starts_with("host:") {
                head.push(line);
            }
        }
        let mut body = vec![0; length];
        reader.read_exact(&mut body)?;
        let text = String::from_utf8_lossy(&body).into_owned();
        let parts = text.split('&').filter_map(|part| part.split_once('='));
        let parts: Vec<_> = parts.map(|(key, value)| (decoded(key), decoded(value))).collect();
        let path = head.first().and_then(|line| line.split(' ').nth(1)).unwrap_or_default();
        let action = part(&parts, "Action").unwrap_or(path).to_owned();
        Ok(Request { head, body, parts, action })
    }
}

fn part<'a>(parts: &'a [(String, String)], key: &str) -> Option<&'a str> {
    parts.iter().find(|(name, _)| name == key).map(|(_, value)| value.as_str())
}

/// One request of a connection: it is closed then.
fn relayed(mut client: TcpStream, emulator: &str, told: &Mutex<Told>) {
    let Ok(Request { head, body, parts, action }) = Request::read(&client) else { return };
    told.lock().unwrap().asked.push(action.clone());
    let mishap = next_mishap(told, &action);
    if let Some(Mishap::Stalled) = mishap {
        // Until the client is gone.
        drop(client.read(&mut [0]));
        return;
    }
    if let Some(Mishap::Overtaken) = mishap {
        overtake(emulator, &parts);
    }
    let refusal = match &mishap {
        Some(Mishap::Refused(status, code, message)) => {
            Some((*status, *code, (*message).to_owned()))
        }
        _ => strict(emulator, &action, &parts, told.lock().unwrap().quota),
    };
    let answer = match refusal {
        Some((status, code, message)) => {
            let body = format!(
                "<ErrorResponse><Error><Type>Sender</Type><Code>{code}</Code><Message>{message}</Message></Error><RequestId>r-1</RequestId></ErrorResponse>"
            );
            format!(
                "HTTP/1.1 {status} Refused\r\nContent-Type: text/xml\r\nConnection: close\r\nContent-Length: {}\r\n\r\n{body}",
                body.len()
            )
        }
        None => passed_on(emulator, &head, &body),
    };
    if !matches!(mishap, Some(Mishap::Unheard)) {
        // A client that is gone is what some tests are about.
        drop(client.write_all(answer.as_bytes()));
    }
}

/// Somebody else takes the number of a rule that is about to be made.
fn overtake(emulator: &str, parts: &[(String, String)]) {
    let own = [
        ("ListenerArn", part(parts, "ListenerArn").unwrap()),
        ("Priority", part(parts, "Priority").unwrap()),
        ("Conditions.member.1.Field", "host-header"),
        ("Conditions.member.1.HostHeaderConfig.Values.member.1", "new.example.com"),
        ("Actions.member.1.Type", "fixed-response"),
        ("Actions.member.1.FixedResponseConfig.StatusCode", "200"),
    ];
    ask(emulator, "CreateRule", &own);
}

fn next_mishap(told: &Mutex<Told>, action: &str) -> Option<Mishap> {
    let mut told = told.lock().unwrap();
    let at = told.mishaps.iter().position(|(name, _, _)| name == action)?;
    if told.mishaps[at].1 > 0 {
        told.mishaps[at].1 -= 1;
        return None;
    }
    Some(told.mishaps.remove(at).2)
}

/// What AWS refuses and ministack does not.
fn strict(
    emulator: &str,
    action: &str,
    parts: &[(String, String)],
    quota: Option<usize>,
) -> Option<(u16, &'static str, String)> {
    let part =
        |key: &str| parts.iter().find(|(name, _)| name == key).map(|(_, value)| value.as_str());
    let refused = |code, message: &str| Some((400, code, message.to_owned()));
    if action == "SetRulePriorities" {
        let pairs: Vec<_> = (1..)
            .map_while(|number| {
                let base = format!("RulePriorities.member.{number}");
                Some((part(&format!("{base}.RuleArn"))?, part(&format!("{base}.Priority"))?))
            })
            .collect();
        let (one, _) = pairs.first()?;
        let all = rules(emulator, &listener_of(one));
        let in_use = all.iter().any(|rule| {
            let moved = pairs.iter().any(|(other, _)| *other == rule.arn);
            !moved && pairs.iter().any(|(_, to)| rule.priority == *to)
        });
        return if in_use { refused("PriorityInUse", "Priority is in use") } else { None };
    }
    if action != "CreateRule" {
        return None;
    }
    let all = rules(emulator, part("ListenerArn")?);
    if all.iter().any(|rule| Some(rule.priority.as_str()) == part("Priority")) {
        return refused("PriorityInUse", "Priority is in use");
    }
    if quota.is_some_and(|most| all.len() > most) {
        return refused("TooManyRules", "The maximum number of rules has been reached");
    }
    let body = parts.iter().find(|(key, _)| key.ends_with(".MessageBody"));
    if body.is_some_and(|(_, body)| body.len() > LARGEST_BODY) {
        return refused("ValidationError", "MessageBody is longer than 1024 characters");
    }
    let values = parts
        .iter()
        .filter(|(key, _)| key.starts_with("Conditions.member.") && key.contains("Values.member."));
    if values.count() > MOST_VALUES {
        return refused("ValidationError", "Rules may have at most 5 condition values");
    }
    None
}

/// `..:listener-rule/app/NAME/ID/ID/ID` -> its listener.
fn listener_of(rule: &str) -> String {
    let (listener, _) = rule.rsplit_once('/').unwrap();
    listener.replace(":listener-rule/", ":listener/")
}

fn passed_on(emulator: &str, head: &[String], body: &[u8]) -> String {
    let host = emulator.strip_prefix("http://").unwrap();
    let mut server = TcpStream::connect(host).unwrap();
    server.set_read_timeout(Some(DEADLINE)).unwrap();
    let (first, rest) = head.split_first().unwrap();
    let head = format!("{first}Host: {host}\r\nConnection: close\r\n{}\r\n", rest.concat());
    server.write_all(head.as_bytes()).unwrap();
    server.write_all(body).unwrap();
    let mut answer = Vec::new();
    server.read_to_end(&mut answer).unwrap();
    let answer = String::from_utf8_lossy(&answer).into_owned();
    let Some((head, body)) = answer.split_once("\r\n\r\n") else { return answer };
    let body = escaped(body);
    let lines = head.lines().filter(|line| {
        let line = line.to_ascii_lowercase();
        !line.starts_with("content-length") && !line.starts_with("connection")
    });
    let head = lines.collect::<Vec<_>>().join("\r\n");
    format!("{head}\r\nConnection: close\r\nContent-Length: {}\r\n\r\n{body}", body.len())
}

/// ministack writes a rule's answer as it is: escaped, it is XML.
pub(super) fn escaped(xml: &str) -> String {
    const END: &str = "</MessageBody>";
    let mut written = String::new();
    let mut rest = xml;
    while let Some((before, from)) = rest.split_once("<MessageBody>") {
        let (text, after) = from.split_once(END).unwrap_or((from, ""));
        // moto escapes it: not twice.
        let text = if text.contains('<') {
            text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
        } else {
            text.to_owned()
        };
        write!(written, "{before}<MessageBody>{text}{END}").unwrap();
        rest = after;
    }
    written + rest
}
