//! What the system keeps of files in memory, made the same at the start of every measurement.

use std::fs;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::process::Command;

/// Has the system forget what it knows of files.
///
/// # Errors
/// It does not permit that.
pub(super) fn cold() -> Result<(), String> {
    let _ = Command::new("sync").status();
    fs::write("/proc/sys/vm/drop_caches", "3").map_err(|e| format!("drop_caches: {e}"))
}

/// Has it read everything below `folder` anew, one file after the other in the order of their names.
///
/// Files that were read part by part over hours, between other work, lie in memory as it happened to be free: a search of 581 MiB
/// took 75 to 87 ms of such pages, and 54 to 57 ms after this, every engine alike, so that what an engine itself costs was a
/// smaller share. Where caches cannot be dropped the files are read, and what was in memory stays where it was.
///
/// # Errors
/// A file cannot be read.
pub(super) fn warm(folder: &Path) -> Result<(), String> {
    let _ = cold();
    keep_warm(folder)
}

/// Has it read again what it has given up of `folder` since. Linux' DAMON, where it is on, takes pages that are read and never
/// mapped for unused: minutes after all was in memory, three searches of four met 140 to 310 reads that had to wait.
///
/// # Errors
/// A file cannot be read.
pub(super) fn keep_warm(folder: &Path) -> Result<(), String> {
    let mut buf = vec![0; 1 << 20];
    let read = read_below(folder, &mut buf);
    read.map(drop).map_err(|(path, e)| format!("{}: {e}", path.display()))
}

/// Has it read all of the program, which was forgotten with the rest: what a start brings into memory by itself depends on where
/// the disk's readahead ended, and so did page faults, by twenty of five hundred.
///
/// # Errors
/// It cannot be read.
pub(super) fn load(program: &Path) -> Result<(), String> {
    read_to_end(program, &mut vec![0; 1 << 20]).map(drop).map_err(|e| format!("{}: {e}", program.display()))
}

/// The bytes read.
fn read_below(folder: &Path, buf: &mut [u8]) -> Result<u64, (PathBuf, io::Error)> {
    let of = |path: &Path| {
        let path = path.to_path_buf();
        |e| (path, e)
    };
    let entries = fs::read_dir(folder).and_then(Iterator::collect::<io::Result<Vec<_>>>);
    let mut paths: Vec<_> = entries.map_err(of(folder))?.iter().map(fs::DirEntry::path).collect();
    paths.sort_unstable();
    let mut bytes = 0;
    for path in paths {
        let kind = fs::symlink_metadata(&path).map_err(of(&path))?;
        if kind.is_dir() {
            bytes += read_below(&path, buf)?;
        } else if kind.is_file() {
            bytes += read_to_end(&path, buf).map_err(of(&path))?;
        }
    }
    Ok(bytes)
}

fn read_to_end(path: &Path, buf: &mut [u8]) -> io::Result<u64> {
    let (mut file, mut bytes) = (fs::File::open(path)?, 0);
    loop {
        match file.read(buf)? {
            0 => return Ok(bytes),
            n => bytes += n as u64,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_is_not_there_is_named() {
        let none = std::env::temp_dir().join("ouzel-xtask-no-such-folder");
        let (path, e) = read_below(&none, &mut [0; 16]).unwrap_err();
        assert_eq!((path, e.kind()), (none, io::ErrorKind::NotFound));
    }

    #[test]
    fn what_is_no_file_is_passed_over_and_folders_are_entered() {
        let root = std::env::temp_dir().join(format!("ouzel-xtask-caches-{}", std::process::id()));
        let _ = fs::remove_dir_all(&root);
        fs::create_dir_all(root.join("in")).unwrap();
        fs::write(root.join("in/file"), [1; 40]).unwrap();
        std::os::unix::fs::symlink("nowhere", root.join("link")).unwrap();
        let done = read_below(&root, &mut [0; 16]);
        fs::remove_dir_all(&root).unwrap();
        assert_eq!(done.unwrap(), 40, "all of the one file");
    }
}
