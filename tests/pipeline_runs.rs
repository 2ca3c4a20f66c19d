//! `pipeline start` and `follow`: the seed's own way, with proof that the record really moved.

use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use crate::support::command::{Ran, interruptible, run};
use crate::support::emulator::{aws_cli, moto};
use crate::support::json::{Json, Pipeline};
use crate::support::route53::Route53;
use crate::support::site::{LIVE, MAINTENANCE, Site, live, maintenance};

const NAME: &str = "shop-deploy";
const START: [&str; 5] = ["pipeline", "start", "-var", "maintenance_mode=true", "--yes"];

/// How the Terraform in the pipeline does.
#[derive(Clone, Copy, PartialEq)]
enum Terraform {
    Works,
    Fails,
    MovesAndFails,
    DoesNothing,
}

struct Rig {
    _route53: Route53,
    json: Json,
    site: Arc<Site>,
}

fn configured(site: &Site, name: &str) {
    let dns = "dns \"terraform\" {\n    dir = \".\"\n  }";
    let pipeline = format!("pipeline \"codepipeline\" {{\n    name = \"{name}\"\n  }}");
    site.write("roadworks.hcl", &format!("site \"shop\" {{\n  {dns}\n  {pipeline}\n}}\n"));
}

impl Rig {
    fn new(kind: &str, terraform: Terraform) -> Rig {
        let route53 = Route53::start();
        let site = Arc::new(Site::at(&route53.endpoint()));
        configured(&site, NAME);
        let shared = Arc::clone(&site);
        let pipeline = Pipeline::new(NAME, kind).working(move |variables| {
            let on = variables.get("maintenance_mode").is_some_and(|value| value == "true");
            if matches!(terraform, Terraform::Works | Terraform::MovesAndFails) {
                shared.upsert(&if on { maintenance() } else { live() });
            }
            matches!(terraform, Terraform::Works | Terraform::DoesNothing)
        });
        let json = Json::start();
        json.cloud(|cloud| cloud.pipelines.insert(NAME.to_owned(), pipeline));
        Rig { _route53: route53, json, site }
    }

    fn command(&self, words: &[&str]) -> Command {
        self.json.around(self.site.command(words))
    }

    fn run(&self, words: &[&str]) -> Ran {
        run(&mut self.command(words))
    }

    fn statuses(&self) -> Vec<&'static str> {
        self.json
            .pipeline(NAME, |pipeline| pipeline.executions.iter().map(|one| one.status).collect())
    }
}

#[test]
fn it_is_started_with_the_variable_followed_stage_by_stage_and_the_record_is_looked_at() {
    let rig = Rig::new("V2", Terraform::Works);
    let ran = rig.run(&START).exits(0);
    for told in [
        "Started 00000001",
        "stage Source: Succeeded",
        "stage Deploy: InProgress",
        "stage Deploy: Succeeded",
    ] {
        assert!(ran.stderr.contains(told), "{told}: {ran:#?}");
    }
    assert!(ran.stdout.contains("maintenance: alias to d111111abcdef8.cloudfront.net"), "{ran:#?}");
    let page = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/pipeline.md");
    let page = std::fs::read_to_string(page).unwrap();
    let all = ran.stderr.replace("Next:", &format!("{}Next:", ran.stdout));
    assert!(page.contains(&all), "docs/pipeline.md shows another run than this: {all}");
    assert_eq!(rig.site.leads_to(), MAINTENANCE);
    let back = ["pipeline", "start", "-var", "maintenance_mode=false", "--yes", "-json"];
    let back = rig.run(&back).exits(0).json();
    assert_eq!((&back["verified"], &back["position"]), (&true.into(), &"live".into()));
    assert_eq!(back["stages"][1]["status"], "Succeeded");
    assert_eq!(rig.site.leads_to(), LIVE);
    rig.json.conforms();
}

#[test]
fn how_it_ends_is_the_exit_code() {
    for (terraform, exit, code) in [
        (Terraform::Fails, 1, "run-failed"),
        (Terraform::MovesAndFails, 6, "run-failed-after-moving"),
        (Terraform::DoesNothing, 1, "record-not-moved"),
    ] {
        let rig = Rig::new("V2", terraform);
        let error = rig.run(&[&START[..], &["-json"]].concat()).exits(exit).error();
        assert_eq!(error["code"], code, "{error:#}");
        let message = error["message"].to_string();
        assert_eq!(
            message.contains("terraform apply: exit status 1"),
            exit == 6 || code == "run-failed",
            "{message}"
        );
    }
}

#[test]
fn one_that_a_newer_one_replaced_is_told() {
    let rig = Rig::new("V2", Terraform::Works);
    rig.json.pipeline(NAME, |pipeline| pipeline.deploy().disable("change freeze", "arn:bo"));
    let child = rig
        .command(&[&START[..], &["-json"]].concat())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let waits = || rig.json.pipeline(NAME, |pipeline| !pipeline.deploy().waiting.is_empty());
    until(waits);
    rig.json.pipeline(NAME, |pipeline| pipeline.begin(std::collections::BTreeMap::new(), ""));
    let ran = Ran::from(child.wait_with_output().unwrap()).exits(1);
    assert_eq!(ran.error()["code"], "run-superseded");
}

#[test]
fn a_pipeline_without_variables_is_refused_with_the_fix_and_nothing_starts() {
    let rig = Rig::new("V1", Terraform::Works);
    let error = rig.run(&[&START[..], &["-json"]].concat()).exits(3).error();
    assert_eq!(error["code"], "pipeline-v1");
    assert!(error["hint"].to_string().contains("pipeline_type = "), "{error:#}");
    assert!(rig.statuses().is_empty());
    // Without a variable there is nothing that it could not have.
    let plain = rig.run(&["pipeline", "start", "--yes", "-json"]).exits(0).json();
    assert_eq!((&plain["status"], &plain["verified"]), (&"Succeeded".into(), &false.into()));
}

#[test]
fn nobody_is_asked_off_a_terminal_and_nothing_starts() {
    let rig = Rig::new("V2", Terraform::Works);
    let error =
        rig.run(&["pipeline", "start", "-var", "maintenance_mode=true", "-json"]).exits(3).error();
    assert_eq!(error["code"], "not-confirmed");
    rig.run(&["pipeline", "start"]).exits(3);
    assert!(rig.statuses().is_empty());
}

#[test]
fn an_execution_outlives_whoever_follows_it_and_is_followed_again() {
    let rig = Rig::new("V2", Terraform::Works);
    rig.json.pipeline(NAME, |pipeline| pipeline.ticks = 1_000);
    let error = rig.run(&[&START[..], &["--timeout", "1s", "-json"]].concat()).exits(5).error();
    assert_eq!(error["code"], "still-runs");
    assert!(error["hint"].to_string().contains("roadworks pipeline follow 00000001"), "{error:#}");
    let child = rig.command(&["pipeline", "follow", "00000001-0000-4000-8000-000000000000"]);
    let mut child = interruptible(&child);
    let child = child.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let polls = rig.json.asked("GetPipelineExecution").len();
    until(|| rig.json.asked("GetPipelineExecution").len() > polls + 1);
    let killed = Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap();
    assert!(killed.success());
    let ran = Ran::from(child.wait_with_output().unwrap()).exits(130);
    assert!(ran.stderr.contains("still runs"), "{ran:#?}");
    assert_eq!(rig.statuses(), ["InProgress"], "nobody stopped it");
    assert!(rig.json.asked("StopPipelineExecution").is_empty());
    rig.json.pipeline(NAME, |pipeline| {
        pipeline.ticks = 0;
        pipeline.hurry();
    });
    let followed =
        rig.run(&["pipeline", "follow", "00000001-0000-4000-8000-000000000000", "-json"]);
    let followed = followed.exits(0).json();
    assert_eq!(followed["verified"], true, "{followed:#}");
    assert_eq!(rig.site.leads_to(), MAINTENANCE);
}

fn until(so: impl Fn() -> bool) {
    let began = roadworks::clock::monotonic();
    while !so() {
        assert!(roadworks::clock::monotonic().duration_since(began) < Duration::from_secs(30));
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// What moto is right about: starts, executions and their values. Its executions end at once, and it has no state of stages.
#[test]
fn it_is_started_in_moto_and_a_record_that_did_not_move_is_told() {
    let route53 = Route53::start();
    let site = Site::at(&route53.endpoint());
    let name = format!("shop-{}", std::process::id());
    configured(&site, &name);
    let endpoint = moto();
    let aws = |words: &[&str]| {
        let out = Command::new(aws_cli())
            .args(["--endpoint-url", &endpoint, "--region", "us-east-1"])
            .args(words)
            .env("AWS_ACCESS_KEY_ID", "test")
            .env("AWS_SECRET_ACCESS_KEY", "test")
            .output();
        Ran::from(out.unwrap())
    };
    let trust = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Service":"codepipeline.amazonaws.com"},"Action":"sts:AssumeRole"}]}"#;
    // There already where another test was quicker.
    aws(&["iam", "create-role", "--role-name", "pipeline", "--assume-role-policy-document", trust]);
    let definition = Pipeline::new(&name, "V2").definition;
    aws(&["codepipeline", "create-pipeline", "--pipeline", &definition.to_string()]).exits(0);
    let mut command = site.command(&[&START[..], &["-json"]].concat());
    let error = run(command.env("AWS_ENDPOINT_URL_CODEPIPELINE", &endpoint)).exits(1).error();
    assert_eq!(error["code"], "record-not-moved", "{error:#}");
    let list =
        aws(&["codepipeline", "list-pipeline-executions", "--pipeline-name", &name]).exits(0);
    assert_eq!(list.json()["pipelineExecutionSummaries"].as_array().map(Vec::len), Some(1));
}
