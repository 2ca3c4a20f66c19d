//! A stage of a pipeline that is closed while the site is not open, and those who wait before it.

use std::collections::BTreeMap;
use std::process::{Command, Stdio};
use std::sync::mpsc;
use std::time::Duration;

use roadworks::clock;

use serde_json::Value;

use crate::support::command::{Ran, interruptible, run};
use crate::support::json::{Fault, Json, Pipeline};
use crate::support::route53::{self, Route53, Verb};
use crate::support::site::{LIVE, MAINTENANCE, Site};

const NAME: &str = "shop-deploy";
const BLOCK: &str = "pipeline \"codepipeline\" {\n    name   = \"shop-deploy\"\n    stage  = \"Deploy\"\n    freeze = true\n  }";

struct Rig {
    route53: Route53,
    json: Json,
    site: Site,
}

impl Rig {
    fn new() -> Rig {
        let route53 = Route53::start();
        let site = Site::at(&route53.endpoint());
        let none = "variable {\n    none = true\n  }";
        let dns = "dns \"terraform\" {\n    dir = \".\"\n  }";
        site.write(
            "roadworks.hcl",
            &format!("site \"shop_eu\" {{\n  {dns}\n  {none}\n  {BLOCK}\n}}\n"),
        );
        let json = Json::start();
        json.cloud(|cloud| cloud.pipelines.insert(NAME.to_owned(), Pipeline::new(NAME, "V2")));
        Rig { route53, json, site }
    }

    fn run(&self, words: &[&str]) -> Ran {
        run(&mut self.json.around(self.site.command(words)))
    }

    fn pipeline<T>(&self, with: impl FnOnce(&mut Pipeline) -> T) -> T {
        self.json.pipeline(NAME, with)
    }

    /// Why the stage is closed, and by whom.
    fn closed(&self) -> Option<(String, String)> {
        self.pipeline(|pipeline| pipeline.deploy().disabled.clone())
    }

    /// An execution that comes by itself, and waits before the closed stage.
    fn comes(&self) -> String {
        let id = self.pipeline(|pipeline| pipeline.begin(BTreeMap::new(), ""));
        for _ in 0..10 {
            self.run(&["pipeline", "status"]).exits(0);
            if self.pipeline(|pipeline| pipeline.deploy().waiting.contains(&id)) {
                return id;
            }
        }
        panic!("{id} does not come to wait");
    }

    /// Somebody comes to wait before the stage while the record is moved.
    fn somebody_comes(&self) -> route53::Fault {
        let json = self.json.clone();
        route53::Fault::meddle(move |_: &mut route53::Cloud| {
            json.pipeline(NAME, |pipeline| {
                pipeline.begin(BTreeMap::new(), "");
                (0..3).for_each(|_| pipeline.tick());
            });
        })
    }

    /// An execution that is in the stage for as long as anybody looks.
    fn comes_in(&self) {
        self.pipeline(|pipeline| pipeline.begin(BTreeMap::new(), ""));
        self.run(&["pipeline", "status"]).exits(0);
        self.pipeline(Pipeline::busy);
    }

    /// As if the last move had been made long ago.
    fn settles(&self) {
        let folder = self.site.folder().join(".roadworks/shop_eu/switch.json");
        let mut switch: Value =
            serde_json::from_str(&std::fs::read_to_string(&folder).unwrap()).unwrap();
        switch["settles_after"] = 0.into();
        std::fs::write(&folder, switch.to_string()).unwrap();
    }
}

#[test]
fn nothing_enters_the_stage_from_before_the_record_moves_until_the_site_is_open() {
    let rig = Rig::new();
    let (tell, told) = mpsc::channel();
    let json = rig.json.clone();
    let look = move |_: &mut route53::Cloud| {
        tell.send(json.pipeline(NAME, |pipeline| pipeline.deploy().disabled.clone())).unwrap();
    };
    rig.route53.fault(Verb::Change, 1, route53::Fault::meddle(look));
    let plan = rig.run(&["plan", "detour", "-json"]).exits(0).json();
    let step = &plan["steps"][0];
    assert_eq!(
        (&step["lever"], &step["after"]),
        (&"pipeline".into(), &"frozen".into()),
        "{plan:#}"
    );
    rig.run(&["detour", "--yes"]).exits(0);
    let (reason, _) = told.recv().unwrap().expect("it was closed when the record moved");
    assert!(reason.starts_with("roadworks (site shop-eu 23c65277) "), "{reason}");
    let status = rig.run(&["status", "-json"]).exits(0).json();
    let lever = &status["levers"][1];
    assert_eq!((&lever["name"], &lever["position"]), (&"pipeline".into(), &"detour".into()));
    rig.run(&["open", "--yes"]).exits(0);
    assert_eq!((rig.closed(), rig.site.leads_to().as_str()), (None, LIVE));
    rig.json.conforms();
}

#[test]
fn a_transition_that_somebody_else_disabled_stays_disabled() {
    let rig = Rig::new();
    let theirs = ("change freeze".to_owned(), "arn:aws:iam::123456789012:user/bo".to_owned());
    rig.pipeline(|pipeline| pipeline.deploy().disable(&theirs.0, &theirs.1));
    let told = rig.run(&["detour", "--yes"]).exits(0);
    assert!(told.stderr.contains("was disabled by arn:aws:iam::123456789012:user/bo"), "{told:#?}");
    assert_eq!((rig.closed(), rig.site.leads_to().as_str()), (Some(theirs.clone()), MAINTENANCE));
    rig.run(&["open", "--yes"]).exits(0);
    assert_eq!((rig.closed(), rig.site.leads_to().as_str()), (Some(theirs), LIVE));
    let error = rig.run(&["pipeline", "release", "--yes", "-json"]).exits(3).error();
    assert!(error["message"].to_string().contains("visitors may have an old answer"), "{error:#}");
    rig.settles();
    let error = rig.run(&["pipeline", "release", "--yes", "-json"]).exits(3).error();
    assert_eq!(error["code"], "not-ours");
}

#[test]
fn who_waits_is_listed_by_open_and_kept_until_settled_and_confirmed() {
    let rig = Rig::new();
    rig.run(&["detour", "--yes"]).exits(0);
    let id = rig.comes();
    let status = rig.run(&["pipeline", "status"]).exits(0);
    assert!(status.stdout.contains(&format!("before it: {id}")), "{status:#?}");
    let error = rig.run(&["pipeline", "release", "--yes", "-json"]).exits(3).error();
    assert_eq!(error["code"], "not-open");
    let plan = rig.run(&["plan", "open", "-json"]).exits(0).json();
    assert!(plan["warnings"].to_string().contains(&id), "{plan:#}");
    let opened = rig.run(&["open", "--yes"]).exits(0);
    assert!(
        opened.stderr.contains(&id) && opened.stderr.contains("pipeline release"),
        "{opened:#?}"
    );
    assert_eq!(rig.site.leads_to(), LIVE);
    assert!(rig.closed().is_some());
    let status = rig.run(&["status"]).exits(0);
    assert!(status.stdout.contains("Next: roadworks pipeline release"), "{status:#?}");
    let again = rig.run(&["open", "--yes", "-json"]).exits(0).json();
    assert_eq!(again["kept"], serde_json::json!([id]));
    let error = rig.run(&["pipeline", "release", "--yes", "-json"]).exits(3).error();
    assert_eq!(error["code"], "not-settled");
    rig.settles();
    let error = rig.run(&["pipeline", "release", "-json"]).exits(3).error();
    assert_eq!(error["code"], "not-confirmed");
    assert!(rig.closed().is_some());
    let released = rig.run(&["pipeline", "release", "--yes", "-json"]).exits(0).json();
    assert_eq!(released["released"], serde_json::json!([id]));
    assert!(rig.closed().is_none());
    let log = rig.run(&["log"]).exits(0);
    assert!(log.stdout.contains("released") && log.stdout.contains(&id), "{log:#?}");
    rig.json.conforms();
}

/// The record moves between the plan and the stage, and somebody comes in that time.
#[test]
fn who_begins_to_wait_after_the_plan_is_kept_as_well() {
    let rig = Rig::new();
    rig.run(&["detour", "--yes"]).exits(0);
    rig.route53.fault(Verb::Change, 1, rig.somebody_comes());
    let opened = rig.run(&["open", "--yes"]).exits(0);
    assert_eq!(rig.site.leads_to(), LIVE);
    let waiting = rig.pipeline(|pipeline| pipeline.deploy().waiting.clone());
    assert!(rig.closed().is_some() && waiting.len() == 1, "{waiting:?}: {opened:#?}");
    assert!(opened.stderr.contains(&waiting[0]), "{opened:#?}");
}

#[test]
fn a_freeze_that_is_taken_back_lets_go_who_came_in_between() {
    let rig = Rig::new();
    // Seen twice more, it waits.
    rig.json.meddle("DisableStageTransition", |cloud| {
        cloud.pipelines.get_mut(NAME).unwrap().begin(BTreeMap::new(), "");
    });
    rig.route53.fault(Verb::Change, 1, route53::Fault::AccessDenied);
    rig.run(&["detour", "--yes"]).exits(4);
    assert_eq!((rig.closed(), rig.site.leads_to().as_str()), (None, LIVE));
}

#[test]
fn an_open_that_waits_for_settled_lets_them_go_where_it_was_told_yes() {
    let rig = Rig::new();
    rig.run(&["detour", "--yes"]).exits(0);
    rig.comes();
    rig.run(&["open", "--yes"]).exits(0);
    rig.settles();
    let opened = rig.run(&["open", "--yes", "--wait", "settled"]).exits(0);
    assert!(opened.stderr.contains("They go on now"), "{opened:#?}");
    assert!(rig.closed().is_none());
}

#[test]
fn one_waiting_execution_passes_and_the_stage_is_closed_again() {
    let rig = Rig::new();
    let error = rig.run(&["pipeline", "pass", "--yes", "-json"]).exits(3).error();
    assert_eq!(error["code"], "not-frozen");
    rig.run(&["detour", "--yes"]).exits(0);
    let error = rig.run(&["pipeline", "pass", "--yes", "-json"]).exits(3).error();
    assert_eq!(error["code"], "nobody-waits");
    let id = rig.comes();
    let unasked = rig.run(&["pipeline", "pass", "-json"]).exits(3).error();
    assert_eq!(unasked["code"], "not-confirmed");
    // Closing it again is tried more than once.
    rig.json.meddle("EnableStageTransition", |cloud| {
        cloud.fails("DisableStageTransition", 7);
    });
    let passed = rig.run(&["pipeline", "pass", "--yes"]).exits(0);
    assert!(passed.stdout.contains(&id), "{passed:#?}");
    let (reason, _) = rig.closed().expect("it is closed again");
    assert!(reason.starts_with("roadworks (site shop-eu 23c65277) "), "{reason}");
    let next = rig.comes();
    assert_ne!(next, id);
    rig.run(&["open", "--yes"]).exits(0);
    assert!(rig.closed().is_some(), "the next one waits");
}

/// What was sent to open it may take effect after it was read to be closed.
#[test]
fn a_pass_whose_opening_failed_closes_the_stage_all_the_same() {
    let rig = Rig::new();
    rig.run(&["detour", "--yes"]).exits(0);
    rig.comes();
    rig.json.fault("EnableStageTransition", Fault::AccessDenied);
    rig.run(&["pipeline", "pass", "--yes"]).exits(4);
    assert!(rig.closed().is_some());
    assert_eq!(rig.json.asked("DisableStageTransition").len(), 2);
}

#[test]
fn who_came_later_takes_the_place_of_who_waited() {
    let rig = Rig::new();
    rig.run(&["detour", "--yes"]).exits(0);
    let (first, second) = (rig.comes(), rig.comes());
    let status = rig.run(&["pipeline", "status", "-json"]).exits(0).json();
    let of = |id: &str| {
        let all = status["executions"].as_array().unwrap();
        all.iter().find(|one| one["id"] == id).unwrap()["status"].clone()
    };
    assert_eq!((of(&first), of(&second)), ("Superseded".into(), "InProgress".into()));
    assert_eq!(status["stages"][1]["waiting"], serde_json::json!([second]));
}

#[test]
fn a_pass_for_which_nobody_comes_closes_the_stage_again() {
    let rig = Rig::new();
    rig.run(&["detour", "--yes"]).exits(0);
    let id = rig.comes();
    // Whoever waited is gone in the moment that the stage opens.
    rig.json.meddle("EnableStageTransition", |cloud| {
        cloud.pipelines.get_mut(NAME).unwrap().deploy().waiting.clear();
    });
    let error =
        rig.run(&["pipeline", "pass", "--yes", "--timeout", "2s", "-json"]).exits(5).error();
    assert_eq!(error["code"], "gave-up", "{id}: {error:#}");
    assert!(rig.closed().is_some());
}

/// The stage is busy, so nobody enters while it is open.
#[test]
fn a_pass_that_somebody_ends_by_hand_closes_the_stage_again() {
    let rig = Rig::new();
    rig.pipeline(|pipeline| pipeline.ticks = 0);
    rig.comes_in();
    rig.run(&["detour", "--yes"]).exits(0);
    let id = rig.comes();
    let command = rig.json.around(rig.site.command(&["pipeline", "pass", "--yes"]));
    let mut command = interruptible(&command);
    let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let began = clock::monotonic();
    while rig.closed().is_some() {
        assert!(clock::monotonic().duration_since(began) < Duration::from_secs(30));
        std::thread::sleep(Duration::from_millis(5));
    }
    let told = Command::new("kill").args(["-TERM", &child.id().to_string()]).status().unwrap();
    assert!(told.success());
    Ran::from(child.wait_with_output().unwrap()).exits(143);
    assert!(rig.closed().is_some());
    assert_eq!(rig.pipeline(|pipeline| pipeline.deploy().waiting.clone()), [id]);
}

#[test]
fn a_service_that_is_too_busy_for_a_minute_moves_nothing_and_opening_is_not_held_up_by_it() {
    let rig = Rig::new();
    let busy = || (0..3).for_each(|_| rig.json.fault("GetPipelineState", Fault::Throttling));
    busy();
    rig.route53.forget();
    let error = rig.run(&["detour", "--yes", "-json"]).exits(3).error();
    assert_eq!(error["code"], "pipeline-unread", "{error:#}");
    assert!(rig.route53.batches().is_empty() && rig.closed().is_none());
    rig.run(&["detour", "--yes"]).exits(0);
    busy();
    rig.run(&["open", "--yes"]).exits(0);
    assert_eq!(rig.site.leads_to(), LIVE);
    assert!(rig.closed().is_some(), "it could not be seen");
    rig.run(&["open", "--yes"]).exits(0);
    assert!(rig.closed().is_none());
}

/// Whoever may move the name and not see the pipeline.
#[test]
fn without_the_right_to_see_the_pipeline_the_name_moves_where_the_rule_is_set_aside_and_back_anyway()
 {
    let rig = Rig::new();
    let denied = || rig.json.fault("GetPipelineState", Fault::AccessDenied);
    denied();
    rig.route53.forget();
    let error = rig.run(&["detour", "--yes", "-json"]).exits(3).error();
    assert_eq!(error["code"], "pipeline-unread", "{error:#}");
    assert!(rig.route53.batches().is_empty() && rig.closed().is_none());
    denied();
    let words = ["detour", "--yes", "--override=pipeline-unread", "--reason", "nobody has the key"];
    rig.run(&words).exits(0);
    assert_eq!(rig.site.leads_to(), MAINTENANCE);
    denied();
    rig.run(&["open", "--yes"]).exits(0);
    assert_eq!(rig.site.leads_to(), LIVE);
}

#[test]
fn a_pipeline_that_cannot_be_closed_moves_nothing_and_a_lost_answer_is_read_back() {
    let rig = Rig::new();
    rig.route53.forget();
    rig.json.fault("DisableStageTransition", Fault::AccessDenied);
    rig.run(&["detour", "--yes"]).exits(4);
    assert!(rig.route53.batches().is_empty() && rig.closed().is_none());
    rig.json.fault("DisableStageTransition", Fault::Throttling);
    rig.json.fault("DisableStageTransition", Fault::Cut);
    rig.run(&["detour", "--yes"]).exits(0);
    assert!(rig.closed().is_some());
    assert_eq!(rig.site.leads_to(), MAINTENANCE);
}

#[test]
fn a_record_that_must_not_move_opens_the_stage_again() {
    let rig = Rig::new();
    rig.route53.fault(Verb::Change, 1, route53::Fault::AccessDenied);
    rig.run(&["detour", "--yes"]).exits(4);
    assert_eq!((rig.closed(), rig.site.leads_to().as_str()), (None, LIVE));
}

#[test]
fn a_stage_that_cannot_be_opened_takes_nothing_back_of_what_visitors_have() {
    let rig = Rig::new();
    rig.run(&["detour", "--yes"]).exits(0);
    rig.json.fault("EnableStageTransition", Fault::ExpiredToken);
    let error = rig.run(&["open", "--yes", "-json"]).exits(5).error();
    assert!(error["message"].to_string().contains("may still be closed"), "{error:#}");
    assert_eq!(rig.site.leads_to(), LIVE);
    rig.run(&["open", "--yes"]).exits(0);
    assert_eq!((rig.closed(), rig.site.leads_to().as_str()), (None, LIVE));
}

#[test]
fn a_stage_that_is_not_there_is_named_with_those_that_are() {
    let rig = Rig::new();
    let text = rig.site.read("roadworks.hcl").unwrap().replace("\"Deploy\"", "\"Deplyo\"");
    rig.site.write("roadworks.hcl", &text);
    let error = rig.run(&["detour", "--yes", "-json"]).exits(3).error();
    assert_eq!(error["code"], "stage-absent");
    assert!(error["hint"].to_string().contains("Source, Deploy"), "{error:#}");
}

/// The lines of a console block in docs/pipeline.md that `command` is said to print, but for `..`.
fn shown(command: &str) -> Vec<String> {
    let page = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/pipeline.md");
    let page = std::fs::read_to_string(page).unwrap();
    let begin = page.find(&format!("$ roadworks {command}\n")).expect(command);
    let lines = page[begin..].lines().skip(1);
    let lines = lines.take_while(|line| !line.starts_with("```") && !line.starts_with("$ "));
    lines.filter(|line| !line.is_empty() && *line != "..").map(str::to_owned).collect()
}

#[test]
fn the_docs_show_what_is_printed() {
    let rig = Rig::new();
    let text = rig.site.read("roadworks.hcl").unwrap().replace("shop_eu", "shop");
    rig.site.write("roadworks.hcl", &text);
    let prints = |command: &str, words: &[&str]| {
        let ran = rig.run(words).exits(0);
        let said = format!("{}{}", ran.stdout, ran.stderr);
        for line in shown(command) {
            // An operation has another id each time.
            let (before, after) = line.split_once("op-6b0b741b-02ba160e").unwrap_or((&line, ""));
            assert!(said.contains(before) && said.contains(after), "{line}\n{said}");
        }
    };
    prints("detour --yes", &["detour", "--yes"]);
    rig.comes();
    prints("pipeline status", &["pipeline", "status"]);
    prints("open --yes", &["open", "--yes"]);
    rig.run(&["detour", "--yes"]).exits(0);
    prints("pipeline pass --yes", &["pipeline", "pass", "--yes"]);
    let doctor = rig.run(&["doctor", "-json"]);
    assert!(
        doctor.stdout.contains("shop-deploy has the variable maintenance_mode, false by default"),
        "{doctor:#?}"
    );
}
