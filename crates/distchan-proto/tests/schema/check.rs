//! What the tables are written with.

use distchan_proto::schema::{Parties, Schema, first_difference, first_difference_between};
use serde::de::DeserializeOwned;

/// What a `case!` may use in its types.
pub(crate) mod prelude {
    pub(crate) use serde::Deserialize;
}

/// The verdict on two types that read each other's values.
pub(crate) const SAME: &str = "";

/// Which formats a row holds for.
#[derive(Clone, Copy)]
pub(crate) enum Format {
    Binary,
    Text,
}

/// Checks the verdict on a pair, in both kinds of format.
#[track_caller]
pub(crate) fn check<S: DeserializeOwned, W: DeserializeOwned>(verdict: &str) {
    check_in::<S, W>(Format::Binary, verdict);
    check_in::<S, W>(Format::Text, verdict);
}

/// Checks the verdict on a pair in one kind of format.
#[track_caller]
pub(crate) fn check_in<S: DeserializeOwned, W: DeserializeOwned>(format: Format, verdict: &str) {
    check_traces(Schema::of::<S>, Schema::of::<W>, format, verdict);
}

/// Checks the verdict on two traced types, with all that must follow from it.
#[track_caller]
pub(crate) fn check_traces(
    server: fn(bool) -> Schema,
    worker: fn(bool) -> Schema,
    format: Format,
    verdict: &str,
) {
    let readable = matches!(format, Format::Text);
    let again = server(readable);
    let (server, worker) = (server(readable), worker(readable));
    let difference = first_difference("job", &server, &worker);
    assert_eq!(difference.as_deref().unwrap_or(SAME), verdict, "\nserver {server:#?}\nworker {worker:#?}");
    let same = verdict == SAME;
    assert_eq!(
        server.fingerprint() == worker.fingerprint(),
        same,
        "the fingerprints disagree with the words"
    );
    assert_eq!(first_difference("job", &worker, &server).is_none(), same, "the verdict depends on the side");
    assert_eq!(again, server, "a second trace gives the same");

    let sent = Schema::decode(&server.encode()).unwrap();
    assert_eq!(sent, server, "the wire changed the schema");
    assert_eq!(sent.fingerprint(), server.fingerprint());
    assert_eq!(Schema::decode(&worker.encode()).as_ref(), Ok(&worker));

    let here = first_difference_between(Parties::AT_SERVER, "job", &server, &worker);
    let turned = verdict.replace("the server", "this server").replace("this worker", "the worker");
    assert_eq!(here.as_deref().unwrap_or(SAME), turned);
}

/// Checks a pair of types, both called `Job`, that are written out in two blocks.
macro_rules! case {
    ({ $($server:item)* } { $($worker:item)* } $verdict:expr) => {{
        mod server {
            use crate::check::prelude::*;
            $($server)*
            pub(super) fn trace(readable: bool) -> distchan_proto::schema::Schema {
                fn of<T: for<'de> Deserialize<'de>>(readable: bool) -> distchan_proto::schema::Schema {
                    distchan_proto::schema::Schema::of::<T>(readable)
                }
                of::<Job>(readable)
            }
        }
        mod worker {
            use crate::check::prelude::*;
            $($worker)*
            pub(super) fn trace(readable: bool) -> distchan_proto::schema::Schema {
                fn of<T: for<'de> Deserialize<'de>>(readable: bool) -> distchan_proto::schema::Schema {
                    distchan_proto::schema::Schema::of::<T>(readable)
                }
                of::<Job>(readable)
            }
        }
        use crate::check::{Format, check_traces};
        check_traces(server::trace, worker::trace, Format::Binary, $verdict);
        check_traces(server::trace, worker::trace, Format::Text, $verdict);
    }};
}
pub(crate) use case;
