//! Native snap peer.
