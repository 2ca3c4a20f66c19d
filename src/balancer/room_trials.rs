//! Where rules are put, tried on listeners that hold all sorts of others.

use proptest::prelude::*;

use super::super::rule::Own;
use super::super::rule::trials::rule;
use super::super::wanted::trials::wants;
use super::*;

const SECRET: &str = "hush";

/// What a listener holds once it is closed so.
fn closed(rules: &[Rule], closing: &Closing, wants: &Wants) -> Vec<Rule> {
    let extra = |rule: &&Rule| closing.extras.iter().all(|extra| extra.arn != rule.arn);
    let old = |rule: &&Rule| !rule.is(Role::Answer) && !rule.is(Role::Testers);
    let mut after: Vec<Rule> = rules.iter().filter(extra).filter(old).cloned().collect();
    for rule in &mut after {
        if let Some(gone) = closing.moves.iter().find(|gone| gone.arn == rule.arn) {
            rule.priority = Some(gone.to);
        }
    }
    after.extend(closing.placed.iter().enumerate().map(|(number, placed)| Rule {
        arn: format!("own/{number}"),
        priority: Some(placed.priority),
        conditions: placed.wanted.conditions.clone(),
        actions: placed.wanted.actions.clone(),
        transforms: Vec::new(),
        own: Some(Own {
            role: placed.wanted.role,
            page: Some(wants.answer.digest.clone()),
            moved: std::collections::BTreeMap::new(),
        }),
    }));
    if !closing.moves.is_empty() {
        let moved = closing.moves.iter().map(|gone| (gone.id.clone(), (gone.from, gone.to)));
        let own = Some(Own { role: Role::Note, page: None, moved: moved.collect() });
        after.push(Rule { own, ..rule(LAST, "note.x", "403") });
    }
    after
}

#[test]
fn ours_come_right_before_the_first_that_forwards_for_the_sites_hosts() {
    let wants = wants(&["shop.x"], &[]);
    for (rules, testers, answers) in [
        (vec![], vec![], vec![50_000]),
        (vec![rule(10, "shop.x", "app")], vec![8], vec![9]),
        (vec![rule(5, "blog.x", "blog"), rule(10, "*.x", "app")], vec![8], vec![9]),
        (vec![rule(10, "|/api", "api"), rule(20, "shop.x", "app")], vec![7, 8], vec![9]),
        // What keeps visitors out stays before testers where it can, and is copied where it cannot.
        (vec![rule(9, "shop.x|/admin", "403"), rule(12, "shop.x", "app")], vec![10], vec![11]),
        (vec![rule(9, "shop.x|/admin", "403"), rule(10, "shop.x", "app")], vec![6, 7], vec![8]),
        (vec![rule(9, "blog.x", "blog"), rule(10, "shop.x", "app")], vec![7], vec![8]),
        (vec![rule(2, "blog.x", "blog"), rule(4, "shop.x", "app")], vec![1], vec![3]),
    ] {
        let closing = closing(&rules, &wants, SECRET, Renumber::No).unwrap();
        let shown: Vec<_> = rules.iter().map(Rule::in_words).collect();
        assert_eq!(closing.priorities(Role::Testers), testers, "{shown:?}");
        assert_eq!(closing.priorities(Role::Answer), answers, "{shown:?}");
        assert_eq!(closing.moves, []);
    }
}

#[test]
fn where_there_is_no_room_the_rules_in_the_way_are_named() {
    let wants = wants(&["shop.x"], &[]);
    let rules = [rule(1, "|/api/*", "api"), rule(2, "shop.x", "app"), rule(7, "blog.x", "blog")];
    let none = closing(&rules, &wants, SECRET, Renumber::No).unwrap_err();
    assert_eq!((none.needed, none.free), (3, 0));
    assert_eq!(none.rules, ["1 (path /api/*)"]);
    let rules = [rule(1, "blog.x", "blog"), rule(3, "shop.x", "app")];
    let none = closing(&rules, &wants, SECRET, Renumber::No).unwrap_err();
    assert_eq!((none.needed, none.free), (2, 1));
    assert_eq!(none.rules, ["3 (host shop.x)", "1 (host blog.x)"]);
}

#[test]
fn others_give_way_in_their_order_and_only_as_far_as_they_must() {
    let wants = wants(&["shop.x"], &[]);
    let rules = [rule(1, "shop.x", "app"), rule(2, "blog.x", "blog"), rule(9, "cart.x", "cart")];
    let closing = closing(&rules, &wants, SECRET, Renumber::Yes).unwrap();
    let moves: Vec<_> = closing.moves.iter().map(|one| (one.from, one.to)).collect();
    assert_eq!(moves, [(1, 3), (2, 4)]);
    assert_eq!(
        (closing.priorities(Role::Testers), closing.priorities(Role::Answer)),
        (vec![1], vec![2])
    );
    let at_the_end = [rule(1, "shop.x", "app"), rule(2, "a.x", "a"), rule(50_000, "b.x", "b")];
    let last = super::closing(&at_the_end, &wants, SECRET, Renumber::Yes).unwrap();
    assert_eq!(last.moves.len(), 2, "the last has nowhere to go, and need not");
    let full: Vec<_> = (49_990..=LAST).map(|at| rule(at, "blog.x", "blog")).collect();
    let full: Vec<_> = (1..49_990).map(|at| rule(at, "shop.x", "app")).chain(full).collect();
    let none = super::closing(&full[..1], &wants, SECRET, Renumber::No);
    assert!(none.is_err());
}

#[test]
fn rules_go_back_where_they_came_from_unless_somebody_else_is_there() {
    let noted = |id: &str, from, to| (id.to_owned(), (from, to));
    let mut note = rule(50_000, "note.x", "403");
    let (one, two) = (rule(3, "shop.x", "app"), rule(4, "blog.x", "blog"));
    note.own = Some(Own {
        role: Role::Note,
        page: None,
        moved: [noted(one.id(), 1, 3), noted(two.id(), 2, 4), noted("gone", 8, 9)].into(),
    });
    let moves = back(&[one.clone(), two.clone(), note.clone()]);
    assert_eq!(moves.iter().map(|gone| (gone.from, gone.to)).collect::<Vec<_>>(), [(3, 1), (4, 2)]);
    let elsewhere = Rule { priority: Some(6), ..two };
    let moves = back(&[one.clone(), elsewhere, note.clone()]);
    assert_eq!(moves.iter().map(|gone| (gone.from, gone.to)).collect::<Vec<_>>(), [(3, 1)]);
    assert_eq!(back(&[one, rule(1, "new.x", "new"), note]), []);
}

/// The same for requests to any host.
fn of_every_host(wants: Wants) -> Wants {
    let others = rule(1, "|/*", "app").conditions;
    Wants { hosts: Vec::new(), others, ..wants }
}

/// A rule of others: for whom, and what it does.
fn some_rule() -> impl Strategy<Value = (u32, &'static str, &'static str)> {
    let what = prop::sample::select(vec![
        "shop.x",
        "blog.x",
        "*.x",
        "",
        "shop.x|/api/*",
        "|/static/*",
        "shop.x,blog.x",
        "s*.x|/a,/b",
    ]);
    (1..30_u32, what, prop::sample::select(vec!["app", "web", "403", "login"]))
}

proptest! {
    #[test]
    fn closed_once_it_is_whole_and_before_all_that_forward(
        others in prop::collection::vec(some_rule(), 0..8), hosts in 0..7_usize,
        declared in prop::collection::btree_set(1..30_u32, 0..12),
    ) {
        let all = ["shop.x", "www.shop.x", "a.x", "b.x", "c.x", "d.x", "e.x"];
        let wants = Wants { declared, ..wants(&all[..hosts], &["203.0.113.0/24"]) };
        let wants = if hosts == 0 { of_every_host(wants) } else { wants };
        let mut rules: Vec<Rule> = Vec::new();
        for (priority, what, to) in others {
            if rules.iter().all(|other| other.priority != Some(priority)) {
                rules.push(rule(priority, what, to));
            }
        }
        let made = closing(&rules, &wants, SECRET, Renumber::Yes).unwrap();
        let after = closed(&rules, &made, &wants);
        prop_assert!(is_closed(&after, &wants));
        let before: Vec<_> = rules.iter().filter_map(|rule| rule.priority).collect();
        let may_come = |number: &u32| wants.declared.contains(number) && !before.contains(number);
        let ours = made.placed.iter().map(|placed| placed.priority);
        let given = ours.chain(made.moves.iter().map(|gone| gone.to));
        prop_assert_eq!(given.filter(may_come).count(), 0, "no number that Terraform may give");
        let mut numbers: Vec<_> = after.iter().map(|rule| rule.priority).collect();
        numbers.sort_unstable();
        numbers.dedup();
        prop_assert_eq!(numbers.len(), after.len(), "no number is taken twice");
        let order = |rules: &[Rule]| {
            let mut others: Vec<_> = rules.iter().filter(|rule| rule.own.is_none()).collect();
            others.sort_by_key(|rule| rule.priority);
            others.into_iter().map(|rule| rule.arn.clone()).collect::<Vec<_>>()
        };
        prop_assert_eq!(order(&rules), order(&after), "others keep their order");
        let again = closing(&after, &wants, SECRET, Renumber::No).unwrap();
        prop_assert!(again.is_whole(&wants), "{:#?}", again);
        let mut half = after.clone();
        half.retain(|rule| rule.priority.unwrap_or(0) % 2 == 0 || rule.own.is_none());
        let mended = closing(&half, &wants, SECRET, Renumber::Yes).unwrap();
        let mended = closed(&half, &mended, &wants);
        prop_assert!(closing(&mended, &wants, SECRET, Renumber::No).unwrap().is_whole(&wants));
    }
}

#[test]
fn others_move_on_to_no_number_that_ours_still_have() {
    let wants = wants(&["shop.x"], &[]);
    let own = Own { role: Role::Testers, page: None, moved: std::collections::BTreeMap::new() };
    let superfluous = Rule { own: Some(own), ..rule(3, "shop.x|/old", "app") };
    let rules = [rule(1, "shop.x", "app"), superfluous];
    let closing = closing(&rules, &wants, SECRET, Renumber::Yes).unwrap();
    let to: Vec<_> = closing.moves.iter().map(|gone| gone.to).collect();
    assert_eq!(to, [4]);
}

#[test]
fn a_number_that_terraform_may_give_stays_free_but_not_one_that_gave_way() {
    let declared = [19, 20].into();
    let wants = Wants { declared, ..wants(&["shop.x"], &[]) };
    let made = closing(&[rule(20, "shop.x", "app")], &wants, SECRET, Renumber::No).unwrap();
    assert_eq!(
        (made.priorities(Role::Testers), made.priorities(Role::Answer)),
        (vec![17], vec![18])
    );
    // 1 and 2 are declared, and 2 has no rule yet.
    let wants = Wants { declared: [1, 2].into(), ..wants };
    let rules = [rule(1, "shop.x", "app")];
    assert!(closing(&rules, &wants, SECRET, Renumber::No).is_err());
    let made = closing(&rules, &wants, SECRET, Renumber::Yes).unwrap();
    assert_eq!((made.priorities(Role::Testers), made.priorities(Role::Answer)), (vec![1], vec![3]));
    assert_eq!(made.moves.iter().map(|gone| gone.to).collect::<Vec<_>>(), [4]);
    let after = closed(&rules, &made, &wants);
    assert!(closing(&after, &wants, SECRET, Renumber::No).unwrap().is_whole(&wants));
    // Somebody declares a number that ours have already: they make way.
    let later = Wants { declared: [3].into(), ..wants };
    let moved = closing(&after, &later, SECRET, Renumber::No).unwrap();
    assert_eq!(moved.priorities(Role::Answer), [2]);
}
