//! File calls on the blocking pool; vectored reads and writes there and by readiness.

use std::ffi::CString;
use std::fs;
use std::os::fd::AsRawFd;
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;
use std::time::{Duration, UNIX_EPOCH};

use ouzel_core::op::{AT_POSITION, FileCall, Request, Segment, StatRoom, Submitted};
use ouzel_os_fallback::file_stat;
use rustix::fs::{AtFlags, CWD};
use rustix::io::Errno;
use rustix::pipe::pipe;

use crate::files::TempDir;
use crate::rig::{Rig, errno, pattern, run};

fn call(rig: &mut Rig, call: FileCall) -> i32 {
    let request = Request::File(call);
    let key = rig.start(&request);
    rig.completion(key).res
}

fn named(dir: &TempDir, name: &str) -> (PathBuf, CString) {
    let c = dir.path(name);
    (PathBuf::from(c.to_str().unwrap()), c)
}

fn p(c: &CString) -> *const u8 {
    c.as_ptr().cast()
}

fn segments(parts: &mut [Vec<u8>]) -> Vec<Segment> {
    parts.iter_mut().map(|p| Segment { base: p.as_mut_ptr(), len: p.len() }).collect()
}

#[test]
fn a_status_comes_from_the_pool() {
    run(|rig| {
        let dir = TempDir::new("status");
        let ((file, file_c), (link, link_c)) = (named(&dir, "file"), named(&dir, "link"));
        fs::write(&file, vec![1; 5000]).unwrap();
        std::os::unix::fs::symlink(&file, &link).unwrap();
        let opened = fs::File::open(&file).unwrap();
        let folder = fs::File::open(file.parent().unwrap()).unwrap();
        let of_file = fs::metadata(&file).unwrap();
        let here = AtFlags::SYMLINK_NOFOLLOW.bits() as i32;
        let cwd = CWD.as_raw_fd();
        for (expected, dir, path, flags) in [
            (&of_file, cwd, p(&link_c), 0),
            (&fs::symlink_metadata(&link).unwrap(), cwd, p(&link_c), here),
            (&of_file, opened.as_raw_fd(), std::ptr::null(), 0),
            (&of_file, opened.as_raw_fd(), p(&file_c), 0),
            (&of_file, folder.as_raw_fd(), c"file".as_ptr().cast(), 0),
            (&of_file, folder.as_raw_fd(), c"link".as_ptr().cast(), 0),
            (&fs::symlink_metadata(&link).unwrap(), folder.as_raw_fd(), c"link".as_ptr().cast(), here),
        ] {
            let mut room = StatRoom::ZERO;
            let stat = FileCall::Stat { dir, path, flags, out: &raw mut room };
            assert_eq!(rig.submit(&Request::File(stat)).1, Submitted::Blocking);
            assert_eq!(call(rig, stat), 0);
            let got = file_stat(&room);
            assert_eq!((got.mode, got.size, got.ino), (expected.mode(), expected.size(), expected.ino()));
            assert_eq!((got.dev, got.links, got.uid), (expected.dev(), expected.nlink(), expected.uid()));
            let modified = (got.modified.secs, i64::from(got.modified.nanos));
            assert_eq!(modified, (expected.mtime(), expected.mtime_nsec()));
            let times = [got.accessed, got.changed].map(|t| (t.secs, i64::from(t.nanos)));
            assert_eq!(times[1], (expected.ctime(), expected.ctime_nsec()));
            // Who follows a link notes the time in it.
            assert!(expected.is_symlink() || times[0] == (expected.atime(), expected.atime_nsec()));
            assert_eq!((got.blocks, got.rdev, got.gid), (expected.blocks(), expected.rdev(), expected.gid()));
            let tells = dir != folder.as_raw_fd();
            let created =
                expected.created().ok().filter(|_| tells).map(|t| t.duration_since(UNIX_EPOCH).unwrap());
            let got = got.created.map(|t| Duration::new(t.secs as u64, t.nanos));
            assert_eq!(got, created);
        }
        let none = dir.path("none");
        let mut room = StatRoom::ZERO;
        let out = &raw mut room;
        let missing = FileCall::Stat { dir: cwd, path: p(&none), flags: 0, out };
        assert_eq!(call(rig, missing), errno(Errno::NOENT));
        for (dir, error) in
            [(folder.as_raw_fd(), Errno::NOENT), (opened.as_raw_fd(), Errno::NOTDIR), (-1, Errno::BADF)]
        {
            let missing = FileCall::Stat { dir, path: c"none".as_ptr().cast(), flags: 0, out };
            assert_eq!(call(rig, missing), errno(error));
        }
        let bad = FileCall::Stat { dir: -1, path: std::ptr::null(), flags: 0, out };
        assert_eq!(call(rig, bad), errno(Errno::BADF));
    });
}

#[test]
fn names_are_made_changed_and_removed() {
    run(|rig| {
        let dir = TempDir::new("names");
        let cwd = CWD.as_raw_fd();
        let ((folder, folder_c), (old, old_c)) = (named(&dir, "folder"), named(&dir, "old"));
        let ((new, new_c), (link, link_c)) = (named(&dir, "new"), named(&dir, "link"));
        let make = FileCall::MakeDir { dir: cwd, path: p(&folder_c), mode: 0o700 };
        assert_eq!((call(rig, make), call(rig, make)), (0, errno(Errno::EXIST)));
        fs::write(&old, "old").unwrap();
        let rename =
            FileCall::Rename { from_dir: cwd, from: p(&old_c), to_dir: cwd, to: p(&new_c), flags: 0 };
        assert_eq!((call(rig, rename), call(rig, rename)), (0, errno(Errno::NOENT)));
        let hard = FileCall::Link { from_dir: cwd, from: p(&new_c), to_dir: cwd, to: p(&old_c), flags: 0 };
        assert_eq!((call(rig, hard), call(rig, hard)), (0, errno(Errno::EXIST)));
        assert_eq!(fs::metadata(&new).unwrap().nlink(), 2);
        let soft = FileCall::Symlink { target: p(&new_c), dir: cwd, path: p(&link_c) };
        assert_eq!((call(rig, soft), call(rig, soft)), (0, errno(Errno::EXIST)));
        assert_eq!(fs::read_link(&link).unwrap(), new);
        let unlink = |path, flags| FileCall::Unlink { dir: cwd, path: p(path), flags };
        let removes = AtFlags::REMOVEDIR.bits() as i32;
        assert_eq!((call(rig, unlink(&link_c, 0)), call(rig, unlink(&old_c, 0))), (0, 0));
        assert!(call(rig, unlink(&folder_c, 0)) < 0, "a directory wants the flag");
        assert_eq!(call(rig, unlink(&folder_c, removes)), 0);
        assert_eq!(call(rig, unlink(&folder_c, removes)), errno(Errno::NOENT));
        assert!(!old.exists() && !link.exists() && !folder.exists());
        let nowhere = FileCall::MakeDir { dir: -1, path: p(&folder_c), mode: 0o700 };
        assert_eq!(call(rig, nowhere), errno(Errno::BADF));

        let file = fs::OpenOptions::new().write(true).open(&new).unwrap();
        assert_eq!(call(rig, FileCall::Truncate { fd: file.as_raw_fd(), len: 100 }), 0);
        assert_eq!(file.metadata().unwrap().len(), 100);
        let set_aside = FileCall::Allocate { fd: file.as_raw_fd(), mode: 0, offset: 0, len: 1 };
        assert_eq!(call(rig, set_aside), errno(Errno::OPNOTSUPP));
    });
}

#[test]
fn several_places_are_written_and_read_in_order() {
    run(|rig| {
        let dir = TempDir::new("places");
        let (path, _) = named(&dir, "file");
        let file = fs::OpenOptions::new().read(true).write(true).create_new(true).open(&path).unwrap();
        let fd = file.as_raw_fd();
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
            assert!(parts.concat()[..expected as usize] == data[offset as usize..]);
        }
        let from = segments(&mut parts);
        let bad = Request::WriteV { fd: -1, segments: from.as_ptr(), count: 3, offset: 0 };
        assert_eq!(rig.result(&bad), errno(Errno::BADF));
    });
}

#[test]
fn a_vectored_read_of_a_pipe_waits_takes_one_segment_and_is_cancelled() {
    run(|rig| {
        let (reader, writer) = pipe().unwrap();
        let mut parts = vec![Vec::new(), vec![0; 3], vec![0; 5]];
        let to = segments(&mut parts);
        let (fd, offset) = (reader.as_raw_fd(), AT_POSITION);
        let read = Request::ReadV { fd, segments: to.as_ptr(), count: 3, offset };
        let key = rig.start(&read);
        rig.stays_pending(key);
        let mut from_parts = vec![b"abcd".to_vec(), b"not yet".to_vec()];
        let from = segments(&mut from_parts);
        let write = Request::WriteV { fd: writer.as_raw_fd(), segments: from.as_ptr(), count: 2, offset };
        assert_eq!(rig.result(&write), 4);
        assert_eq!(rig.completion(key).res, 3);
        assert_eq!(parts.concat(), b"abc\0\0\0\0\0");
        assert_eq!(rig.result(&read), 1, "what was left");
        let key = rig.start(&read);
        rig.stays_pending(key);
        assert_eq!(rig.cancelled(key), errno(Errno::CANCELED));
    });
}
