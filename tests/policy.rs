//! `doctor --policy`: the least rights that a site needs, as IAM takes them.

use std::fs;

use serde_json::{Value, json};

use crate::support::command::{Ran, roadworks, run};
use crate::support::emulator::moto;
use crate::support::route53::{Route53, Verb};
use crate::support::site::{NAME, Site, live};

/// What `doctor --policy` says of this roadworks.hcl, where the account is 123456789012.
fn asked(config: &str, words: &[&str]) -> Ran {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("roadworks.hcl"), config).unwrap();
    let mut command = roadworks(folder.path(), &moto(), &[]);
    run(command.args(words).env("AWS_REGION", "eu-central-1"))
}

fn statements(policy: &Value) -> Vec<Value> {
    policy["Statement"].as_array().unwrap().clone()
}

const STORE: &str = "store { url = \"s3://shop-roadworks/state\" }\n";
/// A cache with a journal, whose guards tell each other what they dropped.
const CACHE: &str = "  redis \"cache\" {\n    listen   = \"127.0.0.1:0\"\n    upstream = \"redis://127.0.0.1:6379\"\n    role     = \"cache\"\n    journal {}\n  }\n";
const GATEWAY: &str = "  hosts = [\"shop.example.com\"]\n  gateway {\n    listen    = [\"127.0.0.1:0\"]\n    upstreams = [\"http://127.0.0.1:3000\"]\n  }\n";

#[test]
fn the_documents_that_are_shipped_are_what_doctor_prints() {
    let gateway = format!("{STORE}site \"shop\" {{\n{GATEWAY}{CACHE}}}\n");
    let workers = format!(
        "site \"shop\" {{\n{GATEWAY}  workers \"worker\" {{\n    preset  = \"ecs\"\n    cluster = \"shop\"\n    service = \"worker\"\n  }}\n  workers \"nightly\" {{\n    preset   = \"eventbridge\"\n    schedule = \"nightly\"\n  }}\n}}\n"
    );
    let listener = "site \"shop\" {\n  hosts = [\"shop.example.com\"]\n  balancer \"alb\" { load_balancer = \"shop-alb\" }\n}\n".to_owned();
    for (config, words, shipped) in [
        (&gateway, &["doctor", "--policy"][..], include_str!("../packaging/iam/agent.json")),
        (
            &gateway,
            &["doctor", "--policy", "--role", "gateway"],
            include_str!("../packaging/iam/gateway.json"),
        ),
        (&listener, &["doctor", "--policy"], include_str!("../packaging/iam/balancer.json")),
        (&workers, &["doctor", "--policy"], include_str!("../packaging/iam/workers.json")),
    ] {
        let printed = asked(config, words).exits(0);
        let printed: Value = serde_json::from_str(&printed.stdout).unwrap();
        assert_eq!(printed, serde_json::from_str::<Value>(shipped).unwrap(), "{words:?}");
    }
}

#[test]
fn a_gateway_whose_guards_drop_nothing_may_not_say_what_is_dropped() {
    let quiet = CACHE.replace("    journal {}\n", "");
    for (guard, count) in [("", 0), (quiet.as_str(), 0), (CACHE, 1)] {
        let config = format!("{STORE}site \"shop\" {{\n{GATEWAY}{guard}}}\n");
        let printed = asked(&config, &["doctor", "--policy", "--role", "gateway"]).exits(0);
        assert_eq!(printed.stdout.matches("/dirty/").count(), count, "{printed:#?}");
    }
}

#[test]
fn a_pipeline_and_the_variable_in_it_have_the_rights_that_are_shipped_for_them() {
    let site = |variable: &str| {
        format!(
            "site \"shop\" {{\n  hosts = [\"shop.example.com\"]\n  dns \"route53\" {{\n    zone_id = \"Z1\"\n    name    = \"shop.example.com\"\n    live {{ alias = \"d1.cloudfront.net\" }}\n    maintenance {{ alias = \"d2.cloudfront.net\" }}\n  }}\n  variable {{ {variable} }}\n  pipeline \"codepipeline\" {{\n    name   = \"shop-deploy\"\n    stage  = \"Deploy\"\n    freeze = true\n  }}\n}}\n"
        )
    };
    let shipped: Value =
        serde_json::from_str(include_str!("../packaging/iam/pipeline.json")).unwrap();
    let mut printed = Vec::new();
    for variable in [
        "ssm = \"/shop/maintenance_mode\"",
        "pipeline = \"shop-deploy\"",
        "codebuild = \"shop-terraform\"",
    ] {
        let policies = asked(&site(variable), &["doctor", "--policy", "--json"]).exits(0).json();
        assert_eq!((&policies["format"], &policies["site"]), (&json!(1), &json!("shop")));
        let [policy] = policies["policies"].as_array().unwrap().as_slice() else { panic!() };
        printed.extend(statements(&policy["policy"]));
    }
    let pairs = |all: Vec<Value>| -> Vec<(String, String)> {
        let one = |value: &Value| match value {
            Value::Array(all) => all.iter().map(|one| one.as_str().unwrap().to_owned()).collect(),
            one => vec![one.as_str().unwrap().to_owned()],
        };
        let of = |statement: &Value| {
            let on = statement["Resource"].clone();
            one(&statement["Action"])
                .into_iter()
                .flat_map(move |action| {
                    let name = action.clone();
                    one(&on).into_iter().map(move |resource| (name.clone(), resource))
                })
                .collect::<Vec<_>>()
        };
        let mut pairs: Vec<_> = all.iter().flat_map(of).collect();
        pairs.sort();
        pairs.dedup();
        pairs
    };
    let ours = |pair: &(String, String)| {
        !pair.0.starts_with("route53:") && !pair.0.starts_with("cloudfront:")
    };
    let printed: Vec<_> = pairs(printed).into_iter().filter(ours).collect();
    // Which role a pipeline has is not read: any of the account, handed to CodePipeline alone.
    let shipped: Vec<_> = pairs(statements(&shipped))
        .into_iter()
        .map(|(action, on)| (action, on.replace("role/shop-deploy", "role/*")))
        .collect();
    assert_eq!(printed, shipped);
}

#[test]
fn each_check_and_each_set_of_credentials_has_its_own() {
    let config = format!(
        "site \"shop\" {{\n{GATEWAY}  check \"ecs\" \"web\" {{\n    cluster = \"arn:aws:ecs:eu-central-1:123456789012:cluster/prod\"\n    service = \"web\"\n  }}\n  check \"rds\" \"db\" {{\n    cluster     = \"shop\"\n    assume_role = \"arn:aws:iam::210987654321:role/reader\"\n  }}\n  check \"cloudfront\" \"page\" {{ distribution = \"E1\" }}\n}}\n"
    );
    let policies = asked(&config, &["--json", "doctor", "--policy"]).exits(0).json();
    let [own, role] = policies["policies"].as_array().unwrap().as_slice() else {
        panic!("{policies:#}")
    };
    let role_arn = "arn:aws:iam::210987654321:role/reader";
    assert_eq!((&own["assume_role"], &role["assume_role"]), (&Value::Null, &json!(role_arn)));
    let allows = |policy: &Value, action: &str, resource: &str| {
        let all = statements(&policy["policy"]);
        let found = all.iter().any(|one| one["Action"] == action && one["Resource"] == resource);
        assert!(found, "{action} on {resource} in {policy:#}");
    };
    let service = "arn:aws:ecs:eu-central-1:123456789012:service/prod/web";
    allows(own, "ecs:DescribeServices", service);
    allows(own, "cloudfront:GetDistribution", "arn:aws:cloudfront::123456789012:distribution/E1");
    allows(own, "sts:AssumeRole", role_arn);
    let cluster = role["policy"].to_string();
    assert!(cluster.contains("rds:DescribeDBClusters"), "{cluster}");
    let words = asked(&config, &["doctor", "--policy"]).exits(0);
    assert!(words.stderr.contains("For the role arn:aws:iam::210987654321:role/reader:"));
    let none = asked(&format!("site \"shop\" {{\n{GATEWAY}}}\n"), &["doctor", "--policy"]).exits(0);
    assert_eq!(none.stdout, "");
    assert!(none.stderr.contains("shop needs no right in AWS"), "{}", none.stderr);
}

/// The seed's folder: what is asked of Route 53 while it goes into maintenance and back is allowed, and no other zone.
#[test]
fn a_bare_folder_needs_rights_on_its_own_zone_and_record_and_no_more_is_asked() {
    let cloud = Route53::start();
    let site = Site::at(&cloud.endpoint());
    let policy = site.run(&["doctor", "--policy"]).exits(0);
    let policy: Value = serde_json::from_str(&policy.stdout).unwrap();
    let zone = format!("arn:aws:route53:::hostedzone/{}", site.zone_id);
    let may = |action: &str, on: &str| {
        statements(&policy).iter().any(|one| {
            let named = one["Action"] == action
                || one["Action"].as_array().is_some_and(|all| all.contains(&json!(action)));
            named && one["Resource"] == on
        })
    };
    cloud.forget();
    for words in [&["doctor"][..], &["detour", "--yes"], &["status"], &["open", "--yes"]] {
        site.run(words);
    }
    let asked = cloud.requests();
    assert!(asked.iter().any(|request| request.verb == Verb::Change), "it was moved");
    for request in asked {
        let of_zone = request.path.ends_with(&format!("/hostedzone/{}", site.zone_id));
        let (action, on) = match request.verb {
            Verb::List => ("route53:ListResourceRecordSets", zone.as_str()),
            Verb::Change => ("route53:ChangeResourceRecordSets", zone.as_str()),
            Verb::GetChange => ("route53:GetChange", "arn:aws:route53:::change/*"),
            Verb::Other if of_zone => ("route53:GetHostedZone", zone.as_str()),
            Verb::Other if request.path.contains("/distribution") => {
                ("cloudfront:ListDistributions", "*")
            }
            Verb::Other if request.body.contains("Action=DescribeLoadBalancers") => {
                ("elasticloadbalancing:DescribeLoadBalancers", "*")
            }
            // AWS asks for no right to say who somebody is.
            Verb::Identity => continue,
            Verb::Other => panic!("{request:?}"),
        };
        assert!(may(action, on), "{action} on {on} in {policy:#}");
        if request.verb == Verb::Change {
            assert!(request.actions().iter().all(|one| one == "DELETE" || one == "CREATE"));
        }
    }
    let condition = statements(&policy)[1]["Condition"]["ForAllValues:StringLike"].clone();
    let names = &condition["route53:ChangeResourceRecordSetsNormalizedRecordNames"];
    assert_eq!(*names, json!([NAME, format!("_roadworks-*.{NAME}")]));
    assert_eq!(cloud.record(&site.zone_id, NAME, "A"), Some(live()));
}

#[test]
fn where_the_records_are_not_known_any_will_do_and_that_is_said() {
    let site = Site::unreachable();
    site.remove("terraform.tfstate");
    let printed = site.run(&["doctor", "--policy"]).exits(0);
    let policy: Value = serde_json::from_str(&printed.stdout).unwrap();
    assert_eq!(statements(&policy)[0]["Resource"], "arn:aws:route53:::hostedzone/*");
    assert!(printed.stderr.contains("any will do"), "{}", printed.stderr);
}
