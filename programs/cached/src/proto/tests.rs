//! The texts, and that the stream stays in step whatever comes.

use super::*;
use crate::counters::Counters;
use crate::store::{Held, Store};

struct Plain;

impl Host for Plain {
    fn stats(&self, what: &[u8], out: &mut Vec<u8>) -> bool {
        out.extend_from_slice(b"STAT pid 1\r\n");
        what.is_empty()
    }
    fn reset_stats(&self) {}
    fn set_verbosity(&self, _: u32) {}
    fn item_max(&self) -> usize {
        1000
    }
    fn may_flush(&self) -> bool {
        false
    }
}

struct Client {
    store: Store,
    session: Session,
    count: Counters,
}

impl Client {
    fn new() -> Self {
        let store = Store::new(256 << 10, 1000, 1).unwrap();
        Client { store, session: Session::new(), count: Counters::default() }
    }

    /// Feeds `input`, of which all is taken, and gives the replies.
    fn ask(&mut self, input: &[u8]) -> String {
        let mut out = Output::default();
        let held = Held::new(&self.store);
        let now = self.store.now();
        let mut cx = Cx { held, out: &mut out, count: &self.count, host: &Plain, now, turns: u32::MAX };
        let taken = self.session.feed(input, &mut cx);
        drop(cx);
        assert_eq!(taken, input.len());
        let replies = String::from_utf8(out.to_vec()).unwrap();
        out.clear(&self.store);
        replies
    }
}

#[test]
fn replies_are_memcacheds_word_for_word() {
    let mut c = Client::new();
    for (input, reply) in [
        ("get a\r\n", "END\r\n"),
        ("set a 7 0 2\r\nhi\r\n", "STORED\r\n"),
        ("get a b a\n", "VALUE a 7 2\r\nhi\r\nVALUE a 7 2\r\nhi\r\nEND\r\n"),
        ("gets a\r\n", "VALUE a 7 2 1\r\nhi\r\nEND\r\n"),
        (
            "cas a 0 0 1 1\r\nx\r\ncas a 0 0 1 1\r\nx\r\ncas b 0 0 1 1\r\nx\r\n",
            "STORED\r\nEXISTS\r\nNOT_FOUND\r\n",
        ),
        ("add a 0 0 1\r\ny\r\nreplace b 0 0 1\r\ny\r\n", "NOT_STORED\r\nNOT_STORED\r\n"),
        (
            "append a 0 0 2\r\nyz\r\nprepend a 0 0 1\r\nw\r\nget a\r\n",
            "STORED\r\nSTORED\r\nVALUE a 0 4\r\nwxyz\r\nEND\r\n",
        ),
        ("incr a 1\r\n", "CLIENT_ERROR cannot increment or decrement non-numeric value\r\n"),
        (
            "set n 0 0 2\r\n10\r\nincr n 5\r\ndecr n 8\r\nget n\r\n",
            "STORED\r\n15\r\n7\r\nVALUE n 0 2\r\n7 \r\nEND\r\n",
        ),
        ("incr none 1\r\nincr n x\r\n", "NOT_FOUND\r\nCLIENT_ERROR invalid numeric delta argument\r\n"),
        ("touch n 0\r\ntouch none 0\r\ngat 0 n\r\n", "TOUCHED\r\nNOT_FOUND\r\nVALUE n 0 2\r\n7 \r\nEND\r\n"),
        ("delete n\r\ndelete n\r\n", "DELETED\r\nNOT_FOUND\r\n"),
        ("set q 0 0 1 noreply\r\n1\r\ndelete q noreply\r\nget q\r\n", "END\r\n"),
        ("flush_all\r\n", "CLIENT_ERROR flush_all not allowed\r\n"),
        ("stats\r\nstats x\r\nstats reset\r\n", "STAT pid 1\r\nEND\r\nSTAT pid 1\r\nERROR\r\nRESET\r\n"),
        ("verbosity 1\r\nnonsense\r\n\r\n", "OK\r\nERROR\r\nERROR\r\n"),
        (
            "mn\r\nms m 2 T60 F5 c\r\nhi\r\nmg m v t f s k Ox\r\n",
            "MN\r\nHD c9\r\nVA 2 t60 f5 s2 km Ox\r\nhi\r\n",
        ),
        (
            "mg none v q\r\nmg none v\r\nmd m q\r\nma c N0 J5 v\r\nma c D3 v\r\n",
            "EN\r\nVA 1\r\n5\r\nVA 1\r\n8\r\n",
        ),
    ] {
        assert_eq!(c.ask(input.as_bytes()), reply, "{input:?}");
    }
    assert!(c.ask(b"version\r\n").starts_with("VERSION ouzel-cached-"));
}

#[test]
fn what_is_refused_is_swallowed_and_the_stream_stays_in_step() {
    let mut c = Client::new();
    c.ask(b"set a 0 0 3\r\nold\r\n");
    let big = [&b"set a 0 0 2000\r\n"[..], &[b'x'; 2000], b"\r\nget a\r\n"].concat();
    assert_eq!(c.ask(&big), "SERVER_ERROR object too large for cache\r\nEND\r\n", "the old value is gone");
    assert_eq!(c.ask(b"set a 0 0 2\r\nabcd\r\nget a\r\n"), "CLIENT_ERROR bad data chunk\r\nERROR\r\nEND\r\n");
    let key = "k".repeat(251);
    let bad = "CLIENT_ERROR bad command line format\r\n";
    assert_eq!(c.ask(format!("get {key}\r\nget a {key}\r\ndelete {key}\r\n").as_bytes()), bad.repeat(3));
    let longest = "k".repeat(250);
    assert_eq!(c.ask(format!("set {longest} 0 0 1\r\nv\r\n").as_bytes()), "STORED\r\n");
    assert_eq!(c.ask(b"ms a 3 Z\r\nabc\r\nmn\r\n"), "CLIENT_ERROR invalid flag\r\nMN\r\n");
    assert_eq!(c.ask(b"set x 0 0 -1\r\nmn\r\n"), format!("{bad}MN\r\n"));
}

#[test]
fn memory_that_is_out_is_an_answer() {
    let store = Store::new(4096, 1000, 1).unwrap();
    let mut c = Client { store, session: Session::new(), count: Counters::default() };
    // Other connections fill all there is.
    let place = c.store.place(b"k");
    let mut filling = Vec::new();
    while let Some(at) = c.store.lock(place.shard).reserve(place.hash, b"k", 900, 1) {
        filling.push(at);
    }
    let big = [&b"set a 0 0 900\r\n"[..], &[b'x'; 900], b"\r\nmn\r\n"].concat();
    assert_eq!(c.ask(&big), "SERVER_ERROR out of memory storing object\r\nMN\r\n");
    filling.into_iter().for_each(|at| c.store.lock(place.shard).give_up(at));
    assert_eq!(c.ask(&big), "STORED\r\nMN\r\n");
}

#[test]
fn what_is_no_text_ends_the_session() {
    let mut c = Client::new();
    let mut out = Output::default();
    let mut begin = |c: &mut Client, input: &[u8]| {
        let held = Held::new(&c.store);
        let mut cx = Cx { held, out: &mut out, count: &c.count, host: &Plain, now: 1, turns: 9 };
        c.session.feed(input, &mut cx);
        c.session.end()
    };
    assert!(matches!(begin(&mut c, &[0x80, 0, 0, 0]), Some(End::Garbage(_))));
    let mut c = Client::new();
    assert_eq!(begin(&mut c, &[b'x'; LINE_LIMIT]), None);
    assert!(matches!(begin(&mut c, b"x"), Some(End::Garbage(_))));
    let mut c = Client::new();
    assert_eq!(begin(&mut c, b"mn\r\nquit\r\nmn\r\n"), Some(End::Quit));
    assert_eq!(out.bytes, b"MN\r\n");
}

#[test]
fn a_line_of_many_keys_is_answered_in_pieces_of_bounded_size() {
    let store = Store::new(32 << 20, 1 << 20, 1).unwrap();
    let mut c = Client { store, session: Session::new(), count: Counters::default() };
    c.ask(&[&b"set a 0 0 1000\r\n"[..], &[b'v'; 1000], b"\r\n"].concat());
    let line = [&b"get"[..], &b" a".repeat(5000), b"\r\nmn\r\n"].concat();
    let (mut at, mut whole, mut pieces) = (0, 0, 0);
    while at < line.len() || c.session.owes_replies() {
        let mut out = Output::default();
        let held = Held::new(&c.store);
        let mut cx = Cx { held, out: &mut out, count: &c.count, host: &Plain, now: 1, turns: 9 };
        at += c.session.feed(&line[at..], &mut cx);
        drop(cx);
        assert!(out.len() < OUT_LIMIT + 2000);
        pieces += 1;
        whole += out.len();
        out.clear(&c.store);
    }
    assert_eq!(whole, 5000 * (b"VALUE a 0 1000\r\n\r\n".len() + 1000) + b"END\r\nMN\r\n".len());
    assert!(pieces > 10);
    assert_eq!(c.count.get_hits.get(), 5000);
}

#[test]
fn the_size_that_me_tells_does_not_depend_on_what_was_free() {
    fn size(c: &mut Client) -> String {
        let told = c.ask(b"set a 0 0 3\r\nabc\r\nme a\r\n");
        told.rsplit_once("size=").unwrap().1.to_owned()
    }
    let fresh = size(&mut Client::new());
    for len in 0..200 {
        let mut c = Client::new();
        // Its block is taken again, and may be a little too large.
        c.ask(
            format!("set a 0 0 {len}\r\n{}\r\nset b 0 0 0\r\n\r\ndelete a\r\n", "x".repeat(len)).as_bytes(),
        );
        assert_eq!(size(&mut c), fresh, "{len}");
    }
}
