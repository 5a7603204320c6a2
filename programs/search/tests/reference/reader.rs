//! What the slow reader says, all queries of a corpus at once.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::{Value, json};

use crate::queries::Asked;

/// Places that are told; the sum is of all.
pub(crate) const TOLD: usize = 1000;

/// Reads queries as JSON lines, adds the reader's standard ones, and writes for each the count, the sum of all places in order, and the
/// first of them. Every line is read once, and a pattern that several queries have is tried once on it.
const DRIVER: &str = r#"
import array, json, re, sys
path, root, told = sys.argv[1:]
class Once:
    made = {}
    def __init__(self, pattern): self.pattern, self.text, self.found = pattern, None, None
    def search(self, text):
        if text is not self.text: self.text, self.found = text, self.pattern.search(text)
        return self.found
class Patterns:
    I, M, S, X = re.I, re.M, re.S, re.X
    def compile(pattern, flags):
        key = (pattern, int(flags))
        if key not in Once.made: Once.made[key] = Once(re.compile(pattern, flags))
        return Once.made[key]
reader = {}
exec(open(path).read().rsplit("main()", 1)[0], reader)
reader["re"] = Patterns
asked = [json.loads(l) for l in sys.stdin] + [dict(query=q, role=r, limit=l) for q, r, l in reader["STANDARD"]]
def judge(query):
    try: return reader["parse"](query)
    except (ValueError, IndexError, re.error): return None
judges = [judge(a["query"]) for a in asked]
hits = [array.array("I") for _ in asked]; keys = []; places = []
wanted = {role: [(h, f) for h, f, a in zip(hits, judges, asked) if f and a["role"] in (None, role)]
          for role in ("user", "assistant", "system", "summary")}
for role, text, t, i, ln, rel in reader["load"](root):
    pair = (text, text.lower())
    for h, f in wanted[role]:
        if f(pair): h.append(len(keys))
    keys.append((-t.timestamp(), i, ln)); places.append((rel, ln))
prime = 2**61 - 1
names = {rel: int.from_bytes(rel.encode(), "big") % prime for rel in {rel for rel, _ in places}}
for h, f, a in zip(hits, judges, asked):
    order = [places[n] for n in sorted(h, key=keys.__getitem__)[:a["limit"]]]
    a["good"], a["count"], a["sum"] = f is not None, len(h), 0
    for rel, ln in order: a["sum"] = (a["sum"] * 1000003 + names[rel] + ln) % prime
    a["order"] = [f"{rel}:{ln}" for rel, ln in order[:int(told)]]
    print(json.dumps(a), flush=True)
"#;

/// The sum of places, each a file's name and a line's number, as the driver makes it.
pub(crate) fn sum<'a>(places: impl Iterator<Item = (&'a [u8], u32)>) -> u64 {
    const PRIME: u128 = (1 << 61) - 1;
    let name = |file: &[u8]| file.iter().fold(0, |sum, byte| (sum * 256 + u128::from(*byte)) % PRIME);
    let all = places.fold(0, |sum, (file, line)| (sum * 1_000_003 + name(file) + u128::from(line)) % PRIME);
    all as u64
}

/// What the reader at `tools` says of `queries` and of its standard ones in `folder`.
pub(crate) fn expected(tools: &Path, folder: &Path, queries: &[Asked]) -> Vec<Value> {
    let mut child = Command::new("python3")
        .args(["-W", "ignore", "-c", DRIVER])
        .arg(tools.join("expected.py"))
        .arg(folder)
        .arg(TOLD.to_string())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("python3");
    let mut stdin = child.stdin.take().expect("piped");
    for q in queries {
        let asked = json!({"query": q.query, "role": q.role, "limit": q.limit});
        writeln!(stdin, "{asked}").expect("the reader reads");
    }
    drop(stdin);
    let output = child.wait_with_output().expect("output");
    assert!(output.status.success(), "the reader failed");
    lines(&output.stdout)
}

/// As [`expected`], out of the file `answers` where it is there, else into it.
pub(crate) fn kept(answers: &Path, tools: &Path, folder: &Path, queries: &[Asked]) -> Vec<Value> {
    if let Ok(text) = std::fs::read(answers) {
        let all = lines(&text);
        let asked = queries.iter().zip(&all).all(|(q, a)| q.query == a["query"]);
        assert!(asked && all.len() > queries.len(), "{} answers other queries", answers.display());
        return all;
    }
    let all = expected(tools, folder, queries);
    let text: String = all.iter().map(|a| format!("{a}\n")).collect();
    std::fs::write(answers, text).expect("a place for the answers");
    all
}

fn lines(text: &[u8]) -> Vec<Value> {
    let lines = text.split(|b| *b == b'\n').filter(|l| !l.is_empty());
    lines.map(|l| serde_json::from_slice(l).expect("JSON")).collect()
}

/// The reader's folder, where it and Python are.
pub(crate) fn tools() -> Option<PathBuf> {
    let beside = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/corpus");
    let tools = std::env::var_os("OUZEL_CORPUS").map_or(beside, PathBuf::from);
    let there = tools.join("gen.py").is_file() && Command::new("python3").arg("--version").output().is_ok();
    if !there {
        println!("skipped: no corpus generator in {}, or no python3", tools.display());
    }
    there.then_some(tools)
}
