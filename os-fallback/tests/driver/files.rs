//! Files on the blocking pool, pipes by readiness.

use std::ffi::CString;
use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::AsRawFd;
use std::path::PathBuf;

use ouzel_core::op::{AT_POSITION, Request, Submitted};
use rustix::fs::{CWD, OFlags, fcntl_setfl};
use rustix::io::{Errno, FdFlags, fcntl_getfd};
use rustix::pipe::pipe;

use crate::rig::{errno, owned, pattern, run};

pub(crate) struct TempDir(PathBuf);

impl TempDir {
    pub(crate) fn new(name: &str) -> TempDir {
        let path = std::env::temp_dir().join(format!("ouzel-fallback-{}-{name}", std::process::id()));
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

fn open(path: &CString, flags: OFlags) -> Request {
    let dir = CWD.as_raw_fd();
    Request::OpenAt { dir, path: path.as_ptr().cast(), flags: flags.bits() as i32, mode: 0o600 }
}

fn read(fd: &impl AsRawFd, buf: &mut [u8], offset: u64) -> Request {
    Request::Read { fd: fd.as_raw_fd(), buf: buf.as_mut_ptr(), len: buf.len(), offset }
}

fn write(fd: &impl AsRawFd, buf: &[u8], offset: u64) -> Request {
    Request::Write { fd: fd.as_raw_fd(), buf: buf.as_ptr(), len: buf.len(), offset }
}

#[test]
fn a_file_goes_to_the_pool_and_keeps_what_is_written() {
    run(|rig| {
        let dir = TempDir::new("file");
        let path = dir.path("file");
        let create = open(&path, OFlags::RDWR | OFlags::CREATE);
        assert_eq!(rig.submit(&create).1, Submitted::Blocking);
        let file = owned(rig.result(&create));
        assert!(fcntl_getfd(&file).unwrap().contains(FdFlags::CLOEXEC));
        let data = pattern(100_000);
        assert_eq!(rig.submit(&write(&file, &data, 0)).1, Submitted::Blocking);
        assert_eq!(rig.result(&write(&file, &data[50_000..], 50_000)), 50_000);
        assert_eq!(rig.result(&write(&file, &data[..50_000], AT_POSITION)), 50_000);
        for data_only in [true, false] {
            assert_eq!(rig.result(&Request::Fsync { fd: file.as_raw_fd(), data_only }), 0);
        }
        let mut got = vec![0; 100_010];
        assert_eq!(rig.result(&read(&file, &mut got, 0)), 100_000);
        assert!(got[..100_000] == data, "the bytes differ");
        assert_eq!(rig.result(&read(&file, &mut got, AT_POSITION)), 50_000);
        assert!(got[..50_000] == data[50_000..], "the bytes differ");
        assert_eq!(rig.result(&read(&file, &mut got, AT_POSITION)), 0);
        assert_eq!(rig.result(&read(&file, &mut [], 0)), 0);

        let fd = file.as_raw_fd();
        std::mem::forget(file);
        assert_eq!(rig.result(&Request::Close { fd }), 0);
        assert_eq!(rig.result(&open(&dir.path("none"), OFlags::RDONLY)), errno(Errno::NOENT));
        let read_only = owned(rig.result(&open(&path, OFlags::RDONLY)));
        assert_eq!(rig.result(&write(&read_only, b"x", 0)), errno(Errno::BADF));
    });
}

#[test]
fn a_pipe_waits_in_either_mode() {
    for non_blocking in [false, true] {
        let test = if non_blocking { pipe_waits::<true> } else { pipe_waits::<false> };
        run(test);
    }
}

fn pipe_waits<const NON_BLOCKING: bool>(rig: &mut crate::rig::Rig) {
    let (reader, writer) = pipe().unwrap();
    if NON_BLOCKING {
        fcntl_setfl(&reader, OFlags::NONBLOCK).unwrap();
        fcntl_setfl(&writer, OFlags::NONBLOCK).unwrap();
    }
    let mut buf = [0; 8];
    for offset in [AT_POSITION, 0] {
        let key = rig.start(&read(&reader, &mut buf, offset));
        rig.stays_pending(key);
        assert_eq!(rig.result(&write(&writer, b"abc", offset)), 3);
        assert_eq!(rig.completion(key).res, 3);
        assert_eq!(&buf[..3], b"abc");
    }
    let key = rig.start(&read(&reader, &mut buf, AT_POSITION));
    rig.stays_pending(key);
    assert_eq!(rig.cancelled(key), errno(Errno::CANCELED));

    // Until it is full: then a write waits, and goes on when somebody reads.
    let data = pattern(4 << 20);
    let mut sent = 0;
    let waiting = loop {
        let key = rig.start(&write(&writer, &data[sent..sent + 10_000], AT_POSITION));
        rig.reap();
        match rig.take(key) {
            Some(c) => sent += c.res as usize,
            None => break key,
        }
    };
    rig.stays_pending(waiting);
    let mut got = vec![0; sent];
    File::from(reader.try_clone().unwrap()).read_exact(&mut got).unwrap();
    assert!(got == data[..sent], "the bytes differ");
    let n = rig.completion(waiting).res as usize;
    let mut got = vec![0; n];
    File::from(reader.try_clone().unwrap()).read_exact(&mut got).unwrap();
    assert!(got == data[sent..sent + n], "the bytes differ");
    File::from(writer).flush().unwrap();
    assert_eq!(rig.result(&read(&reader, &mut buf, AT_POSITION)), 0, "nobody writes any more");
}

#[test]
fn a_socket_can_be_read_and_written_like_a_file() {
    run(|rig| {
        let (a, b) = std::os::unix::net::UnixStream::pair().unwrap();
        let mut buf = [0; 8];
        let key = rig.start(&read(&b, &mut buf, AT_POSITION));
        rig.stays_pending(key);
        assert_eq!(rig.result(&write(&a, b"abc", 0)), 3);
        assert_eq!(rig.completion(key).res, 3);
        drop(b);
        assert_eq!(rig.result(&write(&a, b"abc", 0)), errno(Errno::PIPE), "and no signal");
    });
}
