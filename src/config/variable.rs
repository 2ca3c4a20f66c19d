//! A `variable` block -> where the boolean is written so that it tells the truth, and a `pipeline` block -> which pipeline must
//! not undo the maintenance.

use hcl_edit::structure::Block;

use super::dns::account;
use super::read::Reader;
use super::site::Account;

const ACCOUNT: [&str; 3] = ["profile", "region", "assume_role"];
/// What a `variable` block may say, one of them.
const WAYS: [&str; 6] = ["tfvars", "command", "none", "ssm", "pipeline", "codebuild"];
const EXAMPLES: &str = "tfvars = true, ssm = \"/shop/maintenance_mode\", pipeline = \"shop-deploy\", codebuild = \"shop-terraform\", command = [\"program\", ..], command = \"a line for the shell\" or none = true";
/// The longest name of a pipeline, of a stage and of a pipeline's variable (`CodePipeline` API reference); of a parameter with its
/// path (Systems Manager); of a project (`CodeBuild`).
const LONGEST: [(&str, usize); 4] =
    [("ssm", 1011), ("pipeline", 100), ("codebuild", 150), ("variable", 128)];

/// Where the boolean is written so that it tells the truth.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum VariableWay {
    /// In `roadworks.auto.tfvars.json` beside the `.tf`: the default, if there is a folder of `.tf` files.
    Tfvars {
        /// Whether roadworks.hcl says so, several workspaces notwithstanding.
        chosen: bool,
    },
    /// In a parameter of Systems Manager.
    Ssm {
        /// `/shop/maintenance_mode`
        parameter: String,
        /// Whose credentials write it.
        account: Account,
    },
    /// In the default of a pipeline's variable.
    Pipeline {
        /// The pipeline's name.
        pipeline: String,
        /// The variable of the pipeline; `None` where it is named like the boolean.
        variable: Option<String>,
        /// Whose credentials write it.
        account: Account,
    },
    /// In the environment of a `CodeBuild` project.
    CodeBuild {
        /// The project's name.
        project: String,
        /// The variable of the environment; `None` where it is `TF_VAR_` and the boolean.
        name: Option<String>,
        /// Whose credentials write it.
        account: Account,
    },
    /// By a command.
    Command(Vec<String>),
    /// Nowhere: somebody else keeps it in agreement.
    None,
}

impl VariableWay {
    /// Whether it can be written without a folder of `.tf` files that has the boolean.
    pub(super) fn stands_alone(&self) -> bool {
        match self {
            VariableWay::Ssm { .. }
            | VariableWay::Pipeline { .. }
            | VariableWay::CodeBuild { .. }
            | VariableWay::None => true,
            VariableWay::Tfvars { .. } | VariableWay::Command(_) => false,
        }
    }
}

/// Which pipeline must not undo the maintenance.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PipelineConfig {
    /// Its name.
    pub name: String,
    /// The stage that runs Terraform.
    pub stage: Option<String>,
    /// Whether nothing enters that stage while the site is not open.
    pub freeze: Freeze,
    /// The pipeline's variable that `pipeline start` sets; `None` where it is named like the boolean.
    pub variable: Option<String>,
    /// Whose credentials.
    pub account: Account,
}

/// Whether a stage is closed during maintenance.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Freeze {
    /// Nothing enters it while the site is not open.
    WhileNotOpen,
    /// Never: the upgrade itself may run in it.
    Never,
}

/// Reads `variable { .. }`.
pub(super) fn read<'a>(reader: &mut Reader<'a>, block: &'a Block) -> VariableWay {
    reader.labels(block, &[]);
    let known: Vec<_> = WAYS.into_iter().chain(["variable", "name"]).chain(ACCOUNT).collect();
    reader.only(&block.body, &known, &[], &[]);
    let said: Vec<_> =
        WAYS.into_iter().filter(|way| block.body.get_attribute(way).is_some()).collect();
    let [said] = said.as_slice() else { return several(reader, block) };
    let beside: &[&str] = match *said {
        "ssm" => &[],
        "pipeline" => &["variable"],
        "codebuild" => &["name"],
        _ => return plain(reader, block),
    };
    for key in ["variable", "name"].into_iter().filter(|key| !beside.contains(key)) {
        if let Some(attribute) = block.body.get_attribute(key) {
            let message = format!("`{key}` does not go with `{said}`");
            reader.wrong(&attribute.value, message);
        }
    }
    let account = account(reader, block);
    let named = |reader: &mut Reader<'a>, key| name(reader, block, key);
    let way = match *said {
        "ssm" => named(reader, "ssm").map(|parameter| VariableWay::Ssm { parameter, account }),
        "pipeline" => named(reader, "pipeline").map(|pipeline| VariableWay::Pipeline {
            pipeline,
            variable: named(reader, "variable"),
            account,
        }),
        _ => named(reader, "codebuild").map(|project| VariableWay::CodeBuild {
            project,
            name: reader.text(&block.body, "name"),
            account,
        }),
    };
    way.unwrap_or(VariableWay::None)
}

/// The ways that need no AWS.
fn plain<'a>(reader: &mut Reader<'a>, block: &'a Block) -> VariableWay {
    let beside = ["variable", "name"].into_iter().chain(ACCOUNT);
    for attribute in beside.filter_map(|key| block.body.get_attribute(key)) {
        let message = "only `ssm`, `pipeline` and `codebuild` have more to say".to_owned();
        reader.wrong(&attribute.key, message);
    }
    let tfvars = reader.boolean(&block.body, "tfvars");
    let none = reader.boolean(&block.body, "none");
    let command = reader.command(&block.body, "command");
    match (tfvars, command, none) {
        (Some(true), None, None) => VariableWay::Tfvars { chosen: true },
        (None, Some(command), None) if !command.is_empty() => VariableWay::Command(command),
        (None, None, Some(true)) => VariableWay::None,
        _ => several(reader, block),
    }
}

fn several<'a>(reader: &mut Reader<'a>, block: &'a Block) -> VariableWay {
    let message = "a `variable` block says one thing";
    reader.wrong_with(&block.ident, message, Some(EXAMPLES.to_owned()));
    VariableWay::None
}

/// A name in AWS, which is no ARN.
fn name<'a>(reader: &mut Reader<'a>, block: &'a Block, key: &'static str) -> Option<String> {
    let longest = LONGEST.iter().find(|(of, _)| *of == key).map_or(100, |(_, longest)| *longest);
    reader.parsed(&block.body, key, |text| {
        let own = if key == "ssm" { "_.-/" } else { "_.-@" };
        let fits = |one: char| one.is_ascii_alphanumeric() || own.contains(one);
        if text.starts_with("arn:") {
            let last = text.rsplit(['/', ':']).next().unwrap_or_default();
            return Err(format!("`{key}` is a name, not an ARN: for example \"{last}\"; `region` and `assume_role` say where it is"));
        }
        if text.is_empty() || text.len() > longest || !text.chars().all(fits) {
            return Err(format!("`{key}` is a name of 1 to {longest} letters, digits and {own}"));
        }
        Ok(text.to_owned())
    })
}

/// Reads `pipeline "codepipeline" { .. }`.
pub(super) fn read_pipeline<'a>(
    reader: &mut Reader<'a>,
    block: &'a Block,
) -> Option<PipelineConfig> {
    let labels = reader.labels(block, &["kind"])?;
    let kind = labels.first().copied().unwrap_or_default();
    if kind != "codepipeline" {
        let message = format!("there is no pipeline lever \"{kind}\"");
        reader.wrong_with(&block.ident, message, Some("known: \"codepipeline\"".to_owned()));
        return None;
    }
    let known: Vec<_> =
        ["name", "stage", "freeze", "variable"].into_iter().chain(ACCOUNT).collect();
    reader.only(&block.body, &known, &[], &[]);
    let freeze = match reader.boolean(&block.body, "freeze") {
        Some(true) => Freeze::WhileNotOpen,
        Some(false) | None => Freeze::Never,
    };
    let stage = name(reader, block, "stage");
    if freeze == Freeze::WhileNotOpen && block.body.get_attribute("stage").is_none() {
        reader.wrong(&block.ident, "`freeze` needs the `stage` that nothing is to enter");
    }
    let variable = name(reader, block, "variable");
    let account = account(reader, block);
    reader.needed(block, "name")?;
    let name = name(reader, block, "name")?;
    Some(PipelineConfig { name, stage, freeze, variable, account })
}

#[cfg(test)]
mod tests {
    use super::super::rig::{good, wrong, wrong_and_hints};
    use super::*;

    fn site(blocks: &str) -> String {
        format!("site \"shop\" {{\ndns \"terraform\" {{}}\n{blocks}\n}}\n")
    }

    #[test]
    fn each_place_of_the_boolean_is_read_with_whose_credentials() {
        let way = |lines: &str| {
            good(&site(&format!("variable {{\n{lines}\n}}"))).sites[0].variable.clone()
        };
        let account = Account { region: Some("eu-central-1".to_owned()), ..Account::default() };
        assert_eq!(
            way("ssm = \"/shop/maintenance_mode\"\nregion = \"eu-central-1\""),
            VariableWay::Ssm { parameter: "/shop/maintenance_mode".to_owned(), account }
        );
        assert!(
            matches!(way("pipeline = \"p\"\nvariable = \"down\""), VariableWay::Pipeline { variable: Some(name), .. } if name == "down")
        );
        assert!(matches!(way("codebuild = \"p\""), VariableWay::CodeBuild { name: None, .. }));
    }

    #[test]
    fn a_parameter_needs_no_folder_of_terraform_and_a_file_does() {
        let records = "dns \"route53\" {\nzone_id = \"Z1\"\nname = \"a.example.com\"\nlive {\nrecords = [\"192.0.2.1\"]\n}\nmaintenance {\nrecords = [\"192.0.2.2\"]\n}\n}";
        let with =
            |variable: &str| format!("site \"s\" {{\n{records}\nvariable {{\n{variable}\n}}\n}}\n");
        good(&with("ssm = \"/s/mm\""));
        assert!(wrong(&with("tfvars = true"))[0].contains("nothing here has a boolean"));
    }

    #[test]
    fn what_is_no_name_or_does_not_belong_there_is_told() {
        for (lines, told) in [
            ("ssm = \"arn:aws:ssm:eu-central-1:123456789012:parameter/shop/mm\"", "not an ARN"),
            ("ssm = \"/shop/mm:3\"", "is a name of"),
            ("ssm = \"/shop/mm\"\nname = \"x\"", "`name` does not go with `ssm`"),
            ("tfvars = true\nregion = \"x\"", "have more to say"),
            ("ssm = \"/shop/mm\"\ncodebuild = \"x\"", "says one thing"),
        ] {
            let mistakes = wrong(&site(&format!("variable {{\n{lines}\n}}")));
            assert!(mistakes.len() == 1 && mistakes[0].contains(told), "{lines}: {mistakes:?}");
        }
    }

    #[test]
    fn a_stage_that_is_to_be_closed_has_a_name() {
        let pipeline = |lines: &str| site(&format!("pipeline \"codepipeline\" {{\n{lines}\n}}"));
        let read = good(&pipeline("name = \"p\"")).sites[0].pipeline.clone().unwrap();
        assert_eq!((read.freeze, read.stage), (Freeze::Never, None));
        let mistakes = wrong(&pipeline("name = \"p\"\nfreeze = true"));
        assert!(mistakes[0].contains("needs the `stage`"), "{mistakes:?}");
        assert!(wrong(&pipeline("stage = \"Deploy\""))[0].contains("needs `name`"));
        let other = wrong_and_hints(&site("pipeline \"jenkins\" {}"));
        assert!(other[0].contains("known: \"codepipeline\""), "{other:?}");
    }
}
