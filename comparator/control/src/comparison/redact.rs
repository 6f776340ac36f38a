//! `redact`: which values are hidden in all that is kept and shown of a release, beside those that always are.

use antumbra_engine::secrets::{BadSecret, Secret, Secrets};
use antumbra_policy::document::{Field, all};

/// Reads `redact: {hide: [place…], show: [name…]}`, which a policy may not have. What a secret is by its form stays hidden.
pub fn secrets(field: Option<&Field<'_>>) -> Option<Secrets> {
    let Some(field) = field else { return Some(Secrets::default()) };
    let map = field.map(&["hide", "show"])?;
    let hide =
        map.get("hide").map_or_else(|| Some(Vec::new()), |field| all(&field.list(0..=MAX_NAMES)?, place));
    let show =
        map.get("show").map_or_else(|| Some(Vec::new()), |field| all(&field.list(0..=MAX_NAMES)?, name));
    let mut secrets = Secrets::default().showing(show?);
    secrets.extend(hide?);
    Some(secrets)
}

fn place(field: &Field<'_>) -> Option<Secret> {
    field.text()?.parse().map_err(|bad: BadSecret| field.problem(bad)).ok()
}

fn name(field: &Field<'_>) -> Option<String> {
    let name = field.text()?;
    if name.is_empty() || name.len() > MAX_NAME || name.contains(char::is_whitespace) {
        field.problem(format!("must be a name of 1 to {MAX_NAME} bytes without blanks"));
        return None;
    }
    Some(name.to_owned())
}

const MAX_NAMES: usize = 1_000;
const MAX_NAME: usize = 255;

#[cfg(test)]
mod tests {
    use antumbra_policy::document::{Problems, Tree};

    use super::*;

    fn read(text: &str) -> Result<Secrets, Vec<String>> {
        let tree = Tree::from_json(text.as_bytes()).unwrap();
        let problems = Problems::default();
        let read = secrets(Some(&problems.root(&tree)));
        problems.finish(read).map_err(|invalid| invalid.problems.iter().map(ToString::to_string).collect())
    }

    #[test]
    fn names_are_added_and_taken_off() {
        let secrets =
            read(r#"{"hide": ["header:X-Tenant", "/customer/*/email"], "show": ["session"]}"#).unwrap();
        assert!(secrets.of_header(b"x-tenant").is_some() && secrets.of_member(b"session").is_none());
        assert!(secrets.of_path([&b"customer"[..], b"0", b"email"]).is_some());
        assert_eq!(read("{}"), Ok(Secrets::default()));
    }

    #[test]
    fn what_is_wrong_is_said_at_its_place() {
        let problems = read(r#"{"hide": ["email", 3], "show": ["", "a b"], "also": []}"#).unwrap_err();
        let places = [
            "hide[0] is \"email\", must be a path",
            "hide[1] is 3",
            "show[0] is \"\"",
            "show[1] is \"a b\"",
            "also",
        ];
        for place in places {
            assert!(problems.iter().any(|problem| problem.starts_with(place)), "{place}: {problems:?}");
        }
    }
}
