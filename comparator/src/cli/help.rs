//! Help that fits a terminal: what an example is for stands behind it, or below it where that is too narrow.

use clap::Command;

/// The command, and all below it, with examples that fit so many columns.
pub(super) fn fitted(command: Command, columns: usize) -> Command {
    let help = command.get_after_help().map(|help| fit(&help.to_string(), columns));
    let command = match help {
        Some(help) => command.after_help(help),
        None => command,
    };
    let below: Vec<String> = command.get_subcommands().map(|below| below.get_name().to_owned()).collect();
    below
        .into_iter()
        .fold(command, |command, name| command.mut_subcommand(name, |below| fitted(below, columns)))
}

/// Breaks the lines of examples between the command and what it is for: all of them, if one needs it.
fn fit(help: &str, columns: usize) -> String {
    let is_wide = |line: &str| line.chars().count() > columns && parts(line).is_some();
    if !help.split('\n').any(is_wide) {
        return help.to_owned();
    }
    let lines = help.split('\n').map(|line| match parts(line) {
        Some((command, what)) => format!("{INDENT}{command}\n{INDENT}{INDENT}{INDENT}{}", what.trim_start()),
        None => line.to_owned(),
    });
    lines.collect::<Vec<_>>().join("\n")
}

/// The command of an example, and what it is for, if that is said.
fn parts(line: &str) -> Option<(&str, &str)> {
    line.strip_prefix(INDENT)?.split_once(GAP)
}

const INDENT: &str = "  ";
/// Between a command and what it is for.
const GAP: &str = "   ";

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::super::Arguments;
    use super::*;

    /// Help as a terminal of so many columns shows it, of each command.
    fn shown(columns: usize) -> Vec<(String, String)> {
        let mut open = vec![fitted(Arguments::command(), columns).term_width(columns)];
        let mut shown = Vec::new();
        while let Some(mut command) = open.pop() {
            shown.push((command.get_name().to_owned(), command.render_long_help().to_string()));
            open.extend(command.get_subcommands().cloned().map(|below| below.term_width(columns)));
        }
        shown
    }

    /// A paragraph that is broken by hand is broken twice: a line that ends early though the next word would have fitted.
    #[test]
    fn no_paragraph_is_ragged() {
        for columns in [60, 80, 100] {
            for (name, help) in shown(columns) {
                let help = help.split_once("Example").map(|(_, examples)| examples).unwrap_or_default();
                let lines: Vec<&str> = help.lines().collect();
                for pair in lines.windows(2) {
                    let [line, next] = pair else { continue };
                    let prose =
                        |line: &str| !line.is_empty() && !line.starts_with(' ') && !line.ends_with("s:");
                    let word = next.split(' ').next().unwrap_or_default().chars().count();
                    let early = line.chars().count() + 1 + word <= columns;
                    assert!(!(prose(line) && prose(next) && early), "{name} at {columns}: {line:?} {next:?}");
                }
            }
        }
    }

    #[test]
    fn what_an_example_is_for_stands_below_it_where_it_does_not_fit() {
        let help =
            "Examples:\n  antumbra report          what differs\n  antumbra y          y\n  antumbra x";
        assert_eq!(fit(help, 80), help);
        let narrow = "Examples:\n  antumbra report\n      what differs\n  antumbra y\n      y\n  antumbra x";
        assert_eq!(fit(help, 30), narrow);
    }
}
