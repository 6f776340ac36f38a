//! One regular expression, read so that each character can become one symbol.
//!
//! An expression sees characters, and the automaton bytes. Read as one of bytes, it says the same about symbols: a dot is any of them,
//! and a character beyond ASCII is the symbol of its range.

use regex_syntax::ast::{
    Ast, ClassSet, ClassSetItem, Flag, Flags, FlagsItemKind, GroupKind, HexLiteralKind, Literal, LiteralKind,
    parse::Parser,
};
use regex_syntax::hir::translate::TranslatorBuilder;
use regex_syntax::hir::{Hir, Look};

use super::alphabet::Alphabet;
use super::ends::Ends;

/// An expression, and how much of a value it has to match.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Expression {
    text: String,
    ignore_case: bool,
    ends: Ends,
    /// The characters and ranges beyond ASCII that it names: first and last.
    beyond: Vec<(char, char)>,
}

impl Expression {
    /// `whole`: it has to match all of a value, else some part; `lines`: a value may have line feeds.
    ///
    /// # Errors
    /// It is none.
    pub(super) fn read(text: &str, whole: bool, ignore_case: bool, lines: bool) -> Result<Self, String> {
        let mut ast = Parser::new().parse(text).map_err(|error| error.kind().to_string())?;
        let mut beyond = Vec::new();
        each_range(&mut ast, &mut |range| {
            let (first, last) = range.ends();
            if !last.is_ascii() {
                beyond.push((first, last));
            }
        });
        let ends = Ends::of(text, &ast, whole, lines);
        let expression = Self { text: text.to_owned(), ignore_case, ends, beyond };
        expression.of_symbols(&Alphabet::of(expression.beyond().take(1))?)?;
        Ok(expression)
    }

    /// Whether it matches values without a line feed alone.
    pub(super) fn is_of_one_line(&self) -> bool {
        self.ends.one_line
    }

    /// Whether it names no character beyond ASCII.
    pub(super) fn is_plain(&self) -> bool {
        self.beyond.is_empty()
    }

    pub(super) fn beyond(&self) -> impl Iterator<Item = (char, char)> {
        self.beyond.iter().copied()
    }

    /// The same about symbols of an alphabet that tells apart what the expression tells apart.
    ///
    /// # Errors
    /// It uses what has no meaning about symbols.
    pub(super) fn of_symbols(&self, alphabet: &Alphabet) -> Result<Hir, String> {
        let mut ast = Parser::new().parse(&self.text).map_err(|error| error.kind().to_string())?;
        each_range(&mut ast, &mut |range| range.become_symbols(alphabet));
        self.ends.cut(&mut ast);
        let mut translator =
            TranslatorBuilder::new().unicode(false).utf8(false).case_insensitive(self.ignore_case).build();
        let read = translator.translate(&self.text, &ast).map_err(|error| error.kind().to_string())?;
        let start = self.ends.starts.then(|| Hir::look(Look::Start));
        let end = self.ends.ends.then(|| Hir::look(Look::End));
        Ok(Hir::concat(start.into_iter().chain([read]).chain(end).collect()))
    }
}

/// A character, or a range of them, as it stands in an expression.
enum Range<'a> {
    One(&'a mut Literal),
    From(&'a mut Literal, &'a mut Literal),
}

impl Range<'_> {
    fn ends(&self) -> (char, char) {
        match self {
            Self::One(one) => (one.c, one.c),
            Self::From(first, last) => (first.c, last.c),
        }
    }

    fn become_symbols(self, alphabet: &Alphabet) {
        match self {
            Self::One(one) => become_symbol(one, alphabet),
            Self::From(first, last) => {
                become_symbol(first, alphabet);
                become_symbol(last, alphabet);
            }
        }
    }
}

fn become_symbol(literal: &mut Literal, alphabet: &Alphabet) {
    if !literal.c.is_ascii() {
        literal.c = char::from(alphabet.symbol(literal.c));
        literal.kind = LiteralKind::HexFixed(HexLiteralKind::X);
    }
}

/// Visits every character and range. An expression of characters may say so with the flag `u`, which changes nothing: it is dropped.
fn each_range(ast: &mut Ast, visit: &mut dyn FnMut(Range<'_>)) {
    match ast {
        Ast::Literal(literal) => visit(Range::One(literal)),
        Ast::ClassBracketed(class) => each_of_class(&mut class.kind, visit),
        Ast::Flags(set) => drop_unicode(&mut set.flags),
        Ast::Repetition(repetition) => each_range(&mut repetition.ast, visit),
        Ast::Group(group) => {
            if let GroupKind::NonCapturing(flags) = &mut group.kind {
                drop_unicode(flags);
            }
            each_range(&mut group.ast, visit);
        }
        Ast::Alternation(alternation) => alternation.asts.iter_mut().for_each(|ast| each_range(ast, visit)),
        Ast::Concat(concat) => concat.asts.iter_mut().for_each(|ast| each_range(ast, visit)),
        Ast::Empty(_) | Ast::Dot(_) | Ast::Assertion(_) | Ast::ClassUnicode(_) | Ast::ClassPerl(_) => {}
    }
}

fn each_of_class(class: &mut ClassSet, visit: &mut dyn FnMut(Range<'_>)) {
    match class {
        ClassSet::Item(item) => each_of_item(item, visit),
        ClassSet::BinaryOp(operation) => {
            each_of_class(&mut operation.lhs, visit);
            each_of_class(&mut operation.rhs, visit);
        }
    }
}

fn each_of_item(item: &mut ClassSetItem, visit: &mut dyn FnMut(Range<'_>)) {
    match item {
        ClassSetItem::Literal(literal) => visit(Range::One(literal)),
        ClassSetItem::Range(range) => visit(Range::From(&mut range.start, &mut range.end)),
        ClassSetItem::Bracketed(class) => each_of_class(&mut class.kind, visit),
        ClassSetItem::Union(union) => union.items.iter_mut().for_each(|item| each_of_item(item, visit)),
        ClassSetItem::Empty(_)
        | ClassSetItem::Ascii(_)
        | ClassSetItem::Unicode(_)
        | ClassSetItem::Perl(_) => {}
    }
}

fn drop_unicode(flags: &mut Flags) {
    flags.items.retain(|item| item.kind != FlagsItemKind::Flag(Flag::Unicode));
}
