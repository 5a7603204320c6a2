//! Paths: status, names made, changed and removed, directories read.

use std::collections::BTreeSet;
use std::fs as std_fs;
use std::io::ErrorKind;
use std::os::unix::fs::{MetadataExt, PermissionsExt};

use ouzel::fs;
use ouzel_tests::Setup;

use crate::folder::Folder;

pub(crate) fn names_are_made_changed_and_removed(setup: Setup) {
    setup.run(async {
        let folder = Folder::new();
        let p = |name: &str| folder.path(name);
        fs::write(p("a"), "a").await.unwrap();
        fs::rename(p("a"), p("b")).await.unwrap();
        assert_eq!(fs::rename(p("a"), p("b")).await.unwrap_err().kind(), ErrorKind::NotFound);
        fs::hard_link(p("b"), p("hard")).await.unwrap();
        assert_eq!(fs::metadata(p("b")).await.unwrap().nlink(), 2);
        fs::symlink("b", p("soft")).await.unwrap();
        assert_eq!(fs::symlink("b", p("soft")).await.unwrap_err().kind(), ErrorKind::AlreadyExists);
        assert_eq!(fs::read_link(p("soft")).await.unwrap().to_str(), Some("b"));
        assert_eq!(fs::canonicalize(p("soft")).await.unwrap(), std_fs::canonicalize(p("b")).unwrap());
        assert!(fs::symlink_metadata(p("soft")).await.unwrap().is_symlink());
        let (through, direct) = (fs::metadata(p("soft")).await.unwrap(), std_fs::metadata(p("b")).unwrap());
        assert!(through.ino() == direct.ino() && through.dev() == direct.dev() && through.is_file());
        assert!(fs::try_exists(p("soft")).await.unwrap() && !fs::try_exists(p("a")).await.unwrap());
        assert!(fs::try_exists(p("b").join("below")).await.is_err(), "cannot tell");
        assert_eq!(fs::copy(p("b"), p("copy")).await.unwrap(), 1);
        fs::set_permissions(p("copy"), std_fs::Permissions::from_mode(0o400)).await.unwrap();
        assert_eq!(fs::metadata(p("copy")).await.unwrap().mode() & 0o777, 0o400);
        fs::remove_file(p("copy")).await.unwrap();
        assert_eq!(fs::remove_file(p("copy")).await.unwrap_err().kind(), ErrorKind::NotFound);

        fs::create_dir(p("dir")).await.unwrap();
        assert_eq!(fs::create_dir(p("dir")).await.unwrap_err().kind(), ErrorKind::AlreadyExists);
        assert_eq!(fs::create_dir(p("x/y")).await.unwrap_err().kind(), ErrorKind::NotFound);
        fs::create_dir_all(p("dir/with/more")).await.unwrap();
        assert!(fs::remove_file(p("dir")).await.is_err());
        assert_eq!(fs::remove_dir(p("dir")).await.unwrap_err().kind(), ErrorKind::DirectoryNotEmpty);
        fs::remove_dir(p("dir/with/more")).await.unwrap();
        fs::remove_dir_all(p("dir")).await.unwrap();
        assert!(!p("dir").exists());
    });
}

pub(crate) fn a_directory_is_read_in_batches(setup: Setup) {
    setup.run(async {
        let folder = Folder::new();
        for count in [0usize, 1, 64, 65, 200] {
            let dir = folder.path(&format!("with {count}"));
            std_fs::create_dir(&dir).unwrap();
            let expected: BTreeSet<_> = (0..count).map(|i| format!("entry {i}")).collect();
            for name in &expected {
                std_fs::write(dir.join(name), name).unwrap();
            }
            let mut entries = fs::read_dir(&dir).await.unwrap();
            let mut found = BTreeSet::new();
            loop {
                // One that is dropped before its end loses nothing.
                let mut dropped = Box::pin(entries.next_entry());
                let early = std::future::poll_fn(|cx| match dropped.as_mut().poll(cx) {
                    std::task::Poll::Ready(entry) => std::task::Poll::Ready(Some(entry)),
                    std::task::Poll::Pending => std::task::Poll::Ready(None),
                })
                .await;
                drop(dropped);
                let next = match early {
                    Some(entry) => entry,
                    None => entries.next_entry().await,
                };
                let Some(entry) = next.unwrap() else { break };
                assert!(entry.file_type().await.unwrap().is_file());
                assert_eq!(entry.path(), dir.join(entry.file_name()));
                let status = std_fs::metadata(entry.path()).unwrap();
                assert_eq!(entry.ino(), status.ino());
                assert_eq!(entry.metadata().await.unwrap().len(), status.len());
                assert!(found.insert(entry.file_name().to_str().unwrap().to_owned()), "{entry:?} twice");
            }
            assert_eq!(found, expected);
            assert!(entries.next_entry().await.unwrap().is_none(), "still at the end");
        }
        assert_eq!(fs::read_dir(folder.path("none")).await.unwrap_err().kind(), ErrorKind::NotFound);
        std_fs::write(folder.path("file"), "").unwrap();
        assert_eq!(fs::read_dir(folder.path("file")).await.unwrap_err().kind(), ErrorKind::NotADirectory);
    });
}
