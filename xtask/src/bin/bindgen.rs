//! Writes the JavaScript glue and the final module for the web target, as the program wasm-bindgen
//! does. It uses the library, so that the demo need not compile that program first.
//!
//! `xtask-bindgen INPUT.wasm OUTPUT_DIRECTORY NAME`

#![forbid(unsafe_code)]

use std::env;
use std::process::ExitCode;

use wasm_bindgen_cli_support::Bindgen;

fn main() -> ExitCode {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let [input, output, name] = arguments.as_slice() else {
        eprintln!("xtask-bindgen: expected INPUT.wasm OUTPUT_DIRECTORY NAME, got {arguments:?}");
        return ExitCode::FAILURE;
    };
    let mut bindgen = Bindgen::new();
    let written = bindgen
        .input_path(input)
        .out_name(name)
        .typescript(true)
        .web(true)
        .and_then(|bindgen| bindgen.generate(output));
    match written {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("xtask-bindgen: {input} could not be turned into a web module: {error:#}");
            ExitCode::FAILURE
        }
    }
}
