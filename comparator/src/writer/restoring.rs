//! The evidence read back from the store: as it was last written, and what was counted since then.
//!
//! What a restart counts again finds the room that it found first: the journals of all releases are read in the one order in which they were
//! written, and all of them together name as many places as they may at any other time.

use std::collections::BTreeMap;

use antumbra_control::{Command, Session};
use antumbra_engine::{Evidence, Pace, decode_compared};
use antumbra_store::{Gathering, JournalEntry, Store, StoreError};

use super::gathered::{Gathered, share_places};
use super::handle::ChangeError;
use super::thread::Thread;
use crate::api::principal::Source;

impl Thread {
    /// Reads the evidence back from the store unless it is the store's already. A release whose evidence cannot be read starts over, and
    /// keeps no other from going on.
    pub(super) fn load(&mut self) -> Result<(), StoreError> {
        if self.loaded {
            return Ok(());
        }
        let mut sessions = Vec::new();
        for (name, version) in self.policies.all() {
            if let Some(session) = self.store.session(&name)? {
                sessions.push((name, session, version.document.gates().pace()));
            }
        }
        let Restored { releases, damaged, .. } = Restored::of(&self.store, &sessions, self.places)?;
        for (name, gathered) in &releases {
            self.known.begin(name, gathered.session.number);
            for brought in gathered.sources() {
                self.known.replace(name, &brought.source, &brought.evidence);
            }
        }
        self.releases = releases;
        self.loaded = true;
        for (release, damage) in damaged {
            tracing::error!(release, damage, "stored evidence is set aside, and a new session starts");
            // The release was just found, so nothing but the store refuses it.
            if let Err(ChangeError::Store(error)) = self.command(&Command::StartOver { release, damage }) {
                self.loaded = false;
                return Err(error);
            }
        }
        Ok(())
    }
}

/// What was read of all releases so far.
#[derive(Default)]
struct Restored {
    releases: BTreeMap<String, Gathered>,
    journals: Vec<Journalled>,
    /// What is wrong with the evidence of a release, which then has none.
    damaged: BTreeMap<String, String>,
}

/// An entry of a journal.
struct Journalled {
    /// Its number among those of all releases.
    number: u64,
    release: String,
    source: Option<Source>,
    pace: Pace,
    entry: JournalEntry,
}

impl Restored {
    /// Reads the evidence of each release in its session, counted by this pace, where all together may name so many places.
    fn of(store: &Store, sessions: &[(String, Session, Pace)], places: usize) -> Result<Self, StoreError> {
        let mut restored = Self::default();
        for (release, session, pace) in sessions {
            restored.read(store, release, *session, *pace)?;
        }
        // Only now it is known how many places all of them name.
        restored.count_journals(places);
        Ok(restored)
    }

    /// Reads the evidence of a session as it was last written, and its journals.
    fn read(&mut self, store: &Store, release: &str, session: Session, pace: Pace) -> Result<(), StoreError> {
        let mut gathered = Gathered::new(session);
        match sources(store, release, session, pace, &mut gathered) {
            Ok(journals) => self.journals.extend(journals),
            Err(error @ StoreError::Damaged { .. }) => {
                self.damage(release, session, &error);
                return Ok(());
            }
            Err(error) => return Err(error),
        }
        self.releases.insert(release.to_owned(), gathered);
        Ok(())
    }

    /// Counts what stands in the journals as it was counted first, where all releases together may name so many places.
    fn count_journals(&mut self, places: usize) {
        let mut journals = std::mem::take(&mut self.journals);
        journals.sort_unstable_by_key(|journalled| journalled.number);
        for Journalled { release, source, pace, entry, .. } in journals {
            if self.damaged.contains_key(&release) {
                continue;
            }
            share_places(&mut self.releases, places);
            let Some(gathered) = self.releases.get_mut(&release) else { continue };
            let session = gathered.session;
            if let Err(error) = count(gathered, &release, source.as_ref(), pace, &entry) {
                self.damage(&release, session, &error);
            }
        }
    }

    fn damage(&mut self, release: &str, session: Session, error: &StoreError) {
        self.releases.insert(release.to_owned(), Gathered::new(session));
        self.damaged.insert(release.to_owned(), error.to_string());
    }
}

/// Adds the evidence of each source as it was last written, and answers their journals.
fn sources(
    store: &Store,
    release: &str,
    session: Session,
    pace: Pace,
    gathered: &mut Gathered,
) -> Result<Vec<Journalled>, StoreError> {
    let mut journals = Vec::new();
    for name in store.sources(release, session.number)? {
        let of = Gathering { release, session: session.number, source: &name };
        let evidence = Evidence::restore(store.evidence(of)?);
        let mut evidence = evidence.map_err(|error| damaged(release, error.to_string()))?;
        evidence.set_pace(pace);
        let source = Source::written(&name);
        journals.extend(store.journal(of)?.into_iter().map(|(number, entry)| Journalled {
            number,
            release: release.to_owned(),
            source: source.clone(),
            pace,
            entry,
        }));
        gathered.add(source, evidence);
    }
    Ok(journals)
}

fn count(
    gathered: &mut Gathered,
    release: &str,
    source: Option<&Source>,
    pace: Pace,
    JournalEntry { repeated, compared }: &JournalEntry,
) -> Result<(), StoreError> {
    let exchanges = decode_compared(compared).map_err(|error| damaged(release, error.to_string()))?;
    // It was added when the evidence was read.
    if let Some(brought) = gathered.of(source, pace) {
        brought.take_again(&exchanges, *repeated, compared.len() as u64);
    }
    Ok(())
}

fn damaged(release: &str, message: String) -> StoreError {
    StoreError::Damaged { what: format!("evidence of {release:?}"), message }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::Duration;

    use antumbra_control::Document;
    use antumbra_engine::{Delivery, Gates, Outside, Rules, TextStyle, compare};
    use antumbra_observation::{Leg, Observation};
    use antumbra_store::{Accounts, Writing};
    use tokio::sync::oneshot;

    use super::*;
    use crate::Descriptors;
    use crate::live::Live;
    use crate::live::room::Room;
    use crate::plugins::{Plugins, Preparations};
    use crate::writer::checkpoint::{append, put_those};
    use crate::writer::gathered::MAX_PLACES;
    use crate::writer::handle::{Batch, Handle};

    fn document(release: &str) -> Document {
        let text = format!(
            "{{version: 1, name: {release}, variants: {{stable: null, canary: null, control: null}}, default: stable,
            rules: [{{name: shadow, mirror: [{{to: canary, percent: 5, control: {{to: control, percent: 100}}}}]}}],
            gates: {{warmUp: 0s}}}}"
        );
        Document::from_yaml(text.as_bytes()).unwrap()
    }

    /// An exchange whose candidate differs in so many members that no other has.
    fn naming(release: &str, number: u64, members: u64) -> Observation {
        let body = |value: u64| {
            let each = (0..members).map(|member| format!("\"m{number}x{member}\":{value}"));
            format!("{{{}}}", each.collect::<Vec<_>>().join(","))
        };
        let leg = |variant, value| Leg::answer(variant, 200).with_json(&body(value));
        Observation::new(release, "GET", &format!("/e{}", char::from(b'a' + (number % 3) as u8)))
            .with_id(u128::from(number) + 1)
            .with_arrival_us(1_700_000_000_000_000 + number * 10_000_000)
            .with_primary(leg("stable", 1))
            .with_candidate(leg("canary", 2))
            .with_control(leg("control", 1))
    }

    fn batch(source: &str, observation: Observation) -> Batch {
        Batch {
            source: Source::written(source),
            id: None,
            observations: vec![observation],
            prepared: Preparations::new(),
            compared: vec![None],
            reserved: Room::new().reserve(),
            reply: oneshot::channel().0,
        }
    }

    /// What is known from each source, in words, and how many places it names.
    fn known(thread: &Thread) -> Vec<(String, usize, usize)> {
        let each = thread.releases.iter().flat_map(|(release, gathered)| {
            gathered.sources().iter().map(move |brought| {
                let evidence = &brought.evidence;
                let report =
                    antumbra_engine::report(release, evidence, &Gates::default(), &Delivery::default());
                let text = report.to_text(TextStyle::default());
                (text, evidence.named_places(), evidence.named_endpoints())
            })
        });
        each.collect()
    }

    /// Two releases, one of two sources, name three times as many places as all may: the last of them find none, and a restart that finds
    /// everything in the journals finds none for them either.
    #[test]
    fn a_restart_counts_within_the_bound_of_places_that_was_there_before() {
        const PLACES: usize = 60;
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(&dir.path().join("a.db")).unwrap();
        let live = Live::new(Descriptors::default(), Accounts::default());
        let (_handle, inbox) = Handle::new(Arc::clone(&live.ledger));
        let mut thread =
            Thread::new(store, live, &Plugins::default(), inbox, Duration::from_secs(3_600)).unwrap();
        thread.places = PLACES;
        for release in ["shop", "till"] {
            thread.adopt(document(release)).unwrap();
        }
        for number in 0..36 {
            let (release, source) = [("shop", "west"), ("till", ""), ("shop", "east")][number as usize % 3];
            thread.take_group(batch(source, naming(release, number, 5)));
        }
        let before = known(&thread);
        let named: usize = before.iter().map(|(_, places, _)| places).sum();
        assert!((PLACES..PLACES + 20).contains(&named), "{named}");
        assert!(thread.releases.values().flat_map(Gathered::sources).all(|brought| brought.journalled == 12));
        thread.loaded = false;
        thread.load().unwrap();
        assert_eq!(known(&thread), before);
    }

    /// One exchange of each endpoint that a source has.
    fn ask_each(gathered: &mut Gathered, source: &str, endpoints: u64) {
        let brought = gathered.of(Source::written(source).as_ref(), Pace::default()).unwrap();
        for number in 0..endpoints {
            let leg = |variant, value: u64| Leg::answer(variant, 200).with_json(&value.to_string());
            let letter = |place: u32| char::from(b'a' + (number / 26_u64.pow(place) % 26) as u8);
            let path = format!("/{}{}{}", letter(2), letter(1), letter(0));
            let observation = Observation::new("shop", "GET", &path)
                .with_arrival_us(1_700_000_000_000_000 + number)
                .with_primary(leg("stable", 1))
                .with_candidate(leg("canary", number + 2))
                .with_control(leg("control", 1));
            brought.take(compare(&observation, &Rules::default(), &Outside::default(), &brought.evidence));
        }
    }

    fn evidence(releases: &BTreeMap<String, Gathered>) -> Vec<Evidence> {
        let mut known = Vec::new();
        for brought in releases.values().flat_map(Gathered::sources) {
            let mut evidence = brought.evidence.clone();
            drop(evidence.take_dirty());
            // How much room there is changes with the next batch.
            evidence.set_room(7);
            evidence.set_free_places(7);
            known.push(evidence);
        }
        known
    }

    /// Two sources share the endpoints of a release.
    #[test]
    fn what_a_journal_has_is_counted_with_as_much_room_as_before() {
        let dir = tempfile::tempdir().unwrap();
        let mut store = Store::open(&dir.path().join("a.db")).unwrap();
        let session = Session { number: 1, since: 1 };
        let mut releases = BTreeMap::from([("shop".to_owned(), Gathered::new(session))]);
        let sessions = [("shop".to_owned(), session, Pace::default())];
        let mut counted = |source: &str, endpoints, whole: bool| {
            share_places(&mut releases, MAX_PLACES);
            ask_each(releases.get_mut("shop").unwrap(), source, endpoints);
            let write = |writing: &Writing<'_>| match whole {
                true => put_those(writing, &mut releases, |_| true),
                false => append(writing, &mut releases),
            };
            store.transaction(write).unwrap();
            let Restored { releases: again, damaged, .. } =
                Restored::of(&store, &sessions, MAX_PLACES).unwrap();
            assert!(damaged.is_empty(), "{damaged:?}");
            let journal = |releases: &BTreeMap<String, Gathered>| {
                let all = releases["shop"].sources().iter();
                all.map(|brought| (brought.journalled, brought.journal_bytes)).collect::<Vec<_>>()
            };
            assert_eq!(journal(&again), journal(&releases), "{source}");
            assert!(evidence(&again) == evidence(&releases), "{source}");
            evidence(&again).iter().map(Evidence::named_endpoints).collect::<Vec<_>>()
        };
        assert_eq!(counted("edge-1", 10, true), [10]);
        assert_eq!(counted("edge-2", 1_000, false), [10, 969], "31 are the first one's");
        assert_eq!(counted("edge-2", 5, false), [10, 969]);
        assert_eq!(counted("edge-1", 40, true), [31, 969]);
    }
}
