//! The list of tasks, for whoever looks for one that is stuck.

use core::ffi::{c_char, c_void};
use core::ptr::{null, null_mut};
use std::collections::HashMap;
use std::sync::PoisonError;

use ouzel::{TaskId, TaskState};

use crate::error::{Error, Result, code};
use crate::guard::{callback, guard};
use crate::id::ouzel_task;
use crate::place::{Body, Engine, Inside, get, ouzel_runtime};
use crate::task::{OUZEL_STATE_DONE, OUZEL_STATE_IDLE, OUZEL_STATE_SCHEDULED, export};
use crate::things::names::Name;

/// `struct ouzel_task_info`.
#[allow(non_camel_case_types, reason = "it has the header's name")]
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct ouzel_task_info {
    /// Bytes of this struct.
    pub size: u32,
    /// `OUZEL_STATE_*`.
    pub state: i32,
    /// Its id, or zero.
    pub task: ouzel_task,
    /// Its name, or null.
    pub name: *const c_char,
    /// The pointer of a task with a name.
    pub ud: *mut c_void,
}

/// `ouzel_dump_fn`.
pub type DumpFn = extern "C" fn(ud: *mut c_void, info: *const ouzel_task_info);

fn collect(body: &Body) -> Result<Vec<ouzel_task_info>> {
    body.on_loop_if_local()?;
    let named = body.things.named.all();
    let by_id = named.iter().filter_map(|named| {
        let id = *named.id.lock().unwrap_or_else(PoisonError::into_inner);
        id.map(|id| (id, (named.name, named.ud.0)))
    });
    let named: HashMap<TaskId, (Name, *mut c_void)> = by_id.collect();
    let mut tasks = Vec::new();
    let take = |id: Option<TaskId>, state: TaskState| {
        if id.is_some() && id == body.ours.get().copied() {
            return;
        }
        let state = match state {
            TaskState::Idle => OUZEL_STATE_IDLE,
            TaskState::Scheduled => OUZEL_STATE_SCHEDULED,
            _ => OUZEL_STATE_DONE,
        };
        let (name, ud) = id.and_then(|id| named.get(&id)).map_or((null(), null_mut()), |(n, ud)| (n.0, *ud));
        let task = id.map_or(ouzel_task::default(), |id| export(body, id));
        tasks.push(ouzel_task_info { size: size_of::<ouzel_task_info>() as u32, state, task, name, ud });
    };
    match &body.engine {
        Engine::Local { runtime, .. } => runtime.for_each_task(take),
        Engine::Shared { handle, .. } => handle.for_each_task(take),
    }
    Ok(tasks)
}

fn dump(rt: *const ouzel_runtime, function: DumpFn, ud: *mut c_void) -> Result<i32> {
    let body = get(rt)?;
    // First all, then the calls: what the host does in one must not meet the walk.
    let tasks = collect(body)?;
    // SAFETY: `get` has looked at it.
    let place: &'static ouzel_runtime = unsafe { &*rt };
    let _inside = Inside::new(place);
    for task in &tasks {
        callback(|| function(ud, task));
    }
    Ok(i32::try_from(tasks.len()).unwrap_or(i32::MAX))
}

/// Lists the tasks. See `ouzel.h`.
#[unsafe(no_mangle)]
pub extern "C" fn ouzel_dump_tasks(
    rt: *const ouzel_runtime,
    function: Option<DumpFn>,
    ud: *mut c_void,
) -> i32 {
    guard(|| {
        let Some(function) = function else { return Error::NULL.0 };
        code(dump(rt, function, ud))
    })
}
