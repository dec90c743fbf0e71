//! Kills sessions at any moment. The next session uses what was committed, and the result is the
//! same.

use std::sync::Arc;

use snaplight::hash::Hash;
use snaplight_peer::session::Server;
use snaplight_peer::state::{Recipe, State};

use crate::rng::Rng;
use crate::truth::assert_complete;
use crate::world::{End, World};

fn state(seed: u64) -> State {
    Recipe {
        accounts: 8_000,
        contracts_per_mille: 100,
        seed,
        huge: vec![(1, 25_000)],
    }
    .build()
}

/// Runs sessions of random length, each with other peers, until the sync is done.
fn history(seed: u64, server: &Arc<Server>) {
    let mut rng = Rng::new(seed);
    let root = Hash(server.states().head().expect("a state").root());
    let mut world = World::new(server.clone(), rng.next());
    for session in 0..200 {
        let vices = [
            "slow=20",
            "capped=20000",
            "always-prove",
            "cut+9",
            "slow=300",
            "shuffled-proof",
        ];
        for _ in 0..1 + rng.below(3) {
            match rng.below(3) {
                0 => world.peer(World::vice(vices[rng.below(6) as usize])),
                _ => world.honest_peer(),
            };
        }
        world.target(root);
        let events = match session {
            0..60 => 1 + rng.below(250),
            _ => 1_000_000,
        };
        match world.run_some(events) {
            End::Done(_) => {
                assert_complete(&world.disk, server.states().head().expect("a state"));
                return;
            }
            End::Paused | End::Stuck => {}
            end => panic!("seed {seed}, session {session}: {end:?}"),
        }
        world = World::on_disk(server.clone(), rng.next(), world.kill());
    }
    panic!("seed {seed}: not done after 200 sessions");
}

#[test]
fn a_hundred_histories_of_kills_end_in_the_true_state() {
    let server = Arc::new(Server::new(state(1)));
    for seed in 0..100 {
        history(seed, &server);
    }
}

#[test]
fn a_kill_after_every_single_event_loses_nothing_committed() {
    let server = Arc::new(Server::new(Recipe::plain(12_000, 2).build()));
    let root = Hash(server.states().head().expect("a state").root());
    let mut kept = 0;
    for events in (0..160).step_by(3) {
        let mut world = World::new(server.clone(), 9);
        world.honest_peer();
        world.target(root);
        world.run_some(events);
        let mut world = World::on_disk(server.clone(), 10, world.kill());
        let accounts = world
            .disk
            .record()
            .building
            .map_or(0, |building| building.counts.accounts);
        assert!(
            accounts >= kept || world.disk.record().complete.is_some(),
            "progress went backwards"
        );
        kept = accounts.max(kept);
        world.honest_peer();
        world.target(root);
        assert!(matches!(world.run(), End::Done(_)));
        assert_complete(&world.disk, server.states().head().expect("a state"));
    }
}

#[test]
fn a_second_session_downloads_only_what_the_first_did_not_commit() {
    let server = Arc::new(Server::new(Recipe::plain(100_000, 3).build()));
    let root = Hash(server.states().head().expect("a state").root());
    let mut world = World::new(server.clone(), 11);
    world.honest_peer();
    world.target(root);
    while world
        .disk
        .record()
        .building
        .is_none_or(|building| building.counts.accounts < 60_000)
    {
        assert!(matches!(world.run_some(5), End::Paused));
    }
    let first = world.received;
    let mut world = World::on_disk(server.clone(), 12, world.kill());
    world.honest_peer();
    world.target(root);
    assert!(matches!(world.run(), End::Done(_)));
    assert_complete(&world.disk, server.states().head().expect("a state"));

    let mut whole = World::new(server, 13);
    whole.honest_peer();
    whole.target(root);
    assert!(matches!(whole.run(), End::Done(_)));
    // By design a kill costs at most 8 MiB.
    assert!(first + world.received <= whole.received + 8 * 1024 * 1024);
}
