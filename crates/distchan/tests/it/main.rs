//! The library through its public API, as its documentation describes it.

#![expect(clippy::unwrap_used, reason = "an error fails the test that meets it, also in what tests share")]

mod helpers;

mod announcing;
mod backpressure;
mod bad_values;
mod balance;
mod calls;
mod cancel_calls;
mod cancel_lifecycle;
mod cancel_receiving;
mod cancel_sending;
mod cancelling;
mod channels;
mod closing;
mod codecs;
#[cfg(all(feature = "lz4", feature = "zstd"))]
mod compressing;
mod draining;
mod errors;
mod failures;
mod go_suite;
mod handles;
mod in_hand;
mod job_handles;
mod lifecycle;
mod looking;
mod maps;
mod place;
mod policies;
mod receiving;
mod refusals;
#[cfg(feature = "tls")]
mod security;
mod sending;
mod serving;
mod serving_panics;
mod shutdown;
mod sizes;
mod smoke;
mod strangers;
mod zero_copy;
