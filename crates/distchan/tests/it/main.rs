//! The library through its public API, as its documentation describes it.

#![expect(clippy::unwrap_used, reason = "an error fails the test that meets it, also in what tests share")]

mod helpers;

mod backpressure;
mod bad_values;
mod calls;
mod cancel_calls;
mod cancel_lifecycle;
mod cancel_receiving;
mod cancel_sending;
mod channels;
mod closing;
mod codecs;
mod draining;
mod errors;
mod go_suite;
mod handles;
mod in_hand;
mod lifecycle;
mod looking;
mod maps;
mod receiving;
mod refusals;
mod sending;
mod serving;
mod serving_panics;
mod shutdown;
mod sizes;
mod smoke;
mod strangers;
