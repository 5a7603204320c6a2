//! An open file, and what is not reading or writing it.

use std::fmt;
use std::fs::Permissions;
use std::io::{self, SeekFrom};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, IntoRawFd, OwnedFd, RawFd};
use std::os::unix::fs::PermissionsExt;
use std::sync::atomic::{AtomicBool, Ordering};

use ouzel_core::op::FileCall;

use super::call::{on_file, status_of_file};
use super::job::on_pool;
use super::metadata::Metadata;
use crate::fd::SharedFd;
use crate::op::{Op, Request};
use crate::platform;

/// An open file.
///
/// Operations take `&self`, and many may be in flight at once. Those with an offset are independent of each other.
/// Those without use the file's own position, as in `std`: two of them at once come in no particular order.
///
/// A buffer goes into an operation and comes back with the result. Dropping a future asks for cancellation, and the
/// buffer is freed when the kernel has let go of it; whether a write dropped so has happened is left open.
///
/// Dropping the file closes it when the last operation on it is over, and reports no error; [`File::close`] does.
///
/// ```
/// # fn main() -> std::io::Result<()> {
/// # let runtime = ouzel::Runtime::builder().worker_threads(1).build()?;
/// # runtime.block_on(async {
/// # let path = std::env::temp_dir().join(format!("ouzel-file-{}", std::process::id()));
/// use ouzel::fs::File;
///
/// let file = File::create(&path).await?;
/// file.write_all_at("hello, world", 0).await.0?;
/// file.sync_all().await?;
/// file.close().await?;
///
/// let file = File::open(&path).await?;
/// let (n, buf) = file.read_at(Vec::with_capacity(64), 7).await;
/// assert_eq!((n?, buf.as_slice()), (5, &b"world"[..]));
/// # ouzel::fs::remove_file(&path).await
/// # })
/// # }
/// ```
pub struct File {
    fd: SharedFd,
    /// It was opened on the spot, and is still in the mode that kept that from waiting.
    nonblocking: AtomicBool,
}

impl File {
    /// Takes over a file opened by `std`. Allocates the shared descriptor.
    #[must_use]
    pub fn from_std(file: std::fs::File) -> File {
        File::from_shared(SharedFd::new(file.into()))
    }

    /// Gives the file to `std`.
    ///
    /// # Errors
    /// The file back when an operation is still in flight on it.
    pub fn into_std(self) -> Result<std::fs::File, File> {
        self.begin_to_wait();
        self.fd.try_into_owned().map(Into::into).map_err(File::from_shared)
    }

    /// The same open file by another descriptor: both share one position.
    ///
    /// # Errors
    /// The system's: no descriptors left.
    pub fn try_clone(&self) -> io::Result<File> {
        Ok(File::from_shared(SharedFd::new(self.as_fd().try_clone_to_owned()?)))
    }

    /// Writes what the kernel still holds of the file, its metadata included, to its device.
    ///
    /// # Errors
    /// The system's. After one it is unknown what has reached the device.
    pub async fn sync_all(&self) -> io::Result<()> {
        self.sync(false).await
    }

    /// As [`sync_all`](Self::sync_all), without metadata that reading does not need.
    ///
    /// # Errors
    /// As there.
    pub async fn sync_data(&self) -> io::Result<()> {
        self.sync(true).await
    }

    async fn sync(&self, data_only: bool) -> io::Result<()> {
        let fd = self.fd.raw();
        Op::new(self.fd.clone(), move |_, _| Request::Fsync { fd, data_only }).await.0.map(drop)
    }

    /// Cuts the file off after `len` bytes, or extends it with zeros.
    ///
    /// # Errors
    /// The system's: not open for writing.
    pub async fn set_len(&self, len: u64) -> io::Result<()> {
        on_file(&self.fd, FileCall::Truncate { fd: self.fd.raw(), len }).await
    }

    /// Sets blocks aside for `len` bytes from `offset` on, so that writes there cannot run out of room. The file is
    /// extended if it is shorter.
    ///
    /// # Errors
    /// The system's: no room. `Unsupported` where the file system or the system has no such thing.
    pub async fn allocate(&self, offset: u64, len: u64) -> io::Result<()> {
        on_file(&self.fd, FileCall::Allocate { fd: self.fd.raw(), mode: 0, offset, len }).await
    }

    /// The file's status: from memory where that is the truth, else by an operation that allocates room for it.
    ///
    /// # Errors
    /// The system's.
    pub async fn metadata(&self) -> io::Result<Metadata> {
        status_of_file(&self.fd).await.map(Metadata::new)
    }

    /// As [`metadata`](Self::metadata), from memory alone: on the spot, or not at all.
    ///
    /// # Errors
    /// `WouldBlock` if that needs more than memory; the system's otherwise.
    pub fn try_metadata(&self) -> io::Result<Metadata> {
        platform::stat_open_cached(self.fd.as_fd()).map(Metadata::new)
    }

    /// Changes the file's permissions. A job on the blocking pool.
    ///
    /// # Errors
    /// The system's: somebody else's file.
    pub async fn set_permissions(&self, permissions: Permissions) -> io::Result<()> {
        let fd = self.fd.clone();
        on_pool(move || {
            let mode = rustix::fs::Mode::from_raw_mode(permissions.mode() as _);
            Ok(rustix::fs::fchmod(&fd, mode)?)
        })
        .await
    }

    /// Moves the file's own position; returns the new one, from the start. Does not block.
    ///
    /// # Errors
    /// The system's: before the start, or not a file that has a position.
    pub fn seek(&self, to: SeekFrom) -> io::Result<u64> {
        use rustix::fs::SeekFrom as To;
        let to = match to {
            SeekFrom::Start(n) => To::Start(n),
            SeekFrom::Current(n) => To::Current(n),
            SeekFrom::End(n) => To::End(n),
        };
        Ok(rustix::fs::seek(&self.fd, to)?)
    }

    /// Closes the file, and says what dropping it would not: that something written before was lost.
    ///
    /// Dropping the future leaves the file to be closed in the background.
    ///
    /// # Errors
    /// `ResourceBusy` if an operation is still in flight; the file is closed when it ends. Else the system's, and
    /// the file is closed.
    pub async fn close(self) -> io::Result<()> {
        let fd = self.fd.try_into_owned().map_err(|_| io::ErrorKind::ResourceBusy)?;
        let build = |fd: *mut Closing, _| {
            // SAFETY: the payload lies in its slot and nobody else touches it before completion.
            Request::Close { fd: unsafe { &mut *fd }.give_away() }
        };
        Op::new(Closing(Some(fd)), build).await.0.map(drop)
    }

    pub(crate) fn from_shared(fd: SharedFd) -> File {
        File { fd, nonblocking: AtomicBool::new(false) }
    }

    /// Of a descriptor that is in non-blocking mode.
    pub(super) fn opened_at_once(fd: SharedFd) -> File {
        File { fd, nonblocking: AtomicBool::new(true) }
    }

    /// For whatever reads or writes and may wait.
    pub(crate) fn shared(&self) -> &SharedFd {
        self.begin_to_wait();
        &self.fd
    }

    /// For what does not wait.
    pub(super) fn at_once(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }

    /// Leaves the mode that a file opened on the spot is in: not before somebody needs that, as it is a system call.
    fn begin_to_wait(&self) {
        // ORDERING: Acquire pairs with the Release below: who sees false comes after the call that made it so. Two
        // threads may both make it.
        if self.nonblocking.load(Ordering::Acquire) {
            platform::begin_to_wait(self.fd.as_fd());
            // ORDERING: Release, see above.
            self.nonblocking.store(false, Ordering::Release);
        }
    }
}

/// A descriptor on its way to be closed: by the request once that is built, by its drop before.
struct Closing(Option<OwnedFd>);

impl Closing {
    fn give_away(&mut self) -> RawFd {
        self.0.take().map_or(-1, IntoRawFd::into_raw_fd)
    }
}

impl From<std::fs::File> for File {
    fn from(file: std::fs::File) -> File {
        File::from_std(file)
    }
}

impl AsFd for File {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.shared().as_fd()
    }
}

impl AsRawFd for File {
    fn as_raw_fd(&self) -> RawFd {
        self.shared().raw()
    }
}

impl fmt::Debug for File {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("File").field("fd", &self.fd.raw()).finish()
    }
}
