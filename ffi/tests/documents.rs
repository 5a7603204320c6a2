//! The programs in `docs/c-api.md` compile without a warning, run, and say what they should.

mod cc;

use std::path::Path;

/// The programs in `language`, in order; a part of one has no `main`.
fn programs(language: &str) -> Vec<String> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/c-api.md");
    let text = std::fs::read_to_string(path).unwrap();
    let begin = format!("```{language}\n");
    let blocks = text.split(&begin).skip(1);
    let texts = blocks.map(|rest| rest.split_once("```").expect("a block ends").0.to_owned());
    texts.filter(|text| text.contains("int main(")).collect()
}

#[test]
fn the_programs_in_c_run() {
    let said: Vec<String> = programs("c").iter().map(|text| cc::run_linked("c-document", text)).collect();
    assert_eq!(said, ["hello, world\n"]);
}

#[test]
fn the_programs_in_cpp_run() {
    let folder = cc::scratch("cpp-document");
    let (file, program) = (folder.join("main.cpp"), folder.join("main"));
    let mut said = Vec::new();
    for text in programs("cpp") {
        std::fs::write(&file, text).unwrap();
        cc::compile_cpp(&file, &program, &["-O1"]);
        said.push(cc::run(&program, &[]));
    }
    assert_eq!(said, ["12\n"]);
}
