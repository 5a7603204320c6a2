//! The event loop: level-triggered epoll over all connections, phase by phase.

use super::connection::{Connection, Mix};
use super::error::LoadError;
use super::expect::{Expect, Request};
use super::options::{Choice, Options};
use super::report::Report;
use rustix::event::epoll;
use std::os::fd::{AsFd, OwnedFd};
use std::time::{Duration, Instant};

/// Points in a run at which the caller may look at the server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// Everything is set up and quiet; measuring starts when the hook returns.
    Ready,
    /// Everything has been answered. If the hook returns true, it is measured once more; otherwise the connections close.
    Done,
}

/// Runs the load of `options` and returns what the part measured last showed. Blocks throughout.
///
/// # Errors
/// The first wrong byte, lost connection, stall or failed socket call.
pub fn run(
    options: &Options,
    mut at: impl FnMut(Phase, Option<&Report>) -> bool,
) -> Result<Report, LoadError> {
    let mut engine = Engine::connect(options)?;
    let mut ignored = Report::new(options.connections, options.depth);
    if options.mix != Choice::One {
        engine.drive(Mix::Preload, None, &mut ignored)?;
    }
    let mix = match options.mix {
        Choice::Ratio => Mix::Random((options.set_ratio * 4_294_967_296.0) as u64),
        Choice::Misses => Mix::Misses,
        Choice::Noreply => Mix::Noreply,
        Choice::One => Mix::One,
    };
    engine.drive(mix, Some(options.measure / 10), &mut ignored)?;

    at(Phase::Ready, None);
    loop {
        let mut report = Report::new(options.connections, options.depth);
        let start = Instant::now();
        engine.drive(mix, Some(options.measure), &mut report)?;
        report.elapsed = start.elapsed();
        if !at(Phase::Done, Some(&report)) {
            return Ok(report);
        }
    }
}

struct Engine<'a> {
    options: &'a Options,
    epoll: OwnedFd,
    connections: Vec<Connection>,
    armed_for_write: Vec<bool>,
    scratch: Vec<u8>,
}

impl<'a> Engine<'a> {
    fn connect(options: &'a Options) -> Result<Self, LoadError> {
        let epoll = epoll::create(epoll::CreateFlags::CLOEXEC)?;
        let n = options.connections;
        let mut connections = Vec::with_capacity(n);
        for i in 0..n {
            let keys = (options.keys * i / n) as u64..(options.keys * (i + 1) / n) as u64;
            let c = Connection::open(options.addr, options.protocol, keys, options.recipe.seed)?;
            epoll::add(&epoll, c.stream.as_fd(), epoll::EventData::new_u64(i as u64), epoll::EventFlags::IN)?;
            connections.push(c);
        }
        Ok(Engine { options, epoll, connections, armed_for_write: vec![false; n], scratch: Vec::new() })
    }

    /// Sends `mix` for `time` (or, without one, until it is used up), then waits for every answer.
    fn drive(&mut self, mix: Mix, time: Option<Duration>, report: &mut Report) -> Result<(), LoadError> {
        let start = Instant::now();
        let until = time.map(|t| start + t);
        for i in 0..self.connections.len() {
            self.send(i, mix, start)?;
        }
        let mut events = Vec::with_capacity(256);
        let stall = rustix::event::Timespec::try_from(self.options.stall).expect("a few seconds fit");
        loop {
            let busy = self.connections.iter().any(|c| c.outstanding() > 0);
            let unsent = matches!(mix, Mix::Preload) && !self.connections.iter().all(Connection::preloaded);
            if !busy && !unsent {
                return Ok(());
            }
            events.clear();
            match epoll::wait(&self.epoll, rustix::buffer::spare_capacity(&mut events), Some(&stall)) {
                Ok(0) => return Err(LoadError::Stalled(self.options.stall)),
                Ok(_) => {}
                Err(rustix::io::Errno::INTR) => continue,
                Err(e) => return Err(e.into()),
            }
            for event in &events {
                let i = event.data.u64() as usize;
                let now = Instant::now();
                let recipe = &self.options.recipe;
                self.connections[i].receive(recipe, &mut self.scratch, |e| count(report, recipe, e, now))?;
                if until.is_none_or(|t| now < t) {
                    self.send(i, mix, now)?;
                } else {
                    self.flush(i)?;
                }
            }
        }
    }

    fn send(&mut self, i: usize, mix: Mix, now: Instant) -> Result<(), LoadError> {
        self.connections[i].fill(self.options.depth, mix, &self.options.recipe, now);
        self.flush(i)
    }

    fn flush(&mut self, i: usize) -> Result<(), LoadError> {
        let c = &mut self.connections[i];
        c.flush()?;
        if c.wants_write() != self.armed_for_write[i] {
            self.armed_for_write[i] = c.wants_write();
            let mut flags = epoll::EventFlags::IN;
            flags.set(epoll::EventFlags::OUT, c.wants_write());
            epoll::modify(&self.epoll, c.stream.as_fd(), epoll::EventData::new_u64(i as u64), flags)?;
        }
        Ok(())
    }
}

fn count(report: &mut Report, recipe: &super::values::Recipe, e: &Expect, now: Instant) {
    match e.what {
        Request::Get(id) => {
            report.gets += 1;
            report.value_bytes += recipe.len(id) as u64;
        }
        Request::Miss(_) => report.gets += 1,
        Request::Set(_) => report.sets += 1,
    }
    report.sets += u64::from(e.unanswered);
    let ns = u64::try_from(now.duration_since(e.sent).as_nanos()).unwrap_or(u64::MAX);
    report.latency.saturating_record(ns.max(1));
}
