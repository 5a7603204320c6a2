//! Helpers shared by the behaviour tests: drivers to run on, watchdog, loopback peers.
