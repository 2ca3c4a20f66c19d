//! A load balancer with real traffic: ministack's, behind a relay that makes it as strict as the real one, and breaks on demand.
//!
//! ministack takes a number twice, answers of any length and any number of condition values, and writes HTML into its XML
//! unescaped, which no client can read: the relay refuses the first three as AWS does, and escapes the last.

mod relay;

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use super::app::App;
use super::http::call_as;
use super::route53::xml::Element;
use relay::{Told, escaped, relay};

pub(crate) use relay::Mishap;

const DEADLINE: Duration = Duration::from_secs(20);

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
        // moto wants them to be there.
        let subnet = of_network(emulator, "DescribeSubnets", "subnetId");
        let mut own = vec![("Name", name.as_str())];
        own.extend(subnet.as_deref().map(|id| ("Subnets.member.1", id)));
        let of = |action: &'static str, list: &'static str, item: &'static str| {
            [format!("{action}Result"), list.to_owned(), "member".to_owned(), item.to_owned()]
        };
        let path = of("CreateLoadBalancer", "LoadBalancers", "LoadBalancerArn");
        let balancer = made("CreateLoadBalancer", &own, &path.each_ref().map(String::as_str));
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
            let own = [
                ("LoadBalancerArn", balancer.as_str()),
                ("Protocol", "HTTP"),
                ("Port", &port),
                ("DefaultActions.member.1.Type", "fixed-response"),
                ("DefaultActions.member.1.FixedResponseConfig.StatusCode", "404"),
                ("DefaultActions.member.1.FixedResponseConfig.ContentType", "text/plain"),
                ("DefaultActions.member.1.FixedResponseConfig.MessageBody", "nobody"),
            ];
            let path = of("CreateListener", "Listeners", "ListenerArn");
            let arn = made("CreateListener", &own, &path.each_ref().map(String::as_str));
            fixture.listeners.push(arn);
        }
        fixture.group = fixture.group_for(&fixture.app, "app");
        fixture
    }

    /// A target group that leads to an app.
    pub(crate) fn group_for(&self, app: &App, name: &str) -> String {
        let (name, port) = (format!("{name}-{}", &self.name[5..]), app.address.port().to_string());
        let network = of_network(&self.emulator, "DescribeVpcs", "vpcId").unwrap_or_default();
        let parts = [
            ("Name", name.as_str()),
            ("Protocol", "HTTP"),
            ("Port", &port),
            ("TargetType", "ip"),
            ("VpcId", &network),
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

    /// Writes a rule that answers by itself, as Terraform would.
    pub(crate) fn answering(
        &self,
        listener: &str,
        priority: u32,
        host: &str,
        (status, body): (&str, &str),
    ) -> String {
        let priority = priority.to_string();
        let parts = [
            ("ListenerArn", listener),
            ("Priority", priority.as_str()),
            ("Actions.member.1.Type", "fixed-response"),
            ("Actions.member.1.FixedResponseConfig.StatusCode", status),
            ("Actions.member.1.FixedResponseConfig.ContentType", "text/plain"),
            ("Actions.member.1.FixedResponseConfig.MessageBody", body),
            ("Conditions.member.1.Field", "host-header"),
            ("Conditions.member.1.HostHeaderConfig.Values.member.1", host),
        ];
        let answer = ask(&self.emulator, "CreateRule", &parts);
        let parsed = Element::parse(&answer).unwrap();
        let path = ["CreateRuleResult", "Rules", "member", "RuleArn"];
        parsed.at(&path).unwrap_or_else(|| panic!("{answer}")).to_owned()
    }

    /// Takes a rule away as somebody else would.
    pub(crate) fn without(&self, rule: &str) {
        ask(&self.emulator, "DeleteRule", &[("RuleArn", rule)]);
    }

    /// Takes away every rule of a listener that answers by itself, as somebody would who wants their visitors back.
    pub(crate) fn without_answers(&self, listener: &str) {
        let answers = rules(&self.emulator, listener).into_iter();
        for rule in answers.filter(|rule| !rule.forwards && rule.priority != "default") {
            self.without(&rule.arn);
        }
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
        through((&self.emulator, &self.name), (host, port), path, header)
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

/// Asks through the listener at `port` of the emulator's load balancer `name`, for `host`.
pub(crate) fn through(
    (emulator, name): (&str, &str),
    (host, port): (&str, u16),
    path: &str,
    header: Option<&str>,
) -> Through {
    let server = emulator.strip_prefix("http://").unwrap();
    let mut stream = TcpStream::connect(server).unwrap();
    stream.set_read_timeout(Some(DEADLINE)).unwrap();
    let header = header.map(|line| format!("{line}\r\n")).unwrap_or_default();
    let head = format!(
        "GET /_alb/{name}{path} HTTP/1.1\r\nHost: {host}:{port}\r\n{header}Connection: close\r\n\r\n"
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

/// The emulator, made as strict as AWS: where `roadworks` asks.
pub(crate) fn strict(emulator: &str) -> String {
    relay(emulator, Arc::default())
}

/// The first id of what `action` of EC2 lists; `None` where there is none, and nobody needs one.
fn of_network(emulator: &str, action: &str, id: &str) -> Option<String> {
    let body = format!("Action={action}&Version=2016-11-15");
    let (_, answer) = call_as(emulator, "POST", "/", &body, "ec2");
    let (_, rest) = answer.split_once(&format!("<{id}>"))?;
    rest.split_once("</").map(|(id, _)| id.to_owned())
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
        // moto writes them in one of AWS's two ways, ministack in both.
        let values = of_hosts.flat_map(|part| part.all("member"));
        let hosts: BTreeSet<_> = values.map(|one| one.text.clone()).collect();
        Seen {
            arn: text(rule, "RuleArn"),
            priority: text(rule, "Priority"),
            hosts: hosts.into_iter().collect(),
            forwards: parts.iter().any(|part| part.at(&["Type"]) == Some("forward")),
        }
    });
    seen.collect()
}

/// A call as somebody else would make it.
fn ask(endpoint: &str, action: &str, parts: &[(&str, &str)]) -> String {
    let mut body = format!("Action={action}&Version=2015-12-01");
    for (key, value) in parts {
        write!(body, "&{key}={}", encoded(value)).unwrap();
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
