//! `tokio::io`'s traits.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::{Compat, Stream, writes};

impl<S: Stream> AsyncRead for Compat<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        // SAFETY: the room is only written to.
        let room = unsafe { buf.unfilled_mut() };
        let n = ready!(self.read_now(cx, room))?;
        // SAFETY: the first `n` bytes of it were written just now.
        unsafe { buf.assume_init(n) };
        buf.advance(n);
        Poll::Ready(Ok(()))
    }
}

writes!(AsyncWrite, poll_shutdown, is_write_vectored);
