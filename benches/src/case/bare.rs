//! What the network alone costs: the echo cases without a runtime, as a figure below which none can come.
//!
//! `bare-epoll` is a loop of `epoll_wait`, `read` and `write`. `bare-uring` is what io_uring offers a thread that has nothing else to
//! do: a receive that is submitted once, into buffers of the ring, and sends without completions; one call for all of a turn.
//! Neither can wake, cancel or time anything, and both stop at whatever is not as expected.

use super::catalogue::Id;
use super::echo::{cpu_us, load};
use crate::load::bare;
use crate::measure::{Outcome, Plan};
use crate::place::{Over, Place};
use crate::work::echo::{ECHO_BUFFER, Echoed};
use io_uring::squeue::{Entry, Flags};
use io_uring::types::{BufRingEntry, Fd};
use io_uring::{IoUring, cqueue, opcode};
use std::collections::HashMap;
use std::io::{self, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::fd::AsRawFd;
use std::sync::atomic::{AtomicU16, Ordering};

/// A server: returns when something goes wrong.
type Serve = fn(&TcpListener, &'static Echoed) -> io::Result<()>;

/// Runs the case if it is an echo over TCP.
pub(crate) fn run(id: Id, plan: Plan, serve: Serve) -> Option<Outcome> {
    let Id::Echo(Over::Tcp, connections, depth) = id else { return None };
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let place = Place::Tcp(listener.local_addr().expect("it is bound"));
    let echoed: &'static Echoed = Box::leak(Box::default());
    std::thread::spawn(move || panic!("the server: {:?}", serve(&listener, echoed)));
    let loader = plan.loader.expect("the caller names the load's program");
    let outcome = load(&loader, &place, plan, [connections, depth], || (echoed.count(), 0), cpu_us);
    Some(outcome.expect("the load ends well"))
}

/// `bare-epoll`.
pub(crate) fn by_epoll(listener: &TcpListener, echoed: &'static Echoed) -> io::Result<()> {
    let mut buf = vec![0; ECHO_BUFFER];
    bare::by_epoll(listener, |stream, (): &mut ()| {
        let n = stream.read(&mut buf)?;
        echoed.add(n);
        stream.write_all(&buf[..n]).map(|()| n)
    })
}

/// Buffers of the ring, a power of two, and bytes of each.
const BUFFERS: u16 = 256;
const BYTES: usize = 4096;
/// User data of what is not a stream's receive.
const ACCEPT: u64 = u64::MAX;
const SEND: u64 = u64::MAX - 1;

/// The buffers, and the array in which the kernel is told of them.
struct Provided {
    entries: *mut BufRingEntry,
    memory: *mut u8,
    tail: u16,
}

impl Provided {
    /// Registers all of them. Their memory is never freed.
    fn new(ring: &IoUring) -> io::Result<Provided> {
        let pages = |bytes| {
            // SAFETY: the address is the kernel's choice.
            unsafe {
                rustix::mm::mmap_anonymous(
                    std::ptr::null_mut(),
                    bytes,
                    rustix::mm::ProtFlags::READ | rustix::mm::ProtFlags::WRITE,
                    rustix::mm::MapFlags::PRIVATE,
                )
            }
        };
        let entries = pages(usize::from(BUFFERS) * size_of::<BufRingEntry>())?.cast::<BufRingEntry>();
        let memory = pages(usize::from(BUFFERS) * BYTES)?.cast::<u8>();
        // SAFETY: the array is never unmapped.
        unsafe { ring.submitter().register_buf_ring_with_flags(entries as u64, BUFFERS, 0, 0) }?;
        let mut provided = Provided { entries, memory, tail: 0 };
        (0..BUFFERS).for_each(|id| provided.give(id));
        Ok(provided)
    }

    fn at(&self, id: u16) -> *mut u8 {
        self.memory.wrapping_add(usize::from(id) * BYTES)
    }

    /// Gives buffer `id` to the kernel.
    fn give(&mut self, id: u16) {
        let (address, place) = (self.at(id) as u64, usize::from(self.tail % BUFFERS));
        let entry = self.entries.wrapping_add(place);
        // SAFETY: the place lies in the array, and the kernel has not been told of it.
        let entry = unsafe { &mut *entry };
        entry.set_addr(address);
        entry.set_len(BYTES as u32);
        entry.set_bid(id);
        self.tail = self.tail.wrapping_add(1);
        // SAFETY: the array is mapped.
        let tail = unsafe { BufRingEntry::tail(self.entries) }.cast_mut();
        // SAFETY: mapped, aligned to two, and accessed atomically by both sides.
        let tail = unsafe { AtomicU16::from_ptr(tail) };
        // ORDERING: Release pairs with the kernel's acquire of the tail: it sees the entry filled in.
        tail.store(self.tail, Ordering::Release);
    }
}

/// `bare-uring`.
pub(crate) fn by_uring(listener: &TcpListener, echoed: &'static Echoed) -> io::Result<()> {
    let mut ring = IoUring::builder()
        .setup_single_issuer()
        .setup_defer_taskrun()
        .setup_coop_taskrun()
        .setup_submit_all()
        .setup_no_sqarray()
        .build(1024)?;
    let mut provided = Provided::new(&ring)?;
    let mut streams: HashMap<u64, TcpStream> = HashMap::new();
    let (mut sent, mut completions) = (Vec::new(), Vec::new());
    let accept = || opcode::AcceptMulti::new(Fd(listener.as_raw_fd())).build().user_data(ACCEPT);
    let receive = |fd: u64| opcode::RecvMulti::new(Fd(fd as i32), 0).build().user_data(fd);
    submit(&mut ring, &accept())?;
    loop {
        match ring.submit_and_wait(1) {
            Err(e) if e.kind() == io::ErrorKind::Interrupted => continue,
            submitted => submitted?,
        };
        // Every send was over when the call that submitted it was.
        sent.drain(..).for_each(|id| provided.give(id));
        completions.extend(ring.completion().map(|cqe| (cqe.user_data(), cqe.result(), cqe.flags())));
        for (user_data, result, flags) in completions.drain(..) {
            match user_data {
                ACCEPT => {
                    let fd = usize::try_from(result).map_err(|_| io::Error::from_raw_os_error(-result))?;
                    // SAFETY: the kernel has made it just now.
                    let stream: TcpStream = unsafe { std::os::fd::FromRawFd::from_raw_fd(fd as i32) };
                    stream.set_nodelay(true)?;
                    streams.insert(fd as u64, stream);
                    submit(&mut ring, &receive(fd as u64))?;
                }
                SEND => return Err(io::Error::other("a socket had no room")),
                fd => match (usize::try_from(result), cqueue::buffer_select(flags)) {
                    (Ok(n @ 1..), Some(id)) => {
                        echoed.add(n);
                        let send = opcode::Send::new(Fd(fd as i32), provided.at(id), n as u32);
                        let send =
                            send.flags(flags_of_sends()).build().flags(Flags::SKIP_SUCCESS).user_data(SEND);
                        submit(&mut ring, &send)?;
                        sent.push(id);
                        if !cqueue::more(flags) {
                            submit(&mut ring, &receive(fd))?;
                        }
                    }
                    _ => drop(streams.remove(&fd)),
                },
            }
        }
    }
}

fn flags_of_sends() -> i32 {
    use rustix::net::{RecvFlags, SendFlags};
    (SendFlags::DONTWAIT.bits() | RecvFlags::WAITALL.bits()) as i32
}

fn submit(ring: &mut IoUring, entry: &Entry) -> io::Result<()> {
    // SAFETY: buffers are never freed, and not given back before their send is over.
    unsafe { ring.submission().push(entry) }.map_err(io::Error::other)
}
