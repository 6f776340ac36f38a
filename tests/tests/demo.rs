//! The demo does what the README says, and leaves nothing behind.

use std::net::{SocketAddr, TcpStream};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use serde_json::{Value, json};

fn demo(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_antumbra-demo"));
    command.args(arguments);
    command
}

fn outcome(arguments: &[&str]) -> Result<Value> {
    let output = demo(arguments).output()?;
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    Ok(serde_json::from_slice(&output.stdout)?)
}

#[test]
fn every_seeded_defect_is_found_and_nothing_else() -> Result<()> {
    let outcome = outcome(&["--requests", "4000", "--output", "json"])?;
    assert_eq!(outcome["seeded"].as_array().map(Vec::len), Some(6));
    assert_eq!(outcome["found"], outcome["seeded"], "{:#}", outcome["report"]["reasons"]);
    assert_eq!(outcome["false_alarms"], json!([]));
    assert_eq!(outcome["verdict"], "roll back");
    Ok(())
}

#[test]
fn a_healthy_candidate_is_promoted() -> Result<()> {
    let outcome = outcome(&["--healthy", "--output", "json"])?;
    assert_eq!((&outcome["seeded"], &outcome["false_alarms"]), (&json!([]), &json!([])));
    assert_eq!(outcome["verdict"], "promote", "{:#}", outcome["report"]["reasons"]);
    Ok(())
}

#[test]
fn instances_that_pause_restart_and_lose_their_caches_are_not_rolled_back() -> Result<()> {
    let outcome =
        outcome(&["--healthy", "--unrest", "--seed", "3", "--requests", "6000", "--output", "json"])?;
    assert_ne!(outcome["verdict"], "roll back", "{:#}", outcome["report"]["reasons"]);
    assert_eq!(outcome["false_alarms"], json!([]));
    for leg in ["candidateOnly", "controlOnly"] {
        assert!(cold(&outcome["report"], leg) > 0, "{leg}: no cold cache, so there was no unrest");
    }
    Ok(())
}

/// In how many exchanges only this leg's answer came from another cache than the client's, over all endpoints.
fn cold(report: &Value, leg: &str) -> u64 {
    let lists = ["noise", "suspected"].into_iter().filter_map(|list| report[list].as_array());
    let rows = lists.flatten().filter(|row| row["path"] == "/cached" && row["endpoint"] != "*");
    rows.filter_map(|row| row[leg].as_u64()).sum()
}

/// A child that ends with the test, however the test ends.
struct Ends(Child);

impl Drop for Ends {
    fn drop(&mut self) {
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

#[test]
fn an_interrupt_ends_everything_that_was_started() -> Result<()> {
    let directory = tempfile::tempdir()?;
    let said = directory.path().join("stderr");
    let mut command = demo(&["--requests", "50", "--keep"]);
    let mut child = Ends(command.stderr(std::fs::File::create(&said)?).stdout(Stdio::null()).spawn()?);
    let text = || std::fs::read_to_string(&said).unwrap_or_default();
    let start = Instant::now();
    while !text().contains("staying up") {
        assert!(child.0.try_wait()?.is_none(), "the demo ended:\n{}", text());
        assert!(start.elapsed() < Duration::from_secs(300), "the demo does not come up:\n{}", text());
        std::thread::sleep(Duration::from_millis(50));
    }
    let address = |after: &str| -> Result<SocketAddr> {
        let text = text();
        let (_, rest) = text.split_once(after).context("no address")?;
        let end = rest.find(|c: char| c != ':' && c != '.' && !c.is_ascii_digit()).unwrap_or(rest.len());
        Ok(rest[..end].parse()?)
    };
    let addresses = [address("shop through Envoy: http://")?, address("comparator: http://")?];
    assert!(addresses.iter().all(|address| TcpStream::connect(address).is_ok()));

    let pid = rustix::process::Pid::from_raw(child.0.id().cast_signed()).context("no pid")?;
    rustix::process::kill_process(pid, rustix::process::Signal::INT)?;
    child.0.wait()?;
    for address in addresses {
        assert!(TcpStream::connect(address).is_err(), "{address} still listens");
    }
    Ok(())
}
