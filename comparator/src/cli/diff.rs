//! `antumbra diff`: two answers in files, compared as the comparator would under the rules of a policy.
//!
//! What is shown is what a report shows: short, on one line, and without what looks like a secret.

use std::fmt::Write as _;
use std::fs::File;
use std::io::{Read, stdin};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use antumbra_control::comparison;
use antumbra_control::document::tree_from_yaml;
use antumbra_engine::{Diff, Difference, Kind, Media, Rules, diff as compare};
use antumbra_policy::document::Problems;
use clap::ValueEnum;

use super::output::{self, print, print_json};
use super::{Failure, Output};

/// What to compare, and how.
#[derive(clap::Args)]
pub(super) struct Options {
    /// The measure; `-` reads stdin
    left: PathBuf,
    /// What is compared with it; `-` reads stdin
    right: PathBuf,
    /// A policy, or what stands under its `compare`, in YAML or JSON: what may differ
    #[arg(long, value_name = "FILE")]
    rules: Option<PathBuf>,
    /// Whose answers they are, as 'GET /items/7': rules of this endpoint hold too, not only those of all
    #[arg(long, value_name = "ENDPOINT", requires = "rules")]
    endpoint: Option<String>,
    /// What to read them as
    #[arg(long, value_enum, default_value_t)]
    media: ReadAs,
    /// How to print
    #[arg(long, value_enum, default_value_t)]
    output: Output,
}

#[derive(Clone, Copy, Default, ValueEnum)]
enum ReadAs {
    /// JSON if both are, else bytes
    #[default]
    Auto,
    /// JSON; what is not is said, and compared as bytes
    Json,
    /// Bytes
    Bytes,
}

/// Prints where two files differ; exit code 1 if they do.
pub(super) fn diff(options: &Options) -> Result<ExitCode, Failure> {
    let from_stdin = |file: &Path| file == Path::new("-");
    if from_stdin(&options.left) && from_stdin(&options.right) {
        return Err(Failure::Usage("LEFT and RIGHT are both -, only one can be stdin".to_owned()));
    }
    let rules = options.rules.as_deref().map(rules).transpose()?.unwrap_or_default();
    let rules = match options.endpoint.as_deref() {
        None => rules,
        Some(endpoint) if endpoint.contains(" /") => rules.for_endpoint(endpoint),
        Some(endpoint) => {
            let needed = "must be a method and a path such as 'GET /items/7'";
            return Err(Failure::Usage(format!("--endpoint is {endpoint:?}, {needed}")));
        }
    };
    let media = match options.media {
        ReadAs::Auto => Media::Auto,
        ReadAs::Json => Media::Json,
        ReadAs::Bytes => Media::Bytes,
    };
    let found = compare(&read(&options.left)?, &read(&options.right)?, media, &rules);
    match options.output {
        Output::Json => print_json(&found),
        Output::Text => print(&text(&found, output::colour())),
    }
    Ok(ExitCode::from(u8::from(!found.equal)))
}

fn rules(file: &Path) -> Result<Rules, Failure> {
    let read = tree_from_yaml(&read(file)?).and_then(|tree| {
        let problems = Problems::default();
        let rules = comparison::bare_rules(&problems.root(&tree));
        problems.finish(rules)
    });
    read.map_err(|invalid| {
        let lines = invalid.problems.iter().map(|problem| format!("{}: {problem}", file.display()));
        Failure::Usage(lines.collect::<Vec<_>>().join("\n"))
    })
}

fn read(file: &Path) -> Result<Vec<u8>, Failure> {
    let subject = if file == Path::new("-") { "stdin".to_owned() } else { file.display().to_string() };
    let failure = |error: std::io::Error| Failure::Usage(format!("{subject}: {error}"));
    let source: Box<dyn Read> =
        if file == Path::new("-") { Box::new(stdin()) } else { Box::new(File::open(file).map_err(failure)?) };
    let mut text = Vec::new();
    source.take(LARGEST + 1).read_to_end(&mut text).map_err(failure)?;
    if text.len() as u64 > LARGEST {
        return Err(Failure::Usage(format!(
            "{subject} has more than {LARGEST} bytes, which is too much to compare"
        )));
    }
    Ok(text)
}

fn text(found: &Diff, colour: bool) -> String {
    let styled = |style: &str, text: &str| {
        if colour { format!("\x1b[{style}m{text}\x1b[0m") } else { text.to_owned() }
    };
    let mut page = String::new();
    for Difference { path, kind, left, right } in &found.differences {
        let place = if path.is_empty() { "(whole)" } else { path.as_str() };
        let _ = writeln!(page, "{}  {kind}", styled(BOLD, place));
        if *kind != Kind::Extra {
            let _ = writeln!(page, "{}", styled(RED, &format!("  - {left}")));
        }
        if *kind != Kind::Missing {
            let _ = writeln!(page, "{}", styled(GREEN, &format!("  + {right}")));
        }
    }
    if let Some(refused) = found.refused {
        let _ = writeln!(page, "{}", styled(YELLOW, &format!("compared as bytes, because of {refused}")));
    }
    let total = found.differences.len() + found.unlisted;
    let _ = match (found.equal, found.unlisted, total) {
        (true, ..) => writeln!(page, "equal"),
        (_, 0, 1) => writeln!(page, "1 difference"),
        (_, 0, total) => writeln!(page, "{total} differences"),
        (_, more, _) => writeln!(page, "… and at least {more} differences more"),
    };
    page
}

/// Bytes of one file.
const LARGEST: u64 = 256 << 20;
const BOLD: &str = "1";
const RED: &str = "31";
const GREEN: &str = "32";
const YELLOW: &str = "33";
pub(super) const EXAMPLES: &str = "\
Examples:
  antumbra diff v1.json v2.json
  antumbra diff v1.json v2.json --rules shop.yaml --endpoint 'GET /items/7'
  curl -s localhost:8080/items | antumbra diff expected.json - --output json

Exit codes: 0 equal but for what the rules allow, 1 different, 2 usage or configuration, 4 failure while running";

#[cfg(test)]
mod tests {
    use super::*;

    fn difference(path: &str, kind: Kind, left: &str, right: &str) -> Difference {
        Difference { path: path.to_owned(), kind, left: left.to_owned(), right: right.to_owned() }
    }

    #[test]
    fn differences_for_people() {
        let differences = vec![
            difference("/a/0", Kind::Value, "1", "2"),
            difference("/b", Kind::Missing, "null", "(absent)"),
            difference("/c", Kind::Extra, "(absent)", "[2 elements]"),
        ];
        let mut found = Diff { differences, ..Diff::default() };
        insta::assert_snapshot!(text(&found, false), @r"
        /a/0  value
          - 1
          + 2
        /b  missing
          - null
        /c  extra
          + [2 elements]
        3 differences
        ");
        found.differences.truncate(1);
        assert_eq!(
            text(&found, true),
            "\x1b[1m/a/0\x1b[0m  value\n\x1b[31m  - 1\x1b[0m\n\x1b[32m  + 2\x1b[0m\n1 difference\n"
        );
        found.unlisted = 9;
        assert!(text(&found, false).ends_with("… and at least 9 differences more\n"));
        assert_eq!(text(&Diff { equal: true, ..Diff::default() }, false), "equal\n");
    }
}
