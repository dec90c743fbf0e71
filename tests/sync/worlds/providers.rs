//! Providers among the peers of a world with sets, and what each of them does besides answering.

use snaplight::state::{TrackedAccount, TrackedSet, TrackedSlots};

use super::director::Director;
use super::vices::Guilt;
use crate::rng::Rng;
use crate::world::provider::Ways;

/// Most providers at a time.
const MAX_PROVIDERS: usize = 4;

/// Providers of a world.
#[derive(Debug)]
pub(super) struct Providers {
    rng: Rng,
    /// Of 100 peers that join, how many are providers.
    share: u64,
    /// Whether some of them err, lie or fall silent.
    vices: bool,
}

impl Providers {
    /// In half of the worlds with sets, some or all peers are providers.
    pub(super) fn new(seed: u64) -> Providers {
        // Any constant does that makes this another generator than the others of the seed.
        let mut rng = Rng::new(seed ^ 0xbb67_ae85_84ca_a73b);
        Providers {
            share: rng.pick(&[0, 0, 0, 30, 60, 100]),
            vices: rng.percent(50),
            rng,
        }
    }
}

impl Director {
    /// Connects a provider, if this world has them.
    pub(super) fn join_a_provider(&mut self) -> bool {
        let providers = &mut self.providers;
        if !self.sets.is_on()
            || !providers.rng.percent(providers.share)
            || self.world.providers.len() >= MAX_PROVIDERS
        {
            return false;
        }
        let (ways, guilt) = match providers.vices && providers.rng.percent(60) {
            true => bad(&mut providers.rng),
            false => (odd(&mut providers.rng), Guilt::Odd),
        };
        self.connect_provider(ways, guilt);
        true
    }

    fn connect_provider(&mut self, ways: Ways, guilt: Guilt) {
        let text = format!("{ways:?}");
        let peer = self.world.provider_of(self.chain.server(), ways);
        self.log(|| format!("{peer:?} joins: a provider, {guilt:?}, {text}"));
        self.guilt.insert(peer, guilt);
    }

    /// At the end of a world an honest peer joins. If all peers of the world are providers, and they
    /// can serve its set, it is one too.
    pub(super) fn join_honest_at_the_end(&mut self) {
        let accounts = self.sets.today().tracked().map(TrackedSet::accounts);
        let is_single = |account: &TrackedAccount| *account.slots() != TrackedSlots::All;
        let is_served = accounts.is_some_and(|accounts| accounts.iter().all(is_single));
        let is_alone = self.providers.share == 100;
        match self.sets.is_on() && is_alone && is_served {
            true => self.connect_provider(Ways::default(), Guilt::Odd),
            false => self.join_honest(),
        }
    }

    /// Only a provider that lies is said to lie.
    pub(super) fn check_lies(&mut self) {
        for (peer, lie) in self.world.lies.drain(..) {
            let guilt = self.guilt.get(&peer);
            assert_eq!(guilt, Some(&Guilt::Wrong), "{lie:?} of {peer:?}");
            assert_ne!(lie.claimed, lie.proven);
        }
    }

    /// Loses a provider, if there is one.
    pub(super) fn lose_a_provider(&mut self) {
        let providers: Vec<_> = self.world.providers.keys().copied().collect();
        if !providers.is_empty() && self.providers.rng.percent(50) {
            let peer = self.providers.rng.pick(&providers);
            self.log(|| format!("{peer:?} is lost"));
            self.world.lose(peer);
        }
    }
}

/// What an honest provider may be like.
fn odd(rng: &mut Rng) -> Ways {
    let mut ways = Ways {
        latency_ms: rng.pick(&[2, 20, 100, 600]),
        ..Ways::default()
    };
    match rng.below(10) {
        0 => {
            ways.slow = (0..rng.within(1, 4))
                .map(|_| (rng.within(1, 20), 4_000))
                .collect()
        }
        1 => ways.per_second = Some(rng.pick(&[1, 5, 20])),
        2 => {
            ways.per_second = Some(rng.pick(&[2, 10]));
            ways.retry_after_ms = Some(rng.pick(&[500, 2_000]));
        }
        3 => ways.most_keys = Some(rng.pick(&[1, 3, 10])),
        4 => ways.window = Some(rng.pick(&[1, 2, 8])),
        5 => ways.lacks = Some(rng.pick(&["eth_getProof", "eth_getCode", "eth_getBlockByHash"])),
        6 => {
            let (code, message) = rng.pick(&[
                (-32005, "limit exceeded"),
                (-32000, "header not found"),
                (-32603, "internal error"),
            ]);
            ways.fails = Some((rng.within(1, 6), code, message));
        }
        7 | 8 => ways.odd = true,
        _ => {}
    }
    ways
}

/// What a provider may do wrong.
fn bad(rng: &mut Rng) -> (Ways, Guilt) {
    let mut ways = odd(rng);
    let guilt = match rng.below(8) {
        0 => {
            ways.silent_from = Some(rng.within(1, 10));
            Guilt::Late
        }
        1 => {
            ways.chain_id = Some(1);
            Guilt::Wrong
        }
        2 => {
            ways.spent_after = Some(rng.within(1, 20));
            Guilt::Wrong
        }
        3 => {
            ways.elsewhere = rng.within(1, 50);
            Guilt::Wrong
        }
        4 => {
            let fields = [
                "balance",
                "nonce",
                "codeHash",
                "storageHash",
                "storageProof",
            ];
            ways.lies_of = Some(rng.pick(&fields));
            Guilt::Wrong
        }
        5 => {
            ways.incomplete = rng.within(1, 50);
            Guilt::Wrong
        }
        6 => {
            ways.corrupt = rng.within(1, 50);
            Guilt::Wrong
        }
        _ => {
            ways.junk = true;
            Guilt::Wrong
        }
    };
    (ways, guilt)
}
