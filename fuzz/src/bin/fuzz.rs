//! One target under libFuzzer. `cargo xtask fuzz` builds it with the flags that make LLVM count what
//! an input reaches, and names the target in `SNAPLIGHT_FUZZ_TARGET`.

#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| snaplight_fuzz::run(input));
