//! Where an expression has to begin and end, once dots at its ends are cut off.
//!
//! `.*/v[0-9]+/.*` is found as `/v[0-9]+/`. That saves most of the states: with the dots, each of many expressions would have to be
//! remembered until the value ends. A dot matches all but a line feed, so what is left says the same of values without one, such as those
//! of headers. If it matches none itself, no value with one can match the whole either.

use regex_syntax::ast::{
    AssertionKind, Ast, ClassAsciiKind, ClassPerl, ClassPerlKind, ClassSet, ClassSetItem, Repetition,
    RepetitionKind,
};

/// What is cut off an expression, and what is asked instead.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Ends {
    /// It matches at a value's beginning alone.
    pub(super) starts: bool,
    /// It matches at a value's end alone.
    pub(super) ends: bool,
    /// It matches values without a line feed alone.
    pub(super) one_line: bool,
    /// How many parts are cut off at the beginning, and at the end.
    cut: (usize, usize),
}

impl Ends {
    /// `whole`: the expression has to match all of a value; `lines`: a value may have line feeds.
    pub(super) fn of(text: &str, ast: &Ast, whole: bool, lines: bool) -> Self {
        let bound = Self { starts: whole, ends: whole, one_line: false, cut: (0, 0) };
        // Flags may change what dots and anchors mean.
        let Ast::Concat(concat) = ast else { return bound };
        if text.replace("(?:", "").contains("(?") {
            return bound;
        }
        let anchor = |ast: Option<&Ast>, kind| whole && ast.is_some_and(|ast| is_anchor(ast, &kind));
        let first = usize::from(anchor(concat.asts.first(), AssertionKind::StartLine));
        let last = usize::from(anchor(concat.asts.last(), AssertionKind::EndLine));
        let Some(inner) = concat.asts.get(first..concat.asts.len().saturating_sub(last)) else {
            return bound;
        };
        let dots_before = inner.iter().take_while(|ast| is_dots(ast)).count();
        let dots_behind = inner.iter().rev().take_while(|ast| is_dots(ast)).count();
        let Some(rest) = inner.get(dots_before..inner.len().saturating_sub(dots_behind)) else {
            return bound;
        };
        let free = dots_before + dots_behind > 0;
        if !free || rest.is_empty() || (whole && lines && !rest.iter().all(matches_no_line_feed)) {
            return bound;
        }
        Self {
            starts: whole && dots_before == 0,
            ends: whole && dots_behind == 0,
            one_line: whole,
            cut: (first + dots_before, last + dots_behind),
        }
    }

    /// Cuts off what is not needed.
    pub(super) fn cut(self, ast: &mut Ast) {
        if let Ast::Concat(concat) = ast {
            concat.asts.truncate(concat.asts.len().saturating_sub(self.cut.1));
            concat.asts.drain(..self.cut.0.min(concat.asts.len()));
        }
    }
}

fn is_anchor(ast: &Ast, kind: &AssertionKind) -> bool {
    matches!(ast, Ast::Assertion(assertion) if assertion.kind == *kind)
}

fn is_dots(ast: &Ast) -> bool {
    let Ast::Repetition(repetition) = ast else { return false };
    let Repetition { op, ast, .. } = &**repetition;
    op.kind == RepetitionKind::ZeroOrMore && matches!(**ast, Ast::Dot(_))
}

/// Certainly; what is not sure of it may still match none.
fn matches_no_line_feed(ast: &Ast) -> bool {
    match ast {
        Ast::Empty(_) | Ast::Assertion(_) | Ast::Dot(_) => true,
        Ast::Literal(literal) => literal.c != LINE_FEED,
        Ast::ClassPerl(class) => perl_has_no_line_feed(class),
        Ast::ClassBracketed(class) => !class.negated && class_has_no_line_feed(&class.kind),
        Ast::Repetition(repetition) => matches_no_line_feed(&repetition.ast),
        Ast::Group(group) => matches_no_line_feed(&group.ast),
        Ast::Alternation(alternation) => alternation.asts.iter().all(matches_no_line_feed),
        Ast::Concat(concat) => concat.asts.iter().all(matches_no_line_feed),
        Ast::Flags(_) | Ast::ClassUnicode(_) => false,
    }
}

fn class_has_no_line_feed(class: &ClassSet) -> bool {
    match class {
        ClassSet::Item(item) => item_has_no_line_feed(item),
        ClassSet::BinaryOp(_) => false,
    }
}

fn item_has_no_line_feed(item: &ClassSetItem) -> bool {
    match item {
        ClassSetItem::Empty(_) => true,
        ClassSetItem::Literal(literal) => literal.c != LINE_FEED,
        ClassSetItem::Range(range) => !(range.start.c..=range.end.c).contains(&LINE_FEED),
        ClassSetItem::Ascii(class) => {
            let blank = [ClassAsciiKind::Ascii, ClassAsciiKind::Cntrl, ClassAsciiKind::Space];
            !class.negated && !blank.contains(&class.kind)
        }
        ClassSetItem::Perl(class) => perl_has_no_line_feed(class),
        ClassSetItem::Union(union) => union.items.iter().all(item_has_no_line_feed),
        ClassSetItem::Unicode(_) | ClassSetItem::Bracketed(_) => false,
    }
}

fn perl_has_no_line_feed(class: &ClassPerl) -> bool {
    (class.kind == ClassPerlKind::Space) == class.negated
}

const LINE_FEED: char = '\n';
