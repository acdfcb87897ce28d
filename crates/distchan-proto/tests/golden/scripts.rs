//! The sessions of `PROTOCOL.md`, step by step. Each is an error where a machine and the document part.

use bytes::Bytes;
use distchan_proto::Direction;
use distchan_proto::batch::Kind::{Done, Failed, Last, Result as More, Returned, Unbegun, Value};
use distchan_proto::batch::{Batch, Entry};
use distchan_proto::compression::{Compressor, SharedCompressor};
use distchan_proto::ids::{Attempt, JobId, SinkId};
use distchan_proto::limits;
use distchan_proto::schema::Schema;
use distchan_proto::spec::ChannelSpec;
use distchan_proto::transform::{SharedTransform, Transform};
use serde::Deserialize;
use std::sync::Arc;
use std::time::Duration;

use crate::document::Document;
use crate::pair::{Check, NOW, Pair, batch, hex, same};

/// The worked example.
pub(crate) fn session(document: &Document) -> Check {
    let mut pair = Pair::connect(document);
    let (channel, no) = pair.open(capitalize(), capitalize());
    pair.worker_says(&["preamble"])?;
    pair.server_says(&["preamble"])?;
    pair.worker_says(&["hello"])?;
    pair.server_says(&["welcome", "ping"])?;
    pair.worker_says(&["ping", "ack-first", "open"])?;
    pair.server_says(&["ack-server", "opened"])?;
    same("events", &pair.worker_events(), &texts(&["session 1, epoch 2026", "opened, 16777216"]))?;
    same("events", &pair.server_events(), &texts(&["worker w1", "joined"]))?;

    pair.server.submit(NOW, channel, batch(0, &[(Value, 0, "\"hello\"", 0), (Value, 0, "\"world\"", 0)]));
    pair.server_says(&["jobs"])?;
    let jobs = ["\"\"", "\"\"", "\"?\"", "\"last\""].map(|text| (Value, 0, text, 0));
    pair.server.submit(NOW, channel, batch(0, &jobs));
    pair.server_says(&["more-jobs"])?;
    let first = "jobs Value 1/1=\"hello\" Value 2/1=\"world\"";
    let second = "jobs Value 3/1=\"\" Value 4/1=\"\" Value 5/1=\"?\" Value 6/1=\"last\"";
    same("events", &pair.worker_events(), &texts(&[first, second]))?;

    let answers = [
        (Last, 2, "\"WORLD\"", 0),
        (Last, 1, "\"HELLO\"", 0),
        (Done, 3, "", 1),
        (Failed, 5, "no letters", 0),
        (Returned, 6, "", 0),
    ];
    pair.worker.submit(no, batch(1, &answers));
    pair.worker_says(&["answers"])?;
    pair.server_says(&["job-again"])?;
    pair.worker.submit(no, batch(2, &[(More, 6, "\"LA\"", 0), (Last, 6, "\"ST\"", 0)]));
    pair.worker_says(&["two-results"])?;
    let results = [
        "results Last 2/1=\"WORLD\" Last 1/1=\"HELLO\" Done 3/1x2=",
        "results Failed 5/1=Failed, Some(Failed(\"no letters\"))",
        "results Result 6/2=\"LA\" Last 6/2=\"ST\"",
    ];
    same("events", &pair.server_events(), &texts(&results))?;

    pair.server.close(channel);
    pair.server_says(&["finished"])?;
    pair.worker.drain(no);
    pair.worker_says(&["drain"])?;
    pair.worker.close();
    pair.worker_says(&["leave", "goodbye"])?;
    pair.server_says(&["goodbye-server"])?;
    same(
        "events",
        &pair.worker_events(),
        &texts(&["jobs Value 6/2=\"last\"", "finished", "closed, Normal"]),
    )?;
    same("events", &pair.server_events(), &texts(&["finished", "gone"]))
}

/// A job of two frames, and a result that is acknowledged at once, and uses up more than half of the credit; then a job of several frames behind a
/// small one.
pub(crate) fn large(document: &Document) -> Check {
    let mut pair = Pair::connect(document);
    let (channel, no) = pair.open(capitalize(), capitalize());
    pair.talk();
    pair.server.submit(NOW, channel, batch(0, &[(Value, 0, &"a".repeat(70_000), 0)]));
    let (full, rest) = (vec![b'a'; limits::MAX_FRAME_BODY], vec![b'a'; 70_000 - limits::MAX_FRAME_BODY]);
    let frames = [
        document.block("large-first"),
        &full,
        document.block("large-second"),
        &rest,
        document.block("large-table"),
    ]
    .concat();
    let said = pair.take_from_server();
    if said != frames {
        let heads =
            [&said[..12.min(said.len())], said.get(12 + full.len()..24 + full.len()).unwrap_or_default()];
        let table = said.get(24 + 70_000..).unwrap_or_default();
        return Err(format!(
            "the frames of a large job are {} | {} | {}",
            hex(heads[0]),
            hex(heads[1]),
            hex(table)
        ));
    }
    pair.worker_events();
    pair.worker_hears(&frames);
    same("events", &pair.worker_events(), &texts(&["jobs Value 1/1=70000 bytes"]))?;

    let payload = Bytes::from(vec![b'A'; 600_000]);
    let entries = vec![Entry { job: JobId(1), attempt: Attempt::FIRST, end: 600_000, extra: 0, kind: Last }];
    pair.worker.submit(no, Batch { payload: payload.into(), entries, ..Batch::default() });
    pair.server_events();
    // What the worker waits for stands between.
    let begun = pair.take_from_worker();
    pair.server_hears_bytes(&begun);
    let acknowledged = pair.take_from_server();
    pair.worker_hears(&acknowledged);
    let rest = pair.take_from_worker();
    pair.server_hears_bytes(&rest);
    same("events", &pair.server_events(), &texts(&["results Last 1/1=600000 bytes"]))?;
    pair.server_says(&["ack-bytes", "credit"])?;

    let (small, large) = ("a".to_owned(), "b".repeat(70_000));
    pair.server.submit(NOW, channel, batch(0, &[(Value, 0, &small, 0), (Value, 0, &large, 0)]));
    let said = pair.take_from_server();
    let (jobs, piece) = (document.block("small-before-large"), document.block("large-shared"));
    same(
        "a small job and a large one",
        &hex(said.get(..jobs.len() + piece.len()).unwrap_or_default()),
        &hex(&[jobs, piece].concat()),
    )?;
    pair.worker_hears(said.get(..jobs.len() + piece.len() + 32_768).unwrap_or_default());
    pair.worker_says(&["ack-immediate"])
}

/// Jobs that are begun, jobs that have a deadline, and jobs that nobody wants any more.
pub(crate) fn policies(document: &Document) -> Check {
    let mut pair = Pair::connect(document);
    let (channel, no) = pair.open(capitalize(), capitalize());
    pair.talk();
    let mut jobs = batch(0, &["\"a\"", "\"b\"", "\"c\"", "\"d\""].map(|text| (Value, 0, text, 0)));
    jobs.deadlines = vec![(1, Duration::from_micros(299_001))];
    pair.server.submit(NOW, channel, jobs);
    pair.server_says(&["jobs-timed"])?;
    for job in [1, 2, 4] {
        pair.worker.started(no, JobId(job), Attempt::FIRST);
    }
    pair.worker_says(&["started"])?;
    pair.server.cancel(NOW, channel, JobId(1));
    pair.server_says(&["cancel-one"])?;
    pair.server.cancel_sink(NOW, channel, SinkId::RECEIVER);
    pair.server_says(&["cancel-run"])?;
    let expected = [
        "session 1, epoch 2026",
        "opened, 16777216",
        "jobs Value 1/1=\"a\" Value 2/1=\"b\" Value 3/1=\"c\" Value 4/1=\"d\" [1: 300ms left]",
        "cancelled 1/1, 0 more",
        "cancelled 2/1, 2 more",
    ];
    same("events", &pair.worker_events(), &texts(&expected))?;
    let cancelled = |job| format!("results Failed {job}/1=Cancelled, Some(Cancelled)");
    same("events", &pair.server_events()[2..].to_vec(), &(1..=4).map(cancelled).collect())?;
    same("started", &pair.server.stats(channel).revoked, &4)?;

    pair.worker.submit(no, batch(1, &[(Returned, 1, "", 3)]));
    pair.talk();
    same("places", &pair.server.stats(channel).revoked, &0)
}

/// Jobs that wait behind a long one while another worker is idle.
pub(crate) fn recall(document: &Document) -> Check {
    let mut pair = Pair::connect(document);
    let (channel, no) = pair.open(capitalize(), capitalize());
    pair.talk();
    let (mut first, no_of_second) = pair.connect_another(capitalize());
    let jobs = [(); 8].map(|()| (Value, 0, "\"?\"", 0));
    pair.server.submit(NOW, channel, batch(0, &jobs));
    pair.talk();
    pair.worker.submit(no_of_second, batch(1, &[2, 4, 6, 8].map(|job| (Done, job, "", 0))));
    pair.talk();
    pair.swap(&mut first);
    pair.talk();
    pair.worker_events();
    pair.wait(Duration::from_millis(1));
    pair.server_says(&["recall"])?;
    same("events", &pair.worker_events(), &texts(&["recalled 1"]))?;
    pair.worker.submit(no, batch(1, &[(Unbegun, 7, "", 0)]));
    pair.worker_says(&["unbegun"])?;
    pair.swap(&mut first);
    pair.worker_events();
    pair.talk();
    same("events", &pair.worker_events(), &texts(&["jobs Value 7/1=\"?\""]))
}

/// A channel with a transform.
pub(crate) fn sealed(document: &Document) -> Check {
    let spec = || ChannelSpec { transform: Some(SharedTransform(Arc::new(Flip))), ..capitalize() };
    let mut pair = Pair::connect(document);
    let (channel, _) = pair.open(spec(), spec());
    pair.talk_until_open();
    pair.server_says(&["ack-server", "opened-sealed"])?;
    pair.server.submit(NOW, channel, batch(0, &[(Value, 0, "\"hello\"", 0)]));
    pair.server_says(&["jobs-sealed"])?;
    let expected = ["session 1, epoch 2026", "opened, 16777216", "jobs Value 1/1=\"hello\""];
    same("events", &pair.worker_events(), &texts(&expected))
}

/// A channel whose bodies are compressed where that makes them shorter.
pub(crate) fn compressed(document: &Document) -> Check {
    let spec = || ChannelSpec { compressors: vec![SharedCompressor(Arc::new(Runs))], ..capitalize() };
    let mut pair = Pair::connect(document);
    let (channel, no) = pair.open(spec(), spec());
    pair.worker_says(&["preamble"])?;
    pair.server_says(&["preamble"])?;
    pair.worker_says(&["hello"])?;
    pair.server_says(&["welcome", "ping"])?;
    pair.worker_says(&["ping", "ack-first", "open-compressed"])?;
    pair.server_says(&["ack-server", "opened-compressed"])?;
    let long = format!("\"{}\"", "a".repeat(300));
    pair.server.submit(NOW, channel, batch(0, &[(Value, 0, &long, 0)]));
    pair.server_says(&["job-compressed"])?;
    pair.server.submit(NOW, channel, batch(0, &[(Value, 0, "\"hello\"", 0)]));
    pair.server_says(&["job-not-compressed"])?;
    let expected =
        ["session 1, epoch 2026", "opened, 16777216", "jobs Value 1/1=302 bytes", "jobs Value 2/1=\"hello\""];
    same("events", &pair.worker_events(), &texts(&expected))?;
    pair.worker.submit(no, batch(1, &[(Last, 1, &long, 0)]));
    pair.talk();
    same("results", &pair.server_events()[2], &"results Last 1/1=302 bytes".to_owned())
}

/// Types that differ, and versions that do.
pub(crate) fn refused(document: &Document) -> Check {
    let mut pair = Pair::connect(document);
    pair.open(capitalize(), ChannelSpec { result: Schema::of::<u64>(true), ..capitalize() });
    pair.talk_until_open();
    pair.server_says(&["ack-server", "refused"])?;
    pair.worker_says(&["schemas"])?;
    let (at_worker, at_server) = (pair.worker_events(), pair.server_events());
    same("refused", &(at_worker.len(), at_server.len()), &(2, 2))?;
    for event in [&at_worker[1], &at_server[1]] {
        let is_told = event.starts_with("refused, Types: result: ")
            && event.contains("String")
            && event.contains("u64");
        same("refused", &is_told, &true).map_err(|_| event.clone())?;
    }

    let mut pair = Pair::connect(document);
    pair.server_hears(&["preamble-later"]);
    pair.server_says(&["preamble", "goodbye-version"])
}

/// A channel on which only workers send, with and without TLS.
pub(crate) fn up(document: &Document) -> Check {
    let spec = || ChannelSpec {
        direction: Direction::Up,
        job: Schema::of::<u64>(true),
        result: Schema::of::<()>(true),
        ..capitalize()
    };
    let connections =
        [(Pair::connect(document), "values"), (Pair::connect_over_tls(document), "values-over-tls")];
    for (mut pair, written) in connections {
        let (_, no) = pair.open(spec(), spec());
        pair.talk();
        pair.worker.submit(no, batch(1, &[(Value, 0, "7", 0), (Value, 0, "8", 0)]));
        pair.worker_says(&[written])?;
        let events = ["worker w1", "joined", "results Value 0/1=7 Value 0/1=8"];
        same("events", &pair.server_events(), &texts(&events))?;
    }
    Ok(())
}

/// What a peer of a later version may send.
pub(crate) fn later(document: &Document) -> Check {
    let mut pair = Pair::connect(document);
    pair.server_hears(&["preamble", "skippable", "hello-later", "skippable"]);
    pair.server_says_in_vain(&["preamble", "welcome", "ping"])?;
    pair.server_hears(&["ping"]);
    // The second of the two unknown frames was counted: it came behind `HELLO`.
    pair.server_says_in_vain(&["ack-server"])
}

/// Encoded schemas, and fingerprints.
pub(crate) fn schema(document: &Document) -> Check {
    let page = Schema::of::<Page>(true);
    same("Page", &hex(&page.encode()), &hex(document.block("schema-page")))?;
    for (schema, name) in [
        (Schema::of::<String>(true), "fingerprint-string"),
        (Schema::of::<()>(true), "fingerprint-unit"),
        (page, "fingerprint-page"),
    ] {
        same(name, &schema.fingerprint().to_string(), &hex(document.block(name)).replace(' ', ""))?;
    }
    Ok(())
}

pub(crate) fn capitalize() -> ChannelSpec {
    ChannelSpec {
        name: "capitalize".into(),
        direction: Direction::Jobs,
        codec: "json".into(),
        job: Schema::of::<String>(true),
        result: Schema::of::<String>(true),
        compressors: Vec::new(),
        transform: None,
        max_value: limits::DEFAULT_MAX_VALUE,
    }
}

pub(crate) fn texts(texts: &[&str]) -> Vec<String> {
    texts.iter().map(|text| (*text).to_owned()).collect()
}

/// The structure in the document's example.
#[derive(Deserialize)]
#[expect(dead_code, reason = "only its structure matters")]
struct Page {
    title: String,
    body: Option<String>,
}

/// The transform in the document's example.
struct Flip;

impl Transform for Flip {
    fn encode(&self, plain: &[u8], out: &mut Vec<u8>) {
        out.extend(plain.iter().map(|byte| byte ^ 0x2a));
    }

    fn decode(&self, coded: &[u8], _limit: usize, out: &mut Vec<u8>) -> Result<(), String> {
        self.encode(coded, out);
        Ok(())
    }
}

/// The plainest writer of LZ4 blocks: it sees one run of the same byte, and nothing else. Anybody's reader can read what it writes.
struct Runs;

impl Compressor for Runs {
    fn number(&self) -> u8 {
        1
    }

    fn compress(&self, plain: &[u8], out: &mut Vec<u8>) {
        let runs = plain.chunk_by(|one, next| one == next).scan(0, |at, run| {
            *at += run.len();
            Some((*at - run.len(), run.len()))
        });
        // A match repeats what stands before it, and ends five bytes before the end, or sooner.
        let (start, length) = runs.max_by_key(|(_, length)| *length).unwrap_or_default();
        let length = length.min(plain.len().saturating_sub(start + 5));
        if length < 5 {
            return out.extend_from_slice(plain);
        }
        let (first, last) = (&plain[..=start], &plain[start + length..]);
        let repeated = length - 1 - 4;
        let four_bits = |number| {
            u8::try_from(number).ok().filter(|number| *number < 16).expect("one run, and a little around it")
        };
        out.push(four_bits(first.len()) << 4 | four_bits(repeated.min(15)));
        out.extend_from_slice(first);
        out.extend_from_slice(&1_u16.to_le_bytes());
        if let Some(more) = repeated.checked_sub(15) {
            out.extend(std::iter::repeat_n(255, more / 255));
            out.extend(u8::try_from(more % 255));
        }
        out.push(four_bits(last.len()) << 4);
        out.extend_from_slice(last);
    }

    fn decompress(&self, packed: &[u8], length: usize, out: &mut Vec<u8>) -> Result<(), String> {
        let error = || "no block of ours".to_owned();
        let (token, rest) = packed.split_first().ok_or_else(error)?;
        let (first, rest) = rest.split_at_checked(usize::from(token >> 4)).ok_or_else(error)?;
        let mut rest = rest.strip_prefix(&1_u16.to_le_bytes()).ok_or_else(error)?;
        let mut repeated = usize::from(token & 15) + 4;
        while repeated >= 15 + 4 {
            let (more, behind) = rest.split_first().ok_or_else(error)?;
            (repeated, rest) = (repeated + usize::from(*more), behind);
            if *more < 255 {
                break;
            }
        }
        let (token, last) = rest.split_first().ok_or_else(error)?;
        let is_whole =
            usize::from(*token) == last.len() << 4 && first.len() + repeated + last.len() == length;
        let byte = *first.last().filter(|_| is_whole).ok_or_else(error)?;
        out.extend_from_slice(first);
        out.extend(std::iter::repeat_n(byte, repeated));
        out.extend_from_slice(last);
        Ok(())
    }
}
