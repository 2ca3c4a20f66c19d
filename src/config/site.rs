//! A `site` block -> what is switched, and by which levers.

use std::path::PathBuf;

use hcl_edit::structure::{Block, Body};

use super::dns;
use super::read::Reader;
use super::records::SwitchedRecord;
use crate::switch::Mode;

/// One site of the configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SiteConfig {
    /// Its name; `None` for a bare folder, whose site is named like its first moved record.
    pub name: Option<String>,
    /// Its host names, if given.
    pub hosts: Vec<String>,
    /// What `maintenance_mode = true` means; `None` for the strictest that the levers offer.
    pub maintenance: Option<Mode>,
    /// Where its name's two targets are learned.
    pub dns: Option<DnsSource>,
    /// Where Terraform or the pipeline reads the boolean.
    pub variable: VariableWay,
}

/// Where the records and their two targets are learned.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DnsSource {
    /// From a folder of `.tf` files.
    Terraform {
        /// The root module's folder.
        dir: PathBuf,
        /// The boolean, where it is not `maintenance_mode`.
        variable: Option<String>,
        /// Whose credentials move the record.
        account: Account,
    },
    /// Written out in roadworks.hcl.
    Records {
        /// The records.
        records: Vec<SwitchedRecord>,
        /// Whose credentials move them.
        account: Account,
    },
}

/// The credentials of one lever; all empty means the standard chain.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Account {
    /// A profile of `~/.aws/config`.
    pub profile: Option<String>,
    /// The region.
    pub region: Option<String>,
    /// The ARN of a role to take on.
    pub assume_role: Option<String>,
}

/// Where the boolean is written so that it tells the truth.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum VariableWay {
    /// In `roadworks.auto.tfvars.json` beside the `.tf`: the default, if there is a folder of `.tf` files.
    Tfvars {
        /// Whether roadworks.hcl says so, several workspaces notwithstanding.
        chosen: bool,
    },
    /// By a command.
    Command(Vec<String>),
    /// Nowhere: somebody else keeps it in agreement.
    None,
}

const ATTRIBUTES: [&str; 2] = ["hosts", "maintenance"];
const BLOCKS: [&str; 2] = ["dns", "variable"];

/// Reads `site "name" { .. }`.
pub(super) fn read<'a>(reader: &mut Reader<'a>, block: &'a Block) -> Option<SiteConfig> {
    let labels = reader.labels(block, &["name"])?;
    let name = labels.first().map(|&name| name.to_owned());
    if name.as_deref() == Some("") {
        reader.wrong(&block.ident, "a site's name is not empty");
    }
    reader.only(&block.body, &ATTRIBUTES, &BLOCKS, &[]);
    let hosts = reader.texts(&block.body, "hosts").unwrap_or_default();
    let maintenance = maintenance(reader, &block.body);
    let dns = block.body.get_blocks("dns").next().and_then(|block| dns::read(reader, block));
    if block.body.get_blocks("dns").next().is_none() {
        reader.wrong(&block.ident, "the site has no lever: it needs a `dns` block");
    }
    let variable = block.body.get_blocks("variable").next();
    let variable = match variable {
        Some(block) => variable_way(reader, block),
        None => VariableWay::Tfvars { chosen: false },
    };
    Some(SiteConfig { name, hosts, maintenance, dns, variable })
}

fn maintenance(reader: &mut Reader<'_>, body: &Body) -> Option<Mode> {
    let word = reader.text(body, "maintenance")?;
    let attribute = body.get_attribute("maintenance")?;
    match word.parse::<Mode>() {
        Ok(Mode::Open) => reader.wrong(&attribute.value, "maintenance is not `open`"),
        Ok(Mode::Detour) => return Some(Mode::Detour),
        Ok(mode) => reader.wrong_with(
            &attribute.value,
            format!("the site cannot be put into `{mode}`: its only lever is `dns`"),
            Some("say maintenance = \"detour\", or leave it out".to_owned()),
        ),
        Err(error) => reader.wrong(&attribute.value, error.to_string()),
    }
    None
}

fn variable_way<'a>(reader: &mut Reader<'a>, block: &'a Block) -> VariableWay {
    reader.labels(block, &[]);
    reader.only(&block.body, &["tfvars", "command", "none"], &[], &[]);
    let tfvars = reader.boolean(&block.body, "tfvars");
    let none = reader.boolean(&block.body, "none");
    let command = reader.command(&block.body, "command");
    match (tfvars, command, none) {
        (Some(true), None, None) => VariableWay::Tfvars { chosen: true },
        (None, Some(command), None) if !command.is_empty() => VariableWay::Command(command),
        (None, None, Some(true)) => VariableWay::None,
        _ => {
            reader.wrong_with(
                &block.ident,
                "a `variable` block says one thing",
                Some("tfvars = true, command = [\"program\", ..], command = \"a line for the shell\" or none = true".to_owned()),
            );
            VariableWay::None
        }
    }
}
