//! `-k`: the order of the inputs, in bounded memory.

use crate::program::run_on;

#[test]
fn output_is_in_the_order_of_the_inputs() {
    let inputs: String = (1..=300).map(|number| format!("{number}\n")).collect();
    let script = "[ $(({} % 7)) = 0 ] && sleep 0.02; echo {}";
    assert_eq!(run_on(&["-k", "-j8", script], inputs.as_bytes()).well().out(), inputs);
}

#[test]
fn a_slow_job_holds_the_others_up_and_loses_none() {
    let inputs: String = (1..=400).map(|number| format!("{number}\n")).collect();
    let script = "[ {} = 1 ] && sleep 1; head -c 300000 /dev/zero; echo {}";
    let ended = run_on(&["-k", "-j4", script], inputs.as_bytes()).well();
    let numbers: Vec<u8> = ended.stdout.into_iter().filter(|byte| *byte != 0).collect();
    assert_eq!(String::from_utf8(numbers).unwrap(), inputs);
}
