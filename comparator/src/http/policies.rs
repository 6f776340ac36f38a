//! `/v1/policies`: reading and changing the policies, with preconditions and an audit.

use std::sync::Arc;

use antumbra_control::change::{Change, Edit, Expected, Judged};
use antumbra_control::document::tree_from_yaml;
use antumbra_control::refusal::Refusal;
use antumbra_control::timestamp;
use antumbra_control::{Command, Delete, Version, raises};
use antumbra_policy::document::{Field, Invalid, Problems, Tree};
use axum::body::Body;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, Request, State};
use axum::http::header::{ETAG, IF_MATCH, IF_NONE_MATCH};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use serde::Deserialize;

use super::app::App;
use super::asking::{MAX_REASON, Named, Peer, author, one_line, reason};
use crate::api::allowed::{Allowed, Gate, Observe, Operate};
use crate::api::answer::{json, json_text};
use crate::api::body;
use crate::api::policies::{Deleted, Listed, Outcome};
use crate::api::principal::Principal;
use crate::api::problem::Problem;
use crate::writer::{ChangeError, Changed, Job};

/// `GET /v1/policies`.
pub(super) async fn list(allowed: Allowed<Gate>, State(app): State<Arc<App>>) -> Response {
    let all = app.policies_of(&allowed.by).into_iter().map(|(name, version)| Listed {
        release: name,
        generation: version.generation,
        at: timestamp::rfc3339(version.at_ms),
    });
    json(StatusCode::OK, &all.collect::<Vec<_>>())
}

/// `GET /v1/policies/{name}`.
pub(super) async fn show(
    _: Allowed<Observe>,
    State(app): State<Arc<App>>,
    Named(name): Named,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let version = app.intake.policies.get(&name).ok_or_else(|| Problem::unknown_release(&name))?;
    if version.document.is_lost() {
        return Err(Problem::damaged(&name, version.document.problems().to_vec()));
    }
    let tags = tags(&headers, IF_NONE_MATCH);
    if tags.iter().any(|tag| tag == "*" || *tag == version.etag()) {
        return Ok(tagged(StatusCode::NOT_MODIFIED.into_response(), &version));
    }
    Ok(tagged(json_text(StatusCode::OK, version.document.text()), &version))
}

/// What the query of a request for a change says.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Asked {
    /// The policy may be a new one.
    create: bool,
    /// Delete it although filters run it.
    force: bool,
    /// Give clients more of a candidate although the verdict is `roll back`.
    #[serde(rename = "despiteVerdict")]
    despite_verdict: bool,
}

/// A change that a request asks for.
struct Wanted {
    edit: Edit,
    reason: String,
    despite_verdict: bool,
}

/// `PUT /v1/policies/{name}`; a new one with `?create=true` or `If-None-Match: *`, and with `?despiteVerdict=true` one that gives clients
/// more of a candidate that is shown to be worse.
pub(super) async fn put(
    allowed: Allowed<Operate>,
    State(app): State<Arc<App>>,
    Named(name): Named,
    asked: Result<Query<Asked>, QueryRejection>,
    request: Request,
) -> Result<Response, Problem> {
    let Asked { create, despite_verdict, .. } = query(asked)?;
    let (parts, body) = request.into_parts();
    let tree = written(&allowed, &parts, body, LIMIT).await?;
    let reason = reason(&parts.headers);
    let edit = if create { Edit::Create(tree) } else { Edit::Put(tree) };
    change(&app, &allowed.by, &parts, name, Wanted { edit, reason, despite_verdict }).await
}

/// `DELETE /v1/policies/{name}`, with `?force=true` although filters run it.
pub(super) async fn delete(
    allowed: Allowed<Operate>,
    State(app): State<Arc<App>>,
    Named(name): Named,
    asked: Result<Query<Asked>, QueryRejection>,
    request: Request,
) -> Result<Response, Problem> {
    let Asked { force, .. } = query(asked)?;
    let (headers, peer) = (request.headers(), request.extensions().get::<Peer>());
    let (expected, reason) = (expected(headers), reason(headers));
    let author = author(&allowed.by, headers, peer);
    let command = Command::Delete(Delete { release: name.clone(), expected, force, author, reason });
    let deleted =
        app.intake.writer.ask(|reply| Job::Command(Box::new(command), allowed.by.into(), reply)).await???;
    let generation = deleted.version.generation;
    Ok(json(StatusCode::OK, &Deleted { release: name, generation }))
}

fn query(asked: Result<Query<Asked>, QueryRejection>) -> Result<Asked, Problem> {
    let Query(asked) =
        asked.map_err(|error| Problem::new(StatusCode::BAD_REQUEST, "query", error.body_text()))?;
    Ok(asked)
}

/// A body of YAML or JSON, of at most `limit` bytes.
pub(super) async fn written<P>(
    allowed: &Allowed<P>,
    parts: &Parts,
    body: Body,
    limit: usize,
) -> Result<Tree, Problem> {
    let media_type = body::media_type(&parts.headers);
    let parse: fn(&[u8]) -> Result<Tree, Invalid> = match media_type.as_str() {
        "application/json" => Tree::from_json,
        "application/yaml" | "application/x-yaml" | "text/yaml" => tree_from_yaml,
        _ => return Err(body::unsupported(&media_type, "application/yaml or application/json")),
    };
    parse(&allowed.read(body, limit).await?).map_err(Problem::invalid)
}

/// `PATCH /v1/policies/{name}/mirror` with `{percent, rule?, to?, reason?}`.
pub(super) async fn mirror(
    allowed: Allowed<Operate>,
    State(app): State<Arc<App>>,
    Named(name): Named,
    request: Request,
) -> Result<Response, Problem> {
    let (parts, body) = request.into_parts();
    let wanted = wanted(&allowed, &parts, body, read_mirror).await?;
    change(&app, &allowed.by, &parts, name, wanted).await
}

/// `PATCH /v1/policies/{name}/weights` with `{weights: {…}, rule?, reason?, despiteVerdict?}`.
pub(super) async fn weights(
    allowed: Allowed<Operate>,
    State(app): State<Arc<App>>,
    Named(name): Named,
    request: Request,
) -> Result<Response, Problem> {
    let (parts, body) = request.into_parts();
    let wanted = wanted(&allowed, &parts, body, read_weights).await?;
    change(&app, &allowed.by, &parts, name, wanted).await
}

async fn change(
    app: &App,
    by: &Principal,
    parts: &Parts,
    name: String,
    wanted: Wanted,
) -> Result<Response, Problem> {
    let Wanted { edit, reason, despite_verdict } = wanted;
    let author = author(by, &parts.headers, parts.extensions.get::<Peer>());
    let expected = expected(&parts.headers);
    let reason = one_line(&reason, MAX_REASON);
    let release = name.clone();
    let judged = Judged::Unasked;
    let mut change = Change { name, edit, expected, author, reason, judged, despite_verdict };
    // Judging may take a while, and nobody who takes clients from a candidate should wait for it.
    if raises(app.intake.policies.get(&release).as_deref(), &change) {
        change.judged = judge(app, &release, despite_verdict).await?;
    }
    let done = match commanded(app, by, change.clone()).await? {
        // Another change came first.
        Err(ChangeError::Refused(Refusal::Unjudged)) => {
            change.judged = judge(app, &release, despite_verdict).await?;
            commanded(app, by, change).await?
        }
        done => done,
    };
    let Changed { version, changed, created, begun, diff, undone, warnings } = done?;
    let new_session = begun.is_some();
    let status = if created { StatusCode::CREATED } else { StatusCode::OK };
    let generation = version.generation;
    let outcome = Outcome { release, generation, changed, created, new_session, diff, undone, warnings };
    Ok(tagged(json(status, &outcome), &version))
}

async fn judge(app: &App, release: &str, despite_verdict: bool) -> Result<Judged, Problem> {
    match app.report(release).await {
        Ok(report) => Ok(Judged::As(report.verdict)),
        Err(_) if despite_verdict => Ok(Judged::Failed),
        Err(problem) => Err(problem),
    }
}

async fn commanded(
    app: &App,
    by: &Principal,
    change: Change,
) -> Result<Result<Changed, ChangeError>, Problem> {
    let command = Box::new(Command::Change(change));
    Ok(app.intake.writer.ask(|reply| Job::Command(command, by.clone().into(), reply)).await??)
}

/// The body of a PATCH, read field by field so that all problems come at once.
async fn wanted(
    allowed: &Allowed<Operate>,
    parts: &Parts,
    body: Body,
    read: fn(&Field<'_>) -> Option<Wanted>,
) -> Result<Wanted, Problem> {
    let media_type = body::media_type(&parts.headers);
    if !matches!(media_type.as_str(), "application/json" | "application/merge-patch+json") {
        return Err(body::unsupported(&media_type, "application/json"));
    }
    let bytes = allowed.read(body, LIMIT).await?;
    let tree = Tree::from_json(&bytes).map_err(Problem::invalid)?;
    let problems = Problems::default();
    let wanted = read(&problems.root(&tree));
    problems.finish(wanted).map_err(Problem::invalid)
}

fn read_mirror(root: &Field<'_>) -> Option<Wanted> {
    let map = root.map(&["percent", "rule", "to", "reason"])?;
    let percent = map.required("percent").and_then(|field| field.number(0.0..=100.0));
    let rule = optional(map.get("rule"));
    let to = optional(map.get("to"));
    let reason = optional(map.get("reason"));
    let edit = Edit::Mirror { percent: percent?, rule: rule?, to: to? };
    Some(Wanted { edit, reason: reason?.unwrap_or_default(), despite_verdict: false })
}

fn read_weights(root: &Field<'_>) -> Option<Wanted> {
    let map = root.map(&["weights", "rule", "reason", "despiteVerdict"])?;
    let weights = map.required("weights").and_then(Field::entries).map(|entries| {
        let read =
            entries.iter().map(|(name, field)| Some(((*name).to_owned(), field.integer(0..=MAX_WEIGHT)?)));
        read.collect::<Vec<Option<(String, u64)>>>()
    });
    let rule = optional(map.get("rule"));
    let reason = optional(map.get("reason"));
    let despite_verdict = map.get("despiteVerdict").map_or(Some(false), Field::boolean);
    let weights = weights?.into_iter().collect::<Option<Vec<_>>>()?;
    let edit = Edit::Weights { weights, rule: rule? };
    Some(Wanted { edit, reason: reason?.unwrap_or_default(), despite_verdict: despite_verdict? })
}

/// `Some(None)` if the field is absent or null, `None` after a problem.
fn optional(field: Option<&Field<'_>>) -> Option<Option<String>> {
    match field {
        None => Some(None),
        Some(field) if *field.tree() == Tree::Null => Some(None),
        Some(field) => field.text().map(|text| Some(text.to_owned())),
    }
}

fn expected(headers: &HeaderMap) -> Expected {
    let (matching, none) = (tags(headers, IF_MATCH), tags(headers, IF_NONE_MATCH));
    match (matching.as_slice(), none.as_slice()) {
        ([], []) => Expected::Any,
        ([], _) => Expected::Absent,
        ([only], _) if only == "*" => Expected::Existing,
        _ => Expected::OneOf(matching),
    }
}

fn tags(headers: &HeaderMap, name: axum::http::HeaderName) -> Vec<String> {
    let values = headers.get_all(name).into_iter().filter_map(|value| value.to_str().ok());
    values
        .flat_map(|value| value.split(','))
        .map(|tag| tag.trim().to_owned())
        .filter(|tag| !tag.is_empty())
        .collect()
}

/// With the entity tag of a generation.
pub(super) fn tagged(mut response: Response, version: &Version) -> Response {
    if let Ok(etag) = HeaderValue::from_str(&version.etag()) {
        response.headers_mut().insert(ETAG, etag);
    }
    response
}

/// Bytes of a document: room for a list of 100,000 addresses, and less than the shipped Envoy takes of an answer, 4 MiB.
const LIMIT: usize = 3 << 20;
const MAX_WEIGHT: u64 = 1_000_000_000;
