//! `antumbra status` for people: the releases, what keeps their filters from doing what the policies say, the filters by their proxies,
//! and what became of requests and observations.

use std::fmt::Write as _;

use antumbra_engine::SourceReport;
use antumbra_observation::{Counts, NotMirrored};
use antumbra_store::Accounts;

use crate::api::status::{Filter, ReleaseStatus, State, Status, Versions};

/// How everything stands.
pub(super) fn text(status: &Status) -> String {
    let mut text = String::new();
    for release in &status.releases {
        write_release(&mut text, release);
    }
    if status.releases.is_empty() {
        text.push_str("no policy is stored\n");
    }
    for finding in &status.audit.findings {
        let _ = writeln!(text, "THE AUDIT IS BROKEN: {finding}");
    }
    write_accounts(&mut text, &status.accounts);
    text
}

fn write_release(text: &mut String, release: &ReleaseStatus) {
    let converged = if release.converged { "run by all filters" } else { "not run by all filters" };
    let count = |number: Option<u64>| number.map_or_else(|| "?".to_owned(), |number| number.to_string());
    let _ = writeln!(
        text,
        "{}  generation {}, {converged}  session {}  exchanges {}",
        release.release,
        release.generation,
        count(release.session),
        count(release.exchanges),
    );
    for problem in &release.problems {
        let _ = writeln!(text, "  the stored policy can only be replaced: {problem}");
    }
    for trouble in &release.troubles {
        let _ = writeln!(text, "  ! {}", trouble.text);
    }
    for why in release.sources.iter().filter_map(SourceReport::why_set_aside) {
        let _ = writeln!(text, "  ! {why}");
    }
    if release.filters.is_empty() {
        text.push_str("  no filter has reported\n\n");
        return;
    }
    write_filters(text, release);
    text.push('\n');
}

fn write_filters(text: &mut String, release: &ReleaseStatus) {
    let gone = if release.gone > 0 {
        format!(", {} gone (3 heartbeats missed)", release.gone)
    } else {
        String::new()
    };
    let _ = writeln!(text, "  filters: {} alive{gone}", release.alive);
    if release.versions.iter().any(|one| one.version.is_some()) {
        let _ = writeln!(text, "  versions: {}", versions(&release.versions));
    }
    let mut nodes: Vec<Option<&str>> = release.filters.iter().map(|filter| filter.node.as_deref()).collect();
    nodes.sort_unstable();
    nodes.dedup();
    for node in nodes {
        let _ = writeln!(
            text,
            "  {}",
            node.map_or_else(|| "proxies without a node name".to_owned(), |node| format!("node {node}"))
        );
        let _ = writeln!(
            text,
            "    {:32} {:>10} {:>10} {:>10} {:>10} {:>10} {:>11} {:>8}",
            "filter", "generation", "seen", "requests", "mirrored", "delivered", "undelivered", "unknown"
        );
        release
            .filters
            .iter()
            .filter(|filter| filter.node.as_deref() == node)
            .for_each(|one| write_filter(text, one));
    }
    if release.more_filters > 0 {
        let filters = if release.more_filters == 1 { "filter" } else { "filters" };
        let _ = writeln!(text, "  and {} more {filters}", release.more_filters);
    }
    let not_mirrored = release.filters.iter().map(|filter| filter.accounts.not_mirrored);
    let not_mirrored = not_mirrored.fold(Counts::<NotMirrored>::default(), Counts::plus);
    if !not_mirrored.is_empty() {
        let by: Vec<String> =
            not_mirrored.iter().map(|(why, count)| format!("{} {count}", why.as_str())).collect();
        let _ = writeln!(text, "  not mirrored: {}", by.join(", "));
    }
}

/// `0.1.0 (2 filters), not said (1 filter)`.
pub(super) fn versions(all: &[Versions]) -> String {
    let each = all.iter().map(|Versions { version, filters }| {
        let plural = if *filters == 1 { "" } else { "s" };
        format!("{} ({filters} filter{plural})", version.as_deref().unwrap_or("not said"))
    });
    each.collect::<Vec<_>>().join(", ")
}

fn write_filter(text: &mut String, filter: &Filter) {
    let accounts = &filter.accounts;
    let state = match filter.state {
        State::Alive => "",
        State::Gone => "  gone",
        State::Ended => "  ended",
    };
    let _ = writeln!(
        text,
        "    {:32} {:>10} {:>10} {:>10} {:>10} {:>10} {:>11} {:>8}{state}",
        filter.instance,
        filter.generation.map_or_else(|| "none".to_owned(), |generation| generation.to_string()),
        format!("{:.1} s ago", filter.seconds_since_seen),
        accounts.requests,
        accounts.mirrored,
        accounts.delivered,
        accounts.undelivered.total(),
        accounts.unknown,
    );
}

fn write_accounts(text: &mut String, accounts: &Accounts) {
    let refused: u64 = accounts.refused.values().sum();
    let reasons: Vec<String> = accounts.refused.iter().map(|(reason, n)| format!("{reason} {n}")).collect();
    let _ = writeln!(
        text,
        "observations: received {} = compared {} + refused {refused} + duplicates {} + in flight {}",
        accounts.received, accounts.compared, accounts.duplicates, accounts.in_flight
    );
    if refused > 0 {
        let _ = writeln!(text, "refused: {}", reasons.join(", "));
    }
}

#[cfg(test)]
mod tests {
    use antumbra_observation::{Trouble, TroubleKind};

    use super::*;
    use crate::api::status::AuditStatus;

    fn filter(last_digit: char, node: Option<&str>, state: State) -> Filter {
        Filter {
            instance: "0".repeat(31) + &last_digit.to_string(),
            source: None,
            node: node.map(str::to_owned),
            version: None,
            state,
            generation: Some(4),
            seconds_since_seen: 0.3,
            accounts: antumbra_observation::Accounts {
                requests: 900,
                mirrored: 45,
                not_mirrored: [(NotMirrored::NotSampled, 850), (NotMirrored::UnsafeMethod, 5)].into(),
                delivered: 44,
                unknown: 1,
                ..Default::default()
            },
            troubles: Vec::new(),
        }
    }

    fn release(filters: Vec<Filter>) -> ReleaseStatus {
        ReleaseStatus {
            release: "shop".to_owned(),
            generation: 4,
            problems: Vec::new(),
            converged: true,
            troubles: Vec::new(),
            alive: 2,
            gone: 1,
            versions: vec![
                Versions { version: None, filters: 1 },
                Versions { version: Some("0.1.0".to_owned()), filters: 2 },
            ],
            filters,
            more_filters: 3,
            session: Some(1),
            exchanges: Some(44),
            verdict: None,
            sources: Vec::new(),
        }
    }

    #[test]
    fn status_for_people() {
        let filters = vec![
            filter('1', Some("edge-1"), State::Alive),
            filter('2', None, State::Alive),
            filter('3', Some("edge-1"), State::Gone),
        ];
        let trouble = Trouble::new(TroubleKind::UnknownCluster, "new", "candidate");
        let troubles = vec![crate::api::trouble::Trouble::of(trouble, 2)];
        let told = ReleaseStatus { troubles, ..release(filters) };
        let accounts = Accounts {
            received: 47,
            compared: 44,
            refused: [("too_large".to_owned(), 2)].into(),
            duplicates: 1,
            in_flight: 0,
        };
        insta::assert_snapshot!(text(&Status { version: None, releases: vec![told, release(vec![])], accounts, audit: AuditStatus::default() }), @r#"
        shop  generation 4, run by all filters  session 1  exchanges 44
          ! the proxy has no cluster "new", so no shadow reaches the candidate (2 filters)
          filters: 2 alive, 1 gone (3 heartbeats missed)
          versions: not said (1 filter), 0.1.0 (2 filters)
          proxies without a node name
            filter                           generation       seen   requests   mirrored  delivered undelivered  unknown
            00000000000000000000000000000002          4  0.3 s ago        900         45         44           0        1
          node edge-1
            filter                           generation       seen   requests   mirrored  delivered undelivered  unknown
            00000000000000000000000000000001          4  0.3 s ago        900         45         44           0        1
            00000000000000000000000000000003          4  0.3 s ago        900         45         44           0        1  gone
          and 3 more filters
          not mirrored: not_sampled 2550, unsafe_method 15

        shop  generation 4, run by all filters  session 1  exchanges 44
          no filter has reported

        observations: received 47 = compared 44 + refused 2 + duplicates 1 + in flight 0
        refused: too_large 2
        "#);
    }
}
