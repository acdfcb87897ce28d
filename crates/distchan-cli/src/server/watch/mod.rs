//! Tells those who watch how the run stands: over channels of the library (`answers`), and over HTTP (`http`, on request). It reads and counts, and
//! changes nothing.

mod answers;
mod explain;
mod http;
mod lookout;
mod metrics;
mod pace;

pub(super) use answers::answer;
pub(super) use http::Http;
pub(super) use lookout::Lookout;
