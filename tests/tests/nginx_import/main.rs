//! What `antumbra import nginx` makes of a configuration decides as nginx itself does, for configurations and requests made up
//! from a seed, and for files that somebody has.
//!
//! A real nginx runs many configurations at once, each on ports of its own; what a request reaches is compared with what the
//! imported policy decides. They may differ only where the import says so: the rule that decided is one that keeps requests
//! with the old version, a note of the request's own place says why, and the request does go to the old version of that place.
//! Imports that are wrong on purpose are compared besides, to see that the comparison can fail.

mod coverage;
mod exchange;
mod files;
mod lua;
mod made_up;
mod notes;
mod outcome;
mod plan;
mod quota;
mod shares;
mod written;
mod wrong;

use std::collections::BTreeMap;
use std::fs;
use std::net::Ipv4Addr;
use std::path::Path;

use antumbra_e2e::nginx::Nginx;
use antumbra_import::{Format, ImportError, Imported, import};

use exchange::{Seen, Sent, free_ports, reached};
use made_up::Made;
use outcome::{Outcome, Policy, STRANGER};
use plan::Plan;
use quota::is_surely_below;
use wrong::Wrong;

#[tokio::test]
async fn an_imported_policy_decides_as_nginx_does() {
    let count = number("ANTUMBRA_IMPORT_CONFIGURATIONS", CONFIGURATIONS);
    let seed = number("ANTUMBRA_IMPORT_SEED", SEED);
    let mut counts = Counts::default();
    let mut done = 0;
    while done < count && counts.failures.len() < shown() {
        let batch = (count - done).min(BATCH);
        compare(seed + done, batch, &mut counts).await;
        done += batch;
    }
    println!("{done} configurations from seed {seed}: {}", counts.text());
    let differ: u64 = counts.differ.values().sum();
    counts.failures.truncate(shown());
    assert!(counts.failures.is_empty(), "{}\n{}", counts.failures.join("\n\n"), counts.text());
    assert_eq!(differ, 0, "{}", counts.text());
    for (wrong, (noticed, all)) in &counts.wrong {
        assert!(noticed == all, "{wrong:?} was noticed {noticed} times of {all}: {}", counts.text());
    }
    // Of a few configurations no share says anything.
    if count >= CONFIGURATIONS {
        counts.check_quotas(count);
    }
}

/// How many requests of which kind.
#[derive(Debug, Default)]
struct Counts {
    same: u64,
    said: u64,
    /// By reason.
    differ: BTreeMap<&'static str, u64>,
    /// Of those that are the same, the requests that do not go to the old version of their place.
    moved: u64,
    /// Configurations that were not imported: those that are too large, and those of which too much is hidden.
    refused: u64,
    untold: u64,
    /// Imports that were made wrong: how many were noticed, and how many decided otherwise than the right one or lost a note
    /// that it needs.
    wrong: BTreeMap<Wrong, (u64, u64)>,
    /// For every configuration its requests that are the same, those that are moved, and all.
    each: Vec<[u32; 3]>,
    failures: Vec<String>,
}

impl Counts {
    /// Enough is compared of everything, and enough goes elsewhere than to the old version.
    fn check_quotas(&self, count: u64) {
        let text = self.text();
        assert!(self.refused * 50 <= count, "configurations without a policy: {text}");
        assert!(self.untold * 5 <= count, "configurations of which nothing is told: {text}");
        let each = |kind: fn(&[u32; 3]) -> u32| -> Vec<(u32, u32)> {
            self.each.iter().map(|one| (kind(one), one[2])).collect()
        };
        let (same, moved) = (each(|one| one[0]), each(|one| one[1]));
        assert!(!is_surely_below(&same, SAME), "too much is kept with the old version: {text}");
        assert!(
            !is_surely_below(&moved, MOVED),
            "hardly anything goes elsewhere than to the old version: {text}"
        );
        for wrong in Wrong::ALL {
            let (_, all) = self.wrong.get(&wrong).copied().unwrap_or_default();
            assert!(all * 100 >= count, "{wrong:?} could be made {all} times only: {text}");
        }
    }

    fn text(&self) -> String {
        let Self { same, said, differ, moved, refused, untold, wrong, .. } = self;
        let different: u64 = differ.values().sum();
        format!(
            "same {same} ({moved} of them not the old version), said {said}, different and not said {different} {differ:?}; \
             {refused} configurations refused, {untold} untold; noticed of imports made wrong {wrong:?}"
        )
    }

    fn count(&mut self, outcome: Outcome, text: impl FnOnce(&str) -> String) {
        match outcome {
            Outcome::Same { moved } => {
                self.same += 1;
                self.moved += u64::from(moved);
            }
            Outcome::Said => self.said += 1,
            Outcome::Differs(why) => {
                *self.differ.entry(why).or_default() += 1;
                self.failures.push(text(why));
            }
        }
    }
}

/// Compares some configurations, all in one nginx.
async fn compare(first: u64, count: u64, counts: &mut Counts) {
    let directory = tempfile::tempdir().unwrap();
    let (made, _nginx) = started(first, count, directory.path());
    for each in &made {
        let text = each.text();
        match import(Format::Nginx, text.as_bytes()) {
            Ok(imported) => compare_one(each, &imported, counts).await,
            Err(ImportError::Untold { .. }) => counts.untold += 1,
            Err(ImportError::TooMany { .. }) => counts.refused += 1,
            Err(error) => {
                counts.refused += 1;
                compare_refused(each, &error, counts).await;
            }
        }
        if counts.failures.len() >= shown() {
            return;
        }
    }
}

/// Some configurations, and the nginx that runs them.
fn started(first: u64, count: u64, directory: &Path) -> (Vec<Made>, Nginx) {
    let mut failed = None;
    for _ in 0..STARTS {
        let ports = free_ports(usize::try_from(count).unwrap() * 2 + 2);
        let upstreams = [ports[0], ports[1]];
        let made: Vec<Made> = (0..count)
            .zip(ports[2..].chunks(2))
            .map(|(index, ports)| made_up::configuration(first + index, upstreams, [ports[0], ports[1]]))
            .collect();
        let http = written(&made, upstreams, directory);
        let open: Vec<u16> = made.iter().map(Made::port).chain(upstreams).collect();
        match Nginx::start(directory, &http, &open) {
            Ok(nginx) => return (made, nginx),
            Err(error) => failed = Some(error),
        }
    }
    panic!("nginx does not start: {failed:?}");
}

/// Writes the files of configurations and answers what includes them, beside the servers that all their upstreams lead to.
fn written(made: &[Made], [plain, grpc]: [u16; 2], directory: &Path) -> String {
    let seen = "add_header x-from $host always; add_header x-target $request_uri always;";
    let fails = "if ($http_x_fail = 404) { return 404; } if ($http_x_fail = 503) { return 503; }";
    let mut http = format!(
        "limit_req_log_level info;\nserver {{ listen 127.0.0.1:{plain}; {seen} {fails} return 200; }}\n\
         server {{ listen 127.0.0.1:{grpc} http2; {seen} {fails} return 200; }}\n"
    );
    for each in made {
        let files = each.files();
        for (name, text) in &files {
            let file = directory.join(name);
            fs::create_dir_all(file.parent().unwrap()).unwrap();
            fs::write(file, text).unwrap();
        }
        http.push_str(&format!("include {};\n", files[0].0));
    }
    http
}

/// Asks nginx and the policy about requests of one configuration.
async fn compare_one(made: &Made, imported: &Imported, counts: &mut Counts) {
    let (seed, text, plan) = (made.seed, made.text(), made.plan());
    let policy = Policy::of(imported).unwrap_or_else(|error| panic!("seed {seed}: {error}\n{text}"));
    let mut asked = Vec::new();
    let mut kinds = [0, 0, 0];
    for request in made.requests(REQUESTS) {
        let fails = request.headers.iter().any(|(name, _)| *name == "x-fail");
        let sound = Sent { headers: without(&request.headers, "x-fail"), ..request.clone() };
        let seen = ask(made, &sound).await;
        let mut outcome = policy.outcome(&plan, &sound, &seen);
        if outcome == Outcome::Differs(STRANGER) && is_usual(made, &policy, &sound).await {
            outcome = Outcome::Said;
        }
        let show = |why: &str| {
            let decided = policy.decided(&sound);
            format!("seed {seed}, {why}: nginx {seen:?}, the policy {decided}\n{request:?}\n{text}\n{policy}")
        };
        counts.count(outcome, show);
        kinds[0] += u32::from(matches!(outcome, Outcome::Same { .. }));
        kinds[1] += u32::from(outcome == Outcome::Same { moved: true });
        kinds[2] += 1;
        if fails && matches!(outcome, Outcome::Same { .. }) {
            let failed = ask(made, &request).await;
            let outcome = policy.outcome_of_failure(&plan, &seen, &failed);
            if let Outcome::Differs(why) = outcome
                && !is_drawn(made, &sound, &failed).await
            {
                *counts.differ.entry(why).or_default() += 1;
                counts.failures.push(format!("{}\nfailed {failed:?}", show(why)));
            }
        }
        asked.push((sound, seen, outcome));
    }
    counts.each.push(kinds);
    for wrong in Wrong::ALL {
        compare_wrong(wrong, &plan, imported, &asked, counts);
    }
}

/// What a mistake changes is noticed: requests that are kept for a reason, and are not or for none.
fn compare_wrong(
    wrong: Wrong,
    plan: &Plan,
    imported: &Imported,
    asked: &[(Sent, Seen, Outcome)],
    counts: &mut Counts,
) {
    let right = Policy::of(imported).unwrap();
    let Some(policy) = wrong.made_in(imported).and_then(|imported| Policy::of(&imported).ok()) else {
        return;
    };
    let count = counts.wrong.entry(wrong).or_default();
    for (request, seen, outcome) in asked {
        let (was, is) = (right.decided(request), policy.decided(request));
        let kept = *outcome == Outcome::Said && notes::is_kept(was.rule);
        if !kept || right.has_another_reason(plan, seen, &was) || !wrong.shows(plan, seen, &was, &is) {
            continue;
        }
        count.1 += 1;
        count.0 += u64::from(matches!(policy.outcome(plan, request, seen), Outcome::Differs(_)));
    }
}

/// A configuration without a policy sends nothing on, as far as its text tells.
async fn compare_refused(made: &Made, error: &ImportError, counts: &mut Counts) {
    let (seed, text) = (made.seed, made.text());
    for request in made.requests(REQUESTS) {
        let seen = ask(made, &request).await;
        if seen.from.is_some() {
            counts.failures.push(format!("seed {seed}: {error}, but nginx {seen:?}\n{request:?}\n{text}"));
        }
    }
}

/// Whether a request is kept where its place sends those that nothing marks.
async fn is_usual(made: &Made, policy: &Policy, request: &Sent) -> bool {
    let path = request.path.split('?').next().unwrap_or_default().to_owned();
    let plain = Sent { path, cookie: String::new(), headers: Vec::new(), ..request.clone() };
    let hosts = [request.host.as_str(), "a.test", "b.test", "c.test", "www.c.org", "else.test"];
    let through = ask(made, request).await.places;
    for host in hosts.map(str::to_owned) {
        for ip in [request.ip, Ipv4Addr::new(127, 0, 0, 2), Ipv4Addr::new(127, 0, 0, 200)] {
            let seen = ask(made, &Sent { ip, host: host.clone(), ..plain.clone() }).await;
            let here = seen.places.last() == through.last() && seen.from.is_some();
            if here && seen.from.as_deref() == policy.decided(request).cluster {
                return true;
            }
        }
    }
    false
}

/// Whether a request that does not fail comes out like this as well, by a draw of nginx's own.
async fn is_drawn(made: &Made, sound: &Sent, failed: &Seen) -> bool {
    for _ in 0..DRAWS {
        let seen = ask(made, sound).await;
        if seen.from == failed.from && seen.places == failed.places {
            return true;
        }
    }
    false
}

async fn ask(made: &Made, request: &Sent) -> Seen {
    let seen = reached(made.port(), request).await;
    seen.unwrap_or_else(|error| panic!("seed {}: {error:#}: {request:?}\n{}", made.seed, made.text()))
}

fn without(headers: &[(&'static str, String)], name: &str) -> Vec<(&'static str, String)> {
    headers.iter().filter(|(other, _)| *other != name).cloned().collect()
}

/// A number that a variable of the environment gives.
fn number(variable: &str, usual: u64) -> u64 {
    std::env::var(variable).map_or(usual, |text| text.parse().expect("must be a whole number"))
}

/// How many failures are shown, and end the comparison.
fn shown() -> usize {
    usize::try_from(number("ANTUMBRA_IMPORT_SHOWN", SHOWN)).unwrap()
}

const CONFIGURATIONS: u64 = 200;
const SEED: u64 = 20_261_130;
const BATCH: u64 = 100;
const REQUESTS: u64 = 20;
const SHOWN: u64 = 3;
/// The least share of requests that go the same way.
const SAME: f64 = 0.65;
/// The least share of requests that go elsewhere than to the old version, and the same way.
const MOVED: f64 = 1.0 / 16.0;
/// Enough for the smallest share of a draw, which is one in twenty.
const DRAWS: usize = 100;
/// Ports may be taken by others before nginx has them.
const STARTS: usize = 3;
