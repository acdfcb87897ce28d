//! Sessions survive their connections: wherever those are cut, and however often, the conversation goes on as if nothing had been.

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use crate::channels::shifted;
use crate::conversation::{Script, play};
use crate::harness::spec;

#[test]
fn cut_at_every_byte_a_conversation_goes_on() {
    let script = Script::small(0);
    let whole = play(&script, &[]);
    assert!(whole.bytes > 1500 && whole.resumed == 0, "{whole:?}");
    let cut_at = |at| play(&Script { seed: at as u64 % 7, ..script.clone() }, &[at]).resumed;
    let resumed: usize = (0..whole.bytes).map(cut_at).sum();
    assert!(resumed > whole.bytes * 4 / 5, "{resumed} of {}", whole.bytes);
}

#[test]
fn cut_again_and_again_also_while_it_is_sent_again_a_conversation_goes_on() {
    let mut most = 0;
    for seed in 0..300 {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let script = Script { chunk: [1, 30, 2000][rng.random_range(0..3)], ..Script::small(seed) };
        let fuses: Vec<usize> = (0..rng.random_range(2..30)).map(|_| rng.random_range(0..400)).collect();
        let played = play(&script, &fuses);
        most = most.max(played.resumed);
    }
    assert!(most > 10, "{most}");
}

#[test]
fn cut_at_every_byte_of_the_second_handshake_a_conversation_goes_on() {
    for seed in 0..4 {
        for at in 0..300 {
            play(&Script::small(seed), &[700, at, at]);
        }
    }
}

#[test]
fn large_values_in_pieces_arrive_whole_over_many_connections() {
    for seed in 0..16 {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let work = if seed % 2 == 0 { spec("work") } else { shifted("work", 99) };
        let script = Script { large: 150_000, work, chunk: 30_000, ..Script::small(seed) };
        let fuses: Vec<usize> = (0..rng.random_range(1..12)).map(|_| rng.random_range(0..150_000)).collect();
        play(&script, &fuses);
    }
}

#[test]
fn credit_flows_on_over_many_connections() {
    for seed in 0..5 {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let script = Script { jobs: 40, large: 100_000, chunk: 100_000, ..Script::small(seed) };
        let fuses: Vec<usize> = (0..10).map(|_| rng.random_range(0..700_000)).collect();
        play(&script, &fuses);
    }
}

#[test]
fn a_transformed_conversation_goes_on_too() {
    for seed in 0..60 {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let script = Script { work: shifted("work", 5), ..Script::small(seed) };
        let fuses: Vec<usize> = (0..rng.random_range(1..6)).map(|_| rng.random_range(0..900)).collect();
        play(&script, &fuses);
    }
}
