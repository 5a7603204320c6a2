//! Whole files: warm and cold, of every size, special ones, and those that change meanwhile.

use std::fs;
use std::io::{ErrorKind, Write};
use std::os::unix::ffi::OsStrExt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use ouzel::fs::{read, read_into, read_to_string, write};
use ouzel_tests::Setup;

use crate::folder::{Folder, pattern};

pub(crate) fn each_size_comes_back_whole(setup: Setup) {
    setup.run(async {
        let folder = Folder::new();
        let mut buf = Vec::new();
        for size in [0, 1, 63, 64, 4095, 4096, 4097, 100_000, 256 * 1024, 256 * 1024 + 1, 5 << 20] {
            let path = folder.path("file");
            let data = pattern(size);
            write(&path, data.clone()).await.unwrap();
            assert!(fs::read(&path).unwrap() == data, "written: {size}");
            assert!(read(&path).await.unwrap() == data, "read: {size}");
            buf.extend_from_slice(b"of the file before");
            let (n, back) = read_into(&path, buf).await;
            assert!(n.unwrap() == size && back == data, "read into: {size}");
            buf = back;
        }
        let full = buf.capacity();
        write(folder.path("small"), "small").await.unwrap();
        let (n, buf) = read_into(folder.path("small"), buf).await;
        assert_eq!((n.unwrap(), buf.as_slice(), buf.capacity()), (5, &b"small"[..], full));
    });
}

pub(crate) fn files_out_of_memory_come_back_whole(setup: Setup) {
    setup.run(async {
        let folder = Folder::new();
        for size in [1, 4096, 70_000, 1 << 20] {
            let (path, data) = (folder.path("file"), pattern(size));
            fs::write(&path, &data).unwrap();
            let file = fs::File::open(&path).unwrap();
            file.sync_all().unwrap();
            // Where that has no effect (a file system in memory) this is a warm read once more.
            rustix::fs::fadvise(&file, 0, None, rustix::fs::Advice::DontNeed).unwrap();
            drop(file);
            assert!(read(&path).await.unwrap() == data, "{size}");
        }
    });
}

pub(crate) fn what_is_no_plain_file_is_read_or_refused(setup: Setup) {
    setup.run(async {
        let folder = Folder::new();
        let refused = async |path: &std::path::Path| {
            let (result, buf) = read_into(path, Vec::with_capacity(100)).await;
            assert!(buf.capacity() >= 100, "the buffer comes back");
            result.unwrap_err()
        };
        assert_eq!(refused(folder.root()).await.kind(), ErrorKind::IsADirectory);
        assert_eq!(refused(&folder.path("none")).await.kind(), ErrorKind::NotFound);
        assert_eq!(refused(&folder.path("none/below")).await.kind(), ErrorKind::NotFound);
        fs::write(folder.path("file"), "x").unwrap();
        assert_eq!(refused(&folder.path("file/below")).await.kind(), ErrorKind::NotADirectory);
        assert_eq!(refused("a\0b".as_ref()).await.kind(), ErrorKind::InvalidInput);
        let long = "x".repeat(300);
        assert_eq!(refused(&folder.path(&long)).await.kind(), ErrorKind::InvalidFilename);
        let deep = format!("{}file", "./".repeat(400));
        assert_eq!(read(folder.path(&deep)).await.unwrap(), b"x", "longer than what the stack holds");

        // Says size zero and has something to say.
        let status = read_to_string("/proc/self/status").await.unwrap();
        assert!(status.contains("Threads:"), "{status}");
        assert!(read("/dev/null").await.unwrap().is_empty());
        fs::write(folder.path("bytes"), [0xff, 0xfe]).unwrap();
        assert_eq!(read_to_string(folder.path("bytes")).await.unwrap_err().kind(), ErrorKind::InvalidData);
        assert_eq!(write(folder.root(), "x").await.unwrap_err().kind(), ErrorKind::IsADirectory);
    });
}

pub(crate) fn a_fifo_is_read_until_its_writer_is_done(setup: Setup) {
    setup.run(async {
        let folder = Folder::new();
        let path = folder.path("fifo");
        let name = std::ffi::CString::new(path.as_os_str().as_bytes()).unwrap();
        // SAFETY: the name is NUL-terminated.
        assert_eq!(unsafe { libc::mkfifo(name.as_ptr(), 0o600) }, 0);
        let writer = std::thread::spawn(move || {
            let mut fifo = fs::OpenOptions::new().write(true).open(path).unwrap();
            for _ in 0..3 {
                fifo.write_all(&[7; 50_000]).unwrap();
                std::thread::sleep(std::time::Duration::from_millis(2));
            }
        });
        assert!(read(folder.path("fifo")).await.unwrap() == [7; 150_000]);
        writer.join().unwrap();
    });
}

/// One that grows is read as far as it went; one that is replaced is old or new, never a mixture.
pub(crate) fn a_file_that_changes_is_never_a_mixture(setup: Setup) {
    setup.run(async {
        let folder = Folder::new();
        let (growing, replaced) = (folder.path("growing"), folder.path("replaced"));
        fs::write(&growing, "").unwrap();
        fs::write(&replaced, vec![0; 10_000]).unwrap();
        let stop = Arc::new(AtomicBool::new(false));
        let writer = std::thread::spawn({
            let (growing, replaced, stop) = (growing.clone(), replaced.clone(), stop.clone());
            let new = folder.path("new");
            move || {
                let mut log = fs::OpenOptions::new().append(true).open(growing).unwrap();
                for round in 0..2000u32 {
                    log.write_all(&round.to_le_bytes()).unwrap();
                    fs::write(&new, vec![round as u8; 10_000 - round as usize % 1000]).unwrap();
                    fs::rename(&new, &replaced).unwrap();
                }
                stop.store(true, Ordering::SeqCst);
            }
        });
        let mut least = 0;
        while !stop.load(Ordering::SeqCst) {
            let log = read(&growing).await.unwrap();
            assert!(log.len() >= least, "{} bytes after {least}", log.len());
            least = log.len();
            let whole = log.chunks_exact(4).map(|c| u32::from_le_bytes(c.try_into().unwrap()));
            assert!(whole.enumerate().all(|(i, n)| i as u32 == n));
            let other = read(&replaced).await.unwrap();
            assert!(other.len() > 9000 && other.iter().all(|b| *b == other[0]));
        }
        writer.join().unwrap();
        assert_eq!(read(&growing).await.unwrap().len(), 8000);
    });
}

/// A task that finds every file in memory never waits; another of the same thread has its turn all the same.
pub(crate) fn warm_reads_let_other_tasks_run(setup: Setup) {
    setup.run(async move {
        let folder = Folder::new();
        let path = folder.path("file");
        fs::write(&path, "warm").unwrap();
        let seen = Arc::new(AtomicBool::new(false));
        let other = setup.spawn({
            let seen = seen.clone();
            async move { seen.store(true, Ordering::SeqCst) }
        });
        let mut buf = Vec::new();
        while !seen.load(Ordering::SeqCst) {
            let (n, back) = read_into(&path, buf).await;
            assert_eq!(n.unwrap(), 4);
            buf = back;
        }
        other.await.unwrap();
    });
}

pub(crate) fn dropped_reads_leave_nothing_behind(setup: Setup) {
    setup.run(async {
        let folder = Folder::new();
        let path = folder.path("file");
        fs::write(&path, pattern(1 << 20)).unwrap();
        let is_open = || {
            let mut open = fs::read_dir("/proc/self/fd").unwrap().flatten();
            open.any(|fd| fs::read_link(fd.path()).is_ok_and(|target| target == path))
        };
        for _ in 0..50 {
            let mut future = Box::pin(read(&path));
            std::future::poll_fn(|cx| {
                let _ = future.as_mut().poll(cx);
                std::task::Poll::Ready(())
            })
            .await;
            drop(future);
        }
        // A job that has begun goes on to its end.
        while is_open() {
            ouzel::sleep(std::time::Duration::from_millis(1)).await;
        }
    });
}
