//! Lines of a limited rate that peers share, such as a page's downlink.

/// A line that carries frames one after another.
#[derive(Debug)]
pub(crate) struct Line {
    bytes_per_second: u64,
    /// When it has carried everything, in microseconds: at a megabyte a second a small frame takes
    /// less than a millisecond.
    free_us: u64,
}

/// Which line a peer's frames take.
#[derive(Clone, Copy, Debug)]
pub(crate) struct LineId(pub(super) usize);

impl Line {
    pub(super) fn new(bytes_per_second: u64) -> Line {
        Line {
            bytes_per_second,
            free_us: 0,
        }
    }

    /// A frame reaches the line. Returns the millisecond in which the line has carried it.
    pub(super) fn carry(&mut self, now: u64, bytes: usize) -> u64 {
        let start = self.free_us.max(now * 1000);
        self.free_us = start + bytes as u64 * 1_000_000 / self.bytes_per_second;
        self.free_us.div_ceil(1000)
    }

    /// It carries nothing for so long from now on. What it has taken already still arrives.
    pub(super) fn stop(&mut self, now: u64, millis: u64) {
        self.free_us = self.free_us.max((now + millis) * 1000);
    }

    /// The clock has jumped, and what the line carries stays as far away as it was.
    pub(super) fn shift(&mut self, millis: u64) {
        self.free_us += millis * 1000;
    }
}
