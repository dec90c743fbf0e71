//! What readers and syncs found damaged, so that each piece is told once.

use crate::sync::Damage;

/// Damage that was found and is not healed yet. Bound: the pages and codes stored, some bytes each.
#[derive(Debug, Default)]
pub(super) struct KnownDamage(Vec<Damage>);

impl KnownDamage {
    pub(super) fn count(&self) -> usize {
        self.0.len()
    }

    /// Notes it; `false` if it was known.
    #[must_use]
    pub(super) fn note(&mut self, damage: Damage) -> bool {
        let is_new = !self.0.iter().any(|known| is_same(known, &damage));
        if is_new {
            self.0.push(damage);
        }
        is_new
    }

    /// All of it is healed.
    pub(super) fn clear(&mut self) {
        self.0.clear();
    }
}

/// A page is damaged as a whole, wherever in it the damage was met.
fn is_same(one: &Damage, other: &Damage) -> bool {
    match (one, other) {
        (Damage::Page { page, .. }, Damage::Page { page: other, .. }) => page == other,
        (one, other) => one == other,
    }
}
