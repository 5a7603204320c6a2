//! Files that fail: no room, a device that reports errors, a limit in the middle of a write. The errors are the system's
//! own, so that they reach every driver, the ring's too.

use std::io::ErrorKind;

use ouzel::fs::{self, File, OpenOptions};
use ouzel_tests::{Setup, drivers, in_child};

use crate::folder::{Folder, pattern};

pub(crate) fn a_device_without_room_says_so(setup: Setup) {
    setup.run(async {
        let file = OpenOptions::new().write(true).open("/dev/full").await.unwrap();
        for _ in 0..3 {
            let (result, buf) = file.write_at(vec![7; 5000], 0).await;
            assert_eq!(result.unwrap_err().kind(), ErrorKind::StorageFull);
            assert_eq!(buf, [7; 5000]);
            let (result, _) = file.write_all_at(vec![7; 5000], 0).await;
            assert_eq!(result.unwrap_err().kind(), ErrorKind::StorageFull);
        }
        assert_eq!(fs::write("/dev/full", "x").await.unwrap_err().kind(), ErrorKind::StorageFull);
    });
}

pub(crate) fn a_read_that_fails_gives_its_buffer_back(setup: Setup) {
    setup.run(async {
        // Nothing is mapped at its start.
        let file = File::open("/proc/self/mem").await.unwrap();
        for _ in 0..3 {
            let (result, buf) = file.read_at(Vec::with_capacity(100), 0).await;
            assert_eq!(result.unwrap_err().raw_os_error(), Some(libc::EIO));
            assert!(buf.is_empty() && buf.capacity() >= 100);
        }
        let error = fs::read("/proc/self/mem").await.unwrap_err();
        assert_eq!(error.raw_os_error(), Some(libc::EIO));
    });
}

const LIMIT: usize = 100_000;

/// This process's files may not be longer than [`LIMIT`].
fn limit_files() {
    let limit = libc::rlimit { rlim_cur: LIMIT as u64, rlim_max: LIMIT as u64 };
    // SAFETY: the struct is ours and complete.
    assert_eq!(unsafe { libc::setrlimit(libc::RLIMIT_FSIZE, &raw const limit) }, 0);
    // SAFETY: a signal that is ignored runs no code.
    unsafe { libc::signal(libc::SIGXFSZ, libc::SIG_IGN) };
}

#[test]
fn a_write_that_meets_a_limit_is_short_and_then_fails() {
    in_child("faults::a_write_that_meets_a_limit_is_short_and_then_fails", || {
        limit_files();
        for driver in drivers() {
            for workers in [0, 2] {
                Setup { driver, workers }.run(meet_the_limit());
            }
        }
    });
}

async fn meet_the_limit() {
    let folder = Folder::new();
    let path = folder.path("limited");
    let data = pattern(3 * LIMIT);
    let file = File::create(&path).await.unwrap();
    let (n, data) = file.write_at(data, 10).await;
    assert_eq!(n.unwrap(), LIMIT - 10, "as much as there was room for");
    let (result, data) = file.write_at(data, LIMIT as u64).await;
    assert_eq!(result.unwrap_err().kind(), ErrorKind::FileTooLarge);
    // All of it: what fits is there, and the error comes out.
    let (result, data) = file.write_all_at(data, 0).await;
    assert_eq!(result.unwrap_err().kind(), ErrorKind::FileTooLarge);
    assert!(fs::read(&path).await.unwrap() == data[..LIMIT], "not what was written");
    let file = File::create(&path).await.unwrap();
    let parts = vec![data[..60_000].to_vec(), data[60_000..].to_vec()];
    let (n, parts) = file.write_vectored_at(parts, 0).await;
    assert_eq!((n.unwrap(), parts.concat()), (LIMIT, data.clone()));
    assert!(fs::read(&path).await.unwrap() == data[..LIMIT], "not what was written");
    assert!(fs::write(&path, data).await.is_err());
    assert_eq!(file.set_len(LIMIT as u64 + 1).await.unwrap_err().kind(), ErrorKind::FileTooLarge);
}
