//! Copies, compared with those that `std` makes. By which calls they are made: `tests/injected/copies.rs`.

use std::fs as std_fs;
use std::io::{ErrorKind, Write};
use std::os::unix::fs::{FileExt, PermissionsExt};

use ouzel::fs;
use ouzel_tests::Setup;

use crate::folder::{Folder, pattern};

pub(crate) fn a_copy_has_the_bytes_and_the_permissions(setup: Setup) {
    setup.run(async {
        let folder = Folder::new();
        let p = |name: &str| folder.path(name);
        for (size, mode) in [(0usize, 0o600), (1, 0o777), (70_000, 0o640), (300_000, 0o4751)] {
            let data = pattern(size);
            std_fs::write(p("from"), &data).unwrap();
            std_fs::set_permissions(p("from"), std_fs::Permissions::from_mode(mode)).unwrap();
            assert_eq!(std_fs::copy(p("from"), p("by std")).unwrap(), size as u64);
            // Longer, so that what is left of it would show.
            std_fs::write(p("over"), pattern(400_000)).unwrap();
            for to in ["new", "over"] {
                assert_eq!(fs::copy(p("from"), p(to)).await.unwrap(), size as u64);
                assert!(std_fs::read(p(to)).unwrap() == data, "{to}");
                let mode_of = |name: &str| std_fs::metadata(p(name)).unwrap().permissions().mode();
                assert_eq!(mode_of(to), mode_of("by std"), "{to}: {mode:o}");
                std_fs::remove_file(p(to)).unwrap();
            }
            std_fs::remove_file(p("by std")).unwrap();
        }
        // Bytes, a hole, bytes, a hole to the end.
        let sparse = std_fs::File::create(p("sparse")).unwrap();
        (&sparse).write_all(&pattern(5000)).unwrap();
        sparse.write_all_at(&pattern(3000), 2 << 20).unwrap();
        sparse.set_len(3 << 20).unwrap();
        assert_eq!(fs::copy(p("sparse"), p("copy")).await.unwrap(), 3 << 20);
        assert!(std_fs::read(p("copy")).unwrap() == std_fs::read(p("sparse")).unwrap());
    });
}

pub(crate) fn a_copy_of_what_tells_no_length_is_whole(setup: Setup) {
    setup.run(async {
        let folder = Folder::new();
        for path in ["/proc/version", "/proc/cpuinfo", "/sys/kernel/mm/transparent_hugepage/enabled"] {
            let Ok(text) = std_fs::read(path) else { continue };
            if path.ends_with("version") {
                assert!(std_fs::metadata(path).unwrap().len() == 0 && !text.is_empty());
            }
            let copied = fs::copy(path, folder.path("copy")).await.unwrap();
            let copy = std_fs::read(folder.path("copy")).unwrap();
            // Clock rates change from one read to the next.
            assert!(copied == copy.len() as u64 && copy[..20] == text[..20], "{path}: {copied} bytes");
            std_fs::remove_file(folder.path("copy")).unwrap();
        }
    });
}

pub(crate) fn a_copy_that_cannot_be_made_says_why(setup: Setup) {
    setup.run(async {
        let folder = Folder::new();
        let p = |name: &str| folder.path(name);
        std_fs::write(p("from"), "x").unwrap();
        let none = fs::copy(p("none"), p("to")).await.unwrap_err();
        assert_eq!(none.kind(), ErrorKind::NotFound);
        assert_eq!(fs::copy(p("from"), p("no/where")).await.unwrap_err().kind(), ErrorKind::NotFound);
        assert_eq!(fs::copy(folder.root(), p("to")).await.unwrap_err().kind(), ErrorKind::InvalidInput);
        let full = fs::copy(p("from"), "/dev/full").await.unwrap_err();
        assert_eq!(full.kind(), ErrorKind::StorageFull);
    });
}
