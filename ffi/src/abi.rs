//! Every constant and every struct of `ouzel.h`, as Rust has them; `tests/header.rs` compares.

use core::mem::{offset_of, size_of};

use crate::alloc::ouzel_allocator;
use crate::batch::*;
use crate::buffers::OUZEL_BUF_GROUP_DEFAULT;
use crate::cqe::*;
use crate::dump::ouzel_task_info;
use crate::error::*;
use crate::files::*;
use crate::guard::*;
use crate::id::*;
use crate::options::*;
use crate::run::*;
use crate::sockets::*;
use crate::spawn::*;
use crate::stat::ouzel_stat;
use crate::stats::{ouzel_stats, ouzel_worker_stats};
use crate::submit::*;
use crate::task::*;
use crate::version::OUZEL_ABI_VERSION;

macro_rules! constants {
    ($($name:ident)*) => { &[$((stringify!($name), $name as i64),)*] };
}

/// Name and value of each.
pub const CONSTANTS: &[(&str, i64)] = constants! {
    OUZEL_ABI_VERSION OUZEL_FOREVER OUZEL_OK OUZEL_PENDING OUZEL_READY
    OUZEL_ENULL OUZEL_EINVAL OUZEL_ESTALE OUZEL_EWRONGTHREAD OUZEL_EREENTRANT OUZEL_EFORKED OUZEL_EVERSION
    OUZEL_ESIZE OUZEL_ECLOSING OUZEL_EDEADLK OUZEL_EBUSY OUZEL_ETIMEDOUT OUZEL_ECANCELED OUZEL_ENOMEM
    OUZEL_ENOTSUP OUZEL_ECLOSED
    OUZEL_DRIVER_AUTO OUZEL_DRIVER_URING OUZEL_DRIVER_EPOLL OUZEL_DRIVER_POLL
    OUZEL_LOG_OFF OUZEL_LOG_ERROR OUZEL_LOG_WARN OUZEL_LOG_INFO OUZEL_LOG_DEBUG
    OUZEL_TASK_DETACHED
    OUZEL_STATE_IDLE OUZEL_STATE_SCHEDULED OUZEL_STATE_DONE OUZEL_STATE_CANCELLED
    OUZEL_RUN_IDLE OUZEL_RUN_STOPPED
    OUZEL_CQE_MORE OUZEL_CQE_BUFFER OUZEL_CQE_CANCELLED OUZEL_CQE_WAITING
    OUZEL_OP_NOP OUZEL_OP_ACCEPT OUZEL_OP_RECV OUZEL_OP_SEND OUZEL_OP_READ OUZEL_OP_WRITE OUZEL_OP_FSYNC
    OUZEL_OP_SHUTDOWN OUZEL_OP_CLOSE
    OUZEL_SEND_ZERO_COPY OUZEL_SPLICE_FOR_ROOM
    OUZEL_SEND_LAZY OUZEL_BUF_GROUP_DEFAULT OUZEL_AT_POSITION OUZEL_FSYNC_DATA
};

/// A struct's name, size, and fields with offset and size.
pub type Layout = (&'static str, usize, &'static [(&'static str, usize, usize)]);

const fn size_of_field<S, F>(_: fn(&S) -> &F) -> usize {
    size_of::<F>()
}

macro_rules! layout {
    (@name generation) => { "gen" }; // a reserved word in Rust
    (@name $field:ident) => { stringify!($field) };
    ($($struct:ident { $($field:ident)* })*) => { &[$((
        stringify!($struct),
        size_of::<$struct>(),
        &[$((
            layout!(@name $field),
            offset_of!($struct, $field),
            size_of_field(|s: &$struct| &s.$field),
        ),)*],
    ),)*] };
}

/// All structs.
pub const LAYOUT: &[Layout] = layout! {
    ouzel_rtid { slot generation }
    ouzel_task { slot generation }
    ouzel_waker { slot generation }
    ouzel_op { slot generation }
    ouzel_group { slot generation }
    ouzel_sem { slot generation }
    ouzel_chan { slot generation }
    ouzel_options {
        size flags workers driver ring_entries max_blocking blocking_idle_ns buf_count buf_size
    }
    ouzel_tick { size polled completed io_events more reserved }
    ouzel_task_opts { size flags drop name deadline_ns group }
    ouzel_spawn_desc { poll ud opts }
    ouzel_task_info { size state task name ud }
    ouzel_allocator { size flags alloc realloc free ctx }
    ouzel_cqe { op res flags buf_id buf_len extra }
    ouzel_op_opts { size flags waker done ud release timeout_ns }
    ouzel_op_desc { size kind fd flags buf len offset opts }
    ouzel_stat {
        mode uid gid block_size size blocks links ino dev rdev atime mtime ctime btime atime_ns mtime_ns
        ctime_ns btime_ns has_btime reserved
    }
    ouzel_stats {
        size driver live_tasks tasks_spawned tasks_completed polls ops_submitted ops_live syscalls enters sqes
        cqes waits ctls allocs
    }
    ouzel_worker_stats {
        size worker polls tasks_spawned tasks_completed steals parks raids syscalls enters sqes cqes waits ctls
    }
};
