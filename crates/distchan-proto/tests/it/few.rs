//! What a worker names and asks for has a bound too: names, opens that wait, and how long they do.

use std::time::Duration;

use distchan_proto::error::Code;
use distchan_proto::limits;
use distchan_proto::server::ServerConfig;
use distchan_proto::worker::OpenOptions;

use crate::harness::{Cluster, NO, config, spec};
use crate::stranger::Stranger;
use crate::wire;

#[test]
fn names_longer_than_any_that_is_written_end_the_connection() {
    let longest = "n".repeat(limits::MAX_NAME);
    let mut stranger = Stranger::new();
    stranger.say(&wire::preamble(1, 1));
    stranger.say(&wire::hello("app", &longest));
    assert_eq!(stranger.server.workers()[0].name, longest);
    stranger.say(&wire::open(1, &longest, 0));
    assert_eq!(stranger.refused, None, "there is no such channel, and no fault");
    stranger.say(&wire::open(2, &format!("{longest}n"), 0));
    assert_eq!(stranger.reason(), "malformed OPEN");
    let mut stranger = Stranger::new();
    stranger.say(&wire::preamble(1, 1));
    stranger.say(&wire::hello("app", &format!("{longest}n")));
    assert_eq!(stranger.reason(), "malformed HELLO");
}

#[test]
fn of_opens_that_wait_there_are_64_and_the_next_is_refused() {
    let mut cluster = Cluster::new(1);
    let index = cluster.connect();
    let wait = Duration::from_secs(60);
    for number in 0..=limits::MAX_WAITING_OPENS {
        let options = OpenOptions { wait, ..OpenOptions::default() };
        cluster.nodes[index].machine.open(spec(&number.to_string()), options).unwrap();
    }
    cluster.settle();
    let refused: Vec<_> = cluster.nodes[index].refused.values().cloned().collect();
    assert_eq!(refused, [(Code::Limit, "64 opens of this connection wait already".to_owned())]);
    cluster.channel("0");
    cluster.settle();
    assert!(cluster.nodes[index].opened.contains_key(&NO), "the others wait on");
}

#[test]
fn an_open_waits_for_a_day_at_most() {
    let seldom = ServerConfig { heartbeat: Duration::from_secs(3600), ..config(7) };
    let mut cluster = Cluster::with(1, ServerConfig { lost_after: Duration::from_secs(3 * 3600), ..seldom });
    let index = cluster.connect();
    let options = OpenOptions { wait: Duration::MAX, ..OpenOptions::default() };
    cluster.nodes[index].machine.open(spec("never"), options).unwrap();
    cluster.settle();
    cluster.advance(limits::MAX_OPEN_WAIT - Duration::from_secs(1));
    assert!(cluster.nodes[index].refused.is_empty());
    cluster.advance(Duration::from_secs(1));
    cluster.settle();
    let (code, _) = &cluster.nodes[index].refused[&NO];
    assert_eq!(*code, Code::UnknownChannel);
}
