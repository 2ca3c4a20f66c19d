//! What a name server answered, or did not -> what a lever says, in the words of the person who can act.

use std::net::SocketAddr;

use hickory_proto::op::ResponseCode;
use hickory_proto::rr::Name;

use super::exchange::Silence;
use super::key::Refusal;
use crate::config::{Rfc2136Config, TsigKey};
use crate::lever::Error;

/// A name without its last dot, as a person writes it.
pub(super) fn plain(name: &Name) -> String {
    name.to_string().trim_end_matches('.').to_owned()
}

/// A failed reading changed nothing, however it failed.
pub(super) fn unread(server: SocketAddr, silence: &Silence) -> Error {
    Error::Failed {
        code: "unreachable",
        message: format!("the name server {server} could not be asked: {silence}"),
        hint: "see that it runs, and that port 53 is open from here for UDP and TCP; nothing was changed".to_owned(),
    }
}

pub(super) fn refused_reading(server: SocketAddr, name: &Name, code: ResponseCode) -> Error {
    let name = plain(name);
    Error::Failed {
        code: "dns-refused",
        message: format!("the name server {server} does not answer for {name}: {}", word(code)),
        hint: "let it answer questions from here, and see that it serves the zone".to_owned(),
    }
}

pub(super) fn no_authority(server: SocketAddr, name: &Name) -> Error {
    let name = plain(name);
    Error::Failed {
        code: "not-authoritative",
        message: format!("the name server {server} answers for {name} without authority"),
        hint: "`servers` are those that serve the zone themselves, not resolvers".to_owned(),
    }
}

pub(super) fn refused(config: &Rfc2136Config, refusal: &Refusal) -> Error {
    let Rfc2136Config { primary, zone, name, key, .. } = config;
    let TsigKey { name: key, .. } = key;
    let (zone, name, key) = (plain(zone), plain(name), plain(key));
    let credentials = |message: String, hint: String| Error::Credentials { message, hint };
    match refusal {
        Refusal::UnknownKey => credentials(
            format!("the name server {primary} does not know the key \"{key}\" (BADKEY)"),
            "give it the key, with the same name and algorithm, or correct `key` in roadworks.hcl"
                .to_owned(),
        ),
        Refusal::WrongSecret => credentials(
            format!("the name server {primary} has another secret for the key \"{key}\" (BADSIG)"),
            "compare the secret with the one in its configuration, and the algorithm".to_owned(),
        ),
        Refusal::Clocks => credentials(
            format!(
                "the clock of the name server {primary} and the one here are more than five minutes apart (BADTIME)"
            ),
            "set both clocks by NTP".to_owned(),
        ),
        Refusal::NoRight => credentials(
            format!(
                "the name server {primary} does not let the key \"{key}\" change {name} (REFUSED)"
            ),
            format!(
                "BIND: update-policy {{ grant {key} name {name}. A AAAA HTTPS CNAME; }}; Knot: an acl with action: update; or the server takes updates elsewhere: `primary`"
            ),
        ),
        Refusal::NotIts => Error::Failed {
            code: "not-its-zone",
            message: format!("the name server {primary} takes no updates of {zone} (NOTAUTH)"),
            hint:
                "`primary` is the server that has the zone's file, `zone` is the name of the zone"
                    .to_owned(),
        },
        Refusal::Other(code) => Error::Failed {
            code: "dns-refused",
            message: format!("the name server {primary} made no change: {}", word(*code)),
            hint: "its log says more".to_owned(),
        },
        Refusal::NoKey(why) => Error::Failed {
            code: "key-unusable",
            message: format!("the update cannot be signed with the key \"{key}\": {why}"),
            hint: "make a new key: tsig-keygen -a hmac-sha256 NAME".to_owned(),
        },
    }
}

pub(super) fn outcome_unknown(server: SocketAddr, why: &str) -> Error {
    Error::Unknown {
        message: format!(
            "the update was sent to {server}, and whether it was made is not known: {why}"
        ),
        hint: "run the same command again: it reads what is there and goes on from it".to_owned(),
    }
}

pub(super) fn not_made(server: SocketAddr, why: &str) -> Error {
    Error::Failed {
        code: "not-made",
        message: format!("the name server {server} did not make the update: {why}"),
        hint: "nothing was changed; its log says more".to_owned(),
    }
}

pub(super) fn moved_meanwhile(name: &Name, now: &str) -> Error {
    Error::Refused {
        code: "record-moved",
        message: format!("{} was changed by somebody else meanwhile: it is {now} now", plain(name)),
        hint: "run `roadworks status` to see where it stands, then plan again".to_owned(),
    }
}

/// A response code as the RFCs write it, and what it means.
fn word(code: ResponseCode) -> String {
    match code {
        ResponseCode::Refused => "REFUSED, it does not want to".to_owned(),
        ResponseCode::ServFail => "SERVFAIL, it cannot".to_owned(),
        ResponseCode::FormErr => "FORMERR, it does not understand".to_owned(),
        ResponseCode::NotImp => "NOTIMP, it knows no updates".to_owned(),
        ResponseCode::NotAuth => "NOTAUTH, it has no authority".to_owned(),
        ResponseCode::NotZone => "NOTZONE, the name is not in the zone".to_owned(),
        code => code.to_string(),
    }
}
