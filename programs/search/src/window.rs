//! The part of a file that is in memory: a buffer that is used again for the next part and for the next file.

use std::ops::Range;

/// Bytes read at once. As large as leaves room for it in a processor's second cache, so that what was copied from the kernel
/// is still there when it is searched. Of 581 MiB in memory, in files of 215 KiB in the mean, a search with 128 KiB takes 2 to 3 %
/// longer, one with 512 KiB 1 % less and twice the memory (80 and 90 runs in turn).
pub(crate) const WINDOW: usize = 256 * 1024;

/// The same where many files are open at once, since reads have to wait: there the disk is the bound.
pub(crate) const NARROW: usize = 64 * 1024;

/// Bytes of a file that are asked for first where reads have to wait. The kernel reads ahead four times what is asked for, in
/// pages of 4 KiB, and what follows in larger ones (16 KiB, then 64 KiB): a small start leaves more to those. Of 581 MiB on a
/// disk a search takes a sixth less CPU time than with a whole buffer at first (209 ms for 246), and 0.95 of the time
/// (31 runs in turn, with 64 reads at once). It is one system call more a file, so it is not done for files in memory.
const FIRST: usize = 8 * 1024;

/// Where it begins in memory. The kernel copies from whole pages: to a place a few bytes behind the start of one it takes an
/// eighth longer (127 ms for 581 MiB in memory, against 112). That the next part of a file begins there too, behind what is left
/// of the last one, gains nothing: the search then begins anywhere (1.010 of the time, 40 runs in turn).
const PAGE: usize = 4096;

/// See the module.
#[derive(Debug)]
pub(crate) struct Window {
    /// All of it initialised.
    buf: Vec<u8>,
    /// Where in `buf` the window begins.
    begin: usize,
    filled: usize,
    base: u64,
    /// Bytes that it holds if no line is longer.
    width: usize,
}

impl Default for Window {
    fn default() -> Self {
        Window::new(WINDOW)
    }
}

impl Window {
    /// One of `width` bytes.
    pub(crate) fn new(width: usize) -> Self {
        let mut window = Window { buf: vec![0; PAGE + width], begin: 0, filled: 0, base: 0, width };
        window.begin();
        window
    }

    /// Bytes that it holds if no line is longer.
    pub(crate) fn width(&self) -> usize {
        self.width
    }

    /// For another file. What a long line has made it grow by is given back.
    pub(crate) fn begin(&mut self) {
        if self.buf.len() > PAGE + self.width {
            self.buf.truncate(PAGE + self.width);
            self.buf.shrink_to_fit();
        }
        self.begin = self.buf.as_ptr().align_offset(PAGE).min(PAGE);
        (self.filled, self.base) = (0, 0);
    }

    /// Where in `buf` it ends: with a page of memory, if it begins with one.
    fn end(&self) -> usize {
        self.begin + self.buf.len() - PAGE
    }

    /// It holds one line, or a part of one: to read on something must go, or it must [`grow`](Self::grow).
    pub(crate) fn is_full(&self) -> bool {
        self.begin + self.filled == self.end()
    }

    /// Doubles it.
    pub(crate) fn grow(&mut self) {
        self.buf.resize(self.buf.len() * 2, 0);
    }

    /// Where the next bytes of the file go.
    pub(crate) fn room(&mut self) -> &mut [u8] {
        let end = self.end();
        &mut self.buf[self.begin + self.filled..end]
    }

    /// The part of that to read into on the spot: see [`FIRST`].
    pub(crate) fn next(&mut self) -> &mut [u8] {
        let is_short = self.width == NARROW && self.offset() == 0;
        let room = self.room();
        let most = if is_short { FIRST } else { room.len() };
        &mut room[..most]
    }

    /// The offset of the next bytes.
    pub(crate) fn offset(&self) -> u64 {
        self.base + self.filled as u64
    }

    /// So many have been read.
    pub(crate) fn add(&mut self, n: usize) {
        self.filled += n;
    }

    /// What there is, and where in the file it begins.
    pub(crate) fn bytes(&self) -> (&[u8], u64) {
        (&self.buf[self.begin..][..self.filled], self.base)
    }

    /// The first `n` bytes are not needed any more.
    pub(crate) fn drop_front(&mut self, n: usize) {
        self.buf[self.begin..].copy_within(n..self.filled, 0);
        self.filled -= n;
        self.base += n as u64;
    }

    /// Empties it: what comes next is read from `offset` on.
    pub(crate) fn go_back(&mut self, offset: u64) {
        (self.filled, self.base) = (0, offset);
    }

    /// The buffer, to be lent to an operation, and where in it the next bytes go.
    pub(crate) fn lend(&mut self) -> (Vec<u8>, Range<usize>) {
        let room = self.begin + self.filled..self.end();
        (std::mem::take(&mut self.buf), room)
    }

    /// Brings it back.
    pub(crate) fn give_back(&mut self, buf: Vec<u8>) {
        self.buf = buf;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_read_first_is_short_where_reads_wait_and_nothing_else_is() {
        for (width, first) in [(NARROW, FIRST), (WINDOW, WINDOW)] {
            let mut window = Window::new(width);
            assert_eq!((window.next().len(), window.room().len()), (first, width));
            window.add(5);
            assert_eq!(window.next().len(), width - 5);
            window.drop_front(5);
            assert_eq!(window.next().len(), width, "the next part, not the first");
            window.begin();
            assert_eq!(window.next().len(), first, "another file");
        }
    }
}
