//! What is done to a comparator, by whom, and for how long.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Result, ensure};
use tokio::runtime::Handle;
use tokio::task::JoinSet;

use super::heavy;
use super::sending::Sent;
use super::site::Site;
use super::strangers::Stranger;
use crate::bench::exchanges::{Batches, RELEASE, Shape};
use crate::client::Client;

/// One way to keep a comparator from answering.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Attack {
    /// Only what happens in every row: a filter with little to say.
    Nothing,
    Work,
    ManyFields,
    FullReleases,
    Guesses,
    Unread,
    SlowLines,
    Overload,
    Viewers,
}

impl Attack {
    pub(super) const ALL: [Self; 9] = [
        Self::Nothing,
        Self::Work,
        Self::ManyFields,
        Self::FullReleases,
        Self::Guesses,
        Self::Unread,
        Self::SlowLines,
        Self::Overload,
        Self::Viewers,
    ];

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Nothing => "no attack",
            Self::Work => "4 × batches full of work",
            Self::ManyFields => "100 × 2 MB of distinct fields",
            Self::FullReleases => "3 full releases, all touched",
            Self::Guesses => "512 × wrong tokens",
            Self::Unread => "512 × answers never read",
            Self::SlowLines => "500 × a byte at a time",
            Self::Overload => "64 × batches without a pause",
            Self::Viewers => "the same, and 8 viewers",
        }
    }

    /// Whether the comparator asks for tokens meanwhile.
    pub(super) fn is_guarded(self) -> bool {
        matches!(self, Self::Guesses | Self::Unread)
    }

    /// Brings the comparator to where the attack begins; answers what was sent for that.
    pub(super) async fn prepare(self, site: Site, policy: &str) -> Result<Vec<Arc<Sent>>> {
        let mut filled = Vec::new();
        if self != Self::FullReleases {
            return Ok(filled);
        }
        for release in RELEASES {
            let policy = policy.replace("name: shop", &format!("name: {release}"));
            let path = format!("/v1/policies/{release}?create=true");
            let headers = [("content-type", "application/yaml")];
            if release != RELEASE {
                let answer = site.send(&Client::default(), ("PUT", &path), &headers, policy).await?;
                ensure!(answer.status.is_success(), "{path}: {} {}", answer.status, answer.text());
            }
            let full = Sent::new(release, heavy::full(release));
            full.fill(site).await?;
            filled.push(full);
        }
        Ok(filled)
    }

    /// What it sends, and over how many connections each.
    pub(super) fn sends(self) -> Vec<(usize, Arc<Sent>)> {
        let of_shop = |connections, batches: Batches| vec![(connections, Sent::new(RELEASE, batches))];
        match self {
            Self::Nothing | Self::Guesses | Self::Unread | Self::SlowLines => Vec::new(),
            Self::Work => of_shop(4, heavy::work(RELEASE)),
            Self::ManyFields => of_shop(100, heavy::many_fields(RELEASE)),
            Self::FullReleases => {
                RELEASES.map(|release| (1, Sent::new(release, heavy::touching(release)))).into()
            }
            Self::Overload | Self::Viewers => of_shop(64, ordinary(40)),
        }
    }

    fn strangers(self) -> Vec<Stranger> {
        match self {
            Self::Guesses => vec![Stranger::Guesses; 512],
            Self::Unread => vec![Stranger::NeverReads; 512],
            Self::SlowLines => [Stranger::SlowHeader, Stranger::SlowBody].repeat(250),
            _ => Vec::new(),
        }
    }

    /// Goes on at that runtime until what is returned is dropped, or for `at_most`.
    pub(super) fn begin(
        self,
        site: Site,
        sends: &[(usize, Arc<Sent>)],
        at_most: Duration,
        runtime: &Handle,
    ) -> JoinSet<()> {
        let mut all = JoinSet::new();
        let mut spawn = |task: std::pin::Pin<Box<dyn Future<Output = ()> + Send>>| {
            all.spawn_on(async move { drop(tokio::time::timeout(at_most, task).await) }, runtime);
        };
        for (connections, sent) in sends {
            (0..*connections).for_each(|_| spawn(Box::pin(Arc::clone(sent).flood(site))));
        }
        for (number, stranger) in self.strangers().into_iter().enumerate() {
            spawn(Box::pin(stranger.bother(site, number)));
        }
        for _ in 0..if self == Self::Viewers { VIEWERS } else { 0 } {
            spawn(Box::pin(view(site)));
        }
        all
    }
}

/// What a filter sends that has this many fields of noise in each answer.
pub(super) fn ordinary(noisy: usize) -> Batches {
    Batches::of(Shape { fields: 40, noisy, endpoints: 20 })
}

/// Reads how things stand for ever, now in one form, now in another.
async fn view(site: Site) {
    let client = Client::default();
    let report = |format| format!("/v1/releases/{RELEASE}/report?format={format}");
    let paths = [report("text"), report("json"), "/v1/status".to_owned()];
    for path in paths.iter().cycle() {
        if site.send(&client, ("GET", path), &[], "").await.is_err() {
            tokio::time::sleep(AFTER_FAILURE).await;
        }
    }
}

const RELEASES: [&str; 3] = [RELEASE, "stock", "till"];
const VIEWERS: usize = 8;
const AFTER_FAILURE: Duration = Duration::from_millis(50);
