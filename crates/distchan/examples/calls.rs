//! For those who think in calls and iterators: `call` for one answer, `map` for many, as they come or in order.
//!
//! ```text
//! cargo run --example calls
//! ```

#![expect(clippy::print_stdout, reason = "a program for the terminal")]

use distchan::{CallError, Server, Worker};
use futures_util::TryStreamExt;

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    tokio::select! {
        biased; // so that Ctrl-C is heard from the beginning
        _ = tokio::signal::ctrl_c() => Ok(()),
        done = run() => done,
    }
}

async fn run() -> anyhow::Result<()> {
    let server = Server::bind("127.0.0.1:0").await?;
    let (roots, _) = server.channel::<i64, i64>("roots").open()?;
    let worker = Worker::connect(server.local_addr()).await?;
    let serving = tokio::spawn(worker.try_serve_blocking("roots", root).into_future());

    println!("call: the root of 144 is {}", roots.call(144).await?);
    match roots.call(-1).await {
        Err(CallError::Failed(failed)) => println!("call: {}", failed.reason()),
        other => anyhow::bail!("-1 has no root, and this came: {other:?}"),
    }

    let mut sum = 0;
    let mut as_they_come = roots.map((1..=1000).map(|number| number * number));
    while let Some(root) = as_they_come.next().await {
        sum += root?;
    }
    println!("map: the sum of 1000 roots is {sum}");

    let in_order: Vec<i64> = roots.map([49, 16, 81, 4]).ordered().try_collect().await?;
    println!("map, ordered: {in_order:?}");

    drop(roots);
    serving.await??;
    Ok(())
}

fn root(square: i64) -> Result<i64, String> {
    if square < 0 { Err(format!("{square} has no real root")) } else { Ok(square.isqrt()) }
}
