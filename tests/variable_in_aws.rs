//! The boolean where a pipeline in AWS reads it: a parameter, the default of a pipeline's variable, a project's environment.

use std::process::Command;
use std::sync::mpsc;

use serde_json::{Value, json};

use crate::support::command::Ran;
use crate::support::emulator::{aws_cli, ministack, moto};
use crate::support::json::{Cloud, Fault, Json, Parameter, Pipeline};
use crate::support::route53::{self, Route53, Verb};
use crate::support::site::{LIVE, MAINTENANCE, Site, TOLD, live, maintenance, upsert};

const NAME: &str = "/shop/maintenance_mode";

/// The seed's folder at a strict Route 53, with this `variable` block and what else AWS has.
struct Rig {
    route53: Route53,
    json: Json,
    site: Site,
}

impl Rig {
    fn new(variable: &str) -> Rig {
        let route53 = Route53::start();
        let site = Site::at(&route53.endpoint());
        write(&site, variable);
        Rig { route53, json: Json::start(), site }
    }

    /// With a parameter that says `value`.
    fn parameter(kind: &'static str, value: &str) -> Rig {
        let rig = Rig::new(&format!("ssm = \"{NAME}\""));
        let description = Some("read by the pipeline".to_owned());
        let parameter = Parameter { kind, value: value.to_owned(), version: 7, description };
        rig.json.cloud(|cloud| cloud.parameters.insert(NAME.to_owned(), parameter));
        rig
    }

    /// With a pipeline of this type.
    fn pipeline(kind: &str) -> Rig {
        let rig = Rig::new("pipeline = \"shop-deploy\"");
        let pipeline = Pipeline::new("shop-deploy", kind);
        rig.json.cloud(|cloud| cloud.pipelines.insert("shop-deploy".to_owned(), pipeline));
        rig
    }

    fn run(&self, words: &[&str]) -> Ran {
        crate::support::command::run(&mut self.json.around(self.site.command(words)))
    }

    fn said(&self) -> Parameter {
        self.json.cloud(|cloud| cloud.parameters[NAME].clone())
    }

    /// Fails the test unless nothing has moved and the switch is as before.
    #[track_caller]
    fn nothing_moved(&self) {
        assert!(self.route53.batches().is_empty());
        assert_eq!(self.site.leads_to(), LIVE);
        let status = self.run(&["status", "-json"]).exits(0).json();
        assert_eq!((&status["desired"], &status["phase"]), (&"open".into(), &"settled".into()));
    }
}

fn write(site: &Site, variable: &str) {
    let dns = "dns \"terraform\" {\n    dir = \".\"\n  }";
    site.write(
        "roadworks.hcl",
        &format!("site \"shop\" {{\n  {dns}\n  variable {{\n    {variable}\n  }}\n}}\n"),
    );
}

#[test]
fn a_parameter_is_true_before_the_record_moves_and_false_again_on_the_way_back() {
    let rig = Rig::parameter("String", "false");
    let (tell, told) = mpsc::channel();
    let json = rig.json.clone();
    let look = move |_: &mut route53::Cloud| {
        let value = json.cloud(|cloud: &mut Cloud| cloud.parameters[NAME].value.clone());
        tell.send(value).unwrap();
    };
    rig.route53.fault(Verb::Change, 1, route53::Fault::meddle(look));
    let plan = rig.run(&["plan", "detour", "-json"]).exits(0).json();
    let step = &plan["steps"][0];
    assert_eq!((&step["lever"], &step["kind"]), (&"variable".into(), &"ssm".into()));
    assert_eq!((&step["target"], &step["after"]), (&NAME.into(), &true.into()));
    rig.run(&["detour", "--yes"]).exits(0);
    assert_eq!(told.recv().unwrap(), "true", "when the record moved");
    assert_eq!(rig.site.leads_to(), MAINTENANCE);
    let said = rig.said();
    assert_eq!((said.version, said.kind), (8, "String"));
    assert_eq!(said.description.as_deref(), Some("read by the pipeline"), "it is said again");
    rig.run(&["detour", "--yes"]).exits(0);
    assert_eq!(rig.said().version, 8, "it is written once");
    rig.run(&["open", "--yes"]).exits(0);
    assert_eq!(rig.site.leads_to(), LIVE);
    assert_eq!((rig.said().value.as_str(), rig.said().version), ("false", 9));
    assert!(rig.site.read(TOLD).is_none());
    rig.json.conforms();
}

#[test]
fn a_parameter_that_is_no_boolean_or_cannot_be_read_or_is_not_there_moves_nothing() {
    for (kind, value, code) in [
        ("String", "yes", "variable-neither"),
        ("StringList", "true", "variable-neither"),
        ("SecureString", "sealed", "pipeline-unread"),
    ] {
        let rig = Rig::parameter(kind, value);
        rig.route53.forget();
        let error = rig.run(&["detour", "--yes", "-json"]).exits(3).error();
        assert_eq!(error["code"], code, "{error:#}");
        assert!(!error["message"].to_string().contains("yes"), "it may be a secret: {error:#}");
        rig.nothing_moved();
        assert!(rig.json.asked("PutParameter").is_empty());
    }
    let rig = Rig::new(&format!("ssm = \"{NAME}\""));
    rig.route53.forget();
    let error = rig.run(&["detour", "--yes", "-json"]).exits(3).error();
    assert_eq!(error["code"], "variable-absent");
    assert!(error["hint"].to_string().contains("aws ssm put-parameter"), "{error:#}");
    rig.nothing_moved();
}

#[test]
fn a_secret_parameter_that_can_be_read_stays_one() {
    let rig = Rig::parameter("SecureString", "false");
    rig.run(&["detour", "--yes"]).exits(0);
    assert_eq!((rig.said().kind, rig.said().value.as_str()), ("SecureString", "true"));
    assert_eq!(rig.json.asked("PutParameter")[0]["Type"], "SecureString");
}

#[test]
fn somebody_who_writes_the_parameter_at_the_same_time_is_told_and_the_same_command_again_ends_it() {
    let rig = Rig::parameter("String", "false");
    rig.json.meddle("PutParameter", |cloud| cloud.put(NAME, "false"));
    rig.route53.forget();
    let error = rig.run(&["detour", "--yes", "-json"]).exits(5).error();
    assert!(error["message"].to_string().contains("somebody else wrote"), "{error:#}");
    assert!(rig.route53.batches().is_empty());
    rig.run(&["detour", "--yes"]).exits(0);
    assert_eq!((rig.site.leads_to().as_str(), rig.said().value.as_str()), (MAINTENANCE, "true"));
}

/// Somebody writes between the look and the write: what they wrote is not overwritten unseen.
#[test]
fn a_parameter_that_was_moved_since_it_was_seen_is_left_alone() {
    let rig = Rig::parameter("String", "false");
    rig.run(&["plan", "detour", "-out", "tonight.plan"]).exits(0);
    rig.json.cloud(|cloud| cloud.put(NAME, "true"));
    rig.route53.forget();
    let error = rig.run(&["apply", "tonight.plan", "-json"]).exits(3).error();
    assert_eq!(error["code"], "stale-plan", "{error:#}");
    assert!(rig.route53.batches().is_empty());
    assert_eq!(rig.said().version, 8);
}

#[test]
fn a_lost_answer_is_read_back_and_one_that_is_too_busy_is_asked_again() {
    let rig = Rig::parameter("String", "false");
    rig.json.fault("PutParameter", Fault::Throttling);
    rig.json.fault("PutParameter", Fault::Throttling);
    rig.json.fault("PutParameter", Fault::Cut);
    rig.run(&["detour", "--yes"]).exits(0);
    assert_eq!((rig.said().value.as_str(), rig.said().version), ("true", 8), "written once");
    assert_eq!(rig.site.leads_to(), MAINTENANCE);
}

#[test]
fn without_the_right_or_with_an_expired_token_nothing_moves() {
    for (fault, operation) in [
        (Fault::AccessDenied, "GetParameter"),
        (Fault::ExpiredToken, "PutParameter"),
        (Fault::AccessDenied, "PutParameter"),
    ] {
        let rig = Rig::parameter("String", "false");
        rig.json.fault(operation, fault);
        rig.route53.forget();
        let error = rig.run(&["detour", "--yes", "-json"]).exits(4).error();
        assert_eq!(error["code"], "credentials", "{error:#}");
        rig.nothing_moved();
        assert_eq!((rig.said().value.as_str(), rig.said().version), ("false", 7));
    }
}

#[test]
fn a_record_that_must_not_move_takes_the_parameter_back() {
    let rig = Rig::parameter("String", "false");
    rig.route53.fault(Verb::Change, 1, route53::Fault::AccessDenied);
    rig.run(&["detour", "--yes"]).exits(4);
    assert_eq!((rig.said().value.as_str(), rig.said().version), ("false", 9), "there and back");
    assert_eq!(rig.site.leads_to(), LIVE);
}

#[test]
fn a_service_that_is_away_refuses_unless_the_rule_is_set_aside() {
    let rig = Rig::parameter("String", "false");
    let away = |words: &[&str]| {
        let mut command = rig.json.around(rig.site.command(words));
        crate::support::command::run(command.env("AWS_ENDPOINT_URL_SSM", "http://127.0.0.1:1"))
    };
    let error = away(&["detour", "--yes", "-json"]).exits(3).error();
    assert_eq!(error["code"], "pipeline-unread");
    away(&["status"]).exits(0);
    let words = ["detour", "--yes", "--override=pipeline-unread", "--reason", "the region is down"];
    away(&words).exits(0);
    assert_eq!(rig.site.leads_to(), MAINTENANCE);
    assert_eq!(rig.said().version, 7);
}

#[test]
fn the_default_of_a_pipelines_variable_is_all_that_changes_of_it_and_what_runs_goes_on() {
    let rig = Rig::pipeline("V2");
    let before = rig.json.pipeline("shop-deploy", |pipeline| {
        pipeline.ticks = 1_000;
        pipeline.begin(std::collections::BTreeMap::new(), "");
        pipeline.definition["of_tomorrow"] = json!({ "kept": [1, null] });
        pipeline.definition.clone()
    });
    rig.run(&["detour", "--yes"]).exits(0);
    assert_eq!(rig.site.leads_to(), MAINTENANCE);
    let after = rig.json.pipeline("shop-deploy", |pipeline| {
        assert_eq!(pipeline.executions[0].status, "InProgress");
        pipeline.definition.clone()
    });
    let wanted = |value: &str, version: u32| {
        let mut wanted: Value = before.clone();
        wanted["variables"][1]["defaultValue"] = json!(value);
        wanted["version"] = json!(version);
        wanted
    };
    assert_eq!(after, wanted("true", 4));
    rig.run(&["open", "--yes"]).exits(0);
    assert_eq!(rig.json.pipeline("shop-deploy", |p| p.definition.clone()), wanted("false", 5));
}

#[test]
fn a_run_of_the_pipeline_in_between_changes_nothing() {
    let rig = Rig::pipeline("V2");
    let (site, zone_id) = (rig.site.endpoint.clone(), rig.site.zone_id.clone());
    let pipeline = Pipeline::new("shop-deploy", "V2").working(move |variables| {
        let on = variables["maintenance_mode"] == "true";
        upsert(&site, &zone_id, &if on { maintenance() } else { live() });
        true
    });
    rig.json.cloud(|cloud| cloud.pipelines.insert("shop-deploy".to_owned(), pipeline));
    let run_of_a_commit = || {
        rig.json.pipeline("shop-deploy", |pipeline| {
            pipeline.begin(std::collections::BTreeMap::new(), "");
            (0..9).for_each(|_| pipeline.tick());
            assert!(pipeline.executions.iter().all(|one| one.status == "Succeeded"));
        });
    };
    rig.run(&["detour", "--yes"]).exits(0);
    run_of_a_commit();
    assert_eq!(rig.site.leads_to(), MAINTENANCE);
    rig.run(&["open", "--yes"]).exits(0);
    run_of_a_commit();
    assert_eq!(rig.site.leads_to(), LIVE);
}

#[test]
fn a_pipeline_that_can_have_no_such_default_moves_nothing() {
    let rig = Rig::pipeline("V1");
    rig.route53.forget();
    let error = rig.run(&["detour", "--yes", "-json"]).exits(3).error();
    assert_eq!(error["code"], "pipeline-v1");
    assert!(error["hint"].to_string().contains("pipeline_type"), "{error:#}");
    rig.nothing_moved();
    let rig = Rig::pipeline("V2");
    rig.route53.forget();
    rig.json.pipeline("shop-deploy", |pipeline| {
        pipeline.definition["stages"][0]["actions"][0]["configuration"] =
            json!({ "OAuthToken": "****" });
    });
    let error = rig.run(&["detour", "--yes", "-json"]).exits(3).error();
    assert_eq!(error["code"], "pipeline-masked");
    rig.json.pipeline("shop-deploy", |pipeline| {
        pipeline.definition["stages"][0]["actions"][0]["configuration"] = json!({});
        pipeline.definition["variables"] = json!([]);
    });
    let error = rig.run(&["detour", "--yes", "-json"]).exits(3).error();
    assert_eq!(error["code"], "variable-absent");
    rig.nothing_moved();
    assert!(rig.json.asked("UpdatePipeline").is_empty());
}

#[test]
fn somebody_who_writes_the_pipeline_at_the_same_time_is_told() {
    let rig = Rig::pipeline("V2");
    rig.json.meddle("UpdatePipeline", |cloud| {
        let pipeline = cloud.pipelines.get_mut("shop-deploy").unwrap();
        pipeline.definition["version"] = json!(9);
    });
    rig.route53.forget();
    let error = rig.run(&["detour", "--yes", "-json"]).exits(5).error();
    assert!(error["message"].to_string().contains("somebody else wrote"), "{error:#}");
    assert!(rig.route53.batches().is_empty());
}

#[test]
fn the_environment_of_a_project_keeps_all_but_the_one_value() {
    let rig = Rig::new("codebuild = \"shop-terraform\"");
    let environment = |value: &str| {
        json!({ "type": "LINUX_CONTAINER", "image": "aws/codebuild/standard:7.0", "computeType": "BUILD_GENERAL1_SMALL", "environmentVariables": [
            { "name": "TOKEN", "value": "/shop/token", "type": "PARAMETER_STORE" },
            { "name": "TF_VAR_maintenance_mode", "value": value, "type": "PLAINTEXT" },
        ] })
    };
    let held = || rig.json.cloud(|cloud| cloud.projects["shop-terraform"].clone());
    rig.json
        .cloud(|cloud| cloud.projects.insert("shop-terraform".to_owned(), environment("false")));
    rig.run(&["detour", "--yes"]).exits(0);
    assert_eq!((rig.site.leads_to().as_str(), held()), (MAINTENANCE, environment("true")));
    rig.run(&["open", "--yes"]).exits(0);
    assert_eq!((rig.site.leads_to().as_str(), held()), (LIVE, environment("false")));
    rig.json.conforms();
    let mut reference = environment("false");
    reference["environmentVariables"][1]["type"] = json!("PARAMETER_STORE");
    rig.json.cloud(|cloud| cloud.projects.insert("shop-terraform".to_owned(), reference));
    let error = rig.run(&["detour", "--yes", "-json"]).exits(3).error();
    assert_eq!(error["code"], "variable-neither");
    assert!(error["hint"].to_string().contains("ssm"), "{error:#}");
}

/// A parameter of an emulator, by AWS's own command line.
fn ssm(endpoint: &str, words: &[&str]) -> String {
    let out = Command::new(aws_cli())
        .args(["--endpoint-url", endpoint, "--region", "us-east-1", "--output", "text", "ssm"])
        .args(words)
        .env("AWS_ACCESS_KEY_ID", "test")
        .env("AWS_SECRET_ACCESS_KEY", "test")
        .output()
        .unwrap();
    let ran = Ran::from(out).exits(0);
    ran.stdout.trim().to_owned()
}

#[test]
fn the_parameters_of_both_emulators_are_written_like_ours() {
    for (endpoint, of) in [(ministack(), "ministack"), (moto(), "moto")] {
        let route53 = Route53::start();
        let site = Site::at(&route53.endpoint());
        let name = format!("/shop-{}/maintenance_mode", std::process::id());
        write(&site, &format!("ssm = \"{name}\""));
        ssm(&endpoint, &["put-parameter", "--name", &name, "--type", "String", "--value", "false"]);
        let run = |words: &[&str]| {
            let mut command = site.command(words);
            crate::support::command::run(command.env("AWS_ENDPOINT_URL_SSM", &endpoint))
        };
        let says = || {
            let query = "Parameter.[Value,Type,Version]";
            ssm(&endpoint, &["get-parameter", "--name", &name, "--query", query])
        };
        run(&["detour", "--yes"]).exits(0);
        assert_eq!(
            (site.leads_to().as_str(), says().as_str()),
            (MAINTENANCE, "true\tString\t2"),
            "{of}"
        );
        run(&["open", "--yes"]).exits(0);
        assert_eq!((site.leads_to().as_str(), says().as_str()), (LIVE, "false\tString\t3"), "{of}");
    }
}

/// Where Roadworks reads no Terraform, and a pipeline does.
#[test]
fn records_that_are_written_out_have_a_parameter_too_and_a_pipeline_that_is_started() {
    let rig = Rig::parameter("String", "false");
    let zone_id = &rig.site.zone_id;
    let dns = format!(
        "dns \"route53\" {{\n zone_id = \"{zone_id}\"\n name = \"app.example.com\"\n live {{\n alias = \"{LIVE}\"\n zone_id = \"Z215JYRZR1TBD5\"\n }}\n maintenance {{\n alias = \"{MAINTENANCE}\"\n }}\n}}"
    );
    let variable = format!("variable {{ ssm = \"{NAME}\" }}");
    let block = "pipeline \"codepipeline\" { name = \"shop-deploy\" }";
    rig.site.write("roadworks.hcl", &format!("site \"shop\" {{\n{dns}\n{variable}\n{block}\n}}\n"));
    rig.run(&["detour", "--yes"]).exits(0);
    assert_eq!((rig.site.leads_to().as_str(), rig.said().value.as_str()), (MAINTENANCE, "true"));
    rig.run(&["open", "--yes"]).exits(0);
    assert_eq!((rig.site.leads_to().as_str(), rig.said().value.as_str()), (LIVE, "false"));
    let (site, zone_id) = (rig.site.endpoint.clone(), zone_id.clone());
    let pipeline = Pipeline::new("shop-deploy", "V2").working(move |variables| {
        upsert(
            &site,
            &zone_id,
            &if variables["maintenance_mode"] == "true" { maintenance() } else { live() },
        );
        true
    });
    rig.json.cloud(|cloud| cloud.pipelines.insert("shop-deploy".to_owned(), pipeline));
    let start = ["pipeline", "start", "-var", "maintenance_mode=true", "--yes", "-json"];
    let started = rig.run(&start).exits(0).json();
    assert_eq!((&started["verified"], &started["position"]), (&true.into(), &"maintenance".into()));
}

#[test]
fn each_block_of_the_docs_is_a_configuration() {
    let rig = Rig::new("none = true");
    std::fs::create_dir(rig.site.folder().join("infra")).unwrap();
    for file in ["main.tf", "terraform.tfvars", "terraform.tfstate"] {
        let infra = rig.site.folder().join("infra").join(file);
        std::fs::copy(rig.site.folder().join(file), infra).unwrap();
    }
    let mut tried = 0;
    for page in ["variable.md", "pipeline.md"] {
        let text =
            std::fs::read_to_string(format!("{}/docs/{page}", env!("CARGO_MANIFEST_DIR"))).unwrap();
        let blocks = text.split("```hcl\n").skip(1).filter_map(|rest| rest.split("```").next());
        for block in blocks.filter(|block| block.starts_with("site ")) {
            rig.site.write("roadworks.hcl", block);
            let ran = rig.run(&["log", "-json"]);
            assert_eq!(ran.code, Some(0), "{page}: {block}\n{ran:#?}");
            tried += 1;
        }
    }
    assert!(tried >= 7, "{tried}");
}
