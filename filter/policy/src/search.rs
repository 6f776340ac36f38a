//! What a policy looks for in the value of one place, such as the path: all of it is found together.
//!
//! However many rules look into a value, it is read once for all words, and once for each group of expressions. What a client sends
//! decides only how long a value is, never how much is done for each of its bytes, so the work is known when a policy is read.

mod alphabet;
mod cost;
mod ends;
mod expression;
mod table;
mod words;

use alphabet::PLAIN;
pub(crate) use cost::SearchCost;
use expression::Expression;
use table::{Group, Work};
use words::{Known, Words};

/// What is looked for in the values of one place, while a policy is read.
#[derive(Debug)]
pub(crate) struct Sought {
    exact: Known,
    folded: Known,
    expressions: Vec<(Expression, String)>,
    /// The path of the first field that looks for something here.
    path: String,
    /// Values may have line feeds.
    lines: bool,
}

/// The place of something sought among all that is sought there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Slot {
    /// A word, letter for letter.
    Exact(usize),
    /// A word, whatever the case of its ASCII letters.
    Folded(usize),
    /// A regular expression.
    Expression(usize),
}

/// What is looked for in the values of one place, compiled.
#[derive(Debug, Default)]
pub(crate) struct Search {
    exact: Option<Words>,
    folded: Option<Words>,
    groups: Vec<Group>,
    expressions: usize,
}

/// What was found in one value.
#[derive(Debug, Default)]
pub(crate) struct Found {
    exact: Vec<bool>,
    folded: Vec<bool>,
    expressions: Vec<bool>,
    one_line: bool,
    steps: usize,
}

/// Something that is too large to be looked for: the path of its field, and why.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct TooLarge {
    pub(crate) path: String,
    pub(crate) reason: &'static str,
}

impl Sought {
    /// `lines`: values may have line feeds. Those of headers have none.
    pub(crate) fn new(lines: bool) -> Self {
        Self {
            exact: Known::default(),
            folded: Known::default(),
            expressions: Vec::new(),
            path: String::new(),
            lines,
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.path.is_empty()
    }

    /// Notes that the field at `path` looks into the values.
    pub(crate) fn asked_by(&mut self, path: impl FnOnce() -> String) {
        if self.path.is_empty() {
            self.path = path();
        }
    }

    /// A part of a value.
    pub(crate) fn word(&mut self, word: &[u8], ignore_case: bool) -> Slot {
        if ignore_case { Slot::Folded(self.folded.place(word)) } else { Slot::Exact(self.exact.place(word)) }
    }

    /// An expression that the value of the field at `path` is, and whether it matches values without a line feed alone, which then
    /// has to be asked, too.
    ///
    /// # Errors
    /// Why it is none.
    pub(crate) fn expression(
        &mut self,
        text: &str,
        whole: bool,
        ignore_case: bool,
        path: impl FnOnce() -> String,
    ) -> Result<(Slot, bool), String> {
        let expression = Expression::read(text, whole, ignore_case, self.lines)?;
        let one_line = expression.is_of_one_line();
        let known = self.expressions.iter().position(|(known, _)| *known == expression);
        let place = known.unwrap_or_else(|| {
            self.expressions.push((expression, path()));
            self.expressions.len() - 1
        });
        Ok((Slot::Expression(place), one_line))
    }

    /// Compiles all of it, as far as `left` allows, and says what it takes, by path.
    ///
    /// # Errors
    /// What is too large, or one too many.
    pub(crate) fn compile(
        &self,
        left: &mut Compiling,
    ) -> Result<(Search, Vec<(String, SearchCost)>), TooLarge> {
        let mut groups = Vec::new();
        let (plain, wide): (Vec<usize>, Vec<usize>) =
            (0..self.expressions.len()).partition(|at| self.at(*at).is_some_and(|(it, _)| it.is_plain()));
        for together in plain.chunks(MAX_TOGETHER).chain(wide.chunks(MAX_TOGETHER)) {
            self.group(together, &mut left.0, &mut groups)?;
        }
        let words = |known: &Known, ignore_case| {
            let reason = "looks for more words than can be counted";
            Words::of(known, ignore_case).map_err(|()| TooLarge { path: self.path.clone(), reason })
        };
        let search = Search {
            exact: words(&self.exact, false)?,
            folded: words(&self.folded, true)?,
            groups,
            expressions: self.expressions.len(),
        };
        let mut costs = vec![(self.path.clone(), search.cost_without_groups().of_length(LONGEST_SEARCHED))];
        for group in &search.groups {
            let first = group.places().first().and_then(|place| self.at(*place));
            costs.extend(first.map(|(_, path)| (path.clone(), group.cost().of_length(LONGEST_MATCHED))));
        }
        Ok((search, costs))
    }

    fn at(&self, index: usize) -> Option<&(Expression, String)> {
        self.expressions.get(index)
    }

    /// Those together if one table holds them, else each half of them.
    fn group(&self, together: &[usize], work: &mut Work, groups: &mut Vec<Group>) -> Result<(), TooLarge> {
        let members: Vec<(usize, &Expression)> =
            together.iter().filter_map(|at| Some((*at, &self.at(*at)?.0))).collect();
        match (Group::of(&members, work), together) {
            (Ok(group), _) => groups.push(group),
            (Err(reason), [only]) => {
                let path = self.at(*only).map(|(_, path)| path.clone()).unwrap_or_default();
                return Err(TooLarge { path, reason });
            }
            (Err(_), _) => {
                let (first, second) = together.split_at(together.len() / 2);
                self.group(first, work, groups)?;
                self.group(second, work, groups)?;
            }
        }
        Ok(())
    }
}

/// How much compiling is left to all searches of a policy.
#[derive(Debug, Default)]
pub(crate) struct Compiling(Work);

impl Search {
    /// Everything that is sought in a value.
    pub(crate) fn of(&self, value: &[u8]) -> Found {
        if value.len() > LONGEST_SEARCHED {
            return Found::default();
        }
        let mut steps = OF_A_SEARCH + value.len();
        let mut find = |words: &Option<Words>| {
            let (found, took) = words.as_ref().map(|words| words.of_value(value)).unwrap_or_default();
            steps += took;
            found
        };
        let (exact, folded) = (find(&self.exact), find(&self.folded));
        let mut expressions = vec![false; self.expressions];
        let groups = self.groups.iter().filter(|_| value.len() <= LONGEST_MATCHED);
        let (plain, wide): (Vec<&Group>, Vec<&Group>) = groups.partition(|group| group.alphabet().is_none());
        let before = (alphabet::STEPS_PER_BYTE + table::STEPS_BEFORE) * value.len();
        if !plain.is_empty() {
            steps += before + Group::run_all(&plain, &PLAIN.symbols(value), &mut expressions);
        }
        for group in wide {
            let symbols = group.alphabet().map(|alphabet| alphabet.symbols(value)).unwrap_or_default();
            steps += before + Group::run_all(&[group], &symbols, &mut expressions);
        }
        Found { exact, folded, expressions, one_line: !value.contains(&b'\n'), steps }
    }

    fn cost_without_groups(&self) -> SearchCost {
        let words = self.exact.iter().chain(&self.folded).map(Words::cost);
        let symbols = if self.groups.is_empty() { 0 } else { alphabet::STEPS_PER_BYTE + table::STEPS_BEFORE };
        let steps = OF_A_SEARCH + symbols * LONGEST_MATCHED;
        let own = SearchCost { bytes: size_of::<Self>(), steps_per_byte: 1, steps };
        words.fold(own, SearchCost::plus)
    }
}

impl Found {
    pub(crate) fn has(&self, slot: Slot) -> bool {
        let (all, at) = match slot {
            Slot::Exact(at) => (&self.exact, at),
            Slot::Folded(at) => (&self.folded, at),
            Slot::Expression(at) => (&self.expressions, at),
        };
        all.get(at).copied().unwrap_or(false)
    }

    /// How many steps the search took.
    pub(crate) fn steps(&self) -> usize {
        self.steps
    }

    /// Whether the value has no line feed, which is the one character that a dot does not match.
    pub(crate) fn one_line(&self) -> bool {
        self.one_line
    }
}

/// Bytes of a value in which words are looked for; in a longer one nothing is found.
pub(crate) const LONGEST_SEARCHED: usize = 8 * 1024;
/// Bytes of a value that expressions match; longer than any user agent, path or token that a rule would look into. Importers rely on it:
/// what they cannot test is left to the host.
pub(crate) const LONGEST_MATCHED: usize = 2 * 1024;
/// Expressions that are tried as one table: compiling takes their number times the states that they have together.
const MAX_TOGETHER: usize = 64;
/// Steps of a search in an empty value: what was found has to be kept somewhere.
const OF_A_SEARCH: usize = 300;
