//! The command line.

use std::net::SocketAddr;

use lexopt::prelude::*;
use ouzel::Driver;

/// The text of `--help`.
pub(crate) const USAGE: &str = "\
ouzel-http: HTTP/1 and HTTP/2 on ouzel, by hyper and axum

usage: ouzel-http [options]
  --addr ADDR:PORT   where to listen (127.0.0.1:8080; port 0 picks a free one)
  --workers N        worker threads (2)
  --driver D         auto, uring, epoll or poll (auto)
  --tls              under TLS, with a certificate made up for localhost at the start
routes: GET /, GET /bytes/COUNT, GET /sleep/MS, POST /echo
It ends at the first Ctrl-C. Exit status: 0 done, 1 it cannot listen, 2 bad usage";

/// What to do.
#[derive(Clone, Debug)]
pub(crate) struct Options {
    pub(crate) addr: SocketAddr,
    pub(crate) workers: usize,
    pub(crate) driver: Driver,
    pub(crate) tls: bool,
}

impl Options {
    /// `None`: help was asked for.
    pub(crate) fn parse(
        args: impl IntoIterator<Item = std::ffi::OsString>,
    ) -> Result<Option<Self>, lexopt::Error> {
        let addr = SocketAddr::from(([127, 0, 0, 1], 8080));
        let mut options = Options { addr, workers: 2, driver: Driver::Auto, tls: false };
        let mut parser = lexopt::Parser::from_args(args);
        while let Some(arg) = parser.next()? {
            match arg {
                Short('h') | Long("help") => return Ok(None),
                Long("addr") => options.addr = parser.value()?.parse()?,
                Long("workers") => options.workers = parser.value()?.parse()?,
                Long("driver") => options.driver = parser.value()?.parse()?,
                Long("tls") => options.tls = true,
                other => return Err(other.unexpected()),
            }
        }
        Ok(Some(options))
    }
}
