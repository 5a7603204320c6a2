//! Which functions a C header declares.

use crate::workspace::Workspace;
use std::fs;

/// Every function that the header `name` of `ffi/include` declares.
pub(super) fn functions_of(ws: &Workspace, name: &str) -> Result<Vec<String>, String> {
    let path = ws.root.join("ffi/include").join(name);
    let text = fs::read_to_string(&path).map_err(|e| format!("{}: {e}", path.display()))?;
    Ok(functions(&text))
}

/// Every function that `header` declares, sorted.
pub(crate) fn functions(header: &str) -> Vec<String> {
    let mut names = Vec::new();
    for line in header.lines().filter(|l| !l.starts_with([' ', '#', '/', '*', '}'])) {
        let Some((before, _)) = line.split_once('(') else { continue };
        let name = before.rsplit([' ', '*']).next().unwrap_or_default();
        if name.starts_with("ouzel_") && !before.starts_with("typedef") {
            names.push(name.to_owned());
        }
    }
    names.sort();
    names.dedup();
    names
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_headers_functions_are_found_and_nothing_else() {
        let header = "typedef void (*ouzel_log_fn)(void *ud);\nuint32_t ouzel_abi_version(void);\n\
            const char *ouzel_err_name(int32_t code);\nint32_t ouzel_a(int x,\n    ouzel_b(y));\n/* ouzel_c(z) */\n";
        assert_eq!(functions(header), ["ouzel_a", "ouzel_abi_version", "ouzel_err_name"]);
    }
}
