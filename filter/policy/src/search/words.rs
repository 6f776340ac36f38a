//! Words that a value may have as parts, all looked for in one pass (Aho and Corasick, "Efficient string matching", 1975).

use aho_corasick::automaton::Automaton;
use aho_corasick::nfa::contiguous::NFA;
use aho_corasick::{Anchored, MatchKind};

use super::cost::SearchCost;

/// Words while a policy is read, each once.
#[derive(Debug, Default)]
pub(super) struct Known {
    words: Vec<Box<[u8]>>,
    /// Places by word, in the order of the words.
    sorted: Vec<usize>,
}

/// Words, compiled.
#[derive(Debug)]
pub(super) struct Words {
    automaton: NFA,
    count: usize,
    /// How many words end at one byte at most.
    most_at_once: usize,
}

impl Known {
    pub(super) fn place(&mut self, word: &[u8]) -> usize {
        let words = &self.words;
        let known =
            self.sorted.binary_search_by(|at| words.get(*at).map_or(&[][..], |known| known).cmp(word));
        match known {
            Ok(at) => self.sorted.get(at).copied().unwrap_or_default(),
            Err(at) => {
                let place = self.words.len();
                self.words.push(word.into());
                self.sorted.insert(at, place);
                place
            }
        }
    }
}

impl Words {
    /// `None` if there is no word.
    ///
    /// # Errors
    /// They are more than the automaton can count.
    pub(super) fn of(known: &Known, ignore_case: bool) -> Result<Option<Self>, ()> {
        if known.words.is_empty() {
            return Ok(None);
        }
        let automaton = NFA::builder()
            .match_kind(MatchKind::Standard)
            .ascii_case_insensitive(ignore_case)
            .prefilter(false)
            .build(&known.words)
            .map_err(drop)?;
        let mut words = Self { automaton, count: known.words.len(), most_at_once: 0 };
        // What ends where a word ends are the words that it ends with.
        words.most_at_once = known.words.iter().map(|word| words.run(word, |_| {})).max().unwrap_or_default();
        Ok(Some(words))
    }

    /// Which of the words are parts of a value, by their places, and how many steps that took.
    pub(super) fn of_value(&self, value: &[u8]) -> (Vec<bool>, usize) {
        let mut found = vec![false; self.count];
        let mut steps = self.count + STEPS_PER_BYTE * value.len();
        self.run(value, |place| {
            steps += 1;
            if let Some(found) = found.get_mut(place) {
                *found = true;
            }
        });
        (found, steps)
    }

    /// Tells of each word where it ends; answers how many end at the value's end.
    fn run(&self, value: &[u8], mut found: impl FnMut(usize)) -> usize {
        let automaton = &self.automaton;
        let Ok(mut state) = automaton.start_state(Anchored::No) else { return 0 };
        let mut ending = 0;
        for at in 0..=value.len() {
            ending = if automaton.is_match(state) { automaton.match_len(state) } else { 0 };
            (0..ending).for_each(|index| found(automaton.match_pattern(state, index).as_usize()));
            if let Some(byte) = value.get(at) {
                state = automaton.next_state(Anchored::No, state, *byte);
            }
        }
        ending
    }

    pub(super) fn cost(&self) -> SearchCost {
        SearchCost {
            bytes: self.automaton.memory_usage() + size_of::<Self>(),
            steps_per_byte: STEPS_PER_BYTE + self.most_at_once,
            // What is found before the first byte counts, too.
            steps: self.count + self.most_at_once,
        }
    }
}

/// Steps of following one byte: each that leads on may be followed by one that leads back.
const STEPS_PER_BYTE: usize = 4;
