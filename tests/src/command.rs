//! Runs a program and, if it fails, says which and what it said.

use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, ensure};

/// What the program wrote to its standard output. An error names the whole command and the end of what it wrote to its
/// standard error.
pub fn run(command: &mut Command) -> Result<String> {
    let output = command
        .stdin(Stdio::null())
        .output()
        .with_context(|| format!("cannot start `{}`", shown(command)))?;
    let errors = String::from_utf8_lossy(&output.stderr);
    let tail = errors.char_indices().rev().nth(SHOWN).map_or(&*errors, |(at, _)| &errors[at..]);
    ensure!(output.status.success(), "`{}` failed ({}):\n{}", shown(command), output.status, tail.trim_end());
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// The command as a person would type it, without its environment.
pub fn shown(command: &Command) -> String {
    let words = std::iter::once(command.get_program()).chain(command.get_args());
    words.map(std::ffi::OsStr::to_string_lossy).collect::<Vec<_>>().join(" ")
}

/// A program with its arguments, to be started in `directory`.
pub fn program(name: &str, arguments: &[&str], directory: &Path) -> Command {
    let mut command = Command::new(name);
    command.args(arguments).current_dir(directory);
    command
}

/// Characters of a failed program's standard error.
const SHOWN: usize = 4000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_names_the_command_and_what_it_said() {
        let error = run(Command::new("sh").args(["-c", "echo out; echo why >&2; exit 3"])).unwrap_err();
        let text = format!("{error:#}");
        assert!(text.starts_with("`sh -c echo out; echo why >&2; exit 3` failed"), "{text}");
        assert!(text.ends_with("\nwhy"), "{text}");
        let error = run(&mut Command::new("no-such-program")).unwrap_err();
        assert!(format!("{error:#}").starts_with("cannot start `no-such-program`"), "{error:#}");
    }

    #[test]
    fn a_long_complaint_is_cut_at_its_beginning() {
        let error = run(Command::new("sh").args(["-c", "yes é | head -n 9000 >&2; echo end >&2; exit 1"]))
            .unwrap_err();
        let text = format!("{error:#}");
        assert!(text.ends_with("\nend") && text.chars().count() < SHOWN + 200, "{}", text.len());
    }
}
