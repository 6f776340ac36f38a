//! Tests: what each command does to each state, as data.

use super::*;
use crate::document::tree_from_yaml;

const SHOP: &str = "{version: 1, name: shop, variants: {stable: null, canary: null}, default: stable,
    rules: [{name: shadow, mirror: [{to: canary, percent: 5}]}]}";

/// What a case meets: the stored text of generation 3, session 2, and files.
struct Met {
    stored: Option<String>,
    gathered_with: &'static str,
    known_file: Option<String>,
    put: Option<String>,
    last_generation: u64,
    filters: usize,
    awaited: Option<Duration>,
    at_hand: Files,
}

impl Met {
    fn nothing() -> Self {
        Self {
            stored: None,
            gathered_with: "",
            known_file: None,
            put: None,
            last_generation: 0,
            filters: 0,
            awaited: None,
            at_hand: Files::default(),
        }
    }

    /// A policy that says this, or what else is stored of it.
    fn stored(text: &str) -> Self {
        let json = tree_from_yaml(text.as_bytes()).map(|tree| serde_json::to_string(&tree).unwrap());
        Self { stored: Some(json.unwrap_or_else(|_| text.to_owned())), ..Self::nothing() }
    }

    fn with_plugin(mut self, name: &str, digest: &str) -> Self {
        self.at_hand.plugins.insert(name.to_owned(), digest.to_owned());
        self
    }

    fn gathered_with(self, gathered_with: &'static str) -> Self {
        Self { gathered_with, ..self }
    }

    fn knowing(self, file: &str) -> Self {
        Self { known_file: Some(document(file).text()), ..self }
    }

    fn put(self, text: &str) -> Self {
        Self { put: Some(text.to_owned()), ..self }
    }

    fn check(&self, command: &Command, expected: &[&str]) {
        let found = match self.decide(command) {
            Ok(effects) => shown(&effects),
            Err(refusal) => vec![format!("refused: {refusal}")],
        };
        assert_eq!(found, expected, "{}", action(command));
    }

    fn decide(&self, command: &Command) -> Result<Effects, Refusal> {
        let current =
            self.stored.as_deref().map(|text| Version::new(Document::restore("shop", text), 3, 1_000));
        let put = self.put.as_deref().map(|text| tree_from_yaml(text.as_bytes()).unwrap());
        let state = State {
            current: current.as_ref(),
            session: current.as_ref().map(|_| Session { number: 2, since: 2 }),
            gathered_with: self.gathered_with,
            known_file: self.known_file.as_deref(),
            last_put: put.as_ref(),
            last_generation: self.last_generation,
            filters: self.filters,
            awaited: self.awaited,
            at_hand: &self.at_hand,
        };
        decide(command, state, 7_000)
    }
}

fn action(command: &Command) -> &'static str {
    match command {
        Command::Change(change) => change.edit.action(),
        Command::Adopt(_) => "adopt",
        Command::Reset(_) => "reset",
        Command::Delete(_) => "delete",
        Command::NoteRead(_) => "note read",
        Command::NoteFiles { .. } => "note files",
        Command::StartOver { .. } => "start over",
    }
}

fn shown(effects: &Effects) -> Vec<String> {
    let line = |effect: &Effect| match effect {
        Effect::PutFile(text) => format!("file of {}", percent(text)),
        Effect::PutPolicy(stored) => {
            format!("generation {} at {} of {}", stored.generation, stored.at_ms, percent(&stored.text))
        }
        Effect::Audit(draft) => {
            format!(
                "audit {} {} {} {:?} {}",
                draft.generation,
                draft.who,
                draft.action,
                draft.reason,
                paths(&draft.diff)
            )
        }
        Effect::BeginSession { session, files, at_ms } => {
            format!("session {} since {} at {at_ms} [{files}]", session.number, session.since)
        }
        Effect::SetAside { session, at_ms } => format!("session {session} aside at {at_ms}"),
        Effect::Forget => "forget".to_owned(),
    };
    let undone = effects.undone.iter().map(|undone| format!("undone: {undone}"));
    let in_force = effects.version.iter().map(|version| format!("in force {}", version.generation));
    effects.writes.iter().map(line).chain(in_force).chain(undone).collect()
}

/// The fields that differ.
fn paths(diff: &[String]) -> String {
    diff.iter().filter_map(|line| line.split(':').next()).collect::<Vec<_>>().join(", ")
}

/// Which document it is, by the share that it mirrors.
fn percent(text: &str) -> String {
    let at = text.split_once("\"percent\":").map_or("nothing", |(_, rest)| rest);
    at.chars().take_while(char::is_ascii_digit).collect()
}

fn document(text: &str) -> Document {
    Document::from_yaml(text.as_bytes()).unwrap_or_else(|invalid| panic!("{invalid}"))
}

fn changed(edit: Edit, expected: Expected) -> Command {
    let (author, reason) = ("ana".to_owned(), "more".to_owned());
    let name = "shop".to_owned();
    Command::Change(Change {
        name,
        edit,
        expected,
        author,
        reason,
        judged: Judged::Waived,
        despite_verdict: false,
    })
}

fn put(text: &str) -> Command {
    changed(Edit::Put(tree_from_yaml(text.as_bytes()).unwrap()), Expected::Any)
}

fn create(text: &str) -> Command {
    changed(Edit::Create(tree_from_yaml(text.as_bytes()).unwrap()), Expected::Any)
}

fn delete(force: bool, expected: Expected) -> Command {
    let (release, author, reason) = ("shop".to_owned(), "eve".to_owned(), "retired".to_owned());
    Command::Delete(Delete { release, expected, force, author, reason })
}

fn mirror(percent: f64) -> Command {
    changed(Edit::Mirror { percent, rule: None, to: None }, Expected::Any)
}

fn adopt(text: &str) -> Command {
    Command::Adopt(Box::new(document(text)))
}

fn reset() -> Command {
    let (author, reason) = ("cy".to_owned(), "build 2".to_owned());
    Command::Reset(Reset { release: "shop".to_owned(), author, reason })
}

fn note_files() -> Command {
    Command::NoteFiles { release: "shop".to_owned() }
}

fn with(plugin: &str) -> String {
    SHOP.replace("rules:", &format!("compare: {{plugins: [{{plugin: {plugin}}}]}}, rules:"))
}

#[test]
fn a_change_makes_a_generation_and_a_session_only_if_what_is_compared_changes() {
    let six = SHOP.replace("percent: 5", "percent: 6");
    Met::nothing().check(
        &create(SHOP),
        &[
            "generation 1 at 7000 of 5",
            "audit 1 ana put \"more\" version, name, variants, default, rules",
            "session 1 since 1 at 7000 []",
            "in force 1",
        ],
    );
    Met::stored(SHOP).check(
        &put(&six),
        &["generation 4 at 7000 of 6", "audit 4 ana put \"more\" rules[0].mirror[0].percent", "in force 4"],
    );
    Met::stored(SHOP).check(
        &mirror(7.0),
        &[
            "generation 4 at 7000 of 7",
            "audit 4 ana mirror \"more\" rules[0].mirror[0].percent",
            "in force 4",
        ],
    );
    Met::stored(SHOP).check(
        &put(&SHOP.replace("canary: null", "canary: {host: beta.test}")),
        &[
            "generation 4 at 7000 of 5",
            "audit 4 ana put \"more\" variants.canary",
            "session 3 since 4 at 7000 []",
            "in force 4",
        ],
    );
    Met::stored(SHOP).check(&put(SHOP), &[]);
    Met::stored(SHOP).check(&mirror(5.0), &[]);
}

#[test]
fn what_does_not_fit_is_refused() {
    let absent = Expected::Absent;
    Met::nothing().check(&mirror(5.0), &["refused: there is no policy \"shop\""]);
    Met::nothing().check(&reset(), &["refused: there is no policy \"shop\""]);
    Met::nothing().check(&delete(true, Expected::Any), &["refused: there is no policy \"shop\""]);
    Met::nothing().check(&note_files(), &["refused: there is no policy \"shop\""]);
    Met::stored(SHOP).check(
        &changed(Edit::Put(tree_from_yaml(SHOP.as_bytes()).unwrap()), absent),
        &["refused: the policy exists already, at generation 3"],
    );
    Met::stored(SHOP).check(
        &put(&with("prices")),
        &["refused: compare.plugins[0].plugin is \"prices\", must be one that is here: start with --plugin prices=FILE"],
    );
}

#[test]
fn a_plugin_must_be_here_unless_the_policy_names_it_already() {
    let six = with("prices").replace("percent: 5", "percent: 6");
    let kept =
        ["generation 4 at 7000 of 6", "audit 4 ana put \"more\" rules[0].mirror[0].percent", "in force 4"];
    Met::stored(&with("prices")).gathered_with("prices=absent").check(&put(&six), &kept);
    Met::stored(SHOP).with_plugin("prices", "1f").check(
        &put(&with("prices")),
        &[
            "generation 4 at 7000 of 5",
            "audit 4 ana put \"more\" compare",
            "session 3 since 4 at 7000 [prices=1f]",
            "in force 4",
        ],
    );
}

#[test]
fn a_file_is_adopted_once_and_noted_even_if_it_changes_nothing() {
    let six = SHOP.replace("percent: 5", "percent: 6");
    Met::stored(&six).knowing(SHOP).check(&adopt(SHOP), &[]);
    Met::stored(SHOP).knowing(&six).check(&adopt(SHOP), &["file of 5"]);
    Met::stored(SHOP).knowing(SHOP).check(
        &adopt(&six),
        &[
            "file of 6",
            "generation 4 at 7000 of 6",
            "audit 4 antumbra serve file \"policy file at the start\" rules[0].mirror[0].percent",
            "in force 4",
        ],
    );
}

/// Who puts what is in force already has put it: nothing of it was changed at run time since.
#[test]
fn a_document_that_is_in_force_already_is_put_all_the_same() {
    let six = SHOP.replace("percent: 5", "percent: 6");
    Met::stored(&six).put(SHOP).check(&put(&six), &["audit 3 ana put \"more\" "]);
    Met::stored(&six).put(&six).check(&put(&six), &[]);
    Met::stored(&six)
        .put(SHOP)
        .check(&adopt(&six), &["file of 6", "audit 3 antumbra serve file \"policy file at the start\" "]);
    Met::stored(&six).put(SHOP).check(&mirror(6.0), &[]);
}

#[test]
fn a_reset_makes_a_generation_of_the_same_document_and_a_session() {
    Met::stored(SHOP).check(
        &reset(),
        &[
            "generation 4 at 7000 of 5",
            "audit 4 cy reset \"build 2\" ",
            "session 3 since 4 at 7000 []",
            "in force 4",
        ],
    );
}

#[test]
fn who_reads_is_in_the_audit_and_nothing_else_changes() {
    let (release, reader) = ("shop".to_owned(), "ana".to_owned());
    let read = Command::NoteRead(Read { release, reader, captures: 2, exchanges: 40 });
    Met::stored(SHOP).check(&read, &["audit 3 ana read \"\" captures begun, exchanges sent"]);
    Met::nothing().check(&read, &["refused: there is no policy \"shop\""]);
}

/// What the audit holds of a document is its hash: that of the text which is stored.
#[test]
fn an_entry_names_the_document_that_it_made() {
    let effects = Met::stored(SHOP).decide(&put(&SHOP.replace("percent: 5", "percent: 6"))).unwrap();
    let [Effect::PutPolicy(stored), Effect::Audit(draft)] = &effects.writes[..] else {
        panic!("{:?}", effects.writes)
    };
    assert_eq!(draft.document, Some(fingerprint::sha256(stored.text.as_bytes())));
    let deleted = Met::stored(SHOP).decide(&delete(true, Expected::Any)).unwrap();
    assert!(
        matches!(&deleted.writes[..], [Effect::Audit(draft), Effect::Forget] if draft.document.is_none())
    );
}

#[test]
fn other_files_begin_a_session() {
    let named = with("prices");
    Met::stored(&named).with_plugin("prices", "1f").gathered_with("prices=1f").check(&note_files(), &[]);
    Met::stored(SHOP).with_plugin("prices", "1f").check(&note_files(), &[]);
    Met::stored(&named).with_plugin("prices", "2e").gathered_with("prices=1f").check(
        &note_files(),
        &[
            "generation 4 at 7000 of 5",
            "audit 4 antumbra serve reset \"plugins or descriptors are other files: prices=2e\" ",
            "session 3 since 4 at 7000 [prices=2e]",
            "in force 4",
        ],
    );
}

#[test]
fn what_todays_rules_refuse_can_only_be_replaced() {
    let broken = SHOP.replace("rules:", "gates: {margn: 1}, rules:");
    let refused = "refused: generation 3 of the policy was valid once and is refused by today's rules; it can only be replaced by a \
                   corrected document (PUT): gates.margn is not a known field; did you mean \"margin\"?";
    Met::stored(&broken).check(&mirror(7.0), &[refused]);
    Met::stored(&broken).check(&reset(), &[refused]);
    Met::stored(&broken).check(&note_files(), &[]);
    Met::stored(&broken)
        .check(&put(SHOP), &["generation 4 at 7000 of 5", "audit 4 ana put \"more\" gates", "in force 4"]);
    Met::stored(&broken).check(
        &adopt(SHOP),
        &[
            "file of 5",
            "generation 4 at 7000 of 5",
            "audit 4 antumbra serve file \"policy file at the start\" gates",
            "in force 4",
        ],
    );
}

#[test]
fn what_is_gathered_by_the_usual_rules_is_a_session_of_its_own() {
    let again = [
        "audit 3 antumbra serve reset \"the stored policy is compared by other rules or files: compare=unread\" ",
        "session 3 since 3 at 7000 [compare=unread]",
    ];
    let broken = SHOP.replace("rules:", "compare: {unorderd: [/a]}, rules:");
    Met::stored(&broken).check(&note_files(), &again);
    Met::stored(&broken).gathered_with("compare=unread").check(&note_files(), &[]);
    Met::stored("{").check(&note_files(), &again);
    Met::stored("{").gathered_with("compare=unread").check(
        &put(SHOP),
        &[
            "generation 4 at 7000 of 5",
            "audit 4 ana put \"more\" version, name, variants, default, rules",
            "session 3 since 4 at 7000 []",
            "in force 4",
        ],
    );
}

#[test]
fn a_name_that_nobody_knows_is_created_only_if_that_is_said() {
    let refused = "refused: there is no policy \"shop\"; to create it, PUT it with `?create=true` or `If-None-Match: *` \
                   (`antumbra policy put --create`)";
    Met::nothing().check(&put(SHOP), &[refused]);
    let absent = changed(Edit::Put(tree_from_yaml(SHOP.as_bytes()).unwrap()), Expected::Absent);
    for creating in [absent, create(SHOP), adopt(SHOP)] {
        assert_eq!(Met::nothing().decide(&creating).unwrap().version.unwrap().generation, 1);
    }
    Met::stored(SHOP).check(&create(SHOP), &[]);
}

#[test]
fn a_deletion_forgets_all_but_the_audit_which_has_the_whole_document() {
    let deleted = ["audit 3 eve delete \"retired\" version, name, variants, default, rules", "forget"];
    Met::stored(SHOP).check(&delete(false, Expected::Any), &deleted);
    Met::stored("{").check(&delete(false, Expected::Any), &["audit 3 eve delete \"retired\" ", "forget"]);
    let run = |filters| Met { filters, ..Met::stored(SHOP) };
    for (filters, told) in [(1, "1 filter runs"), (2, "2 filters run")] {
        let refused = format!(
            "refused: {told} the policy \"shop\": they would go on splitting by it; delete it nevertheless with `?force=true` \
             (`antumbra policy delete --force`)"
        );
        run(filters).check(&delete(false, Expected::Any), &[&refused]);
        run(filters).check(&delete(true, Expected::Any), &deleted);
    }
    let awaited = Met { awaited: Some(Duration::from_millis(7_500)), ..Met::stored(SHOP) };
    let refused = "refused: filters ran the policy \"shop\" before the comparator started, and may do so still: those that do will \
                   have said so in 8 s; delete it nevertheless with `?force=true` (`antumbra policy delete --force`)";
    awaited.check(&delete(false, Expected::Any), &[refused]);
    awaited.check(&delete(true, Expected::Any), &deleted);
    Met::stored(SHOP).check(
        &delete(true, Expected::OneOf(vec!["\"2\"".to_owned()])),
        &["refused: the policy is at generation 3, not 2"],
    );
    assert!(run(0).decide(&delete(false, Expected::Any)).unwrap().deleted());
}

#[test]
fn a_name_that_was_deleted_goes_on_with_its_generations() {
    let gone = Met { last_generation: 9, ..Met::nothing() };
    let effects = gone.decide(&create(SHOP)).unwrap();
    assert_eq!(effects.version.as_ref().unwrap().generation, 10);
    assert_eq!(effects.begun().unwrap().since, 10);
}

/// Also where the document has no successor: its evidence is as unreadable.
#[test]
fn evidence_that_cannot_be_read_is_set_aside_and_a_new_session_begins() {
    let start_over = Command::StartOver { release: "shop".to_owned(), damage: "row 1".to_owned() };
    let reason = "\"the stored evidence cannot be read: row 1\" ";
    Met::nothing().check(&start_over, &["refused: there is no policy \"shop\""]);
    Met::stored(SHOP).check(
        &start_over,
        &[
            "session 2 aside at 7000",
            "generation 4 at 7000 of 5",
            &format!("audit 4 antumbra serve reset {reason}"),
            "session 3 since 4 at 7000 []",
            "in force 4",
        ],
    );
    Met::stored("{").check(
        &start_over,
        &[
            "session 2 aside at 7000",
            &format!("audit 3 antumbra serve reset {reason}"),
            "session 3 since 3 at 7000 [compare=unread]",
        ],
    );
}

#[test]
fn a_document_says_what_it_takes_back() {
    let fifty = SHOP.replace("percent: 5", "percent: 50");
    let six = SHOP.replace("percent: 5", "percent: 6");
    let undone = |text| Met::stored(&fifty).put(SHOP).decide(&put(text)).unwrap().undone;
    let told = |text| undone(text).iter().map(ToString::to_string).collect::<Vec<_>>();
    assert_eq!(told(SHOP), ["rules[0].mirror[0].percent goes back from 50 to 5"]);
    assert_eq!(told(&six), ["rules[0].mirror[0].percent goes back from 50 to 6"]);
    assert_eq!(told(&fifty), [""; 0]);
    assert_eq!(told(&fifty.replace("rules:", "gates: {margin: 1}, rules:")), [""; 0]);
    let by_file = Met::stored(&fifty).put(SHOP).decide(&adopt(SHOP)).unwrap().undone;
    assert_eq!(by_file.len(), 1);
    let at_run_time = Met::stored(&fifty).put(SHOP).decide(&mirror(5.0)).unwrap().undone;
    assert_eq!(at_run_time, [], "who tunes knows what was tuned");
}

const SPLIT: &str = "{version: 1, name: shop, variants: {stable: null, canary: null}, default: stable,
    rules: [{name: shadow, mirror: [{to: canary, percent: 5}]}, {name: share, split: {weights: {canary: 5, stable: 95}}}]}";

fn weights(canary: u64, verdict: Verdict, despite_verdict: bool) -> Command {
    let edit = Edit::Weights { weights: vec![("canary".to_owned(), canary)], rule: None };
    let Command::Change(change) = changed(edit, Expected::Any) else { panic!("a change") };
    Command::Change(Change { judged: Judged::As(verdict), despite_verdict, ..change })
}

#[test]
fn clients_get_more_of_what_is_worse_only_if_somebody_says_so() {
    let decide = |command: &Command| Met::stored(SPLIT).decide(command);
    let refused = "refused: the verdict is roll back, and rule \"share\" gives 5 % → 17.39 % of its requests to candidates; lowering \
                   needs nothing, raising needs `despiteVerdict: true` in a PATCH or `?despiteVerdict=true` at a PUT \
                   (`--despite-verdict`)";
    Met::stored(SPLIT).check(&weights(20, Verdict::RollBack, false), &[refused]);
    Met::stored(SPLIT).check(
        &weights(20, Verdict::RollBack, true),
        &[
            "generation 4 at 7000 of 5",
            "audit 4 ana weights \"more (despite the verdict roll back)\" rules[1].split.weights.canary",
            "in force 4",
        ],
    );
    let warnings = |command| decide(&command).unwrap().warnings.join("\n");
    let raised = "rule \"share\" gives 5 % → 17.39 % of its requests to candidates";
    assert_eq!(
        warnings(weights(20, Verdict::RollBack, true)),
        format!("the verdict is roll back, and {raised}")
    );
    let wait = "the verdict is wait: too little is known of the candidate, and";
    assert_eq!(warnings(weights(20, Verdict::Wait, false)), format!("{wait} {raised}"));
    for quiet in [
        weights(20, Verdict::Promote, false),
        weights(1, Verdict::RollBack, false),
        weights(0, Verdict::RollBack, true),
        weights(1, Verdict::Wait, false),
    ] {
        assert_eq!(warnings(quiet), "");
    }
    let unmirrored = SPLIT.replace("{name: shadow, mirror: [{to: canary, percent: 5}]}, ", "");
    let effects = Met::stored(&unmirrored).decide(&weights(20, Verdict::Wait, false)).unwrap();
    assert_eq!(effects.warnings, [""; 0], "there is nothing to wait for");
}

/// What was known of the candidate is gone with the policy: nobody can be asked, and it is said.
#[test]
fn a_policy_that_is_created_anew_says_what_it_gives() {
    let warnings = |last_generation, text: &str| {
        let met = Met { last_generation, ..Met::nothing() };
        let Command::Change(change) = create(text) else { panic!("a change") };
        met.decide(&Command::Change(Change { judged: Judged::Unasked, ..change })).unwrap().warnings
    };
    let told = "a policy of this name was deleted with what was known of the candidate, and rule \"share\" gives 0 % → 5 % of its \
                requests to candidates";
    assert_eq!(warnings(9, SPLIT), [told]);
    assert_eq!(warnings(0, SPLIT), [""; 0], "the first of its name");
    assert_eq!(warnings(9, &SPLIT.replace("canary: 5, stable", "canary: 0, stable")), [""; 0]);
}

/// Another change may have come between the look and the commit: then the verdict is asked for, and what could not be told counts as worse.
#[test]
fn a_raise_that_nobody_judged_is_none_yet() {
    let with = |judged, despite_verdict| {
        let Command::Change(change) = weights(20, Verdict::Promote, despite_verdict) else {
            panic!("a change")
        };
        Met::stored(SPLIT).decide(&Command::Change(Change { judged, ..change }))
    };
    assert!(matches!(with(Judged::Unasked, true), Err(Refusal::Unjudged)));
    assert!(matches!(with(Judged::Failed, false), Err(Refusal::Verdict { .. })));
    let told = with(Judged::Failed, true).unwrap();
    assert!(
        told.warnings[0].starts_with("the verdict could not be told, and rule \"share\""),
        "{:?}",
        told.warnings
    );
    assert!(with(Judged::Waived, false).unwrap().warnings.is_empty());
}

#[test]
fn mirroring_more_is_no_exposure() {
    let Command::Change(change) = mirror(100.0) else { panic!("a change") };
    let command = Command::Change(Change { judged: Judged::As(Verdict::RollBack), ..change });
    assert_eq!(Met::stored(SPLIT).decide(&command).unwrap().warnings, [""; 0]);
}

#[test]
fn the_verdict_is_asked_for_only_where_clients_get_more() {
    let current = Version::new(document(SPLIT), 3, 0);
    let asks = |command: Command, current: Option<&Version>| {
        let Command::Change(change) = command else { panic!("a change") };
        raises(current, &change)
    };
    let (more, less) = (weights(6, Verdict::Wait, false), weights(4, Verdict::Wait, false));
    assert!(asks(more, Some(&current)));
    assert!(!asks(less, Some(&current)));
    assert!(!asks(mirror(100.0), Some(&current)));
    assert!(!asks(create(SPLIT), None), "there is no evidence about a policy that is new");
    assert!(asks(put(&SPLIT.replace("canary: 5, stable", "canary: 6, stable")), Some(&current)));
    assert!(!asks(put("{version: 1}"), Some(&current)), "what is refused changes nothing");
}
