#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| distchan_fuzz::compression(data));
