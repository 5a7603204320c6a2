//! Where in the source an instruction is.

use super::count::Error;

/// Knows the program that it is part of.
pub struct Places(addr2line::Loader);

impl Places {
    /// Reads the program's debug information.
    ///
    /// # Errors
    /// There is none.
    pub fn new() -> Result<Self, Error> {
        let loader = addr2line::Loader::new(std::env::current_exe()?).map_err(|e| e.to_string())?;
        Ok(Places(loader))
    }

    /// The functions an address is in, from the innermost (which may be inlined) outwards, with the line of each.
    ///
    /// # Errors
    /// The debug information is not what it should be.
    pub fn of(&self, address: Option<u64>) -> Result<Vec<String>, Error> {
        let Some(address) = address else { return Ok(vec!["a library".into()]) };
        let mut found = Vec::new();
        let mut frames = self.0.find_frames(address).map_err(|e| e.to_string())?;
        while let Some(frame) = frames.next().map_err(|e| e.to_string())? {
            let name = match &frame.function {
                Some(f) => f.demangle().map_err(|e| e.to_string())?.into_owned(),
                None => "?".into(),
            };
            let line = frame.location.and_then(|l| Some(format!("{}:{}", l.file?, l.line?)));
            found.push(format!("{name} ({})", line.unwrap_or_default()));
        }
        if found.is_empty() {
            found.push(self.0.find_symbol(address).unwrap_or("?").into());
        }
        Ok(found)
    }
}

impl std::fmt::Debug for Places {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Places").finish_non_exhaustive()
    }
}
