//! The same invocations through GNU parallel and through `distchan run`: standard output and exit status. Where they differ, `docs/command.md` has the
//! reason.

use std::process::{Command, Stdio};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::program::finish;

const COMMAND: &str = include_str!("../../../../docs/command.md");

/// `P` is GNU parallel, or `distchan run`.
const SAME: [&str; 95] = [
    "P -k echo ::: a b c",
    "P -k echo ::: 'a b' \"it's\" 'c\"d' 'x;y' '$HOME' '`id`' '*' '' 'é'",
    "P --dry-run -k echo ::: 'a b' \"it's\" '' 'é' '~' 'a=b' '-n' 'a,b' 'a:b@c%d+e'",
    "P --dry-run -k 'echo {} | tr a b' ::: \"x'y\"",
    "seq 5 | P -k echo",
    "printf 'a\\n\\nb\\n' | P -k echo",
    "printf 'a\\n\\nb\\n' | P -k -r echo",
    "printf '' | P echo",
    "printf 'a b\\nc' | P -k echo",
    "printf 'x\\0y\\0' | P -0 -k echo",
    "printf 'a;b;c' | P -d ';' -k echo",
    "printf 'a,b;c,d;' | P -k -d ';' --colsep , echo {1}+{2}",
    "P -k -d, echo ::: a,b",
    "P -k echo {} ::: a b ::: 1 2",
    "P -k echo {2} {1} ::: a b ::: 1 2",
    "P -k echo ::: a b c :::+ 1 2",
    "P -k echo ::: a b c :::+ 1 2 3 ::: x y",
    "P --link -k echo ::: a b c ::: 1 2",
    "seq 2 | P -k echo {} ::: a :::: -",
    "seq 3 > f; P -k -a f echo",
    "seq 2 > f; seq 3 4 > g; P -k echo :::: f g",
    "seq 2 > f; seq 3 4 > g; P -k echo :::: f ::::+ g",
    "seq 2 > f; P -k -a f echo {} ::: x y",
    "P -k echo {.} {/} {//} {/.} {#} ::: a/b.c d.e.f /x/ x .y a.b/c",
    "P -k echo {1} {-1} {2.} {2/} ::: a.x ::: b/c.d",
    "P -k echo {1/.} {2//} ::: a/b.c ::: d/e.f",
    "P -j1 echo {%} ::: a b",
    "P -k echo {0} {x} ::: a",
    "P -k 'echo {} {2}' ::: a b",
    "P -k echo A {} B {} ::: 1",
    "P -k -I ,, echo ,, {} ::: a",
    "P -k echo {#} ::: a b",
    "P -k -N2 echo {2}-{1} ::: a b c",
    "P -k -n2 echo pre{}post ::: a b c",
    "P -k -n3 echo ::: 1 2 3 4 5 6 7",
    "P -k --max-args 2 echo ::: 1 2 3",
    "P -k -N0 echo hi ::: 1 2",
    "P -k --colsep , echo {2} {1} ::: a,b c,d",
    "P -k --colsep '\\t' echo {2} ::: $'a\\tb'",
    "P -k --colsep ' +' echo {2} ::: 'a   b'",
    "P -k --header : echo {x} {y} ::: x 1 2 ::: y 3",
    "printf 'h1,h2\\n1,2\\n' | P -k --colsep , --header : echo {h2} {h1}",
    "P -k --trim lr 'echo {}.' ::: '  a '",
    "P -k --trim l 'echo {}.' ::: '  a '",
    "P -k --tag echo ::: a b",
    "P -k --tag 'echo {}; echo x' ::: a b",
    "P -k --tag printf ::: abc def",
    "P -k --tagstring 'T{}' echo ::: a b",
    "P -k --tagstring '{#}' echo ::: a",
    "P -k -v echo ::: 'a b'",
    "P -k -v --tag echo ::: 1",
    "P -k -t echo ::: a",
    "P -k --line-buffer 'echo {}; echo b' ::: 1 2",
    "P -k --lb --tag 'printf \"x\\ny\"' ::: 1",
    "P -u echo ::: 1",
    "P --group echo ::: 1",
    "P -k 'echo {} | tr a-z A-Z' ::: a b",
    "P -k 'echo $(echo {}) && echo ok' ::: a 'b c'",
    "P -k echo ::: a --nosuch",
    "P -k 'echo \\{} | cat' ::: a b",
    "P -k 'echo \"\\{}\" | cat' ::: a",
    "printf 'h\\n1\\n2\\n3\\n' | P --pipe -k -N2 --header : 'cat; echo -'",
    "printf 'h\\n' | P --pipe --header : 'cat; echo -'",
    "printf 'h\\n1\\n2\\n3' | P --pipe -k --block 3 --header : 'cat; echo -' 2>/dev/null",
    "P -k -P2 echo ::: a b",
    "P --will-cite -k --max-procs 2 echo ::: a b",
    "P -k 'cat <<EOT\n<{}>\nEOT' ::: ab c",
    "P -k 'cat <<< {} | tr a-z A-Z' ::: 'a b'",
    "P -k 'echo $((2 * {} + 1))' ::: 3 -4",
    "P -k 'X={}; echo ${X%.txt}' ::: a.txt 'b c.txt'",
    "P -k 'cd / && pwd; echo {}' ::: a",
    "f() { echo f:$1; }; export -f f; P -k f ::: a 'b c'",
    "P -k ::: 'echo hi' 'echo a | tr a b'",
    "P ::: 'exit 3' true",
    "P -q -k echo 'a  b' ::: 'c  d'",
    "P -k echo 'a  b' ::: 'c  d'",
    "P 'exit {}' ::: 0 1 2",
    "P true ::: 1 2; P false ::: 1 2",
    "P nosuchprogram ::: a b",
    "P 'kill -9 $$; true' ::: 1",
    "seq 150 | P -j4 'test 0 = {}'",
    "P -j1 --halt now,fail=1 'exit {}' ::: 0 3 4",
    "P -j1 --halt soon,fail=1 'echo {}; exit {}' ::: 0 3 0 4",
    "P -j1 --halt now,success=1 'exit {}' ::: 3 0 4",
    "P -j1 --halt now,done=2 'echo {}; exit {}' ::: 3 0 4",
    "P -j1 --halt 2 'exit {}' ::: 0 5 6",
    "P -j1 --timeout 1 'sleep {}; echo {}' ::: 0 9",
    "P --retries 3 'echo x >> t; exit 2 # ' ::: 1; wc -l < t",
    "seq 10 | P -k --pipe -N3 wc -l",
    "seq 10 | P -k --pipe --block 5 wc -l",
    "printf 'a;b;c' | P -k --pipe --recend ';' -N1 'cat; echo'",
    "printf '>a\\nb\\n>c\\n' | P -k --pipe --recstart '>' -N1 'cat; echo -'",
    "P --joblog l -j1 'exit {}' ::: 0 3; cut -f 1,2,5-9 l; P --resume-failed --joblog l -j1 'exit {}' ::: 0 3; cut -f 7 l",
    "P --results R 'echo {1}-{2}; echo e >&2' ::: a/b ::: 'c d'; cat R/*/*/*/*/std* R/*/*/*/*/seq",
    "P --workdir /tmp pwd ::: 1; X=7 P --env X 'echo $X' ::: 1",
];

/// Where they differ. The reason for each stands in `docs/command.md`, behind the same text.
const DIFFERENT: [&str; 7] = [
    "P -k \"echo '{}'\" ::: 'a  b' ';'",
    "P -k 'echo \"{}\"' ::: 'a b'",
    "P -j1 --timeout 1 --halt now,fail=1 sleep ::: 9",
    "P -k --pipe cat ::: x",
    "P -k 'for i in 1 2; do echo $i{}; done' ::: a b",
    "P --halt later true ::: 1",
    "P -k 'echo \"$0\" {}' ::: a",
];

fn outcome(tool: &str, case: &str) -> (Vec<u8>, i32) {
    let directory = tempfile::tempdir().unwrap();
    let home = directory.path().join("home");
    // Silences a request to cite.
    std::fs::create_dir_all(home.join(".parallel")).unwrap();
    std::fs::write(home.join(".parallel/will-cite"), "").unwrap();
    let work = directory.path().join("work");
    std::fs::create_dir(&work).unwrap();
    let script = format!("P() {{ {tool} \"$@\"; }}\n{case}");
    let mut command = Command::new("bash");
    command
        .args(["-c", &script])
        .current_dir(&work)
        .env("HOME", &home)
        .env("SHELL", "/bin/bash")
        .env("LC_ALL", "C.UTF-8");
    command.env("D", env!("CARGO_BIN_EXE_distchan")).stdout(Stdio::piped()).stderr(Stdio::piped());
    let ended = finish(command, b"");
    (ended.stdout, ended.code)
}

#[test]
fn gnu_parallel_does_the_same() {
    let version = Command::new("parallel").arg("--version").output();
    if !version.is_ok_and(|output| String::from_utf8_lossy(&output.stdout).starts_with("GNU parallel")) {
        println!("SKIP: there is no GNU parallel here (Debian: apt-get install parallel)");
        return;
    }
    let (next, wrong) = (AtomicUsize::new(0), Mutex::new(Vec::new()));
    let all: Vec<(&str, bool)> =
        SAME.iter().map(|case| (*case, true)).chain(DIFFERENT.iter().map(|case| (*case, false))).collect();
    let work = || {
        while let Some((case, is_same)) = all.get(next.fetch_add(1, Ordering::Relaxed)) {
            let (theirs, ours) = (outcome("parallel", case), outcome("\"$D\" run", case));
            if (theirs == ours) != *is_same {
                let text =
                    |(out, code): (Vec<u8>, i32)| format!("{:?} => {code}", String::from_utf8_lossy(&out));
                wrong.lock().unwrap().push(format!(
                    "{case}\n  parallel: {}\n  distchan: {}",
                    text(theirs),
                    text(ours)
                ));
            }
        }
    };
    std::thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(work);
        }
    });
    let wrong = wrong.into_inner().unwrap();
    assert!(wrong.is_empty(), "{} of {}:\n{}", wrong.len(), all.len(), wrong.join("\n"));
}

#[test]
fn the_differences_are_documented() {
    let (_, section) = COMMAND.split_once("## Beside GNU parallel").unwrap();
    assert!(section.contains(&format!("{} invocations", SAME.len() + DIFFERENT.len())), "say how many");
    assert!(section.contains(&format!("{} come out the same", SAME.len())), "say how many are the same");
    for case in DIFFERENT {
        // A bar would end the cell.
        let cell = format!("| `{}` |", case.replace('|', "\\|"));
        assert!(section.contains(&cell), "docs/command.md does not have {cell}");
    }
}
