//! What `antumbra import nginx` makes of a configuration decides as nginx itself does, for configurations and requests made up
//! from a seed, and for files that somebody has.
//!
//! A real nginx runs many configurations at once, each on ports of its own; what a request reaches is compared with what the
//! imported policy decides. They may differ only where the import says so: the rule that decided is one that keeps requests
//! with the old version, a note names its line, and the request does go to the old version.

mod exchange;
mod files;
mod made_up;
mod outcome;
mod shares;

use std::fs;
use std::path::Path;

use antumbra_e2e::nginx::Nginx;
use antumbra_import::{Format, ImportError, import};

use exchange::{free_ports, reached};
use made_up::Made;
use outcome::{Outcome, Policy};

#[tokio::test]
async fn an_imported_policy_decides_as_nginx_does() {
    let count = number("ANTUMBRA_IMPORT_CONFIGURATIONS", CONFIGURATIONS);
    let seed = number("ANTUMBRA_IMPORT_SEED", SEED);
    let mut counts = Counts::default();
    let mut failures = Vec::new();
    let mut done = 0;
    while done < count && failures.len() < SHOWN {
        let batch = (count - done).min(BATCH);
        compare(seed + done, batch, &mut counts, &mut failures).await;
        done += batch;
    }
    println!("{done} configurations from seed {seed}: {counts:?}");
    failures.truncate(SHOWN);
    assert!(failures.is_empty(), "{}", failures.join("\n\n"));
    assert!(counts.refused * 50 <= count, "configurations without a policy: {counts:?}");
    let all = counts.same + counts.said;
    assert!(counts.same * 10 >= all * 7, "too much is kept with the old version: {counts:?}");
    assert!(counts.moved * 10 >= all, "hardly anything goes elsewhere than to the default: {counts:?}");
}

/// How many requests of which kind.
#[derive(Debug, Default)]
struct Counts {
    same: u64,
    said: u64,
    /// Of those that are the same, the requests that do not go to the default.
    moved: u64,
    /// Configurations that were not imported.
    refused: u64,
}

/// Compares some configurations, all in one nginx.
async fn compare(first: u64, count: u64, counts: &mut Counts, failures: &mut Vec<String>) {
    let ports = free_ports(usize::try_from(count).unwrap() * 2 + 1);
    let upstream = ports[0];
    let made: Vec<Made> = (0..count)
        .zip(ports[1..].chunks(2))
        .map(|(index, ports)| made_up::configuration(first + index, upstream, [ports[0], ports[1]]))
        .collect();
    let directory = tempfile::tempdir().unwrap();
    let http = written(&made, upstream, directory.path());
    let open: Vec<u16> = made.iter().map(Made::port).chain([upstream]).collect();
    let _nginx = Nginx::start(directory.path(), &http, &open).unwrap();
    for each in &made {
        let text = each.text();
        match import(Format::Nginx, text.as_bytes()) {
            Ok(imported) => {
                let policy = Policy::of(&imported);
                let policy = policy.unwrap_or_else(|error| panic!("seed {}: {error}\n{text}", each.seed));
                compare_one(each, &policy, counts, failures).await;
            }
            Err(ImportError::TooMany { .. }) => counts.refused += 1,
            Err(error) => {
                counts.refused += 1;
                for request in each.requests(REQUESTS) {
                    if let Some(nginx) = reached(each.port(), &request).await.unwrap() {
                        let seed = each.seed;
                        failures
                            .push(format!("seed {seed}: {error}, but {request:?} went to {nginx}\n{text}"));
                    }
                }
            }
        }
        if failures.len() >= SHOWN {
            return;
        }
    }
}

/// Writes the files of configurations and answers what includes them, beside the server that all their upstreams lead to.
fn written(made: &[Made], upstream: u16, directory: &Path) -> String {
    let mut http =
        format!("server {{ listen 127.0.0.1:{upstream}; add_header x-from $host always; return 200; }}\n");
    for each in made {
        for (name, text) in &each.files {
            let file = directory.join(name);
            fs::create_dir_all(file.parent().unwrap()).unwrap();
            fs::write(file, text).unwrap();
        }
        http.push_str(&format!("include {};\n", each.files[0].0));
    }
    http
}

/// Asks nginx and the policy about requests of one configuration.
async fn compare_one(made: &Made, policy: &Policy, counts: &mut Counts, failures: &mut Vec<String>) {
    let (seed, text) = (made.seed, made.text());
    for request in made.requests(REQUESTS) {
        let nginx = reached(made.port(), &request).await;
        let nginx = nginx.unwrap_or_else(|error| panic!("seed {seed}: {error:#}: {request:?}\n{text}"));
        let (outcome, decided) = policy.outcome(&request, nginx.as_deref());
        match outcome {
            Outcome::Same { moved } => {
                counts.same += 1;
                counts.moved += u64::from(moved);
            }
            Outcome::Said => counts.said += 1,
            Outcome::Differs => failures.push(format!(
                "seed {seed}: nginx sent {request:?} to {nginx:?}, the policy {decided}\n{text}\n{policy}"
            )),
        }
    }
}

/// A number that a variable of the environment gives.
fn number(variable: &str, usual: u64) -> u64 {
    std::env::var(variable).map_or(usual, |text| text.parse().expect("must be a whole number"))
}

const CONFIGURATIONS: u64 = 200;
const SEED: u64 = 20_261_130;
const BATCH: u64 = 100;
const REQUESTS: u64 = 20;
const SHOWN: usize = 3;
