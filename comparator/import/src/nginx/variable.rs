//! A text without `proxy_pass`: the first variable that nothing else is made of chooses.

use super::goal::Goal;
use super::reading::Reading;
use super::rules::{Item, What};
use super::scope::Scope;
use super::script::Script;
use super::syntax::Directive;
use super::value::{Outcome, looked_up, one};
use super::writing::write;

/// Reads the first variable that nothing else is made of, where no `proxy_pass` says which one counts.
pub(super) fn import(reading: &mut Reading<'_>, directives: &[&Directive]) {
    let mut scope = Scope::default();
    for directive in directives {
        run_everywhere(reading, &mut scope, std::slice::from_ref(*directive));
    }
    let mut names: Vec<String> = scope.names().map(str::to_owned).collect();
    let order = reading.config.order.clone();
    names.extend(order.iter().filter(|name| !is_used(reading, name)).cloned());
    let mut names = names.into_iter();
    let Some(name) = names.next() else { return };
    for other in names {
        reading.note(
            format!("${other}"),
            format!("one policy makes one choice, here that of ${name}: import the other by itself"),
        );
    }
    let at = reading.config.variable(&name).map_or_else(|| format!("${name}"), Directive::at);
    let cases = scope.variable(reading, &name);
    let goals =
        looked_up(&cases, |text| one(text.plain().map_or(Goal::Old(None), |text| Goal::To(text.to_owned()))));
    let unclear = goals
        .iter()
        .any(|case| case.when.perhaps().is_some() || case.outcome == Outcome::One(Goal::Old(None)));
    if unclear {
        reading.note(&at, format!("a part of what ${name} chooses cannot be told: it keeps the old version"));
    }
    let items = goals.into_iter().map(|case| Item {
        when: case.when,
        what: What::Goes(case.outcome),
        at: at.clone(),
    });
    write(reading, items.collect(), |text| {
        text.trim_start_matches(|c: char| !c.is_ascii_alphanumeric()).to_owned()
    });
}

/// Whether another variable is made of this one.
fn is_used(reading: &Reading<'_>, name: &str) -> bool {
    let sources = reading.config.order.iter().filter_map(|known| reading.config.variable(known));
    sources.filter(|definition| !definition.block.is_empty()).any(|definition| {
        let values = definition.block.iter().flat_map(|entry| &entry.args);
        let mut texts = values.chain(definition.args.iter().rev().skip(1));
        texts.any(|text| *text == format!("${name}") || text.contains(&format!("${{{name}}}")))
    })
}

fn run_everywhere(reading: &mut Reading<'_>, scope: &mut Scope, directives: &[Directive]) {
    let script = Script::run(reading, scope, directives);
    *scope = script.scope;
    for directive in directives.iter().filter(|directive| directive.name != "if") {
        run_everywhere(reading, scope, &directive.block);
    }
}
