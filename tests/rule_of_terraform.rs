//! The rule that Terraform's boolean makes, from outside: an unmodified folder of `.tf`, a load balancer with real traffic, and
//! runs of Terraform in between.

use std::path::Path;
use std::process::Command;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering::SeqCst;
use std::sync::{Arc, Mutex};

use serde_json::{Value, json};

use crate::support::app::App;
use crate::support::balancing::{Balancing, Through, strict, through};
use crate::support::command::{Ran, roadworks, run};
use crate::support::emulator::{aws_cli, ministack};
use crate::support::json::{Json, Pipeline};
use crate::support::site::{LIVE, LIVE_ZONE, MAINTENANCE, NAME, Site, TOLD};
use crate::support::terraform::Terraform;

const SHOP: &str = "shop.example.com";
const BLOG: &str = "blog.example.com";
const PAGE: &str = "Back soon.";
/// As people write it: the rule comes and goes with the boolean.
const STACK: &str = include_str!("rule_of_terraform/stack.tf");
const RULES: &str = include_str!("rule_of_terraform/rules.tf");

/// A load balancer, and the folder whose rule is to answer on it.
struct Stand {
    balancing: Balancing,
    folder: tempfile::TempDir,
}

impl Stand {
    /// With what Terraform made: the shop's rule at 20, the blog's at 30.
    fn new() -> Stand {
        Stand::at(&[80])
    }

    fn at(ports: &[u16]) -> Stand {
        let balancing = Balancing::start(&ministack(), ports);
        let stand = Stand { balancing, folder: tempfile::tempdir().unwrap() };
        let group = &stand.balancing.group;
        let blog = stand.balancing.group_for(&stand.balancing.other, "blog");
        for listener in &stand.balancing.listeners {
            stand.balancing.rule(listener, 20, (SHOP, ""), group);
            stand.balancing.rule(listener, 30, (BLOG, ""), &blog);
        }
        stand.write("rules.tf", RULES);
        stand.knows();
        stand
    }

    fn write(&self, name: &str, text: &str) {
        std::fs::write(self.folder.path().join(name), text).unwrap();
    }

    /// The state, after an apply.
    fn knows(&self) {
        let resource = |kind: &str, name: &str, attributes: Value| {
            json!({
                "mode": "managed", "type": kind, "name": name,
                "provider": "provider[\"registry.terraform.io/hashicorp/aws\"]",
                "instances": [{ "attributes": attributes }],
            })
        };
        let listeners = self.balancing.listeners.iter().zip(["web", "other"]);
        let listeners =
            listeners.map(|(arn, name)| resource("aws_lb_listener", name, json!({ "arn": arn })));
        let group = json!({ "arn": self.balancing.group });
        let group = resource("aws_lb_target_group", "web", group);
        let state = json!({
            "version": 4, "terraform_version": "1.11.4", "serial": 1, "lineage": "shop", "outputs": {},
            "resources": listeners.chain([group]).collect::<Vec<_>>(),
        });
        self.write("terraform.tfstate", &state.to_string());
    }

    fn run(&self, words: &[&str]) -> Ran {
        let mut command = roadworks(self.folder.path(), &self.balancing.endpoint, &[]);
        run(command.args(words))
    }

    fn get(&self, host: &str, header: Option<&str>) -> Through {
        self.balancing.get(80, host, "/basket", header)
    }

    fn rules(&self) -> Vec<(u32, String, &'static str)> {
        self.balancing.rules(&self.balancing.listeners[0])
    }

    /// What Terraform is told in this folder.
    fn told(&self) -> Option<Value> {
        let text = std::fs::read_to_string(self.folder.path().join(TOLD)).ok()?;
        Some(serde_json::from_str(&text).unwrap())
    }

    #[track_caller]
    fn is_closed(&self) {
        let refused = self.get(SHOP, None);
        assert_eq!((refused.status, refused.body.as_str()), (503, PAGE));
        assert_eq!(refused.kind, "text/plain", "as Terraform's rule says");
        assert_eq!(self.get(BLOG, None).status, 200, "another host is open");
        assert_eq!(self.told(), Some(json!({ "maintenance_mode": true })));
    }

    #[track_caller]
    fn is_open(&self) {
        assert_eq!(self.get(SHOP, None).status, 200);
        assert_eq!(self.told(), None);
    }

    /// A run of Terraform with the boolean true.
    fn terraform_closes(&self) -> String {
        self.balancing.answering(&self.balancing.listeners[0], 19, SHOP, ("503", PAGE))
    }
}

#[test]
fn an_unmodified_folder_closes_and_opens_and_answers_what_its_own_rule_says() {
    let stand = Stand::new();
    let before = stand.rules();
    stand.is_open();
    let plan = stand.run(&["plan", "-var", "maintenance_mode=true", "--json"]).exits(0).json();
    assert_eq!((&plan["site"], &plan["to"]), (&json!(SHOP), &json!("closed")));
    let step = &plan["steps"][0];
    assert_eq!((&step["lever"], &step["kind"]), (&json!("balancer"), &json!("alb")));
    assert_eq!(step["after"]["status"], 503);
    // 19 is Terraform's own, whenever it makes it.
    assert_eq!(
        (&step["after"]["testers"], &step["after"]["priorities"]),
        (&json!([17]), &json!([18]))
    );
    assert_eq!(stand.rules(), before, "a plan writes nothing");

    let closed = stand.run(&["close", "--yes", "--json"]).exits(0).json();
    assert_eq!((&closed["mode"], &closed["phase"]), (&json!("closed"), &json!("moved")));
    stand.is_closed();
    let header = stand.run(&["bypass", "--json"]).exits(0).json();
    let header = header["header"].as_str().unwrap().to_owned();
    assert_eq!(stand.get(SHOP, Some(&header)).status, 200, "testers pass");
    let status = stand.run(&["status", "--json"]).exits(0).json();
    assert_eq!((&status["site"], &status["mode"]), (&json!(SHOP), &json!("closed")));
    let again = stand.run(&["apply", "-var", "maintenance_mode=true", "-auto-approve"]).exits(0);
    assert!((again.stdout + &again.stderr).contains("No changes"));

    stand.run(&["open", "--yes"]).exits(0);
    stand.is_open();
    assert_eq!(stand.rules(), before, "not a rule is left");
    stand.run(&["apply", "-var", "maintenance_mode=true", "-auto-approve"]).exits(0);
    stand.is_closed();
    stand.run(&["apply", "-var", "maintenance_mode=false", "-auto-approve"]).exits(0);
    stand.is_open();
}

#[test]
fn a_run_of_terraform_in_between_is_told_of_and_its_own_rule_goes_only_by_name() {
    let stand = Stand::new();
    let before = stand.rules();
    stand.run(&["close", "--yes"]).exits(0);
    let header = stand.run(&["bypass", "--json"]).exits(0).json();
    let header = header["header"].as_str().unwrap().to_owned();
    stand.terraform_closes();
    stand.is_closed();
    let status = stand.run(&["status"]).exits(0);
    for words in ["CLOSED", "aws_lb_listener_rule.maintenance[0] of Terraform's at 19"] {
        assert!(status.stdout.contains(words), "`{words}` in {status:#?}");
    }
    assert_eq!(stand.get(SHOP, Some(&header)).status, 200, "testers pass all the same");
    let again = stand.run(&["plan", "close", "--json"]).exits(0).json();
    assert_eq!(again["changes"], false, "{again:#}");

    for words in [vec!["plan", "open"], vec!["open", "--yes"]] {
        let refused = stand.run(&words).exits(3);
        for told in [
            "closed-by-terraform",
            "aws_lb_listener_rule.maintenance[0]",
            "-var maintenance_mode=false",
        ] {
            assert!(refused.stderr.contains(told), "`{told}` in {refused:#?}");
        }
    }
    stand.is_closed();
    let word = "--override=closed-by-terraform";
    stand.run(&["open", "--yes", word, "--reason", "it is over"]).exits(0);
    stand.is_open();
    assert_eq!(stand.rules(), before, "not a rule is left, Terraform's neither");
    assert_eq!(stand.run(&["status", "--json"]).exits(0).json()["mode"], "open");
}

#[test]
fn the_document_shows_what_is_printed_and_its_rule_is_found() {
    let document = include_str!("../docs/balancer.md");
    let stand = Stand::new();
    let shown = |words: &[&str], code| {
        let ran = stand.run(words).exits(code);
        let text = format!("{}{}", ran.stdout, ran.stderr);
        format!(
            "$ roadworks {}\n{}",
            words.join(" "),
            text.replace(&stand.balancing.name, "shop-alb")
        )
    };
    let plan = shown(&["plan", "close"], 0);
    assert!(document.contains(plan.trim_end()), "docs/balancer.md does not show\n{plan}");
    stand.run(&["close", "--yes"]).exits(0);
    stand.terraform_closes();
    let refused = shown(&["open", "--yes"], 3);
    assert!(document.contains(refused.trim_end()), "docs/balancer.md does not show\n{refused}");
    let written = document.split("```hcl\nresource").nth(1).unwrap().split("```").next().unwrap();
    let own = RULES.split("resource").nth(2).unwrap();
    assert_eq!(written, own, "the rule of the document is the one that is tried");
}

/// Runs what a plan printed.
fn by_hand(stand: &Stand, commands: &str) {
    let tools = Path::new(&aws_cli()).parent().unwrap().to_owned();
    let path = format!("{}:{}", tools.display(), std::env::var("PATH").unwrap());
    let mut shell = Command::new("timeout");
    shell.args(["60s", "sh", "-eu", "-c", commands]).current_dir(stand.folder.path());
    shell.env("PATH", path).env("AWS_ENDPOINT_URL", &stand.balancing.endpoint);
    shell.env("AWS_ACCESS_KEY_ID", "test").env("AWS_SECRET_ACCESS_KEY", "test");
    shell.env("HOME", stand.folder.path());
    run(&mut shell).exits(0);
}

#[test]
fn the_commands_that_a_plan_prints_close_the_listener_and_open_it() {
    let stand = Stand::new();
    let before = stand.rules();
    let printed = |mode: &str| {
        let text = stand.run(&["plan", mode, "--as-aws-cli"]).exits(0).stdout;
        let (make, undo) = text.split_once("# and back").expect("there is a way back");
        (make.to_owned(), undo.to_owned())
    };
    let (close, back) = printed("close");
    assert!(!close.contains("X-Roadworks-Bypass"), "no secret: {close}");
    let gives = || (stand.get(SHOP, None).status, stand.get(BLOG, None).status);
    by_hand(&stand, &close);
    assert_eq!((gives(), stand.get(SHOP, None).body.as_str()), ((503, 200), PAGE));
    assert_eq!(stand.run(&["status", "--json"]).exits(0).json()["mode"], "closed", "it is ours");
    let (open, again) = printed("open");
    by_hand(&stand, &back);
    assert_eq!((gives(), stand.rules()), ((200, 200), before.clone()));
    by_hand(&stand, &close);
    let (open_now, _) = printed("open");
    assert_ne!(open, open_now, "each rule by its own ARN");
    by_hand(&stand, &open_now);
    assert_eq!((gives(), stand.rules()), ((200, 200), before));
    by_hand(&stand, &again);
    assert_eq!(gives(), (503, 200));
    stand.run(&["open", "--yes"]).exits(0);
    stand.is_open();
}

#[test]
fn what_terraform_took_away_itself_is_no_trouble_for_open() {
    let stand = Stand::new();
    let before = stand.rules();
    let own = stand.terraform_closes();
    let status = stand.run(&["status", "--json"]).exits(0).json();
    assert_eq!((&status["mode"], &status["desired"]), (&json!("closed"), &json!("open")));
    stand.run(&["close", "--yes"]).exits(0);
    stand.balancing.without(&own);
    stand.is_closed();
    stand.run(&["open", "--yes"]).exits(0);
    stand.is_open();
    assert_eq!(stand.rules(), before);
}

#[test]
fn a_night_without_a_state_goes_by_what_was_pinned() {
    let stand = Stand::new();
    stand.run(&["plan", "close"]).exits(0);
    std::fs::remove_file(stand.folder.path().join("terraform.tfstate")).unwrap();
    let closed = stand.run(&["close", "--yes", "--json"]).exits(0).json();
    assert!(closed["warnings"].to_string().contains("pinned"), "{closed:#}");
    stand.is_closed();
    stand.run(&["open", "--yes"]).exits(0);
    stand.is_open();
}

#[test]
fn a_run_of_the_pipeline_is_proven_by_the_rule_that_it_makes_and_takes_away() {
    let stand = Stand::new();
    let name = "shop-deploy";
    stand.write("roadworks.hcl", &format!("site \"shop\" {{\n  balancer \"terraform\" {{}}\n  pipeline \"codepipeline\" {{\n    name = \"{name}\"\n  }}\n}}\n"));
    let balancing = Arc::new(stand.balancing);
    let (made, works) = (Arc::new(Mutex::new(None)), Arc::new(AtomicBool::new(true)));
    let (shared, own, does) = (Arc::clone(&balancing), Arc::clone(&made), Arc::clone(&works));
    let pipeline = Pipeline::new(name, "V2").working(move |variables| {
        let on = variables.get("maintenance_mode").is_some_and(|value| value == "true");
        let mut made = own.lock().unwrap();
        match made.take() {
            _ if !does.load(SeqCst) => {}
            None if on => {
                let rule = shared.answering(&shared.listeners[0], 19, SHOP, ("503", PAGE));
                *made = Some(rule);
            }
            Some(rule) if !on => shared.without(&rule),
            other => *made = other,
        }
        true
    });
    let json = Json::start();
    json.cloud(|cloud| cloud.pipelines.insert(name.to_owned(), pipeline));
    let ran = |words: &[&str]| {
        let mut command = roadworks(stand.folder.path(), &balancing.endpoint, &[]);
        command.args(words);
        run(&mut json.around(command))
    };
    let start = |value: &str| {
        let variable = format!("maintenance_mode={value}");
        ran(&["pipeline", "start", "-var", &variable, "--yes"])
    };
    let told = start("true").exits(0);
    assert!(
        told.stdout.contains("the listener is closed: ") && told.stdout.contains("(as asked)"),
        "{told:#?}"
    );
    ran(&["close", "--yes"]).exits(0);
    ran(&["open", "--yes"]).exits(3);
    let told = start("false").exits(0);
    assert!(told.stdout.contains("503 at 18 (as asked)"), "ours close it still: {told:#?}");
    ran(&["open", "--yes"]).exits(0);
    works.store(false, SeqCst);
    let told = start("true").exits(1);
    assert!(told.stderr.contains("and yet the listener is open"), "{told:#?}");
}

#[test]
fn a_rule_on_two_listeners_for_every_host_sends_all_of_them_away_and_testers_nowhere() {
    let stand = Stand::at(&[80, 8080]);
    let (shop, page) = RULES.split_at(RULES.rfind("resource").unwrap());
    let (head, rest) = page.split_once("  condition {").unwrap();
    let (_, rest) = rest.split_once("  action {").unwrap();
    let listeners = "{ web = aws_lb_listener.web.arn, other = aws_lb_listener.other.arn }";
    let head = head
        .replace(
            "count        = var.maintenance_mode ? 1 : 0",
            &format!("for_each = var.maintenance_mode ? {listeners} : {{}}"),
        )
        .replace("= aws_lb_listener.web.arn\n", "= each.value\n");
    let away = "  action {\n    type = \"redirect\"\n    redirect {\n      host        = \"status.example.com\"\n      path        = \"/shop\"\n      status_code = \"HTTP_302\"\n    }\n  }\n}\n";
    assert!(rest.contains("fixed-response") && head.contains("each.value"));
    stand.write("rules.tf", &format!("{shop}{head}{away}"));
    let before: Vec<_> =
        stand.balancing.listeners.iter().map(|one| stand.balancing.rules(one)).collect();
    let gives = |header: Option<&str>| {
        [80, 8080].map(|port| {
            [SHOP, BLOG].map(|host| stand.balancing.get(port, host, "/x", header).status)
        })
    };
    let closed = stand.run(&["close", "--yes", "--json"]).exits(0).json();
    assert_eq!(
        closed["site"],
        json!(stand.balancing.name),
        "no host: named like the load balancer"
    );
    assert_eq!(gives(None), [[302, 302], [302, 302]]);
    let said = stand.run(&["bypass", "--json"]).exits(0).json();
    assert_eq!(gives(said["header"].as_str()), [[200, 200], [200, 200]]);
    let again = stand.run(&["plan", "close", "--json"]).exits(0).json();
    assert_eq!(again["changes"], false, "{again:#}");
    stand.run(&["open", "--yes"]).exits(0);
    assert_eq!(gives(None), [[200, 200], [200, 200]]);
    let after: Vec<_> =
        stand.balancing.listeners.iter().map(|one| stand.balancing.rules(one)).collect();
    assert_eq!(after, before);
}

#[test]
fn a_name_and_a_listener_behind_one_boolean_are_both_moved() {
    let stand = Stand::new();
    let site = Site::at(&stand.balancing.endpoint);
    let record = format!(
        "resource \"aws_route53_record\" \"shop\" {{\n  zone_id = \"{}\"\n  name = \"{NAME}\"\n  type = \"A\"\n  alias {{\n    name = var.maintenance_mode ? \"{MAINTENANCE}\" : \"{LIVE}\"\n    zone_id = var.maintenance_mode ? \"Z2FDTNDATAQYW2\" : \"{LIVE_ZONE}\"\n    evaluate_target_health = false\n  }}\n}}\n",
        site.zone_id
    );
    stand.write("record.tf", &record);
    let refused = stand.run(&["hold", "--yes"]).exits(3);
    assert!(refused.stderr.contains("`gateway` block"), "{refused:#?}");
    let plan = stand.run(&["plan", "-var", "maintenance_mode=true", "--json"]).exits(0).json();
    assert_eq!((&plan["site"], &plan["to"]), (&json!(NAME), &json!("detour")));
    let levers: Vec<_> =
        plan["steps"].as_array().unwrap().iter().map(|step| &step["lever"]).collect();
    assert_eq!(levers, ["balancer", "variable", "dns"], "visitors first, the name last");

    stand.run(&["close", "--yes"]).exits(0);
    assert_eq!((stand.get(SHOP, None).status, site.leads_to().as_str()), (503, LIVE));
    assert_eq!(stand.told(), None, "true would lead the name away");
    stand.run(&["detour", "--yes"]).exits(0);
    stand.is_closed();
    assert_eq!(site.leads_to(), MAINTENANCE);
    // Without its state the folder tells the record still, and the listener is known from before.
    std::fs::remove_file(stand.folder.path().join("terraform.tfstate")).unwrap();
    let opened = stand.run(&["open", "--yes", "--json"]).exits(0).json();
    assert!(opened["warnings"].to_string().contains("rule that was pinned"), "{opened:#}");
    stand.is_open();
    assert_eq!(site.leads_to(), LIVE);
}

#[test]
fn a_rule_that_terraform_only_changes_is_its_own_to_put_back() {
    let stand = Stand::new();
    let changes = RULES
        .replace("count        = var.maintenance_mode ? 1 : 0\n", "")
        .replace("priority     = 19", "priority     = var.maintenance_mode ? 19 : 40000");
    assert_ne!(changes, RULES);
    stand.write("rules.tf", &changes);
    let listener = &stand.balancing.listeners[0];
    let waits = stand.balancing.answering(listener, 40_000, SHOP, ("503", PAGE));
    let before = stand.rules();
    stand.run(&["close", "--yes"]).exits(0);
    stand.is_closed();
    stand.balancing.without(&waits);
    stand.terraform_closes();
    let refused = stand.run(&["open", "--yes"]).exits(3);
    assert!(!refused.stderr.contains("--override=closed-by-terraform --reason"), "{refused:#?}");
    let word = "--override=closed-by-terraform";
    let refused = stand.run(&["open", "--yes", word, "--reason", "try"]).exits(3);
    assert!(refused.stderr.contains("only Terraform can put it back"), "{refused:#?}");
    assert_eq!(stand.get(SHOP, None).status, 503);
    assert_eq!(stand.told(), Some(json!({ "maintenance_mode": true })), "nothing is half done");
    assert_eq!(before.len() + 2, stand.rules().len());
}

#[test]
fn init_writes_the_rule_that_it_finds_and_the_wrong_block_says_which_is_the_right_one() {
    let stand = Stand::new();
    let told = stand.run(&["init", "--json"]).exits(0).json();
    assert_eq!(told["terraform"]["rule"], "aws_lb_listener_rule.maintenance[0]", "{told:#}");
    assert_eq!(told["hosts"], json!([SHOP]));
    stand.run(&["close", "--yes"]).exits(0);
    stand.is_closed();
    stand.run(&["open", "--yes"]).exits(0);
    stand.is_open();
    let block = |text: &str| {
        stand.write("roadworks.hcl", &format!("site \"shop\" {{\n  {text}\n}}\n"));
        stand.run(&["plan", "--json"]).exits(1).error()
    };
    let error = block("dns \"terraform\" {}");
    assert_eq!(error["code"], "moves-nothing");
    assert!(error["hint"].as_str().unwrap().contains("balancer \"terraform\""), "{error:#}");
    stand.write("rules.tf", &RULES.replace("var.maintenance_mode ? 1 : 0", "1"));
    let record = "resource \"aws_route53_record\" \"a\" {\n  zone_id = \"Z1\"\n  name = \"a.x\"\n  type = \"A\"\n  ttl = var.maintenance_mode ? 1 : 2\n  records = [\"192.0.2.1\"]\n}\n";
    stand.write("record.tf", record);
    let error = block("balancer \"terraform\" {}");
    assert_eq!(error["message"], "variable \"maintenance_mode\" moves no listener's rule");
}

#[test]
fn a_site_of_roadworks_hcl_is_closed_by_the_same_rule_from_its_own_folder() {
    let stand = Stand::new();
    let own = stand.folder.path().join("ops");
    std::fs::create_dir(&own).unwrap();
    let configured = |more: &str| {
        let text = format!(
            "site \"shop\" {{\n  balancer \"terraform\" {{\n    dir = \"..\"\n{more}  }}\n}}\n"
        );
        std::fs::write(own.join("roadworks.hcl"), text).unwrap();
    };
    configured("    from = [\"192.0.2.0/24\"]\n");
    let ran = |words: &[&str]| {
        let mut command = roadworks(Path::new(&own), &stand.balancing.endpoint, &[]);
        run(command.args(words))
    };
    let plan = ran(&["plan", "close", "--json"]).exits(0).json();
    assert_eq!(plan["steps"][0]["after"]["testers"], json!([16, 17]), "{plan:#}");
    // ministack lets everybody pass a rule that asks for a network.
    configured("");
    let closed = ran(&["close", "--yes", "--json"]).exits(0).json();
    assert_eq!((&closed["site"], &closed["mode"]), (&json!("shop"), &json!("closed")));
    stand.is_closed();
    ran(&["open", "--yes"]).exits(0);
    stand.is_open();
}

/// With Terraform itself, which made the load balancer and its rules.
#[test]
fn after_close_a_run_in_between_and_open_terraform_sees_no_change() {
    let name = "rule_of_terraform::after_close_a_run_in_between_and_open_terraform_sees_no_change";
    let Some(terraform) = Terraform::here(name) else { return };
    let (emulator, app, folder) = (ministack(), App::start(), tempfile::tempdir().unwrap());
    let (aws, stack) = (strict(&emulator), format!("rule-{}", fastrand::u32(..1_000_000)));
    let write = |name: &str, text: &str| std::fs::write(folder.path().join(name), text).unwrap();
    write("stack.tf", STACK);
    write("rules.tf", RULES);
    let own = format!("stack = \"{stack}\"\napp = {}\n", app.address.port());
    write("terraform.tfvars", &own);
    let terraform = |words: &[&str]| terraform.run(folder.path(), &emulator, words);
    let ran = |words: &[&str]| run(roadworks(folder.path(), &aws, &[]).args(words));
    let get = || through((&emulator, &stack), (SHOP, 80), "/basket", None);
    terraform(&["init", "-no-color"]).exits(0);
    terraform(&["apply", "-auto-approve", "-no-color"]).exits(0);
    assert_eq!(get().status, 200);

    // What Terraform itself would do is what is found in its files.
    for (value, file) in [("false", "LIVE"), ("true", "MAINTENANCE")] {
        let (variable, plan) = (format!("maintenance_mode={value}"), format!("-out={file}.plan"));
        terraform(&["plan", "-no-color", "-lock=false", "-var", &variable, &plan]).exits(0);
        let shown = terraform(&["show", "-json", &format!("{file}.plan")]).exits(0);
        write(&format!("{file}.json"), &shown.stdout);
    }
    let found = ran(&["plan", "close", "--json"]).exits(0).json();
    let planned = ran(&["plan", "close", "--json", "-from-plans", "LIVE.json", "MAINTENANCE.json"]);
    assert_eq!(planned.exits(0).json()["steps"], found["steps"]);

    ran(&["close", "--yes"]).exits(0);
    assert_eq!((get().status, get().body.as_str()), (503, PAGE));
    let applied = terraform(&["apply", "-auto-approve", "-no-color"]).exits(0);
    assert!(applied.stdout.contains("1 added, 0 changed, 0 destroyed"), "{}", applied.stdout);
    assert_eq!(get().body, PAGE);
    let status = ran(&["status"]).exits(0);
    assert!(
        status.stdout.contains("aws_lb_listener_rule.maintenance[0] of Terraform's"),
        "{status:#?}"
    );
    let refused = ran(&["open", "--yes"]).exits(3);
    assert!(refused.stderr.contains("closed-by-terraform"), "{refused:#?}");
    ran(&["open", "--yes", "--override=closed-by-terraform", "--reason", "over"]).exits(0);
    assert_eq!(get().status, 200);
    terraform(&["plan", "-detailed-exitcode", "-no-color"]).exits(0);

    // The other way that the refusal names.
    ran(&["close", "--yes"]).exits(0);
    terraform(&["apply", "-auto-approve", "-no-color"]).exits(0);
    let variable = ["-var", "maintenance_mode=false"];
    terraform(&[&["apply", "-auto-approve", "-no-color"], &variable[..]].concat()).exits(0);
    assert_eq!(get().status, 503, "the run alone opens nothing");
    ran(&["open", "--yes"]).exits(0);
    assert_eq!(get().status, 200);
    terraform(&["plan", "-detailed-exitcode", "-no-color"]).exits(0);
}
