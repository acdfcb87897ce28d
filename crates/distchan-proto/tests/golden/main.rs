//! Holds `PROTOCOL.md` and the machines together: each golden block is what a machine writes at its place in a session, and what
//! the other takes; each number in its tables is the one in the code. A block that no script looks at is an error too.

mod document;
mod pair;
mod proofs;
mod scripts;
mod sessions;

use distchan_proto::limits;

use crate::document::{Document, table};
use crate::pair::{Check, code_name};

const SCRIPTS: [fn(&Document) -> Check; 15] = [
    scripts::session,
    scripts::large,
    scripts::policies,
    scripts::recall,
    scripts::sealed,
    scripts::compressed,
    scripts::refused,
    scripts::up,
    scripts::later,
    scripts::schema,
    sessions::heartbeats,
    sessions::reconnect,
    sessions::restart,
    sessions::plain,
    proofs::ticket,
];

#[test]
fn every_block_is_what_the_machines_say() {
    let document = Document::read();
    for script in SCRIPTS {
        if let Err(difference) = script(&document) {
            panic!("{difference}");
        }
    }
    let unused: Vec<_> =
        document.names().into_iter().filter(|(name, _)| !document.used().contains(name)).collect();
    assert!(unused.is_empty(), "no script looks at {unused:?}");
}

#[test]
fn no_byte_of_any_block_can_change_unnoticed() {
    for script in SCRIPTS {
        let document = Document::read();
        let _ = script(&document);
        let used = document.used();
        for (name, length) in document.names().into_iter().filter(|(name, _)| used.contains(name)) {
            for byte in 0..length {
                let changed = document.with_flipped_bit(name, byte);
                assert!(script(&changed).is_err(), "byte {byte} of {name} has changed, and nobody noticed");
            }
        }
    }
}

#[test]
fn the_table_of_codes_is_complete() {
    for (number, name) in table("### Codes") {
        assert_eq!(code_name(number.parse().unwrap()), name, "code {number}");
    }
    let last = table("### Codes")
        .iter()
        .map(|(number, _)| number.parse::<u64>().unwrap())
        .filter(|n| *n < 0xffff)
        .max();
    assert_eq!(code_name(last.unwrap() + 1), "Other", "a code is not in the table");
}

#[test]
fn the_table_of_limits_has_the_numbers_of_the_code() {
    let seconds = |duration: std::time::Duration| duration.as_secs();
    let millis = |duration: std::time::Duration| u64::try_from(duration.as_millis()).unwrap();
    let limits = [
        ("MAX_FRAME_BODY", limits::MAX_FRAME_BODY as u64),
        ("MAX_HANDSHAKE_BODY", limits::MAX_HANDSHAKE_BODY as u64),
        ("HANDSHAKE_BUDGET", seconds(limits::HANDSHAKE_BUDGET)),
        ("MAX_TLS_HANDSHAKE", limits::MAX_TLS_HANDSHAKE as u64),
        ("MAX_HANDSHAKES", limits::MAX_HANDSHAKES as u64),
        ("MAX_HANDSHAKES_PER_ADDRESS", limits::MAX_HANDSHAKES_PER_ADDRESS as u64),
        ("MAX_AUTH_FAILURES", limits::MAX_AUTH_FAILURES.into()),
        ("HEARTBEAT", seconds(limits::HEARTBEAT)),
        ("SHORTEST_HEARTBEAT", millis(limits::SHORTEST_HEARTBEAT)),
        ("LONGEST_HEARTBEAT", seconds(limits::LONGEST_HEARTBEAT)),
        ("LOST_AFTER", seconds(limits::LOST_AFTER)),
        ("GRACE", seconds(limits::GRACE)),
        ("MAX_UNACKNOWLEDGED", limits::MAX_UNACKNOWLEDGED as u64),
        ("ACKNOWLEDGE_EVERY", limits::ACKNOWLEDGE_EVERY as u64),
        ("DEFAULT_MAX_VALUE", limits::DEFAULT_MAX_VALUE as u64),
        ("LARGEST_MAX_VALUE", limits::LARGEST_MAX_VALUE as u64),
        ("SMALLEST_COMPRESSED", limits::SMALLEST_COMPRESSED as u64),
        ("MAX_JOBS_IN_HAND", limits::MAX_JOBS_IN_HAND.into()),
        ("MAX_BYTES_IN_HAND", limits::MAX_BYTES_IN_HAND),
        ("ANSWER_WINDOW", limits::ANSWER_WINDOW),
        ("SMALLEST_ANSWER_WINDOW", limits::SMALLEST_ANSWER_WINDOW),
        ("ENTRY_COST", limits::ENTRY_COST),
        ("MAX_UNREAD_RESULTS", limits::MAX_UNREAD_RESULTS),
        ("MAX_RESULTS_PER_JOB", limits::MAX_RESULTS_PER_JOB),
        ("ORDER_WINDOW", limits::ORDER_WINDOW),
        ("MAX_RUN", limits::MAX_RUN),
        ("MAX_RUNS", limits::MAX_RUNS as u64),
        ("MAX_HISTORY", limits::MAX_HISTORY as u64),
        ("MAX_OLD_REASON", limits::MAX_OLD_REASON as u64),
        ("MAX_BACKING_OFF", limits::MAX_BACKING_OFF),
        ("MAX_BACKING_OFF_BYTES", limits::MAX_BACKING_OFF_BYTES),
        ("MAX_CHANNELS_PER_CONNECTION", limits::MAX_CHANNELS_PER_CONNECTION as u64),
        ("MAX_NAME", limits::MAX_NAME as u64),
        ("MAX_REASON", limits::MAX_REASON as u64),
        ("MAX_FAREWELL", limits::MAX_FAREWELL as u64),
        ("MAX_SCHEMA", limits::MAX_SCHEMA as u64),
        ("MAX_CONTROL_BACKLOG", limits::MAX_CONTROL_BACKLOG as u64),
        ("MAX_WAITING_OPENS", limits::MAX_WAITING_OPENS as u64),
        ("MAX_OPEN_WAIT", seconds(limits::MAX_OPEN_WAIT)),
    ];
    let written = table("## Limits");
    for (name, value) in limits {
        let row = written
            .iter()
            .find(|(row, _)| row == name)
            .unwrap_or_else(|| panic!("{name} is not in the table"));
        let number: String = row.1.chars().filter(|c| c.is_ascii_digit()).collect();
        assert_eq!(number, value.to_string(), "{name}");
    }
    assert_eq!(written.len(), limits.len(), "the table has a limit that is not checked");
}

#[test]
fn the_table_of_rates_has_the_numbers_of_the_code() {
    let rates = [
        ("REQUESTS", limits::REQUESTS),
        ("PINGS", limits::PINGS),
        ("BEGUN", limits::BEGUN),
        ("GIVEN_BACK", limits::GIVEN_BACK),
        ("RESUMED", limits::RESUMED),
    ];
    let written: Vec<_> =
        table("### How often").into_iter().map(|(name, number)| (name, number.replace(',', ""))).collect();
    let coded: Vec<_> =
        rates.iter().map(|(name, rate)| ((*name).to_owned(), rate.at_once.to_string())).collect();
    assert_eq!(written, coded);
}

#[test]
fn the_checksum_has_the_check_value_of_its_name() {
    assert_eq!(crc32fast::hash(b"123456789"), 0xcbf4_3926);
}
