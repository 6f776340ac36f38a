//! What the system tells the process: to end, that its terminal is gone, and that a file may not grow any more.

use std::net::SocketAddr;

use http::Method;
use tempfile::TempDir;

use crate::process::Process;
use crate::server::{Answer, SHOP, bomb, send, send_batch};

fn shop() -> TempDir {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("shop.yaml"), SHOP).unwrap();
    dir
}

async fn get(address: SocketAddr, path: &str) -> Answer {
    send(address, Method::GET, path, &[], "").await.unwrap()
}

#[tokio::test]
async fn the_end_comes_while_much_is_compared_and_what_was_acknowledged_is_kept() {
    let dir = shop();
    let (mut process, address) = Process::start(dir.path());
    let sending: Vec<_> = (0..24u64)
        .map(|number| {
            let batch: Vec<_> = (0..5).map(|at| bomb(u128::from(number * 5 + at + 1))).collect();
            tokio::spawn(async move {
                let answer = send_batch(address, number + 1, &batch).await.ok()?;
                (answer.status == 200).then(|| answer.json()["compared"].as_u64())?
            })
        })
        .collect();
    let (mut acknowledged, mut sending) = (0, sending.into_iter());
    acknowledged += sending.next().unwrap().await.unwrap().unwrap_or(0);
    process.tell("-TERM");
    for one in sending {
        acknowledged += one.await.unwrap().unwrap_or(0);
    }
    let ended = tokio::task::spawn_blocking(move || process.0.wait().unwrap()).await.unwrap();
    assert!(ended.success(), "{ended}");
    let (_process, address) = Process::start(dir.path());
    let report = get(address, "/v1/releases/shop/report").await.json();
    assert_eq!(report["exchanges"], acknowledged, "{report}");
}

#[tokio::test]
async fn a_hang_up_is_not_the_end_where_there_is_no_terminal() {
    let dir = shop();
    let (process, address) = Process::start(dir.path());
    process.tell("-HUP");
    assert_eq!(get(address, "/readyz").await.status, 200);
    process.tell("-HUP");
    assert_eq!(get(address, "/healthz").await.status, 200);
}

#[tokio::test]
async fn a_file_that_may_not_grow_is_an_error_and_not_the_end() {
    let dir = shop();
    let (mut process, address) = Process::start_after("ulimit -f 2048", dir.path());
    let mut refused = None;
    for number in 0..40 {
        let all = (0..20_000).map(|at| format!("10.{number}.{}.{}", at >> 8, at & 255));
        let rule = format!(
            "  - name: some\n    matches: [{{ip: [{}]}}]\n    to: canary\n",
            all.collect::<Vec<_>>().join(", ")
        );
        let policy = SHOP.replace("rules:\n", &format!("rules:\n{rule}"));
        let headers = [("content-type", "application/yaml")];
        let answer = send(address, Method::PUT, "/v1/policies/shop", &headers, policy).await.unwrap();
        if answer.status != 200 {
            refused = Some(answer);
            break;
        }
    }
    let refused = refused.expect("a store that may not grow takes no more");
    assert_eq!(refused.status, 503, "{refused:?}");
    assert_eq!(get(address, "/healthz").await.status, 200);
    assert!(process.0.try_wait().unwrap().is_none());
}
