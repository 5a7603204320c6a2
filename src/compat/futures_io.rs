//! `futures_io`'s traits.

use std::io;
use std::mem::MaybeUninit;
use std::pin::Pin;
use std::task::{Context, Poll};

use futures_io::{AsyncRead, AsyncWrite};

use super::{Compat, Stream, writes};

impl<S: Stream> AsyncRead for Compat<S> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut [u8]) -> Poll<io::Result<usize>> {
        // SAFETY: bytes that are initialised may be taken for ones that may not be, as long as nobody makes them so: the
        // system only writes.
        let room = unsafe { &mut *(std::ptr::from_mut(buf) as *mut [MaybeUninit<u8>]) };
        self.read_now(cx, room)
    }
}

writes!(AsyncWrite, poll_close);
