//! How much of a program for a microcontroller goes where: the sections of a 32-bit little-endian ELF file.

use std::path::Path;

/// Bytes of a program.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Sizes {
    /// Code, constants, and what variables begin with.
    pub(crate) flash: u32,
    /// Variables; neither stack nor heap.
    pub(crate) ram: u32,
}

const NOBITS: u32 = 8;
const WRITE: u32 = 1;
const ALLOC: u32 = 2;

/// Adds up the sections of the file that are there when the program runs.
///
/// # Errors
/// It cannot be read, or is not such a file.
pub(crate) fn sizes(path: &Path) -> Result<Sizes, String> {
    let file = std::fs::read(path).map_err(|e| format!("{}: {e}", path.display()))?;
    parse(&file).ok_or_else(|| format!("{} is no 32-bit ELF file", path.display()))
}

fn parse(file: &[u8]) -> Option<Sizes> {
    if file.get(..6)? != b"\x7fELF\x01\x01" {
        return None;
    }
    let half = |at: usize| Some(u16::from_le_bytes(file.get(at..at + 2)?.try_into().ok()?));
    let word = |at: usize| Some(u32::from_le_bytes(file.get(at..at + 4)?.try_into().ok()?));
    let (table, each, number) = (word(0x20)? as usize, half(0x2e)? as usize, half(0x30)?);
    let mut sizes = Sizes::default();
    for i in 0..usize::from(number) {
        let section = table + i * each;
        let (kind, flags, size) = (word(section + 4)?, word(section + 8)?, word(section + 20)?);
        if flags & ALLOC == 0 {
            continue;
        }
        if flags & WRITE != 0 {
            sizes.ram += size;
        }
        if kind != NOBITS {
            sizes.flash += size;
        }
    }
    Some(sizes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn adds_up_sections_by_kind() {
        let mut file = vec![0; 0x34];
        file[..6].copy_from_slice(b"\x7fELF\x01\x01");
        file[0x20] = 0x34;
        file[0x2e] = 40;
        file[0x30] = 4;
        // Code, variables with a value, variables without, and names for a debugger.
        for (kind, flags, size) in
            [(1, ALLOC | 4, 100), (1, ALLOC | WRITE, 20), (NOBITS, ALLOC | WRITE, 3), (1, 0, 999)]
        {
            let mut section = [0u32; 10];
            (section[1], section[2], section[5]) = (kind, flags, size);
            file.extend(section.iter().flat_map(|w| w.to_le_bytes()));
        }
        assert_eq!(parse(&file), Some(Sizes { flash: 120, ram: 23 }));
        assert_eq!(parse(&file[..100]), None);
        assert_eq!(parse(b"#!/bin/sh"), None);
    }
}
