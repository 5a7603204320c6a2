//! Bytes that go from a stream or a file to a stream without a copy in this process: through a pipe.
//!
//! ```text
//!  from ── splice ──► pipe ── splice ──► to       waits for bytes in `from`, then for room in `to`
//! ```
//!
//! Waiting is the driver's, as for every stream. A file's pages come by the ring, or on the blocking pool: they may have to come
//! from a disk. Where the system or the kind of file knows no such call, the bytes are read and written.

use std::io;

use super::split::Stream;
use super::{Read, WriteAll};
use crate::fd::SharedFd;
use crate::fs::File;
use crate::op::raw::AT_POSITION;
use crate::op::{Op, Request};
use crate::platform;

/// Bytes of a buffer where there is no splice.
const BUFFER: usize = 64 << 10;

/// Moves bytes from one stream to another until the first one ends; returns how many. For proxies.
///
/// On Linux they do not pass through this process. Dropping the future loses what was taken and not yet given, as an error
/// of `to` does.
///
/// # Errors
/// The system's, of either stream.
///
/// ```
/// use std::net::Shutdown;
/// use ouzel::net::{UnixStream, splice};
///
/// # fn main() -> std::io::Result<()> {
/// # ouzel::LocalRuntime::new()?.block_on(async {
/// let ((client, front), (back, server)) = (UnixStream::pair()?, UnixStream::pair()?);
/// client.write_all("through").await.0?;
/// client.shutdown(Shutdown::Write).await?;
/// assert_eq!(splice(&front, &back).await?, 7);
/// assert_eq!(server.read_exact(vec![0; 7]).await.1, b"through");
/// # Ok(())
/// # })
/// # }
/// ```
pub async fn splice(from: &impl Stream, to: &impl Stream) -> io::Result<u64> {
    move_all(&Source::Stream(from.share().0), u64::MAX, &to.share().0).await
}

/// Sends `len` bytes of a file, from byte `offset` on; returns how many, which is less if the file ends before.
///
/// On Linux they do not pass through this process. Dropping the future may have sent some of them.
///
/// # Errors
/// The system's, of the file or the stream.
///
/// ```
/// use ouzel::fs::File;
/// use ouzel::net::{UnixStream, send_file};
///
/// # fn main() -> std::io::Result<()> {
/// # let path = std::env::temp_dir().join(format!("ouzel-doc-send-{}", std::process::id()));
/// # ouzel::LocalRuntime::new()?.block_on(async {
/// ouzel::fs::write(&path, "head and body").await?;
/// let (client, server) = UnixStream::pair()?;
/// let file = File::open(&path).await?;
/// assert_eq!(send_file(&file, 9, 100, &server).await?, 4);
/// assert_eq!(client.read_exact(vec![0; 4]).await.1, b"body");
/// # std::fs::remove_file(&path)
/// # })
/// # }
/// ```
pub async fn send_file(file: &File, offset: u64, len: u64, to: &impl Stream) -> io::Result<u64> {
    move_all(&Source::File(file.shared().clone(), offset), len, &to.share().0).await
}

/// Where bytes come from.
enum Source {
    Stream(SharedFd),
    /// From this byte on.
    File(SharedFd, u64),
}

impl Source {
    fn fd(&self) -> &SharedFd {
        let (Source::Stream(fd) | Source::File(fd, _)) = self;
        fd
    }

    /// Where in the file the bytes after the first `moved` are.
    fn at(&self, moved: u64) -> u64 {
        match self {
            Source::Stream(_) => AT_POSITION,
            Source::File(_, offset) => offset.saturating_add(moved),
        }
    }

    async fn read(&self, moved: u64, buf: Vec<u8>) -> (io::Result<usize>, Vec<u8>) {
        match self {
            Source::Stream(fd) => Read::new(fd, buf, 0).await,
            Source::File(fd, _) => File::from_shared(fd.clone()).read_at(buf, self.at(moved)).await,
        }
    }
}

async fn move_all(from: &Source, len: u64, to: &SharedFd) -> io::Result<u64> {
    let Some(pipe) = platform::splice_pipe() else { return copy_all(from, len, to).await };
    let (out, into, room) = pipe?;
    let (out, into) = (SharedFd::new(out), SharedFd::new(into));
    let mut moved = 0;
    while moved < len {
        let most = (len - moved).min(room as u64) as u32;
        let mut piped = match step((from.fd(), from.at(moved)), &into, most, false).await {
            Ok(0) => break,
            Ok(n) => n,
            Err(e) if moved == 0 && is_unknown(&e) => return copy_all(from, len, to).await,
            Err(e) => return Err(e),
        };
        while piped > 0 {
            let n = step((&out, AT_POSITION), to, piped as u32, true).await?;
            piped -= n;
            moved += n as u64;
        }
    }
    Ok(moved)
}

/// One splice.
async fn step((from, at): (&SharedFd, u64), to: &SharedFd, len: u32, for_room: bool) -> io::Result<usize> {
    let request = Request::Splice {
        from: from.raw(),
        from_offset: at,
        to: to.raw(),
        to_offset: AT_POSITION,
        len,
        for_room,
    };
    Op::new((from.clone(), to.clone()), move |_, _| request).await.0
}

/// Whether the driver or the system has no splice, or none for this kind of file.
fn is_unknown(e: &io::Error) -> bool {
    matches!(e.raw_os_error(), Some(libc::EOPNOTSUPP | libc::ENOSYS | libc::EINVAL))
}

async fn copy_all(from: &Source, len: u64, to: &SharedFd) -> io::Result<u64> {
    let (mut moved, mut buf) = (0, Vec::new());
    while moved < len {
        let most = (len - moved).min(BUFFER as u64) as usize;
        if buf.capacity() != most {
            buf = Vec::with_capacity(most);
        }
        let (got, bytes) = from.read(moved, buf).await;
        let got = got?;
        if got == 0 {
            break;
        }
        let (sent, bytes) = WriteAll::new(to, bytes).await;
        sent?;
        moved += got as u64;
        buf = bytes;
    }
    Ok(moved)
}
