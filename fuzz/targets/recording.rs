//! Runs this target of `hostile::TARGETS` with libFuzzer.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| (hostile::target("recording").run)(bytes));
