//! `cargo xtask dist`: what is shipped, laid out as under a prefix like `/usr/local`.
//!
//! ```text
//!   lib/libouzel.a                   one object, nothing global in it but ouzel_*
//!   lib/libouzel.so -> .so.0 -> .so.0.1.0
//!   lib/libouzel_core.a              tasks and wakers alone, for a host's own driver
//!   lib/pkgconfig/ouzel.pc, ouzel-core.pc   find their prefix by where they lie
//!   lib/cmake/ouzel/                 ouzel::ouzel, ouzel::static and ouzel::core
//!   include/ouzel.h, ouzel_core.h    for C and C++
//!   include/ouzel.hpp                for C++20 coroutines
//!   zig/ouzel.zig, c.zig            the Zig binding, and a build.zig to start from
//!   zig/std_io.zig                  experimental: Zig 0.17's `std.Io` on ouzel
//! ```
//! rustc's own archive will not do: it holds hundreds of objects, whose symbols meet those of any other Rust archive
//! that is linked into the same program.

mod archive;
mod check;
mod choice;
pub(crate) mod core_archive;
pub(crate) mod header;
pub(crate) mod layout;
pub(crate) mod library;
mod object;
mod trained;
mod training_server;

use crate::workspace::Workspace;
use layout::{make, version};
use library::Kind;
use std::fs;
use std::path::PathBuf;

pub(crate) use check::check;

/// Options of `dist`.
#[derive(Clone, Debug, Default)]
pub(crate) struct Options {
    out: Option<PathBuf>,
    check: bool,
    kind: Option<Kind>,
}

impl Options {
    /// `None`: help was asked for.
    pub(crate) fn parse(parser: &mut lexopt::Parser) -> Result<Option<Self>, lexopt::Error> {
        use lexopt::prelude::*;
        let mut options = Options::default();
        while let Some(arg) = parser.next()? {
            match arg {
                Short('h') | Long("help") => return Ok(None),
                Long("check") => options.check = true,
                Long("messages") => options.kind = Some(Kind::WithMessages),
                Long("untrained") => options.kind = Some(Kind::Small),
                Long("out") => options.out = Some(parser.value()?.into()),
                other => return Err(other.unexpected()),
            }
        }
        Ok(Some(options))
    }
}

/// Builds everything into the folder of `options`, or `ouzel-VERSION` in the build folder; or only tries it out.
pub(crate) fn run(ws: &Workspace, options: &Options) -> Result<(), String> {
    let kind = options.kind.unwrap_or(Kind::Trained);
    if options.check {
        return check(ws, kind);
    }
    let version = version(ws)?;
    let out = options.out.clone().unwrap_or_else(|| ws.target.join(format!("ouzel-{version}")));
    make(ws, &out, kind)?;
    println!("{}", out.display());
    let libraries =
        ["lib/libouzel.a".into(), format!("lib/libouzel.so.{version}"), "lib/libouzel_core.a".into()];
    for entry in libraries {
        let size = fs::metadata(out.join(&entry)).map_err(|e| format!("{entry}: {e}"))?.len();
        println!("  {entry:<28} {:>9} bytes", size);
    }
    Ok(())
}
