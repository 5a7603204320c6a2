//! One client's place in the protocol.

use super::cx::Cx;
use super::value::Update;
use crate::store::Store;

/// Why a session takes no more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// The client said `quit`.
    Quit,
    /// It is nothing this server understands.
    Garbage(&'static str),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Mode {
    Line,
    /// Keys of a `get` are left in `carry`.
    Keys(Kind),
    /// So many bytes of a value are still to come.
    Body(usize),
    /// The end of a value's line; the first byte of it, if it has come.
    Tail(Option<u8>),
    Swallow(usize),
}

/// One client's place in the protocol. [`Session::close`] ends it.
#[derive(Debug)]
pub struct Session {
    pub(super) mode: Mode,
    pub(super) end: Option<End>,
    pub(super) noreply: bool,
    /// The start of a line, or the keys that are left of a get.
    pub(super) carry: Vec<u8>,
    pub(super) filling: Option<Update>,
    pub(super) begun: bool,
}

/// Which of `get`, `gets`, `gat`, `gats`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Kind {
    pub(super) cas: bool,
    /// The new deadline.
    pub(super) touch: Option<u32>,
}

impl Kind {
    pub(super) const GET: Kind = Kind { cas: false, touch: None };
    pub(super) const GETS: Kind = Kind { cas: true, touch: None };
}

impl Default for Session {
    fn default() -> Self {
        Session::new()
    }
}

impl Session {
    /// Of a client that has sent nothing.
    #[must_use]
    pub fn new() -> Self {
        Session {
            mode: Mode::Line,
            end: None,
            noreply: false,
            carry: Vec::new(),
            filling: None,
            begun: false,
        }
    }

    /// Whether it takes no more.
    #[must_use]
    pub fn end(&self) -> Option<End> {
        self.end
    }

    /// Whether there are replies to be made without further input.
    #[must_use]
    pub fn owes_replies(&self) -> bool {
        matches!(self.mode, Mode::Keys(_))
    }

    /// A reply, unless none is wanted.
    pub(super) fn reply(&mut self, text: &[u8], cx: &mut Cx<'_, '_>) {
        if !self.noreply {
            cx.out.line(text);
        }
    }

    /// A reply, wanted or not.
    pub(super) fn error(&mut self, text: &[u8], cx: &mut Cx<'_, '_>) {
        self.noreply = false;
        cx.out.line(text);
    }

    /// Gives back what a value that has not come whole had taken of the store.
    pub fn close(&mut self, store: &Store) {
        if let Some(update) = self.filling.take() {
            update.give_up(store);
        }
    }
}
