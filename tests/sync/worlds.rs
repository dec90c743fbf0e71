//! A world per seed: a random state, a chain that moves, peers with vices, a disk with bad days, and kills. Whatever
//! happens, what is complete is true and readable at any moment, no honest peer is ever blamed, memory stays bounded, and
//! once the bad days are over the newest state becomes complete.
//!
//! `cargo xtask sim` runs them in numbers: `SNAPLIGHT_WORLDS` says how many, `SNAPLIGHT_FROM` the first one's seed;
//! `SNAPLIGHT_SEED` runs one alone and tells its story.

mod checks;
mod damage;
mod director;
mod shape;
mod vices;

use std::env;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use self::director::{Director, Story};

/// Worlds that are run when nothing else is said: what a developer can wait for.
const WORLDS: u64 = 300;
/// A line of progress is printed this often.
const PROGRESS: Duration = Duration::from_secs(10);

#[test]
fn in_any_world_the_newest_state_becomes_complete_and_nothing_false_is_ever_read() {
    if let Some(seed) = number("SNAPLIGHT_SEED") {
        let story = Director::new(seed, true).run();
        println!("world {seed}: {story:?}");
        return;
    }
    let from = number("SNAPLIGHT_FROM").unwrap_or(0);
    let worlds = number("SNAPLIGHT_WORLDS").unwrap_or(WORLDS);
    run_all(from, worlds);
}

/// World 2202: the bases behind a range, with their storages, were more than may wait in memory, so they were moved out and read
/// again, for ever. World 10094: reading went on while an answer was awaited, beyond what may wait.
#[test]
fn more_of_a_base_than_memory_holds_is_neither_read_for_ever_nor_all_at_once() {
    for seed in [2202, 10094] {
        Director::new(seed, false).run();
    }
}

/// Runs these worlds on all cores; panics with the seeds of those that failed.
fn run_all(from: u64, worlds: u64) {
    let (next, done) = (AtomicU64::new(from), AtomicU64::new(0));
    let started = Instant::now();
    let work = || {
        let (mut failed, mut stories) = (Vec::new(), Story::default());
        loop {
            let seed = next.fetch_add(1, Ordering::Relaxed);
            if seed >= from + worlds {
                return (failed, stories);
            }
            match catch_unwind(AssertUnwindSafe(|| Director::new(seed, false).run())) {
                Ok(story) => stories.add(&story),
                Err(_) => {
                    failed.push(seed);
                    println!("world {seed} failed; {}", alone(seed));
                }
            }
            done.fetch_add(1, Ordering::Relaxed);
        }
    };
    let cores = thread::available_parallelism().map_or(1, |cores| cores.get());
    let (failed, stories) = thread::scope(|scope| {
        let workers: Vec<_> = (0..cores).map(|_| scope.spawn(work)).collect();
        let mut said = Instant::now();
        while !workers.iter().all(|worker| worker.is_finished()) {
            thread::park_timeout(Duration::from_millis(50));
            if said.elapsed() >= PROGRESS {
                said = Instant::now();
                println!("{} of {worlds} worlds", done.load(Ordering::Relaxed));
            }
        }
        let (mut failed, mut stories) = (Vec::new(), Story::default());
        for worker in workers {
            let (seeds, story) = worker.join().expect("a worker catches what its worlds do");
            failed.extend(seeds);
            stories.add(&story);
        }
        (failed, stories)
    });
    let seconds = started.elapsed().as_secs_f64();
    println!("{worlds} worlds from seed {from} in {seconds:.1} s: {stories:?}");
    if let Some(seed) = failed.iter().min() {
        panic!(
            "{} of {worlds} worlds failed, the first of them {seed}; {}",
            failed.len(),
            alone(*seed)
        );
    }
}

fn alone(seed: u64) -> String {
    format!("alone: cargo xtask sim --seed {seed}")
}

fn number(name: &str) -> Option<u64> {
    let text = env::var(name).ok()?;
    Some(text.parse().expect("a number"))
}
