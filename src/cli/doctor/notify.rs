//! Whether everybody who is to be told could be, as far as that is seen without telling them.

use super::super::notify::named;
use super::{Finding, fail, ok};
use crate::config::{NotifyConfig, NotifyWay, Occasion};

const ID: &str = "notify";

pub(super) fn finding(one: &NotifyConfig) -> Finding {
    if let NotifyWay::Lacking { why, .. } = &one.way {
        let fix = "set it where `roadworks serve` runs: its agent is who tells";
        return fail(ID, format!("{} cannot be told from here: {why}", named(one)), fix);
    }
    let of = match one.occasions.as_slice() {
        [] => "everything".to_owned(),
        chosen => chosen.iter().copied().map(Occasion::word).collect::<Vec<_>>().join(", "),
    };
    let unsigned = match &one.way {
        NotifyWay::Webhook { secret: None, .. } => ", unsigned",
        _ => "",
    };
    let what = match &one.way {
        NotifyWay::Alertmanager { .. } => "is silent while the site is not open".to_owned(),
        _ => format!("is told of {of}{unsigned}"),
    };
    ok(ID, format!("{} {what}; try it: roadworks notify test", named(one)))
}
