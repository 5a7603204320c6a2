//! Why a run ended early.

/// Why a run ended early.
#[derive(Debug)]
#[non_exhaustive]
pub enum LoadError {
    /// The server could not be reached, or a socket call failed.
    Io(std::io::Error),
    /// The server closed a connection that had requests outstanding.
    Closed,
    /// A response differs from what it has to be.
    Wrong(String),
    /// No response at all for the time given, with requests outstanding.
    Stalled(std::time::Duration),
}

impl std::fmt::Display for LoadError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            LoadError::Io(e) => write!(f, "i/o error: {e}"),
            LoadError::Closed => f.write_str("the server closed a connection with requests outstanding"),
            LoadError::Wrong(what) => write!(f, "wrong response: {what}"),
            LoadError::Stalled(d) => write!(f, "no response for {} s", d.as_secs()),
        }
    }
}

impl std::error::Error for LoadError {}

impl From<std::io::Error> for LoadError {
    fn from(e: std::io::Error) -> Self {
        LoadError::Io(e)
    }
}

impl From<rustix::io::Errno> for LoadError {
    fn from(e: rustix::io::Errno) -> Self {
        LoadError::Io(e.into())
    }
}
