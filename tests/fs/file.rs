//! Open files: transfers, lengths, clones, closing.

use std::fs;
use std::io::{ErrorKind, Read, SeekFrom, Write};
use std::os::fd::AsRawFd;
use std::os::unix::fs::PermissionsExt;
use std::task::Poll;

use ouzel::buf::IoBuf;
use ouzel::fs::{File, OpenOptions};
use ouzel_tests::Setup;

use crate::folder::{Folder, pattern};

pub(crate) fn bytes_go_to_their_offsets_and_come_from_there(setup: Setup) {
    setup.run(async {
        let folder = Folder::new();
        let path = folder.path("file");
        let file = File::create_new(&path).await.unwrap();
        let data = pattern(300_000);
        file.write_all_at(data[100_000..].to_vec(), 100_000).await.0.unwrap();
        let (written, back) = file.write_all_at(data.clone().slice(..100_000), 0).await;
        written.unwrap();
        assert_eq!(back.into_inner().len(), 300_000);
        assert!(fs::read(&path).unwrap() == data);
        let (read, buf) = file.read_exact_at(Vec::with_capacity(300_000), 0).await;
        assert!(read.is_ok() && buf == data);
        let (read, buf) = file.read_exact_at(Vec::with_capacity(10), 299_995).await;
        assert_eq!((read.unwrap_err().kind(), &buf[..]), (ErrorKind::UnexpectedEof, &data[299_995..]));
        let (read, buf) = file.read_at(vec![0; 100].into_boxed_slice(), 299_950).await;
        assert_eq!((read.unwrap(), &buf[..50]), (50, &data[299_950..]));
        let (read, _) = file.read_at(Vec::with_capacity(10), 300_000).await;
        assert_eq!(read.unwrap(), 0);
        let (read, _) = file.read_at(Vec::new(), 0).await;
        assert_eq!(read.unwrap(), 0);
        let only = File::open(&path).await.unwrap();
        assert!(only.write_at("x", 0).await.0.is_err(), "not opened for writing");
    });
}

pub(crate) fn what_is_in_memory_is_had_on_the_spot(setup: Setup) {
    /// A look-up that others disturb is given up, and some file systems cannot tell: not every try is good.
    fn tried<T>(call: impl Fn() -> std::io::Result<T>) -> Option<T> {
        let results = std::iter::repeat_with(call).take(100);
        let mut good = results.filter_map(|r| match r {
            Err(e) if e.kind() == ErrorKind::WouldBlock => None,
            result => Some(result.unwrap()),
        });
        good.next()
    }
    setup.run(async {
        let folder = Folder::new();
        let (path, data) = (folder.path("file"), pattern(10_000));
        fs::write(&path, &data).unwrap();
        let opened = tried(|| File::try_open(&path));
        if opened.is_none() {
            println!("skipped in part: nothing is opened from memory here");
        }
        let file = match opened {
            Some(file) => file,
            None => File::open(&path).await.unwrap(),
        };
        if let Some(metadata) = tried(|| file.try_metadata()) {
            assert_eq!(metadata.len(), 10_000);
        }
        let part = tried(|| {
            let mut part = vec![0; 100];
            file.try_read_at(&mut part, 9_950).map(|n| (n, part))
        });
        if let Some((n, part)) = part {
            assert_eq!((n, &part[..50]), (50, &data[9_950..]));
        }
        // Opened so it can be waited for like any other.
        let (read, buf) = file.read_exact_at(Vec::with_capacity(10_000), 0).await;
        assert!(read.is_ok() && buf == data);
        let fifo = folder.path("fifo");
        rustix::fs::mknodat(rustix::fs::CWD, &fifo, rustix::fs::FileType::Fifo, 0o600.into(), 0).unwrap();
        if let Some(file) = tried(|| File::try_open(&fifo)) {
            let mut writer = fs::File::options().write(true).open(&fifo).unwrap();
            let mut read = Box::pin(file.read(Vec::with_capacity(16)));
            let waits = std::future::poll_fn(|cx| Poll::Ready(read.as_mut().poll(cx).is_pending())).await;
            assert!(waits, "nothing was written, and that is no error");
            writer.write_all(b"late").unwrap();
            let (read, buf) = read.await;
            assert_eq!((read.unwrap(), &buf[..]), (4, &b"late"[..]));
        }
        // Whoever is given the descriptor finds it as `open` would have left it.
        if let Some(file) = tried(|| File::try_open(&path)) {
            let flags = rustix::fs::fcntl_getfl(&file).unwrap();
            assert!(!flags.contains(rustix::fs::OFlags::NONBLOCK));
        }
        let error = File::try_open(folder.path("none")).unwrap_err().kind();
        assert!([ErrorKind::NotFound, ErrorKind::WouldBlock].contains(&error), "{error}");
        let file = File::options().write(true).open(&path).await.unwrap();
        assert!(file.try_read_at(&mut [0; 9], 0).is_err(), "not opened for reading");
    });
}

pub(crate) fn a_long_transfer_goes_in_parts(setup: Setup) {
    setup.run(async {
        let folder = Folder::new();
        let path = folder.path("file");
        let data = pattern((3 << 20) + 5);
        let file = File::create_new(&path).await.unwrap();
        file.write_all(data.clone()).await.0.unwrap();
        assert!(fs::read(&path).unwrap() == data);
        let (n, part) = file.read_at(Vec::with_capacity(2 << 20), 1).await;
        assert!(n.unwrap() <= 1 << 20 && data[1..].starts_with(&part));
        let (whole, buf) = file.read_exact_at(Vec::with_capacity(data.len()), 0).await;
        assert!(whole.is_ok() && buf == data);
    });
}

/// A pipe as a file: its reads wait, and one that is dropped takes nothing with it.
pub(crate) fn a_read_that_waits_is_dropped(setup: Setup) {
    setup.run(async {
        let (reader, mut writer) = std::io::pipe().unwrap();
        let file = File::from_std(std::os::fd::OwnedFd::from(reader).into());
        for text in [b"one", b"two"] {
            let mut dropped = Box::pin(file.read(Vec::with_capacity(16)));
            let waits = std::future::poll_fn(|cx| Poll::Ready(dropped.as_mut().poll(cx).is_pending())).await;
            assert!(waits, "there is nothing to read");
            drop(dropped);
            // Whatever was in flight is over before the bytes come: it could not give them back.
            ouzel::sleep(std::time::Duration::from_millis(5)).await;
            writer.write_all(text).unwrap();
            let (n, buf) = file.read(Vec::with_capacity(16)).await;
            assert_eq!((n.unwrap(), &buf[..]), (3, &text[..]));
        }
        assert_eq!(file.close().await.map_err(|e| e.kind()), Ok(()));
    });
}

/// What opens a file for nobody closes it again.
pub(crate) fn a_dropped_open_leaves_no_descriptor(setup: Setup) {
    setup.run(async {
        let folder = Folder::new();
        let paths: Vec<_> = (0..50).map(|i| folder.path(&i.to_string())).collect();
        for path in &paths {
            let mut open = Box::pin(File::create(path));
            std::future::poll_fn(|cx| {
                let _ = open.as_mut().poll(cx);
                Poll::Ready(())
            })
            .await;
        }
        let is_open = || {
            let mut open = fs::read_dir("/proc/self/fd").unwrap().flatten();
            open.any(|fd| fs::read_link(fd.path()).is_ok_and(|target| paths.contains(&target)))
        };
        // Those that were opened all the same are closed when that is known.
        while is_open() {
            ouzel::sleep(std::time::Duration::from_millis(1)).await;
        }
    });
}

pub(crate) fn many_transfers_are_in_flight_at_once(setup: Setup) {
    setup.run(async move {
        let folder = Folder::new();
        let path = folder.path("file");
        let data = pattern(64 * 4096);
        fs::write(&path, &data).unwrap();
        let file = std::sync::Arc::new(File::open(&path).await.unwrap());
        let reads: Vec<_> = (0..64u64)
            .map(|i| {
                let file = file.clone();
                setup.spawn(async move { file.read_exact_at(Vec::with_capacity(4096), i * 4096).await })
            })
            .collect();
        for (read, part) in reads.into_iter().zip(data.chunks(4096)) {
            let (result, buf) = read.await.unwrap();
            assert!(result.is_ok() && buf == part);
        }
    });
}

pub(crate) fn the_position_moves_with_reads_and_writes(setup: Setup) {
    setup.run(async {
        let folder = Folder::new();
        let path = folder.path("file");
        let file = File::create_new(&path).await.unwrap();
        file.write_all("one ").await.0.unwrap();
        assert_eq!(file.write("two").await.0.unwrap(), 3);
        let clone = file.try_clone().unwrap();
        assert_eq!(clone.seek(SeekFrom::Start(4)).unwrap(), 4);
        let (read, buf) = file.read(Vec::with_capacity(100)).await;
        assert_eq!((read.unwrap(), &buf[..]), (3, &b"two"[..]));
        assert_eq!(file.seek(SeekFrom::End(-3)).unwrap(), 4);
        assert_eq!(file.seek(SeekFrom::Current(-4)).unwrap(), 0);
        let (read, buf) = file.read_exact(Vec::with_capacity(5)).await;
        assert_eq!((read.is_ok(), &buf[..]), (true, &b"one t"[..]));
        assert!(file.seek(SeekFrom::End(-8)).is_err());
        let log = OpenOptions::new().append(true).open(&path).await.unwrap();
        log.write_all_at("!", 0).await.0.unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"one two!");
    });
}

pub(crate) fn several_buffers_are_one_transfer(setup: Setup) {
    setup.run(async {
        let folder = Folder::new();
        let path = folder.path("file");
        let file = File::create_new(&path).await.unwrap();
        let data = pattern(20_000);
        for count in [1, 9, 10, 100] {
            let size = data.len() / count;
            let parts: Vec<Vec<u8>> = data.chunks(size).take(count).map(<[u8]>::to_vec).collect();
            let (n, parts) = file.write_vectored_at(parts, 0).await;
            assert_eq!((n.unwrap(), parts.len()), (count * size, count));
            assert!(fs::read(&path).unwrap()[..count * size] == data[..count * size]);
            let room: Vec<_> = (0..count).map(|_| Vec::with_capacity(size)).collect();
            let (n, room) = file.read_vectored_at(room, 1).await;
            assert_eq!(n.unwrap(), (count * size).min(19_999));
            assert!(data[1..].starts_with(&room.concat()));
            file.set_len(20_000).await.unwrap();
        }
        let (n, room) = file.read_vectored_at(vec![Vec::with_capacity(8), vec![1; 8]], 19_996).await;
        assert_eq!((n.unwrap(), room[0].len(), room[1].len()), (4, 4, 0));
        let (n, _) = file.read_vectored_at(Vec::<Vec<u8>>::new(), 0).await;
        assert_eq!(n.unwrap(), 0);
    });
}

pub(crate) fn lengths_status_permissions_and_syncs(setup: Setup) {
    setup.run(async {
        let folder = Folder::new();
        let path = folder.path("file");
        let file = OpenOptions::new().write(true).create_new(true).mode(0o640).open(&path).await.unwrap();
        file.set_len(10_000).await.unwrap();
        let status = file.metadata().await.unwrap();
        let expected = fs::metadata(&path).unwrap();
        assert_eq!((status.len(), status.permissions()), (10_000, expected.permissions()));
        assert_eq!(status.modified().unwrap(), expected.modified().unwrap());
        assert_eq!(status.accessed().unwrap(), expected.accessed().unwrap());
        assert_eq!(status.created().ok(), expected.created().ok());
        assert!(status.is_file() && !status.is_dir() && !status.is_symlink());
        file.set_permissions(fs::Permissions::from_mode(0o600)).await.unwrap();
        assert_eq!(file.metadata().await.unwrap().mode() & 0o777, 0o600);
        file.sync_all().await.unwrap();
        file.sync_data().await.unwrap();
        match file.allocate(0, 100_000).await {
            Ok(()) => assert_eq!(file.metadata().await.unwrap().len(), 100_000),
            Err(e) => assert_eq!(e.kind(), ErrorKind::Unsupported),
        }
        let only = File::open(&path).await.unwrap();
        assert_eq!(only.set_len(1).await.unwrap_err().kind(), ErrorKind::InvalidInput);
    });
}

pub(crate) fn opening_keeps_to_the_options(setup: Setup) {
    setup.run(async {
        let folder = Folder::new();
        let path = folder.path("file");
        let kind = |result: std::io::Result<File>| result.unwrap_err().kind();
        assert_eq!(kind(File::open(&path).await), ErrorKind::NotFound);
        assert_eq!(kind(OpenOptions::new().create(true).open(&path).await), ErrorKind::InvalidInput);
        assert_eq!(kind(File::open("a\0b").await), ErrorKind::InvalidInput);
        drop(File::create(&path).await.unwrap());
        assert_eq!(kind(File::create_new(&path).await), ErrorKind::AlreadyExists);
        fs::write(&path, "12345").unwrap();
        drop(OpenOptions::new().write(true).create(true).open(&path).await.unwrap());
        assert_eq!(fs::read(&path).unwrap(), b"12345", "kept");
        let emptied = File::create(&path).await.unwrap();
        assert_eq!(emptied.metadata().await.unwrap().len(), 0);
        std::os::unix::fs::symlink(&path, folder.path("link")).unwrap();
        let mut options = OpenOptions::new();
        options.read(true).custom_flags(libc::O_NOFOLLOW);
        assert!(options.open(folder.path("link")).await.is_err());
        let opened = options.open(&path).await.unwrap();
        // SAFETY: no memory is passed.
        let flags = unsafe { libc::fcntl(opened.as_raw_fd(), libc::F_GETFD) };
        assert!(flags & libc::FD_CLOEXEC != 0);
    });
}

pub(crate) fn files_go_to_std_and_back_and_are_closed(setup: Setup) {
    setup.run(async {
        let folder = Folder::new();
        let path = folder.path("file");
        fs::write(&path, "text").unwrap();
        let file = File::open(&path).await.unwrap();
        let mut std = file.into_std().unwrap();
        let mut text = String::new();
        std.read_to_string(&mut text).unwrap();
        assert_eq!(text, "text");
        let file = File::from_std(std);
        let fd = file.as_raw_fd();
        file.close().await.unwrap();
        assert!(fs::read_link(format!("/proc/self/fd/{fd}")).map_or(true, |p| p != path), "closed");
        let unpolled = File::open(&path).await.unwrap();
        let fd = unpolled.as_raw_fd();
        drop(unpolled.close());
        assert!(fs::read_link(format!("/proc/self/fd/{fd}")).map_or(true, |p| p != path), "closed");
    });
}
