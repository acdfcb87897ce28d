//! This test program, started again as a worker.

use std::process::{Child, Command, Stdio};

use distchan::{Server, Worker};

const ADDRESS: &str = "DISTCHAN_TEST_ADDRESS";

/// What [`be_a_worker`] serves.
pub(crate) const CHANNEL: &str = "square";

/// Not a test: the body of the worker processes, which the other tests start. Without an address it does nothing.
#[test]
fn be_a_worker() {
    let Ok(address) = std::env::var(ADDRESS) else { return };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let worker = Worker::connect(&address).await.unwrap();
        let (mut jobs, results) = worker.channel::<u64, (u64, u64)>(CHANNEL).await.unwrap();
        // A lost server is a panic here, and so an exit code that the test sees: only the end of the work is a success.
        while let Some(job) = jobs.recv().await.unwrap() {
            results.send((job, job * job)).await.unwrap();
        }
    });
}

/// Worker processes; those that are left are killed with the test.
#[derive(Debug, Default)]
pub(crate) struct Children(pub(crate) Vec<Child>);

impl Children {
    pub(crate) fn start(server: &Server, count: usize) -> Self {
        let start = |_| {
            Command::new(std::env::current_exe().unwrap())
                .args(["--exact", "children::be_a_worker", "--nocapture"])
                .env(ADDRESS, server.local_addr().to_string())
                .stdout(Stdio::null())
                .spawn()
                .unwrap()
        };
        Self((0..count).map(start).collect())
    }

    /// SIGKILL.
    pub(crate) fn kill(&mut self, count: usize) {
        for mut child in self.0.drain(..count) {
            child.kill().unwrap();
            child.wait().unwrap();
        }
    }

    /// Waits for all to end by themselves, and asserts that each saw the end of the work.
    pub(crate) fn all_saw_the_end(mut self) {
        for mut child in std::mem::take(&mut self.0) {
            assert!(child.wait().unwrap().success(), "a worker did not end by Ok(None)");
        }
    }
}

impl Drop for Children {
    fn drop(&mut self) {
        for child in &mut self.0 {
            // It may have ended by itself.
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}
