//! One conversation in which nearly everything happens that can: several channels, refusals, waits, failures, returns, values unasked,
//! draining, leaving, the end. Its connection may be cut wherever a test likes; what comes out must be the same.

use std::collections::BTreeMap;

use distchan_proto::Direction;
use distchan_proto::batch::{Kind, OpenBatch};
use distchan_proto::error::Code;
use distchan_proto::ids::{Attempt, ChannelId, ChannelNo, JobId};
use distchan_proto::schema::Schema;
use distchan_proto::server::ChannelOptions;
use distchan_proto::spec::ChannelSpec;
use distchan_proto::worker::OpenOptions;

use crate::harness::{Cluster, spec};
use crate::links::INDIRECT;
use crate::node::{After, Job};

const WORK: ChannelNo = ChannelNo(1);
const OTHER: ChannelNo = ChannelNo(2);
const LATE: ChannelNo = ChannelNo(3);
const UP: ChannelNo = ChannelNo(4);

/// What is talked about.
#[derive(Clone, Debug)]
pub(crate) struct Script {
    pub(crate) seed: u64,
    pub(crate) jobs: u64,
    /// How large the answer of every third job is.
    pub(crate) large: usize,
    pub(crate) ordered: bool,
    /// The channel that carries the jobs.
    pub(crate) work: ChannelSpec,
    pub(crate) chunk: usize,
    /// So many frames are written in peace, each time; then a bit of the next one changes on its way.
    pub(crate) damage: Vec<usize>,
    /// Its connections notice themselves what is damaged.
    pub(crate) guarded: bool,
}

/// What a conversation took.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Played {
    /// Bytes that arrived, both ways together.
    pub(crate) bytes: usize,
    /// How often the session went on over another connection.
    pub(crate) resumed: usize,
}

impl Script {
    pub(crate) fn small(seed: u64) -> Self {
        let ordered = seed.is_multiple_of(2);
        let (work, damage) = (spec("work"), Vec::new());
        Self { seed, jobs: 8, large: 3, ordered, work, chunk: 40, damage, guarded: false }
    }
}

/// Holds the conversation, with the connection cut after so many bytes each time; returns what it took.
pub(crate) fn play(script: &Script, fuses: &[usize]) -> Played {
    let mut cluster = Cluster::new(script.seed);
    cluster.chunk = script.chunk;
    cluster.guards_bytes = script.guarded;
    let index = cluster.connect_over(INDIRECT, After::Reconnects);
    cluster.nodes[index].fuses = fuses.iter().copied().collect();
    cluster.nodes[index].damage = script.damage.iter().copied().collect();
    let options = ChannelOptions { ordered: script.ordered, credit: Some(5), ..ChannelOptions::default() };
    let work = cluster.channel_with(script.work.clone(), options);
    cluster.channel("other");
    let up = cluster.channel_with(one_way("up", Direction::Up), ChannelOptions::default());
    let of_integers = ChannelSpec { job: Schema::of::<u64>(false), ..spec("other") };
    for spec in [script.work.clone(), of_integers, spec("late"), one_way("up", Direction::Up)] {
        cluster.nodes[index].machine.open(spec, OpenOptions::default()).unwrap();
    }
    for job in 1..=script.jobs {
        cluster.send(work, &payload(script, job));
    }
    cluster.steps(10 + usize::try_from(script.seed % 30).unwrap());
    let late = cluster.channel("late");
    cluster.send(late, b"late");
    serve(script, &mut cluster, index);
    cluster.nodes[index].machine.drain(WORK);
    cluster.close(work);
    cluster.close(late);
    serve(script, &mut cluster, index);
    check(script, &cluster, index, work, late);
    assert_eq!(cluster.finished, [work, late]);
    assert_eq!(cluster.nodes[index].finished.len(), 2, "{:?}", cluster.nodes[index].finished);
    cluster.server.close_receiver(up);
    cluster.nodes[index].leave(LATE);
    cluster.settle();
    cluster.nodes[index].close();
    cluster.settle();
    check_end(&cluster, index);
    Played { bytes: cluster.nodes[index].arrived, resumed: cluster.back }
}

fn one_way(name: &str, direction: Direction) -> ChannelSpec {
    let result = Schema::of::<()>(false);
    ChannelSpec { direction, result, ..spec(name) }
}

fn payload(script: &Script, job: u64) -> Vec<u8> {
    let mut bytes = format!("job {job} ").into_bytes();
    if job.is_multiple_of(3) {
        bytes.resize(bytes.len() + script.large, b'x');
    }
    bytes
}

/// The worker's user: takes jobs and answers them until none come any more; sends a value for every job.
fn serve(script: &Script, cluster: &mut Cluster, index: usize) {
    loop {
        cluster.settle();
        let jobs = cluster.nodes[index].take_jobs();
        if jobs.is_empty() {
            return;
        }
        for job in jobs {
            let node = &mut cluster.nodes[index];
            node.machine.started(job.no, job.id, job.attempt);
            let mut value = OpenBatch::default();
            value.payload.own().extend_from_slice(&job.bytes);
            value.push(Kind::Value, JobId(0), Attempt::FIRST, 0);
            node.answer(UP, value.take());
            match job.id.0 % 5 {
                0 if job.attempt == Attempt::FIRST => node.end(&job, Kind::Returned, b""),
                1 if job.no == WORK => node.end(&job, Kind::Failed, b"no"),
                2 => node.complete(&job, &[]),
                _ => node.complete(&job, &[b"first", &answer(script, &job)]),
            }
            cluster.steps(3);
        }
    }
}

fn answer(script: &Script, job: &Job) -> Vec<u8> {
    let large = vec![b'y'; if job.id.0.is_multiple_of(4) { script.large } else { 0 }];
    [&job.bytes[..], b"!", &large].concat()
}

fn check(script: &Script, cluster: &Cluster, index: usize, work: ChannelId, late: ChannelId) {
    let node = &cluster.nodes[index];
    assert_eq!(node.was_reset, []);
    assert_eq!(node.lost_values, []);
    assert_eq!(node.closed, None);
    // A connection may be cut before the worker has heard of its session: that one is never used.
    assert!(node.welcomed.iter().skip(1).all(|welcomed| welcomed.resumed), "{:?}", node.welcomed);
    let mut times = BTreeMap::<_, u64>::new();
    node.delivered.iter().for_each(|delivery| *times.entry(*delivery).or_default() += 1);
    assert!(times.values().all(|times| *times == 1), "a delivery came twice: {times:?}");
    let returned = script.jobs / 5;
    assert_eq!(times.len() as u64, script.jobs + returned + 1, "{times:?}");
    let seen = cluster.seen(work);
    let mut ids: Vec<u64> = seen.iter().map(|outcome| outcome.job.0).collect();
    if !script.ordered {
        ids.sort_unstable();
    }
    assert_eq!(ids, (1..=script.jobs).collect::<Vec<_>>(), "one outcome each");
    for outcome in seen {
        let bytes = payload(script, outcome.job.0);
        let job = Job { no: WORK, id: outcome.job, attempt: Attempt::FIRST, bytes, left: None };
        let (results, failure) = match outcome.job.0 % 5 {
            1 => (vec![], Some("no".to_owned())),
            2 => (vec![], None),
            _ => (vec![b"first".to_vec(), answer(script, &job)], None),
        };
        assert!(outcome.results == results && outcome.failure == failure, "job {}", outcome.job);
    }
    assert_eq!(cluster.seen(late).len(), 1);
    assert_eq!(cluster.server.stats(work).refused_answers, 0, "nobody honest is refused");
    assert_eq!(cluster.values.len(), times.len(), "every value unasked, once");
    let mut sent: Vec<_> = cluster.values.clone();
    sent.sort();
    sent.dedup();
    assert_eq!(sent.len() as u64, script.jobs + 1, "returned jobs said it twice");
    let (code, reason) = &node.refused[&OTHER];
    assert_eq!(*code, Code::Types);
    assert!(reason.contains("u64"), "{reason}");
    assert_eq!(node.refused.len(), 1);
    let mut refused = cluster.refused.iter().filter(|(_, code, _)| *code != Code::Damaged);
    let (name, code, reason) = refused.next().unwrap();
    assert_eq!((name.as_deref(), *code), (Some("other"), Code::Types));
    assert!(reason.contains("u64"), "{reason}");
    assert_eq!(refused.next(), None);
}

fn check_end(cluster: &Cluster, index: usize) {
    let node = &cluster.nodes[index];
    let (code, reason) = node.closed.clone().expect("closed");
    // Cut between the two goodbyes, nobody can tell the worker that everything was taken.
    let is_unsure = reason == "the session was lost before everything that was sent had arrived";
    assert!(code == Code::Normal || is_unsure, "{code:?} {reason}");
    assert!(cluster.gone.iter().any(|reason| reason == "the worker has closed the connection"));
    assert_eq!(cluster.server.workers().iter().filter(|worker| worker.channels > 0).count(), 0);
}
