//! Files and pipes through raw operations: what the C ABI stands on. On the readiness drivers these take the
//! way over the blocking pool.

use std::ffi::CString;
use std::future::poll_fn;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;
use std::task::Poll;
use std::time::Duration;

use ouzel::op::raw::{self, AT_POSITION, Completion, RawOp, Request};
use ouzel::time::{sleep, timeout};
use ouzel_tests::{DropCount, DropGuard, on_each};

/// Begins a request on what `payload` keeps alive.
fn begin<P: 'static>(payload: P, build: impl FnOnce(&mut P) -> Request) -> RawOp<P> {
    let build = |p: *mut P, _: *mut raw::Scratch| {
        // SAFETY: the payload was just put there and nobody else knows the address.
        build(unsafe { &mut *p })
    };
    // SAFETY: every request below points only into heap memory that its payload owns, and the payload
    // lives in the operation.
    unsafe { raw::submit(payload, build) }.expect("inside a runtime")
}

async fn finish<P>(mut op: RawOp<P>) -> (i32, P) {
    let (Completion { res, .. }, payload) = poll_fn(|cx| op.poll(cx)).await;
    (res, payload)
}

async fn open(path: &CString, flags: i32) -> i32 {
    let op = begin(path.clone(), |path| Request::OpenAt {
        dir: libc::AT_FDCWD,
        path: path.as_ptr().cast(),
        flags,
        mode: 0o600,
    });
    finish(op).await.0
}

/// A path in the build folder that nobody else uses, removed when dropped.
struct Scratch(PathBuf);

impl Scratch {
    fn new(name: &str) -> Self {
        let thread = format!("{:?}", std::thread::current().id());
        let name = format!("ouzel-{name}-{}-{}", std::process::id(), thread.replace(['(', ')'], ""));
        Scratch(std::env::temp_dir().join(name))
    }

    fn c(&self) -> CString {
        CString::new(self.0.as_os_str().as_bytes()).unwrap()
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

#[test]
fn what_is_written_to_a_file_is_read_back() {
    on_each(|setup| {
        setup.run(async {
            let scratch = Scratch::new("file");
            let fd = open(&scratch.c(), libc::O_RDWR | libc::O_CREAT | libc::O_TRUNC).await;
            assert!(fd >= 0, "open failed with {fd}");
            let sent: Vec<u8> = (0..200_000u32).map(|i| (i * 7 + i / 251) as u8).collect();
            let mut at = 0;
            while at < sent.len() {
                let part = sent[at..].to_vec();
                let write =
                    begin(part, |b| Request::Write { fd, buf: b.as_ptr(), len: b.len(), offset: at as u64 });
                let (n, _) = finish(write).await;
                assert!(n > 0, "write failed with {n}");
                at += n as usize;
            }
            assert_eq!(finish(begin((), |()| Request::Fsync { fd, data_only: false })).await.0, 0);
            assert_eq!(finish(begin((), |()| Request::Fsync { fd, data_only: true })).await.0, 0);
            let mut got = Vec::new();
            loop {
                let offset = got.len() as u64;
                let read = begin(vec![0u8; 70_000], |b| Request::Read {
                    fd,
                    buf: b.as_mut_ptr(),
                    len: b.len(),
                    offset,
                });
                let (n, part) = finish(read).await;
                assert!(n >= 0, "read failed with {n}");
                if n == 0 {
                    break;
                }
                got.extend_from_slice(&part[..n as usize]);
            }
            assert!(got == sent, "the file's content differs");
            // At the file's own position: the second read goes on where the first ended.
            let mut both = Vec::new();
            for _ in 0..2 {
                let read = begin(vec![0u8; 10], |b| Request::Read {
                    fd,
                    buf: b.as_mut_ptr(),
                    len: 10,
                    offset: AT_POSITION,
                });
                let (n, part) = finish(read).await;
                both.extend_from_slice(&part[..n as usize]);
            }
            assert_eq!(both, sent[..20]);
            assert_eq!(finish(begin((), |()| Request::Close { fd })).await.0, 0);
        });
    });
}

#[test]
fn file_operations_fail_with_the_systems_error() {
    on_each(|setup| {
        setup.run(async {
            let scratch = Scratch::new("missing");
            assert_eq!(open(&scratch.c(), libc::O_RDONLY).await, -libc::ENOENT);
            let read = begin(vec![0u8; 8], |b| Request::Read {
                fd: 1 << 20,
                buf: b.as_mut_ptr(),
                len: 8,
                offset: 0,
            });
            assert_eq!(finish(read).await.0, -libc::EBADF);
            let write =
                begin(vec![0u8; 8], |b| Request::Write { fd: 1 << 20, buf: b.as_ptr(), len: 8, offset: 0 });
            assert_eq!(finish(write).await.0, -libc::EBADF);
            assert_eq!(
                finish(begin((), |()| Request::Fsync { fd: 1 << 20, data_only: false })).await.0,
                -libc::EBADF
            );
            assert_eq!(finish(begin((), |()| Request::Close { fd: 1 << 20 })).await.0, -libc::EBADF);
            assert_eq!(finish(begin((), |()| Request::Nop)).await.0, 0);
        });
    });
}

fn pipe() -> (OwnedFd, OwnedFd) {
    let mut ends = [0; 2];
    // SAFETY: the array has room for two descriptors.
    assert_eq!(unsafe { libc::pipe2(ends.as_mut_ptr(), libc::O_CLOEXEC) }, 0);
    // SAFETY: made by the call above, and nobody else's.
    ends.map(|fd| unsafe { OwnedFd::from_raw_fd(fd) }).into()
}

#[test]
fn a_read_from_a_pipe_really_waits() {
    on_each(|setup| {
        setup.run(async {
            let (reader, writer) = pipe();
            let fd = reader.as_raw_fd();
            let mut read = begin(vec![0u8; 16], |b| Request::Read {
                fd,
                buf: b.as_mut_ptr(),
                len: 16,
                offset: AT_POSITION,
            });
            let first = poll_fn(|cx| Poll::Ready(read.poll(cx).is_pending())).await;
            assert!(first, "nothing was written yet");
            sleep(Duration::from_millis(10)).await;
            assert!(!read.is_done());
            let out = writer.as_raw_fd();
            let write = begin(b"through".to_vec(), |b| Request::Write {
                fd: out,
                buf: b.as_ptr(),
                len: 7,
                offset: AT_POSITION,
            });
            assert_eq!(finish(write).await.0, 7);
            let (n, buf) = finish(read).await;
            assert_eq!((n, &buf[..7]), (7, &b"through"[..]));
        });
    });
}

#[test]
fn a_cancelled_read_gives_its_buffer_back_and_a_dropped_one_frees_it() {
    on_each(|setup| {
        let drops = DropCount::default();
        let seen = drops.clone();
        setup.run(async move {
            // A socket pair, because a pipe's read may sit in a blocking call that nothing interrupts.
            let (ours, theirs) = std::os::unix::net::UnixStream::pair().unwrap();
            ours.set_nonblocking(true).unwrap();
            let fd = ours.as_raw_fd();
            let recv = |guard: DropGuard| {
                begin((vec![9u8; 64], guard), |p| Request::Recv {
                    fd,
                    buf: p.0.as_mut_ptr(),
                    len: 64,
                    flags: 0,
                })
            };
            let mut cancelled = recv(seen.guard());
            assert!(poll_fn(|cx| Poll::Ready(cancelled.poll(cx).is_pending())).await);
            cancelled.cancel();
            let (res, (buf, guard)) =
                timeout(Duration::from_secs(300), finish(cancelled)).await.expect("the cancel was lost");
            assert_eq!((res, buf), (-libc::ECANCELED, vec![9u8; 64]));
            drop(guard);
            let mut dropped = recv(seen.guard());
            assert!(poll_fn(|cx| Poll::Ready(dropped.poll(cx).is_pending())).await);
            drop(dropped);
            while seen.get() < 2 {
                sleep(Duration::from_millis(1)).await;
            }
            drop(theirs);
        });
        assert_eq!(drops.get(), 2);
    });
}

#[test]
fn a_multishot_receive_delivers_every_byte_in_order() {
    on_each(|setup| {
        setup.run(async move {
            let (ours, theirs) = std::os::unix::net::UnixStream::pair().unwrap();
            ours.set_nonblocking(true).unwrap();
            let fd = ours.as_raw_fd();
            let sent: Vec<u8> = (0..3_000_000u32).map(|i| (i * 31 + i / 257) as u8).collect();
            let copy = sent.clone();
            let writing = std::thread::spawn(move || {
                use std::io::Write;
                (&theirs).write_all(&copy).unwrap();
            });
            let mut got = Vec::new();
            'stream: loop {
                let mut op = begin((), |()| Request::RecvMulti { fd });
                while let Some(c) = poll_fn(|cx| op.poll_next(cx)).await {
                    if let Some(id) = c.buffer() {
                        let at = raw::buffer(id).expect("inside a runtime");
                        // SAFETY: the completion says that so many bytes lie in this buffer, which is ours until
                        // it is given back.
                        got.extend_from_slice(unsafe { std::slice::from_raw_parts(at, c.res as usize) });
                        raw::recycle(id);
                    } else if c.res == 0 {
                        break 'stream;
                    } else {
                        assert!(c.res == -libc::ENOBUFS || c.res == -libc::ECANCELED, "{c:?}");
                    }
                }
            }
            assert!(got == sent, "{} of {} bytes, or others", got.len(), sent.len());
            writing.join().unwrap();
        });
    });
}
