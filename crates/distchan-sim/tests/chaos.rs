//! The command `chaos`, for a few seconds: it keeps its books, and says so in its last line.

use std::process::Command;

#[cfg(unix)]
#[test]
fn a_few_seconds_of_chaos_lose_nothing() {
    let run = Command::new(env!("CARGO_BIN_EXE_chaos")).args(["--seconds", "6", "--seed", "1"]).output();
    let run = run.expect("the command starts");
    let said = String::from_utf8_lossy(&run.stdout);
    println!("{said}{}", String::from_utf8_lossy(&run.stderr));
    let last = said.lines().last().unwrap_or_default();
    assert!(run.status.success(), "{last}");
    assert!(last.starts_with("attempted ") && last.ends_with(" lost 0 duplicated 0 unexpected 0"), "{last}");
    let attempted = last.split(' ').nth(1).and_then(|number| number.parse::<u64>().ok());
    assert!(attempted.is_some_and(|attempted| attempted > 100), "{last}");
}
