//! What the programs share: a driver for a Cortex-M's SysTick, and a way to speak to the host.

#![no_std]

pub mod driver;
pub mod host;
