//! Several expressions as one table of states: each symbol of a value is one look into it.
//!
//! The states are found by `regex-automata`. A table of our own keeps only what is asked, whether an expression matches, in a
//! quarter of the memory, and knows from which states nothing can be found any more.

use std::collections::BTreeMap;

use regex_automata::Anchored;
use regex_automata::MatchKind;
use regex_automata::dfa::{Automaton, StartKind, dense};
use regex_automata::nfa::thompson::{self, NFA, WhichCaptures};
use regex_automata::util::primitives::StateID;
use regex_automata::util::start;

use super::alphabet::Alphabet;
use super::cost::SearchCost;
use super::expression::Expression;

/// Expressions that are matched together.
#[derive(Debug)]
pub(super) struct Group {
    /// `None`: the plain one.
    alphabet: Option<Alphabet>,
    table: Table,
    /// The place of each among all expressions.
    places: Vec<usize>,
}

#[derive(Debug)]
struct Table {
    /// The column of each symbol.
    columns: Box<[u8; 256]>,
    width: u16,
    /// The next state, by state and column; a state is where its row begins.
    next: Vec<u16>,
    /// By row: which set has matched where a value ends there.
    at_end: Vec<u16>,
    /// By row before [`Self::plain`]: which set has matched once it is reached.
    reached: Vec<u16>,
    /// Sets of expressions, by their places in the group; the first is empty.
    sets: Vec<Vec<usize>>,
    start: u16,
    /// The first of the states that say nothing.
    plain: u16,
}

/// How much compiling may still take: symbols of a table times states of what it is made from.
#[derive(Debug)]
pub(super) struct Work(usize);

impl Default for Work {
    fn default() -> Self {
        Self(MAX_WORK)
    }
}

impl Group {
    /// # Errors
    /// Why they do not become one table.
    pub(super) fn of(members: &[(usize, &Expression)], work: &mut Work) -> Result<Self, &'static str> {
        let plain = members.iter().all(|(_, expression)| expression.is_plain());
        let alphabet = Alphabet::of(members.iter().flat_map(|(_, expression)| expression.beyond()))?;
        let expressions: Vec<_> = members
            .iter()
            .map(|(_, expression)| expression.of_symbols(&alphabet))
            .collect::<Result<_, _>>()
            .map_err(|_| NOT_OF_SYMBOLS)?;
        let config = thompson::Config::new()
            .utf8(false)
            .which_captures(WhichCaptures::None)
            .nfa_size_limit(Some(MAX_NFA_BYTES));
        let nfa = thompson::Compiler::new()
            .configure(config)
            .build_many_from_hir(&expressions)
            .map_err(|_| TOO_MANY_STATES)?;
        let limit = if members.len() == 1 { MAX_DFA_BYTES } else { MAX_DFA_BYTES_TOGETHER };
        if members.len() > 1 && nfa.states().len() > MAX_NFA_STATES_TOGETHER {
            return Err(TOO_MANY_STATES);
        }
        let table = Table::of(&nfa, limit, work)?;
        let places = members.iter().map(|(place, _)| *place).collect();
        Ok(Self { alphabet: (!plain).then_some(alphabet), table, places })
    }

    pub(super) fn alphabet(&self) -> Option<&Alphabet> {
        self.alphabet.as_ref()
    }

    /// The place of each of its expressions among all.
    pub(super) fn places(&self) -> &[usize] {
        &self.places
    }

    /// Notes which of the expressions of all these groups match; answers how many steps that took. A look into a table waits for the
    /// one before it, and not for one into another table, so several groups together take little longer than one.
    pub(super) fn run_all(groups: &[&Self], symbols: &[u8], found: &mut [bool]) -> usize {
        let mut steps = 0;
        for together in groups.chunks(LANES) {
            let mut lanes: Vec<Lane<'_>> = together.iter().map(|group| Lane::of(&group.table)).collect();
            match lanes.as_mut_slice() {
                [a, b, c, d] => run([a, b, c, d], symbols),
                [a, b, c] => run([a, b, c], symbols),
                [a, b] => run([a, b], symbols),
                lanes => lanes.iter_mut().for_each(|lane| run([lane], symbols)),
            }
            for (group, lane) in together.iter().zip(&lanes) {
                steps += OF_A_GROUP + lane.steps + group.note(lane, found);
            }
        }
        steps
    }

    /// Notes what a lane has seen; answers how many steps that took.
    fn note(&self, lane: &Lane<'_>, found: &mut [bool]) -> usize {
        let mut steps = self.table.sets.len();
        let seen = self.table.sets.iter().zip(&lane.seen).filter(|(_, seen)| **seen);
        for place in seen.flat_map(|(set, _)| set).filter_map(|member| self.places.get(*member)) {
            if let Some(found) = found.get_mut(*place) {
                *found = true;
            }
            steps += 1;
        }
        steps
    }

    pub(super) fn cost(&self) -> SearchCost {
        let (wide, alphabet) = match &self.alphabet {
            Some(alphabet) => (super::alphabet::STEPS_PER_BYTE + STEPS_BEFORE, alphabet.bytes()),
            None => (0, 0),
        };
        let sets: usize = self.table.sets.iter().map(Vec::len).sum();
        SearchCost {
            bytes: size_of::<Self>() + alphabet + self.places.len() * size_of::<u64>() + self.table.bytes(),
            steps_per_byte: 1 + wide,
            steps: OF_A_GROUP + sets + self.table.sets.len(),
        }
    }
}

impl Table {
    fn of(nfa: &NFA, most: usize, work: &mut Work) -> Result<Self, &'static str> {
        let states = nfa.states().len().max(1);
        let limit = most.min(work.0 / states * size_of::<u32>());
        let config = dense::Config::new()
            .accelerate(false)
            .start_kind(StartKind::Unanchored)
            .match_kind(MatchKind::All)
            .dfa_size_limit(Some(limit));
        let built = dense::Builder::new().configure(config).build_from_nfa(nfa);
        let spent = built.as_ref().map_or(limit, dense::DFA::memory_usage);
        work.0 = work.0.saturating_sub(spent / size_of::<u32>() * states);
        let dfa = built.map_err(|_| if limit < most { TOO_MUCH_WORK } else { TOO_MANY_STATES })?;
        Walk::through(&dfa).ok_or(TOO_MANY_STATES)
    }

    fn row(&self, state: u16) -> usize {
        usize::from(state.checked_div(self.width).unwrap_or_default())
    }

    fn bytes(&self) -> usize {
        let sets: usize = self.sets.iter().map(|set| (set.len() + 3) * size_of::<u64>()).sum();
        (self.next.len() + self.at_end.len() + self.reached.len()) * size_of::<u16>()
            + self.columns.len()
            + sets
    }
}

/// A table on its way through a value.
struct Lane<'t> {
    table: &'t Table,
    state: u16,
    /// Which sets have matched.
    seen: Vec<bool>,
    steps: usize,
}

impl<'t> Lane<'t> {
    fn of(table: &'t Table) -> Self {
        let mut lane = Self { table, state: table.start, seen: vec![false; table.sets.len()], steps: 0 };
        lane.see(table.reached.get(table.row(table.start)));
        lane
    }

    #[inline]
    fn read(&mut self, symbol: u8) {
        let table = self.table;
        let column = table.columns.get(usize::from(symbol)).copied().unwrap_or_default();
        self.state = table.next.get(usize::from(self.state) + usize::from(column)).copied().unwrap_or(DEAD);
        if self.state < table.plain && self.state != DEAD {
            self.see(table.reached.get(table.row(self.state)));
        }
    }

    fn end(&mut self) {
        self.see(self.table.at_end.get(self.table.row(self.state)));
    }

    fn see(&mut self, set: Option<&u16>) {
        if let Some(seen) = set.and_then(|set| self.seen.get_mut(usize::from(*set))) {
            *seen = true;
        }
    }
}

/// Reads a value, until nothing can be found in it any more.
fn run<const N: usize>(mut lanes: [&mut Lane<'_>; N], symbols: &[u8]) {
    for some in symbols.chunks(BETWEEN_LOOKS) {
        if lanes.iter().all(|lane| lane.state == DEAD) {
            return;
        }
        for symbol in some {
            for lane in &mut lanes {
                lane.read(*symbol);
            }
        }
        lanes.iter_mut().for_each(|lane| lane.steps += some.len());
    }
    for lane in lanes {
        lane.end();
    }
}

/// The states of an automaton as they are met from its start.
struct Walk<'d> {
    dfa: &'d dense::DFA<Vec<u32>>,
    /// One symbol for each column.
    symbols: Vec<u8>,
    met: Vec<StateID>,
    numbers: BTreeMap<StateID, usize>,
    /// By state as met, and column.
    next: Vec<usize>,
    at_end: Vec<u16>,
    reached: Vec<u16>,
    sets: Vec<Vec<usize>>,
    known_sets: BTreeMap<Vec<usize>, u16>,
}

impl<'d> Walk<'d> {
    /// `None` if there are more states or sets than two bytes can count.
    fn through(dfa: &'d dense::DFA<Vec<u32>>) -> Option<Table> {
        let classes = dfa.byte_classes();
        let columns: Vec<u8> = (0..=u8::MAX).map(|symbol| classes.get(symbol)).collect();
        let last = usize::from(columns.iter().copied().max()?);
        let of_column = |column| columns.iter().position(|known| usize::from(*known) == column);
        let symbols =
            (0..=last).map(|column| u8::try_from(of_column(column)?).ok()).collect::<Option<_>>()?;
        let start = dfa.start_state(&start::Config::new().anchored(Anchored::No)).ok()?;
        let mut walk = Self {
            dfa,
            symbols,
            met: Vec::new(),
            numbers: BTreeMap::new(),
            next: Vec::new(),
            at_end: Vec::new(),
            reached: Vec::new(),
            sets: Vec::new(),
            known_sets: BTreeMap::new(),
        };
        walk.set(None)?;
        walk.meet(start);
        let mut at = 0;
        while let Some(state) = walk.met.get(at).copied() {
            walk.leave(state)?;
            at += 1;
        }
        walk.table(columns)
    }

    fn meet(&mut self, state: StateID) -> usize {
        let number = self.met.len();
        *self.numbers.entry(state).or_insert_with(|| {
            self.met.push(state);
            number
        })
    }

    fn leave(&mut self, state: StateID) -> Option<()> {
        let reached = self.set(Some(state))?;
        let at_end = self.set(Some(self.dfa.next_eoi_state(state)))?;
        self.reached.push(reached);
        self.at_end.push(at_end);
        for column in 0..self.symbols.len() {
            let next = self.dfa.next_state(state, *self.symbols.get(column)?);
            let next = self.meet(next);
            self.next.push(next);
        }
        Some(())
    }

    /// The number of the set that matches in a state.
    fn set(&mut self, state: Option<StateID>) -> Option<u16> {
        let mut members: Vec<usize> = match state {
            Some(state) if self.dfa.is_match_state(state) => (0..self.dfa.match_len(state))
                .map(|index| self.dfa.match_pattern(state, index).as_usize())
                .collect(),
            _ => Vec::new(),
        };
        members.sort_unstable();
        if let Some(known) = self.known_sets.get(&members) {
            return Some(*known);
        }
        let number = u16::try_from(self.sets.len()).ok()?;
        self.sets.push(members.clone());
        self.known_sets.insert(members, number);
        Some(number)
    }

    /// By state as met: whether anything is found there or behind it.
    fn alive(&self) -> Vec<bool> {
        let width = self.symbols.len();
        let mut before: Vec<Vec<usize>> = vec![Vec::new(); self.met.len()];
        for (state, row) in self.next.chunks(width).enumerate() {
            for next in row {
                if let Some(before) = before.get_mut(*next) {
                    before.push(state);
                }
            }
        }
        let says = |(reached, at_end): (&u16, &u16)| *reached != NOTHING || *at_end != NOTHING;
        let mut alive: Vec<bool> = self.reached.iter().zip(&self.at_end).map(says).collect();
        let mut open: Vec<usize> =
            alive.iter().enumerate().filter(|(_, alive)| **alive).map(|(state, _)| state).collect();
        while let Some(state) = open.pop() {
            for earlier in before.get(state).into_iter().flatten() {
                if let Some(known @ false) = alive.get_mut(*earlier) {
                    *known = true;
                    open.push(*earlier);
                }
            }
        }
        alive
    }

    /// Numbered anew: first the dead one, then those that say something when they are reached.
    fn table(self, columns: Vec<u8>) -> Option<Table> {
        let alive = self.alive();
        let width = self.symbols.len();
        let state_at = |row: usize| u16::try_from(row * width).ok();
        let (mut loud, mut quiet): (Vec<usize>, Vec<usize>) = (0..self.met.len())
            .filter(|state| alive.get(*state) == Some(&true))
            .partition(|state| self.reached.get(*state).is_some_and(|set| *set != NOTHING));
        let plain = state_at(loud.len() + 1)?;
        let rows_said = loud.len() + 1;
        loud.append(&mut quiet);
        let mut numbers = vec![DEAD; self.met.len()];
        for (row, state) in (1..).zip(&loud) {
            *numbers.get_mut(*state)? = state_at(row)?;
        }
        let mut next = vec![DEAD; width];
        let (mut at_end, mut reached) = (vec![NOTHING], vec![NOTHING]);
        for state in &loud {
            let row = self.next.get(state * width..(state + 1) * width)?;
            next.extend(row.iter().map(|state| numbers.get(*state).copied().unwrap_or(DEAD)));
            at_end.push(*self.at_end.get(*state)?);
            if reached.len() < rows_said {
                reached.push(*self.reached.get(*state)?);
            }
        }
        let start = numbers.first().copied()?;
        let (columns, width) = (Box::new(columns.try_into().ok()?), u16::try_from(width).ok()?);
        Some(Table { columns, width, next, at_end, reached, sets: self.sets, start, plain })
    }
}

/// The state in which nothing can be found any more.
const DEAD: u16 = 0;
/// The number of the empty set.
const NOTHING: u16 = 0;
/// Steps for each byte if there is any group, and one for each: the first look waits, and the others wait with it.
pub(super) const STEPS_BEFORE: usize = 2;
/// Groups that are read together.
const LANES: usize = 4;
/// Symbols between two looks whether anything can still be found.
const BETWEEN_LOOKS: usize = 64;
/// Steps of a group in an empty value.
const OF_A_GROUP: usize = 100;
/// Bytes of the automaton that a table of one expression is made from.
const MAX_DFA_BYTES: usize = 512 * 1024;
/// Bytes of that of several.
const MAX_DFA_BYTES_TOGETHER: usize = 128 * 1024;
/// States of what the automaton of several is made from.
const MAX_NFA_STATES_TOGETHER: usize = 2_000;
/// Bytes of what the automaton is made from.
const MAX_NFA_BYTES: usize = 2 * 1024 * 1024;
/// See [`Work`].
const MAX_WORK: usize = 100_000_000;
const TOO_MANY_STATES: &str = "needs too many states";
const TOO_MUCH_WORK: &str = "takes too long to compile, together with what is before it";
const NOT_OF_SYMBOLS: &str = "uses what cannot be matched in bounded time";
