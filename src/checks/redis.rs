//! A check of a Redis: it answers, to whoever asks with the password, and its data is loaded. Speaks three commands of RESP2, whose
//! answers are one line each.

use tokio::io::{
    AsyncBufReadExt as _, AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, BufReader,
};
use tokio::net::TcpStream;

use super::{Asked, Check, Failed};
use crate::config::RedisCheckConfig;
use crate::net::ask::secured;

/// The longest line that is read: an error of Redis is shorter.
const LONGEST: u64 = 4_096;

/// One Redis.
#[derive(Debug)]
pub struct RedisCheck(RedisCheckConfig);

impl RedisCheck {
    /// What the `check` block says.
    pub fn new(config: RedisCheckConfig) -> RedisCheck {
        RedisCheck(config)
    }

    async fn asked(&self) -> Result<String, Failed> {
        let RedisCheckConfig { host, port, tls, timeout, .. } = &self.0;
        let place = format!("{host}:{port}");
        let talk = async {
            let stream = TcpStream::connect((host.as_str(), *port)).await;
            let stream = stream.map_err(|error| unreachable(&place, &error.to_string()))?;
            if *tls {
                let stream = secured(stream, host, &[]).await;
                let stream = stream.map_err(|error| unreachable(&place, &error.to_string()))?;
                return self.talked(stream, &place).await;
            }
            self.talked(stream, &place).await
        };
        let late = || unreachable(&place, &format!("no answer within {} s", timeout.as_secs_f64()));
        tokio::time::timeout(*timeout, talk).await.unwrap_or_else(|_| Err(late()))
    }

    async fn talked<S: AsyncRead + AsyncWrite + Unpin>(
        &self,
        stream: S,
        place: &str,
    ) -> Result<String, Failed> {
        let mut stream = BufReader::new(stream);
        if let Some(password) = &self.0.password {
            let user = self.0.user.as_deref().map(str::as_bytes);
            let words = [Some(b"AUTH".as_slice()), user, Some(password.bytes())];
            let words: Vec<_> = words.into_iter().flatten().collect();
            let said = said(&mut stream, &words).await.map_err(|why| unreachable(place, &why))?;
            if said != "+OK" {
                // Whoever does not know the command says with which words it came, the password among them.
                let word = said.split(' ').next().unwrap_or_default();
                return Err(refused(place, word));
            }
        }
        let said = said(&mut stream, &[b"PING"]).await.map_err(|why| unreachable(place, &why))?;
        if said != "+PONG" {
            return Err(refused(place, &said));
        }
        Ok(format!("{place} answers PING"))
    }
}

impl Check for RedisCheck {
    fn kind(&self) -> &'static str {
        "redis"
    }

    fn ask(&self) -> Asked<'_> {
        Box::pin(self.asked())
    }
}

/// Sends one command, and gives the line of its answer.
async fn said<S: AsyncRead + AsyncWrite + Unpin>(
    stream: &mut BufReader<S>,
    words: &[&[u8]],
) -> Result<String, String> {
    let mut command = format!("*{}\r\n", words.len()).into_bytes();
    for word in words {
        command.extend_from_slice(format!("${}\r\n", word.len()).as_bytes());
        command.extend_from_slice(word);
        command.extend_from_slice(b"\r\n");
    }
    let told = |error: std::io::Error| error.to_string();
    stream.write_all(&command).await.map_err(told)?;
    stream.flush().await.map_err(told)?;
    let mut line = Vec::new();
    stream.take(LONGEST).read_until(b'\n', &mut line).await.map_err(told)?;
    if line.is_empty() {
        return Err("it hung up".to_owned());
    }
    let line = String::from_utf8_lossy(&line);
    Ok(line.trim_end().chars().filter(|one| !one.is_control()).collect())
}

fn unreachable(place: &str, why: &str) -> Failed {
    Failed {
        why: format!("{place} cannot be asked: {why}"),
        fix: "see that it runs, and that it can be reached from here".to_owned(),
    }
}

fn refused(place: &str, said: &str) -> Failed {
    let fix = match said.trim_start_matches('-').split(' ').next() {
        Some("LOADING") => "wait until its data is loaded",
        Some("NOAUTH" | "WRONGPASS") => "put the password into `url`",
        Some("MASTERDOWN" | "MISCONF" | "READONLY") => "look at its log, and at its replication",
        _ => "is this a Redis?",
    };
    let said: String = said.trim_start_matches(['-', '+']).chars().take(200).collect();
    Failed { why: format!("{place} answers: {said}"), fix: fix.to_owned() }
}
