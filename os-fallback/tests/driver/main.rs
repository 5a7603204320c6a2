//! The portable driver: each operation ready, waiting, cancelled in flight and failing; parking; files.

#![cfg(unix)]

mod calls;
mod files;
mod messages;
mod parking;
mod registrations;
mod rig;
mod sockets;
mod streams;
