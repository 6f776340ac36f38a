//! The expressions of lua-resty-expr, as in `["arg_name", "==", "ann"]` and `["OR", …]`.
//!
//! A missing variable is nil there: every comparison with it is false and its negation true, as in a policy. `has` asks
//! whether a list holds a value; on a text, such as a cookie, it is never true and says so to nobody.

use antumbra_policy::document::Tree;

use crate::condition::{Condition, Predicate, Subject};
use crate::draft::Draft;
use crate::part::Part;

/// What `vars` asks for: its expressions together, or what its leading operator makes of them.
pub(super) fn condition(draft: &mut Draft, vars: &Part<'_>) -> Condition {
    group(draft, vars, 0)
}

fn group(draft: &mut Draft, vars: &Part<'_>, depth: usize) -> Condition {
    if depth > DEEPEST {
        return draft.unclear(&vars.at, format!("is nested deeper than {DEEPEST} levels"));
    }
    let items = vars.items();
    let operator = items.first().and_then(Part::text);
    let Some(operator) = operator else {
        if items.is_empty() && *vars.tree != Tree::List(Vec::new()) {
            return draft.unclear(&vars.at, "is not a list of expressions");
        }
        let parts: Vec<_> = items.iter().map(|item| nested(draft, item, depth)).collect();
        return Condition::all(parts);
    };
    let operands = items.get(1..).unwrap_or_default();
    if operands.len() < 2 {
        return draft.unclear(&vars.at, format!("{operator:?} needs two operands at least, as in APISIX"));
    }
    let parts: Vec<_> = operands.iter().map(|item| nested(draft, item, depth)).collect();
    match operator.to_ascii_uppercase().as_str() {
        "AND" => Condition::all(parts),
        "!AND" => Condition::all(parts).negated(),
        "OR" => Condition::any(parts),
        "!OR" => Condition::any(parts).negated(),
        _ => draft.unclear(&vars.at, format!("{operator:?} is not an operator of lua-resty-expr")),
    }
}

fn nested(draft: &mut Draft, item: &Part<'_>, depth: usize) -> Condition {
    let items = item.items();
    let first = items.first().and_then(Part::text);
    match first.map(|first| first.to_ascii_uppercase()).as_deref() {
        None | Some("AND" | "OR" | "!AND" | "!OR") => group(draft, item, depth + 1),
        Some(_) => expression(draft, item, &items),
    }
}

/// `[variable, operator, value]`, `[variable, "!", operator, value]`, or `[variable, value]`, which compares.
fn expression(draft: &mut Draft, item: &Part<'_>, items: &[Part<'_>]) -> Condition {
    let words: Vec<String> = items.iter().take(3).map(|part| part.text().unwrap_or_default()).collect();
    let is = "==".to_owned();
    let (variable, negated, operator, value) = match (words.as_slice(), items) {
        ([variable, _], [_, value]) => (variable, false, &is, value),
        ([variable, operator, _], [_, _, value]) if operator != "!" => (variable, false, operator, value),
        ([variable, not, operator], [_, _, _, value]) if not == "!" => (variable, true, operator, value),
        _ => {
            return draft.unclear(
                &item.at,
                "is not [variable, operator, value] or [variable, \"!\", operator, value]",
            );
        }
    };
    let operator = operator.to_ascii_lowercase();
    let (operator, negated) = match operator.as_str() {
        "~=" => ("==", !negated),
        "!~~" => ("~~", !negated),
        "!~*" => ("~*", !negated),
        other => (other, negated),
    };
    compared(draft, item, variable, operator, value).negated_if(negated)
}

fn compared(
    draft: &mut Draft,
    item: &Part<'_>,
    variable: &str,
    operator: &str,
    value: &Part<'_>,
) -> Condition {
    let at = &item.at;
    let Some(subject) = subject(variable) else {
        return draft.unclear(at, format!("the variable {variable:?} is nothing that a policy can test"));
    };
    match &subject {
        Subject::Path => draft.decoded_paths(at, false),
        Subject::Cookie(name) => draft.repeated_cookie(at, name),
        Subject::Host if value.texts().iter().any(|text| text.bytes().any(|b| b.is_ascii_uppercase())) => {
            return draft.unclear(
                at,
                "APISIX compares the host in small letters, and a policy in any: write small ones",
            );
        }
        _ => {}
    }
    if operator == "has" {
        return has(draft, at, variable, subject, value);
    }
    simple(draft, at, subject, operator, value)
}

fn simple(draft: &mut Draft, at: &str, subject: Subject, operator: &str, value: &Part<'_>) -> Condition {
    let text = value.text().unwrap_or_default();
    let predicate = match (operator, value.tree) {
        (">" | ">=" | "<" | "<=", _) => {
            value.number().map(|number| Predicate::number(comparison(operator), number))
        }
        ("==", Tree::Integer(_) | Tree::Float(_)) if subject != Subject::Ip => number(value),
        ("==", Tree::Text(_)) => Some(Predicate::exact(text)),
        // Within a list a text is compared as it is: a number is equal to none.
        ("in", Tree::List(items))
            if !items.is_empty() && items.iter().all(|item| matches!(item, Tree::Text(_))) =>
        {
            Some(Predicate::one_of(value.texts()))
        }
        ("ipmatch", _) if subject == Subject::Ip && !value.texts().is_empty() => {
            Some(Predicate::one_of(value.texts()))
        }
        ("~~", Tree::Text(_)) => Some(Predicate::text("search", text)),
        ("~*", Tree::Text(_)) => Some(Predicate::text("search", text).ignoring_case(true)),
        _ => None,
    };
    match predicate {
        Some(predicate) => draft.test(at, subject, predicate),
        None => draft.unclear(at, format!("{operator:?} with {} cannot be carried over", value.tree)),
    }
}

/// A text equals a number if it reads as it.
fn number(value: &Part<'_>) -> Option<Predicate> {
    let number = value.number()?;
    Predicate::number("gte", number).and(&Predicate::number("lte", number))
}

fn comparison(operator: &str) -> &'static str {
    match operator {
        ">" => "gt",
        ">=" => "gte",
        "<" => "lt",
        _ => "lte",
    }
}

fn has(draft: &mut Draft, at: &str, variable: &str, subject: Subject, value: &Part<'_>) -> Condition {
    let text = value.text().unwrap_or_default();
    let cookie = text.split_once('=').filter(|_| subject == Subject::Header("cookie".to_owned()));
    let (subject, meant) = match cookie {
        Some((name, value)) => (Subject::Cookie(name.trim().to_owned()), value.trim().to_owned()),
        None => (subject, text),
    };
    draft.note(
        at,
        format!(
            "WARNING: `has` asks whether a list holds a value, and {variable:?} is a text: in \
                 APISIX this is never true. \
             Probably a test for exactly {meant:?} was meant"
        ),
    );
    Condition::Never(Box::new(draft.test(at, subject, Predicate::exact(meant))))
}

fn subject(variable: &str) -> Option<Subject> {
    if let Some(name) = variable.strip_prefix("arg_") {
        return Some(Subject::Query(name.to_owned()));
    }
    if let Some(name) = variable.strip_prefix("cookie_") {
        return Some(Subject::Cookie(name.to_owned()));
    }
    match variable {
        "uri" | "document_uri" => Some(Subject::Path),
        "request_uri" => Some(Subject::Header(":path".to_owned())),
        "host" => Some(Subject::Host),
        "request_method" | "method" => Some(Subject::Method),
        "remote_addr" => Some(Subject::Ip),
        "content_type" | "content_length" => Some(Subject::Header(variable.replace('_', "-"))),
        _ => {
            let name = variable.strip_prefix("http_")?;
            Some(Subject::Header(name.replace('_', "-").to_ascii_lowercase()))
        }
    }
}

/// Levels of nested operators.
const DEEPEST: usize = 16;
