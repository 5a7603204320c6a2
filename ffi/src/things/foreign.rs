//! Wake targets that are no tasks: a function of the host's.

use crate::guard::callback_anywhere;
use crate::options::{Ud, UdFn};

/// Called for each wake; its `drop` once, after the last of them.
#[derive(Debug)]
pub(crate) struct Foreign {
    wake: UdFn,
    ud: Ud,
    drop: Option<UdFn>,
}

impl Foreign {
    pub(crate) fn new(wake: UdFn, ud: Ud, drop: Option<UdFn>) -> Self {
        Foreign { wake, ud, drop }
    }

    pub(crate) fn wake(&self) {
        callback_anywhere(|| (self.wake)(self.ud.0));
    }
}

impl Drop for Foreign {
    fn drop(&mut self) {
        if let Some(drop) = self.drop {
            callback_anywhere(|| drop(self.ud.0));
        }
    }
}
