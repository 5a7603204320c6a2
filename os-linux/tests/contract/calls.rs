//! File calls that never wait for readiness, and vectored reads and writes.

use std::ffi::CString;
use std::fs;
use std::os::fd::AsRawFd;
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;
use std::time::Duration;

use ouzel_core::op::{AT_POSITION, FileCall, Request, Segment, StatRoom, Submitted};
use ouzel_os_linux::{Mask, execute, file_stat};

use crate::files::{TempDir, pipe};
use crate::rig::{Rig, pattern};

const CWD: i32 = libc::AT_FDCWD;

fn call(rig: &mut Rig, call: FileCall) -> i32 {
    rig.result(&Request::File(call))
}

/// A path of the folder, as std takes it and as the calls take it.
fn named(dir: &TempDir, name: &str) -> (PathBuf, CString) {
    let c = dir.path(name);
    (PathBuf::from(c.to_str().unwrap()), c)
}

fn segments(parts: &mut [Vec<u8>]) -> Vec<Segment> {
    parts.iter_mut().map(|p| Segment { base: p.as_mut_ptr(), len: p.len() }).collect()
}

pub(crate) fn a_status_is_that_of_the_path_the_link_or_the_descriptor(rig: &mut Rig) {
    let dir = TempDir::new();
    let ((file, file_c), (link, link_c)) = (named(&dir, "file"), named(&dir, "link"));
    fs::write(&file, vec![1; 5000]).unwrap();
    std::os::unix::fs::symlink(&file, &link).unwrap();
    let opened = fs::File::open(&file).unwrap();
    let by_path = |path: &CString, flags| (CWD, path.as_ptr().cast(), flags);
    let of_file = fs::metadata(&file).unwrap();
    for (expected, (dir, path, flags)) in [
        (&of_file, by_path(&file_c, 0)),
        (&of_file, by_path(&link_c, 0)),
        (&fs::symlink_metadata(&link).unwrap(), by_path(&link_c, libc::AT_SYMLINK_NOFOLLOW)),
        (&of_file, (opened.as_raw_fd(), std::ptr::null(), 0)),
    ] {
        let mut room = StatRoom::ZERO;
        assert_eq!(call(rig, FileCall::Stat { dir, path, flags, out: &raw mut room }), 0);
        let got = file_stat(&room);
        assert_eq!((got.mode, got.size, got.ino), (expected.mode(), expected.size(), expected.ino()));
        assert_eq!((got.dev, got.links, got.uid), (expected.dev(), expected.nlink(), expected.uid()));
        assert_eq!((got.blocks, u64::from(got.block_size)), (expected.blocks(), expected.blksize()));
        let modified = (got.modified.secs, i64::from(got.modified.nanos));
        assert_eq!(modified, (expected.mtime(), expected.mtime_nsec()));
    }
    let mut room = StatRoom::ZERO;
    let none = dir.path("none");
    let (path, out) = (none.as_ptr().cast(), &raw mut room);
    assert_eq!(call(rig, FileCall::Stat { dir: CWD, path, flags: 0, out }), -libc::ENOENT);
    assert_eq!(call(rig, FileCall::Stat { dir: -1, path: std::ptr::null(), flags: 0, out }), -libc::EBADF);
}

pub(crate) fn a_file_is_given_blocks_and_cut_off(rig: &mut Rig) {
    let dir = TempDir::new();
    let (path, _) = named(&dir, "file");
    let file = fs::File::create(&path).unwrap();
    let fd = file.as_raw_fd();
    assert_eq!(call(rig, FileCall::Allocate { fd, mode: 0, offset: 4096, len: 4096 }), 0);
    let made = file.metadata().unwrap();
    assert!(made.len() == 8192 && made.blocks() * 512 >= 4096, "{made:?}");
    assert_eq!(call(rig, FileCall::Truncate { fd, len: 100 }), 0);
    assert_eq!(file.metadata().unwrap().len(), 100);
    assert_eq!(call(rig, FileCall::Truncate { fd, len: 1 << 20 }), 0);
    assert_eq!(file.metadata().unwrap().len(), 1 << 20);
    let read_only = fs::File::open(&path).unwrap();
    let fd = read_only.as_raw_fd();
    assert_eq!(call(rig, FileCall::Truncate { fd, len: 1 }), -libc::EINVAL);
    assert_eq!(call(rig, FileCall::Allocate { fd, mode: 0, offset: 0, len: 1 }), -libc::EBADF);
    assert_eq!(call(rig, FileCall::Truncate { fd: -1, len: 1 }), -libc::EBADF);
}

pub(crate) fn names_are_made_changed_and_removed(rig: &mut Rig) {
    let dir = TempDir::new();
    let ((folder, folder_c), (old, old_c)) = (named(&dir, "folder"), named(&dir, "old"));
    let ((new, new_c), (link, link_c)) = (named(&dir, "new"), named(&dir, "link"));
    let p = |c: &CString| c.as_ptr().cast::<u8>();
    assert_eq!(call(rig, FileCall::MakeDir { dir: CWD, path: p(&folder_c), mode: 0o700 }), 0);
    assert_eq!(fs::metadata(&folder).unwrap().mode() & 0o777, 0o700);
    assert_eq!(call(rig, FileCall::MakeDir { dir: CWD, path: p(&folder_c), mode: 0o700 }), -libc::EEXIST);

    fs::write(&old, "old").unwrap();
    fs::write(&new, "replaced").unwrap();
    let rename =
        |flags| FileCall::Rename { from_dir: CWD, from: p(&old_c), to_dir: CWD, to: p(&new_c), flags };
    assert_eq!(call(rig, rename(libc::RENAME_NOREPLACE)), -libc::EEXIST);
    assert_eq!(call(rig, rename(0)), 0);
    assert_eq!((fs::read(&new).unwrap(), old.exists()), (b"old".to_vec(), false));
    assert_eq!(call(rig, rename(0)), -libc::ENOENT);

    let hard = FileCall::Link { from_dir: CWD, from: p(&new_c), to_dir: CWD, to: p(&old_c), flags: 0 };
    assert_eq!(call(rig, hard), 0);
    assert_eq!(fs::metadata(&new).unwrap().nlink(), 2);
    assert_eq!(call(rig, hard), -libc::EEXIST);
    let soft = FileCall::Symlink { target: p(&new_c), dir: CWD, path: p(&link_c) };
    assert_eq!(call(rig, soft), 0);
    assert_eq!(fs::read_link(&link).unwrap(), new);
    assert_eq!(call(rig, soft), -libc::EEXIST);

    let unlink = |path, flags| FileCall::Unlink { dir: CWD, path: p(path), flags };
    assert_eq!(call(rig, unlink(&link_c, 0)), 0);
    assert_eq!(call(rig, unlink(&old_c, 0)), 0);
    assert_eq!(call(rig, unlink(&folder_c, 0)), -libc::EISDIR);
    assert_eq!(call(rig, unlink(&folder_c, libc::AT_REMOVEDIR)), 0);
    assert!(!link.exists() && !old.exists() && !folder.exists() && new.exists());
    assert_eq!(call(rig, unlink(&folder_c, libc::AT_REMOVEDIR)), -libc::ENOENT);
}

/// Whoever cancels learns whether it happened.
pub(crate) fn a_cancelled_file_call_was_made_or_was_not(rig: &mut Rig) {
    let dir = TempDir::new();
    for i in 0..50 {
        let (path, path_c) = named(&dir, &i.to_string());
        let make = FileCall::MakeDir { dir: CWD, path: path_c.as_ptr().cast(), mode: 0o700 };
        let key = rig.start(&Request::File(make));
        rig.cancel(key);
        match rig.finish_op(key).res {
            0 => assert!(path.is_dir(), "said to be made"),
            e => {
                assert!(e == -libc::ECANCELED || e == -libc::EINTR, "{e}");
                assert!(!path.exists(), "said to be cancelled");
            }
        }
    }
}

/// A ring makes them itself; without that, and on every other driver, a thread that may block does.
pub(crate) fn file_calls_are_the_rings_or_block(rig: &mut Rig) {
    let dir = TempDir::new();
    let path = dir.path("folder");
    let make = Request::File(FileCall::MakeDir { dir: CWD, path: path.as_ptr().cast(), mode: 0o700 });
    let (key, submitted) = rig.submit(&make);
    if rig.is_uring() && !rig.config.mask.has(Mask::FILE_CALLS) {
        assert_eq!(submitted, Submitted::InFlight);
        assert_eq!(rig.finish_op(key).res, 0);
    } else {
        assert_eq!(submitted, Submitted::Blocking);
        assert_eq!(execute(&make), 0);
    }
}

pub(crate) fn several_places_are_written_and_read_in_order(rig: &mut Rig) {
    let dir = TempDir::new();
    let (path, _) = named(&dir, "file");
    let options = fs::OpenOptions::new().read(true).write(true).create_new(true).open(&path).unwrap();
    let fd = options.as_raw_fd();
    let data = pattern(30_000);
    let mut parts = vec![data[..10_000].to_vec(), Vec::new(), data[10_000..].to_vec()];
    for offset in [0, AT_POSITION] {
        let from = segments(&mut parts);
        let write = Request::WriteV { fd, segments: from.as_ptr(), count: 3, offset };
        assert_eq!(rig.result(&write), 30_000);
        assert!(fs::read(&path).unwrap() == data);
    }
    for (offset, expected) in [(1000, 29_000), (29_000, 1000), (30_000, 0)] {
        let mut parts = vec![vec![0; 500], vec![0; 40_000]];
        let to = segments(&mut parts);
        let read = Request::ReadV { fd, segments: to.as_ptr(), count: 2, offset };
        assert_eq!(rig.result(&read), expected);
        let got = parts.concat();
        assert!(got[..expected as usize] == data[offset as usize..]);
    }
    let from = segments(&mut parts);
    let write = Request::WriteV { fd: -1, segments: from.as_ptr(), count: 3, offset: 0 };
    assert_eq!(rig.result(&write), -libc::EBADF);
}

pub(crate) fn a_vectored_read_of_a_pipe_waits_and_is_cancelled(rig: &mut Rig) {
    for flags in [0, libc::O_NONBLOCK] {
        let (reader, writer) = pipe(flags);
        rig.opened(&reader);
        rig.opened(&writer);
        let mut parts = vec![vec![0; 3], vec![0; 5]];
        let to = segments(&mut parts);
        let read =
            Request::ReadV { fd: reader.as_raw_fd(), segments: to.as_ptr(), count: 2, offset: AT_POSITION };
        let key = rig.start(&read);
        rig.stays_pending(key, Duration::from_millis(5));
        let mut from_parts = vec![b"ab".to_vec(), b"cdef".to_vec()];
        let from = segments(&mut from_parts);
        let (fd, offset) = (writer.as_raw_fd(), AT_POSITION);
        assert_eq!(rig.result(&Request::WriteV { fd, segments: from.as_ptr(), count: 2, offset }), 6);
        assert_eq!(rig.finish_op(key).res, 6);
        assert_eq!(parts.concat(), b"abcdef\0\0");

        let to = segments(&mut parts);
        let key =
            rig.start(&Request::ReadV { fd: reader.as_raw_fd(), segments: to.as_ptr(), count: 2, offset });
        rig.stays_pending(key, Duration::from_millis(5));
        rig.cancel(key);
        assert_eq!(rig.finish_op(key).res, -libc::ECANCELED);
    }
}
