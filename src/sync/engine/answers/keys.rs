//! Answers to what a tracked set asks of peers by snap: ranges of one key, and nodes by path whose
//! hashes are not known yet.

use super::{AnswerContext, AnswerError, Verdict};
use crate::hash::Hash;
use crate::state::StatePath;
use crate::wire::Answer;

impl AnswerContext<'_> {
    /// Takes in a range of one key.
    pub(super) fn key(
        &mut self,
        _account: &Hash,
        _slot: Option<&Hash>,
        _answer: Answer<'_>,
    ) -> Result<Verdict, AnswerError> {
        Ok(Verdict::Refused)
    }

    /// Takes in nodes by path.
    pub(super) fn paths(
        &mut self,
        _paths: &[StatePath],
        _answer: Answer<'_>,
    ) -> Result<Verdict, AnswerError> {
        Ok(Verdict::Refused)
    }
}
