//! Whole files.
//!
//! ```text
//!  open_cached ─ fstat ─ read_cached ─ close        four system calls on this thread, no allocation,
//!       │          │          │                     no other thread: what a file in memory takes
//!   not cached  no file   not in memory
//!       │          │          │
//!       │          │          └─► io_uring: reads in the ring, the rest of the file
//!       ├──────────┼────────────► io_uring: an open in the ring, then as above from the fstat on
//!       └──────────┴─────┴──────► else, and for what is no regular file: one job on the blocking pool
//! ```
//!
//! The ring gets one operation after the other. A chain of open, read and close, hard-linked on a direct descriptor, saves
//! turns of the loop but keeps the kernel's threads waiting for each other: 2,700 files of 4 KiB on a file system mounted
//! just before, 64 at once, medians of 18 runs of each in turns, in us of time and of CPU a file: a bare ring 15 and 15,
//! with the chain 18 and 17; `read_into` 26 and 22, by one job (epoll) 35 and 34.
//!
//! A regular file is read up to the size it had when it was opened, or to its end if it became shorter; one that
//! says zero (`/proc`) to its end. Files beyond [`INLINE`] are not copied on this thread, nor in the ring, which
//! copies what is in memory on this thread too: the thread's other tasks would wait.

use std::ffi::CString;
use std::fs;
use std::io::{self, Read};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd};
use std::path::Path;

use rustix::event::{PollFd, PollFlags, poll};
use rustix::fs::{FileType, fstat};

use super::call::{c_path, files, here, with_c_path};
use super::job::on_pool;
use crate::buf::IoBuf;
use crate::op::{Op, Request};
use crate::platform::{self, Files};

/// The largest file that is read on the caller's thread: copying it takes some tens of microseconds.
const INLINE: u64 = 256 * 1024;

/// Reads a whole file into a new vector.
///
/// As [`read_into`], with an allocation of the file's size.
///
/// # Errors
/// The system's: not found, no permission, a directory.
///
/// ```
/// # fn main() -> std::io::Result<()> {
/// # let runtime = ouzel::Runtime::builder().worker_threads(1).build()?;
/// # runtime.block_on(async {
/// let exe = ouzel::fs::read(std::env::current_exe()?).await?;
/// assert!(exe.len() > 4);
/// # Ok(())
/// # })
/// # }
/// ```
pub async fn read(path: impl AsRef<Path>) -> io::Result<Vec<u8>> {
    let (result, buf) = read_into(path, Vec::new()).await;
    result.map(|_| buf)
}

/// Reads a whole file as text.
///
/// # Errors
/// As [`read`]; `InvalidData` if it is not UTF-8.
pub async fn read_to_string(path: impl AsRef<Path>) -> io::Result<String> {
    let bytes = read(path).await?;
    String::from_utf8(bytes).map_err(|e| io::Error::new(io::ErrorKind::InvalidData, e.utf8_error()))
}

/// Reads a whole file into `buf`, in place of what it held, and gives it back with the count.
///
/// The way to read many files: a file that the kernel has in memory is read on this thread by four system calls
/// that do not block, and nothing is allocated but what `buf` has to grow. Other files are waited for, on io_uring
/// in the ring, else by one job on the blocking pool.
///
/// Dropping the future gives the buffer up. After an error it holds any part of the file.
///
/// ```
/// # fn main() -> std::io::Result<()> {
/// # let runtime = ouzel::Runtime::builder().worker_threads(1).build()?;
/// # runtime.block_on(async {
/// # let folder = std::env::temp_dir().join(format!("ouzel-read-into-{}", std::process::id()));
/// # ouzel::fs::create_dir_all(&folder).await?;
/// # let paths = ["a", "b"].map(|name| folder.join(name));
/// # for path in &paths { ouzel::fs::write(path, "some text").await?; }
/// let (mut buf, mut total) = (Vec::new(), 0);
/// for path in &paths {
///     let (n, back) = ouzel::fs::read_into(path, buf).await;
///     buf = back;
///     total += n?;
/// }
/// assert_eq!(total, 18);
/// # ouzel::fs::remove_dir_all(&folder).await
/// # })
/// # }
/// ```
pub async fn read_into(path: impl AsRef<Path>, mut buf: Vec<u8>) -> (io::Result<usize>, Vec<u8>) {
    buf.clear();
    let files = match files().await {
        Ok(files) => files,
        Err(e) => return (Err(e), buf),
    };
    let tried = if files.tried { read_cached(path.as_ref(), &mut buf) } else { Ok(Rest::Open) };
    let (result, buf) = match tried {
        Ok(Rest::Nothing) => (Ok(()), buf),
        Ok(rest) => wait_for(path.as_ref(), rest, files, buf).await,
        Err(e) => (Err(e), buf),
    };
    (result.map(|()| buf.len()), buf)
}

/// Writes a file, in place of what was there: makes it, or empties it first.
///
/// One job on the blocking pool. Dropping the future before it has begun leaves the file alone, later it goes on.
///
/// # Errors
/// The system's; the file may then hold part of `contents`.
pub async fn write(path: impl AsRef<Path>, contents: impl IoBuf + Send) -> io::Result<()> {
    let path = path.as_ref().to_path_buf();
    on_pool(move || {
        // SAFETY: so many bytes there are initialised, and the buffer is not touched before the slice is gone.
        let bytes = unsafe { std::slice::from_raw_parts(contents.as_ptr(), contents.len()) };
        fs::write(path, bytes)
    })
    .await
}

/// What is left to do after a try without blocking.
enum Rest {
    /// The file is in the buffer.
    Nothing,
    /// To go on reading behind what is in the buffer, up to so many bytes in all.
    Read(OwnedFd, u64),
    /// All of it, by a thread: much to copy, or a way of waiting of its own.
    Thread(OwnedFd),
    /// To open the path, and all of it.
    Open,
}

fn read_cached(path: &Path, buf: &mut Vec<u8>) -> io::Result<Rest> {
    match with_c_path(path, platform::open_cached) {
        Ok(fd) => read_open(fd, buf, true),
        Err(e) if e.kind() == io::ErrorKind::WouldBlock => Ok(Rest::Open),
        Err(e) => Err(e),
    }
}

/// Reads what does not block of a file that was opened just now; nothing unless `tried`. One that the ring has
/// opened was not in memory: its read is tried by the driver, and if it must wait is in the ring at once.
fn read_open(fd: OwnedFd, buf: &mut Vec<u8>, tried: bool) -> io::Result<Rest> {
    let size = match size_of_regular(fd.as_fd())? {
        Some(size) if size <= INLINE => size,
        _ => {
            platform::begin_to_wait(fd.as_fd());
            return Ok(Rest::Thread(fd));
        }
    };
    if !tried {
        return Ok(Rest::Read(fd, size));
    }
    while make_room(buf, size)? {
        let offset = buf.len() as u64;
        match platform::read_cached(fd.as_fd(), buf.spare_capacity_mut(), offset) {
            Ok(0) => return Ok(Rest::Nothing),
            // SAFETY: the kernel wrote so many bytes behind the vector's.
            Ok(n) => unsafe { buf.set_len(buf.len() + n) },
            // Not in memory, or this file cannot tell (`/proc`); an error that is real comes again.
            Err(e) => {
                platform::begin_to_wait(fd.as_fd());
                let waits = e.kind() == io::ErrorKind::WouldBlock;
                return Ok(if waits { Rest::Read(fd, size) } else { Rest::Thread(fd) });
            }
        }
    }
    Ok(Rest::Nothing)
}

/// None: something else than a regular file.
fn size_of_regular(fd: BorrowedFd<'_>) -> io::Result<Option<u64>> {
    let stat = fstat(fd)?;
    match FileType::from_raw_mode(stat.st_mode as _) {
        FileType::RegularFile => Ok(Some(stat.st_size as u64)),
        FileType::Directory => Err(io::Error::from_raw_os_error(libc::EISDIR)),
        _ => Ok(None),
    }
}

/// Room for what is left of a file of `size` bytes. False: nothing is left.
fn make_room(buf: &mut Vec<u8>, size: u64) -> io::Result<bool> {
    let done = buf.len() as u64;
    if size > 0 && done >= size {
        return Ok(false);
    }
    // One that does not say its size: a start, then the vector's own growth.
    let wanted = if size > 0 {
        size - done
    } else if done == 0 {
        64
    } else {
        1
    };
    let wanted = usize::try_from(wanted).map_err(|_| io::ErrorKind::FileTooLarge)?;
    buf.try_reserve(wanted).map_err(|_| io::ErrorKind::OutOfMemory)?;
    Ok(true)
}

/// Reads the rest, and waits for it.
async fn wait_for(path: &Path, rest: Rest, files: Files, mut buf: Vec<u8>) -> (io::Result<()>, Vec<u8>) {
    let rest = match rest {
        Rest::Open if files.waited_for => match open(path).await {
            Ok(fd) => read_open(fd, &mut buf, false),
            Err(e) => Err(e),
        },
        rest => Ok(rest),
    };
    match rest {
        Ok(Rest::Nothing) => (Ok(()), buf),
        Ok(Rest::Read(fd, size)) if files.waited_for => in_the_ring(fd, size, buf).await,
        Ok(Rest::Read(fd, _) | Rest::Thread(fd)) => {
            on_a_thread(move |buf| read_to_end(fs::File::from(fd), buf), buf).await
        }
        Ok(Rest::Open) => {
            let path = path.to_path_buf();
            on_a_thread(move |buf| fs::File::open(path)?.read_to_end(buf), buf).await
        }
        Err(e) => (Err(e), buf),
    }
}

async fn open(path: &Path) -> io::Result<OwnedFd> {
    let build = |path: *mut CString, _| {
        // SAFETY: the payload lies in its slot and nobody else touches it before completion.
        let path = unsafe { &*path }.as_ptr().cast();
        Request::OpenAt { dir: here(), path, flags: libc::O_RDONLY, mode: 0 }
    };
    let (result, _) = Op::new(c_path(path)?, build).await;
    // SAFETY: the driver opened it for this operation, and nobody else has its number.
    Ok(unsafe { OwnedFd::from_raw_fd(result? as i32) })
}

async fn in_the_ring(mut fd: OwnedFd, size: u64, mut buf: Vec<u8>) -> (io::Result<()>, Vec<u8>) {
    loop {
        match make_room(&mut buf, size) {
            Ok(true) => {}
            Ok(false) => return (Ok(()), buf),
            Err(e) => return (Err(e), buf),
        }
        let build = |payload: *mut (OwnedFd, Vec<u8>), _| {
            // SAFETY: the payload lies in its slot and nobody else touches it before completion.
            let (fd, buf) = unsafe { &mut *payload };
            let offset = buf.len() as u64;
            let room = buf.spare_capacity_mut();
            let (to, len) = (room.as_mut_ptr().cast(), room.len());
            Request::Read { fd: fd.as_raw_fd(), buf: to, len, offset }
        };
        let (result, back) = Op::new((fd, buf), build).await;
        (fd, buf) = back;
        match result {
            Ok(0) => return (Ok(()), buf),
            // SAFETY: the kernel wrote so many bytes behind the vector's.
            Ok(n) => unsafe { buf.set_len(buf.len() + n) },
            Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
            Err(e) => return (Err(e), buf),
        }
    }
}

/// Reads all of a file by one job.
async fn on_a_thread(
    read: impl FnOnce(&mut Vec<u8>) -> io::Result<usize> + Send + 'static,
    mut buf: Vec<u8>,
) -> (io::Result<()>, Vec<u8>) {
    let job = move || {
        buf.clear();
        Ok((read(&mut buf).map(drop), buf))
    };
    on_pool(job).await.unwrap_or_else(|e| (Err(e), Vec::new()))
}

/// Reads a file from its start, where a try has left its position.
fn read_to_end(mut file: fs::File, buf: &mut Vec<u8>) -> io::Result<usize> {
    // A FIFO was opened without waiting for a writer, whom this waits for. Others are ready, or the read waits.
    let mut ready = [PollFd::new(&file, PollFlags::IN)];
    let _ = poll(&mut ready, None);
    file.read_to_end(buf)
}
