//! The benchmarks of the comparator do what they say, for a second: nothing is asserted of how fast that is.

use std::process::Command;

use anyhow::{Context, Result};

/// The number before these words in what a benchmark prints.
fn counted(arguments: &[&str], words: &str) -> Result<u64> {
    let mut bench = Command::new(env!("CARGO_BIN_EXE_antumbra-demo"));
    let output = bench.args(arguments).output()?;
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let said = String::from_utf8(output.stdout)?;
    let (before, _) = said.split_once(words).with_context(|| format!("no {words:?} in {said}"))?;
    Ok(before.split_whitespace().last().context("nothing before it")?.parse()?)
}

const ACKNOWLEDGED: &str = " observations acknowledged, as many compared";

#[test]
fn what_is_delivered_is_acknowledged_and_compared() -> Result<()> {
    for only in ["equal         20 endpoints  1 core", "40 differ   1000 endpoints  2 cores"] {
        let arguments = ["bench-ingest", "--seconds", "1", "--rounds", "1", "--only", only];
        assert!(counted(&arguments, ACKNOWLEDGED)? > 32, "{only}");
    }
    Ok(())
}

#[test]
fn viewers_read_reports_while_batches_are_acknowledged() -> Result<()> {
    let arguments = ["bench-viewers", "--pairs", "1", "--seconds", "1", "--rate", "320", "--endpoints", "2"];
    assert!(counted(&arguments, ACKNOWLEDGED)? >= 256);
    assert!(counted(&arguments, " reports read")? > 0);
    Ok(())
}

#[test]
fn a_comparator_under_attack_is_asked_and_keeps_what_it_acknowledged() -> Result<()> {
    for only in ["batches without a pause", "wrong tokens"] {
        let arguments = ["bench-brake", "--seconds", "1", "--only", only];
        assert!(counted(&arguments, " questions answered")? > 0, "{only}");
        assert!(counted(&arguments, " observations acknowledged")? >= 32, "{only}");
    }
    Ok(())
}
