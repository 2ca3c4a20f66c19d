//! `dig`: asks one nameserver one question, and says what it answered.

use std::net::{IpAddr, SocketAddr};

use hickory_proto::op::Message;
use hickory_proto::rr::{Name, Record, RecordType};
use serde_json::{Value, json};

use super::args::DigArgs;
use super::context::Context;
use super::error::Error;
use super::report::Form;
use crate::dns::{Transport, ask};
use crate::net::record;

const PORT: u16 = 53;

pub(super) async fn run(context: &Context, args: &DigArgs) -> Result<u8, Error> {
    let asked = Asked::read(args)?;
    let server = match asked.server {
        Some(server) => server,
        None => own(context).or_else(of_the_system).ok_or_else(|| Error::Usage {
            message: "there is no nameserver to ask".to_owned(),
            hint: "name one: roadworks dig @127.0.0.1:5300 shop.example.test".to_owned(),
        })?,
    };
    let answer = ask(server, &asked.name, asked.kind, asked.transport).await;
    let answer = answer.map_err(|error| Error::Unasked { message: error.to_string() })?;
    match context.report.form() {
        Form::Json => context.report.object(&object(&answer))?,
        Form::Words => {
            let lines = answer.answers.iter().map(|one| format!("{}\n", line(one)));
            context.report.data(&lines.collect::<String>())?;
            context.report.words(&status(&answer, server));
        }
    }
    Ok(0)
}

/// What the words ask for.
struct Asked {
    server: Option<SocketAddr>,
    name: Name,
    kind: RecordType,
    transport: Transport,
}

impl Asked {
    fn read(args: &DigArgs) -> Result<Asked, Error> {
        let usage = |message: String| Error::Usage {
            message,
            hint: "roadworks dig [@IP:PORT] NAME [TYPE] [--tcp]".to_owned(),
        };
        let (mut server, mut name, mut kind) = (None, None, None);
        let mut transport = if args.tcp { Transport::Tcp } else { Transport::Usual };
        for word in &args.words {
            if let Some(address) = word.strip_prefix('@') {
                let address = at(address);
                server =
                    Some(address.ok_or_else(|| usage(format!("`{word}` is not @IP or @IP:PORT")))?);
            } else if word == "+tcp" {
                transport = Transport::Tcp;
            } else if name.is_none() {
                name = Some(
                    record::name(word).ok_or_else(|| usage(format!("`{word}` is not a name")))?,
                );
            } else if kind.is_none() {
                kind = Some(
                    record::type_of(word)
                        .ok_or_else(|| usage(format!("`{word}` is not a type of record")))?,
                );
            } else {
                return Err(usage(format!("`{word}` is one word too many")));
            }
        }
        let name = name.ok_or_else(|| usage("it needs a name".to_owned()))?;
        Ok(Asked { server, name, kind: kind.unwrap_or(RecordType::A), transport })
    }
}

fn at(text: &str) -> Option<SocketAddr> {
    let alone = || text.parse::<IpAddr>().ok().map(|ip| SocketAddr::new(ip, PORT));
    text.parse().ok().or_else(alone)
}

/// Where the nameserver of the configuration listens, if there is one.
fn own(context: &Context) -> Option<SocketAddr> {
    let nameserver = context.config().ok()?.nameserver?;
    let listen = nameserver.listen.into_iter().find(|address| address.port() != 0)?;
    Some(match listen.ip() {
        ip if !ip.is_unspecified() => listen,
        IpAddr::V4(_) => SocketAddr::new(std::net::Ipv4Addr::LOCALHOST.into(), listen.port()),
        IpAddr::V6(_) => SocketAddr::new(std::net::Ipv6Addr::LOCALHOST.into(), listen.port()),
    })
}

fn of_the_system() -> Option<SocketAddr> {
    let (config, _) = hickory_resolver::system_conf::read_system_conf().ok()?;
    config.name_servers().first().map(|server| SocketAddr::new(server.ip, PORT))
}

fn line(one: &Record) -> String {
    let kind = record::type_name(one.record_type());
    format!("{} {} {kind} {}", one.name.to_ascii(), one.ttl, record::shown(&one.data))
}

fn status(answer: &Message, server: SocketAddr) -> String {
    let sure = if answer.authoritative { "authoritative" } else { "not authoritative" };
    format!("{} from {server}, {sure}", code(answer))
}

fn object(answer: &Message) -> Value {
    let answers = answer.answers.iter().map(|one| {
        json!({
            "name": one.name.to_ascii(),
            "ttl": one.ttl,
            "type": record::type_name(one.record_type()),
            "value": record::shown(&one.data),
        })
    });
    json!({
        "format": 1,
        "status": code(answer),
        "authoritative": answer.authoritative,
        "answers": answers.collect::<Vec<_>>(),
    })
}

/// The answer's code as every `dig` writes it.
fn code(answer: &Message) -> String {
    const WORDS: [&str; 11] = [
        "NOERROR", "FORMERR", "SERVFAIL", "NXDOMAIN", "NOTIMP", "REFUSED", "YXDOMAIN", "YXRRSET",
        "NXRRSET", "NOTAUTH", "NOTZONE",
    ];
    let number = u16::from(answer.response_code);
    let known = WORDS.get(usize::from(number)).map(|word| (*word).to_owned());
    known.unwrap_or_else(|| format!("RCODE{number}"))
}
