//! Cheap things, done too often: the session ends with a code of its own, and whoever does them at the allowed rate is served.

use std::time::Duration;

use distchan_proto::error::Code;
use distchan_proto::limits::{self, Rate};

use crate::stranger::Stranger;
use crate::wire::{self, Second};

/// Says something so often as is allowed at once, and as each second allows; then once more.
fn check(what: &str, rate: Rate, each: u64, message: &[u8]) {
    let say = |stranger: &mut Stranger, times: u64| {
        for _ in 0..times.div_ceil(1000) {
            stranger.say_deaf(&message.repeat(1000.min(usize::try_from(times).unwrap())));
            stranger.hear();
        }
    };
    let (mut stranger, _) = Stranger::with_jobs(0);
    say(&mut stranger, rate.at_once / each / 2);
    for _ in 0..3 {
        stranger.now = stranger.now + Duration::from_secs(1);
        say(&mut stranger, rate.per_second / each / 2);
        assert_eq!(stranger.refused, None, "{what} at the allowed rate");
    }
    // What the last second allows has not all been used.
    say(&mut stranger, (rate.at_once + rate.per_second) / each + 1);
    let (code, reason) =
        stranger.refused.clone().unwrap_or_else(|| panic!("too many {what} are taken: {message:?}"));
    assert_eq!(code, Code::TooMuch);
    assert_eq!(reason, format!("the peer sent too many {what} in too short a time"));
}

#[test]
fn pings() {
    check("PINGs", limits::PINGS, 1, &wire::ping(1));
}

#[test]
fn requests_of_every_kind_that_nothing_else_bounds() {
    for message in [
        wire::frame(0x17, 0, 1, b""),
        wire::frame(0x80, 0, 9, b""),
        wire::frame(0xff, 1, 0, b"whatever"),
        wire::ack(0, 0),
        wire::deliveries(0x18, 1, 1, &[]),
    ] {
        check("requests", limits::REQUESTS, 1, &message);
    }
}

#[test]
fn jobs_that_are_said_to_be_begun() {
    let run = limits::MAX_RUN / 16;
    check("STARTED", limits::BEGUN, run, &wire::deliveries(0x18, 1, 1, &[(1, run - 1)]));
}

#[test]
fn jobs_that_are_given_back() {
    /// Not begun, where nobody had asked.
    const UNBEGUN: u64 = 7;
    let run = limits::MAX_RUN / 16;
    for kind in [wire::RETURNED, UNBEGUN] {
        let message = wire::batch(1, 1, &[(kind, 1, Second::Run(run - 1))]);
        check("jobs given back", limits::GIVEN_BACK, run, &message);
    }
}

#[test]
fn reconnects() {
    let (mut stranger, _) = Stranger::with_jobs(3);
    let back = wire::read_welcome(&stranger.frames()[0]);
    let mut come_back = || {
        stranger.connection = stranger.server.accept(stranger.now, "");
        stranger.say(&[wire::preamble(1, 1), wire::hello_again("a>b", &back)].concat());
        stranger.refused.clone()
    };
    for _ in 0..limits::RESUMED.at_once {
        assert_eq!(come_back(), None);
    }
    let (code, reason) = come_back().unwrap();
    assert_eq!(
        (code, reason.as_str()),
        (Code::TooMuch, "the peer sent too many reconnects in too short a time")
    );
    assert!(stranger.server.workers().is_empty(), "the session is over, and its jobs are with others");
}
