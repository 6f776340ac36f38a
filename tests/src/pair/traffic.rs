//! The requests of a file, each as often as its line says, in an order that a seed decides.

use std::path::Path;

use anyhow::{Context, Result};

use crate::service::Dice;

/// All requests in their order: paths with their queries.
pub(super) fn requests(file: &Path, seed: u64) -> Result<Vec<String>> {
    let text = std::fs::read_to_string(file).with_context(|| format!("cannot read {}", file.display()))?;
    read(&text, seed).with_context(|| format!("{}", file.display()))
}

fn read(text: &str, seed: u64) -> Result<Vec<String>> {
    let mut dice = Dice::new(seed);
    let mut requests = Vec::new();
    for line in text.lines().filter(|line| !line.is_empty() && !line.starts_with('#')) {
        let (times, path) = counted(line).with_context(|| format!("not `times  /path`: {line}"))?;
        for _ in 0..times {
            requests.push(drawn(path, &mut dice).with_context(|| format!("not {{from..to}}: {line}"))?);
        }
    }
    Ok(dice.shuffled(requests))
}

fn counted(line: &str) -> Option<(u32, &str)> {
    let (times, path) = line.trim().split_once(' ')?;
    Some((times.parse().ok()?, path.trim()))
}

/// The path with a number in the place of `{from..to}`, both included.
fn drawn(path: &str, dice: &mut Dice) -> Option<String> {
    let Some((before, rest)) = path.split_once('{') else { return Some(path.to_owned()) };
    let (range, after) = rest.split_once('}')?;
    let (from, to) = range.split_once("..")?;
    let (from, to): (u64, u64) = (from.parse().ok()?, to.parse().ok()?);
    let number = from + dice.below(to.checked_sub(from)? + 1);
    Some(format!("{before}{number}{after}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_as_often_as_its_line_says_in_an_order_of_the_seed() {
        let text = "# a comment\n\n 2  /a?b=c\n30  /d/{7..9}.json\n";
        let requests = read(text, 1).unwrap();
        let count = |path: &str| requests.iter().filter(|request| *request == path).count();
        let drawn = ["/d/7.json", "/d/8.json", "/d/9.json"].map(count);
        assert_eq!((count("/a?b=c"), drawn.iter().sum::<usize>(), requests.len()), (2, 30, 32));
        assert!(drawn.iter().all(|count| *count > 0), "{drawn:?}");
        assert_eq!(requests, read(text, 1).unwrap());
        assert_ne!(requests, read(text, 2).unwrap());
    }

    #[test]
    fn a_line_that_cannot_be_read_is_an_error() {
        for bad in ["/a", "x /a", "1 /{1..}", "1 /{1", "1 /{2..1}"] {
            let error = format!("{:#}", read(bad, 1).unwrap_err());
            assert!(error.contains(bad), "{error}");
        }
    }
}
