//! `ouzel.h` held to what it promises: it compiles everywhere, warns nowhere, and says the same as Rust.

mod cc;

use std::collections::BTreeMap;
use std::fmt::Write as _;

use cc::{Compiler, Language, header_text, scratch};
use ouzel_ffi::abi;

const WARNINGS: &[&str] = &["-Wall", "-Wextra", "-Wpedantic", "-Werror"];

#[test]
fn header_compiles_in_every_language_twice_included_and_from_two_units() {
    let dir = scratch("matrix");
    let unit = |n: u32| {
        format!(
            "#include \"ouzel.h\"\n#include \"ouzel.h\"\n\
             extern int unit_{n}(void);\nint unit_{n}(void) {{ return OUZEL_OK + (int)sizeof(ouzel_cqe); }}\n"
        )
    };
    for language in [Language::C99, Language::C11, Language::Cpp17, Language::Cpp20] {
        for compiler in Compiler::all(language) {
            let mut objects = Vec::new();
            for n in [1, 2] {
                let source = dir.join(format!("unit_{n}.{}", language.suffix()));
                let object = dir.join(format!("unit_{n}.{}.{}.o", language.suffix(), compiler.name()));
                std::fs::write(&source, unit(n)).unwrap();
                compiler.run(
                    language,
                    WARNINGS,
                    &["-c".as_ref(), source.as_ref(), "-o".as_ref(), object.as_ref()],
                );
                objects.push(object);
            }
            let main = dir.join(format!("main.{}", language.suffix()));
            std::fs::write(
                &main,
                "extern int unit_1(void);\nextern int unit_2(void);\n\
                 int main(void) { return unit_1() - unit_2(); }\n",
            )
            .unwrap();
            let program = dir.join(format!("program.{}", compiler.name()));
            compiler.run(
                language,
                WARNINGS,
                &[main.as_ref(), objects[0].as_ref(), objects[1].as_ref(), "-o".as_ref(), program.as_ref()],
            );
            let status = std::process::Command::new(&program).status().unwrap();
            assert!(status.success(), "{} {language:?}: the program ends with {status}", compiler.name());
        }
    }
}

/// `#define OUZEL_NAME ...` with a value; names of the header's own machinery left out.
fn header_constants() -> Vec<String> {
    let text = header_text();
    let defines = text.lines().filter_map(|line| line.strip_prefix("#define OUZEL_"));
    let names = defines.filter_map(|rest| rest.split_once(' ')).map(|(name, _)| format!("OUZEL_{name}"));
    names.collect()
}

#[test]
fn constants_have_the_values_rust_has() {
    let names = header_constants();
    assert!(names.len() > 40, "only {} constants found in the header", names.len());
    let mut program = String::from("#include \"ouzel.h\"\n#include <stdio.h>\nint main(void) {\n");
    for name in &names {
        writeln!(program, "    printf(\"{name} %lld\\n\", (long long)({name}));").unwrap();
    }
    program += "    return 0;\n}\n";
    let printed = cc::run_c("constants", &program);
    let header: BTreeMap<&str, i64> = printed
        .lines()
        .map(|line| line.split_once(' ').unwrap())
        .map(|(name, value)| (name, value.parse().unwrap()))
        .collect();
    let rust: BTreeMap<&str, i64> = abi::CONSTANTS.iter().copied().collect();
    for (name, value) in &rust {
        assert_eq!(header.get(name), Some(value), "{name}: header (left) and Rust (right)");
    }
    for name in header.keys() {
        assert!(rust.contains_key(name), "{name} is in the header and not in Rust");
    }
}

#[test]
fn structs_have_the_layout_rust_has() {
    let mut program =
        String::from("#include \"ouzel.h\"\n#include <stddef.h>\n#include <stdio.h>\nint main(void) {\n");
    for (name, _, fields) in abi::LAYOUT {
        writeln!(program, "    printf(\"{name} %d\\n\", (int)sizeof({name}));").unwrap();
        for (field, ..) in *fields {
            writeln!(
                program,
                "    printf(\"{name}.{field} %d %d\\n\", (int)offsetof({name}, {field}), (int)sizeof((({name} *)0)->{field}));"
            )
            .unwrap();
        }
    }
    program += "    return 0;\n}\n";
    let printed = cc::run_c("layout", &program);
    let mut expected = String::new();
    for (name, size, fields) in abi::LAYOUT {
        writeln!(expected, "{name} {size}").unwrap();
        for (field, offset, size) in *fields {
            writeln!(expected, "{name}.{field} {offset} {size}").unwrap();
        }
    }
    assert_eq!(printed, expected, "header (left) and Rust (right)");
}

/// Names that the header declares as functions.
fn header_functions() -> Vec<String> {
    let text = header_text();
    let mut names = Vec::new();
    let mut inside_comment = false;
    for line in text.lines() {
        let opens = line.find("/*");
        let code = if inside_comment { "" } else { &line[..opens.unwrap_or(line.len())] };
        inside_comment = (inside_comment || opens.is_some()) && !line.contains("*/");
        if code.starts_with(' ') || code.starts_with("typedef") || code.starts_with('#') {
            continue;
        }
        let Some((before, _)) = code.split_once('(') else { continue };
        let name = before.rsplit([' ', '*']).next().unwrap();
        if name.starts_with("ouzel_") {
            names.push(name.to_owned());
        }
    }
    names
}

#[test]
fn every_declared_function_is_exported() {
    let names = header_functions();
    assert!(names.len() > 60, "only {} functions found in the header", names.len());
    let mut program = String::from("#include \"ouzel.h\"\n#include <stdio.h>\ntypedef void (*any)(void);\n");
    program += "static any const all[] = {\n";
    for name in &names {
        writeln!(program, "    (any){name},").unwrap();
    }
    program += "};\nint main(void) { printf(\"%d\\n\", (int)(sizeof all / sizeof *all)); return 0; }\n";
    assert_eq!(cc::run_linked("functions", &program).trim(), names.len().to_string());
}

#[test]
fn every_exported_function_is_declared() {
    let declared = header_functions();
    let src = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut exported = 0;
    let files = std::fs::read_dir(src).unwrap().map(|file| file.unwrap().path());
    // In the folders is what C does not see.
    for file in files.filter(|file| file.is_file()) {
        let text = std::fs::read_to_string(file).unwrap();
        for after in text.split("#[unsafe(no_mangle)]").skip(1) {
            let name = after.split_once("fn ").unwrap().1.split('(').next().unwrap();
            assert!(declared.iter().any(|d| d == name), "{name} is exported and not in the header");
            exported += 1;
        }
    }
    assert_eq!(exported, declared.len());
}
