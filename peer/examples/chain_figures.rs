//! Measures how long blocks take to make, and how much memory 128 states take:
//! `cargo run --release -p snaplight-peer --example chain_figures [ACCOUNTS]`

use snaplight_peer::{chain::Chain, state::Recipe};
use std::{error::Error, time::Instant};

fn main() -> Result<(), Box<dyn Error>> {
    let accounts = std::env::args()
        .nth(1)
        .map_or(Ok(100_000), |text| text.parse())?;
    let recipe = Recipe {
        accounts,
        contracts_per_mille: 100,
        seed: 1,
        huge: vec![(1, 20_000)],
    };
    let start = Instant::now();
    let mut chain = Chain::new(recipe.build(), 1);
    println!("made in {:.2?}, {} MB", start.elapsed(), megabytes());
    for (share, blocks) in [(0.001, 127), (0.01, 5), (0.1, 3), (1.0, 2)] {
        for block in 1..=blocks {
            let start = Instant::now();
            let new = chain.advance_by(share);
            let time = start.elapsed();
            if block == blocks {
                println!("{share}: {time:.1?}, {} MB, {:?}", megabytes(), new.changed);
            }
        }
    }
    Ok(())
}

/// The resident memory. Only on Linux.
fn megabytes() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    line.and_then(|line| line.split_whitespace().next()?.parse::<u64>().ok())
        .unwrap_or_default()
        / 1024
}
