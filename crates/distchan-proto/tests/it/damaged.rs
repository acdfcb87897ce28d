//! Bytes that change on their way end a connection, and nothing else: the session goes on over the next one.

use distchan_proto::error::Code;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use crate::channels::shifted;
use crate::conversation::{Script, play};
use crate::harness::{Cluster, NO};
use crate::links::{FOREIGN, INDIRECT};

#[test]
fn a_damaged_frame_anywhere_in_a_conversation_costs_a_connection_and_nothing_else() {
    for at in 0..150 {
        let played = play(&Script { damage: vec![at], ..Script::small(at as u64) }, &[]);
        assert!(played.resumed <= 1);
    }
    let mut most = 0;
    for seed in 0..200 {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let damage = (0..rng.random_range(1..15)).map(|_| rng.random_range(0..20)).collect();
        most = most.max(play(&Script { damage, ..Script::small(seed) }, &[]).resumed);
    }
    assert!(most > 3, "{most}");
}

#[test]
fn a_large_value_that_is_damaged_on_its_way_arrives_whole_all_the_same() {
    for seed in 0..24 {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let damage = (0..rng.random_range(1..10)).map(|_| rng.random_range(0..30)).collect();
        let fuses: Vec<usize> = (0..rng.random_range(0..4)).map(|_| rng.random_range(0..250_000)).collect();
        let work = shifted("work", 3);
        let script = Script { large: 150_000, chunk: 30_000, damage, work, ..Script::small(seed) };
        play(&script, &fuses);
    }
}

#[test]
fn both_sides_say_what_is_wrong_with_the_connection() {
    for is_up in [true, false] {
        let mut cluster = Cluster::new(1);
        let channel = cluster.channel("work");
        let index = cluster.join_over(INDIRECT);
        cluster.send(channel, b"a");
        if is_up {
            cluster.settle();
            cluster.nodes[index].echo();
        }
        cluster.nodes[index].damage = [0].into();
        cluster.settle();
        let text = "a frame's checksum does not match: bytes changed on the way";
        assert_eq!(cluster.away, [text]);
        assert_eq!(cluster.nodes[index].disconnected.len(), 1);
        assert_eq!((cluster.nodes[index].closed.as_ref(), cluster.gone.len()), (None, 0));
        cluster.come_back(index);
        cluster.work();
        assert_eq!(cluster.seen(channel).len(), 1);
        assert_eq!(cluster.nodes[index].delivered.len(), 1);
        assert_eq!(cluster.nodes[index].was_reset, []);
    }
}

#[test]
fn a_worker_that_cannot_come_back_is_told_and_its_session_ends() {
    let mut cluster = Cluster::new(1);
    let channel = cluster.channel("work");
    let index = cluster.join_over(FOREIGN);
    cluster.send(channel, b"a");
    cluster.settle();
    cluster.nodes[index].echo();
    cluster.nodes[index].damage = [0].into();
    cluster.settle();
    assert_eq!(cluster.gone.len(), 1);
    assert_eq!(cluster.refused[0].1, Code::Damaged);
    cluster.come_back(index);
    cluster.settle();
    assert_eq!(cluster.nodes[index].was_reset, [NO], "it is another session");
    cluster.work();
    assert_eq!(cluster.seen(channel).len(), 1);
    assert_eq!(cluster.nodes[index].delivered.len(), 2);
}
