//! What becomes of wishes, without a store.

use super::*;

const NOW: u64 = 1_000_000;

fn wanted(name: &str, role: Role) -> Wanted {
    let digest = Digest([7; 32]);
    Wanted { name: name.to_owned(), digest, role, releases: Vec::new(), lasts_ms: None, by: "ana".to_owned() }
}

fn token(name: &str, role: Role) -> Token {
    create(&wanted(name, role), held(&[], true), NOW).unwrap()
}

fn held<'a>(tokens: &'a [&'a Token], file: bool) -> Held<'a> {
    Held { tokens, unreadable: &[], file }
}

/// What `wish` makes of these, without a token file.
fn wish(wish: &Wish, tokens: &[Token]) -> Result<Option<Token>, Refused> {
    decide(wish, held(&tokens.iter().collect::<Vec<_>>(), false), NOW)
}

fn revoking(name: &str) -> Wish {
    Wish::Revoke { name: name.to_owned(), by: "ben".to_owned() }
}

#[test]
fn a_token_ends_at_its_time_and_when_it_is_revoked() {
    let admin = token("root", Role::Admin);
    let wanted = Wanted { lasts_ms: Some(10), ..wanted("ci", Role::Gate) };
    let made = wish(&Wish::Create(wanted), std::slice::from_ref(&admin)).unwrap().unwrap();
    assert_eq!((made.ended(NOW + 9), made.ended(NOW + 10)), (None, Some(Ended::Expired(NOW + 10))));
    let revoked = wish(&revoking("ci"), &[admin.clone(), made]).unwrap().unwrap();
    assert_eq!(revoked.revoked, Some(Deed { at_ms: NOW, by: "ben".to_owned() }));
    assert_eq!(revoked.ended(NOW), Some(Ended::Revoked(NOW)));
    assert_eq!(wish(&revoking("ci"), &[admin, revoked]), Ok(None), "the first time is kept");
}

#[test]
fn there_is_always_somebody_who_can_manage_tokens() {
    let passing = Wanted { lasts_ms: Some(10), ..wanted("root", Role::Admin) };
    for first in [wanted("ci", Role::Gate), passing.clone()] {
        assert_eq!(wish(&Wish::Create(first.clone()), &[]), Err(Refused::FirstNotAdmin));
        assert!(decide(&Wish::Create(first), held(&[], true), NOW).is_ok(), "the file's token is an admin's");
    }
    let root = token("root", Role::Admin);
    let passing =
        create(&Wanted { name: "passing".to_owned(), ..passing }, held(&[&root], false), NOW).unwrap();
    let last = Err(Refused::LastAdmin("root".to_owned()));
    assert_eq!(wish(&revoking("root"), &[root.clone(), token("ci", Role::Operate), passing]), last);
    assert!(decide(&revoking("root"), held(&[&root], true), NOW).is_ok());
    assert!(wish(&revoking("root"), &[root, token("second", Role::Admin)]).is_ok());
    assert_eq!(decide(&revoking(FILE), held(&[], true), NOW), Err(Refused::File));
    assert_eq!(wish(&revoking(FILE), &[]), Err(Refused::Unknown(FILE.to_owned())));
}

#[test]
fn what_breaks_a_bound_is_refused_by_name() {
    let root = token("root", Role::Admin);
    let with = |releases: &[&str], role| {
        let releases = releases.iter().map(|&release| release.to_owned()).collect();
        Wanted { releases, ..wanted("ci", role) }
    };
    let many: Vec<String> = (0..=MAX_RELEASES).map(|number| format!("r{number}")).collect();
    for (wanted, expected) in [
        (wanted("", Role::Gate), "name is \"\", must be 1 to 63"),
        (wanted("a b", Role::Gate), "name is \"a b\", must be"),
        (wanted(FILE, Role::Gate), "must be one that no token ever had"),
        (wanted("root", Role::Gate), "must be one that no token ever had"),
        (with(&["shop", "a/b"], Role::Filter), "release is \"a/b\", must be"),
        (with(&["shop"], Role::Admin), "releases are shop, must be left out for the role admin"),
        (Wanted { releases: many, ..wanted("ci", Role::Filter) }, "releases are 65, must be at most 64"),
        (Wanted { lasts_ms: Some(0), ..wanted("ci", Role::Filter) }, "must be within 1..="),
        (Wanted { lasts_ms: Some(u64::MAX), ..wanted("ci", Role::Filter) }, "must be within 1..="),
    ] {
        let refused = wish(&Wish::Create(wanted), std::slice::from_ref(&root)).unwrap_err().to_string();
        assert!(refused.contains(expected), "{refused}");
    }
    let full: Vec<Token> =
        (0..MAX_VALID).map(|number| Token { name: format!("t{number}"), ..root.clone() }).collect();
    let another = Wish::Create(wanted("ci", Role::Gate));
    assert_eq!(wish(&another, &full), Err(Refused::TooManyValid));
    let mut room = full;
    room[0].revoked = Some(Deed { at_ms: 1, by: "ana".to_owned() });
    assert!(wish(&another, &room).is_ok());
}
