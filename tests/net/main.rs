//! Sockets through the public API, on every driver: what is moved, what a cancellation gives back, what is refused.

mod cancel;
mod copies;
mod incoming;
mod lazy;
mod limit;
mod masked;
mod pressure;
mod random;
mod ready;
mod recv_stream;
mod splice;
mod tcp;
mod udp;
mod unix;
mod vectored;
