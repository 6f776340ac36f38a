//! An `include` whose file is not in the text: what it holds may decide, unless its name says that it holds settings.

use super::reading::Reading;
use super::syntax::Directive;

/// Whether what is included may choose a destination. Only a name of which every word is one of settings says that it does not.
pub(super) fn may_decide(directive: &Directive) -> bool {
    directive.name == "include" && !names_settings(directive.text(0))
}

/// Whether anything in a block is such an include.
pub(super) fn undecided(block: &[Directive]) -> Option<&Directive> {
    block.iter().find(|directive| may_decide(directive))
}

/// Notes that what a file may decide that is not at hand is kept.
pub(super) fn note_include(reading: &mut Reading<'_>, include: &Directive) {
    reading.note(
        include.at(),
        format!(
            "{:?} is not in this text and may decide where its location sends requests: those that it may decide keep the \
            old version; give the file as nginx -T prints it",
            include.text(0)
        ),
    );
}

fn names_settings(path: &str) -> bool {
    let name = path.rsplit('/').next().unwrap_or_default().to_ascii_lowercase();
    let mut words =
        name.split(|c: char| !c.is_ascii_alphanumeric()).filter(|word| !word.is_empty()).peekable();
    words.peek().is_some() && !name.contains(['*', '?', '[']) && words.all(|word| SETTINGS.contains(&word))
}

/// Words of the names of files that all packages have, and of those that people give to such.
const SETTINGS: [&str; 28] = [
    "brotli", "ciphers", "conf", "dhparam", "dhparams", "fastcgi", "format", "gzip", "header", "headers",
    "koi", "log", "logging", "mime", "nginx", "options", "params", "proxy", "scgi", "signed", "snakeoil",
    "ssl", "tls", "types", "utf", "uwsgi", "win", "self",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_word_of_a_name_has_to_be_one_of_settings() {
        for (path, expected) in [
            ("mime.types", true),
            ("/etc/nginx/proxy_params", true),
            ("snippets/ssl-params.conf", true),
            ("/etc/letsencrypt/options-ssl-nginx.conf", true),
            ("ssl-canary.conf", false),
            ("header-routing.conf", false),
            ("blog.conf", false),
            ("cors.conf", false),
            ("security.conf", false),
            ("conf.d/*.conf", false),
            ("conf.d/ssl*.conf", false),
            ("canary/ssl", true),
            ("", false),
        ] {
            assert_eq!(names_settings(path), expected, "{path}");
        }
    }
}
