//! A check that something listens.

use std::time::Duration;

use tokio::net::TcpStream;

use super::{Asked, Check, Failed};

/// One connection, made and closed.
#[derive(Debug)]
pub struct TcpCheck {
    address: String,
    timeout: Duration,
}

impl TcpCheck {
    /// `address` is `db.internal:5432`.
    pub fn new(address: String, timeout: Duration) -> TcpCheck {
        TcpCheck { address, timeout }
    }

    async fn asked(&self) -> Result<String, Failed> {
        let TcpCheck { address, timeout } = self;
        let failed = |why: String| Failed {
            why: format!("{address} cannot be reached: {why}"),
            fix: "see that it runs, and that it can be reached from here".to_owned(),
        };
        match tokio::time::timeout(*timeout, TcpStream::connect(address)).await {
            Ok(Ok(_)) => Ok(format!("{address} accepts connections")),
            Ok(Err(error)) => Err(failed(error.to_string())),
            Err(_) => Err(failed(format!("no answer within {} s", timeout.as_secs_f64()))),
        }
    }
}

impl Check for TcpCheck {
    fn kind(&self) -> &'static str {
        "tcp"
    }

    fn ask(&self) -> Asked<'_> {
        Box::pin(self.asked())
    }
}
