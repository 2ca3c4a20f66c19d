//! A `redis` block -> what is guarded, and what may be said for it while it is away. Connects to nobody.

mod keys;
mod place;
mod presets;
mod rules;
mod unused;
mod words;

use std::path::PathBuf;
use std::time::Duration;

use hcl_edit::structure::{Block, Body};

use super::database::modes;
use super::read::Reader;
use super::spot::Spots;
use crate::switch::Mode;
pub use place::{RedisPlace, RedisUpstream};
pub use rules::{KeyPattern, KeyRule, KeyRules, RedisRole, Says, Whether};
pub use words::RedisListen;

/// How long a command may take where nothing is said.
const BUDGET: Duration = Duration::from_millis(50);
const LONGEST_BUDGET: Duration = Duration::from_secs(10);
/// As many keys a journal has, and may have.
const KEYS: u64 = 1_000_000;
const MOST_KEYS: u64 = 100_000_000;
/// More requests at once than any app has.
const MOST_INSIDE: u64 = 1_000_000;
/// How long what is written meanwhile is kept, and in how many bytes.
const EMERGENCY: Duration = Duration::from_secs(1);
const LONGEST_EMERGENCY: Duration = Duration::from_secs(10);
const EMERGENCY_SIZE: u64 = 64 << 20;
/// A client gives up as well at some time.
const LONGEST_HOLD: Duration = Duration::from_mins(5);

/// One guarded Redis.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RedisConfig {
    /// Its label.
    pub name: String,
    /// Where clients come.
    pub listen: Vec<RedisListen>,
    /// The Redis itself.
    pub upstream: RedisUpstream,
    /// What its keys are for.
    pub rules: KeyRules,
    /// What is done while it is away.
    pub on_outage: OnOutage,
    /// Where it keeps what was written or deleted meanwhile, if it does: without, those are refused.
    pub journal: Option<JournalConfig>,
    /// In which of the site's modes Redis is left alone: it is to be worked on.
    pub when: Vec<Mode>,
    /// So many requests the site's gateway lets be at the app at once while Redis is away: each costs the database more.
    pub limit_gateway: Option<usize>,
    /// How what is written meanwhile is kept for a moment, if it is.
    pub emergency: Option<EmergencyConfig>,
    /// How long an answer may take that an empty Redis could give as well.
    pub budget: Duration,
    /// Whether it answers at all.
    pub mode: RedisMode,
    /// How it refuses.
    pub refuse_as: RefuseAs,
    /// Where its addresses stand in the file.
    pub spots: Spots,
}

/// The journal of a guard.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JournalConfig {
    /// A file of its own, on a disk that outlives the process; without, it is kept in memory.
    pub path: Option<PathBuf>,
    /// So many keys it has at most; with more, Redis stays away until a person has seen to it.
    pub most: usize,
    /// Whether whole databases may be flushed: where a client asks for it, and where nobody knows what else is to be removed.
    pub allow_flush: bool,
}

/// What is kept in memory while Redis is away.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EmergencyConfig {
    /// For how long at most.
    pub ttl: Duration,
    /// In how many bytes.
    pub size: u64,
}

/// What is done while Redis is away: clients wait for it for a while, and then.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OnOutage {
    /// From the outage's beginning on.
    pub hold: Duration,
    /// What comes after it.
    pub then: Afterwards,
}

/// What is done once nobody waits any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Afterwards {
    /// What may be said is said, everything else refused.
    Open,
    /// Commands of keys are refused.
    Refuse,
    /// Connections are closed, as a Redis that is away does it.
    Drop,
}

impl OnOutage {
    /// What is done where nothing is said.
    fn of(role: RedisRole) -> OnOutage {
        let (seconds, then) = match role {
            RedisRole::Cache | RedisRole::Mixed => (0, Afterwards::Open),
            RedisRole::Session => (10, Afterwards::Refuse),
            RedisRole::Queue => (30, Afterwards::Drop),
        };
        OnOutage { hold: Duration::from_secs(seconds), then }
    }

    /// What is done for keys of `role` in a guard that does this for those of `own`: nobody waits for a cache, but for work and for
    /// who is logged in.
    fn beside(self, role: RedisRole, own: RedisRole) -> Option<OnOutage> {
        let is_waited_for = matches!(role, RedisRole::Queue | RedisRole::Session) && role != own;
        (is_waited_for && self.then == Afterwards::Open).then(|| OnOutage::of(role))
    }
}

/// Whether a guard answers anything.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum RedisMode {
    /// While Redis is away.
    #[default]
    Guard,
    /// It passes everything on, and counts what it is asked.
    Observe,
}

/// How a client is told that something is refused.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum RefuseAs {
    /// By an error that clients neither try again for nor reconnect.
    #[default]
    Plain,
    /// By the error of a replica that has lost its master, for which some clients try another one.
    Masterdown,
    /// Not at all: its connection is closed.
    Close,
}

impl RefuseAs {
    const WORDS: [(&'static str, RefuseAs); 3] = [
        ("plain", RefuseAs::Plain),
        ("masterdown", RefuseAs::Masterdown),
        ("close", RefuseAs::Close),
    ];
}

/// Reads the `redis` blocks of a site.
pub(super) fn read<'a>(reader: &mut Reader<'a>, site: &'a Body) -> Vec<RedisConfig> {
    let (mut all, mut names) = (Vec::new(), Vec::new());
    for block in site.get_blocks("redis") {
        let Some(labels) = reader.labels(block, &["name"]) else { continue };
        let name = labels.first().copied().unwrap_or_default();
        if names.contains(&name) {
            reader.wrong(&block.ident, format!("there are two `redis` blocks \"{name}\""));
        }
        names.push(name);
        let Some(guard) = one(reader, block, name) else { continue };
        unused::warn(reader, &guard, &block.body, site);
        all.push(guard);
    }
    all
}

fn one<'a>(reader: &mut Reader<'a>, block: &'a Block, name: &str) -> Option<RedisConfig> {
    let body = &block.body;
    let own = [
        "listen",
        "upstream",
        "role",
        "on_outage",
        "budget",
        "presets",
        "mode",
        "when",
        "limit_gateway",
        "refuse_as",
    ];
    reader.only(body, &[&own[..], &keys::OPINIONS].concat(), &["journal", "emergency"], &["key"]);
    if name.is_empty() {
        reader.wrong(&block.ident, "a guard's name is not empty");
    }
    let mut spots = Spots::default();
    let listen = place::listen(reader, block, &mut spots);
    let upstream = place::upstream(reader, block);
    if let (Some(upstream), Some(given)) = (&upstream, body.get_attribute("upstream"))
        && listen.iter().any(|address| upstream.place.is_at(address))
    {
        reader.wrong(&given.value, "this is where this guard listens itself");
    }
    let given = reader.choice(body, "role", &RedisRole::WORDS);
    // What is no role is told already.
    let has_role = given.is_some() || !body.has_attribute("role");
    let role = given.unwrap_or_default();
    let on_outage = on_outage(reader, body).unwrap_or_else(|| OnOutage::of(role));
    let rules = key_rules(reader, body, (role, on_outage));
    let refuse_as = reader.choice(body, "refuse_as", &RefuseAs::WORDS).unwrap_or_default();
    let when = modes(reader, block, ("a site that is open has its Redis", &[]));
    let limit_gateway = reader.count(body, "limit_gateway", 1..=MOST_INSIDE);
    let all = rules.rules.iter().map(|rule| rule.role).chain([role]);
    let journal = journal(reader, body, &mut spots, all.collect());
    let budget = reader.duration(body, "budget", Duration::from_millis(1)..=LONGEST_BUDGET);
    let mode = mode(reader, body);
    let answers = mode == RedisMode::Guard && on_outage.then == Afterwards::Open;
    if has_role && role == RedisRole::Mixed && rules.rules.is_empty() && answers {
        let said = "nothing is ever answered for this Redis: it is a cache in no part";
        let hint =
            "role = \"cache\", or presets = [\"django\"], or key \"cache:*\" with role = \"cache\"";
        reader.wrong_with(&block.ident, said, Some(hint.to_owned()));
    }
    Some(RedisConfig {
        name: name.to_owned(),
        listen,
        upstream: upstream?,
        rules,
        on_outage,
        journal,
        when,
        limit_gateway: limit_gateway.and_then(|most| usize::try_from(most).ok()),
        emergency: emergency(reader, body),
        budget: budget.unwrap_or(BUDGET),
        mode,
        refuse_as,
        spots,
    })
}

/// What each key is for, and what is said of it.
fn key_rules<'a>(
    reader: &mut Reader<'a>,
    body: &'a Body,
    (role, on_outage): (RedisRole, OnOutage),
) -> KeyRules {
    let says = keys::says(reader, body, Says::default());
    let mut rules = keys::rules(reader, body, (role, says));
    rules.extend(keys::presets(reader, body).into_iter().map(|rule| KeyRule { says, ..rule }));
    for rule in &mut rules {
        rule.says.on_outage = rule.says.on_outage.or_else(|| on_outage.beside(rule.role, role));
    }
    KeyRules { rules, otherwise: role, says }
}

fn mode<'a>(reader: &mut Reader<'a>, body: &'a Body) -> RedisMode {
    let modes = [("guard", RedisMode::Guard), ("observe", RedisMode::Observe)];
    let mode = reader.choice(body, "mode", &modes).unwrap_or_default();
    if mode == RedisMode::Observe
        && let Some(block) = body.get_blocks("journal").next()
    {
        reader.wrong(&block.ident, "a guard that only observes drops nothing, and has no journal");
    }
    mode
}

fn journal<'a>(
    reader: &mut Reader<'a>,
    body: &'a Body,
    spots: &mut Spots,
    roles: Vec<RedisRole>,
) -> Option<JournalConfig> {
    let is_cache_alone = roles.into_iter().all(|role| role == RedisRole::Cache);
    let block = body.get_blocks("journal").next()?;
    reader.labels(block, &[]);
    reader.only(&block.body, &["path", "max_keys", "overflow", "allow_flush"], &[], &[]);
    // The one thing that is safe, for who wants to see it said.
    reader.choice(&block.body, "overflow", &[("stay-open", ())]);
    let path = reader.text(&block.body, "path").filter(|path| !path.is_empty());
    if let Some(given) = block.body.get_attribute("path") {
        spots.note("journal", reader.spot(&given.value));
    }
    let most = reader.count(&block.body, "max_keys", 1..=MOST_KEYS).unwrap_or(KEYS);
    let allow_flush = reader.boolean(&block.body, "allow_flush").unwrap_or_default();
    if allow_flush && !is_cache_alone {
        let message = "keys that are no cache would be flushed with it";
        let hint = "role = \"cache\", and no `key` or preset of another role";
        reader.wrong_with(&block.ident, message, Some(hint.to_owned()));
    }
    let path = path.map(|path| reader.folder().join(path));
    let most = usize::try_from(most).unwrap_or(usize::MAX);
    Some(JournalConfig { path, most, allow_flush })
}

fn emergency<'a>(reader: &mut Reader<'a>, body: &'a Body) -> Option<EmergencyConfig> {
    let (mut ttl, mut size) = (EMERGENCY, EMERGENCY_SIZE);
    if let Some(block) = body.get_blocks("emergency").next() {
        reader.labels(block, &[]);
        reader.only(&block.body, &["ttl", "size"], &[], &[]);
        let longest = Duration::ZERO..=LONGEST_EMERGENCY;
        ttl = reader.duration(&block.body, "ttl", longest).unwrap_or(ttl);
        size = reader.size(&block.body, "size", 1 << 20..=1 << 36).unwrap_or(size);
    }
    Some(EmergencyConfig { ttl, size }).filter(|kept| !kept.ttl.is_zero())
}

/// `["hold 500ms", "open"]`
fn on_outage(reader: &mut Reader<'_>, body: &Body) -> Option<OnOutage> {
    let given = body.get_attribute("on_outage")?;
    let steps = reader.list(body, "on_outage", words::step)?;
    let found = match steps.as_slice() {
        [words::Step::Then(then)] => Some(OnOutage { hold: Duration::ZERO, then: *then }),
        [words::Step::Hold(hold), words::Step::Then(then)] if *hold <= LONGEST_HOLD => {
            Some(OnOutage { hold: *hold, then: *then })
        }
        _ => None,
    };
    // A step that cannot be read is reported already.
    let all_read = given.value.as_array().is_some_and(|array| array.len() == steps.len());
    if found.is_none() && all_read {
        let hint = "on_outage = [\"hold 500ms\", \"open\"]".to_owned();
        let message = "`on_outage` is how long clients wait (`hold 10s`, at most 5m; it may be left out), and then one of `open`, `refuse` and `drop`";
        reader.wrong_with(&given.value, message, Some(hint));
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::rig::{good, wrong, wrong_and_hints};

    fn site(lines: &str) -> String {
        format!("site \"shop\" {{\n  redis \"cache\" {{\n{lines}  }}\n}}\n")
    }

    const PLACES: &str = "    listen = \"127.0.0.1:6379\"\n    upstream = \"redis://cache:6380\"\n";

    fn read(lines: &str) -> RedisConfig {
        good(&site(&format!("{PLACES}{lines}"))).sites[0].redis[0].clone()
    }

    #[test]
    fn a_whole_guard_is_read() {
        let guard = read(
            "    role = \"cache\"\n    on_outage = [\"hold 500ms\", \"open\"]\n    budget = \"20ms\"\n    presets = [\"rq\"]\n    key \"rq:cache:*\" { role = \"cache\" }\n    key \"sess:*\" { role = \"session\" }\n",
        );
        assert_eq!((guard.name.as_str(), guard.budget), ("cache", Duration::from_millis(20)));
        assert_eq!(guard.listen, [RedisListen::Tcp("127.0.0.1:6379".parse().unwrap())]);
        let place = RedisPlace::Tcp { host: "cache".to_owned(), port: 6380, tls: false };
        assert_eq!(guard.upstream.place, place);
        let wanted = OnOutage { hold: Duration::from_millis(500), then: Afterwards::Open };
        assert_eq!(guard.on_outage, wanted);
        let roles = ["rq:cache:1", "rq:job:1", "sess:1", "other"]
            .map(|key| guard.rules.role(key.as_bytes()));
        let wanted = [RedisRole::Cache, RedisRole::Queue, RedisRole::Session, RedisRole::Cache];
        assert_eq!(roles, wanted, "one's own rules come before those of presets");
    }

    #[test]
    fn what_is_not_said_follows_from_the_role() {
        for (role, hold, then) in [
            ("cache", 0, Afterwards::Open),
            ("queue", 30, Afterwards::Drop),
            ("session", 10, Afterwards::Refuse),
        ] {
            let guard = read(&format!("    role = \"{role}\"\n"));
            assert_eq!(guard.on_outage, OnOutage { hold: Duration::from_secs(hold), then });
            assert_eq!(guard.budget, BUDGET);
        }
        assert_eq!(read("    presets = [\"django\"]\n").rules.otherwise, RedisRole::Mixed);
    }

    #[test]
    fn what_is_written_meanwhile_is_kept_for_a_second_or_as_is_said() {
        let kept = |lines: &str| read(&format!("    role = \"cache\"\n{lines}")).emergency;
        let second = EmergencyConfig { ttl: Duration::from_secs(1), size: 64 << 20 };
        assert_eq!(kept(""), Some(second.clone()));
        assert_eq!(kept("    emergency { ttl = \"0s\" }\n"), None);
        let small = Some(EmergencyConfig { size: 2 << 20, ..second });
        assert_eq!(kept("    emergency { size = \"2MiB\" }\n"), small);
    }

    #[test]
    fn a_key_has_what_its_guard_has_where_it_says_nothing_else() {
        let guard = read(
            "    role = \"cache\"\n    nx = \"refuse\"\n    presets = [\"rq\"]\n    refuse_as = \"close\"\n    key \"a*\" { counters = \"open\" }\n    key \"b*\" {\n      nx = \"nil\"\n      on_outage = [\"refuse\"]\n    }\n    key \"sess:*\" { role = \"session\" }\n",
        );
        let of =
            |key: &str| (guard.rules.role(key.as_bytes()), guard.rules.says(&[key.as_bytes()]));
        let own = Says { nx: Whether::Refused, ..Says::default() };
        assert_eq!(guard.refuse_as, RefuseAs::Close);
        assert_eq!(of("other"), (RedisRole::Cache, own));
        assert_eq!(of("a1"), (RedisRole::Cache, Says { counters: Whether::Said, ..own }));
        let refused = OnOutage { hold: Duration::ZERO, then: Afterwards::Refuse };
        let of_b = Says { on_outage: Some(refused), ..Says::default() };
        assert_eq!(of("b1"), (RedisRole::Cache, of_b));
        let waits = |role| Says { on_outage: Some(OnOutage::of(role)), ..own };
        assert_eq!(of("sess:1"), (RedisRole::Session, waits(RedisRole::Session)));
        assert_eq!(of("rq:job:1"), (RedisRole::Queue, waits(RedisRole::Queue)));
        // Of several keys: what all of them have, and no half of it.
        let both = guard.rules.says(&[b"rq:a", b"sess:1"]).on_outage;
        assert_eq!(both, Some(OnOutage { hold: Duration::from_secs(10), then: Afterwards::Drop }));
        assert_eq!(guard.rules.says(&[b"sess:1", b"other"]).on_outage, Some(refused));
        let queue = read("    role = \"queue\"\n    key \"sess:*\" { role = \"session\" }\n");
        assert_eq!(queue.rules.says(&[b"sess:1"]).on_outage, None, "it is let go with the rest");
        let lines = "    mode = \"observe\"\n    journal { path = \"x\" }\n";
        assert!(wrong(&site(&format!("{PLACES}{lines}")))[0].contains("has no journal"));
        assert_eq!(read("    mode = \"observe\"\n").mode, RedisMode::Observe);
    }

    #[test]
    fn an_upstream_may_have_a_password_that_nobody_is_shown() {
        let text = site(
            "    listen = [\"unix:run/redis.sock\", \"127.0.0.1:0\"]\n    upstream = \"rediss://ana:hunter%402@[::1]\"\n    role = \"cache\"\n",
        );
        let config = good(&text);
        let guard = &config.sites[0].redis[0];
        let place = RedisPlace::Tcp { host: "::1".to_owned(), port: 6379, tls: true };
        assert_eq!((&guard.upstream.place, guard.upstream.user.as_deref()), (&place, Some("ana")));
        assert_eq!(guard.upstream.password.as_ref().unwrap().bytes(), b"hunter@2");
        assert!(!format!("{config:?}").contains("hunter"), "a password is shown to nobody");
        let (_, mistakes) = crate::config::rig::load_text(&text.replace("rediss:", "redisss:"));
        assert!(!format!("{mistakes:?}").contains("hunter"), "{mistakes:?}");
    }

    #[test]
    fn each_mistake_has_its_place() {
        for (lines, line, says) in [
            ("", 2, "needs `listen`"),
            (
                "    listen = \"6379\"\n    upstream = \"redis://a\"\n",
                3,
                "is not an address to listen at",
            ),
            ("    listen = []\n    upstream = \"redis://a\"\n", 3, "listens nowhere"),
            (PLACES, 2, "nothing is ever answered for this Redis"),
            (&format!("{PLACES}    rol = \"cache\"\n"), 5, "did you mean `role`?"),
            (&format!("{PLACES}    role = \"cash\"\n"), 5, "did you mean \"cache\"?"),
            (&format!("{PLACES}    presets = [\"jango\"]\n"), 5, "did you mean \"django\"?"),
            (
                &format!("{PLACES}    on_outage = [\"open\", \"hold 1s\"]\n"),
                5,
                "how long clients wait",
            ),
            (&format!("{PLACES}    on_outage = [\"opn\"]\n"), 5, "`opn` is no step"),
            (&format!("{PLACES}    budget = \"1m\"\n"), 5, "at most 10 s"),
            (&format!("{PLACES}    key \"a*\" {{\n    }}\n"), 5, "needs `role`"),
            (&format!("{PLACES}    key \"\" {{ role = \"cache\" }}\n"), 5, "an empty pattern"),
            (
                &format!(
                    "{PLACES}    key \"s*\" {{ role = \"cache\" }}\n    key \"s:?:*\" {{ role = \"session\" }}\n"
                ),
                6,
                "`key` \"s:?:*\" is never reached",
            ),
            (&format!("{PLACES}    journal = \"x\"\n"), 5, "`journal` is not known here"),
            (&format!("{PLACES}    journal {{ overflow = \"forget\" }}\n"), 5, "known: stay-open"),
            (
                &format!(
                    "{PLACES}    role = \"cache\"\n    key \"s:*\" {{ role = \"session\" }}\n    journal {{ allow_flush = true }}\n"
                ),
                7,
                "no cache would be flushed",
            ),
            (&format!("{PLACES}    emergency {{ ttl = \"1m\" }}\n"), 5, "at most 10 s"),
            (
                &format!("{PLACES}    emergency {{ max = \"1MiB\" }}\n"),
                5,
                "`max` is not known here",
            ),
        ] {
            let wrongly = wrong_and_hints(&site(lines));
            let place = format!("{line}:");
            let found = wrongly.iter().any(|one| one.starts_with(&place) && one.contains(says));
            assert!(found, "{lines}: {wrongly:?}");
        }
    }

    #[test]
    fn a_word_that_is_no_role_is_one_mistake() {
        assert_eq!(wrong(&site(&format!("{PLACES}    role = \"cash\"\n"))).len(), 1);
    }

    #[test]
    fn what_changes_nothing_is_told_with_its_place() {
        let warnings = |lines: &str| {
            let text = site(&format!("{PLACES}    role = \"cache\"\n{lines}"));
            good(&text).sites[0].warnings.clone()
        };
        let lines = "    limit_gateway = 50\n    counters = \"open\"\n    key \"a*\" { invalidate = \"journal\" }\n    emergency { ttl = \"2s\" }\n";
        let told = warnings(lines);
        for (word, line) in
            [("limit_gateway", 6), ("counters", 7), ("invalidate", 8), ("emergency", 9)]
        {
            let is_told = |one: &String| {
                one.starts_with(&format!("`{word}`"))
                    && one.contains(&format!("roadworks.hcl:{line}:"))
            };
            assert_eq!(told.iter().filter(|one| is_told(one)).count(), 1, "{word}: {told:?}");
        }
        assert_eq!(told.len(), 4, "{told:?}");
        assert_eq!(warnings(&format!("{lines}    journal {{ }}\n")).len(), 1);
        assert_eq!(warnings(&format!("{lines}    mode = \"observe\"\n")).len(), 1);
        assert!(warnings("    invalidate = \"refuse\"\n").is_empty());
    }

    #[test]
    fn what_cannot_be_guarded_is_refused_and_says_why() {
        for (upstream, says) in [
            ("redis-cluster://a", "a cluster"),
            ("redis+sentinel://a/mymaster", "Sentinel"),
            ("http://a", "is no URL of a Redis"),
            ("cache:6379", "is no URL of a Redis"),
            ("redis://a/2", "choose their database"),
            ("redis://", "is no URL of a Redis"),
            ("unix:", "is no path"),
        ] {
            let lines = format!(
                "    listen = \"127.0.0.1:1\"\n    upstream = \"{upstream}\"\n    role = \"cache\"\n"
            );
            let wrongly = wrong(&site(&lines));
            assert!(wrongly.len() == 1 && wrongly[0].starts_with("4:16"), "{wrongly:?}");
            assert!(wrongly[0].contains(says), "{upstream}: {wrongly:?}");
        }
    }

    #[test]
    fn no_two_listen_at_one_address() {
        let block = |name: &str, listen: &str| {
            format!(
                "  redis \"{name}\" {{\n    listen = \"{listen}\"\n    upstream = \"redis://a\"\n    role = \"cache\"\n  }}\n"
            )
        };
        let gateway =
            "  gateway {\n    listen = [\"127.0.0.1:7\"]\n    upstreams = [\"http://h\"]\n  }\n";
        let text = |blocks: &[String]| format!("site \"shop\" {{\n{}}}\n", blocks.concat());
        let both = text(&[block("a", "127.0.0.1:6"), block("b", "127.0.0.1:6")]);
        assert!(wrong(&both)[0].starts_with("8:14 the guard \"a\" listens at 127.0.0.1:6 already"));
        let both = text(&[gateway.to_owned(), block("a", "127.0.0.1:7")]);
        assert!(
            wrong(&both)[0].contains("a gateway listens at 127.0.0.1:7 already"),
            "{:?}",
            wrong(&both)
        );
        let both = text(&[block("a", "127.0.0.1:6"), block("a", "127.0.0.1:8")]);
        assert!(wrong(&both)[0].contains("two `redis` blocks \"a\""));
        good(&text(&[block("a", "127.0.0.1:0"), block("b", "127.0.0.1:0")]));
        let ours = text(&[block("a", "127.0.0.1:6").replace("redis://a", "redis://127.0.0.1:6")]);
        assert!(
            wrong(&ours)[0].contains("is where this guard listens itself"),
            "{:?}",
            wrong(&ours)
        );
    }
}
