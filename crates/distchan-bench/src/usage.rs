//! What the operating system says that a process used. It must not guess: what it does not say is none.

use std::fs;
use std::time::Duration;

/// User and system time of this process so far, all threads, also those that ended. Steps of 10 ms: a run should last a second.
pub(crate) fn cpu_time() -> Option<Duration> {
    parse_cpu_time(&fs::read_to_string("/proc/self/stat").ok()?)
}

/// The same of another process.
pub(crate) fn cpu_time_of(process: u32) -> Option<Duration> {
    parse_cpu_time(&fs::read_to_string(format!("/proc/{process}/stat")).ok()?)
}

fn parse_cpu_time(stat: &str) -> Option<Duration> {
    // The second field is the program's name, which may hold spaces and brackets: count from its end.
    let (_, fields) = stat.rsplit_once(')')?;
    let mut fields = fields.split_ascii_whitespace().skip(11);
    let user: u64 = fields.next()?.parse().ok()?;
    let system: u64 = fields.next()?.parse().ok()?;
    // Linux shows ticks of 1/100 s to programs on every architecture that Rust's tier 1 and 2 know.
    Some(Duration::from_millis((user + system) * 10))
}

/// The most memory that this process had resident, in KiB.
pub(crate) fn peak_memory_kb() -> Option<u64> {
    parse_kb("VmHWM:", &fs::read_to_string("/proc/self/status").ok()?)
}

/// The same of another process.
pub(crate) fn peak_memory_kb_of(process: u32) -> Option<u64> {
    parse_kb("VmHWM:", &fs::read_to_string(format!("/proc/{process}/status")).ok()?)
}

/// The memory that this process has resident now, in KiB.
pub(crate) fn resident_memory_kb() -> Option<u64> {
    parse_kb("VmRSS:", &fs::read_to_string("/proc/self/status").ok()?)
}

fn parse_kb(field: &str, status: &str) -> Option<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix(field))?;
    line.split_ascii_whitespace().next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::parse_cpu_time;

    #[test]
    fn cpu_time_is_read_behind_a_name_with_brackets() {
        let stat = "7 (a) b (c) S 1 7 7 0 -1 4194304 90 0 0 0 12 34 5 6 20 0 1 0 300 1000 50";
        assert_eq!(parse_cpu_time(stat), Some(Duration::from_millis(460)));
        assert_eq!(parse_cpu_time("nonsense"), None);
    }
}
