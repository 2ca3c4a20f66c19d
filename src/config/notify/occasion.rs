//! What somebody can be told of, and its words.

use serde::{Deserialize, Serialize};

/// What somebody is told of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Occasion {
    /// A window comes soon.
    #[serde(rename = "window.announced")]
    WindowAnnounced,
    /// It starts in some minutes.
    #[serde(rename = "window.reminder")]
    WindowReminder,
    /// It was announced, and was taken away.
    #[serde(rename = "window.cancelled")]
    WindowCancelled,
    /// A site that was open is asked to be something else.
    #[serde(rename = "window.started")]
    WindowStarted,
    /// Its end, or how long requests wait, was moved.
    #[serde(rename = "window.extended")]
    WindowExtended,
    /// Its time is over, and it stays.
    #[serde(rename = "window.overdue")]
    WindowOverdue,
    /// It is open again.
    #[serde(rename = "window.ended")]
    WindowEnded,
    /// Every lever has confirmed a mode that is not `open`.
    #[serde(rename = "mode.changed")]
    ModeChanged,
    /// It could not be done, and nothing has changed.
    #[serde(rename = "mode.failed")]
    ModeFailed,
    /// It could not be finished.
    #[serde(rename = "mode.unfinished")]
    ModeUnfinished,
    /// It was to be let back, and a check does not pass.
    #[serde(rename = "gate.failed")]
    GateFailed,
    /// Every check passes, after one did not.
    #[serde(rename = "gate.recovered")]
    GateRecovered,
    /// A rule was set aside.
    #[serde(rename = "override.used")]
    OverrideUsed,
    /// Somebody else moved a lever.
    #[serde(rename = "lever.drifted")]
    LeverDrifted,
    /// It stands where it is asked for again.
    #[serde(rename = "lever.restored")]
    LeverRestored,
    /// The agent puts it back.
    #[serde(rename = "lever.put-back")]
    LeverPutBack,
    /// A gateway was taken out of the fleet by hand.
    #[serde(rename = "gateway.forgotten")]
    GatewayForgotten,
    /// A pipeline's run was let into a closed stage.
    #[serde(rename = "pipeline.passed")]
    PipelinePassed,
    /// The runs before a closed stage were let go.
    #[serde(rename = "pipeline.released")]
    PipelineReleased,
    /// Somebody tries whether telling works.
    #[serde(rename = "test")]
    Test,
}

impl Occasion {
    /// Those that can be chosen.
    pub const ALL: [Occasion; 19] = [
        Occasion::WindowAnnounced,
        Occasion::WindowReminder,
        Occasion::WindowCancelled,
        Occasion::WindowStarted,
        Occasion::WindowExtended,
        Occasion::WindowOverdue,
        Occasion::WindowEnded,
        Occasion::ModeChanged,
        Occasion::ModeFailed,
        Occasion::ModeUnfinished,
        Occasion::GateFailed,
        Occasion::GateRecovered,
        Occasion::OverrideUsed,
        Occasion::LeverDrifted,
        Occasion::LeverRestored,
        Occasion::LeverPutBack,
        Occasion::GatewayForgotten,
        Occasion::PipelinePassed,
        Occasion::PipelineReleased,
    ];

    /// `window.started`
    pub fn word(self) -> &'static str {
        match self {
            Occasion::WindowAnnounced => "window.announced",
            Occasion::WindowReminder => "window.reminder",
            Occasion::WindowCancelled => "window.cancelled",
            Occasion::WindowStarted => "window.started",
            Occasion::WindowExtended => "window.extended",
            Occasion::WindowOverdue => "window.overdue",
            Occasion::WindowEnded => "window.ended",
            Occasion::ModeChanged => "mode.changed",
            Occasion::ModeFailed => "mode.failed",
            Occasion::ModeUnfinished => "mode.unfinished",
            Occasion::GateFailed => "gate.failed",
            Occasion::GateRecovered => "gate.recovered",
            Occasion::OverrideUsed => "override.used",
            Occasion::LeverDrifted => "lever.drifted",
            Occasion::LeverRestored => "lever.restored",
            Occasion::LeverPutBack => "lever.put-back",
            Occasion::GatewayForgotten => "gateway.forgotten",
            Occasion::PipelinePassed => "pipeline.passed",
            Occasion::PipelineReleased => "pipeline.released",
            Occasion::Test => "test",
        }
    }
}
