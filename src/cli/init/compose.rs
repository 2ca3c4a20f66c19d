//! A compose file -> the services that publish a port where an app may answer. Reads it as far as that: what Docker would
//! make of the rest is its own affair.

use std::path::Path;

use serde_json::Value;

use crate::files::read_up_to;

/// The names that Docker looks for, in its order (Compose specification, "Compose file").
const NAMES: [&str; 4] =
    ["compose.yaml", "compose.yml", "docker-compose.yaml", "docker-compose.yml"];
/// One that people write is far smaller.
const LARGEST: usize = 1 << 20;
/// What listens there inside a container speaks no HTTP to visitors: SSH, mail, databases, brokers, caches.
const NOT_WEB: [u16; 20] = [
    22, 25, 53, 465, 587, 1025, 1433, 1521, 2181, 3306, 4222, 5432, 5672, 6379, 6432, 9042, 9092,
    11211, 26379, 27017,
];
/// Where apps listen inside their containers, the most telling first.
const APPS: [u16; 7] = [3000, 8000, 8080, 5000, 4000, 9292, 80];

/// A port of this machine that leads to a service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Published {
    pub(super) service: String,
    pub(super) port: u16,
    /// The file that says so.
    pub(super) file: String,
}

impl Published {
    /// For a person.
    pub(super) fn said(&self) -> String {
        format!("{} publishes port {} of {}", self.file, self.port, self.service)
    }
}

/// What the folder's compose file publishes, the likeliest app first. A file that cannot be read is a note.
pub(super) fn published(folder: &Path, notes: &mut Vec<String>) -> Vec<Published> {
    let Some(name) = NAMES.into_iter().find(|name| folder.join(name).exists()) else {
        return Vec::new();
    };
    let path = folder.join(name);
    if !path.is_file() {
        notes.push(format!("{name} cannot be read: it is no file"));
        return Vec::new();
    }
    let content = read_up_to(&path, LARGEST).map(Option::unwrap_or_default);
    let read = content.map_err(|error| error.to_string()).and_then(|content| {
        serde_saphyr::from_slice::<Value>(&content).map_err(|error| first_line(&error.to_string()))
    });
    match read {
        Ok(document) => {
            let published = of_document(&document, &|name| std::env::var(name).ok());
            let named = |(service, port)| Published { service, port, file: name.to_owned() };
            published.into_iter().map(named).collect()
        }
        Err(error) => {
            notes.push(format!("{name} cannot be read: {error}"));
            Vec::new()
        }
    }
}

fn first_line(text: &str) -> String {
    text.lines().next().unwrap_or_default().to_owned()
}

fn of_document(document: &Value, env: &dyn Fn(&str) -> Option<String>) -> Vec<(String, u16)> {
    let mut found = Vec::new();
    for (service, about) in document["services"].as_object().into_iter().flatten() {
        for port in about["ports"].as_array().into_iter().flatten() {
            let Some((published, target)) = port_of(port, env) else { continue };
            if !NOT_WEB.contains(&target) {
                found.push((rank(target), service.clone(), published));
            }
        }
    }
    // Stable: what is equally likely stays in the order of the file.
    found.sort_by_key(|(rank, ..)| *rank);
    found.into_iter().map(|(_, service, port)| (service, port)).collect()
}

fn rank(target: u16) -> usize {
    APPS.iter().position(|port| *port == target).unwrap_or(APPS.len())
}

/// The port of this machine and that of the container, of an entry of `ports` in either syntax.
fn port_of(port: &Value, env: &dyn Fn(&str) -> Option<String>) -> Option<(u16, u16)> {
    let text = |value: &Value| match value {
        Value::String(text) => interpolated(text, env),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    };
    if port.is_object() {
        let tcp = port["protocol"].as_str().is_none_or(|protocol| protocol == "tcp");
        let published = first_port(&text(&port["published"])?)?;
        return tcp.then_some((published, first_port(&text(&port["target"])?)?));
    }
    let whole = text(port)?;
    let (ports, protocol) = whole.split_once('/').unwrap_or((&whole, "tcp"));
    let (rest, target) = ports.rsplit_once(':')?;
    let (address, published) = rest.rsplit_once(':').unwrap_or(("", rest));
    let here = matches!(address, "" | "0.0.0.0" | "localhost" | "[::]" | "::")
        || address.starts_with("127.");
    (protocol == "tcp" && here).then_some((first_port(published)?, first_port(target)?))
}

/// Of a range, the first; 0 is Docker's choice and known only later.
fn first_port(text: &str) -> Option<u16> {
    text.split('-').next()?.trim().parse().ok().filter(|port| *port != 0)
}

/// With `${NAME}`, `${NAME:-default}` and `$NAME` replaced; `None` where the value is not known here.
fn interpolated(text: &str, env: &dyn Fn(&str) -> Option<String>) -> Option<String> {
    let mut whole = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('$') {
        whole.push_str(before);
        if let Some(inner) = after.strip_prefix('{') {
            let (inner, behind) = inner.split_once('}')?;
            let end = inner.find([':', '-', '?', '+']).unwrap_or(inner.len());
            let (name, otherwise) = inner.split_at(end);
            let default = otherwise.strip_prefix(":-").or_else(|| otherwise.strip_prefix('-'));
            let given = env(name).filter(|value| !value.is_empty());
            whole.push_str(&given.or_else(|| default.map(str::to_owned))?);
            rest = behind;
        } else {
            let end = after.find(|c: char| !c.is_ascii_alphanumeric() && c != '_');
            let (name, behind) = after.split_at(end.unwrap_or(after.len()));
            whole.push_str(&env(name)?);
            rest = behind;
        }
    }
    whole.push_str(rest);
    Some(whole)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(yaml: &str) -> Vec<(String, u16)> {
        let env = |name: &str| (name == "WEB_PORT").then(|| "4001".to_owned());
        of_document(&serde_saphyr::from_str(yaml).unwrap(), &env)
    }

    fn ports(port: &str) -> Vec<u16> {
        let yaml = format!("services:\n  web:\n    ports:\n      - {port}\n");
        read(&yaml).into_iter().map(|(_, port)| port).collect()
    }

    #[test]
    fn every_way_to_publish_a_port_is_read() {
        for (written, port) in [
            ("\"3001:3000\"", 3001),
            ("3001:3000", 3001),
            ("\"127.0.0.1:8001:80\"", 8001),
            ("\"9090-9091:8080-8081\"", 9090),
            ("\"8080:80/tcp\"", 8080),
            ("\"${WEB_PORT}:3000\"", 4001),
            ("\"${OTHER:-3005}:3000\"", 3005),
            ("\"$WEB_PORT:3000\"", 4001),
            ("{ target: 80, published: \"8082\", protocol: tcp }", 8082),
            ("{ target: 80, published: 8083 }", 8083),
        ] {
            assert_eq!(ports(written), [port], "{written}");
        }
    }

    #[test]
    fn what_is_no_port_of_a_web_app_on_this_machine_is_left_alone() {
        for written in [
            "\"3000\"",
            "3000",
            "\"5432:5432\"",
            "\"16379:6379\"",
            "\"53:53/udp\"",
            "\"8080:80/udp\"",
            "\"192.0.2.1:80:80\"",
            "\"${UNKNOWN}:80\"",
            "{ target: 80 }",
            "{ target: 80, published: 80, protocol: udp }",
            "[]",
            "\"\"",
        ] {
            assert!(ports(written).is_empty(), "{written}");
        }
        assert!(read("services:\n  web:\n  worker: { image: x }\n").is_empty());
        assert!(read("[]").is_empty() && read("version: 3").is_empty());
    }

    #[test]
    fn the_likeliest_app_comes_first() {
        let yaml = "
x-defaults: &defaults
  restart: always
services:
  mail:
    ports: [\"8025:8025\"]
  proxy:
    ports: [\"80:80\", \"443:443\"]
  db:
    image: postgres
    ports: [\"5432:5432\"]
  web:
    <<: *defaults
    ports: [\"3000:3000\"]
";
        let names: Vec<_> = read(yaml).into_iter().map(|(service, _)| service).collect();
        assert_eq!(names, ["web", "proxy", "mail", "proxy"]);
    }
}
