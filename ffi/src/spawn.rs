//! Spawning: on the loop thread, from any other, many at once.
//!
//! | function              | host-driven                                   | with workers                      |
//! |-----------------------|-----------------------------------------------|-----------------------------------|
//! | `ouzel_spawn`, `_batch` | on its thread: into the run queue           | any thread: own or injection queue |
//! | `ouzel_spawn_from`    | any thread: by way of the runtime's inbox; on its own as `ouzel_spawn` | as `ouzel_spawn` |

use core::ffi::{c_char, c_void};
use core::mem::offset_of;
use std::sync::{Arc, Mutex, PoisonError};

use ouzel::op::raw::Nanos;
use ouzel::{LocalJoinHandle, TaskId};

use crate::error::{Error, OUZEL_OK, Result, code};
use crate::extra::{Deadline, Extra};
use crate::guard::{callback_anywhere, guard};
use crate::id::{Kind, ouzel_group, ouzel_rtid, ouzel_task, unpack};
use crate::memory;
use crate::options::{self, Sized32, Ud, UdFn};
use crate::place::{Body, Engine, get, ouzel_runtime, with_anchor};
use crate::record::Join;
use crate::task::{CBody, CTask, PollFn, export};
use crate::things::names::{Name, Named};

/// `OUZEL_TASK_DETACHED`.
pub const OUZEL_TASK_DETACHED: u32 = 1;

/// `struct ouzel_task_opts`.
#[allow(non_camel_case_types, reason = "it has the header's name")]
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct ouzel_task_opts {
    /// Bytes of this struct.
    pub size: u32,
    /// `OUZEL_TASK_*`.
    pub flags: u32,
    /// Runs once at the end.
    pub drop: Option<UdFn>,
    /// For the list of tasks.
    pub name: *const c_char,
    /// The task is cancelled then, unless it is zero.
    pub deadline_ns: u64,
    /// The group it belongs to, or zero.
    pub group: ouzel_group,
}

// SAFETY: `repr(C)`, `size` first; integers, a pointer, an optional function.
unsafe impl Sized32 for ouzel_task_opts {
    const LEAST: usize = offset_of!(ouzel_task_opts, name);
}

const _: () = assert!(offset_of!(ouzel_task_opts, name) == 8 + size_of::<usize>());

/// `struct ouzel_spawn_desc`.
#[allow(non_camel_case_types, reason = "it has the header's name")]
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct ouzel_spawn_desc {
    /// The task's function.
    pub poll: Option<PollFn>,
    /// Its pointer.
    pub ud: *mut c_void,
    /// Its options.
    pub opts: *const ouzel_task_opts,
}

/// What is to be spawned.
struct Order {
    poll: Option<PollFn>,
    duty: Duty,
    opts: ouzel_task_opts,
}

/// What the host is owed for its pointer: `drop(ud)`, once. A task takes it over; else it is done here.
struct Duty {
    ud: Ud,
    drop: Option<UdFn>,
}

impl Drop for Duty {
    fn drop(&mut self) {
        if let Some(drop) = self.drop.take() {
            callback_anywhere(|| drop(self.ud.0));
        }
    }
}

impl Order {
    /// # Errors
    /// Of the options themselves; then no `drop` is known.
    ///
    /// # Safety
    /// `opts` is null or points to as many bytes as it says.
    unsafe fn read(poll: Option<PollFn>, ud: *mut c_void, opts: *const ouzel_task_opts) -> Result<Self> {
        // SAFETY: the caller's promise.
        let opts = unsafe { options::read(opts) }?;
        if opts.flags & !OUZEL_TASK_DETACHED != 0 {
            return Err(Error::INVALID);
        }
        Ok(Order { poll, duty: Duty { ud: Ud(ud), drop: opts.drop }, opts })
    }

    /// What the options ask for beside the function, if anything; the task is a member of its group from here on.
    fn extra(
        &self,
        (place, body): (&'static ouzel_runtime, &Body),
        newborn: bool,
    ) -> Result<Option<Box<Extra>>> {
        let ouzel_task_opts { name, deadline_ns, group, .. } = self.opts;
        if !newborn && name.is_null() && deadline_ns == 0 && group == ouzel_group::default() {
            return Ok(None);
        }
        let mut extra = Extra::default();
        if deadline_ns != 0 {
            extra.deadline = Some(Deadline::new(Nanos(deadline_ns)));
        }
        // First, as it is dropped where there is no memory for it.
        let mut extra = memory::boxed(extra)?;
        match self.fill(&mut extra, body, newborn) {
            Ok(()) => Ok(Some(extra)),
            Err(why) => {
                extra.end(place);
                Err(why)
            }
        }
    }

    fn fill(&self, extra: &mut Extra, body: &Body, newborn: bool) -> Result<()> {
        let ouzel_task_opts { name, group, .. } = self.opts;
        if newborn {
            extra.newborn = Some(body.things.newborns.begin()?);
        }
        if !name.is_null() {
            let named = Named { name: Name(name), ud: self.duty.ud, id: Mutex::new(None) };
            extra.named = Some(body.things.named.insert(named)?);
        }
        if group != ouzel_group::default() {
            let (anchor, index, generation) = unpack(Kind::Group, group.slot, group.generation)?;
            if anchor != body.anchor {
                return Err(Error::INVALID);
            }
            let group = body.things.groups.get((index, generation))?;
            let number = group.admit()?;
            extra.group = Some((group, number));
        }
        Ok(())
    }

    /// Spawns it; the id if `wanted`. `elsewhere`: on a host-driven runtime's thread, which this is not.
    fn spawn(
        mut self,
        (place, body): (&'static ouzel_runtime, &Body),
        elsewhere: bool,
        wanted: bool,
    ) -> Result<Option<TaskId>> {
        let poll = self.poll.ok_or(Error::NULL)?;
        body.check_open()?;
        let extra = self.extra((place, body), elsewhere)?;
        let joinable = self.opts.flags & OUZEL_TASK_DETACHED == 0 && wanted;
        let join = joinable.then(|| body.joins.begin(matches!(body.engine, Engine::Shared { .. })));
        let join = match join.transpose() {
            Ok(join) => join,
            Err(why) => {
                extra.into_iter().for_each(|extra| extra.end(place));
                return Err(why);
            }
        };
        let part = |extra: &Option<Box<Extra>>| extra.as_ref().map(|e| (e.group.clone(), e.named, e.newborn));
        let (group, named, newborn) = part(&extra).unwrap_or_default();
        let wants_id = wanted || group.is_some() || named.is_some();
        // From here on it is the task's.
        let duty = (self.duty.ud, self.duty.drop.take());
        let task = CBody::new((place, body), poll, duty, extra, join.clone());
        let spawned = match newborn {
            Some(number) => {
                body.engine.spawn_elsewhere(task, |id| body.things.newborns.name(number, id)).map(Some)
            }
            None => body.engine.spawn(task, join.as_ref(), wants_id),
        };
        let Some(id) = spawned else {
            // The future has been dropped: a shutdown came in between, or there is no memory.
            if let Some(join) = join {
                body.joins.give_up(&join);
            }
            body.check_open()?;
            return Err(Error::NO_MEMORY);
        };
        let Some(id) = id else { return Ok(None) };
        if let Some(join) = join {
            body.joins.register(id, &join);
        }
        if let Some(named) = named.and_then(|key| body.things.named.get(key).ok()) {
            *named.id.lock().unwrap_or_else(PoisonError::into_inner) = Some(id);
        }
        if group.is_some_and(|(group, number)| group.name(number, id)) {
            body.cancel(id);
        }
        Ok(Some(id))
    }
}

/// The task's id, if wanted; nobody waits for it in Rust. None: it was refused.
fn settle(handle: LocalJoinHandle<()>, wants_id: bool) -> Option<Option<TaskId>> {
    let spawned = (!handle.is_refused()).then(|| if wants_id { handle.id() } else { None });
    handle.detach();
    spawned
}

impl Engine {
    /// Spawns a task; returns its id if somebody wants one. None: it was refused.
    fn spawn(&self, mut task: CBody, join: Option<&Arc<Join>>, wants_id: bool) -> Option<Option<TaskId>> {
        match self {
            Engine::Local { runtime, .. } => {
                if task.has_more() {
                    return settle(runtime.spawn(CTask::<false, true>(task)), wants_id);
                }
                settle(runtime.spawn(CTask::<false, false>(task)), wants_id)
            }
            Engine::Shared { handle, .. } => {
                let handle = handle.spawn(CTask::<true, true>(task));
                let spawned = (!handle.is_refused()).then(|| if wants_id { handle.id() } else { None });
                if let Some(join) = join
                    && spawned.is_some()
                {
                    Arc::clone(join).attach(handle);
                }
                spawned
            }
        }
    }

    /// The same for a host-driven runtime, from another thread.
    fn spawn_elsewhere(&self, task: CBody, named: impl FnOnce(TaskId)) -> Option<TaskId> {
        let Engine::Local { handle, .. } = self else { return self.spawn(task, None, true)? };
        handle.spawn_named(CTask::<false, true>(task), named)
    }
}

/// Puts an id out.
///
/// # Safety
/// `out` is null or writable.
unsafe fn put(body: &Body, id: Option<TaskId>, out: *mut ouzel_task) {
    if let Some(id) = id
        && !out.is_null()
    {
        // SAFETY: the caller's promise about `out`, which is not null.
        unsafe { out.write(export(body, id)) };
    }
}

/// The runtime behind a pointer, if this thread may spawn there.
fn place_of(rt: *mut ouzel_runtime) -> Result<(&'static ouzel_runtime, &'static Body)> {
    let body = get(rt)?;
    body.on_loop_if_local()?;
    // SAFETY: `get` has looked at it.
    Ok((unsafe { &*rt }, body))
}

/// Starts a task. See `ouzel.h`.
///
/// # Safety
/// `opts` is null or points to as many bytes as it says; `out` is null or writable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ouzel_spawn(
    rt: *mut ouzel_runtime,
    poll: Option<PollFn>,
    ud: *mut c_void,
    opts: *const ouzel_task_opts,
    out: *mut ouzel_task,
) -> i32 {
    guard(|| {
        // SAFETY: the caller's promise about `opts`.
        code(unsafe { Order::read(poll, ud, opts) }.and_then(|order| {
            let (place, body) = place_of(rt)?;
            let id = order.spawn((place, body), false, !out.is_null())?;
            // SAFETY: the caller's promise about `out`.
            unsafe { put(body, id, out) };
            Ok(OUZEL_OK)
        }))
    })
}

/// Starts a task from any thread. See `ouzel.h`.
///
/// # Safety
/// `opts` is null or points to as many bytes as it says; `out` is null or writable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ouzel_spawn_from(
    rt: ouzel_rtid,
    poll: Option<PollFn>,
    ud: *mut c_void,
    opts: *const ouzel_task_opts,
    out: *mut ouzel_task,
) -> i32 {
    guard(|| {
        // SAFETY: the caller's promise about `opts`.
        code(unsafe { Order::read(poll, ud, opts) }.and_then(|order| {
            let (anchor, ..) = unpack(Kind::Runtime, rt.slot, rt.generation)?;
            with_anchor(anchor, |place, body| {
                let elsewhere = body.on_loop_if_local().is_err();
                let id = order.spawn((place, body), elsewhere, !out.is_null())?;
                // SAFETY: the caller's promise about `out`.
                unsafe { put(body, id, out) };
                Ok(OUZEL_OK)
            })
        }))
    })
}

/// Starts many tasks.
///
/// # Safety
/// `descs` is null or points to `n` of them, each with options as for [`ouzel_spawn`]; `out` is null or has room
/// for `n`.
unsafe fn spawn_batch(
    rt: *mut ouzel_runtime,
    descs: *const ouzel_spawn_desc,
    n: usize,
    out: *mut ouzel_task,
) -> Result<i32> {
    if descs.is_null() && n > 0 {
        return Err(Error::NULL);
    }
    let most = i32::try_from(n).map_err(|_| Error::INVALID)?;
    let order = |at: i32| {
        // SAFETY: one of the caller's `n`.
        let desc = unsafe { descs.wrapping_add(at as usize).read() };
        // SAFETY: the caller's promise about its options.
        unsafe { Order::read(desc.poll, desc.ud, desc.opts) }
    };
    let mut placed = place_of(rt);
    for at in 0..most {
        // As for one: an option that cannot be read leaves everything with the host.
        let mut order = order(at)?;
        order.duty.drop = None;
        placed = placed.and_then(|placed| if order.poll.is_some() { Ok(placed) } else { Err(Error::NULL) });
    }
    let mut spawned = 0;
    for at in 0..most {
        // Dropped if there is none to be spawned any more.
        let order = order(at)?;
        let Ok((place, body)) = placed else { continue };
        match order.spawn((place, body), false, !out.is_null()) {
            Ok(id) => {
                // SAFETY: the caller's promise about `out`.
                unsafe { put(body, id, out.wrapping_add(at as usize)) };
                spawned += 1;
            }
            Err(why) => placed = Err(why),
        }
    }
    if spawned == 0 { placed.map(|_| 0) } else { Ok(spawned) }
}

/// Starts many tasks. See `ouzel.h`.
///
/// # Safety
/// `descs` is null or points to `n` of them, each with options as for [`ouzel_spawn`]; `out` is null or has room
/// for `n`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ouzel_spawn_batch(
    rt: *mut ouzel_runtime,
    descs: *const ouzel_spawn_desc,
    n: usize,
    out: *mut ouzel_task,
) -> i32 {
    // SAFETY: the same promises.
    guard(|| code(unsafe { spawn_batch(rt, descs, n, out) }))
}
