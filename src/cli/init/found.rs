//! What a folder and this machine have: a switch in Terraform, an app in a compose file, or a listening port. Reads files
//! and knocks at loopback, sends nothing and changes nothing.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::time::Duration;

use tokio::net::TcpStream;
use tokio::time::timeout;

use super::super::args::InitArgs;
use super::super::context::Context;
use super::super::error::Error;
use super::compose::{self, Published};
use super::terraform::{self, Switch};

/// Where apps listen while they are developed, the most telling first.
const USUAL_PORTS: [u16; 10] = [3000, 8000, 8080, 5000, 4000, 4567, 9292, 8888, 5173, 80];
/// Where a gateway may listen, the most usual first.
const OWN_PORTS: [u16; 6] = [8080, 8081, 8088, 8888, 9080, 18080];
/// Loopback answers at once, or nobody listens.
const KNOCK: Duration = Duration::from_millis(500);

/// Enough for a configuration.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Found {
    /// The site's name.
    pub(super) site: String,
    /// The host names that visitors use, where they are known.
    pub(super) hosts: Vec<String>,
    /// The switch that a folder of Terraform has.
    pub(super) terraform: Option<Switch>,
    /// Where the app answers.
    pub(super) upstreams: Vec<Upstream>,
    /// A port for the gateway that nobody uses.
    pub(super) listen: Option<u16>,
    /// What a person should know, or may want instead.
    pub(super) notes: Vec<String>,
}

/// An app.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Upstream {
    pub(super) url: String,
    /// What tells of it.
    pub(super) from: String,
}

/// Looks at the folder. Cancel safe.
pub(super) async fn look(
    context: &Context,
    folder: &Path,
    args: &InitArgs,
) -> Result<Found, Error> {
    let mut found = Found { hosts: args.host.clone(), ..Found::default() };
    found.terraform = terraform::switch(context, folder, &mut found.notes).await?;
    if let Some(switch) = &found.terraform {
        let unsaid = switch.hosts.iter().filter(|host| !args.host.contains(host));
        found.hosts.extend(unsaid.cloned());
    }
    let unread = found.terraform.is_none() && !found.notes.is_empty();
    let published = compose::published(folder, &mut found.notes);
    // A gateway alone would hide what the Terraform here moves.
    if unread && args.upstream.is_none() {
        return Err(not_read(&found.notes));
    }
    app(&mut found, args, &published).await;
    if found.terraform.is_none() && found.upstreams.is_empty() {
        return Err(nothing(folder, &found.notes));
    }
    if !found.upstreams.is_empty() {
        found.listen = Some(free(&published).await);
    }
    found.site = name(&found, &published, folder);
    Ok(found)
}

/// The app: what was said, else what compose publishes, else who listens here. A port of this machine says nothing about
/// a site that Terraform has.
async fn app(found: &mut Found, args: &InitArgs, published: &[Published]) {
    if let Some(upstream) = &args.upstream {
        found.upstreams = vec![Upstream { url: upstream.clone(), from: "--upstream".to_owned() }];
    } else if let [first, others @ ..] = published {
        found.upstreams = vec![Upstream { url: url(first.port), from: first.said() }];
        let others: Vec<_> =
            others.iter().map(|other| format!("{} ({})", url(other.port), other.service)).collect();
        if !others.is_empty() {
            found.notes.push(format!("published too: {}", others.join(", ")));
        }
    } else if found.terraform.is_none() {
        let listening = listening(&USUAL_PORTS).await;
        if let [first, others @ ..] = listening.as_slice() {
            let from = format!("something listens on port {first}");
            found.upstreams = vec![Upstream { url: url(*first), from }];
            let others: Vec<_> = others.iter().map(|port| url(*port)).collect();
            if !others.is_empty() {
                found.notes.push(format!("something listens here too: {}", others.join(", ")));
            }
        }
    }
}

fn url(port: u16) -> String {
    format!("http://127.0.0.1:{port}")
}

/// Those of `ports` where something accepts connections on loopback, in their order.
async fn listening(ports: &[u16]) -> Vec<u16> {
    let mut found = Vec::new();
    for &port in ports {
        if is_taken(port).await {
            found.push(port);
        }
    }
    found
}

async fn is_taken(port: u16) -> bool {
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    matches!(timeout(KNOCK, TcpStream::connect(address)).await, Ok(Ok(_)))
}

/// A port for the gateway.
async fn free(published: &[Published]) -> u16 {
    for port in OWN_PORTS {
        if !published.iter().any(|one| one.port == port) && !is_taken(port).await {
            return port;
        }
    }
    OWN_PORTS[0]
}

/// The first label of the first host, else what the app or the folder is called.
fn name(found: &Found, published: &[Published], folder: &Path) -> String {
    let mut hosts = found.hosts.iter().map(|host| host.trim_start_matches("*."));
    let host = hosts.find_map(|host| host.split('.').next());
    let service = published.first().map(|first| first.service.as_str());
    let folder = std::fs::canonicalize(folder).ok();
    let folder = folder.as_deref().and_then(Path::file_name).map(|name| name.to_string_lossy());
    let words = host.or(service).or(folder.as_deref()).unwrap_or_default();
    let plain = |c: char| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '-' };
    let name: String = words.chars().map(plain).collect();
    let name = name.trim_matches('-');
    if name.is_empty() { "site".to_owned() } else { name.to_owned() }
}

fn not_read(notes: &[String]) -> Error {
    Error::NothingToWrite {
        message: format!("there is Terraform here that cannot be read: {}", notes.join("; ")),
        hint: "give it what it lacks: roadworks init -var NAME=VALUE; or leave it aside: roadworks init --upstream http://127.0.0.1:3000"
            .to_owned(),
    }
}

/// What could not be read may be what was meant.
fn nothing(folder: &Path, notes: &[String]) -> Error {
    let notes = notes.iter().flat_map(|note| ["; ", note.as_str()]).collect::<String>();
    let ports = USUAL_PORTS.map(|port| port.to_string()).join(", ");
    Error::NothingToWrite {
        message: format!(
            "{} has no .tf with a record that a boolean moves and no compose file with a published port, and nothing listens on {ports}{notes}",
            folder.display()
        ),
        hint: "say where the app answers: roadworks init --upstream http://127.0.0.1:3000 --host shop.example.com"
            .to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn who_listens_is_found_and_who_does_not_is_not() {
        let app = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let gone = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let (app_port, gone_port) =
            (app.local_addr().unwrap().port(), gone.local_addr().unwrap().port());
        drop(gone);
        assert_eq!(listening(&[gone_port, app_port]).await, [app_port]);
    }

    #[test]
    fn a_site_is_named_like_its_first_host_else_like_its_app_else_like_its_folder() {
        let hosts = |host: &str| Found { hosts: vec![host.to_owned()], ..Found::default() };
        let web = Published { service: "Web_1".to_owned(), port: 80, file: String::new() };
        let folder = tempfile::Builder::new().prefix("shop.").rand_bytes(0).tempdir().unwrap();
        assert_eq!(name(&hosts("*.Shop.example.com"), &[], folder.path()), "shop");
        assert_eq!(name(&Found::default(), &[web], folder.path()), "web-1");
        assert_eq!(name(&Found::default(), &[], folder.path()), "shop");
        assert_eq!(name(&Found::default(), &[], Path::new("/")), "site");
    }
}
