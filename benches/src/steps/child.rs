//! The child process: its start, its memory, and one step of its thread.

use std::fs::File;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::fs::FileExt;
use std::process::{self, Command, Stdio};

use nix::libc::{user, user_regs_struct};
use nix::sys::ptrace;
use nix::sys::signal::Signal;
use nix::sys::time::TimeSpec;
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::Pid;

use super::count::Error;

/// A child whose thread stands at a mark.
pub(super) struct Child {
    process: process::Child,
    thread: Pid,
    /// When it came to the mark.
    pub(super) mark: TimeSpec,
    memory: File,
    /// Where the processor stops the thread. None: it cannot, or has not been asked.
    breakpoint: Option<u64>,
    /// Where the program begins and ends in the child, and begins here.
    program: (u64, u64),
    own_base: u64,
}

impl Child {
    pub(super) fn start(engine: &str, scenario: &str, n: u64) -> Result<Self, Error> {
        let program = std::env::current_exe()?;
        let mut process = Command::new(&program)
            .args(["--child", engine, scenario, &n.to_string()])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        let mut line = String::new();
        BufReader::new(process.stdout.take().expect("it is piped")).read_line(&mut line)?;
        let mut words = line.split_whitespace().map(str::parse);
        let (Some(Ok(thread)), Some(Ok(s)), Some(Ok(ns))) = (words.next(), words.next(), words.next()) else {
            return Err(format!("the child did not come to the mark: {line:?}").into());
        };
        let memory = File::options().read(true).write(true).open(format!("/proc/{}/mem", process.id()))?;
        let name = program.to_string_lossy();
        let (thread, mark) = (Pid::from_raw(thread as i32), TimeSpec::new(s, ns));
        let mut child =
            Child { process, thread, mark, memory, breakpoint: None, program: (0, 0), own_base: 0 };
        child.program = child.mapping(&name)?.ok_or("the child's program is not mapped")?;
        child.own_base = mapping("self", &name)?.ok_or("the program is not mapped")?.0;
        Ok(child)
    }

    /// Where something of this name begins and ends in the child.
    pub(super) fn mapping(&self, name: &str) -> Result<Option<(u64, u64)>, Error> {
        mapping(&self.process.id().to_string(), name)
    }

    pub(super) fn read(&self, at: u64, bytes: &mut [u8]) -> Result<(), Error> {
        Ok(self.memory.read_exact_at(bytes, at)?)
    }

    /// As much as there is at `at`, at most `bytes`.
    pub(super) fn read_some(&self, at: u64, bytes: &mut [u8]) -> Result<usize, Error> {
        Ok(self.memory.read_at(bytes, at)?)
    }

    pub(super) fn write(&self, at: u64, bytes: &[u8]) -> Result<(), Error> {
        Ok(self.memory.write_all_at(bytes, at)?)
    }

    /// Where a function of this program is in the child.
    pub(super) fn there(&self, function: extern "C" fn(u32)) -> u64 {
        function as usize as u64 - self.own_base + self.program.0
    }

    /// What is at `at` in the child, as an address of the program itself. None: it is in a library.
    pub(super) fn in_program(&self, at: u64) -> Option<u64> {
        let (from, to) = self.program;
        (from..to).contains(&at).then(|| at - from)
    }

    /// Takes hold of the thread, where it waits for a byte at the mark, and sends the byte.
    pub(super) fn seize(&mut self) -> Result<(), Error> {
        let seized = ptrace::seize(self.thread, ptrace::Options::empty());
        seized.and_then(|()| ptrace::interrupt(self.thread)).map_err(|e| format!("ptrace: {e}"))?;
        self.stopped()?;
        Ok(self.process.stdin.as_mut().expect("it is piped").write_all(b"\n")?)
    }

    pub(super) fn set_registers(&self, regs: user_regs_struct) -> Result<(), Error> {
        Ok(ptrace::setregs(self.thread, regs)?)
    }

    /// Lets the thread execute one instruction.
    pub(super) fn step(&self) -> Result<user_regs_struct, Error> {
        let mut signal = None;
        loop {
            ptrace::step(self.thread, signal)?;
            signal = self.stopped()?;
            if signal.is_none() {
                return Ok(ptrace::getregs(self.thread)?);
            }
        }
    }

    /// Lets the thread execute the instruction at `at`, with all its repetitions.
    pub(super) fn step_over(&self, at: u64) -> Result<user_regs_struct, Error> {
        loop {
            let regs = self.step()?;
            if regs.rip != at {
                return Ok(regs);
            }
        }
    }

    /// Lets the thread run to `at`, with no branch on the way.
    pub(super) fn run_to(&mut self, at: u64) -> Result<user_regs_struct, Error> {
        if !self.stops_at(at) {
            loop {
                let regs = self.step()?;
                if regs.rip == at {
                    return Ok(regs);
                }
            }
        }
        let mut signal = None;
        loop {
            ptrace::cont(self.thread, signal)?;
            signal = self.stopped()?;
            if signal.is_none() {
                let regs = ptrace::getregs(self.thread)?;
                if regs.rip == at {
                    return Ok(regs);
                }
            }
        }
    }

    /// Sets the thread's breakpoint, in a register of the processor. False: there is none to be had.
    fn stops_at(&mut self, at: u64) -> bool {
        let register = |n: usize| {
            (std::mem::offset_of!(user, u_debugreg) + n * size_of::<nix::libc::c_ulonglong>())
                as ptrace::AddressType
        };
        if self.breakpoint != Some(at) {
            let set = ptrace::write_user(self.thread, register(0), at.cast_signed());
            // On, for this thread, where it executes.
            let on = || {
                self.breakpoint.map_or_else(|| ptrace::write_user(self.thread, register(7), 1), |_| Ok(()))
            };
            self.breakpoint = set.and_then(|()| on()).is_ok().then_some(at);
        }
        self.breakpoint == Some(at)
    }

    /// Waits until the thread has stopped; the signal that is to be delivered to it, if that is why.
    fn stopped(&self) -> Result<Option<Signal>, Error> {
        match waitpid(self.thread, Some(WaitPidFlag::__WALL))? {
            WaitStatus::Stopped(_, Signal::SIGTRAP) | WaitStatus::PtraceEvent(..) => Ok(None),
            WaitStatus::Stopped(_, signal) => Ok(Some(signal)),
            other => Err(format!("the child ended before it came to the mark: {other:?}").into()),
        }
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        // Whatever it is doing: it is ours, and of no use any more.
        let _ = self.process.kill();
        // A traced thread must be waited for by itself, or its process never ends.
        let _ = waitpid(self.thread, Some(WaitPidFlag::__WALL));
        let _ = self.process.wait();
    }
}

/// Where something of this name begins and ends in a process.
fn mapping(process: &str, name: &str) -> Result<Option<(u64, u64)>, Error> {
    let maps = std::fs::read_to_string(format!("/proc/{process}/maps"))?;
    let mut found = None;
    for line in maps.lines().filter(|l| l.ends_with(name)) {
        let (from, rest) = line.split_once('-').ok_or("maps")?;
        let to = rest.split_whitespace().next().ok_or("maps")?;
        let (from, to) = (u64::from_str_radix(from, 16)?, u64::from_str_radix(to, 16)?);
        found = Some((found.map_or(from, |(first, _)| first), to));
    }
    Ok(found)
}
