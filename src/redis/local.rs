//! What a connection answers by itself while Redis is away: pools ask whether it lives, and say who they are.

use jiff::Timestamp;

use super::frame::{Arguments, number};
use super::session::Session;
use super::value::Value;

/// What `INFO` says where Redis has never said anything: clients look into it whether they may begin.
const NEVER_SAID: &str = "# Server\r\nredis_version:7.0.0\r\nredis_mode:standalone\r\n# Persistence\r\nloading:0\r\n# Replication\r\nrole:master\r\n";

/// What is said; `None` for what is refused.
pub(super) fn local(
    arguments: &Arguments<'_>,
    session: &Session,
    info: Option<&str>,
    now: Timestamp,
) -> Option<Value> {
    let ok = || Some(Value::Status("OK"));
    let no_cluster =
        || Some(Value::Error("ERR This instance has cluster support disabled".to_owned()));
    match arguments.name().to_ascii_lowercase().as_slice() {
        b"ping" => match arguments.count() {
            1 => Some(Value::Status("PONG")),
            2 => arguments.short(1).map(Value::text),
            _ => Some(Value::Error("ERR wrong number of arguments for 'ping' command".to_owned())),
        },
        b"echo" => arguments.short(1).map(Value::text),
        b"time" => {
            let micros = now.subsec_nanosecond() / 1_000;
            Some(Value::List(vec![
                Value::text(now.as_second().to_string()),
                Value::text(micros.to_string()),
            ]))
        }
        // Nobody looks at data that is not there, and `AUTH` is said again before any is.
        b"quit" | b"auth" => ok(),
        b"reset" => Some(Value::Status("RESET")),
        b"hello" => hello(arguments, info),
        b"select" => {
            let database = arguments.short(1).and_then(number);
            match database {
                Some(0..=1_000) => ok(),
                Some(_) => Some(Value::Error("ERR DB index is out of range".to_owned())),
                None => {
                    Some(Value::Error("ERR value is not an integer or out of range".to_owned()))
                }
            }
        }
        b"client" => client(arguments, session),
        b"readonly" | b"readwrite" | b"asking" | b"cluster" => no_cluster(),
        b"info" => Some(Value::text(info.unwrap_or(NEVER_SAID))),
        b"command" if arguments.count() == 1 => Some(Value::List(Vec::new())),
        b"command" if arguments.is(1, "DOCS") => Some(Value::Map(Vec::new())),
        b"config" if arguments.is(1, "GET") && arguments.count() > 2 => {
            Some(Value::Map(Vec::new()))
        }
        b"script" if arguments.is(1, "EXISTS") && arguments.count() > 2 => {
            Some(Value::List(vec![Value::Number(0); arguments.count() - 2]))
        }
        _ => None,
    }
}

/// `HELLO [version [AUTH user password] [SETNAME name]]`
fn hello(arguments: &Arguments<'_>, info: Option<&str>) -> Option<Value> {
    let version = match arguments.get(1) {
        None => 2,
        Some(_) => match arguments.short(1).and_then(number) {
            Some(version @ 2..=3) => version,
            Some(_) => {
                return Some(Value::Error("NOPROTO unsupported protocol version".to_owned()));
            }
            None => {
                let text = "ERR Protocol version is not an integer or out of range";
                return Some(Value::Error(text.to_owned()));
            }
        },
    };
    let mut at = 2;
    while at < arguments.count() {
        at += match () {
            () if arguments.is(at, "AUTH") => 3,
            () if arguments.is(at, "SETNAME") => 2,
            () => return None,
        };
    }
    if at > arguments.count().max(2) {
        return None;
    }
    // Where Redis has never said which one it is, the one whose commands are known here.
    let of_redis =
        info.and_then(|info| info.lines().find_map(|line| line.strip_prefix("redis_version:")));
    let pairs = [
        ("server", Value::text("redis")),
        ("version", Value::text(of_redis.unwrap_or("7.0.0"))),
        ("proto", Value::Number(version)),
        ("id", Value::Number(1)),
        ("mode", Value::text("standalone")),
        ("role", Value::text("master")),
        ("modules", Value::List(Vec::new())),
    ];
    Some(Value::Map(pairs.into_iter().map(|(key, value)| (Value::text(key), value)).collect()))
}

fn client(arguments: &Arguments<'_>, session: &Session) -> Option<Value> {
    let word = arguments.short(1)?.to_ascii_lowercase();
    match (word.as_slice(), arguments.count()) {
        (b"setname" | b"no-evict" | b"no-touch", 3) | (b"setinfo", 4) => Some(Value::Status("OK")),
        (b"id", 2) => Some(Value::Number(1)),
        (b"getname", 2) => Some(session.name.as_ref().map_or(Value::Nil, Value::text)),
        (
            b"reply" | b"tracking" | b"caching" | b"list" | b"info" | b"kill" | b"pause"
            | b"unpause" | b"unblock" | b"getredir" | b"trackinginfo" | b"setname" | b"setinfo"
            | b"no-evict" | b"no-touch" | b"help",
            _,
        ) => None,
        (word, _) => Some(Value::Error(format!(
            "ERR unknown subcommand '{}'. Try CLIENT HELP.",
            String::from_utf8_lossy(word.get(..word.len().min(128)).unwrap_or_default())
        ))),
    }
}
