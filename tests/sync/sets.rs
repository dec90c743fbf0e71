//! A database holds a set: what is asked for, in how many round trips, and what comes of it.

mod changes;
mod first;
mod holds;
mod hostile;
mod moves;
mod support;
