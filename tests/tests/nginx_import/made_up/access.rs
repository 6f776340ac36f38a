//! Who is let in, and what answers who is not.

use super::Maker;
use super::place::PATHS;

/// Rules of access for a place, mostly with an `error_page` for those that are not let in.
pub(super) fn rules(maker: &mut Maker, number: usize, pages: &[String]) -> String {
    if std::mem::replace(&mut maker.texts.places[number].guarded, true) {
        return String::new();
    }
    maker.asks = true;
    let prefix = maker.prefix.clone();
    let mut text = match maker.below(6) {
        0 => "allow 127.0.0.2;\nallow 127.0.0.4/30;\ndeny all;\n".to_owned(),
        1 => "deny 127.0.0.3;\ndeny 127.0.0.8/29;\n".to_owned(),
        2 => format!("auth_request /{prefix}_auth;\n"),
        3 => format!("satisfy any;\nallow 127.0.0.2;\ndeny all;\nauth_request /{prefix}_auth;\n"),
        4 => format!("limit_req zone={prefix}_zone;\n"),
        _ => "allow 127.0.0.0/29;\ndeny all;\n".to_owned(),
    };
    if maker.one_in(3) {
        return text;
    }
    let page = maker.page(number, pages, &PATHS, 4);
    let code = maker.pick(&["403 =", "401 403", "401 403 503 =200", "503"]);
    text.push_str(&format!("error_page {code} {page};\n"));
    text
}

/// The location that `auth_request` asks, if the server that is being made may.
pub(super) fn location(maker: &mut Maker) -> String {
    if !std::mem::take(&mut maker.asks) {
        return String::new();
    }
    let asked =
        "internal; if ($cookie_uid = a) { return 401; } if ($cookie_uid = b) { return 403; } return 204;";
    format!("location = /{}_auth {{ {asked} }}\n", maker.prefix)
}

/// What `limit_req` counts in.
pub(super) fn zone(maker: &Maker) -> String {
    let prefix = &maker.prefix;
    format!("limit_req_zone $arg_ver zone={prefix}_zone:32k rate=1r/m;\n")
}
