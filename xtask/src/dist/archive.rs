//! An archive of one object, with its index. GNU `ar` cannot be relied upon: with LLVM's plugins installed it fails on
//! what rustc made.

use ar_archive_writer::{ArchiveKind, DEFAULT_OBJECT_READER, NewArchiveMember, write_archive_to_stream};
use std::fs::{self, File};
use std::io::BufWriter;
use std::path::Path;

/// Writes `object` into an archive at `to`, and checks that its index names exactly the functions `names`.
pub(super) fn write(object: &Path, names: &[String], to: &Path) -> Result<(), String> {
    let bytes = fs::read(object).map_err(|e| format!("{}: {e}", object.display()))?;
    let member = NewArchiveMember::new(bytes, &DEFAULT_OBJECT_READER, "ouzel.o".into());
    let failed = |e: std::io::Error| format!("{}: {e}", to.display());
    let mut file = BufWriter::new(File::create(to).map_err(failed)?);
    write_archive_to_stream(&mut file, &[member], ArchiveKind::Gnu, false, None).map_err(failed)?;
    file.into_inner().map_err(|e| failed(e.into_error()))?;

    let written = fs::read(to).map_err(failed)?;
    let archive =
        object::read::archive::ArchiveFile::parse(&*written).map_err(|e| format!("{}: {e}", to.display()))?;
    let index =
        archive.symbols().map_err(|e| format!("{}: {e}", to.display()))?.ok_or("the archive has no index")?;
    let mut there: Vec<String> =
        index.flatten().map(|symbol| String::from_utf8_lossy(symbol.name()).into_owned()).collect();
    there.sort();
    if there == names {
        return Ok(());
    }
    let extra: Vec<_> = there.iter().filter(|name| !names.contains(name)).collect();
    let missing: Vec<_> = names.iter().filter(|name| !there.contains(name)).collect();
    Err(format!(
        "{}: global and not in the header: {extra:?}; in the header and not global: {missing:?}",
        to.display()
    ))
}
