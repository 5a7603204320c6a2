//! How a file is opened.

use std::ffi::CString;
use std::io;
use std::path::Path;

use super::call::{c_path, here, with_c_path};
use super::file::File;
use crate::fd::SharedFd;
use crate::op::{Op, Request};
use crate::platform;

/// What a file is opened for. Methods and their meaning are those of `std`'s type.
///
/// ```
/// # fn main() -> std::io::Result<()> {
/// # let runtime = ouzel::Runtime::builder().worker_threads(1).build()?;
/// # runtime.block_on(async {
/// # let path = std::env::temp_dir().join(format!("ouzel-options-{}", std::process::id()));
/// use ouzel::fs::OpenOptions;
///
/// let log = OpenOptions::new().append(true).create(true).open(&path).await?;
/// log.write_all("a line\n").await.0?;
/// log.write_all("another\n").await.0?;
/// assert_eq!(ouzel::fs::read_to_string(&path).await?, "a line\nanother\n");
/// # ouzel::fs::remove_file(&path).await
/// # })
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct OpenOptions {
    read: bool,
    write: bool,
    append: bool,
    truncate: bool,
    create: bool,
    create_new: bool,
    mode: u32,
    custom_flags: i32,
}

impl Default for OpenOptions {
    fn default() -> Self {
        Self::new()
    }
}

macro_rules! switches {
    ($($(#[$doc:meta])* $name:ident)*) => {$(
        $(#[$doc])*
        pub fn $name(&mut self, on: bool) -> &mut Self {
            self.$name = on;
            self
        }
    )*};
}

impl OpenOptions {
    /// Nothing chosen yet.
    #[must_use]
    pub fn new() -> Self {
        OpenOptions {
            read: false,
            write: false,
            append: false,
            truncate: false,
            create: false,
            create_new: false,
            mode: 0o666,
            custom_flags: 0,
        }
    }

    switches! {
        /// For reading.
        read
        /// For writing.
        write
        /// For writing, each write at the end.
        append
        /// Empties the file. Needs `write`.
        truncate
        /// Makes the file if it is not there. Needs `write` or `append`.
        create
        /// Makes the file, and fails if it is there.
        create_new
    }

    /// Permission bits of a file that is made, less the process's mask; 0o666 if not set.
    pub fn mode(&mut self, mode: u32) -> &mut Self {
        self.mode = mode;
        self
    }

    /// Further flags of the system's `open`, such as `O_NOFOLLOW`; those that say what it is opened for are ignored.
    pub fn custom_flags(&mut self, flags: i32) -> &mut Self {
        self.custom_flags = flags;
        self
    }

    /// Opens `path`.
    ///
    /// One operation; two allocations, for the path and the shared descriptor. Dropping the future leaves open
    /// whether a file is made or emptied; a descriptor that nobody waits for any more is closed.
    ///
    /// # Errors
    /// `InvalidInput` for choices that do not go together; else the system's.
    pub async fn open(&self, path: impl AsRef<Path>) -> io::Result<File> {
        let (flags, mode) = (self.flags()?, self.mode);
        let path = c_path(path.as_ref())?;
        let build = move |path: *mut CString, _| {
            // SAFETY: the payload lies in its slot and nobody else touches it before completion.
            let path = unsafe { &*path }.as_ptr().cast();
            Request::OpenAt { dir: here(), path, flags, mode }
        };
        let (result, _) = Op::new(path, build).await;
        let fd = result? as i32;
        // SAFETY: the driver or the pool opened it for this operation, and nobody else has its number.
        Ok(File::from_shared(SharedFd::new(unsafe { std::os::fd::FromRawFd::from_raw_fd(fd) })))
    }

    fn flags(&self) -> io::Result<i32> {
        let writes = self.write || self.append;
        let changes = self.create || self.create_new || self.truncate;
        let wrong = !writes && (changes || !self.read) || self.truncate && self.append && !self.create_new;
        if wrong {
            return Err(io::ErrorKind::InvalidInput.into());
        }
        let access = match (self.read, writes) {
            (true, true) => libc::O_RDWR,
            (false, true) => libc::O_WRONLY,
            _ => libc::O_RDONLY,
        };
        let made = match (self.create_new, self.create) {
            (true, _) => libc::O_CREAT | libc::O_EXCL,
            (false, true) => libc::O_CREAT,
            _ => 0,
        };
        let on = |flag: bool, bits| if flag { bits } else { 0 };
        Ok(access
            | made
            | on(self.append, libc::O_APPEND)
            | on(self.truncate && !self.create_new, libc::O_TRUNC)
            | self.custom_flags & !libc::O_ACCMODE)
    }
}

impl File {
    /// Opens a file for reading.
    ///
    /// # Errors
    /// The system's; see [`OpenOptions::open`].
    pub async fn open(path: impl AsRef<Path>) -> io::Result<File> {
        OpenOptions::new().read(true).open(path).await
    }

    /// Opens a file for reading if the system knows the path without looking at a disk: on the spot, or not at all.
    ///
    /// With [`try_metadata`](Self::try_metadata) and [`try_read_at`](Self::try_read_at) a file in memory is read without
    /// an operation for each step, into memory that is only borrowed. What says `WouldBlock` is then awaited:
    ///
    /// ```
    /// # fn main() -> std::io::Result<()> {
    /// # let runtime = ouzel::Runtime::builder().worker_threads(1).build()?;
    /// # runtime.block_on(async {
    /// use std::io::ErrorKind::WouldBlock;
    /// use ouzel::fs::File;
    ///
    /// # let path = std::env::current_exe()?;
    /// let file = match File::try_open(&path) {
    ///     Err(e) if e.kind() == WouldBlock => File::open(&path).await?,
    ///     file => file?,
    /// };
    /// let mut head = vec![0; 16];
    /// let n = match file.try_read_at(&mut head, 0) {
    ///     Err(e) if e.kind() == WouldBlock => {
    ///         let (n, buf) = file.read_at(head, 0).await;
    ///         head = buf;
    ///         n?
    ///     }
    ///     n => n?,
    /// };
    /// assert_eq!((n, head.len()), (16, 16));
    /// # Ok(())
    /// # })
    /// # }
    /// ```
    ///
    /// # Errors
    /// `WouldBlock` if it does not, or cannot tell; the system's otherwise.
    pub fn try_open(path: impl AsRef<Path>) -> io::Result<File> {
        let fd = with_c_path(path.as_ref(), platform::open_cached)?;
        Ok(File::opened_at_once(SharedFd::new(fd)))
    }

    /// Opens a file for writing; makes it, or empties it.
    ///
    /// # Errors
    /// The system's; see [`OpenOptions::open`].
    pub async fn create(path: impl AsRef<Path>) -> io::Result<File> {
        OpenOptions::new().write(true).create(true).truncate(true).open(path).await
    }

    /// Makes a file that is not there yet, and opens it for reading and writing.
    ///
    /// # Errors
    /// The system's; see [`OpenOptions::open`].
    pub async fn create_new(path: impl AsRef<Path>) -> io::Result<File> {
        OpenOptions::new().read(true).write(true).create_new(true).open(path).await
    }

    /// Nothing chosen yet: [`OpenOptions::new`].
    #[must_use]
    pub fn options() -> OpenOptions {
        OpenOptions::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn choices_that_do_not_go_together_are_refused() {
        let flags = |choose: fn(&mut OpenOptions) -> &mut OpenOptions| {
            choose(&mut OpenOptions::new()).flags().map_err(|e| e.kind())
        };
        let refused = Err(io::ErrorKind::InvalidInput);
        assert_eq!(flags(|o| o), refused);
        assert_eq!(flags(|o| o.create(true)), refused);
        assert_eq!(flags(|o| o.read(true).create_new(true)), refused);
        assert_eq!(flags(|o| o.read(true).truncate(true)), refused);
        assert_eq!(flags(|o| o.append(true).truncate(true)), refused);
        assert_eq!(flags(|o| o.read(true).custom_flags(libc::O_RDWR)), Ok(libc::O_RDONLY));
        assert_eq!(flags(|o| o.read(true).append(true)), Ok(libc::O_RDWR | libc::O_APPEND));
        let made = libc::O_WRONLY | libc::O_CREAT | libc::O_EXCL;
        assert_eq!(flags(|o| o.write(true).create_new(true).truncate(true)), Ok(made));
    }
}
