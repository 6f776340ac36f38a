//! Evidence is read back from the store: the rows as they were last written, and then what was counted since, in the order in which it was.
//!
//! What is counted again finds as much room as it did when it came. Else a start after a crash would name what was counted together with
//! other places before, and more in all than may be named.

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
        for (release, version) in self.policies.all() {
            if let Some(session) = self.store.session(&release)? {
                sessions.push((release, session, version.document.gates().pace()));
            }
        }
        let (releases, damaged) = read_back(&self.store, &sessions)?;
        for (release, gathered) in &releases {
            self.known.begin(release, gathered.session.number);
            for brought in gathered.sources() {
                self.known.replace(release, &brought.source, &brought.evidence);
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

/// The evidence of each release, and those whose evidence cannot be read, with what is wrong.
type ReadBack = (BTreeMap<String, Gathered>, Vec<(String, String)>);

/// Reads the evidence of each release in its session, counted by this pace.
fn read_back(store: &Store, sessions: &[(String, Session, Pace)]) -> Result<ReadBack, StoreError> {
    let (mut releases, mut damaged) = (BTreeMap::new(), Vec::new());
    for (release, session, pace) in sessions {
        let mut gathered = Gathered::new(*session);
        match read_rows(store, &mut gathered, release, *pace) {
            Err(error @ StoreError::Damaged { .. }) => {
                damaged.push((release.clone(), error.to_string()));
                gathered = Gathered::new(*session);
            }
            other => other?,
        }
        releases.insert(release.clone(), gathered);
    }
    // Only now it is known how many places all of them name.
    for (release, session, pace) in sessions {
        match count_again(store, &mut releases, release, *pace) {
            Err(error @ StoreError::Damaged { .. }) => {
                damaged.push((release.clone(), error.to_string()));
                releases.insert(release.clone(), Gathered::new(*session));
            }
            other => other?,
        }
    }
    Ok((releases, damaged))
}

/// Reads the evidence of a release as it was last written.
fn read_rows(store: &Store, gathered: &mut Gathered, release: &str, pace: Pace) -> Result<(), StoreError> {
    let session = gathered.session.number;
    for source in store.sources(release, session)? {
        let rows = store.evidence(Gathering { release, session, source: &source })?;
        let mut evidence = Evidence::restore(rows).map_err(|error| damaged(release, &error))?;
        evidence.set_pace(pace);
        gathered.add(Source::written(&source), evidence);
    }
    Ok(())
}

/// Counts what the journals of a release have.
fn count_again(
    store: &Store,
    releases: &mut BTreeMap<String, Gathered>,
    release: &str,
    pace: Pace,
) -> Result<(), StoreError> {
    let sources = releases.get(release).map(Gathered::sources).unwrap_or_default();
    let sources: Vec<Option<Source>> = sources.iter().map(|brought| brought.source.clone()).collect();
    for source in sources {
        share_places(releases);
        let Some(gathered) = releases.get_mut(release) else { continue };
        let session = gathered.session.number;
        let Some(brought) = gathered.of(source.as_ref(), pace) else { continue };
        let of = Gathering { release, session, source: Source::name_of(source.as_ref()) };
        for JournalEntry { repeated, compared } in store.journal(of)? {
            let exchanges = decode_compared(&compared).map_err(|error| damaged(release, &error))?;
            for one in &exchanges {
                brought.evidence.take(one);
            }
            brought.evidence.count_repeated(repeated);
            brought.note_journalled(&exchanges, compared.len() as u64);
        }
    }
    Ok(())
}

fn damaged(release: &str, error: &dyn std::error::Error) -> StoreError {
    StoreError::Damaged { what: format!("evidence of {release:?}"), message: error.to_string() }
}

#[cfg(test)]
mod tests {
    use antumbra_engine::{Outside, Rules, compare};
    use antumbra_observation::{Leg, Observation};
    use antumbra_store::Writing;

    use super::super::checkpoint::{append, put_those};
    use super::*;

    /// One exchange of each endpoint that a source has.
    fn count(gathered: &mut Gathered, source: &str, endpoints: u64) {
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

    fn known(releases: &BTreeMap<String, Gathered>) -> Vec<Evidence> {
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
            share_places(&mut releases);
            count(releases.get_mut("shop").unwrap(), source, endpoints);
            let write = |writing: &Writing<'_>| match whole {
                true => put_those(writing, &mut releases, |_| true),
                false => append(writing, &mut releases),
            };
            store.transaction(write).unwrap();
            let (again, damaged) = read_back(&store, &sessions).unwrap();
            assert_eq!(damaged, []);
            let journal = |releases: &BTreeMap<String, Gathered>| {
                let all = releases["shop"].sources().iter();
                all.map(|brought| (brought.journalled, brought.journal_bytes)).collect::<Vec<_>>()
            };
            assert_eq!(journal(&again), journal(&releases), "{source}");
            assert!(known(&again) == known(&releases), "{source}");
            known(&again).iter().map(Evidence::named_endpoints).collect::<Vec<_>>()
        };
        assert_eq!(counted("edge-1", 10, true), [10]);
        assert_eq!(counted("edge-2", 1_000, false), [10, 969], "31 are the first one's");
        assert_eq!(counted("edge-2", 5, false), [10, 969]);
        assert_eq!(counted("edge-1", 40, true), [31, 969]);
    }
}
