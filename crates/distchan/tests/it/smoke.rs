//! The server and worker pair of the README, over every transport.

use distchan::{SendError, Server, Worker};

use crate::place::place;

async fn capitalize(address: &str) {
    let server = Server::bind(address).await.unwrap();
    let address = server.local_addr().to_string();
    let worker = tokio::spawn(async move {
        let worker = Worker::connect(&address).await?;
        let (mut jobs, results) = worker.channel::<String, String>("capitalize").await?;
        while let Some(text) = jobs.recv().await? {
            results.send(text.to_uppercase()).await?;
        }
        anyhow::Ok(())
    });
    let (jobs, mut results) = server.channel::<String, String>("capitalize").open().unwrap();
    server.wait_for_workers(1).await;
    let lines = ["hello", "big", "world"];
    tokio::spawn(async move {
        for line in lines {
            jobs.send(line.to_owned()).await?;
        }
        Ok::<_, SendError<String>>(())
    });
    let mut texts = Vec::new();
    while let Some(text) = results.recv().await.unwrap() {
        texts.push(text);
    }
    assert_eq!(texts, ["HELLO", "BIG", "WORLD"]);
    worker.await.unwrap().unwrap();
}

#[tokio::test]
async fn the_pair_of_the_readme_works_over_tcp() {
    capitalize(&place()).await;
}

#[cfg(unix)]
#[tokio::test]
async fn the_pair_of_the_readme_works_over_a_unix_socket() {
    let folder = tempfile::tempdir().unwrap();
    capitalize(&format!("unix:{}", folder.path().join("socket").display())).await;
}

#[tokio::test]
async fn the_pair_of_the_readme_works_in_memory() {
    capitalize("memory:the pair of the readme").await;
}
