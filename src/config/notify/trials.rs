//! What a `notify` block is read as, and what is wrong with others.

use super::*;
use crate::config::rig::{good, wrong_and_hints};

fn site(blocks: &str) -> String {
    format!(
        "site \"shop\" {{\n  hosts = [\"shop.example.com\"]\n  gateway {{\n    listen = [\":8080\"]\n    upstreams = [\"http://127.0.0.1:3000\"]\n  }}\n{blocks}}}\n"
    )
}

#[test]
fn who_is_told_of_what_and_how() {
    let config = good(&site(
        "  notify \"webhook\" {\n    url = \"https://example.com:8443/hook?a=1\"\n    secret = \"whsec_MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIz\"\n    events = [\"window.*\", \"mode.failed\"]\n  }\n  notify \"slack\" \"ops\" {\n    url = env(\"SLACK_URL_THAT_IS_NOT_THERE\")\n  }\n  notify \"exec\" {\n    command = [\"./tell\"]\n  }\n  notify \"alertmanager\" {\n    url = \"http://127.0.0.1:9093\"\n    matchers = [\"service=shop\", \"severity!=\\\"page\\\"\", \"job=~\\\"a|b=.*\\\"\"]\n  }\n",
    ));
    let [hook, slack, exec, silence] = config.sites[0].notify.as_slice() else { panic!() };
    let NotifyWay::Webhook { to, secret } = &hook.way else { panic!() };
    assert_eq!(
        (to.origin.as_str(), to.path.bytes()),
        ("https://example.com:8443", &b"/hook?a=1"[..])
    );
    assert_eq!(secret.as_ref().unwrap().bytes(), b"012345678901234567890123");
    assert!(hook.wants(Occasion::WindowEnded) && hook.wants(Occasion::Test));
    assert!(!hook.wants(Occasion::ModeChanged) && slack.wants(Occasion::ModeChanged));
    let NotifyWay::Lacking { why, .. } = &slack.way else { panic!() };
    assert_eq!(
        (slack.name.as_str(), slack.kind(), why.as_str()),
        ("ops", "slack", "the environment has no SLACK_URL_THAT_IS_NOT_THERE")
    );
    assert!(config.lacking.is_empty(), "everything else is done without it");
    let NotifyWay::Exec { timeout, .. } = &exec.way else { panic!() };
    assert_eq!(*timeout, TIMEOUT);
    let NotifyWay::Alertmanager { matchers, .. } = &silence.way else { panic!() };
    let read: Vec<_> = matchers
        .iter()
        .map(|one| (one.name.as_str(), one.value.as_str(), one.is_regex, one.is_equal))
        .collect();
    assert_eq!(
        read,
        [
            ("service", "shop", false, true),
            ("severity", "page", false, false),
            ("job", "a|b=.*", true, true)
        ]
    );
    let shown = format!("{config:?}");
    assert!(!shown.contains("/hook") && !shown.contains("MDEyMzQ1"), "{shown}");
}

#[test]
fn each_mistake_has_its_place_and_shows_no_secret() {
    for (block, says) in [
        ("\"slak\" {\n  }", "7:3 there is no notify \"slak\" did you mean \"slack\"?"),
        ("\"slack\" {\n  }", "7:3 `notify` needs `url`"),
        ("\"slack\" \"a b\" {\n    url = \"http://a/\"\n  }", "7:3 `a b` is no name"),
        ("{\n  }", "7:3 a `notify` block is written"),
        ("\"slack\" {\n    url = \"hush\"\n  }", "8:11 `url` is where to send to"),
        ("\"slack\" {\n    url = \"https://u:hush@a/\"\n  }", "8:11 a user and a password"),
        (
            "\"slack\" {\n    url = \"https://a/hush\"\n    evnts = []\n  }",
            "9:5 `evnts` is not known here did you mean `events`?",
        ),
        (
            "\"slack\" {\n    url = \"https://a/hush\"\n    events = [\"window.startd\"]\n  }",
            "9:15 there is no event `window.startd`: did you mean \"window.started\"?",
        ),
        (
            "\"webhook\" {\n    url = \"https://a/hush\"\n    secret = \"whsec_hush\"\n  }",
            "9:14 `secret` is `whsec_` and 24 to 64 bytes",
        ),
        ("\"exec\" {\n  }", "7:3 a notify \"exec\" needs `command`"),
        (
            "\"exec\" {\n    command = \"true\"\n    timeout = \"2m\"\n  }",
            "9:15 `timeout` is at least",
        ),
        (
            "\"alertmanager\" {\n    url = \"http://a/\"\n  }",
            "7:3 a notify \"alertmanager\" needs `matchers`",
        ),
        (
            "\"alertmanager\" {\n    url = \"http://a/\"\n    matchers = [\"shop\"]\n  }",
            "9:17 `shop` is no matcher",
        ),
        (
            "\"alertmanager\" {\n    url = \"http://a/\"\n    matchers = [\"a=~(\"]\n  }",
            "9:17 `(` is no regular expression",
        ),
        (
            "\"exec\" {\n    command = \"true\"\n  }\n  notify \"exec\" {\n    command = \"true\"\n  }",
            "10:3 there are two notify blocks named \"exec\"",
        ),
    ] {
        let mistakes = wrong_and_hints(&site(&format!("  notify {block}\n")));
        assert!(mistakes.len() == 1 && mistakes[0].starts_with(says), "{says}\n{mistakes:?}");
        assert!(!mistakes[0].contains("hush"), "{mistakes:?}");
    }
}
