//! The command line: memcached's options, as far as they mean something here.

use std::ffi::OsString;
use std::net::SocketAddr;
use std::path::PathBuf;

use lexopt::prelude::*;
use ouzel::Driver;

/// The text of `--help`.
pub const USAGE: &str = "\
ouzel-cached: a cache server that speaks memcached's text and meta protocol

usage: ouzel-cached [options]
  -p, --port N            TCP port (11211); 0 takes a free one
  -l, --listen ADDR[,..]  addresses or names, each with :PORT or without (all of this machine)
  -s, --unix-socket PATH  a Unix socket in place of TCP
  -a, --unix-mask MODE    its permissions, octal (700)
  -m, --memory-limit MB   memory for items, set aside at the start (64)
  -I, --max-item-size N   longest value, in bytes or with k or m behind (1m)
  -c, --conn-limit N      connections at a time (1024)
  -t, --threads N         threads, each with a runtime of its own (4)
  -R, --max-reqs-per-event N  requests of one connection before it is others' turn (128)
  -b, --listen-backlog N  connections that may wait to be accepted (1024)
  -U, --udp-port N        0: UDP is not offered
  -F, --disable-flush-all flush_all is refused
  -o, --extended OPT[,..] idle_timeout=SECONDS closes connections nothing came from for so long;
                          others of memcached's are ignored with a warning
  -u, --user NAME         become this user (when started by root)
  -d, --daemon            go on in the background
  -P, --pidfile PATH      write the process's number there
  -v, --verbose           say more; -vv still more
      --driver D          how to wait for I/O: auto, uring, epoll or poll (OUZEL_DRIVER, else auto)
      --metrics ADDR:PORT the counters for Prometheus, at /metrics
      --pin               each thread on a CPU of its own
  -h, --help              this text
  -V, --version           the version
SIGINT and SIGTERM: answers what has come, then ends. SIGUSR1: prints the counters.
Exit status: 0 stopped by a signal, 1 anything else";

/// What to do.
#[derive(Clone, Debug)]
#[expect(missing_docs, reason = "each is an option, and `USAGE` tells it")]
pub struct Options {
    pub port: u16,
    pub listen: Vec<String>,
    pub unix_path: Option<PathBuf>,
    pub unix_mode: u32,
    pub memory: usize,
    pub item_max: usize,
    pub max_connections: usize,
    pub threads: usize,
    pub requests_per_turn: u32,
    pub backlog: u32,
    pub flush_enabled: bool,
    pub idle_timeout: u32,
    pub user: Option<String>,
    pub daemon: bool,
    pub pid_file: Option<PathBuf>,
    pub verbosity: u32,
    pub driver: Option<Driver>,
    pub metrics: Option<SocketAddr>,
    pub pin: bool,
    /// What is worth a word but no refusal.
    pub warnings: Vec<String>,
}

impl Default for Options {
    fn default() -> Self {
        Options {
            port: 11211,
            listen: Vec::new(),
            unix_path: None,
            unix_mode: 0o700,
            memory: 64 << 20,
            item_max: 1 << 20,
            max_connections: 1024,
            threads: 4,
            requests_per_turn: 128,
            backlog: 1024,
            flush_enabled: true,
            idle_timeout: 0,
            user: None,
            daemon: false,
            pid_file: None,
            verbosity: 0,
            driver: None,
            metrics: None,
            pin: false,
            warnings: Vec::new(),
        }
    }
}

/// What the command line asks for.
#[derive(Debug)]
#[expect(clippy::large_enum_variant, reason = "there is one")]
pub enum Command {
    /// To serve.
    Serve(Options),
    /// The usage.
    Help,
    /// The version.
    Version,
}

/// Reads the command line, without the program's name.
///
/// # Errors
/// One line that says what is wrong.
pub fn parse(args: impl IntoIterator<Item = OsString>) -> Result<Command, String> {
    read(args).map_err(|e| e.to_string())
}

fn read(args: impl IntoIterator<Item = OsString>) -> Result<Command, lexopt::Error> {
    let mut o = Options::default();
    let mut parser = lexopt::Parser::from_args(args);
    while let Some(arg) = parser.next()? {
        match arg {
            Short('h') | Long("help") => return Ok(Command::Help),
            Short('V') | Long("version") => return Ok(Command::Version),
            Short('p') | Long("port") => o.port = parser.value()?.parse()?,
            Short('l') | Long("listen") => {
                let list = parser.value()?.string()?;
                o.listen.extend(list.split(',').filter(|s| !s.is_empty()).map(Into::into));
            }
            Short('s') | Long("unix-socket") => o.unix_path = Some(parser.value()?.into()),
            Short('a') | Long("unix-mask") => {
                o.unix_mode = parser.value()?.parse_with(|s| u32::from_str_radix(s, 8))?;
            }
            Short('m') | Long("memory-limit") => o.memory = parser.value()?.parse_with(megabytes)?,
            Short('I') | Long("max-item-size") => o.item_max = parser.value()?.parse_with(size)?,
            Short('c') | Long("conn-limit") => {
                o.max_connections = parser.value()?.parse_with(|s| within(s, 1, 1 << 24))?;
            }
            Short('t') | Long("threads") => o.threads = parser.value()?.parse_with(|s| within(s, 1, 64))?,
            Short('R') | Long("max-reqs-per-event") => {
                o.requests_per_turn = parser.value()?.parse_with(|s| within(s, 1, 1 << 20))? as u32;
            }
            Short('b') | Long("listen-backlog") => {
                o.backlog = parser.value()?.parse_with(|s| within(s, 1, 1 << 20))? as u32;
            }
            Short('U') | Long("udp-port") => {
                if parser.value()?.parse::<u16>()? != 0 {
                    return Err("UDP is not offered: -U takes 0 alone".into());
                }
            }
            Short('F') | Long("disable-flush-all") => o.flush_enabled = false,
            Short('o') | Long("extended") => {
                let list = parser.value()?.string()?;
                list.split(',').try_for_each(|option| extended(option, &mut o))?;
            }
            Short('u') | Long("user") => o.user = Some(parser.value()?.string()?),
            Short('d') | Long("daemon") => o.daemon = true,
            Short('P') | Long("pidfile") => o.pid_file = Some(parser.value()?.into()),
            Short('v') | Long("verbose") => o.verbosity += 1,
            Long("driver") => o.driver = Some(parser.value()?.parse()?),
            Long("metrics") => o.metrics = Some(parser.value()?.parse()?),
            Long("pin") => o.pin = true,
            other => return Err(other.unexpected()),
        }
    }
    if o.item_max > o.memory / 2 {
        return Err(
            format!("-I {}: an item is at most half of the memory, {}", o.item_max, o.memory / 2).into()
        );
    }
    Ok(Command::Serve(o))
}

fn extended(option: &str, o: &mut Options) -> Result<(), String> {
    match option.split_once('=') {
        Some(("idle_timeout", seconds)) => {
            o.idle_timeout = within(seconds, 0, 1 << 30).map_err(|e| format!("-o idle_timeout: {e}"))? as u32;
        }
        // How it always is here.
        None if ["modern", "maxconns_fast", ""].contains(&option) => {}
        _ => o.warnings.push(format!("-o {option} means nothing here and is ignored")),
    }
    Ok(())
}

fn within(s: &str, least: usize, most: usize) -> Result<usize, String> {
    let n = s.parse::<usize>().map_err(|e| e.to_string())?;
    if (least..=most).contains(&n) { Ok(n) } else { Err(format!("it is {least} to {most}")) }
}

fn megabytes(s: &str) -> Result<usize, String> {
    // More granules than 32 bits count are not named.
    within(s, 1, 60_000).map(|mb| mb << 20)
}

fn size(s: &str) -> Result<usize, String> {
    let (digits, unit) = match s.as_bytes().last() {
        Some(b'k' | b'K') => (&s[..s.len() - 1], 1 << 10),
        Some(b'm' | b'M') => (&s[..s.len() - 1], 1 << 20),
        _ => (s, 1),
    };
    let bytes = within(digits, 1, 1 << 30)? * unit;
    if (1 << 10..=1 << 30).contains(&bytes) { Ok(bytes) } else { Err("it is 1k to 1024m".into()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn options(line: &str) -> Result<Options, String> {
        match parse(line.split_whitespace().map(Into::into))? {
            Command::Serve(o) => Ok(o),
            other => Err(format!("{other:?}")),
        }
    }

    #[test]
    fn reads_memcacheds_options() {
        let o = options(
            "-p 0 -l 127.0.0.1,::1 -m 8 -c 9 -t 2 -I 2m -R 5 -U 0 -vv -u nobody -P /p -d -b 3 -F -o idle_timeout=7,modern,slab_chunk_max=1 \
             --driver epoll --metrics 127.0.0.1:0 --pin -s /s -a 777",
        )
        .unwrap();
        assert_eq!((o.port, o.memory, o.max_connections, o.threads), (0, 8 << 20, 9, 2));
        assert_eq!((o.item_max, o.requests_per_turn, o.verbosity, o.idle_timeout), (2 << 20, 5, 2, 7));
        assert_eq!((o.listen.len(), o.backlog, o.unix_mode, o.flush_enabled), (2, 3, 0o777, false));
        assert_eq!(o.warnings, ["-o slab_chunk_max=1 means nothing here and is ignored"]);
        assert!(o.daemon && o.pin && o.driver == Some(Driver::Epoll) && o.metrics.is_some());
        assert_eq!(options("-I 64k").unwrap().item_max, 65536);
    }

    #[test]
    fn says_what_is_wrong() {
        for (line, said) in [
            ("-U 11211", "UDP"),
            ("-t 0", "1 to 64"),
            ("-m 0", "1 to"),
            ("-I 40m", "half of the memory"),
            ("-I 5", "1k to 1024m"),
            ("--driver kqueue", "unknown driver"),
            ("-o idle_timeout=x", "idle_timeout"),
            ("-Z", "-Z"),
            ("-p 99999", "99999"),
        ] {
            let error = options(line).unwrap_err();
            assert!(error.contains(said), "{line}: {error}");
        }
    }
}
