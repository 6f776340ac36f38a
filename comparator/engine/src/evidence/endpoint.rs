//! One endpoint: how its exchanges went, and how often they differ at each of its places.

use std::borrow::Cow;
use std::collections::BTreeMap;

use super::group::Group;
use crate::compared::{Difference, Exchange};
use crate::farther::Cause;
use crate::hypotheses::Hypotheses;
use crate::hypothesis::{Counting, Hypothesis, Seen};
use crate::kind::{Differing, Kind, Sign, Subject};
use crate::pieces::Pieces;
use crate::refusals::Refusals;
use crate::room::Room;
use crate::series::Settled;
use crate::unseen::Unseen;

/// One endpoint.
#[derive(Debug, Clone, PartialEq, Default)]
pub(crate) struct Endpoint {
    pub(crate) all: Group,
    pub(crate) hypotheses: Hypotheses,
    /// Bodies that could not be read.
    pub(crate) refusals: Refusals,
    /// What differs at both legs and could not be looked into.
    pub(crate) unseen: Unseen,
    /// Differences counted under [`OTHER_PATHS`].
    pub(crate) crowded: u64,
}

/// What is known of a subject, and of its place where it is counted which leg is farther.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Beside<'e> {
    pub(crate) own: Option<&'e Hypothesis>,
    pub(crate) farther: Option<&'e Hypothesis>,
    /// Which values of the place need not be looked at; none where it has no slot of its own.
    pub(crate) settled: Settled,
}

impl Endpoint {
    /// Answers X of a controlled exchange over quiet places: +1 if only the candidate differs at one, −1 if only the control does.
    pub(super) fn take(
        &mut self,
        exchange: &Exchange,
        counting: &mut Counting<'_>,
        changed: &mut Pieces,
    ) -> Option<Option<Sign>> {
        self.all.take(exchange, counting);
        self.refusals.count(&exchange.candidate, exchange.control.as_ref());
        if exchange.unsent.is_some() {
            return None;
        }
        if exchange.control.is_none() {
            for Difference { subject, detail, .. } in &exchange.differences {
                let most = self.most_examples();
                let counts = self.hypothesis(subject, counting.room, changed);
                counts.uncontrolled(exchange, detail.as_deref(), most);
            }
            return None;
        }
        let slots = self.by_slot(&exchange.differences, counting.room, changed);
        let most = self.most_examples();
        let exchanges = self.all.controlled;
        let (mut candidate_alone, mut control_alone) = (false, false);
        let mut unseen: Vec<(&Subject, Cause)> = Vec::new();
        for (subject, seen) in &slots {
            let by_values = seen.of == Differing::Both && seen.values.is_some() && !subject.is_crowd();
            if by_values && self.hypotheses.get(&**subject).is_some_and(|counts| counts.learns_nothing(seen))
            {
                continue;
            }
            let Some(hypothesis) = self.hypotheses.change(subject, changed) else { continue };
            let sign = hypothesis.placed(subject, exchange, seen, most, exchanges, counting);
            candidate_alone |= sign == Some(1);
            control_alone |= sign == Some(-1);
            let of_instances = seen.values.is_some_and(|values| hypothesis.tells_of_instances(values));
            let cause = seen.unseen.or(of_instances.then_some(Cause::Instance));
            unseen.extend(cause.map(|cause| (&**subject, cause)));
        }
        self.unseen.count(&unseen);
        Some(match (candidate_alone, control_alone) {
            (true, false) => Some(1),
            (false, true) => Some(-1),
            _ => None,
        })
    }

    /// What is known where differences of a subject are counted from now on, if that is settled.
    pub(crate) fn settled(&self, subject: &Subject) -> Option<&Hypothesis> {
        self.hypotheses.get(subject).or_else(|| self.among_others(subject.1))
    }

    /// The same of a subject, and of its place where it is counted which leg is farther: one look-up finds both, for they are neighbours.
    pub(crate) fn settled_beside_farther(&self, subject: &Subject) -> Beside<'_> {
        let of_place = self.hypotheses.range::<Subject, _>(subject..);
        let mut of_place = of_place.take_while(|(known, _)| known.0 == subject.0).peekable();
        let own = of_place.next_if(|(known, _)| known.1 == subject.1).map(|(_, own)| own);
        let farther = of_place.find(|(known, _)| known.1 == Kind::Farther).map(|(_, farther)| farther);
        Beside {
            own: own.or_else(|| self.among_others(subject.1)),
            farther: farther.or_else(|| self.among_others(Kind::Farther)),
            settled: farther.map_or_else(Settled::default, Hypothesis::settled),
        }
    }

    /// What is known of all places that have no slot of their own, once there will be no more slots.
    fn among_others(&self, kind: Kind) -> Option<&Hypothesis> {
        let full = self.hypotheses.len() >= MAX_PATHS;
        if full { self.hypotheses.get(&Subject(OTHER_PATHS.to_owned(), kind)) } else { None }
    }

    /// Depends on how many places there are, not on when they were seen: so two engines together keep what one would.
    pub(crate) fn most_examples(&self) -> usize {
        if self.hypotheses.len() > FEW_PATHS { 1 } else { MAX_EXAMPLES }
    }

    pub(crate) fn shorten_examples(&mut self, changed: &mut Pieces) {
        let most = self.most_examples();
        let long = self.hypotheses.change_those(|counts| counts.examples.len() > most, changed);
        long.for_each(|counts| counts.sample(most, []));
    }

    /// Differences by the subject under which they are counted, in its order: each at most once an exchange.
    fn by_slot<'e>(
        &mut self,
        differences: &'e [Difference],
        room: &mut Room,
        changed: &mut Pieces,
    ) -> Vec<(Cow<'e, Subject>, Seen<'e>)> {
        let whole = |one: &'e Difference| (Cow::Borrowed(&one.subject), Seen::of(one));
        if self.knows_all(differences) {
            return differences.iter().map(whole).collect();
        }
        self.make_room(differences, room, changed);
        let (known, crowd): (Vec<_>, Vec<_>) =
            differences.iter().partition(|one| self.hypotheses.contains_key(&one.subject));
        let mut slots: BTreeMap<_, _> = known.into_iter().map(whole).collect();
        for one in crowd {
            let seen = Seen::of(one).in_a_crowd();
            let first = slots.entry(Cow::Owned(other(&one.subject))).or_insert(seen);
            first.of = first.of.or(seen.of);
            first.by_magnitude |= seen.by_magnitude;
        }
        slots.into_iter().collect()
    }

    /// Whether there is a slot for each subject. Both are in one order, so going through all that are known is quicker than looking
    /// each up, unless there are few to look up.
    fn knows_all(&self, differences: &[Difference]) -> bool {
        if differences.len() < self.hypotheses.len() / 8 {
            return differences.iter().all(|one| self.hypotheses.contains_key(&one.subject));
        }
        let mut known = self.hypotheses.keys();
        differences.iter().all(|one| known.any(|known| *known == one.subject))
    }

    /// Makes slots for new subjects: first for those of the candidate, then for those of the control.
    fn make_room(&mut self, differences: &[Difference], room: &mut Room, changed: &mut Pieces) {
        let candidates = differences.iter().filter(|one| one.of.has_candidate());
        let controls = differences.iter().filter(|one| one.of.has_control());
        for one in candidates.chain(controls) {
            self.hypothesis(&one.subject, room, changed);
        }
    }

    fn hypothesis(&mut self, subject: &Subject, room: &mut Room, changed: &mut Pieces) -> &mut Hypothesis {
        let is_new = !self.hypotheses.contains_key(subject);
        let full = is_new && (self.hypotheses.len() >= MAX_PATHS || !room.has_places());
        self.crowded += u64::from(full);
        let slot = if full { other(subject) } else { subject.clone() };
        if is_new && !self.hypotheses.contains_key(&slot) {
            room.take_place();
        }
        if self.hypotheses.len() == FEW_PATHS && !self.hypotheses.contains_key(&slot) {
            self.hypotheses.change_or_add(slot.clone(), changed);
            self.shorten_examples(changed);
        }
        self.hypotheses.change_or_add(slot, changed)
    }
}

impl Subject {
    /// Stands for the places beyond the cap.
    pub(crate) fn is_crowd(&self) -> bool {
        self.0 == OTHER_PATHS
    }
}

fn other(subject: &Subject) -> Subject {
    Subject(OTHER_PATHS.to_owned(), subject.1)
}

/// Where places beyond [`MAX_PATHS`] are counted. Tested as any other: a crowd hides no regression.
pub(crate) const OTHER_PATHS: &str = "(other paths)";
/// Most places and kinds of an endpoint.
pub(crate) const MAX_PATHS: usize = 200;
/// Examples of a place and kind, …
const MAX_EXAMPLES: usize = 3;
/// … unless an endpoint has more places than this: then one, or texts would take most of the memory.
const FEW_PATHS: usize = 32;
