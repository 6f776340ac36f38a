//! `/v1/tokens`: who may speak to the comparator. A secret is drawn here, and only its hash goes further.

use std::sync::Arc;

use antumbra_control::token::{MAX_LASTS_MS, MAX_RELEASES, Wanted, Wish};
use antumbra_control::{Role, token};
use antumbra_policy::document::{Field, Problems, Tree, all, optional};
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, Request, State};
use axum::http::header::CACHE_CONTROL;
use axum::http::{HeaderValue, StatusCode};
use axum::response::Response;

use super::app::App;
use super::asking::{Peer, author};
use crate::api::allowed::{Admin, Allowed};
use crate::api::answer::json;
use crate::api::body;
use crate::api::problem::Problem;
use crate::api::tokens::{Created, List, Listed};
use crate::writer::{Job, TokenError};
use crate::{bearer, clock};

/// `GET /v1/tokens`: all that ever were, without their secrets.
pub(super) async fn list(_: Allowed<Admin>, State(app): State<Arc<App>>) -> Response {
    let now_ms = clock::now_ms();
    let mut stored = app.tokens.stored();
    stored.sort_by_key(|token| token.created.at_ms);
    let tokens = app.tokens.of_file().into_iter().chain(stored);
    json(StatusCode::OK, &List { tokens: tokens.map(|token| Listed::of(&token, now_ms)).collect() })
}

/// `POST /v1/tokens` with `{name, role, releases?, expiresInSeconds?}`: the secret is in the answer, and nowhere else.
pub(super) async fn create(
    allowed: Allowed<Admin>,
    State(app): State<Arc<App>>,
    request: Request,
) -> Result<Response, Problem> {
    let (parts, body) = request.into_parts();
    let media_type = body::media_type(&parts.headers);
    if media_type != "application/json" {
        return Err(body::unsupported(&media_type, "application/json"));
    }
    let tree = Tree::from_json(&allowed.read(body, LIMIT).await?).map_err(Problem::invalid)?;
    let problems = Problems::default();
    let asked = read(&problems.root(&tree));
    let Asked { name, role, releases, lasts_ms } = problems.finish(asked).map_err(Problem::invalid)?;
    let secret = bearer::drawn()
        .map_err(|error| Problem::unavailable(format!("the system has no random numbers: {error}")))?;
    let by = author(&allowed.by, &parts.headers, parts.extensions.get::<Peer>());
    let digest = bearer::digest(&secret);
    let is_first = !app.tokens.are_required();
    let wish = Wish::Create(Wanted { name, digest, role, releases, lasts_ms, by });
    let made = app.intake.writer.ask(|reply| Job::Token(wish, allowed.by.into(), reply)).await???;
    let made = made.ok_or_else(|| Problem::unjudged("no token was made"))?;
    let token = Listed::of(&made, clock::now_ms());
    let mut response = json(StatusCode::CREATED, &Created { secret, is_first, token });
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    Ok(response)
}

/// `DELETE /v1/tokens/{token}`: it lets nobody in from now on, and stays in the list.
pub(super) async fn revoke(
    allowed: Allowed<Admin>,
    State(app): State<Arc<App>>,
    path: Result<Path<String>, PathRejection>,
    request: Request,
) -> Result<Response, Problem> {
    let Path(name) =
        path.map_err(|error| Problem::new(StatusCode::BAD_REQUEST, "path", error.body_text()))?;
    let by = author(&allowed.by, request.headers(), request.extensions().get::<Peer>());
    let wish = Wish::Revoke { name: name.clone(), by };
    let revoked = app.intake.writer.ask(|reply| Job::Token(wish, allowed.by.into(), reply)).await???;
    let known = || app.tokens.stored().into_iter().find(|token| token.name == name);
    let token = revoked.or_else(known).ok_or_else(|| Problem::from(token::Refused::Unknown(name.clone())))?;
    Ok(json(StatusCode::OK, &Listed::of(&token, clock::now_ms())))
}

/// What a body asks for.
struct Asked {
    name: String,
    role: Role,
    releases: Vec<String>,
    lasts_ms: Option<u64>,
}

fn read(root: &Field<'_>) -> Option<Asked> {
    let map = root.map(&["name", "role", "releases", "expiresInSeconds"])?;
    let name = map.required("name").and_then(Field::name);
    let roles = Role::ALL.map(|role| (role.as_str(), role));
    let role = map.required("role").and_then(|field| field.one_of(&roles));
    let releases = optional(map.get("releases").map(|field| {
        let names = field.list(1..=MAX_RELEASES)?;
        all(&names, |name| name.name().map(str::to_owned))
    }));
    let lasts = optional(map.get("expiresInSeconds").map(|field| field.integer(1..=MAX_LASTS_MS / 1_000)));
    Some(Asked {
        name: name?.to_owned(),
        role: role?,
        releases: releases?.unwrap_or_default(),
        lasts_ms: lasts?.map(|seconds| seconds.saturating_mul(1_000)),
    })
}

impl From<TokenError> for Problem {
    fn from(error: TokenError) -> Self {
        match error {
            TokenError::Store(error) => Self::unavailable(error.to_string()),
            TokenError::Refused(refused) => refused.into(),
        }
    }
}

impl From<token::Refused> for Problem {
    fn from(refused: token::Refused) -> Self {
        use token::Refused;
        let (status, kind) = match refused {
            Refused::Name { .. } | Refused::ScopedAdmin(_) | Refused::Releases(_) | Refused::Lasts(_) => {
                (StatusCode::UNPROCESSABLE_ENTITY, "invalid-token")
            }
            Refused::Taken(_) | Refused::Unreadable(_) => (StatusCode::CONFLICT, "taken-name"),
            Refused::TooManyValid | Refused::TooManyEver => (StatusCode::CONFLICT, "too-many-tokens"),
            Refused::FirstNotAdmin | Refused::LastAdmin(_) | Refused::File => {
                (StatusCode::CONFLICT, "last-way-in")
            }
            Refused::Unknown(_) => (StatusCode::NOT_FOUND, "unknown-token"),
        };
        Self::new(status, kind, refused.to_string())
    }
}

/// Bytes of what is asked for.
const LIMIT: usize = 64 * 1024;
