//! What a machine has to know of whatever carries a connection's bytes. It must never say how they are carried.

/// What carries a connection. A route alone, as text, is one of a carrier that guards no byte.
#[derive(Clone, Copy, Debug, Default)]
pub struct Carrier<'a> {
    /// What this side sees of its two ends, `worker>server`; empty where it sees nothing.
    pub route: &'a str,
    /// Whether it notices by itself that a byte was changed on the way, as TLS does. Then batches have no checksums of their own. Both sides
    /// must say the same.
    pub guards_bytes: bool,
}

impl<'a> From<&'a str> for Carrier<'a> {
    fn from(route: &'a str) -> Self {
        Self { route, guards_bytes: false }
    }
}

impl<'a> From<&'a String> for Carrier<'a> {
    fn from(route: &'a String) -> Self {
        Self::from(route.as_str())
    }
}
