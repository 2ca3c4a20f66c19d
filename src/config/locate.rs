//! Which configuration: a `roadworks.hcl`, a folder with one, or a bare folder of `.tf` files.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use hcl_edit::structure::Body;

use super::error::Error;
use super::nameserver::{self, NameserverConfig};
use super::page::PageConfig;
use super::read::Reader;
use super::serve::{self, ServeConfig};
use super::settle::SettleConfig;
use super::sharing;
use super::site::{self, Account, DnsSource, OnDrift, SiteConfig};
use super::store::{BucketConfig, store};
use super::variable::VariableWay;
use crate::files::read_up_to;
use crate::hcl::{Diagnostic, LARGEST_FILE, Source, parse_body};

/// What a configuration is called.
pub const FILE_NAME: &str = "roadworks.hcl";

/// What the files say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    /// Its sites; at least one, unless it has a nameserver.
    pub sites: Vec<SiteConfig>,
    /// Where their documents are.
    pub store: StoreAt,
    /// The zone that it answers for itself.
    pub nameserver: Option<NameserverConfig>,
    /// How the long-running process runs.
    pub serve: ServeConfig,
    /// The folder that it stands in; relative paths in it are relative to this.
    pub folder: PathBuf,
    /// Secrets that this machine does not have. Whoever closes a site at night may do so without them.
    pub lacking: Vec<Diagnostic>,
}

/// Where a site's documents are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StoreAt {
    /// `.roadworks/<workspace>/` in a bare folder, found without reading the `.tf`.
    Beside(PathBuf),
    /// `<folder>/<site>/`.
    Folder(PathBuf),
    /// `<prefix>/<site>/` in a bucket.
    Bucket(BucketConfig),
}

impl Config {
    /// The same, for whoever needs its secrets.
    pub fn whole(self) -> Result<Config, Error> {
        if self.lacking.is_empty() { Ok(self) } else { Err(Error::Wrong(self.lacking)) }
    }

    /// The site that `--site` names, or the only one.
    pub fn site(&self, wanted: Option<&str>) -> Result<&SiteConfig, Error> {
        let known = || self.sites.iter().filter_map(|site| site.name.clone()).collect();
        match (wanted, self.sites.as_slice()) {
            (_, []) => Err(Error::NoSite),
            (None, [only]) => Ok(only),
            (None, _) => Err(Error::WhichSite { known: known() }),
            // A bare folder's site is named by its record, which is known later.
            (Some(_), [only]) if only.name.is_none() => Ok(only),
            (Some(name), sites) => {
                let named = sites.iter().find(|site| site.name.as_deref() == Some(name));
                named.ok_or_else(|| Error::NoSuchSite { wanted: name.to_owned(), known: known() })
            }
        }
    }
}

/// Reads the configuration at `path`; `env` answers `env("NAME")`.
pub fn load(path: &Path, env: &dyn Fn(&str) -> Option<String>) -> Result<Config, Error> {
    let unreadable = |source| Error::Unreadable { path: path.to_owned(), source };
    let about = fs::metadata(path).map_err(unreadable)?;
    if about.is_file() {
        return read_file(path, env);
    }
    let file = path.join(FILE_NAME);
    // A link to nowhere too: without its configuration a site would have another store.
    if fs::symlink_metadata(&file).is_ok() {
        return read_file(&file, env);
    }
    let terraform = fs::read_dir(path).map_err(unreadable)?.filter_map(Result::ok).any(|entry| {
        let name = entry.file_name();
        let name = name.to_string_lossy();
        !name.starts_with('.') && (name.ends_with(".tf") || name.ends_with(".tf.json"))
    });
    if !terraform {
        return Err(Error::Nothing(path.to_owned()));
    }
    let dns =
        DnsSource::Terraform { dir: path.to_owned(), variable: None, account: Account::default() };
    let site = SiteConfig {
        name: None,
        hosts: Vec::new(),
        maintenance: None,
        dns: Some(dns),
        variable: VariableWay::Tfvars { chosen: false },
        pipeline: None,
        gateway: None,
        balancer: None,
        databases: Vec::new(),
        redis: Vec::new(),
        workers: Vec::new(),
        checks: Vec::new(),
        notify: Vec::new(),
        page: PageConfig::default(),
        settle: SettleConfig::default(),
        on_drift: OnDrift::default(),
        warnings: Vec::new(),
    };
    Ok(Config {
        sites: vec![site],
        store: StoreAt::Beside(path.join(".roadworks")),
        nameserver: None,
        serve: ServeConfig::default(),
        folder: path.to_owned(),
        lacking: Vec::new(),
    })
}

fn read_file(path: &Path, env: &dyn Fn(&str) -> Option<String>) -> Result<Config, Error> {
    let unreadable = |source| Error::Unreadable { path: path.to_owned(), source };
    let content = read_up_to(path, LARGEST_FILE)
        .and_then(|content| content.ok_or_else(|| io::ErrorKind::NotFound.into()))
        .map_err(unreadable)?;
    let text = String::from_utf8(content).map_err(|error| {
        unreadable(io::Error::new(io::ErrorKind::InvalidData, error.utf8_error()))
    })?;
    let source = Source::new(path.to_owned(), &text);
    let body = parse_body(&source).map_err(|mistake| Error::Wrong(vec![without_key(mistake)]))?;
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    let folder = folder.unwrap_or(Path::new("."));
    let mut reader = Reader::new(&source, folder, env);
    reader.hide_secrets(&body);
    let config = read_body(&mut reader, &body);
    let (mistakes, lacking) = reader.mistakes();
    if mistakes.is_empty() { Ok(Config { lacking, ..config }) } else { Err(Error::Wrong(mistakes)) }
}

/// A line that does not parse and may hold a key is not shown.
fn without_key(mistake: Diagnostic) -> Diagnostic {
    let line = mistake
        .place
        .as_ref()
        .zip(mistake.text.as_ref())
        .and_then(|(place, text)| text.lines().nth(place.line.saturating_sub(1)));
    if line.is_some_and(|line| line.contains("key") || line.contains("secret")) {
        Diagnostic { text: None, ..mistake }
    } else {
        mistake
    }
}

fn read_body<'a>(reader: &mut Reader<'a>, body: &'a Body) -> Config {
    reader.only(body, &[], &["nameserver", "store", "serve"], &["site"]);
    let mut sites: Vec<SiteConfig> = Vec::new();
    for block in body.get_blocks("site") {
        let Some(site) = site::read(reader, block) else { continue };
        if sites.iter().any(|other| other.name == site.name) {
            reader.wrong(&block.ident, "two sites have the same name");
        }
        sites.push(site);
    }
    let nameserver = nameserver::read(reader, body);
    if body.get_blocks("site").next().is_none() && body.get_blocks("nameserver").next().is_none() {
        reader.wrong(body, "there is no site: site \"name\" { .. }");
    }
    let serve = serve::read(reader, body);
    // Of the whole process, so every site tells them.
    let warnings = reader.take_warnings();
    for site in &mut sites {
        site.warnings.extend(warnings.iter().cloned());
    }
    sharing::check(reader, body, &serve);
    Config {
        sites,
        store: store(reader, body),
        nameserver,
        serve,
        folder: reader.folder().to_owned(),
        lacking: Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Target;
    use crate::config::rig::{good, wrong};

    #[test]
    fn records_may_be_written_out_and_a_zone_come_from_the_environment() {
        let config = good(
            r#"
            site "shop" {
              hosts       = ["shop.example.com"]
              maintenance = "detour"
              dns "route53" {
                zone_id = env("ZONE")
                name    = "*.Example.com."
                types   = ["A", "AAAA"]
                live {
                  alias   = "lb.elb.amazonaws.com"
                  zone_id = "Z35"
                }
                maintenance {
                  alias = "D111.cloudfront.net."
                }
              }
              variable {
                none = true
              }
            }
            "#,
        );
        let site = config.site(None).unwrap();
        let Some(DnsSource::Records { records, .. }) = &site.dns else { panic!() };
        assert_eq!(records.len(), 2);
        assert_eq!(records[0].target(), "\\052.example.com A");
        let maintenance = records[1].maintenance.clone().unwrap().target;
        let Target::Alias { name, zone_id, .. } = maintenance else { panic!() };
        assert_eq!((name.as_str(), zone_id.as_str()), ("d111.cloudfront.net", CLOUDFRONT));
    }

    const CLOUDFRONT: &str = "Z2FDTNDATAQYW2";

    #[test]
    fn every_mistake_is_reported_with_its_place() {
        let mistakes = wrong(
            "site \"shop\" {\n  host = [\"a\"]\n  maintenance = \"shut\"\n  dns \"terraform\" {\n    dir = env(\"NOWHERE\")\n  }\n}\nstores {\n}\n",
        );
        assert_eq!(
            mistakes,
            [
                "2:3 `host` is not known here",
                "3:17 `shut` is not a mode: open, read-only, hold, closed or detour",
                "5:11 the environment has no NOWHERE",
                "8:1 `stores` is not known here",
            ]
        );
    }

    #[test]
    fn a_folder_without_anything_to_switch_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        assert!(matches!(load(folder.path(), &|_| None), Err(Error::Nothing(_))));
        assert!(matches!(
            load(&folder.path().join("none"), &|_| None),
            Err(Error::Unreadable { .. })
        ));
    }
}
