//! Replays every input that the fuzzer has found worth keeping: what is found once stays found. The corpus is `fuzz/corpus`, a file for each target;
//! `fuzz/run minimise` writes it.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::collections::BTreeSet;
use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};

use distchan_fuzz::{TARGETS, Target};

/// The most that an input has.
const LONGEST: usize = 4096;

fn fuzz() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz")
}

/// The inputs of a corpus: each has its length before it, in two bytes.
fn inputs(target: &Target) -> Vec<Vec<u8>> {
    let path = fuzz().join("corpus").join(target.name);
    let packed = fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let (mut rest, mut inputs) = (packed.as_slice(), Vec::new());
    while let Some((length, behind)) = rest.split_first_chunk() {
        let length = usize::from(u16::from_le_bytes(*length));
        assert!(length <= LONGEST && length <= behind.len(), "{} is damaged", path.display());
        let (input, behind) = behind.split_at(length);
        inputs.push(input.to_vec());
        rest = behind;
    }
    assert!(rest.is_empty(), "{} is damaged", path.display());
    inputs
}

fn replay(name: &str) {
    let target = TARGETS.iter().find(|target| target.name == name).unwrap();
    let inputs = inputs(target);
    assert!(inputs.len() >= 5, "{name} has {} inputs", inputs.len());
    for (index, input) in inputs.iter().enumerate() {
        let ran = catch_unwind(AssertUnwindSafe(|| (target.run)(input)));
        assert!(ran.is_ok(), "input {index} of {name} fails: {input:?}");
    }
}

macro_rules! replays {
    ($($name:ident)*) => {
        $(
            #[test]
            fn $name() {
                replay(stringify!($name));
            }
        )*

        #[test]
        fn every_target_is_replayed_and_is_a_program() {
            let known: BTreeSet<String> = TARGETS.iter().map(|target| target.name.to_owned()).collect();
            assert_eq!(known, [$(stringify!($name).to_owned()),*].into());
            let names = |folder: &str| -> BTreeSet<String> {
                let files = fs::read_dir(fuzz().join(folder)).unwrap();
                files.map(|file| file.unwrap().path().file_stem().unwrap().to_str().unwrap().to_owned()).collect()
            };
            assert_eq!(known, names("targets"));
            assert_eq!(known, names("corpus"));
        }
    };
}

replays! { frames handshake operations codecs schemas tickets door transform compression }

#[test]
fn nothing_at_all_is_an_input_too() {
    for target in TARGETS {
        (target.run)(&[]);
    }
}
