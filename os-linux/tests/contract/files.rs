//! Files and pipes, in blocking and in non-blocking mode.

use std::ffi::CString;
use std::io::{Read, Write};
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::path::PathBuf;
use std::time::Duration;

use ouzel_core::op::{AT_POSITION, Request};

use crate::rig::{Rig, pattern};

pub(crate) fn a_file_is_written_and_read_back(rig: &mut Rig) {
    let dir = TempDir::new();
    let path = dir.path("file");
    let fd = rig.result(&open(&path, libc::O_RDWR | libc::O_CREAT));
    assert!(fd >= 0, "open: {fd}");
    let data = pattern(100_000);
    let mut at = 0;
    while at < data.len() {
        let rest = &data[at..];
        let req = Request::Write { fd, buf: rest.as_ptr(), len: rest.len(), offset: at as u64 };
        let n = rig.result(&req);
        assert!(n > 0, "write: {n}");
        at += n as usize;
    }
    assert_eq!(rig.result(&Request::Fsync { fd, data_only: false }), 0);
    assert_eq!(rig.result(&Request::Fsync { fd, data_only: true }), 0);
    assert_eq!(rig.result(&Request::Close { fd }), 0);

    let fd = rig.result(&open(&path, libc::O_RDONLY));
    // SAFETY: no memory is passed.
    let (fd_flags, flags) = unsafe { (libc::fcntl(fd, libc::F_GETFD), libc::fcntl(fd, libc::F_GETFL)) };
    assert!(fd_flags & libc::FD_CLOEXEC != 0 && flags & libc::O_NONBLOCK == 0);
    for position in [true, false] {
        let mut got = vec![0; data.len() + 10];
        let mut at = 0;
        loop {
            let rest = &mut got[at..];
            let offset = if position { AT_POSITION } else { at as u64 };
            let (buf, len) = (rest.as_mut_ptr(), rest.len());
            match rig.result(&Request::Read { fd, buf, len, offset }) {
                0 => break,
                n if n > 0 => at += n as usize,
                e => panic!("read: {e}"),
            }
        }
        assert!(got[..at] == data);
    }
    assert_eq!(rig.result(&Request::Close { fd }), 0);
    assert_eq!(rig.result(&open(&dir.path("none"), libc::O_RDONLY)), -libc::ENOENT);
}

pub(crate) fn a_pipe_in_blocking_mode_waits(rig: &mut Rig) {
    pipe_waits(rig, 0);
}

pub(crate) fn a_pipe_in_non_blocking_mode_waits(rig: &mut Rig) {
    pipe_waits(rig, libc::O_NONBLOCK);
}

fn pipe_waits(rig: &mut Rig, flags: i32) {
    let (reader, writer) = pipe(flags);
    let mut write_file = std::fs::File::from(writer.try_clone().unwrap());
    let mut buf = [0; 8];
    for offset in [AT_POSITION, 0, AT_POSITION] {
        let (at, len) = (buf.as_mut_ptr(), buf.len());
        let key = rig.start(&Request::Read { fd: reader.as_raw_fd(), buf: at, len, offset });
        rig.stays_pending(key, Duration::from_millis(5));
        write_file.write_all(b"abc").unwrap();
        assert_eq!(rig.finish_op(key).res, 3);
        assert_eq!(&buf[..3], b"abc");
    }
    // A full pipe: a write waits until somebody reads, and its cancel leaves nothing behind.
    let data = pattern(1 << 20);
    let write = |at: usize| Request::Write {
        fd: writer.as_raw_fd(),
        buf: data[at..].as_ptr(),
        len: 4096,
        offset: AT_POSITION,
    };
    let mut sent = 0;
    let blocked = loop {
        let key = rig.start(&write(sent));
        rig.turn(Some(rig.after(Duration::from_millis(3))), false);
        match rig.take(key) {
            Some(c) => sent += c.res as usize,
            None => break key,
        }
        assert!(sent < 1 << 19, "the pipe never fills");
    };
    rig.stays_pending(blocked, Duration::from_millis(5));
    rig.cancel(blocked);
    assert_eq!(rig.finish_op(blocked).res, -libc::ECANCELED);
    let blocked = rig.start(&write(sent));
    rig.stays_pending(blocked, Duration::from_millis(5));
    let mut read_file = std::fs::File::from(reader);
    let mut got = vec![0; sent];
    read_file.read_exact(&mut got).unwrap();
    assert!(got == data[..sent]);
    assert_eq!(rig.finish_op(blocked).res, 4096);
    let mut got = vec![0; 4096];
    read_file.read_exact(&mut got).unwrap();
    assert!(got == data[sent..sent + 4096]);
    drop((write_file, writer));
    let (at, len) = (buf.as_mut_ptr(), buf.len());
    let end = Request::Read { fd: read_file.as_raw_fd(), buf: at, len, offset: AT_POSITION };
    assert_eq!(rig.result(&end), 0);
}

pub(crate) fn a_read_of_a_pipe_is_cancelled(rig: &mut Rig) {
    for flags in [0, libc::O_NONBLOCK] {
        let (reader, _writer) = pipe(flags);
        rig.opened(&reader);
        let mut buf = [0; 8];
        let (at, len) = (buf.as_mut_ptr(), buf.len());
        let req = Request::Read { fd: reader.as_raw_fd(), buf: at, len, offset: AT_POSITION };
        let key = rig.start(&req);
        rig.stays_pending(key, Duration::from_millis(5));
        rig.cancel(key);
        assert_eq!(rig.finish_op(key).res, -libc::ECANCELED);
    }
}

fn open(path: &CString, flags: i32) -> Request {
    Request::OpenAt { dir: libc::AT_FDCWD, path: path.as_ptr().cast(), flags, mode: 0o600 }
}

pub(crate) fn pipe(flags: i32) -> (OwnedFd, OwnedFd) {
    let mut fds = [0; 2];
    // SAFETY: room for two descriptors.
    assert_eq!(unsafe { libc::pipe2(fds.as_mut_ptr(), flags | libc::O_CLOEXEC) }, 0);
    // SAFETY: both were made just now.
    unsafe { (OwnedFd::from_raw_fd(fds[0]), OwnedFd::from_raw_fd(fds[1])) }
}

pub(crate) struct TempDir(PathBuf);

impl TempDir {
    pub(crate) fn new() -> TempDir {
        let name = format!("ouzel-{}-{:?}", std::process::id(), std::thread::current().id());
        let path = std::env::temp_dir().join(name);
        std::fs::create_dir_all(&path).unwrap();
        TempDir(path)
    }

    pub(crate) fn path(&self, name: &str) -> CString {
        CString::new(self.0.join(name).into_os_string().into_encoded_bytes()).unwrap()
    }
}

impl Drop for TempDir {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}
