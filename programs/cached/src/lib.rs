//! A memcached-protocol cache server on ouzel: the store, the protocol, the server.
//!
//! A library only so that tests and fuzz targets can reach its parts.

pub mod counters;
pub mod heap;
pub mod options;
pub mod proto;
pub mod say;
pub mod server;
pub mod store;
