//! Paths: their status, new names, names that go.

use std::fs::Permissions;
use std::io;
use std::path::{Path, PathBuf};

use ouzel_core::op::FileCall;

use super::call::{here, on_path, on_paths, status_of_path};
use super::job::on_pool;
use super::metadata::Metadata;

/// The status of what `path` leads to.
///
/// What the kernel has in memory is had on the spot, without allocation, where the file system is one that keeps
/// its truth there; else it is one operation and two allocations. As with all functions here that take a path,
/// dropping the future leaves open whether the call is made.
///
/// # Errors
/// The system's: not found, no permission.
///
/// ```
/// # fn main() -> std::io::Result<()> {
/// # let runtime = ouzel::Runtime::builder().worker_threads(1).build()?;
/// # runtime.block_on(async {
/// assert!(ouzel::fs::metadata("/").await?.is_dir());
/// # Ok(())
/// # })
/// # }
/// ```
pub async fn metadata(path: impl AsRef<Path>) -> io::Result<Metadata> {
    status_of_path(path.as_ref(), true).await.map(Metadata::new)
}

/// As [`metadata`], of the symbolic link itself if `path` is one.
///
/// # Errors
/// As there.
pub async fn symlink_metadata(path: impl AsRef<Path>) -> io::Result<Metadata> {
    status_of_path(path.as_ref(), false).await.map(Metadata::new)
}

/// Whether `path` leads to anything.
///
/// # Errors
/// The system's when it cannot tell: no permission to look, a loop of links.
pub async fn try_exists(path: impl AsRef<Path>) -> io::Result<bool> {
    match metadata(path).await {
        Ok(_) => Ok(true),
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(e) => Err(e),
    }
}

/// Gives a file or directory another name, in one step; a file that had that name is gone.
///
/// # Errors
/// The system's: not found, another file system.
///
/// ```
/// # fn main() -> std::io::Result<()> {
/// # let runtime = ouzel::Runtime::builder().worker_threads(1).build()?;
/// # runtime.block_on(async {
/// # let folder = std::env::temp_dir().join(format!("ouzel-rename-{}", std::process::id()));
/// use ouzel::fs;
///
/// fs::create_dir_all(&folder).await?;
/// fs::write(folder.join("new"), "all of it").await?;
/// fs::rename(folder.join("new"), folder.join("current")).await?;
/// assert_eq!(fs::read_to_string(folder.join("current")).await?, "all of it");
/// fs::remove_dir_all(&folder).await?;
/// # Ok(())
/// # })
/// # }
/// ```
pub async fn rename(from: impl AsRef<Path>, to: impl AsRef<Path>) -> io::Result<()> {
    let call = |from, to| FileCall::Rename { from_dir: here(), from, to_dir: here(), to, flags: 0 };
    on_paths((from.as_ref(), to.as_ref()), call).await
}

/// Makes a directory.
///
/// # Errors
/// The system's: it is there, its parent is not.
pub async fn create_dir(path: impl AsRef<Path>) -> io::Result<()> {
    on_path(path.as_ref(), |path| FileCall::MakeDir { dir: here(), path, mode: 0o777 }).await
}

/// Makes a directory and all that lead to it. One job on the blocking pool.
///
/// # Errors
/// The system's; not that it is there already.
pub async fn create_dir_all(path: impl AsRef<Path>) -> io::Result<()> {
    let path = path.as_ref().to_path_buf();
    on_pool(move || std::fs::create_dir_all(path)).await
}

/// Removes a file's name. The file itself goes with its last name and its last open descriptor.
///
/// # Errors
/// The system's: not found, a directory.
pub async fn remove_file(path: impl AsRef<Path>) -> io::Result<()> {
    on_path(path.as_ref(), |path| FileCall::Unlink { dir: here(), path, flags: 0 }).await
}

/// Removes an empty directory.
///
/// # Errors
/// The system's: not found, not empty, not a directory.
pub async fn remove_dir(path: impl AsRef<Path>) -> io::Result<()> {
    let call = |path| FileCall::Unlink { dir: here(), path, flags: libc::AT_REMOVEDIR };
    on_path(path.as_ref(), call).await
}

/// Removes a directory and all in it; follows no symbolic link. One job on the blocking pool.
///
/// # Errors
/// The system's; what was removed by then is gone.
pub async fn remove_dir_all(path: impl AsRef<Path>) -> io::Result<()> {
    let path = path.as_ref().to_path_buf();
    on_pool(move || std::fs::remove_dir_all(path)).await
}

/// Gives the file `original` a further name.
///
/// # Errors
/// The system's: the name is taken, another file system, a directory.
pub async fn hard_link(original: impl AsRef<Path>, link: impl AsRef<Path>) -> io::Result<()> {
    let call = |from, to| FileCall::Link { from_dir: here(), from, to_dir: here(), to, flags: 0 };
    on_paths((original.as_ref(), link.as_ref()), call).await
}

/// Makes a symbolic link at `link` that says `original`, which need not exist.
///
/// # Errors
/// The system's: the name is taken.
pub async fn symlink(original: impl AsRef<Path>, link: impl AsRef<Path>) -> io::Result<()> {
    let call = |target, path| FileCall::Symlink { target, dir: here(), path };
    on_paths((original.as_ref(), link.as_ref()), call).await
}

/// What a symbolic link says. One job on the blocking pool.
///
/// # Errors
/// The system's: not a symbolic link.
pub async fn read_link(path: impl AsRef<Path>) -> io::Result<PathBuf> {
    let path = path.as_ref().to_path_buf();
    on_pool(move || std::fs::read_link(path)).await
}

/// The path without symbolic links, `.` and `..`, from the root. One job on the blocking pool.
///
/// # Errors
/// The system's: not found.
pub async fn canonicalize(path: impl AsRef<Path>) -> io::Result<PathBuf> {
    let path = path.as_ref().to_path_buf();
    on_pool(move || std::fs::canonicalize(path)).await
}

/// Changes the permissions of what `path` leads to. One job on the blocking pool.
///
/// # Errors
/// The system's: somebody else's file.
pub async fn set_permissions(path: impl AsRef<Path>, permissions: Permissions) -> io::Result<()> {
    let path = path.as_ref().to_path_buf();
    on_pool(move || std::fs::set_permissions(path, permissions)).await
}

/// Copies a file with its permissions, inside the kernel where it can; returns how many bytes. One job on the
/// blocking pool, which goes on to its end when the future is dropped after it has begun.
///
/// # Errors
/// The system's; `to` may then hold part of `from`.
pub async fn copy(from: impl AsRef<Path>, to: impl AsRef<Path>) -> io::Result<u64> {
    let (from, to) = (from.as_ref().to_path_buf(), to.as_ref().to_path_buf());
    on_pool(move || std::fs::copy(from, to)).await
}
