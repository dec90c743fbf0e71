//! Sessions on real WebSockets.
