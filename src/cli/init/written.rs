//! What was found -> the text of a roadworks.hcl. Each key has its reason beside it; what was not found stands in a comment.

use std::fmt::Write as _;

use super::found::Found;
use super::terraform::Switch;

const HEAD: &str = "\
# Written by `roadworks init` from what it found here; docs/configuration.md lists all keys.
# `roadworks doctor` tries everything that stands here, and says how to put right what is not.

# Where the switch, the log and the pinned targets are kept. Everybody who moves the site uses the same store.
# Leave it out of version control.
# store { url = \"file://.roadworks\" }
";

const PAGE: &str = "
  # What visitors read while they may not pass; see it with `roadworks page preview`.
  # page {
  #   message = \"We are moving to a bigger database.\"
  #   contact = \"help@example.com\"
  # }
";

/// The file's text.
pub(super) fn text(found: &Found) -> String {
    let mut text = format!("{HEAD}\nsite {} {{\n", quoted(&found.site));
    text.push_str(&hosts(found));
    if let Some(switch) = &found.terraform {
        // Behind listeners that answer by themselves a gateway would let in nobody.
        let closes = switch.rule.is_some() && found.listen.is_none();
        if switch.moves_a_name() {
            text.push_str(&dns(switch));
        }
        if closes {
            text.push_str(&balancer(switch));
        }
        if switch.moves_a_name() || closes {
            text.push_str(&variable(switch));
        }
    }
    match found.listen {
        Some(port) => text.push_str(&gateway(found, port)),
        None => text.push_str(GATEWAY_LATER),
    }
    text.push_str(PAGE);
    text.push_str("}\n");
    text
}

fn hosts(found: &Found) -> String {
    if found.hosts.is_empty() {
        return "  # The host names that visitors use; without them the gateway answers for every name.\n  \
                # hosts = [\"shop.example.com\"]\n"
            .to_owned();
    }
    let hosts = found.hosts.iter().map(|host| quoted(host)).collect::<Vec<_>>().join(", ");
    format!(
        "  # The host names that visitors use. The first is typed to confirm a detour.\n  hosts = [{hosts}]\n"
    )
}

fn dns(switch: &Switch) -> String {
    let mut text = format!("\n  # The name's lever: {}.\n", commented(&switch.said()));
    text.push_str(
        "  # Nothing in the .tf has to change; `roadworks plan` shows what a flip would do.\n",
    );
    let _infallible = writeln!(
        text,
        "  dns \"terraform\" {{\n    dir = {}",
        quoted(&switch.dir.display().to_string())
    );
    match &switch.variable {
        Some(variable) => {
            let _infallible =
                writeln!(text, "\n    # The boolean.\n    variable = {}", quoted(variable));
        }
        None => text.push_str(
            "\n    # The boolean, where it is not maintenance_mode.\n    # variable = \"closed\"\n",
        ),
    }
    text.push_str(
        "\n    # Whose credentials move the record; by default the standard chain's.\n    # profile = \"dns\"\n  }\n",
    );
    text
}

fn balancer(switch: &Switch) -> String {
    let said = commented(&switch.said());
    let mut text = format!(
        "\n  # The load balancer's lever: {said}. Roadworks answers what that rule says.\n"
    );
    if switch.moves_a_name() {
        text.push_str("  balancer \"terraform\" {}\n");
        return text;
    }
    let dir = quoted(&switch.dir.display().to_string());
    let variable = switch.variable.as_deref().map(quoted).unwrap_or_default();
    let _infallible = writeln!(
        text,
        "  # Nothing in the .tf has to change; `roadworks plan` shows what a flip would do.\n  balancer \"terraform\" {{\n    dir = {dir}\n\n    # The boolean.\n    variable = {variable}\n\n    # Networks from which testers pass a closed listener.\n    # from = [\"203.0.113.0/24\"]\n  }}"
    );
    text
}

fn variable(switch: &Switch) -> String {
    let why = "
  # Where Terraform reads the boolean, so that its next apply agrees with a flip. By default in a file beside the .tf; a
  # pipeline that runs elsewhere is told by a command, with the value in ROADWORKS_VALUE. docs/variable.md
  #   command = \"aws ssm put-parameter --overwrite --type String --name /shop/maintenance_mode --value $ROADWORKS_VALUE\"
";
    let block = "variable { tfvars = true }";
    // With other workspaces the file would speak to them too: that is for a person to say.
    if switch.alone { format!("{why}  {block}\n") } else { format!("{why}  # {block}\n") }
}

fn gateway(found: &Found, port: u16) -> String {
    let upstreams = found.upstreams.iter().map(|upstream| quoted(&upstream.url));
    let upstreams = upstreams.collect::<Vec<_>>().join(", ");
    let from = found.upstreams.iter().map(|upstream| commented(&upstream.from));
    let from = from.collect::<Vec<_>>().join(", ");
    format!(
        "
  # What stands in front of the app, and lets requests wait or refuses them: `roadworks serve` runs it.
  gateway {{
    # Visitors, or their load balancer, come here. Behind one, listen at \"0.0.0.0:{port}\" and name its networks.
    listen = [\"127.0.0.1:{port}\"]
    # trusted_proxies = [\"10.0.0.0/8\"]

    # The app: {from}.
    upstreams = [{upstreams}]

    health {{
      # Where the load balancer asks after the gateway: a path that no visitor asks for.
      lb_path = \"/healthz\"
      # Where the app is asked; by default a connection is enough.
      # upstream_path = \"/up\"
    }}

    # How long a request waits in a hold, at most 300 s. Below the load balancer's idle timeout, which is 60 s by default.
    hold {{ patience = \"20s\" }}

    # What a read is, where the method does not tell.
    # read_only {{
    #   reads  = [\"/search\"]
    #   writes = [\"/unsubscribe\"]
    # }}

    # Testers, who pass in every mode: make the key with `openssl rand -hex 32`, then see `roadworks bypass`.
    # bypass {{ key = env(\"BYPASS_KEY\") }}
  }}
"
    )
}

const GATEWAY_LATER: &str = "
  # With a gateway in front of the app the site has gentler modes too: read-only, hold and closed. docs/topology.md
  # gateway {
  #   listen    = [\"127.0.0.1:8080\"]
  #   upstreams = [\"http://127.0.0.1:3000\"]
  #   health { lb_path = \"/healthz\" }
  # }
";

/// A literal of HCL: nothing in it is a template.
fn quoted(text: &str) -> String {
    let mut literal = String::from("\"");
    for c in text.chars() {
        match c {
            '"' => literal.push_str("\\\""),
            '\\' => literal.push_str("\\\\"),
            '\n' => literal.push_str("\\n"),
            '\r' => literal.push_str("\\r"),
            '\t' => literal.push_str("\\t"),
            c if c.is_control() => {
                let _infallible = write!(literal, "\\u{:04x}", u32::from(c));
            }
            c => literal.push(c),
        }
    }
    literal.push('"');
    literal.replace("${", "$${").replace("%{", "%%{")
}

/// On one line, as a comment needs it.
fn commented(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::super::found::Upstream;
    use super::*;
    use crate::config::{self, Config, DnsSource, VariableWay};

    fn loaded(found: &Found) -> Config {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join(config::FILE_NAME), text(found)).unwrap();
        config::load(folder.path(), &|_| None)
            .unwrap_or_else(|error| panic!("{error}:\n{}", text(found)))
    }

    fn app() -> Found {
        let from = "somebody\nsaid so".to_owned();
        Found {
            site: "shop".to_owned(),
            upstreams: vec![Upstream { url: "http://127.0.0.1:3000".to_owned(), from }],
            listen: Some(8080),
            ..Found::default()
        }
    }

    fn switch(dir: &str) -> Switch {
        Switch {
            dir: PathBuf::from(dir),
            variable: Some("maintenance_mode".to_owned()),
            records: vec!["app.example.com A".to_owned()],
            rule: None,
            hosts: vec!["app.example.com".to_owned()],
            alone: true,
        }
    }

    #[test]
    fn what_is_written_is_what_was_found() {
        let config = loaded(&app());
        let site = config.site(Some("shop")).unwrap();
        let gateway = site.gateway.as_ref().unwrap();
        assert_eq!(gateway.upstreams[0].to_string(), "http://127.0.0.1:3000");
        assert_eq!(gateway.listen[0].port(), 8080);
        assert!(site.dns.is_none() && site.hosts.is_empty() && site.warnings.is_empty());

        let both = Found { terraform: Some(switch("infra")), hosts: switch("").hosts, ..app() };
        let config = loaded(&both);
        let site = config.site(None).unwrap();
        let Some(DnsSource::Terraform { dir, variable, .. }) = &site.dns else { panic!() };
        assert!(dir.ends_with("infra") && variable.as_deref() == Some("maintenance_mode"));
        assert_eq!(site.hosts, ["app.example.com"]);
        assert_eq!(site.variable, VariableWay::Tfvars { chosen: true });
        assert!(site.gateway.is_some());
    }

    #[test]
    fn a_rule_of_terraforms_closes_a_site_that_no_gateway_closes() {
        let rule = || Some("aws_lb_listener_rule.down[0]".to_owned());
        let closes = |switch: Switch, listen| {
            let found = Found { terraform: Some(switch), listen, ..app() };
            let site = loaded(&found).site(None).unwrap().clone();
            let folder = site.terraform().map(|folder| folder.dir.to_owned());
            (site.dns.is_some(), site.balancer.is_some(), folder)
        };
        let infra = |folder: Option<PathBuf>| folder.is_some_and(|dir| dir.ends_with("infra"));
        let both = Switch { rule: rule(), ..switch("infra") };
        let (dns, balancer, folder) = closes(both.clone(), None);
        assert!(dns && balancer && infra(folder));
        let alone = Switch { records: Vec::new(), ..both.clone() };
        let (dns, balancer, folder) = closes(alone.clone(), None);
        assert!(!dns && balancer && infra(folder));
        let (dns, balancer, folder) = closes(both, Some(8080));
        assert!(dns && !balancer && infra(folder));
        assert_eq!(closes(alone, Some(8080)), (false, false, None));
    }

    #[test]
    fn a_folder_with_other_workspaces_does_not_choose_the_file_for_all_of_them() {
        let switch = Switch { alone: false, variable: None, ..switch(".") };
        let config = loaded(&Found { terraform: Some(switch), listen: None, ..app() });
        let site = config.site(None).unwrap();
        assert_eq!(site.variable, VariableWay::Tfvars { chosen: false });
        assert!(site.gateway.is_none());
    }

    #[test]
    fn no_name_of_a_folder_or_a_site_breaks_out_of_its_quotes() {
        for odd in ["a\"b", "${env(\"HOME\")}", "%{if true}", "back\\slash", "new\nline", "\u{1}"] {
            let found = Found { site: odd.to_owned(), terraform: Some(switch(odd)), ..app() };
            let config = loaded(&found);
            let site = config.site(None).unwrap();
            let Some(DnsSource::Terraform { dir, .. }) = &site.dns else { panic!() };
            assert!(dir.ends_with(odd), "{odd}: {dir:?}");
            assert_eq!(site.name.as_deref(), Some(odd));
        }
    }

    #[test]
    fn every_commented_block_is_right_once_its_signs_are_taken_off() {
        let text = text(&Found { terraform: Some(switch(".")), listen: None, ..app() });
        let spoken = text.replace("  # gateway", "  gateway").replace("  # page", "  page");
        let lines = spoken.lines().map(|line| line.strip_prefix("  #   ").unwrap_or(line));
        let lines = lines.map(|line| if line == "  # }" { "  }" } else { line });
        let lines = lines.filter(|line| !line.starts_with("command"));
        let folder = tempfile::tempdir().unwrap();
        let spoken = lines.collect::<Vec<_>>().join("\n");
        std::fs::write(folder.path().join(config::FILE_NAME), &spoken).unwrap();
        let config = config::load(folder.path(), &|_| None).unwrap();
        let site = config.site(None).unwrap();
        assert!(site.gateway.is_some() && site.page.message.is_some(), "{spoken}");
    }
}
