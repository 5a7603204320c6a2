//! Reading and writing an open file.

use std::io;
use std::mem::MaybeUninit;

use ouzel_core::op::{AT_POSITION, Segment};

use super::file::File;
use crate::buf::{IoBuf, IoBufMut};
use crate::fd::SharedFd;
use crate::op::raw::Scratch;
use crate::op::{Op, Request};
use crate::platform;

/// Buffers of a vectored transfer for which there is room in the operation's slot.
const IN_SLOT: usize = size_of::<Scratch>() / size_of::<Segment>();
/// The most buffers the kernel takes at once; a transfer may be short.
const MOST: usize = 1024;
/// Bytes moved at once: what is in memory is copied on this thread, whose other tasks wait meanwhile.
const PART: usize = 1 << 20;

impl File {
    /// Reads into `buf`, from its start up to its capacity, what lies at byte `offset` of the file.
    ///
    /// The count is 0 at the end of the file, and may be less than there is room for: at most 1 MiB is moved at once.
    ///
    /// ```
    /// # fn main() -> std::io::Result<()> {
    /// # let runtime = ouzel::Runtime::builder().worker_threads(1).build()?;
    /// # runtime.block_on(async {
    /// let exe = ouzel::fs::File::open(std::env::current_exe()?).await?;
    /// let (n, head) = exe.read_at(Vec::with_capacity(16), 0).await;
    /// assert_eq!((n?, head.len()), (16, 16));
    /// # Ok(())
    /// # })
    /// # }
    /// ```
    pub async fn read_at<B: IoBufMut>(&self, buf: B, offset: u64) -> (io::Result<usize>, B) {
        self.read_part(buf, 0, offset).await
    }

    /// Reads what of the file lies in memory at byte `offset`: on the spot, or not at all. Takes as long as copying does.
    ///
    /// # Errors
    /// `WouldBlock` if nothing does, or this file cannot tell; the system's otherwise.
    pub fn try_read_at(&self, buf: &mut [u8], offset: u64) -> io::Result<usize> {
        // SAFETY: bytes that are initialised may be taken for ones that may not be, as long as nobody makes them so: the
        // kernel only writes.
        let room = unsafe { &mut *(std::ptr::from_mut(buf) as *mut [MaybeUninit<u8>]) };
        let result = platform::read_cached(self.at_once(), room, offset);
        result.map_err(|e| {
            if e.kind() == io::ErrorKind::Unsupported { io::ErrorKind::WouldBlock.into() } else { e }
        })
    }

    /// Fills `buf` to its capacity with what lies at byte `offset`.
    ///
    /// `UnexpectedEof` if the file ends before; the buffer then holds what there was.
    pub async fn read_exact_at<B: IoBufMut>(&self, buf: B, offset: u64) -> (io::Result<()>, B) {
        self.read_whole(buf, Some(offset)).await
    }

    /// Reads on from the file's own position, and moves it.
    pub async fn read<B: IoBufMut>(&self, buf: B) -> (io::Result<usize>, B) {
        self.read_part(buf, 0, AT_POSITION).await
    }

    /// Fills `buf` to its capacity from the file's own position on, and moves it.
    ///
    /// `UnexpectedEof` if the file ends before; the buffer then holds what there was.
    pub async fn read_exact<B: IoBufMut>(&self, buf: B) -> (io::Result<()>, B) {
        self.read_whole(buf, None).await
    }

    /// Writes `buf` at byte `offset`; the count may be less than its length: at most 1 MiB is moved at once.
    ///
    /// A file opened for appending is written at its end, whatever `offset` says.
    pub async fn write_at<B: IoBuf>(&self, buf: B, offset: u64) -> (io::Result<usize>, B) {
        self.write_part(buf, 0, offset).await
    }

    /// Writes all of `buf` at byte `offset`.
    pub async fn write_all_at<B: IoBuf>(&self, buf: B, offset: u64) -> (io::Result<()>, B) {
        self.write_whole(buf, Some(offset)).await
    }

    /// Writes at the file's own position, and moves it; the count may be less than the length of `buf`.
    pub async fn write<B: IoBuf>(&self, buf: B) -> (io::Result<usize>, B) {
        self.write_part(buf, 0, AT_POSITION).await
    }

    /// Writes all of `buf` at the file's own position, and moves it.
    pub async fn write_all<B: IoBuf>(&self, buf: B) -> (io::Result<()>, B) {
        self.write_whole(buf, None).await
    }

    /// Reads into several buffers in order, each from its start up to its capacity.
    ///
    /// Allocates for more than nine buffers. At most 1024 are used.
    ///
    /// ```
    /// # fn main() -> std::io::Result<()> {
    /// # let runtime = ouzel::Runtime::builder().worker_threads(1).build()?;
    /// # runtime.block_on(async {
    /// # let path = std::env::temp_dir().join(format!("ouzel-vectored-{}", std::process::id()));
    /// # let file = ouzel::fs::File::create_new(&path).await?;
    /// let (n, _) = file.write_vectored_at(vec!["head", "and body"], 0).await;
    /// assert_eq!(n?, 12);
    /// let parts = vec![Vec::with_capacity(4), Vec::with_capacity(100)];
    /// let (n, parts) = file.read_vectored_at(parts, 0).await;
    /// assert_eq!((n?, parts), (12, vec![b"head".to_vec(), b"and body".to_vec()]));
    /// # ouzel::fs::remove_file(&path).await
    /// # })
    /// # }
    /// ```
    pub async fn read_vectored_at<B: IoBufMut>(
        &self,
        bufs: Vec<B>,
        offset: u64,
    ) -> (io::Result<usize>, Vec<B>) {
        let payload = Vectored::new(self.shared(), bufs);
        let build = move |payload: *mut Vectored<B>, scratch| {
            // SAFETY: the payload lies in its slot and nobody else touches it before completion.
            let payload = unsafe { &mut *payload };
            let fd = payload.fd.raw();
            let segment = |b: &mut B| Segment { base: b.as_mut_ptr(), len: b.capacity() };
            let (segments, count) = payload.put(scratch, segment);
            Request::ReadV { fd, segments, count, offset }
        };
        let (result, Vectored { mut bufs, .. }) = Op::new(payload, build).await;
        if let Ok(mut left) = result {
            for buf in bufs.iter_mut().take(MOST) {
                let n = left.min(buf.capacity());
                // SAFETY: the kernel fills the buffers in order, each to its capacity before the next.
                unsafe { buf.set_filled(n) };
                left -= n;
            }
        }
        (result, bufs)
    }

    /// Writes several buffers one after the other; the count may be less than their length together.
    ///
    /// Allocates for more than nine buffers. At most 1024 are used.
    pub async fn write_vectored_at<B: IoBuf>(
        &self,
        bufs: Vec<B>,
        offset: u64,
    ) -> (io::Result<usize>, Vec<B>) {
        let payload = Vectored::new(self.shared(), bufs);
        let build = move |payload: *mut Vectored<B>, scratch| {
            // SAFETY: the payload lies in its slot and nobody else touches it before completion.
            let payload = unsafe { &mut *payload };
            let fd = payload.fd.raw();
            let segment = |b: &mut B| Segment { base: b.as_ptr().cast_mut(), len: b.len() };
            let (segments, count) = payload.put(scratch, segment);
            Request::WriteV { fd, segments, count, offset }
        };
        let (result, Vectored { bufs, .. }) = Op::new(payload, build).await;
        (result, bufs)
    }

    async fn read_part<B: IoBufMut>(&self, buf: B, at: usize, offset: u64) -> (io::Result<usize>, B) {
        let fd = self.shared().raw();
        let build = move |payload: *mut (SharedFd, B), _| {
            // SAFETY: the payload lies in its slot and nobody else touches it before completion.
            let (_, buf) = unsafe { &mut *payload };
            let (to, room) = (buf.as_mut_ptr().wrapping_add(at), buf.capacity() - at);
            Request::Read { fd, buf: to, len: room.min(PART), offset }
        };
        let (result, (_, mut buf)) = Op::new((self.shared().clone(), buf), build).await;
        if let Ok(n) = result {
            // SAFETY: the kernel wrote `n` bytes behind the `at` that were there, within the capacity.
            unsafe { buf.set_filled(at + n) };
        }
        (result, buf)
    }

    async fn write_part<B: IoBuf>(&self, buf: B, at: usize, offset: u64) -> (io::Result<usize>, B) {
        let fd = self.shared().raw();
        let build = move |payload: *mut (SharedFd, B), _| {
            // SAFETY: the payload lies in its slot and nobody else touches it before completion.
            let (_, buf) = unsafe { &*payload };
            let (from, left) = (buf.as_ptr().wrapping_add(at), buf.len() - at);
            Request::Write { fd, buf: from, len: left.min(PART), offset }
        };
        let (result, (_, buf)) = Op::new((self.shared().clone(), buf), build).await;
        (result, buf)
    }

    async fn read_whole<B: IoBufMut>(&self, mut buf: B, offset: Option<u64>) -> (io::Result<()>, B) {
        let mut at = 0;
        while at < buf.capacity() {
            let (result, back) = self.read_part(buf, at, place(offset, at)).await;
            buf = back;
            match result {
                Ok(0) => return (Err(io::ErrorKind::UnexpectedEof.into()), buf),
                Ok(n) => at += n,
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Err(e) => return (Err(e), buf),
            }
        }
        (Ok(()), buf)
    }

    async fn write_whole<B: IoBuf>(&self, mut buf: B, offset: Option<u64>) -> (io::Result<()>, B) {
        let mut at = 0;
        while at < buf.len() {
            let (result, back) = self.write_part(buf, at, place(offset, at)).await;
            buf = back;
            match result {
                Ok(0) => return (Err(io::ErrorKind::WriteZero.into()), buf),
                Ok(n) => at += n,
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Err(e) => return (Err(e), buf),
            }
        }
        (Ok(()), buf)
    }
}

/// Where the next part goes after `done` bytes.
fn place(offset: Option<u64>, done: usize) -> u64 {
    offset.map_or(AT_POSITION, |offset| offset.saturating_add(done as u64))
}

/// What a vectored transfer owns.
struct Vectored<B> {
    fd: SharedFd,
    bufs: Vec<B>,
    /// Used if they do not fit in the slot.
    segments: Vec<Segment>,
}

// SAFETY: the segments point into the buffers, which go along; nobody uses them but the operation.
unsafe impl<B: Send> Send for Vectored<B> {}

impl<B> Vectored<B> {
    fn new(fd: &SharedFd, bufs: Vec<B>) -> Self {
        let more = bufs.len().min(MOST);
        let segments = Vec::with_capacity(if more > IN_SLOT { more } else { 0 });
        Vectored { fd: fd.clone(), bufs, segments }
    }

    /// Lists the buffers where the kernel finds them until the end of the operation.
    fn put(
        &mut self,
        scratch: *mut Scratch,
        segment: impl FnMut(&mut B) -> Segment,
    ) -> (*const Segment, u32) {
        let count = self.bufs.len().min(MOST);
        let segments = self.bufs.iter_mut().take(count).map(segment);
        if count > IN_SLOT {
            self.segments.extend(segments);
            return (self.segments.as_ptr(), count as u32);
        }
        let place = scratch.cast::<Segment>();
        for (i, segment) in segments.enumerate() {
            // SAFETY: the scratch space has room for so many, is aligned, and is this operation's alone.
            unsafe { place.wrapping_add(i).write(segment) };
        }
        (place, count as u32)
    }
}
