//! The library's driver under fault: workers behind a proxy that stalls, cuts, trickles, delays, and flips bits.
//!
//! Times are short here, so that a loss is found in half a second; every wait ends with the event it waits for.

#![expect(clippy::unwrap_used, reason = "a test that fails panics")]
#![expect(clippy::print_stdout, reason = "figures")]

mod bytes;
mod cut;
#[path = "../it/place.rs"]
mod place;
mod proxied;
mod proxy;
mod silence;
mod site;
mod ten_thousand;
#[cfg(feature = "tls")]
mod tls;
