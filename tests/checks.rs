//! Checks: what must hold before visitors are let back, and what is said where it does not.

use serde_json::Value;

use crate::support::app::App;
use crate::support::bind::Bind;
use crate::support::databases::{PASSWORD, Postgres, Redis};
use crate::support::emulator::{Enabled, aws, distribution, ministack, moto};
use crate::support::route53::{Fault, Route53, Verb};
use crate::support::serving::{HOST, Serving, Stand, config, until};
use crate::support::site::{LIVE, MAINTENANCE, Site, maintenance};

/// A site in front of `app` that opens only where `checked` is well.
fn site(app: &App, checked: &App) -> Stand {
    let check = format!(
        r#"}}
  check "http" "app" {{
    url      = "{}/up"
    host     = "{HOST}"
    passes   = 2
    interval = "100ms"
    deadline = "1s""#,
        checked.url()
    );
    Stand::new(&config(&app.url(), &check))
}

/// The same, served and closed.
fn closed() -> (App, App, Stand, Serving) {
    let (app, checked) = (App::start(), App::start());
    let stand = site(&app, &checked);
    let serving = stand.serve();
    stand.until(|status| status["gateways"][0]["upstreams"][0]["healthy"] == true);
    stand.run(&["close", "--yes"]).exits(0);
    (app, checked, stand, serving)
}

fn events(stand: &Stand) -> Vec<(String, Value)> {
    let log = stand.run(&["--json", "log"]).exits(0).json();
    let entries = log["entries"].as_array().unwrap().iter();
    let told =
        |entry: &Value| (entry["event"].as_str().unwrap().to_owned(), entry["detail"].clone());
    entries.map(told).collect()
}

#[test]
fn the_hint_of_a_refusal_opens_the_site_though_several_checks_fail() {
    let (app, first, second) = (App::start(), App::start(), App::start());
    let check = |name: &str, app: &App| {
        format!(
            "}}\n  check \"http\" \"{name}\" {{\n    url = \"{}/up\"\n    interval = \"100ms\"\n    deadline = \"300ms\"",
            app.url()
        )
    };
    let stand = Stand::new(&config(
        &app.url(),
        &(check("app", &first) + "\n  " + &check("other", &second)),
    ));
    let _serving = stand.serve();
    stand.until(|status| status["gateways"][0]["upstreams"][0]["healthy"] == true);
    stand.run(&["close", "--yes"]).exits(0);
    first.is_well(false);
    second.is_well(false);
    let refused = stand.run(&["--json", "open", "--yes"]).exits(3).error();
    let hint = refused["hint"].as_str().unwrap();
    let (_, line) = hint.split_once("to open all the same: roadworks ").unwrap();
    let line = line.replace("\"..\"", "known");
    let words: Vec<_> = line.split(' ').chain(["--yes"]).collect();
    assert_eq!(words, ["open", "--override=app", "--override=other", "--reason", "known", "--yes"]);
    stand.run(&words).exits(0);
    assert_eq!(stand.status()["mode"], "open");
}

#[test]
fn a_site_stays_as_it_is_until_its_check_passes() {
    let (_app, checked, stand, serving) = closed();
    checked.is_well(false);
    let before = events(&stand);
    let refused = stand.run(&["--json", "open", "--yes"]).exits(3).error();
    assert_eq!(refused["code"], "check-failed", "{refused:#}");
    assert!(refused["message"].as_str().unwrap().contains("/up answers 503"), "{refused:#}");
    assert!(refused["hint"].as_str().unwrap().contains("--override=app"), "{refused:#}");
    // Nothing has moved; that it was refused is in the log, once.
    stand.run(&["open", "--yes"]).exits(3);
    let after = events(&stand);
    assert_eq!((&after[..before.len()], serving.ask("GET", "/").0), (&before[..], 503));
    let said: Vec<_> = after[before.len()..].iter().map(|(event, _)| event.as_str()).collect();
    assert_eq!(said, ["check-failed"]);
    let asked = stand.run(&["--json", "check"]).exits(3).json();
    assert_eq!(
        (&asked["checks"][0]["id"], &asked["checks"][0]["result"]),
        (&"app".into(), &"fail".into())
    );
    assert!(asked["checks"][0]["fix"].is_string(), "{asked:#}");

    let status = stand.run(&["--json", "status"]).exits(0).json();
    assert_eq!(status["checks"][0]["result"], "fail", "{status:#}");

    checked.is_well(true);
    let asked = stand.run(&["--json", "check"]).exits(0).json();
    assert_eq!((&asked["site"], &asked["checks"][0]["result"]), (&"shop".into(), &"pass".into()));
    let earlier = checked.looked_at();
    stand.run(&["open", "--yes"]).exits(0);
    assert_eq!(events(&stand)[after.len()].0, "check-passed");
    assert!(checked.looked_at() >= earlier + 2, "it has to pass twice");
    assert_eq!(serving.ask("GET", "/").0, 200);
}

#[test]
fn a_check_is_set_aside_by_its_name_and_the_log_says_so() {
    let (_app, checked, stand, serving) = closed();
    checked.is_well(false);
    stand.run(&["open", "--yes", "--override=app", "--reason", "it is the check"]).exits(0);
    assert_eq!(serving.ask("GET", "/").0, 200);
    assert!(events(&stand).contains(&("overridden".to_owned(), "app".into())));
}

#[test]
fn closing_asks_no_check_and_neither_does_waiting() {
    let (_app, checked, stand, _serving) = closed();
    checked.is_well(false);
    let earlier = checked.looked_at();
    stand.run(&["hold", "--yes"]).exits(0);
    stand.run(&["close", "--yes"]).exits(0);
    assert_eq!(checked.looked_at(), earlier);
    stand.run(&["read-only", "--yes"]).exits(3);
}

#[test]
fn at_its_end_a_site_stays_where_its_check_does_not_pass() {
    let (_app, checked, stand, serving) = closed();
    stand.run(&["close", "--yes", "--for", "1s"]).exits(0);
    stand.until(|status| status["mode"] == "open");
    checked.is_well(false);
    stand.run(&["close", "--yes", "--for", "1s"]).exits(0);
    let overdue = stand.until(|status| {
        let told = || events(&stand).iter().any(|(event, _)| event == "overdue");
        status["overdue"] == true && told()
    });
    assert_eq!((&overdue["mode"], serving.ask("GET", "/").0), (&"closed".into(), 503));
    let (_, why) = events(&stand).into_iter().rfind(|(event, _)| event == "overdue").unwrap();
    assert!(why.as_str().unwrap().contains("check app does not pass"), "{why}");
}

#[test]
fn a_name_is_not_led_back_while_a_check_does_not_pass_whoever_led_it_away() {
    let (server, checked) = (Route53::start(), App::start());
    server.pending_for(0);
    let site = Site::at(&server.endpoint());
    let check =
        format!("url = \"{}/up\"\n    interval = \"100ms\"\n    deadline = \"1s\"", checked.url());
    site.write(
        "roadworks.hcl",
        &format!(
            "site \"shop\" {{\n  dns \"terraform\" {{\n    dir = \".\"\n  }}\n  check \"http\" \"app\" {{\n    {check}\n  }}\n}}\n"
        ),
    );
    site.run(&["detour", "--yes"]).exits(0);
    checked.is_well(false);
    let refused = || site.run(&["--json", "open", "--yes"]).exits(3).error();
    assert_eq!(
        (&refused()["code"], site.leads_to().as_str()),
        (&"check-failed".into(), MAINTENANCE)
    );
    checked.is_well(true);
    site.run(&["open", "--yes"]).exits(0);
    assert_eq!(site.leads_to(), LIVE);

    // Somebody else's hand, while the switch says open.
    site.upsert(&maintenance());
    checked.is_well(false);
    assert_eq!(
        (&refused()["code"], site.leads_to().as_str()),
        (&"check-failed".into(), MAINTENANCE)
    );
}

#[test]
fn a_check_is_asked_again_once_the_name_is_back_and_the_gateway_stays_closed_where_it_fails() {
    let (server, checked, app) = (Route53::start(), App::start(), App::start());
    server.pending_for(0);
    let site = Site::at(&server.endpoint());
    let check =
        format!("url = \"{}/up\"\n    interval = \"100ms\"\n    deadline = \"1s\"", checked.url());
    let plain = config(&app.url(), "");
    let more = format!(
        "  dns \"terraform\" {{\n    dir = \"..\"\n  }}\n  check \"http\" \"app\" {{\n    {check}\n  }}\n}}\n"
    );
    let whole = format!("{}{more}", plain.trim_end().strip_suffix('}').unwrap());
    let stand = Stand::at(&site.folder().join("stand"), &whole);
    let run = |words: &[&str]| {
        let mut command = stand.command(words);
        command.env("AWS_ENDPOINT_URL", server.endpoint()).env("AWS_REGION", "us-east-1");
        command.env("AWS_ACCESS_KEY_ID", "test").env("AWS_SECRET_ACCESS_KEY", "test");
        crate::support::command::run(&mut command)
    };
    let mut gateway = stand.command(&["serve", "--role", "gateway"]);
    let serving = stand.serve_by(&mut gateway);
    run(&["detour", "--yes"]).exits(0);
    assert_eq!(site.leads_to(), MAINTENANCE);
    // Who is kept waiting is not let in: the name comes back, and nobody asks.
    checked.is_well(false);
    run(&["hold", "--yes"]).exits(0);
    assert_eq!(site.leads_to(), LIVE);
    run(&["detour", "--yes"]).exits(0);
    checked.is_well(true);
    let unwell = checked.turns_unwell();
    server.fault(Verb::Change, 1, Fault::meddle(move |_| unwell()));
    let failed = run(&["--json", "open", "--yes"]).exits(5).error();
    assert!(failed["message"].as_str().unwrap().contains("check app does not pass"), "{failed:#}");
    assert_eq!((site.leads_to().as_str(), serving.ask("GET", "/").0), (LIVE, 503));
    checked.is_well(true);
    run(&["open", "--yes"]).exits(0);
    assert_eq!(serving.ask("GET", "/").0, 200);
}

#[test]
fn an_agent_is_not_left_alone_with_a_check_that_somebody_sets_aside() {
    let (_app, checked, stand, serving) = closed();
    checked.is_well(false);
    let words = ["--json", "open", "--yes", "--wait", "none", "--override=app", "--reason", "now"];
    assert_eq!(stand.run(&words).exits(3).error()["code"], "agent-asks");
    assert_eq!(serving.ask("GET", "/").0, 503);
}

#[test]
fn no_site_has_checks_until_it_says_so() {
    let app = App::start();
    let stand = Stand::new(&config(&app.url(), ""));
    let asked = stand.run(&["--json", "check"]).exits(0).json();
    assert_eq!(asked["checks"], serde_json::json!([]));
    let words = stand.run(&["check"]).exits(0).stdout;
    assert!(words.contains("no checks"), "{words}");
}

/// What becomes of a check of this kind at an emulator: its exit code, `pass` or `fail`, and why.
fn asked(endpoint: &str, kind: &str, body: &str) -> (i32, String, String) {
    let app = App::start();
    let check = format!(
        "}}\n  check \"{kind}\" \"it\" {{\n    deadline = \"20s\"\n    interval = \"20s\"\n{body}"
    );
    let stand = Stand::new(&config(&app.url(), &check));
    let mut command = stand.command(&["--json", "check"]);
    command.env("AWS_ENDPOINT_URL", endpoint).env("AWS_REGION", "us-east-1");
    command.env("AWS_ACCESS_KEY_ID", "test").env("AWS_SECRET_ACCESS_KEY", "test");
    let done = crate::support::command::run(&mut command);
    let told = done.json()["checks"][0].clone();
    let text = |key: &str| told[key].as_str().unwrap().to_owned();
    (done.code.unwrap(), text("result"), text("reason"))
}

#[test]
fn a_target_group_passes_with_as_many_healthy_targets_as_are_wanted() {
    let moto = moto();
    let vpc = aws(&moto, &["ec2", "create-vpc", "--cidr-block", "10.9.0.0/16"]);
    let vpc = vpc["Vpc"]["VpcId"].as_str().unwrap();
    let name = format!("roadworks-{}", fastrand::u32(..));
    let made = aws(
        &moto,
        &[
            "elbv2",
            "create-target-group",
            "--name",
            &name,
            "--protocol",
            "HTTP",
            "--port",
            "80",
            "--vpc-id",
            vpc,
            "--target-type",
            "ip",
        ],
    );
    let arn = made["TargetGroups"][0]["TargetGroupArn"].as_str().unwrap();
    let (code, result, why) = asked(&moto, "target-group", &format!("    arn = \"{arn}\""));
    assert_eq!((code, result.as_str()), (3, "fail"), "{why}");
    assert!(why.starts_with("0 of 0 targets are healthy, and 1 are wanted"), "{why}");
    aws(
        &moto,
        &[
            "elbv2",
            "register-targets",
            "--target-group-arn",
            arn,
            "--targets",
            "Id=10.9.0.7",
            "Id=10.9.0.8",
        ],
    );
    let two = format!("    arn = \"{arn}\"\n    healthy = 2");
    assert_eq!(asked(&moto, "target-group", &two).0, 0);
    let three = format!("    arn = \"{arn}\"\n    healthy = 3");
    let (code, _, why) = asked(&moto, "target-group", &three);
    assert!(code == 3 && why.starts_with("2 of 2 targets are healthy, and 3 are wanted"), "{why}");
}

#[test]
fn a_distribution_passes_where_it_is_switched_on_and_deployed() {
    let ministack = ministack();
    for (enabled, code, says) in
        [(Enabled::Yes, 0, "is deployed"), (Enabled::No, 3, "is switched off")]
    {
        let [id, _] = distribution(&ministack, None, enabled);
        let body = format!("    distribution = \"{id}\"");
        let (ended, _, why) = asked(&ministack, "cloudfront", &body);
        assert!(ended == code && why.contains(says), "{enabled:?}: {ended} {why}");
    }
    let (code, _, why) = asked(&ministack, "cloudfront", "    distribution = \"E0NOSUCH\"");
    assert!(code == 3 && why.contains("cloudfront:GetDistribution"), "{why}");
}

#[test]
fn a_service_of_ecs_passes_once_all_of_its_tasks_run() {
    let ministack = ministack();
    let name = format!("roadworks-{}", fastrand::u32(..));
    aws(&ministack, &["ecs", "create-cluster", "--cluster-name", &name]);
    let task = serde_json::json!([{ "name": "web", "image": "web", "memory": 64 }]).to_string();
    let words =
        ["ecs", "register-task-definition", "--family", &name, "--container-definitions", &task];
    aws(&ministack, &words);
    let service = format!("    cluster = \"{name}\"\n    service = \"web\"\n    running = 2");
    let (code, _, why) = asked(&ministack, "ecs", &service);
    assert!(code == 3 && why.contains("no active service web"), "{why}");
    let made = [
        "ecs",
        "create-service",
        "--cluster",
        &name,
        "--service-name",
        "web",
        "--task-definition",
        &name,
    ];
    aws(&ministack, &[&made[..], &["--desired-count", "1"]].concat());
    let (code, _, why) = asked(&ministack, "ecs", &service);
    assert!(code == 3 && why.contains("1 tasks of web run, and 2 are wanted"), "{why}");
    let scaled =
        ["ecs", "update-service", "--cluster", &name, "--service", "web", "--desired-count", "2"];
    aws(&ministack, &scaled);
    let (code, _, why) = asked(&ministack, "ecs", &service);
    assert!(code == 0, "{why}");
}

#[test]
fn a_database_of_rds_passes_where_it_is_available_with_nothing_pending() {
    let moto = moto();
    let name = format!("roadworks-{}", fastrand::u32(..));
    let instance = format!("    instance = \"{name}\"");
    let (code, _, why) = asked(&moto, "rds", &instance);
    assert!(code == 3 && why.contains("rds:DescribeDBInstances"), "{why}");
    let made = ["rds", "create-db-instance", "--db-instance-identifier", &name];
    let of = ["--engine", "postgres", "--db-instance-class", "db.t4g.micro"];
    aws(&moto, &[&made[..], &of, &["--allocated-storage", "20"]].concat());
    let (code, _, why) = asked(&moto, "rds", &instance);
    assert!(code == 0 && why.contains("is available, with nothing pending"), "{why}");
    aws(&moto, &["rds", "stop-db-instance", "--db-instance-identifier", &name]);
    let (code, _, why) = asked(&moto, "rds", &instance);
    assert!(code == 3 && why == format!("the instance {name} is stopped"), "{why}");
}

#[test]
fn a_cluster_of_rds_passes_where_all_of_its_instances_are_available() {
    let moto = moto();
    let name = format!("roadworks-{}", fastrand::u32(..));
    let cluster = format!("    cluster = \"{name}\"");
    let made = ["rds", "create-db-cluster", "--db-cluster-identifier", &name];
    let of = ["--engine", "aurora-postgresql", "--master-username", "ana"];
    aws(&moto, &[&made[..], &of, &["--master-user-password", "not-a-secret"]].concat());
    let (code, _, why) = asked(&moto, "rds", &cluster);
    assert!(code == 3 && why == format!("the cluster {name} has no instance"), "{why}");
    let made = ["rds", "create-db-instance", "--db-cluster-identifier", &name];
    let first = format!("{name}-1");
    let of = ["--engine", "aurora-postgresql", "--db-instance-class", "db.t4g.medium"];
    aws(&moto, &[&made[..], &of, &["--db-instance-identifier", &first]].concat());
    let (code, _, why) = asked(&moto, "rds", &cluster);
    assert!(code == 0 && why.contains("its instances, 1, are available"), "{why}");
}

/// What becomes of a check that asks nobody at AWS; `of` is set in the environment as `WHERE`.
fn asked_here(kind: &str, body: &str, of: &str) -> (i32, String) {
    let app = App::start();
    let check = format!(
        "}}\n  check \"{kind}\" \"it\" {{\n    deadline = \"10s\"\n    interval = \"20s\"\n{body}"
    );
    let stand = Stand::new(&config(&app.url(), &check));
    let mut command = stand.command(&["--json", "check"]);
    let done = crate::support::command::run(command.env("WHERE", of));
    assert!(!done.stdout.contains(PASSWORD) && !done.stderr.contains(PASSWORD), "{done:?}");
    (done.code.unwrap(), done.json()["checks"][0]["reason"].as_str().unwrap().to_owned())
}

const URL: &str = "    url = env(\"WHERE\")\n";

#[test]
fn a_redis_passes_where_it_answers_whoever_has_the_password() {
    let redis = Redis::start();
    let place = format!("127.0.0.1:{}", redis.port);
    let coded = "not-a%3Asecret%2Fat%40all";
    let url = format!("redis://:{coded}@{place}");
    assert_eq!(asked_here("redis", URL, &url), (0, format!("{place} answers PING")));
    let (code, why) = asked_here("redis", URL, &format!("redis://{place}"));
    assert!(code == 3 && why.contains("NOAUTH"), "{why}");
    let (code, why) = asked_here("redis", URL, &format!("redis://:wrong@{place}"));
    assert!(code == 3 && why.contains("WRONGPASS"), "{why}");
    drop(redis);
    let (code, why) = asked_here("redis", URL, &url);
    assert!(code == 3 && why.contains("cannot be asked"), "{why}");
    // Whoever does not know AUTH repeats its words, the password among them; `asked_here` looks for it.
    let parrot = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("redis://:{coded}@{}", parrot.local_addr().unwrap());
    let why = std::thread::scope(|scope| {
        scope.spawn(|| {
            use std::io::{Read as _, Write as _};
            let (mut stream, _) = parrot.accept().unwrap();
            let mut words = [0; 256];
            let _length = stream.read(&mut words).unwrap();
            let said =
                format!("-ERR unknown command 'AUTH', with args beginning with: '{PASSWORD}'\r\n");
            stream.write_all(said.as_bytes()).unwrap();
        });
        asked_here("redis", URL, &url).1
    });
    assert!(why.ends_with("answers: ERR"), "{why}");
}

#[test]
fn a_postgresql_passes_where_it_takes_writes_and_says_yes() {
    let postgres = Postgres::start();
    let place = format!("127.0.0.1:{}/shop", postgres.port);
    let url = postgres.url(PASSWORD);
    assert_eq!(
        asked_here("postgres", URL, &url),
        (0, format!("{place} answers, and takes writes"))
    );
    postgres.does("CREATE TABLE orders (id int)");
    let query = format!("{URL}    query = \"select count(*) > 0 from orders\"\n");
    let (code, why) = asked_here("postgres", &query, &url);
    assert_eq!((code, why), (3, format!("{place} answers f to the query")));
    postgres.does("INSERT INTO orders VALUES (1)");
    assert_eq!(asked_here("postgres", &query, &url).0, 0);
    let (code, why) = asked_here("postgres", &query.replace("orders", "nothing"), &url);
    assert!(code == 3 && why.contains("42P01"), "{why}");
    let (code, why) = asked_here("postgres", URL, &postgres.url("wrong"));
    assert!(code == 3 && why.contains("28P01"), "{why}");
    let unescaped = format!("postgres://ana:{PASSWORD}@127.0.0.1/shop");
    let app = App::start();
    let stand =
        Stand::new(&config(&app.url(), &format!("}}\n  check \"postgres\" \"it\" {{\n{URL}")));
    let wrong =
        crate::support::command::run(stand.command(&["check"]).env("WHERE", unescaped)).exits(1);
    assert!(wrong.stderr.contains("%40") && !wrong.stderr.contains("at@all"), "{}", wrong.stderr);
    postgres.does("ALTER DATABASE shop SET default_transaction_read_only = on");
    let (code, why) = asked_here("postgres", URL, &url);
    assert!(code == 3 && why.contains("takes no writes"), "{why}");
    let readable = format!("{URL}    writable = false\n");
    assert_eq!(asked_here("postgres", &readable, &url), (0, format!("{place} answers")));
}

#[test]
fn a_check_whose_secret_is_not_on_this_machine_does_not_pass_and_stops_nothing_else() {
    let app = App::start();
    let check = "}\n  check \"redis\" \"cache\" {\n    url = env(\"NO_SUCH_VARIABLE\")";
    let stand = Stand::new(&config(&app.url(), check));
    let asked = stand.run(&["--json", "check"]).exits(3).json();
    let why = asked["checks"][0]["reason"].as_str().unwrap();
    assert!(
        why.contains("cannot be asked from this machine") && why.contains("NO_SUCH_VARIABLE"),
        "{why}"
    );
    let _serving = stand.serve();
    stand.run(&["close", "--yes"]).exits(0);
    let refused = stand.run(&["--json", "open", "--yes"]).exits(3).error();
    assert_eq!(refused["code"], "check-failed", "{refused:#}");
}

#[test]
fn a_port_a_name_and_a_command_are_checks_too() {
    let app = App::start();
    let address = app.url().replace("http://", "");
    let tcp = format!("    address = \"{address}\"\n");
    assert_eq!(asked_here("tcp", &tcp, ""), (0, format!("{address} accepts connections")));
    let (code, why) = asked_here("tcp", "    address = \"127.0.0.1:1\"\n", "");
    assert!(code == 3 && why.starts_with("127.0.0.1:1 cannot be reached"), "{why}");

    let bind = Bind::primary("shop 60 A 192.0.2.7\nshop 60 A 192.0.2.8\n", None);
    let dns = |name: &str, answers: &str| {
        format!("    name = \"{name}\"\n    server = \"127.0.0.1:{}\"\n{answers}", bind.port())
    };
    let both = "    answers = [\"192.0.2.8\", \"192.0.2.7\"]\n";
    assert_eq!(
        asked_here("dns", &dns("shop.example.test", both), ""),
        (0, "shop.example.test A is 192.0.2.7, 192.0.2.8".to_owned())
    );
    let (code, why) =
        asked_here("dns", &dns("shop.example.test", "    answers = [\"192.0.2.9\"]\n"), "");
    assert!(code == 3 && why.contains("192.0.2.9 is wanted"), "{why}");
    let (code, why) = asked_here("dns", &dns("no.example.test", ""), "");
    assert!(code == 3 && why.contains("127.0.0.1"), "{why}");

    let told = "    command = [\"sh\", \"-c\", \"echo stock is $WHERE >&2; exit 4\"]\n";
    let (code, why) = asked_here("exec", told, "low");
    assert_eq!((code, why), (3, "`sh` ended with exit status: 4: stock is low".to_owned()));
    assert_eq!(asked_here("exec", "    command = \"test $WHERE = well\"\n", "well").0, 0);
}

/// The site's own address, asked as a tester: past the gateway that keeps everybody else out, and only once the name leads there.
#[test]
fn a_check_asks_as_a_tester_through_the_gateway_that_keeps_visitors_out() {
    let app = App::start();
    let address = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let check = format!(
        "bypass {{ key = \"0123456789abcdef0123456789abcdef\" }}\n  }}\n  check \"http\" \"front\" {{\n    url = \"http://{address}/hello\"\n    host = \"{HOST}\"\n    as_tester = true\n    deadline = \"5s\""
    );
    let text = config(&app.url(), &check);
    let listens = text.find("listen    = [\"127.0.0.1:0\"]").unwrap();
    let (before, after) = text.split_at(listens);
    let text = format!("{before}{}", after.replacen("127.0.0.1:0", &address.to_string(), 1));
    let stand = Stand::new(&text);
    let serving = stand.serve();
    stand.until(|status| status["gateways"][0]["upstreams"][0]["healthy"] == true);
    stand.run(&["check"]).exits(0);
    stand.run(&["close", "--yes"]).exits(0);
    assert_eq!(serving.ask("GET", "/hello").0, 503);
    let asked = stand.run(&["--json", "check"]).exits(0).json();
    assert!(asked["checks"][0]["reason"].as_str().unwrap().ends_with("answers 200"), "{asked:#}");
    stand.run(&["open", "--yes"]).exits(0);
    let keyless = text.replace("bypass { key = \"0123456789abcdef0123456789abcdef\" }", "");
    let wrong = Stand::new(&keyless).run(&["--json", "check"]).exits(1).error();
    assert!(wrong["message"].as_str().unwrap().contains("`bypass` key"), "{wrong:#}");
}

#[test]
fn a_site_opens_once_its_check_that_had_failed_passes_so_many_times_in_a_row() {
    let (_app, checked, stand, serving) = closed();
    stand.run(&["close", "--until-healthy=3", "--yes"]).exits(0);
    checked.is_well(false);
    let failed = checked.looked_at();
    until(|| (checked.looked_at() > failed + 1).then_some(()));
    assert_eq!(
        (stand.status()["desired"].clone(), serving.ask("GET", "/").0),
        ("closed".into(), 503)
    );
    let earlier = checked.looked_at();
    checked.is_well(true);
    stand.until(|status| status["desired"] == "open" && status["phase"] == "settled");
    // Three times while it waits, and as often as its block says before visitors are let in.
    assert!(checked.looked_at() >= earlier + 5, "{} of {earlier}", checked.looked_at());
    assert_eq!(serving.ask("GET", "/").0, 200);
}

#[test]
fn health_is_not_waited_for_where_nobody_could_tell_of_it() {
    let route53 = Route53::start();
    let site = Site::at(&route53.endpoint());
    let words = ["--json", "detour", "--until-healthy", "--stay", "--yes"];
    let refused = site.run(&words).exits(3).error();
    assert_eq!(refused["code"], "no-check", "{refused:#}");
    assert!(refused["hint"].as_str().unwrap().contains("`check` block"), "{refused:#}");
    assert_eq!(site.run(&["--json", "status"]).exits(0).json()["mode"], "open");
}
