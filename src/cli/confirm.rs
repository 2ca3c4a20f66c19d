//! Asking before something moves, by how much it moves. Off a terminal nothing is ever asked.

use std::io::{self, BufRead, IsTerminal};

use super::error::Error;
use super::report::{Form, Report};
use crate::switch::{Mode, Switch};

/// Asks on the terminal whether `site`, whose visitors come to `host`, may be moved to `to`.
///
/// `open` asks only where somebody else's operation is active.
pub(super) fn confirm(
    report: Report,
    (site, host): (&str, &str),
    to: Mode,
    others: Option<&Switch>,
) -> Result<(), Error> {
    let wanted = match (to, others) {
        (Mode::Open, None) => return Ok(()),
        (Mode::Open, Some(switch)) => {
            report.words(&format!("{} asked for {} at {}.", switch.by, switch.mode, switch.since));
            "y"
        }
        (Mode::ReadOnly | Mode::Hold, _) => "y",
        (Mode::Closed, _) => "yes",
        (Mode::Detour, _) => host,
    };
    let refused = Error::NotConfirmed {
        site: site.to_owned(),
        to,
        hint: "say --yes (or -auto-approve) where nobody is there to ask".to_owned(),
    };
    if asked(report, wanted) { Ok(()) } else { Err(refused) }
}

/// Asks on the terminal whether `what` is to happen.
pub(super) fn agree(report: Report, what: &str) -> Result<(), Error> {
    report.words(&format!("{what}."));
    if asked(report, "y") { Ok(()) } else { Err(Error::Unagreed { what: what.to_owned() }) }
}

/// Whether somebody is there, and answers `wanted`.
fn asked(report: Report, wanted: &str) -> bool {
    let terminal = io::stdin().is_terminal() && io::stderr().is_terminal();
    if !terminal || report.form() == Form::Json {
        return false;
    }
    report.words(&match wanted {
        "y" => "Go on? [y/N]".to_owned(),
        "yes" => "Type yes to go on:".to_owned(),
        name => format!("Type {name} to go on:"),
    });
    let mut answer = String::new();
    // What cannot be read, as bytes that are no text, is no yes.
    let read = io::stdin().lock().read_line(&mut answer).is_ok();
    let answer = answer.trim();
    read && (answer == wanted || (wanted == "y" && answer.eq_ignore_ascii_case("yes")))
}
