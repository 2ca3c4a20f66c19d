//! A load balancer with real traffic: ministack's, behind a relay that makes it as strict as the real one, and breaks on demand.
//!
//! ministack takes a number twice, answers of any length and any number of condition values, and writes HTML into its XML
//! unescaped, which no client can read: the relay refuses the first three as AWS does, and escapes the last.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use roadworks::tasks::Tasks;

use super::app::App;
use super::http::call_as;
use super::route53::xml::Element;

const DEADLINE: Duration = Duration::from_secs(20);
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
struct Told {
    /// Each action of Elastic Load Balancing, and each path of another service.
    asked: Vec<String>,
    /// `ACTION`, how many of them go well before, and what happens then.
    mishaps: Vec<(String, usize, Mishap)>,
    /// How many rules a listener has at most, where it matters.
    quota: Option<usize>,
}

/// A load balancer with listeners, an app behind it, and another app of another host.
pub(crate) struct Balancing {
    /// Where `roadworks` asks.
    pub(crate) endpoint: String,
    /// ministack itself.
    emulator: String,
    pub(crate) name: String,
    pub(crate) balancer: String,
    pub(crate) listeners: Vec<String>,
    pub(crate) app: App,
    pub(crate) other: App,
    pub(crate) group: String,
    told: Arc<Mutex<Told>>,
}

/// An answer through the load balancer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Through {
    pub(crate) status: u16,
    pub(crate) body: String,
    pub(crate) kind: String,
}

impl Balancing {
    /// One with a listener on each of `ports`, which by default answers 404, in front of two apps.
    pub(crate) fn start(emulator: &str, ports: &[u16]) -> Balancing {
        let told = Arc::<Mutex<Told>>::default();
        let endpoint = relay(emulator, Arc::clone(&told));
        let unique = format!(
            "{:x}{:x}",
            roadworks::clock::now().as_microsecond() & 0xff_ffff_ffff,
            std::process::id()
        );
        let name = format!("shop-{unique}");
        let made = |action: &str, parts: &[(&str, &str)], path: &[&str]| {
            let answer = ask(emulator, action, parts);
            let parsed =
                Element::parse(&answer).unwrap_or_else(|error| panic!("{error}: {answer}"));
            parsed.at(path).unwrap_or_else(|| panic!("{answer}")).to_owned()
        };
        // moto wants real subnets.
        let subnet = subnet(emulator);
        let parts: Vec<_> = [("Name", name.as_str())]
            .into_iter()
            .chain(subnet.as_deref().map(|id| ("Subnets.member.1", id)))
            .collect();
        let of = |action: &'static str, list: &'static str, item: &'static str| {
            [format!("{action}Result"), list.to_owned(), "member".to_owned(), item.to_owned()]
        };
        let path = of("CreateLoadBalancer", "LoadBalancers", "LoadBalancerArn");
        let balancer = made("CreateLoadBalancer", &parts, &path.each_ref().map(String::as_str));
        let mut fixture = Balancing {
            endpoint,
            emulator: emulator.to_owned(),
            name,
            balancer: balancer.clone(),
            listeners: Vec::new(),
            app: App::start(),
            other: App::start(),
            group: String::new(),
            told,
        };
        for port in ports {
            let port = port.to_string();
            let parts = [
                ("LoadBalancerArn", balancer.as_str()),
                ("Protocol", "HTTP"),
                ("Port", &port),
                ("DefaultActions.member.1.Type", "fixed-response"),
                ("DefaultActions.member.1.FixedResponseConfig.StatusCode", "404"),
                ("DefaultActions.member.1.FixedResponseConfig.ContentType", "text/plain"),
                ("DefaultActions.member.1.FixedResponseConfig.MessageBody", "nobody"),
            ];
            let path = of("CreateListener", "Listeners", "ListenerArn");
            let arn = made("CreateListener", &parts, &path.each_ref().map(String::as_str));
            fixture.listeners.push(arn);
        }
        fixture.group = fixture.group_for(&fixture.app, "app");
        fixture
    }

    /// A target group that leads to an app.
    pub(crate) fn group_for(&self, app: &App, name: &str) -> String {
        let (name, port) = (format!("{name}-{}", &self.name[5..]), app.address.port().to_string());
        let parts = [
            ("Name", name.as_str()),
            ("Protocol", "HTTP"),
            ("Port", &port),
            ("TargetType", "ip"),
            ("VpcId", "vpc-00000001"),
        ];
        let answer = ask(&self.emulator, "CreateTargetGroup", &parts);
        let parsed = Element::parse(&answer).unwrap();
        let path = ["CreateTargetGroupResult", "TargetGroups", "member", "TargetGroupArn"];
        let arn = parsed.at(&path).unwrap_or_else(|| panic!("{answer}")).to_owned();
        let parts = [
            ("TargetGroupArn", arn.as_str()),
            ("Targets.member.1.Id", "127.0.0.1"),
            ("Targets.member.1.Port", &port),
        ];
        ask(&self.emulator, "RegisterTargets", &parts);
        arn
    }

    /// Writes a rule as somebody else would: for a host, if one is given, and a path, if one is given.
    pub(crate) fn rule(
        &self,
        listener: &str,
        priority: u32,
        (host, path): (&str, &str),
        group: &str,
    ) -> String {
        let priority = priority.to_string();
        let mut parts = vec![
            ("ListenerArn", listener),
            ("Priority", priority.as_str()),
            ("Actions.member.1.Type", "forward"),
            ("Actions.member.1.TargetGroupArn", group),
        ];
        let fields = [
            ("host-header", "HostHeaderConfig", host),
            ("path-pattern", "PathPatternConfig", path),
        ];
        let keys: Vec<_> = fields
            .iter()
            .filter(|(_, _, value)| !value.is_empty())
            .enumerate()
            .map(|(number, (field, config, value))| {
                let base = format!("Conditions.member.{}", number + 1);
                (
                    format!("{base}.Field"),
                    *field,
                    format!("{base}.{config}.Values.member.1"),
                    *value,
                )
            })
            .collect();
        for (field, name, values, value) in &keys {
            parts.extend([(field.as_str(), *name), (values.as_str(), *value)]);
        }
        let answer = ask(&self.emulator, "CreateRule", &parts);
        let parsed = Element::parse(&answer).unwrap();
        let path = ["CreateRuleResult", "Rules", "member", "RuleArn"];
        parsed.at(&path).unwrap_or_else(|| panic!("{answer}")).to_owned()
    }

    /// Takes a rule away as somebody else would.
    pub(crate) fn without(&self, rule: &str) {
        ask(&self.emulator, "DeleteRule", &[("RuleArn", rule)]);
    }

    /// The rules of a listener but its default: priority, hosts, and whether it answers by itself.
    pub(crate) fn rules(&self, listener: &str) -> Vec<(u32, String, &'static str)> {
        let rules = rules(&self.emulator, listener).into_iter();
        let shown = rules.filter_map(|rule| {
            let does = if rule.forwards { "forwards" } else { "answers" };
            Some((rule.priority.parse().ok()?, rule.hosts.join(","), does))
        });
        let mut shown: Vec<_> = shown.collect();
        shown.sort();
        shown
    }

    /// Asks through a listener, for `host`, as a client of the load balancer does.
    pub(crate) fn get(&self, port: u16, host: &str, path: &str, header: Option<&str>) -> Through {
        let server = self.emulator.strip_prefix("http://").unwrap();
        let mut stream = TcpStream::connect(server).unwrap();
        stream.set_read_timeout(Some(DEADLINE)).unwrap();
        let header = header.map(|line| format!("{line}\r\n")).unwrap_or_default();
        let head = format!(
            "GET /_alb/{}{path} HTTP/1.1\r\nHost: {host}:{port}\r\n{header}Connection: close\r\n\r\n",
            self.name
        );
        stream.write_all(head.as_bytes()).unwrap();
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).unwrap();
        let answer = String::from_utf8_lossy(&answer).into_owned();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap_or((&answer, ""));
        let status = head.split(' ').nth(1).and_then(|text| text.parse().ok());
        let mut lines = head.lines().filter_map(|line| line.split_once(": "));
        let kind = lines.find(|(name, _)| name.eq_ignore_ascii_case("content-type"));
        Through {
            status: status.unwrap_or_else(|| panic!("{answer}")),
            body: body.to_owned(),
            kind: kind.map(|(_, value)| value.to_owned()).unwrap_or_default(),
        }
    }

    /// After `well` requests of `action` that go well, one ends so.
    pub(crate) fn mishap(&self, action: &str, well: usize, mishap: Mishap) {
        self.told.lock().unwrap().mishaps.push((action.to_owned(), well, mishap));
    }

    pub(crate) fn quota(&self, rules: usize) {
        self.told.lock().unwrap().quota = Some(rules);
    }

    /// What was asked since the last time, in order.
    pub(crate) fn asked(&self) -> Vec<String> {
        std::mem::take(&mut self.told.lock().unwrap().asked)
    }
}

/// A subnet of moto's; `None` where nobody needs one.
fn subnet(emulator: &str) -> Option<String> {
    let (_, answer) =
        call_as(emulator, "POST", "/", "Action=DescribeSubnets&Version=2016-11-15", "ec2");
    let (_, rest) = answer.split_once("<subnetId>")?;
    rest.split_once("</subnetId>").map(|(id, _)| id.to_owned())
}

/// A rule, as far as the tests look at it.
struct Seen {
    arn: String,
    priority: String,
    hosts: Vec<String>,
    forwards: bool,
}

fn rules(emulator: &str, listener: &str) -> Vec<Seen> {
    let answer = escaped(&ask(emulator, "DescribeRules", &[("ListenerArn", listener)]));
    let parsed = Element::parse(&answer).unwrap_or_else(|error| panic!("{error}: {answer}"));
    let text = |one: &Element, name: &str| one.at(&[name]).unwrap_or_default().to_owned();
    let members = parsed.all("member").into_iter().filter(|one| one.child("RuleArn").is_some());
    let seen = members.map(|rule| {
        let parts = rule.all("member");
        let of_hosts = parts.iter().filter(|part| part.at(&["Field"]) == Some("host-header"));
        let values = of_hosts.filter_map(|part| part.child("Values"));
        let hosts = values.flat_map(|values| values.all("member")).map(|one| one.text.clone());
        Seen {
            arn: text(rule, "RuleArn"),
            priority: text(rule, "Priority"),
            hosts: hosts.collect(),
            forwards: parts.iter().any(|part| part.at(&["Type"]) == Some("forward")),
        }
    });
    seen.collect()
}

/// A call as somebody else would make it.
fn ask(endpoint: &str, action: &str, parts: &[(&str, &str)]) -> String {
    let mut body = format!("Action={action}&Version=2015-12-01");
    for (key, value) in parts {
        body.push_str(&format!("&{key}={}", encoded(value)));
    }
    let (status, answer) = call_as(endpoint, "POST", "/", &body, "elasticloadbalancing");
    assert!(status < 300, "{action}: {answer}");
    answer
}

fn encoded(text: &str) -> String {
    let letter = |byte: u8| match byte {
        b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' => {
            char::from(byte).to_string()
        }
        _ => format!("%{byte:02X}"),
    };
    text.bytes().map(letter).collect()
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

fn relay(emulator: &str, told: Arc<Mutex<Told>>) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let endpoint = format!("http://{}", listener.local_addr().unwrap());
    let emulator = emulator.to_owned();
    let accept = move || {
        for client in listener.incoming().map_while(Result::ok) {
            let (emulator, told) = (emulator.clone(), Arc::clone(&told));
            let one = move || {
                // A client that is gone is what some tests are about.
                drop(relayed(client, &emulator, &told));
            };
            Tasks::new().start_thread("relay", one).unwrap();
        }
    };
    Tasks::new().start_thread("relay", accept).unwrap();
    endpoint
}

/// One request of a connection: it is closed then.
fn relayed(mut client: TcpStream, emulator: &str, told: &Mutex<Told>) -> std::io::Result<()> {
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
        // The emulator tells the load balancer's clients by the host: ours are none.
        if !lower.starts_with("connection:") && !lower.starts_with("host:") {
            head.push(line);
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body)?;
    let text = String::from_utf8_lossy(&body).into_owned();
    let parts: Vec<(String, String)> = text
        .split('&')
        .filter_map(|part| part.split_once('='))
        .map(|(key, value)| (decoded(key), decoded(value)))
        .collect();
    let part =
        |key: &str| parts.iter().find(|(name, _)| name == key).map(|(_, value)| value.as_str());
    let path = head.first().and_then(|line| line.split(' ').nth(1)).unwrap_or_default().to_owned();
    let action = part("Action").map_or(path, ToOwned::to_owned);
    told.lock().unwrap().asked.push(action.clone());
    let mishap = next_mishap(told, &action);
    if let Some(Mishap::Stalled) = mishap {
        // Until the client is gone.
        return client.read(&mut [0]).map(drop);
    }
    if let Some(Mishap::Overtaken) = mishap {
        let (listener, priority) = (part("ListenerArn").unwrap(), part("Priority").unwrap());
        let parts = [
            ("ListenerArn", listener),
            ("Priority", priority),
            ("Conditions.member.1.Field", "host-header"),
            ("Conditions.member.1.HostHeaderConfig.Values.member.1", "new.example.com"),
            ("Actions.member.1.Type", "fixed-response"),
            ("Actions.member.1.FixedResponseConfig.StatusCode", "200"),
        ];
        ask(emulator, "CreateRule", &parts);
    }
    let refusal = match &mishap {
        Some(Mishap::Refused(status, code, message)) => {
            Some((*status, *code, (*message).to_owned()))
        }
        _ => strict(emulator, &action, &parts, told.lock().unwrap().quota),
    };
    if let Some((status, code, message)) = refusal {
        let body = format!(
            "<ErrorResponse><Error><Type>Sender</Type><Code>{code}</Code><Message>{message}</Message></Error><RequestId>r-1</RequestId></ErrorResponse>"
        );
        let head = format!(
            "HTTP/1.1 {status} Refused\r\nContent-Type: text/xml\r\nConnection: close\r\nContent-Length: {}\r\n\r\n",
            body.len()
        );
        return client.write_all((head + &body).as_bytes());
    }
    let answer = passed_on(emulator, &head, &body)?;
    if let Some(Mishap::Unheard) = mishap {
        return Ok(());
    }
    client.write_all(answer.as_bytes())
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

fn passed_on(emulator: &str, head: &[String], body: &[u8]) -> std::io::Result<String> {
    let host = emulator.strip_prefix("http://").unwrap();
    let mut server = TcpStream::connect(host)?;
    server.set_read_timeout(Some(DEADLINE))?;
    let (first, rest) = head.split_first().unwrap();
    let head = format!("{first}Host: {host}\r\nConnection: close\r\n{}\r\n", rest.concat());
    server.write_all(head.as_bytes())?;
    server.write_all(body)?;
    let mut answer = Vec::new();
    server.read_to_end(&mut answer)?;
    let answer = String::from_utf8_lossy(&answer).into_owned();
    let Some((head, body)) = answer.split_once("\r\n\r\n") else { return Ok(answer) };
    let body = escaped(body);
    let lines = head.lines().filter(|line| {
        let line = line.to_ascii_lowercase();
        !line.starts_with("content-length") && !line.starts_with("connection")
    });
    let head = lines.collect::<Vec<_>>().join("\r\n");
    Ok(format!("{head}\r\nConnection: close\r\nContent-Length: {}\r\n\r\n{body}", body.len()))
}

/// ministack writes a rule's answer as it is: escaped, it is XML.
fn escaped(xml: &str) -> String {
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
        written.push_str(&format!("{before}<MessageBody>{text}{END}"));
        rest = after;
    }
    written + rest
}
