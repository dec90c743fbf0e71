//! An answer whose request id has been read, and nothing else.

use super::PeerFault;
use super::message::Message;
use super::rlp::RlpReader;

/// An answer `[request id, content...]` whose content is not decoded yet.
///
/// An answer is read in two steps. [`Answer::split`] finds the request id, so that an answer that
/// nobody asked for costs next to nothing. Then the function for its kind reads the content, and
/// borrows from the frame.
#[derive(Clone, Copy)]
pub struct Answer<'a> {
    /// Id of the request that it answers.
    pub id: u64,
    content: RlpReader<'a>,
}

impl<'a> Answer<'a> {
    /// The payload of a frame: what stands behind the message id.
    ///
    /// # Errors
    /// [`PeerFault::Malformed`].
    pub fn payload_of(frame: &[u8]) -> Result<&[u8], PeerFault> {
        let mut message = RlpReader::items(frame);
        message.u64()?;
        Ok(message.rest())
    }

    /// Reads the request id of a message's payload.
    ///
    /// # Errors
    /// [`PeerFault::Malformed`] if the payload is not one list that starts with a number.
    pub fn split(payload: &'a [u8]) -> Result<Answer<'a>, PeerFault> {
        let mut content = RlpReader::list_of(payload)?;
        Ok(Answer {
            id: content.u64()?,
            content,
        })
    }

    /// Reads the request id of a payload of which only the beginning needs to be there.
    pub(super) fn id_in(beginning: &[u8]) -> Result<u64, PeerFault> {
        RlpReader::items(beginning).open_list()?.u64()
    }

    /// Length in bytes of what the sender could have left out, to be compared with what was asked
    /// for. Of codes, nodes and node data that is everything but the last item: an item cannot be split, and
    /// servers stop *after* the one with which they have enough.
    ///
    /// # Errors
    /// [`PeerFault::Malformed`].
    pub fn splittable_bytes(mut self, message: Message) -> Result<usize, PeerFault> {
        let length = self.content.len();
        let has_items = matches!(
            message,
            Message::ByteCodes | Message::TrieNodes | Message::NodeData
        );
        if !has_items {
            return Ok(length);
        }
        let mut items = self.content.list()?;
        let mut last = 0;
        while let Some(item) = items.next_item()? {
            last = item.len();
        }
        Ok(length - last)
    }

    /// Reads a ByteCodes, TrieNodes or NodeData: `[request id, [item, ...]]`.
    ///
    /// # Errors
    /// [`PeerFault::TooMuch`] if there are more than `most` items; [`PeerFault::Malformed`].
    pub fn items(self, most: usize) -> Result<Vec<&'a [u8]>, PeerFault> {
        let mut list = self.only_list()?;
        let count = list.count()?;
        if count > most {
            return Err(PeerFault::TooMuch);
        }
        let mut items = Vec::with_capacity(count);
        while !list.is_empty() {
            items.push(list.bytes()?);
        }
        Ok(items)
    }

    /// Opens the one list that the content consists of.
    pub(super) fn only_list(mut self) -> Result<RlpReader<'a>, PeerFault> {
        let list = self.content.list()?;
        self.content.finish()?;
        Ok(list)
    }

    /// The content, undecoded.
    pub(super) fn content(self) -> RlpReader<'a> {
        self.content
    }
}
