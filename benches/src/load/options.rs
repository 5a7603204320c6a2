//! The command line of `ouzel-load`.

use super::expect::Protocol;
use super::values::Recipe;
use lexopt::prelude::*;
use std::net::SocketAddr;
use std::time::Duration;

/// The text of `--help`.
pub const USAGE: &str = "\
ouzel-load: drives a memcached- or redis-protocol server and checks every byte it answers

usage: ouzel-load --addr HOST:PORT [options]
  --addr HOST:PORT    the server
  --connections N     connections (1)
  --depth N           requests outstanding on each connection (1)
  --seconds S         how long to measure (2); the warm-up before it is a tenth of that
  --value-size N      bytes of a value, or MIN-MAX (100)
  --set-ratio R       share of SETs among the requests, 0 to 1 (0.1)
  --mix M             ratio (as --set-ratio says), misses (GETs of keys that are not there), or noreply (memcached:
                      as many SETs as the depth, without replies, and a GET of the last), or one (GETs of the value
                      that `ouzel-bare` has) (ratio)
  --protocol P        memcached or resp (memcached)
  --keys N            keys in all, at least one for each connection (10000)
  --seed N            runs with the same seed send the same bytes (1)
  --json              print the result as one JSON object
  --pause             print `ready` and wait for a line on stdin before measuring; afterwards wait for a line, which has
                      it measure once more, or for the end of stdin, before closing the connections
exit status: 0 every byte was right; 1 a wrong byte, a lost connection, a stall; 2 bad usage";

/// Which requests are sent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Choice {
    /// GETs and SETs as [`Options::set_ratio`] says.
    #[default]
    Ratio,
    /// GETs of keys that are not there.
    Misses,
    /// SETs without a reply; after as many as the depth a GET, which tells that they arrived.
    Noreply,
    /// GETs of the one value that [`bare`](super::bare) has; none is set before.
    One,
}

/// What to do.
#[derive(Clone, Debug)]
pub struct Options {
    /// The server.
    pub addr: SocketAddr,
    /// Connections.
    pub connections: usize,
    /// Requests outstanding on each connection.
    pub depth: usize,
    /// How long to measure.
    pub measure: Duration,
    /// How values are made.
    pub recipe: Recipe,
    /// Share of SETs, 0 to 1.
    pub set_ratio: f64,
    /// Which requests.
    pub mix: Choice,
    /// What is spoken.
    pub protocol: Protocol,
    /// Keys in all.
    pub keys: usize,
    /// Print JSON.
    pub json: bool,
    /// Wait for a line on stdin before measuring and before closing.
    pub pause: bool,
    /// With requests outstanding, how long without any response is a failure.
    pub stall: Duration,
}

impl Options {
    /// Options for `addr`, everything else as `--help` says.
    #[must_use]
    pub fn new(addr: SocketAddr) -> Self {
        Options {
            addr,
            connections: 1,
            depth: 1,
            measure: Duration::from_secs(2),
            recipe: Recipe { seed: 1, min_len: 100, max_len: 100 },
            set_ratio: 0.1,
            mix: Choice::Ratio,
            protocol: Protocol::Memcached,
            keys: 10_000,
            json: false,
            pause: false,
            stall: Duration::from_secs(10),
        }
    }

    /// Reads the command line (without the program's name). `None`: help was asked for.
    ///
    /// # Errors
    /// One line that says what is wrong.
    pub fn parse(args: impl IntoIterator<Item = std::ffi::OsString>) -> Result<Option<Self>, String> {
        Self::parse_inner(args).map_err(|e| e.to_string())
    }

    fn parse_inner(
        args: impl IntoIterator<Item = std::ffi::OsString>,
    ) -> Result<Option<Self>, lexopt::Error> {
        let unset = SocketAddr::from(([0, 0, 0, 0], 0));
        let mut o = Options::new(unset);
        let mut parser = lexopt::Parser::from_args(args);
        while let Some(arg) = parser.next()? {
            match arg {
                Short('h') | Long("help") => return Ok(None),
                Long("addr") => o.addr = parser.value()?.parse()?,
                Long("connections") => o.connections = parser.value()?.parse()?,
                Long("depth") => o.depth = parser.value()?.parse()?,
                Long("seconds") => {
                    let s: f64 = parser.value()?.parse()?;
                    o.measure = Duration::try_from_secs_f64(s).map_err(|_| "--seconds: not a time")?;
                }
                Long("value-size") => {
                    (o.recipe.min_len, o.recipe.max_len) = parser.value()?.parse_with(size_range)?;
                }
                Long("set-ratio") => o.set_ratio = parser.value()?.parse()?,
                Long("mix") => o.mix = parser.value()?.parse_with(choice)?,
                Long("protocol") => o.protocol = parser.value()?.parse_with(protocol)?,
                Long("keys") => o.keys = parser.value()?.parse()?,
                Long("seed") => o.recipe.seed = parser.value()?.parse()?,
                Long("json") => o.json = true,
                Long("pause") => o.pause = true,
                other => return Err(other.unexpected()),
            }
        }
        if o.addr == unset {
            return Err("--addr HOST:PORT is missing".into());
        }
        if o.connections == 0 || o.depth == 0 {
            return Err("--connections and --depth must be at least 1".into());
        }
        if o.keys < o.connections {
            return Err("--keys must be at least --connections".into());
        }
        if o.mix == Choice::Noreply && o.protocol != Protocol::Memcached {
            return Err("--mix noreply is memcached's".into());
        }
        if !(0.0..=1.0).contains(&o.set_ratio) {
            return Err("--set-ratio must be between 0 and 1".into());
        }
        Ok(Some(o))
    }
}

fn choice(s: &str) -> Result<Choice, String> {
    match s {
        "ratio" => Ok(Choice::Ratio),
        "misses" => Ok(Choice::Misses),
        "noreply" => Ok(Choice::Noreply),
        "one" => Ok(Choice::One),
        _ => Err("it is ratio, misses, noreply or one".into()),
    }
}

fn protocol(s: &str) -> Result<Protocol, String> {
    match s {
        "memcached" => Ok(Protocol::Memcached),
        "resp" => Ok(Protocol::Resp),
        _ => Err("it is memcached or resp".into()),
    }
}

/// `N` or `MIN-MAX`, up to memcached's limit of 1 MiB.
fn size_range(s: &str) -> Result<(usize, usize), String> {
    let (lo, hi) = s.split_once('-').unwrap_or((s, s));
    let number = |n: &str| n.parse::<usize>().map_err(|e| format!("{n:?}: {e}"));
    let (lo, hi) = (number(lo)?, number(hi)?);
    if lo > hi || hi > 1 << 20 {
        return Err("a size is N or MIN-MAX, up to 1048576".into());
    }
    Ok((lo, hi))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(line: &str) -> Result<Option<Options>, String> {
        Options::parse(line.split_whitespace().map(Into::into))
    }

    #[test]
    fn reads_every_option() {
        let o = parse(
            "--addr 127.0.0.1:9 --connections 3 --depth 4 --seconds 0.5 --value-size 1-9 --set-ratio 0.5 \
             --keys 7 --seed 8 --json --pause --mix misses --protocol resp",
        )
        .unwrap()
        .unwrap();
        assert_eq!((o.connections, o.depth, o.keys, o.recipe.seed), (3, 4, 7, 8));
        assert_eq!((o.recipe.min_len, o.recipe.max_len), (1, 9));
        assert!(o.json && o.pause);
        assert_eq!((o.mix, o.protocol), (Choice::Misses, Protocol::Resp));
    }

    #[test]
    fn says_what_is_wrong() {
        assert!(parse("").unwrap_err().contains("--addr"));
        assert!(parse("--addr 127.0.0.1:9 --what").unwrap_err().contains("--what"));
        assert!(parse("--addr 127.0.0.1:9 --value-size 9-1").is_err());
        assert!(parse("--addr 127.0.0.1:9 --mix noreply --protocol resp").is_err());
        assert!(parse("--addr 127.0.0.1:9 --keys 1 --connections 2").unwrap_err().contains("--keys"));
    }
}
