//! `antumbra simulate`: many users under a policy, and what a change of it would do to them.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;

use antumbra_policy::document::Tree;
use antumbra_policy::{Decision, Dice, Policy, WrittenRequest, lint};
use serde::Serialize;

use super::output::{print, print_json};
use super::{Failure, Output, local};
use crate::clock;

/// What to try.
#[derive(clap::Args)]
pub(super) struct Options {
    /// The policy, YAML or JSON
    file: PathBuf,
    /// How many users to try; user n sends n as each cookie, header or parameter that the policy knows users by
    #[arg(long, default_value_t = 10_000, value_parser = clap::value_parser!(u64).range(1..=10_000_000))]
    users: u64,
    /// The policy that it is to replace: also say who moves
    #[arg(long, value_name = "FILE")]
    against: Option<PathBuf>,
    /// What every user asks for, as one JSON object; `GET /` unless given
    #[arg(long, value_name = "FILE")]
    request: Option<PathBuf>,
    /// For what is left to chance
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// How to print
    #[arg(long, value_enum, default_value_t)]
    output: Output,
}

/// Prints the shares, and with `--against` who moves.
pub(super) fn simulate(options: &Options) -> Result<ExitCode, Failure> {
    let (after, tree) = read(&options.file)?;
    let before = options.against.as_deref().map(read).transpose()?;
    let mut keys = keys(&tree);
    keys.extend(before.iter().flat_map(|(_, tree)| self::keys(tree)));
    let template = match &options.request {
        Some(file) => Tree::from_json(local::text(file)?.as_bytes())
            .map_err(|invalid| Failure::Usage(format!("{}: {invalid}", file.display())))?,
        None => Tree::Map(Vec::new()),
    };
    let mut tally = Tally::default();
    let mut dice = Dice(options.seed);
    for user in 1..=options.users {
        let request = request(&template, &keys, user).map_err(Failure::Usage)?;
        let word = Dice(dice.next());
        let decision = after.decide(&request, word);
        let earlier = before.as_ref().map(|(before, _)| before.decide(&request, word));
        tally.count(&decision, earlier.as_ref());
    }
    let default =
        before.as_ref().map(|(before, _)| before.default_variant().map(|variant| variant.name.clone()));
    let simulated = tally.finish(options.users, default);
    match options.output {
        Output::Json => print_json(&simulated),
        Output::Text => {
            let exact = before.map_or_else(Vec::new, |(before, _)| lint::change_warnings(&before, &after));
            let exact: String = exact.iter().map(|warning| format!("{warning}\n")).collect();
            print(&(simulated.to_text() + &exact));
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn read(file: &std::path::Path) -> Result<(Policy, Tree), Failure> {
    let (document, policy) = local::compiled(file)?;
    Ok((policy, document.tree().clone()))
}

/// Everything that a policy knows users by: `by` of splits, and `idFrom`.
fn keys(tree: &Tree) -> Vec<String> {
    let rules = match tree.get("rules") {
        Some(Tree::List(rules)) => rules.as_slice(),
        _ => &[],
    };
    let by = rules.iter().filter_map(|rule| rule.get("split")?.get("by"));
    by.chain(tree.get("idFrom"))
        .flat_map(|keys| match keys {
            Tree::List(keys) => keys.clone(),
            key => vec![key.clone()],
        })
        .filter_map(|key| if let Tree::Text(key) = key { Some(key) } else { None })
        .collect()
}

/// The request of one user: the template, and the user's number as each key.
fn request(template: &Tree, keys: &[String], user: u64) -> Result<WrittenRequest, String> {
    let mut request = template.clone();
    for key in keys {
        let (kind, name) = key.split_once(':').unwrap_or((key, ""));
        match kind {
            "header" => set(&mut request, "headers", name, user),
            "cookie" => set(&mut request, "cookies", name, user),
            "metadata" => set(&mut request, "metadata", name, user),
            "query" => {
                let path = match request.get("path") {
                    Some(Tree::Text(path)) => path.clone(),
                    _ => "/".to_owned(),
                };
                let mark = if path.contains('?') { '&' } else { '?' };
                request.set("path", Tree::Text(format!("{path}{mark}{name}={user}")));
            }
            _ => request.set("ip", Tree::Text(address(user))),
        }
    }
    WrittenRequest::from_tree(&request, clock::now()).map_err(|invalid| invalid.to_string())
}

fn set(request: &mut Tree, part: &str, name: &str, user: u64) {
    if request.get(part).is_none() {
        request.set(part, Tree::Map(Vec::new()));
    }
    if let Some(part) = request.get_mut(part) {
        part.set(name, Tree::Text(user.to_string()));
    }
}

/// An address of 10.0.0.0/8 for each of the first 2^24 users.
fn address(user: u64) -> String {
    let [.., a, b, c] = user.to_be_bytes();
    format!("10.{a}.{b}.{c}")
}

#[derive(Default)]
struct Tally {
    variants: BTreeMap<Option<String>, u64>,
    rules: BTreeMap<(Option<String>, &'static str), u64>,
    mirrored: BTreeMap<String, u64>,
    moved: BTreeMap<(Option<String>, Option<String>), u64>,
}

impl Tally {
    fn count(&mut self, decision: &Decision<'_>, earlier: Option<&Decision<'_>>) {
        let name = |decision: &Decision<'_>| decision.variant.map(|variant| variant.name.clone());
        let variant = name(decision);
        let rule = decision.rule.map(str::to_owned);
        *self.rules.entry((rule, decision.reason.as_str())).or_default() += 1;
        for mirrored in &decision.mirrors {
            *self.mirrored.entry(mirrored.mirror.to.name.clone()).or_default() += 1;
        }
        if let Some(before) = earlier.map(name).filter(|before| *before != variant) {
            *self.moved.entry((before, variant.clone())).or_default() += 1;
        }
        *self.variants.entry(variant).or_default() += 1;
    }

    /// `default` is that of the policy before, if there is one.
    fn finish(self, users: u64, default: Option<Option<String>>) -> Simulated {
        let share = |part: u64| part as f64 / users as f64;
        let variants =
            self.variants.into_iter().map(|(variant, n)| Share { variant, users: n, share: share(n) });
        let rules = self.rules.into_iter().map(|((rule, reason), n)| Rule {
            rule,
            reason,
            users: n,
            share: share(n),
        });
        let mirrored = self.mirrored.into_iter().map(|(to, n)| Mirrored { to, users: n, share: share(n) });
        let moved = default.map(|default| {
            let total: u64 = self.moved.values().sum();
            let evicted: u64 =
                self.moved.iter().filter(|((from, _), _)| *from != default).map(|(_, n)| n).sum();
            let movements = self.moved.iter().map(|((from, to), n)| Movement {
                from: from.clone(),
                to: to.clone(),
                users: *n,
                share: share(*n),
            });
            Moved { users: total, share: share(total), evicted, movements: movements.collect() }
        });
        Simulated {
            users,
            variants: variants.collect(),
            rules: rules.collect(),
            mirrored: mirrored.collect(),
            moved,
        }
    }
}

/// Who gets what.
#[derive(Debug, Serialize)]
struct Simulated {
    users: u64,
    /// `null` is the host's own routing.
    variants: Vec<Share>,
    rules: Vec<Rule>,
    mirrored: Vec<Mirrored>,
    #[serde(skip_serializing_if = "Option::is_none")]
    moved: Option<Moved>,
}

#[derive(Debug, Serialize)]
struct Share {
    variant: Option<String>,
    users: u64,
    share: f64,
}

#[derive(Debug, Serialize)]
struct Rule {
    rule: Option<String>,
    reason: &'static str,
    users: u64,
    share: f64,
}

#[derive(Debug, Serialize)]
struct Mirrored {
    to: String,
    users: u64,
    share: f64,
}

#[derive(Debug, Serialize)]
struct Moved {
    users: u64,
    share: f64,
    /// Those who had another variant than the default.
    evicted: u64,
    movements: Vec<Movement>,
}

#[derive(Debug, Serialize)]
struct Movement {
    from: Option<String>,
    to: Option<String>,
    users: u64,
    share: f64,
}

impl Simulated {
    fn to_text(&self) -> String {
        let mut text = format!("{:24}{:>10}{:>10}\n", "variant", "users", "share");
        for Share { variant, users, share } in &self.variants {
            line(&mut text, shown(variant.as_deref()), *users, *share);
        }
        text.push('\n');
        for Rule { rule, reason, users, share } in &self.rules {
            let name =
                rule.as_ref().map_or_else(|| (*reason).to_owned(), |rule| format!("{rule} ({reason})"));
            line(&mut text, &name, *users, *share);
        }
        if !self.mirrored.is_empty() {
            text.push('\n');
        }
        for Mirrored { to, users, share } in &self.mirrored {
            line(&mut text, &format!("mirrored to {to}"), *users, *share);
        }
        if let Some(moved) = &self.moved {
            text.push('\n');
            line(&mut text, "moved", moved.users, moved.share);
            for Movement { from, to, users, share } in &moved.movements {
                let way = format!("  {} → {}", shown(from.as_deref()), shown(to.as_deref()));
                line(&mut text, &way, *users, *share);
            }
            let _ = writeln!(text, "{:24}{:>10}", "lost another variant than the default", moved.evicted);
        }
        text
    }
}

fn line(text: &mut String, name: &str, users: u64, share: f64) {
    let _ = writeln!(text, "{name:24}{users:>10}{:>8.2} %", share * 100.0);
}

fn shown(variant: Option<&str>) -> &str {
    variant.unwrap_or("(host's own routing)")
}

pub(super) const EXAMPLES: &str = "\
Examples:
  antumbra simulate shop.yaml --users 100000
  antumbra simulate new.yaml --against shop.yaml
  echo '{\"path\": \"/api/x\"}' > r.json; antumbra simulate shop.yaml --request r.json";
