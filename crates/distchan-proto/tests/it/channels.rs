//! How a worker comes to a channel: what must agree, what is said where it does not, and who waits how long.

use std::sync::Arc;
use std::time::Duration;

use distchan_proto::Direction;
use distchan_proto::error::Code;
use distchan_proto::ids::ChannelNo;
use distchan_proto::schema::Schema;
use distchan_proto::spec::ChannelSpec;
use distchan_proto::transform::{SharedTransform, Transform};
use distchan_proto::worker::OpenOptions;

use crate::harness::{Cluster, NO, spec};

/// Adds a key to every byte: not a good cipher.
#[derive(Debug)]
pub(crate) struct Shift(pub(crate) u8);

impl Transform for Shift {
    fn encode(&self, plain: &[u8], out: &mut Vec<u8>) {
        out.extend(plain.iter().map(|byte| byte.wrapping_add(self.0)));
    }

    fn decode(&self, coded: &[u8], limit: usize, out: &mut Vec<u8>) -> Result<(), String> {
        if coded.len() > limit {
            return Err("too long".to_owned());
        }
        out.extend(coded.iter().map(|byte| byte.wrapping_sub(self.0)));
        Ok(())
    }
}

pub(crate) fn shifted(name: &str, key: u8) -> ChannelSpec {
    ChannelSpec { transform: Some(SharedTransform(Arc::new(Shift(key)))), ..spec(name) }
}

/// Opens `server` on one side and `worker` on the other, and returns what each side is told, under many schedules.
fn refusal(server: &ChannelSpec, worker: &ChannelSpec) -> (Code, String, Vec<String>) {
    let mut told = Vec::new();
    for seed in 0..20 {
        let mut cluster = Cluster::new(seed);
        cluster.channel_with(server.clone(), Default::default());
        let index = cluster.connect();
        let no = cluster.nodes[index].machine.open(worker.clone(), OpenOptions::default()).unwrap();
        cluster.settle();
        let (code, reason) = cluster.nodes[index].refused.remove(&no).expect("refused");
        assert!(cluster.nodes[index].opened.is_empty());
        assert_eq!(cluster.nodes[index].closed, None, "the connection goes on");
        let at_server: Vec<String> = cluster.refused.drain(..).map(|(_, _, reason)| reason).collect();
        told.push((code, reason, at_server));
        assert_eq!(cluster.server.workers()[0].channels, 0);
    }
    assert!(told.iter().all(|one| *one == told[0]), "whatever the schedule: {told:?}");
    told.remove(0)
}

#[test]
fn other_directions_codecs_and_transforms_are_refused_in_words_that_name_both_sides() {
    let check = |server: &ChannelSpec, worker: &ChannelSpec, code, text: &str| {
        let (got, reason, at_server) = refusal(server, worker);
        assert_eq!((got, reason.as_str()), (code, text));
        assert_eq!(at_server, [text], "the server's log says the same");
    };
    let down = ChannelSpec { direction: Direction::Down, ..spec("work") };
    let up = ChannelSpec { direction: Direction::Up, ..spec("work") };
    let json = ChannelSpec { codec: "json".into(), ..spec("work") };
    check(
        &spec("work"),
        &down,
        Code::Direction,
        "on the server the channel \"work\" carries jobs and results, on this worker it carries values from the server only",
    );
    check(
        &up,
        &spec("work"),
        Code::Direction,
        "on the server the channel \"work\" carries values from the workers only, on this worker it carries jobs and results",
    );
    check(
        &spec("work"),
        &json,
        Code::Codec,
        "the server encodes the channel \"work\" with plain, this worker with json",
    );
    let smaller = ChannelSpec { max_value: 1000, ..spec("work") };
    let sizes =
        "the server sends values of up to 16777216 bytes, this worker accepts 1000: raise its `max_value`";
    check(&spec("work"), &smaller, Code::Limit, sizes);
    let keys =
        "the server cannot undo the transform of this worker: both need the same transform with the same key";
    check(&shifted("work", 1), &shifted("work", 2), Code::Transform, keys);
    let missing = "the server transforms this channel's bytes, this worker does not";
    check(&shifted("work", 1), &spec("work"), Code::Transform, missing);
    let extra = "this worker transforms this channel's bytes, the server does not";
    check(&spec("work"), &shifted("work", 1), Code::Transform, extra);
}

#[test]
fn other_types_are_refused_with_the_first_difference_on_both_sides() {
    let worker = ChannelSpec { result: Schema::of::<u64>(false), ..spec("work") };
    let (code, reason, at_server) = refusal(&spec("work"), &worker);
    assert_eq!(code, Code::Types);
    assert!(reason.starts_with("result: the server has "), "{reason}");
    assert_eq!(at_server.len(), 1);
    assert!(at_server[0].starts_with("result: "), "{at_server:?}");
}

#[test]
fn an_unknown_channel_is_refused_after_the_wait_with_the_names_that_exist() {
    for seed in 0..20 {
        let mut cluster = Cluster::new(seed);
        cluster.channel("resize");
        cluster.channel("capitalize");
        let index = cluster.connect();
        let options = OpenOptions { wait: Duration::from_secs(10), ..OpenOptions::default() };
        cluster.nodes[index].machine.open(spec("capitalise"), options).unwrap();
        cluster.settle();
        cluster.advance(Duration::from_millis(9999));
        assert!(cluster.nodes[index].refused.is_empty());
        cluster.advance(Duration::from_millis(1));
        let (code, reason) = cluster.nodes[index].refused[&NO].clone();
        let text = "the server has no channel \"capitalise\" after 10s; it has: \"capitalize\", \"resize\"";
        assert_eq!((code, reason.as_str()), (Code::UnknownChannel, text));
        assert_eq!(cluster.refused, [(Some("capitalise".into()), Code::UnknownChannel, text.into())]);
    }
}

#[test]
fn without_a_wait_it_is_refused_at_once() {
    let mut cluster = Cluster::new(1);
    let index = cluster.connect();
    let options = OpenOptions { wait: Duration::ZERO, ..OpenOptions::default() };
    cluster.nodes[index].machine.open(spec("work"), options).unwrap();
    cluster.settle();
    assert_eq!(cluster.nodes[index].refused[&NO].0, Code::UnknownChannel);
    assert!(cluster.nodes[index].refused[&NO].1.ends_with("it has: none"));
}

#[test]
fn who_comes_before_the_channel_is_let_in_when_it_opens() {
    for seed in 0..20 {
        let mut cluster = Cluster::new(seed);
        for _ in 0..3 {
            let index = cluster.connect();
            cluster.nodes[index].machine.open(spec("work"), OpenOptions::default()).unwrap();
        }
        cluster.advance(Duration::from_secs(5));
        let channel = cluster.channel("work");
        cluster.send(channel, b"a");
        cluster.work();
        assert!(cluster.nodes.iter().all(|node| node.opened.contains_key(&NO)));
        assert_eq!(cluster.seen(channel)[0].results, [b"a!"]);
        cluster.advance(Duration::from_secs(10));
        assert!(cluster.nodes.iter().all(|node| node.refused.is_empty()), "no timer is left behind");
    }
}

#[test]
fn a_channel_is_opened_once_on_a_connection_until_it_was_left() {
    for (seed, early) in [(0, false), (1, true), (2, false), (3, true)] {
        let mut cluster = Cluster::new(seed);
        if !early {
            cluster.channel("work");
        }
        let index = cluster.connect();
        let open = |cluster: &mut Cluster| {
            cluster.nodes[index].machine.open(spec("work"), OpenOptions::default()).unwrap()
        };
        let first = open(&mut cluster);
        let second = open(&mut cluster);
        cluster.settle();
        if early {
            cluster.channel("work");
            cluster.settle();
        }
        assert_eq!((first, second), (ChannelNo(1), ChannelNo(2)));
        assert!(cluster.nodes[index].opened.contains_key(&first));
        let text = "this connection has opened the channel \"work\" already";
        let (code, reason) = cluster.nodes[index].refused[&second].clone();
        assert_eq!((code, reason.as_str()), (Code::AlreadyOpen, text));
        cluster.nodes[index].machine.leave(first);
        let third = open(&mut cluster);
        cluster.settle();
        assert!(cluster.nodes[index].opened.contains_key(&third), "numbers are not used twice, names are");
    }
}

#[test]
fn who_leaves_before_the_answer_is_not_given_jobs() {
    for seed in 0..40 {
        let mut cluster = Cluster::new(seed);
        let channel = cluster.channel("work");
        let index = cluster.connect();
        let no = cluster.nodes[index].machine.open(spec("work"), OpenOptions::default()).unwrap();
        cluster.send(channel, b"a");
        cluster.steps(usize::try_from(seed).unwrap());
        cluster.nodes[index].machine.leave(no);
        cluster.settle();
        assert_eq!(cluster.server.stats(channel).workers, 0);
        cluster.join(1, "work");
        cluster.nodes[index].inbox.clear();
        cluster.work();
        assert_eq!(cluster.seen(channel).len(), 1);
    }
}
