//! A program whose threads stop before and after each of their system calls.

use std::collections::HashSet;
use std::fs::File;
use std::io;
use std::mem::MaybeUninit;
use std::os::unix::fs::FileExt;
use std::os::unix::process::CommandExt;
use std::process::Command;

use libc::{c_int, c_uint, c_void, pid_t, user_regs_struct};

use crate::calls::Calls;

/// What is added to `SIGTRAP` when a thread stops at a system call.
const AT_CALL: c_int = 0x80;

/// One request; `data` is a number or an address, as the request wants it.
fn ptrace(request: c_uint, thread: pid_t, data: usize) -> io::Result<()> {
    // SAFETY: the requests made here use `data` as a number, or write to a place that their caller lends.
    let done = unsafe { libc::ptrace(request, thread, std::ptr::null_mut::<c_void>(), data) };
    if done < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

/// The memory of the program.
pub(crate) struct Memory {
    file: File,
    pub(crate) process: pid_t,
}

impl Memory {
    pub(crate) fn read<const N: usize>(&self, at: u64) -> io::Result<[u8; N]> {
        let mut bytes = [0; N];
        self.file.read_exact_at(&mut bytes, at)?;
        Ok(bytes)
    }

    pub(crate) fn read_u64(&self, at: u64) -> io::Result<u64> {
        Ok(u64::from_ne_bytes(self.read(at)?))
    }

    pub(crate) fn read_u32(&self, at: u64) -> io::Result<u32> {
        Ok(u32::from_ne_bytes(self.read(at)?))
    }

    pub(crate) fn write(&self, at: u64, bytes: &[u8]) -> io::Result<()> {
        self.file.write_all_at(bytes, at)
    }
}

/// See the module.
pub(crate) struct Traced {
    memory: Memory,
    /// Threads that have stopped at least once.
    known: HashSet<pid_t>,
    /// Threads between the two stops of a call.
    inside: HashSet<pid_t>,
}

impl Traced {
    /// Starts `program`, which stands still before its first instruction.
    ///
    /// # Errors
    /// It may not be traced, or there is no such program.
    pub(crate) fn start(program: &mut Command) -> io::Result<Self> {
        // SAFETY: the function makes one system call and touches nothing.
        unsafe { program.pre_exec(|| ptrace(libc::PTRACE_TRACEME, 0, 0)) };
        let process = program.spawn()?.id().cast_signed();
        let (mut status, options) = (0, libc::PTRACE_O_TRACESYSGOOD | libc::PTRACE_O_TRACECLONE);
        // SAFETY: `status` has room for the answer.
        unsafe { libc::waitpid(process, &raw mut status, libc::__WALL) };
        ptrace(libc::PTRACE_SETOPTIONS, process, (options | libc::PTRACE_O_EXITKILL) as usize)?;
        ptrace(libc::PTRACE_SYSCALL, process, 0)?;
        let file = File::options().read(true).write(true).open(format!("/proc/{process}/mem"))?;
        let (known, inside) = (HashSet::from([process]), HashSet::new());
        Ok(Traced { memory: Memory { file, process }, known, inside })
    }

    /// Lets it run to its end, with `calls` looking at each call; its exit status.
    pub(crate) fn run(mut self, calls: &mut Calls) -> i32 {
        let mut ended = 0;
        loop {
            let mut status = 0;
            // SAFETY: `status` has room for the answer.
            let thread = unsafe { libc::waitpid(-1, &raw mut status, libc::__WALL) };
            if thread < 0 {
                return ended;
            }
            if !libc::WIFSTOPPED(status) {
                if thread == self.memory.process {
                    let killed = libc::WIFSIGNALED(status);
                    ended = if killed { 128 + libc::WTERMSIG(status) } else { libc::WEXITSTATUS(status) };
                }
                self.inside.remove(&thread);
                continue;
            }
            let signal = self.stopped(thread, status, calls);
            // A thread that was killed meanwhile is heard of by the next wait.
            let _ = ptrace(libc::PTRACE_SYSCALL, thread, signal as usize);
        }
    }

    /// A thread has stopped: the signal that it is to get.
    fn stopped(&mut self, thread: pid_t, status: c_int, calls: &mut Calls) -> c_int {
        let signal = libc::WSTOPSIG(status);
        let new = self.known.insert(thread);
        if signal == libc::SIGTRAP | AT_CALL {
            let begins = self.inside.insert(thread);
            if !begins {
                self.inside.remove(&thread);
            }
            let mut regs = MaybeUninit::<user_regs_struct>::uninit();
            if ptrace(libc::PTRACE_GETREGS, thread, regs.as_mut_ptr() as usize).is_ok() {
                // SAFETY: the request succeeded and filled it.
                let mut regs = unsafe { regs.assume_init() };
                let changed = if begins {
                    calls.begins(&self.memory, thread, &mut regs)
                } else {
                    calls.ended(&self.memory, thread, &mut regs)
                };
                if changed {
                    let _ = ptrace(libc::PTRACE_SETREGS, thread, &raw const regs as usize);
                }
            }
            return 0;
        }
        // A thread of a thread begins with a stop; other stops (a clone, an exec) are no signals either.
        let begins = new && signal == libc::SIGSTOP;
        if begins || status >> 16 != 0 { 0 } else { signal }
    }
}
