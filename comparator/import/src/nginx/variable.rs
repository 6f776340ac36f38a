//! A text without `proxy_pass`: the first variable that nothing else is made of chooses.

use std::collections::BTreeSet;

use super::goal::{Goal, Old};
use super::page::resort;
use super::reached::settle;
use super::reading::Reading;
use super::rules::{Item, What};
use super::scope::Scope;
use super::script::Script;
use super::syntax::Directive;
use super::value::{Unclear as _, looked_up, one};
use super::when::When;
use super::words::{Word, words};
use super::writing::write;

/// Reads the first variable that nothing else is made of, where no `proxy_pass` says which one counts.
pub(super) fn import(reading: &mut Reading<'_>, directives: &[&Directive]) {
    let mut scope = Scope::default();
    for directive in directives {
        run_everywhere(reading, &mut scope, std::slice::from_ref(*directive));
    }
    let mut names: Vec<String> = scope.names().map(str::to_owned).collect();
    let order = reading.config.order.clone();
    let used = used(reading);
    names.extend(order.iter().filter(|name| !used.contains(*name)).cloned());
    let mut names = names.into_iter();
    let Some(name) = names.next() else { return };
    for other in names {
        let at = reading.config.variable(&other).map_or_else(|| format!("${other}"), Directive::at);
        reading.note(
            at,
            format!("one policy makes one choice, here that of ${name}: import the other by itself"),
        );
    }
    let at = reading.config.variable(&name).map_or_else(|| format!("${name}"), Directive::at);
    let (cases, odd) = reading.apart(|reading| scope.variable(reading, &name));
    let goals =
        looked_up(&cases, |text| one(text.plain().map_or(Goal::unclear(), |text| Goal::To(text.to_owned()))));
    let old = resort(&goals).settled(&Old::Nowhere, &Old::Nowhere, &Old::Nowhere);
    let item =
        |when: When, what: What| Item { when, what, place: When::always(), old: old.clone(), at: at.clone() };
    let mut items = Vec::new();
    let odd = [odd, reading.odd_paths()].concat();
    if !odd.is_empty() {
        items.push(item(When::always(), What::Odd(odd)));
    }
    items.extend(goals.into_iter().map(|mut case| {
        settle(&mut case.outcome, &old);
        item(case.when, What::Goes(case.outcome))
    }));
    write(reading, items, |text| text.trim_start_matches(|c: char| !c.is_ascii_alphanumeric()).to_owned());
}

/// The variables that others are made of.
fn used(reading: &Reading<'_>) -> BTreeSet<String> {
    let sources = reading.config.order.iter().filter_map(|known| reading.config.variable(known));
    let texts = sources.filter(|definition| !definition.block.is_empty()).flat_map(|definition| {
        let values = definition.block.iter().flat_map(|entry| &entry.args);
        values.chain(definition.args.iter().rev().skip(1))
    });
    let names = texts.flat_map(|text| words(text)).filter_map(|word| match word {
        Word::Variable(name) => Some(name.to_ascii_lowercase()),
        Word::Literal(_) => None,
    });
    names.collect()
}

fn run_everywhere(reading: &mut Reading<'_>, scope: &mut Scope, directives: &[Directive]) {
    let script = Script::run(reading, scope, directives);
    *scope = script.scope;
    for directive in directives.iter().filter(|directive| directive.name != "if") {
        run_everywhere(reading, scope, &directive.block);
    }
}
