//! What runs where, as the configuration says it, as a person reads it, and as a program does.

use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpListener, UdpSocket};
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use serde_json::{Value, json};

/// The name that visitors come to. RFC 2606 keeps `.test` for such.
pub(super) const HOST: &str = "shop.example.test";
/// What signs changes of the zone, beside the configuration.
const KEY_FILE: &str = "update.key";
/// What signs the passes of testers, beside it.
const BYPASS_FILE: &str = "bypass.key";
/// All that is beside the configuration.
pub(super) const SECRETS: [&str; 2] = [KEY_FILE, BYPASS_FILE];
/// HMAC-SHA256 wants as many (RFC 2104, section 3).
const KEY_BYTES: usize = 32;
/// How often a free port is looked for.
const ATTEMPTS: usize = 50;

const HEAD: &str = "\
# Written by `roadworks try`: everything on loopback. docs/configuration.md lists all keys.
";

const TAIL: &str = "
  # What visitors read while they may not pass.
  page {
    message = \"The example shop is being moved.\"
  }
}
";

/// Who is where.
#[derive(Debug, Clone)]
pub(super) struct Layout {
    /// Where roadworks.hcl is.
    pub(super) folder: PathBuf,
    /// What signs changes of the zone, Base64.
    key: String,
    /// What signs the passes of testers, Base64.
    bypass: String,
    admin: SocketAddr,
    pub(super) app: SocketAddr,
    pub(super) gateway: SocketAddr,
    pub(super) page: SocketAddr,
    pub(super) nameserver: SocketAddr,
}

impl Layout {
    /// Around an app and a page server that listen already. The gateway has the page's port, on its own address, so that
    /// who follows the name needs no other.
    pub(super) fn around(folder: &Path, app: SocketAddr, page: SocketAddr) -> io::Result<Layout> {
        Ok(Layout {
            folder: folder.to_owned(),
            key: key()?,
            bypass: key()?,
            admin: TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?,
            app,
            gateway: SocketAddr::from((Ipv4Addr::LOCALHOST, page.port())),
            page,
            nameserver: free_for_dns()?,
        })
    }

    /// The roadworks.hcl.
    pub(super) fn config(&self) -> String {
        let site = format!(
            "site \"shop\" {{
  # The second is for a browser that does not ask the name server.
  hosts = [\"{HOST}\", \"127.0.0.1\"]
"
        );
        [HEAD, &self.zone(), &site, &self.name(), &self.front(), TAIL, &self.metrics()].concat()
    }

    /// What is in each of [`SECRETS`].
    pub(super) fn secrets(&self) -> [(&'static str, &str); 2] {
        [(KEY_FILE, &self.key), (BYPASS_FILE, &self.bypass)]
    }

    fn metrics(&self) -> String {
        let admin = self.admin;
        format!(
            "\n# Metrics, at a port that was free; 127.0.0.1:9180 where nothing else is said.\nserve {{ admin = \"{admin}\" }}\n"
        )
    }

    /// The name server.
    fn zone(&self) -> String {
        let Layout { gateway, nameserver, .. } = self;
        let live = gateway.ip();
        format!(
            "
# The name server: answers for example.test, and takes signed changes of it (RFC 2136).
nameserver \"example.test\" {{
  listen = [\"{nameserver}\"]

  record \"shop\" {{
    type   = \"A\"
    ttl    = 1
    values = [\"{live}\"]
  }}

  key \"update\" {{
    algorithm = \"hmac-sha256\"
    secret    = file(\"{KEY_FILE}\")
  }}
}}

"
        )
    }

    /// The lever of the name.
    fn name(&self) -> String {
        let Layout { gateway, page, nameserver, .. } = self;
        let (live, maintenance) = (gateway.ip(), page.ip());
        format!(
            "
  # The name leads to the gateway, or in a detour to the page, which nothing here can break.
  dns \"rfc2136\" {{
    zone    = \"example.test\"
    servers = [\"{nameserver}\"]

    key \"update\" {{
      secret = file(\"{KEY_FILE}\")
    }}

    live {{
      A   = [\"{live}\"]
      ttl = 1
    }}
    maintenance {{
      A   = [\"{maintenance}\"]
      ttl = 1
    }}
  }}

  # No resolver but ours knows this name.
  settle {{ resolvers = [] }}
"
        )
    }

    /// What stands in front of the app.
    fn front(&self) -> String {
        let Layout { app, gateway, .. } = self;
        format!(
            "
  # In front of the app: reads and writes pass, wait or are refused.
  gateway {{
    listen    = [\"{gateway}\"]
    upstreams = [\"http://{app}\"]

    health {{
      lb_path       = \"/healthz\"
      upstream_path = \"/up\"
      interval      = \"200ms\"
    }}

    # How long a request waits in a hold.
    hold {{ patience = \"20s\" }}

    # How long running requests have to end.
    drain {{ deadline = \"3s\" }}

    # For `roadworks bypass`: testers pass while visitors do not.
    bypass {{ key = file(\"{BYPASS_FILE}\") }}
  }}
"
        )
    }

    /// The object of `try --json`.
    pub(super) fn object(&self) -> Value {
        json!({
            "format": 1,
            "host": HOST,
            "folder": self.folder.display().to_string(),
            "app": self.app.to_string(),
            "gateway": self.gateway.to_string(),
            "page": self.page.to_string(),
            "nameserver": self.nameserver.to_string(),
        })
    }

    /// What runs where, and five things to try.
    pub(super) fn words(&self, recorded: Option<&Path>) -> String {
        let Layout { folder, app, gateway, page, nameserver, .. } = self;
        let port = gateway.port();
        let ours = format!("{} -c {}", own_name(), quoted(&folder.display().to_string()));
        let asks = dig(*nameserver);
        let shop = format!("curl -s http://{HOST}:{port}/count");
        let named = format!("{shop} --resolve {HOST}:{port}:$({asks})");
        let orders = format!("curl -s -d item=pen http://{gateway}/orders");
        let kept = recorded.map_or(String::new(), |folder| {
            format!(
                "  kept        {} and its keys in {}\n",
                crate::config::FILE_NAME,
                folder.display()
            )
        });
        format!(
            "{HOST} is up, on this machine alone:\n\n\
             \x20 app         http://{app}\n\
             \x20 gateway     http://{gateway}   (open it in a browser)\n\
             \x20 page        http://{page}\n\
             \x20 name server {nameserver}\n\
             \x20 folder      {}\n{kept}\n\
             Five things to try in another terminal, each a line to paste:\n\n\
             \x20 1. An order: a write, and a read of the counter\n\
             \x20    {orders}; curl -s http://{gateway}/count\n\n\
             \x20 2. Eight seconds of waiting: the read is slow, and does not fail\n\
             \x20    {ours} hold --for 8s --yes; time curl -s http://{gateway}/count\n\n\
             \x20 3. No writes: the read passes, the order is refused\n\
             \x20    {ours} read-only --yes; curl -s http://{gateway}/count; {orders} -H 'Accept: text/plain'\n\n\
             \x20 4. The name itself moves to the page; who asks the name server sees it within a second\n\
             \x20    {ours} detour --yes; {asks}; {named}\n\n\
             \x20 5. And back\n\
             \x20    {ours} open --yes; {asks}; {named}\n\n\
             Ctrl-C ends everything and leaves nothing.",
            folder.display(),
        )
    }
}

/// The line that asks the name server where the name leads.
fn dig(nameserver: SocketAddr) -> String {
    let (ip, port) = (nameserver.ip(), nameserver.port());
    if in_path("dig").is_some() {
        format!("dig +short @{ip} -p {port} {HOST} A")
    } else {
        format!("{} dig @{nameserver} {HOST} A 2>/dev/null | awk '{{print $NF}}'", own_name())
    }
}

/// How this program is called in another terminal.
fn own_name() -> String {
    let Ok(own) = std::env::current_exe() else { return "roadworks".to_owned() };
    let found = in_path("roadworks").and_then(|path| path.canonicalize().ok());
    if found.is_some_and(|found| found == own) {
        "roadworks".to_owned()
    } else {
        quoted(&own.display().to_string())
    }
}

fn in_path(program: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path).map(|folder| folder.join(program)).find(|file| file.is_file())
}

/// One word of a shell.
fn quoted(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "/._-+:@".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        word.to_owned()
    } else {
        format!("'{}'", word.replace('\'', r"'\''"))
    }
}

/// Nobody else's.
fn key() -> io::Result<String> {
    let mut bytes = [0; KEY_BYTES];
    let provider = rustls::crypto::aws_lc_rs::default_provider();
    let filled = provider.secure_random.fill(&mut bytes);
    filled.map_err(|_| io::Error::other("the system has no random numbers"))?;
    Ok(BASE64_STANDARD.encode(bytes))
}

/// An address that nobody listens at, neither by UDP nor by TCP.
fn free_for_dns() -> io::Result<SocketAddr> {
    for _ in 0..ATTEMPTS {
        let address = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?;
        if TcpListener::bind(address).is_ok() {
            return Ok(address);
        }
    }
    Err(io::ErrorKind::AddrInUse.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn layout(folder: &Path) -> Layout {
        let (app, page) = ("127.0.0.1:3000".parse().unwrap(), "127.0.0.2:8080".parse().unwrap());
        Layout::around(folder, app, page).unwrap()
    }

    #[test]
    fn every_line_to_paste_is_one_that_a_shell_takes_as_it_is() {
        let layout = layout(Path::new("/tmp/it's here"));
        let words = layout.words(None);
        let lines: Vec<_> = words.lines().filter_map(|line| line.strip_prefix("     ")).collect();
        assert_eq!(lines.len(), 5, "{words}");
        for line in lines {
            let read = std::process::Command::new("sh").args(["-n", "-c", line]).status().unwrap();
            assert!(read.success(), "{line}");
            assert!(!line.contains(" -c ") || line.contains(r"-c '/tmp/it'\''s here'"), "{line}");
        }
    }

    #[test]
    fn the_key_is_a_new_one_each_time() {
        let (one, other) = (key().unwrap(), key().unwrap());
        assert_ne!(one, other);
        assert_eq!(BASE64_STANDARD.decode(one).unwrap().len(), KEY_BYTES);
    }
}
