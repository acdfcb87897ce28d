//! A worker in another language, written from `PROTOCOL.md` alone, beside the Rust ones.

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use distchan::Server;
use distchan::codec::Json;

use crate::place::place;

/// The fingerprints of `String` under a codec for people, as `PROTOCOL.md` gives them.
const STRING: &str = "983c6f44348c650caddbf6822ceb7bc3";

#[tokio::test]
async fn a_python_worker_does_jobs_and_sees_the_end() {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples/worker.py");
    if Command::new("python3").arg("--version").stdout(Stdio::null()).status().is_err() {
        println!("SKIP a_python_worker_does_jobs_and_sees_the_end: there is no python3 here");
        return;
    }
    let server = Server::bind(place()).await.unwrap();
    let (jobs, mut results) = server.channel::<String, String>("capitalize").codec(Json).open().unwrap();
    let mut worker = tokio::process::Command::new("python3")
        .arg(script)
        .args([&server.local_addr().to_string(), "capitalize", STRING, STRING])
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let long = "x".repeat(200_000);
    let sent = [String::from("hello"), String::from("ä and \"quotes\""), long];
    for text in &sent {
        jobs.send(text.clone()).await.unwrap();
    }
    drop(jobs);
    let receive = async {
        let mut got = Vec::new();
        while let Some(text) = results.recv().await.unwrap() {
            got.push(text);
        }
        got
    };
    let got = tokio::time::timeout(Duration::from_secs(60), receive).await.expect("the worker hangs");
    assert_eq!(got, sent.map(|text| text.to_uppercase()));
    assert!(worker.wait().await.unwrap().success());
}
