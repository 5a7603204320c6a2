//! What a runtime has beside its tasks and operations. Data alone: what C calls is in the modules of the same names.

pub(crate) mod addrs;
pub(crate) mod channel;
pub(crate) mod foreign;
pub(crate) mod groups;
pub(crate) mod names;
pub(crate) mod table;

use ouzel::sync::raw::Semaphore;

use addrs::Addrs;
use channel::Channel;
use foreign::Foreign;
use groups::Group;
use names::{Named, Newborns};
use table::Table;

/// See the module. Each kind is behind a lock of its own.
#[derive(Debug, Default)]
pub(crate) struct Things {
    pub(crate) groups: Table<Group>,
    pub(crate) semaphores: Table<Semaphore>,
    pub(crate) channels: Table<Channel>,
    pub(crate) addrs: Addrs,
    pub(crate) foreign: Table<Foreign>,
    pub(crate) named: Table<Named>,
    pub(crate) newborns: Newborns,
}
