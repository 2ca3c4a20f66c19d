//! The whole seed on emulated AWS: Terraform makes the stack, the site is taken down for a while and brought back, and a pipeline
//! that runs meanwhile undoes nothing. docs/demo-aws.md shows what this prints.

use std::fs;
use std::path::Path;

use regex::Regex;

use crate::support::app::App;
use crate::support::balancing::{strict, through};
use crate::support::command::{Ran, roadworks, run};
use crate::support::emulator::{Enabled, aws, distribution, ministack};
use crate::support::site::{NAME, Site};
use crate::support::terraform::Terraform;

const STACK: &str = include_str!("demo_aws/stack.tf");
/// Between these lines of the page is what is printed.
const BEGIN: &str = "<!-- begin of the transcript -->\n";
const END: &str = "<!-- end of the transcript -->\n";
/// Has the page written anew instead of compared.
const WRITES: &str = "ROADWORKS_DEMO_WRITES";

/// The stack, and what was said and done so far.
struct Demo {
    terraform: Terraform,
    emulator: String,
    /// The emulator, as strict as AWS.
    aws: String,
    site: Site,
    name: String,
    tasks: [App; 2],
    transcript: String,
}

impl Demo {
    fn new(terraform: Terraform) -> Demo {
        let emulator = ministack();
        let site = Site::at(&emulator);
        let name = format!("shop-{}", fastrand::u32(..1_000_000));
        let demo = Demo {
            terraform,
            aws: strict(&emulator),
            emulator,
            site,
            name,
            tasks: [App::start(), App::start()],
            transcript: String::new(),
        };
        demo.site.remove("terraform.tfstate");
        demo.site.write("stack.tf", STACK);
        let [first, second] = &demo.tasks;
        let own = format!(
            "stack = \"{}\"\ntasks = [{}, {}]\ndistribution = \"{}\"\n",
            demo.name,
            first.address.port(),
            second.address.port(),
            distribution(&demo.emulator, Some(NAME), Enabled::Yes)[0]
        );
        demo.site.write("stack.auto.tfvars", &own);
        demo.site.write("roadworks.hcl", &demo.configuration());
        demo
    }

    fn configuration(&self) -> String {
        let Demo { name, tasks: [task, _], .. } = self;
        format!(
            r#"site "shop" {{
  hosts = ["{NAME}"]
  dns "terraform" {{
    dir = "."
  }}
  variable {{
    ssm = "/{name}/maintenance_mode"
  }}
  balancer "alb" {{
    load_balancer = "{name}"
  }}
  check "http" "app" {{
    url      = "{}/up"
    passes   = 2
    deadline = "3s"
  }}
  check "ecs" "web" {{
    cluster  = "{name}"
    service  = "web"
    running  = 2
    interval = "1s"
    deadline = "3s"
  }}
}}
"#,
            task.url()
        )
    }

    /// What the pipeline reads.
    fn boolean(&self) -> String {
        let name = format!("/{}/maintenance_mode", self.name);
        let said = aws(&self.emulator, &["ssm", "get-parameter", "--name", &name]);
        said["Parameter"]["Value"].as_str().unwrap().to_owned()
    }

    /// The pipeline's stage: Terraform with the boolean as it is now.
    fn terraform(&self, words: &[&str], boolean: &str) -> Ran {
        let variable = format!("maintenance_mode={boolean}");
        let mut all = words.to_vec();
        if words[0] != "init" {
            all.extend(["-var", &variable]);
        }
        self.terraform.run(self.site.folder(), &self.emulator, &all)
    }

    fn says(&mut self, words: &str) {
        self.transcript.push_str(words.trim_end());
        self.transcript.push('\n');
    }

    /// Runs `roadworks` with these words and shows it.
    fn roadworks(&mut self, words: &[&str], code: i32) {
        let mut command = roadworks(self.site.folder(), &self.aws, &[]);
        let ran = run(command.args(words)).exits(code);
        let shown: Vec<_> = words
            .iter()
            .map(|word| if word.contains(' ') { format!("'{word}'") } else { (*word).to_owned() })
            .collect();
        self.says(&format!("$ roadworks {}", shown.join(" ")));
        self.says(&format!("{}{}", ran.stderr, ran.stdout));
        if code != 0 {
            self.says(&format!("(exit code {code})"));
        }
        self.transcript.push('\n');
    }

    /// What a visitor of the load balancer gets, who has an old answer of DNS.
    fn visits(&mut self, status: u16) {
        let name = (self.emulator.clone(), self.name.clone());
        let answer = through((&name.0, &name.1), (NAME, 80), "/basket", None);
        assert_eq!(answer.status, status, "{answer:?}");
        let body = answer.body.lines().next().unwrap_or_default().to_owned();
        let body = if status == 200 { body } else { "the page, in its smallest form".to_owned() };
        self.says(&format!("$ curl http://{NAME}/basket     # through the load balancer"));
        self.says(&format!("{status}  {body}\n"));
        self.transcript.push('\n');
    }

    /// A run of the pipeline, which changes nothing.
    fn pipeline_runs(&mut self) {
        let boolean = self.boolean();
        let ran = self.terraform(&["apply", "-auto-approve", "-no-color"], &boolean).exits(0);
        let said = ran.stdout.lines().find(|line| line.starts_with("Apply complete!")).unwrap();
        assert!(said.contains("0 added, 0 changed, 0 destroyed"), "{}", ran.stdout);
        self.says(&format!(
            "$ terraform apply     # the pipeline runs, with maintenance_mode = {boolean}"
        ));
        self.says(said);
        self.transcript.push('\n');
    }

    /// The page, with what differs from run to run put out of sight.
    fn shown(&self) -> String {
        let mut text = self.transcript.replace(&self.name, "shop");
        for (task, shown) in self.tasks.iter().zip([3000, 3001]) {
            text = text.replace(&task.address.to_string(), &format!("127.0.0.1:{shown}"));
        }
        text = text.replace(&self.site.zone_id, "Z0SHOP");
        for (what, shown) in [
            (r"\d{4}-\d\d-\d\dT[0-9:.]+Z", "2026-11-28T22:00:00Z"),
            (r"op-[0-9a-f]{8}-[0-9a-f]{8}", "op-69295a00-1b2c3d4e"),
            (r"\b\d+(\.\d+)? s\b", "1 s"),
            (r"\b[a-z0-9.-]+\.elb\.amazonaws\.com", "shop-1234567890.us-east-1.elb.amazonaws.com"),
            (r"\b[a-z0-9]+\.cloudfront\.net", "d111111abcdef8.cloudfront.net"),
            (r"arn:aws:(\w+|elasticloadbalancing)[:\w./-]+", "arn:aws:.."),
            (r"\bE[0-9A-Z]{13}\b", "E1A2B3C4D5E6F7"),
            (r"page [0-9a-f]{12}", "page 0123456789ab"),
            (r"\S+@\S+", "ana@laptop"),
        ] {
            text = Regex::new(what).unwrap().replace_all(&text, shown).into_owned();
        }
        text
    }
}

#[test]
fn the_seed_goes_into_maintenance_and_back_and_terraform_sees_no_change() {
    let name = "demo_aws::the_seed_goes_into_maintenance_and_back_and_terraform_sees_no_change";
    let Some(terraform) = Terraform::here(name) else { return };
    let mut demo = Demo::new(terraform);
    demo.terraform(&["init", "-no-color"], "").exits(0);
    demo.terraform(&["apply", "-auto-approve", "-no-color"], "false").exits(0);
    demo.visits(200);

    demo.roadworks(&["plan", "detour"], 0);
    demo.roadworks(&["detour", "--yes", "--reason", "a bigger database"], 0);
    demo.visits(503);
    demo.pipeline_runs();
    demo.roadworks(&["status"], 0);

    // The work goes on: a task is down, and the service was scaled down for it.
    let scaled = |demo: &Demo, count: &str| {
        let own = ["ecs", "update-service", "--cluster", &demo.name, "--service", "web"];
        aws(&demo.emulator, &[&own[..], &["--desired-count", count]].concat());
    };
    demo.tasks[0].is_well(false);
    scaled(&demo, "1");
    demo.roadworks(&["open", "--yes"], 3);
    demo.visits(503);
    demo.tasks[0].is_well(true);
    scaled(&demo, "2");
    demo.roadworks(&["open", "--yes"], 0);
    demo.visits(200);
    demo.pipeline_runs();
    demo.terraform(&["plan", "-detailed-exitcode", "-no-color"], "false").exits(0);

    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/demo-aws.md");
    let text = fs::read_to_string(&page).unwrap();
    let (head, rest) = text.split_once(BEGIN).unwrap();
    let (told, tail) = rest.split_once(END).unwrap();
    let shown = format!("```console\n{}\n```\n", demo.shown().trim_end());
    if std::env::var_os(WRITES).is_some() {
        fs::write(&page, format!("{head}{BEGIN}{shown}{END}{tail}")).unwrap();
    } else {
        assert_eq!(told, shown, "{WRITES}=1 writes docs/demo-aws.md anew");
    }
}
