//! A transform changes the bytes of whole batches on their way: compression or encryption of your own. Both sides need the same one.
//!
//! ```text
//! cargo run --example transform
//! ```
//!
//! The cipher here is a **toy**. It uses one keystream for every batch, so whoever records two batches can read both.

#![expect(clippy::print_stdout, reason = "a program for the terminal")]

use distchan::{Code, SendError, Server, Transform, Worker};

/// XOR with a keystream. A toy: see above.
struct ToyCipher {
    key: u64,
}

impl ToyCipher {
    /// The bytes of `SplitMix64` with the key as its seed.
    fn keystream(&self) -> impl Iterator<Item = u8> {
        let mut state = self.key;
        std::iter::repeat_with(move || {
            state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
            let mixed = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
            (mixed ^ (mixed >> 31)).to_le_bytes()
        })
        .flatten()
    }
}

impl Transform for ToyCipher {
    fn encode(&self, plain: &[u8], out: &mut Vec<u8>) {
        out.extend(plain.iter().zip(self.keystream()).map(|(byte, key)| byte ^ key));
    }

    fn decode(&self, coded: &[u8], limit: usize, out: &mut Vec<u8>) -> Result<(), String> {
        // This one never makes bytes grow. One that decompresses has to stop at the limit.
        if coded.len() > limit {
            return Err(format!("more than {limit} bytes"));
        }
        // A wrong key gives other bytes and not an error; distchan's own checksum of the plain bytes finds that.
        self.encode(coded, out);
        Ok(())
    }
}

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
    let secret = server.channel::<String, String>("secret").transform(ToyCipher { key: 42 });
    let (jobs, mut results) = secret.ordered().open()?;
    tokio::spawn(async move {
        for text in ["attack", "at", "dawn"] {
            jobs.send(text.to_owned()).await?;
        }
        Ok::<_, SendError<String>>(())
    });

    // Another key: this worker is refused when it opens the channel, and both sides are told why.
    let stranger = Worker::connect(server.local_addr()).await?;
    let opened = stranger.channel::<String, String>("secret").transform(ToyCipher { key: 43 }).await;
    match opened {
        Err(error) if error.code == Code::Transform => println!("worker: {error}"),
        Err(error) => return Err(error.into()),
        Ok(_) => anyhow::bail!("a worker with another key was let in"),
    }
    println!("server: refused: {}", server.next_refusal().await.reason);

    // The same key.
    let worker = Worker::connect(server.local_addr()).await?;
    let shout = |text: String| text.to_uppercase();
    let serving = worker.serve_blocking("secret", shout).transform(ToyCipher { key: 42 }).into_future();
    let serving = tokio::spawn(serving);
    while let Some(text) = results.recv().await? {
        println!("{text}");
    }
    serving.await??;
    Ok(())
}
