//! Every bound of the protocol in one table, each with its reason. Nothing else in the crate holds a number that limits a peer.

use std::time::Duration;

/// The largest body of one frame. Small enough that a control frame or another channel's job never waits long behind it
/// (64 KiB take 0.5 s on 1 Mbit/s), large enough that a frame's fixed cost vanishes.
pub const MAX_FRAME_BODY: usize = 64 * 1024;

/// The largest body of a frame before the handshake is done: a stranger costs at most this much memory and one read buffer.
pub const MAX_HANDSHAKE_BODY: usize = 4 * 1024;

/// The whole handshake, from accept to `WELCOME`; who has not finished by then is disconnected, so that a stalled
/// peer holds a place for a bounded time.
pub const HANDSHAKE_BUDGET: Duration = Duration::from_secs(10);

/// What the other side may send before a TLS handshake is done, and a ticket or a certificate seen: chains of certificates fit, and a stranger
/// costs no more than this and what TLS makes of it.
pub const MAX_TLS_HANDSHAKE: usize = 32 * 1024;

/// Handshakes that a server carries out at once. With 64 KiB for each, strangers have 16 MiB.
pub const MAX_HANDSHAKES: usize = 256;

/// ... and with one other machine.
pub const MAX_HANDSHAKES_PER_ADDRESS: usize = 32;

/// Handshakes with one other machine that may fail in a row; one more each second.
pub const MAX_AUTH_FAILURES: u32 = 32;

/// How often a side asks the other whether it is there, unless the server's user says otherwise.
pub const HEARTBEAT: Duration = Duration::from_secs(5);

/// The shortest rhythm that a side keeps, whatever the other announces: a shorter one would be work, not a sign of life.
pub const SHORTEST_HEARTBEAT: Duration = Duration::from_millis(20);

/// ... and the longest.
pub const LONGEST_HEARTBEAT: Duration = Duration::from_secs(24 * 60 * 60);

/// A peer that was silent for so long (three heartbeats) is lost, unless the server's user says otherwise.
pub const LOST_AFTER: Duration = Duration::from_secs(15);

/// How long a session is kept whose connection broke, unless the server's user says otherwise: its worker may come back.
pub const GRACE: Duration = Duration::from_secs(30);

/// What a side has sent and keeps until the peer has acknowledged it, to send it again on another connection (one transmission may
/// exceed it). With less in flight a fast network far away could not be filled; with more, thousands of workers would cost too much.
pub const MAX_UNACKNOWLEDGED: usize = 4 * 1024 * 1024;

/// Where values were sent within this time that are not large, large ones leave room for more of them.
pub const SHARING: Duration = Duration::from_secs(1);

/// So many bytes of large values are on their way at most then: what is short would wait behind all that the system's buffers take of them,
/// which may be milliseconds on the fastest line. They are fewer where acknowledgements take long.
pub const PIECES_AHEAD: usize = 192 * 1024;

/// ... and so many more for each microsecond that the line takes to the peer and back, or a fast line would run empty: with 10 ms it is bounded by
/// [`MAX_UNACKNOWLEDGED`] alone.
pub const PIECES_PER_MICROSECOND: usize = 400;

/// After so many bytes of frames a side says what has arrived.
pub const ACKNOWLEDGE_EVERY: usize = 128 * 1024;

/// ... and along with what it writes anyhow, after so many: that costs a few bytes, and the later the other side hears of many small frames, the
/// longer whoever waits behind that waits until all of them are freed.
pub const ACKNOWLEDGE_ALONG: usize = 8 * 1024;

/// The default bound on one encoded value, either way. A larger one is refused on the sender's side, before it travels.
pub const DEFAULT_MAX_VALUE: usize = 16 * 1024 * 1024;

/// The most that [`DEFAULT_MAX_VALUE`] can be raised to: positions inside a batch are 32 bits wide.
pub const LARGEST_MAX_VALUE: usize = 2 * 1024 * 1024 * 1024;

/// A sender closes the batch it gathers at this size, so that a job that stays unfinished keeps at most so many of its
/// neighbours' bytes in memory.
pub const BATCH_BYTES: usize = 128 * 1024;

/// ... and at this many values.
pub const BATCH_ENTRIES: usize = 4096;

/// A body shorter than this is not compressed: it travels in one packet anyhow, and nothing would be won.
pub const SMALLEST_COMPRESSED: usize = 256;

/// How many bytes one call of `poll_transmit` gathers at most (a large frame may exceed it by one frame): one large write. Measured with
/// values of 1 MiB over loopback: half of it costs half as much of the system's time again, twice as much a third.
pub const TRANSMIT_BYTES: usize = 512 * 1024;

/// The most jobs that a worker may hold unfinished on one channel. At 10 M jobs/s this is 6.5 ms of work.
pub const MAX_JOBS_IN_HAND: u32 = 65_536;

/// The bytes of unfinished jobs that a worker may hold on one channel (one job may exceed it, or none larger could travel).
pub const MAX_BYTES_IN_HAND: u64 = 8 * 1024 * 1024;

/// How many bytes of answers or values a worker may have on the way to a server's receiver, per channel.
pub const ANSWER_WINDOW: u64 = 1024 * 1024;

/// ... and, where many workers share a receiver, at least this much each.
pub const SMALLEST_ANSWER_WINDOW: u64 = 64 * 1024;

/// What an entry costs of a window besides its payload, so that empty values are counted too.
pub const ENTRY_COST: u64 = 16;

/// While so many bytes of results wait for the server's receiver, or are held for order or for their job's completion,
/// the channel gives out no further jobs.
pub const MAX_UNREAD_RESULTS: u64 = 16 * 1024 * 1024;

/// The results of one unfinished job that the server keeps; a job that sends more fails.
pub const MAX_RESULTS_PER_JOB: u64 = 64 * 1024 * 1024;

/// How far the delivery of jobs may run ahead of the oldest unfinished one on an ordered channel.
pub const ORDER_WINDOW: u64 = 65_536;

/// How many jobs the runs of one body may settle: more than a worker can hold is a lie.
pub const MAX_RUN: u64 = MAX_JOBS_IN_HAND as u64;

/// How many runs of deliveries one `STARTED` or `CANCEL` names, so that it fits a frame: 15 bytes each at most.
pub const MAX_RUNS: usize = 4096;

/// The attempts that are remembered of one job, the newest: more than any sensible policy allows.
pub const MAX_HISTORY: usize = 16;

/// What is kept of the reasons of a job's older failures; the newest is kept whole.
pub const MAX_OLD_REASON: usize = 256;

/// While so many jobs wait for their next attempt, no fresh ones are taken from the sender: a channel whose jobs all fail must not
/// gather them without end. One 100-ms wait of 40 k failing jobs/s.
pub const MAX_BACKING_OFF: u64 = 4096;

/// ... or so many bytes of them.
pub const MAX_BACKING_OFF_BYTES: u64 = 64 * 1024 * 1024;

/// Jobs that wait in the server's machine for the one worker that has their keys: more hold up all that come behind them.
pub const MAX_QUEUED_BY_KEY: u32 = MAX_JOBS_IN_HAND;

/// ... and their bytes.
pub const MAX_QUEUED_BYTES_BY_KEY: u64 = MAX_BYTES_IN_HAND;

/// Channel numbers that one connection may use, for channels that are open, were refused or were left: no number is used twice.
pub const MAX_CHANNELS_PER_CONNECTION: usize = 1024;

/// Names, signatures, codec names: what a person types.
pub const MAX_NAME: usize = 256;

/// A failure's reason, or the text of a refusal; longer ones are cut by their sender.
pub const MAX_REASON: usize = 4 * 1024;

/// The text of a `GOODBYE`, which must fit a frame of the handshake.
pub const MAX_FAREWELL: usize = 1024;

/// An encoded schema: two of them fit one frame.
pub const MAX_SCHEMA: usize = 24 * 1024;

/// Control bytes that wait for a connection's writer. A peer that asks and never reads the answers is disconnected.
pub const MAX_CONTROL_BACKLOG: usize = 1024 * 1024;

/// Opens of unknown channels that one connection may have waiting.
pub const MAX_WAITING_OPENS: usize = 64;

/// How long an open of a channel that the server has not opened waits, at most, whatever the worker asks for.
pub const MAX_OPEN_WAIT: Duration = Duration::from_secs(24 * 60 * 60);

/// How often something may be done: so often at once, and so much oftener with each second.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    /// At once.
    pub at_once: u64,
    /// For each second that passes.
    pub per_second: u64,
}

/// Frames of a worker that ask for something, or for nothing. Each costs about a microsecond: one per cent of a core.
pub const REQUESTS: Rate = Rate { at_once: 20_000, per_second: 10_000 };

/// A worker's `PING`s: twice what [`SHORTEST_HEARTBEAT`] makes.
pub const PINGS: Rate = Rate { at_once: 200, per_second: 100 };

/// Jobs that a worker says it has begun: four times all that it can have in hand, and more each second than can fail and come again.
pub const BEGUN: Rate = Rate { at_once: 4 * MAX_JOBS_IN_HAND as u64, per_second: 200_000 };

/// Jobs that a worker gives back: four times all that it can have in hand. Who gives back what it is given, for ever, works for nobody.
pub const GIVEN_BACK: Rate = Rate { at_once: 4 * MAX_JOBS_IN_HAND as u64, per_second: 50_000 };

/// Connections over which one session goes on. Rust's workers make one in two seconds, where each breaks at once.
pub const RESUMED: Rate = Rate { at_once: 1000, per_second: 2 };
