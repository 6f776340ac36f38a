//! The real pair: what its page lists is true of both versions, and is what the report finds through Envoy; nothing else is.

use std::process::Command;

use antumbra_e2e::client::{Answer, Client};
use antumbra_e2e::pair::{CANDIDATE, Datasette, Listed, STABLE, data};
use anyhow::{Context, Result};
use serde_json::{Value, json};

/// Without Envoy and comparator: both versions are asked, and have what the row says.
#[tokio::test]
async fn the_page_tells_the_truth_of_both_versions() -> Result<()> {
    let directory = tempfile::tempdir()?;
    let data = data(directory.path()).await?;
    let (stable, candidate) = tokio::try_join!(
        Datasette::start(STABLE, "stable", &data),
        Datasette::start(CANDIDATE, "candidate", &data)
    )?;
    for row in Listed::all()? {
        let (old, new) = (ask(&stable, &row).await?, ask(&candidate, &row).await?);
        assert!(has(old.as_deref(), row.stable.as_deref()), "{STABLE} has {old:?}: {row:?}");
        assert!(has(new.as_deref(), row.candidate.as_deref()), "{CANDIDATE} has {new:?}: {row:?}");
        assert_ne!(old, new, "{row:?}");
    }
    Ok(())
}

#[test]
fn what_the_page_lists_is_found_and_nothing_else() -> Result<()> {
    let outcome = outcome(&[])?;
    assert_eq!((&outcome["not_found"], &outcome["not_listed"]), (&json!([]), &json!([])));
    assert_eq!(outcome["verdict"], "roll back");
    assert_noise_is_seen(&outcome["report"]);
    Ok(())
}

/// The same noise, and no regression at all.
#[test]
fn a_version_does_not_differ_from_itself() -> Result<()> {
    let outcome = outcome(&["--same"])?;
    assert_eq!((&outcome["listed"], &outcome["not_listed"]), (&json!(0), &json!([])));
    assert_ne!(outcome["verdict"], "roll back");
    assert_noise_is_seen(&outcome["report"]);
    Ok(())
}

/// Durations and rows in random order differ at the control as at the candidate: they are there, and told apart.
fn assert_noise_is_seen(report: &Value) {
    for (endpoint, path) in [
        ("GET /stock/orders/{id}.json", "/query_ms"),
        ("GET /stock/orders.json", "/query_ms"),
        ("GET /stock.json", "/query_ms"),
    ] {
        let mut noise = report["noise"].as_array().into_iter().flatten();
        let seen = noise.find(|noise| noise["endpoint"] == endpoint && noise["path"] == path);
        let both = seen.map_or(0, |noise| noise["both"].as_u64().unwrap_or(0));
        assert!(both > 0, "{endpoint} {path} is not in the noise: {:#}", report["noise"]);
    }
}

fn outcome(arguments: &[&str]) -> Result<Value> {
    let mut pair = Command::new(env!("CARGO_BIN_EXE_antumbra-demo"));
    let output = pair.args(["pair", "--output", "json"]).args(arguments).output()?;
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    Ok(serde_json::from_slice(&output.stdout)?)
}

/// What an instance has at the row's place.
async fn ask(service: &Datasette, row: &Listed) -> Result<Option<String>> {
    let base = format!("http://{}", service.address);
    let answer = Client::default().get(&format!("{base}{}", row.request)).await?;
    Ok(at(&answer, &row.place)?.map(|text| text.replace(&base, "http://localhost")))
}

fn at(answer: &Answer, place: &str) -> Result<Option<String>> {
    if let Some(name) = place.strip_prefix("header:") {
        let value = answer.headers.get(name);
        return Ok(value.map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned()));
    }
    match place {
        "status" => Ok(Some(answer.status.as_str().to_owned())),
        "page" => Ok(Some(answer.text()).filter(|text| !text.is_empty())),
        pointer => {
            let pointer = pointer.trim_end_matches("/**").replace('*', "0");
            let body = answer.json().context("a pointer into what is no JSON")?;
            Ok(body.pointer(&pointer).map(Value::to_string))
        }
    }
}

/// Whether there is what the cell says: its pieces between the `…`.
fn has(found: Option<&str>, cell: Option<&str>) -> bool {
    match (found, cell) {
        (Some(found), Some(cell)) => cell.split('…').all(|piece| found.contains(piece)),
        (found, cell) => found.is_none() && cell.is_none(),
    }
}
