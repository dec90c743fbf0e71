//! Mainnet's genesis state, whose root is well known.

#![allow(clippy::unwrap_used)]

use snaplight_peer::{block::MAINNET_GENESIS, keccak::keccak, session::Server, state::State};

/// The file is too large for the repository. `cargo xtask test` makes it from the npm package
/// `@ethereumjs/genesis` and sets SNAPLIGHT_MAINNET_GENESIS to its path.
#[test]
#[ignore = "needs SNAPLIGHT_MAINNET_GENESIS=file, which `cargo xtask test` provides"]
fn mainnets_genesis_state_has_its_root_and_8893_accounts() {
    let path = std::env::var_os("SNAPLIGHT_MAINNET_GENESIS").unwrap();
    let state = State::from_genesis(&std::fs::read_to_string(path).unwrap()).unwrap();
    let root: String = state
        .root()
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    assert_eq!(
        root,
        "d7f8974fb5ac78d9ac099b9ad5018bedc2ce0a72dad1827a1709da30580f0544"
    );
    assert_eq!(state.counts().accounts, 8893);
    // With mainnet's genesis hash it has mainnet's header, which hashes to it.
    let server = Server::new(state).on_network(1, MAINNET_GENESIS);
    let head = server.blocks().head().clone();
    assert_eq!((head.hash, head.header.number), (MAINNET_GENESIS, 0));
    assert_eq!(keccak(&head.encoded), MAINNET_GENESIS);
}
