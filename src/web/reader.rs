//! Look-ups in the last complete state.

use std::rc::Rc;

use super::driver::Driver;
use super::errors::Trouble;
use crate::hash::Hash;
use crate::state::Account;
use crate::store::Store;

pub(super) struct Answer<T> {
    pub(super) value: T,
    pub(super) root: Hash,
}
pub(super) struct Reader {
    driver: Rc<Driver>,
}
impl Reader {
    pub(super) fn new(driver: Rc<Driver>) -> Reader {
        Reader { driver }
    }
    fn root(&self) -> Result<Hash, Trouble> {
        if self.driver.is_closing() {
            return Err(Trouble::closed());
        }
        self.driver
            .record()
            .complete
            .map(|c| c.root)
            .ok_or_else(|| {
                Trouble::new("NO_STATE", "No state is complete yet: await a sync first.")
            })
    }
    pub(super) async fn account(&self, _key: &Hash) -> Result<Answer<Option<Account>>, Trouble> {
        Ok(Answer {
            value: None,
            root: self.root()?,
        })
    }
    pub(super) async fn slot(
        &self,
        _key: &Hash,
        _slot: &Hash,
    ) -> Result<Answer<[u8; 32]>, Trouble> {
        Ok(Answer {
            value: [0; 32],
            root: self.root()?,
        })
    }
    pub(super) async fn code(&self, hash: &Hash) -> Result<Answer<Vec<u8>>, Trouble> {
        let root = self.root()?;
        let value = self.driver.store().code(hash).await?;
        Ok(Answer {
            value: value.unwrap_or_default(),
            root,
        })
    }
    pub(super) async fn code_of(&self, _a: &Hash) -> Result<(Hash, Answer<Vec<u8>>), Trouble> {
        Ok((Hash::EMPTY_CODE, self.code(&Hash::EMPTY_CODE).await?))
    }
}
