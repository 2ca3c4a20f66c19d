//! What an entry of the log is told as. Pure.

use crate::audit::{self, Entry, Notice};
use crate::config::Occasion;
use crate::notify::Event;
use crate::switch::Mode;

/// What it is, if it is told at all: a step on the way is not.
pub(super) fn occasion(entry: &Entry) -> Option<Occasion> {
    Some(match entry.event {
        audit::Event::Asked if entry.from == Mode::Open && entry.to != Mode::Open => {
            Occasion::WindowStarted
        }
        audit::Event::Moved if entry.to == Mode::Open => Occasion::WindowEnded,
        audit::Event::Moved => Occasion::ModeChanged,
        audit::Event::Failed | audit::Event::WindowFailed => Occasion::ModeFailed,
        audit::Event::Unfinished => Occasion::ModeUnfinished,
        audit::Event::Announced => Occasion::WindowAnnounced,
        audit::Event::Reminded => Occasion::WindowReminder,
        // Whoever was not told of it need not be told that it does not come.
        audit::Event::Cancelled if entry.window.is_some() => Occasion::WindowCancelled,
        audit::Event::CheckFailed => Occasion::GateFailed,
        audit::Event::CheckPassed => Occasion::GateRecovered,
        audit::Event::Overridden => Occasion::OverrideUsed,
        audit::Event::Overdue => Occasion::WindowOverdue,
        audit::Event::Extended => Occasion::WindowExtended,
        audit::Event::Forgotten => Occasion::GatewayForgotten,
        audit::Event::Passed => Occasion::PipelinePassed,
        audit::Event::Released => Occasion::PipelineReleased,
        audit::Event::Drifted => Occasion::LeverDrifted,
        audit::Event::DriftOver => Occasion::LeverRestored,
        audit::Event::PutBack | audit::Event::LetGo => Occasion::LeverPutBack,
        audit::Event::Asked
        | audit::Event::Cancelled
        | audit::Event::Resumed
        | audit::Event::VariableWritten
        | audit::Event::Started
        | audit::Event::Superseded
        | audit::Event::LeftAlone
        | audit::Event::Unknown => return None,
    })
}

/// The same with everything that is told of it.
pub(super) fn event(notice: &Notice, occasion: Occasion) -> Event {
    let Notice { id, entry, until, .. } = notice;
    Event {
        id: id.clone(),
        occasion,
        at: entry.at,
        site: entry.site.clone(),
        operation: entry.operation.to_string(),
        from: entry.from,
        mode: entry.to,
        by: entry.by.clone(),
        reason: entry.reason.clone(),
        starts: entry.window.map(|window| window.start),
        until: entry.window.map(|window| window.end).or(*until),
        detail: entry.detail.clone(),
    }
}
