//! The sessions and heartbeats of `PROTOCOL.md`: connections that break and are made again, and peers that fall silent. Each script is an
//! error where a machine and the document part.

use std::time::Duration;

use distchan_proto::batch::Kind::{Last, Value};
use distchan_proto::ids::{ChannelId, ChannelNo};
use distchan_proto::limits;

use crate::document::Document;
use crate::pair::{Check, NOW, Pair, batch, same};
use crate::scripts::{capitalize, texts};

/// Both ask again, and answer; then the worker is not heard any more.
pub(crate) fn heartbeats(document: &Document) -> Check {
    let (mut pair, _, _) = with_two_jobs(document)?;
    pair.wait(Duration::from_millis(20));
    pair.server_says(&["ping-second"])?;
    pair.worker_says(&["ping-second", "ack-second"])?;
    pair.talk();
    same("events", &pair.server_events(), &texts(&[]))?;

    for number in 3..=4 {
        pair.wait(limits::HEARTBEAT);
        let asked = pair.take_from_server();
        same("the question's number", &asked.last(), &Some(&number))?;
        pair.worker_hears(&asked);
        pair.take_from_worker();
    }
    same("events", &pair.server_events(), &texts(&[]))?;
    pair.wait(limits::HEARTBEAT);
    pair.server_says(&["goodbye-timeout"])?;
    same("the session ends", &pair.server_events(), &texts(&["gone"]))?;
    same("the worker closes", &(pair.worker.is_closing(), pair.worker.is_over()), &(true, false))
}

/// A connection is cut while both sides have something on the way, and the session goes on over another; then over a third one, before the
/// server has noticed that the second is gone.
pub(crate) fn reconnect(document: &Document) -> Check {
    let (mut pair, channel, no) = with_two_jobs(document)?;
    pair.worker.submit(no, batch(1, &[(Last, 1, "\"HELLO\"", 0)]));
    pair.worker_says_in_vain(&["answer"])?;
    let jobs = ["\"\"", "\"\"", "\"?\"", "\"last\""].map(|text| (Value, 0, text, 0));
    pair.server.submit(NOW, channel, batch(0, &jobs));
    pair.server_says_in_vain(&["more-jobs"])?;
    pair.cut();
    same("events", &pair.worker_events(), &texts(&["disconnected"]))?;
    same("events", &pair.server_events(), &texts(&["away"]))?;

    pair.connect_again();
    pair.worker_says(&["preamble"])?;
    pair.server_says(&["preamble"])?;
    pair.worker_says(&["hello-resume"])?;
    pair.server_says(&["welcome-resumed", "ping", "more-jobs"])?;
    pair.worker_says(&["ping", "ack-resumed", "answer"])?;
    pair.server_says(&["ack-server-resumed"])?;
    let came = "jobs Value 3/1=\"\" Value 4/1=\"\" Value 5/1=\"?\" Value 6/1=\"last\"";
    same("events", &pair.worker_events(), &texts(&["session 1, epoch 2026, again", came]))?;
    same("events", &pair.server_events(), &texts(&["back", "results Last 1/1=\"HELLO\""]))?;

    let second = pair.connection();
    pair.connect_again();
    pair.talk();
    pair.server_says_on(second, &["goodbye-superseded"])?;
    let again = ["disconnected", "session 1, epoch 2026, again"];
    same("events", &pair.worker_events(), &texts(&again))?;
    same("events", &pair.server_events(), &texts(&["back"]))
}

/// The server that the worker comes back to is another run, which knows nothing of its session, though it has one of the same number.
pub(crate) fn restart(document: &Document) -> Check {
    let (mut pair, _, _) = with_two_jobs(document)?;
    pair.restart_server();
    pair.connect_again();
    pair.worker_says(&["preamble"])?;
    pair.server_says(&["preamble"])?;
    pair.worker_says(&["hello-resume"])?;
    pair.server_says(&["welcome-restarted", "ping"])?;
    same("events", &pair.worker_events(), &texts(&["disconnected", "reset", "session 1, epoch 2027"]))
}

/// A worker that cannot come back: nothing of its session is left when its connection is.
pub(crate) fn plain(document: &Document) -> Check {
    let mut pair = Pair::connect(document);
    pair.server_hears(&["preamble", "hello-plain"]);
    pair.server_says_in_vain(&["preamble", "welcome", "ping"])?;
    pair.cut();
    same("events", &pair.server_events(), &texts(&["worker w1", "gone"]))?;

    // Nor of one that could, and has ended: nobody stands between it and the server.
    let (mut pair, _, _) = with_two_jobs(document)?;
    pair.worker_closes();
    same("events", &pair.server_events(), &texts(&["gone"]))?;
    same("workers", &pair.server.workers().len(), &0)
}

/// A worker with two jobs in its hand: the server has sent two frames of the session, the worker one.
fn with_two_jobs(document: &Document) -> Result<(Pair<'_>, ChannelId, ChannelNo), String> {
    let mut pair = Pair::connect(document);
    let (channel, no) = pair.open(capitalize(), capitalize());
    pair.talk();
    pair.server.submit(NOW, channel, batch(0, &[(Value, 0, "\"hello\"", 0), (Value, 0, "\"world\"", 0)]));
    pair.server_says(&["jobs"])?;
    pair.worker_events();
    pair.server_events();
    Ok((pair, channel, no))
}
