//! Every match, and the order of them, against a slow and simple reader of the same corpus.
//!
//! The corpus' generator and that reader stand beside the repository, in `shared/corpus`, or where `OUZEL_CORPUS` says. Corpora are made
//! under the target folder, one for each seed, and kept. `OUZEL_CORPUS_SEEDS`, `OUZEL_CORPUS_SCALE` and
//! `OUZEL_CORPUS_QUERIES` make it more.

mod queries;

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;

use ouzel_search::{Criteria, Engine, Job, Query, Results, Role, Sources};
use queries::{Asked, Queries};

/// Queries of each corpus beyond the standard ones.
const GENERATED: f64 = 10.0;

/// Reads queries as JSON lines and writes what the reader says, with all its results in order.
const DRIVER: &str = r#"
import json, sys
path, root = sys.argv[1:]
exec(open(path).read().rsplit("main()", 1)[0])
asked = [json.loads(l) for l in sys.stdin] + [dict(query=q, role=r, limit=l) for q, r, l in STANDARD]
def judge(query):
    try: return parse(query)
    except (ValueError, IndexError, re.error): return None
judges = [judge(a["query"]) for a in asked]; hits = [[] for _ in asked]
for role, text, t, i, ln, rel in load(root):
    pair = (text, text.lower())
    for h, f, a in zip(hits, judges, asked):
        if f and a["role"] in (None, role) and f(pair): h.append((-t.timestamp(), i, ln, rel))
for h, f, a in zip(hits, judges, asked):
    h.sort()
    a["good"] = f is not None
    a["count"] = len(h)
    a["order"] = [f"{r}:{n}" for _, _, n, r in h[:a["limit"]]]
    print(json.dumps(a))
"#;

fn tools() -> Option<PathBuf> {
    let beside = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/corpus");
    let tools = std::env::var_os("OUZEL_CORPUS").map_or(beside, PathBuf::from);
    let there = tools.join("gen.py").is_file() && Command::new("python3").arg("--version").output().is_ok();
    if !there {
        println!("skipped: no corpus generator in {}, or no python3", tools.display());
    }
    there.then_some(tools)
}

fn setting(name: &str, usual: f64) -> f64 {
    std::env::var(name).ok().map_or(usual, |v| v.parse().expect("a number"))
}

/// Makes the corpus unless it is there.
fn corpus(tools: &Path, seed: usize, scale: f64) -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("corpus-{seed}-{scale}"));
    if !folder.is_dir() {
        let making = folder.with_extension("making");
        let _ = std::fs::remove_dir_all(&making);
        let (seed, scale) = (seed.to_string(), scale.to_string());
        let generator = tools.join("gen.py");
        let made = Command::new("python3")
            .arg(generator)
            .arg(&making)
            .args(["--seed", &seed, "--scale", &scale])
            .stderr(Stdio::null())
            .status();
        assert!(made.expect("python3").success());
        std::fs::rename(&making, &folder).expect("a new name");
    }
    folder
}

/// What the reader says of `queries` and of its standard ones.
fn expected(tools: &Path, folder: &Path, queries: &[Asked]) -> Vec<serde_json::Value> {
    let mut child = Command::new("python3")
        .args(["-W", "ignore", "-c", DRIVER])
        .arg(tools.join("expected.py"))
        .arg(folder)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("python3");
    let mut stdin = child.stdin.take().expect("piped");
    for q in queries {
        let asked = serde_json::json!({"query": q.query, "role": q.role, "limit": q.limit});
        writeln!(stdin, "{asked}").expect("the reader reads");
    }
    drop(stdin);
    let output = child.wait_with_output().expect("output");
    assert!(output.status.success(), "the reader failed");
    let lines = output.stdout.split(|b| *b == b'\n').filter(|l| !l.is_empty());
    lines.map(|l| serde_json::from_slice(l).expect("JSON")).collect()
}

/// Searches `folder`; the count and the order.
fn search(folder: &Path, q: &serde_json::Value, engine: Engine, threads: usize) -> (usize, Vec<String>) {
    let query = q["query"].as_str().expect("a query");
    let mut criteria = Criteria::new(Query::parse(query).unwrap_or_else(|e| panic!("{query}: {e}")));
    criteria.role = q["role"].as_str().map(|r| Role::named(r).expect("a role"));
    let mut sources = Sources::default();
    sources.add(folder);
    assert!(sources.unreadable.is_empty());
    let job = Arc::new(Job::new(criteria, sources.files));
    let found = engine.run(&job, threads).expect("it runs");
    let limit = q["limit"].as_u64().map(|n| n as usize);
    let mut results = Results::new(&job.files, found, limit, false);
    assert!(results.unreadable.is_empty());
    results.number_lines(&job.files).expect("files are still there");
    let place = |m: &ouzel_search::Match| {
        let file = &job.files[m.file as usize];
        format!("{}:{}", String::from_utf8_lossy(file.below()), m.hit.line)
    };
    (results.count, results.matches.iter().map(place).collect())
}

fn engines() -> impl Iterator<Item = Engine> + Clone {
    Engine::ALL.into_iter().filter(|e| e.is_here())
}

#[test]
fn count_and_order_are_those_of_the_slow_reader() {
    let Some(tools) = tools() else { return };
    let seeds = setting("OUZEL_CORPUS_SEEDS", 20.0) as usize;
    let scale = setting("OUZEL_CORPUS_SCALE", 0.003);
    let generated = setting("OUZEL_CORPUS_QUERIES", GENERATED) as usize;
    let mut queries = Queries::new(0x5eed);
    let jobs: Vec<(usize, Vec<Asked>)> =
        (1..=seeds).map(|seed| (seed, (0..generated).map(|_| queries.next()).collect())).collect();
    let (mut compared, mut matched) = (0, 0);
    // Two at a time: half of the work is the reader's.
    for pair in jobs.chunks(2) {
        let done = std::thread::scope(|scope| {
            let start = |(seed, queries): &(usize, Vec<Asked>)| {
                let folder = corpus(&tools, *seed, scale);
                let wanted = expected(&tools, &folder, queries);
                compare(&folder, *seed, &wanted)
            };
            let threads: Vec<_> = pair.iter().map(|job| scope.spawn(move || start(job))).collect();
            threads.into_iter().map(|t| t.join().expect("equal results")).collect::<Vec<_>>()
        });
        for (queries, matches) in done {
            compared += queries;
            matched += matches;
        }
    }
    println!("{compared} queries, {matched} matches, equal in count and order");
    assert!(matched > compared, "queries that find nothing prove nothing");
}

fn compare(folder: &Path, seed: usize, wanted: &[serde_json::Value]) -> (usize, usize) {
    let mut matched = 0;
    let is_query = |wanted: &&serde_json::Value| {
        let query = wanted["query"].as_str().expect("a query");
        let good = wanted["good"].as_bool().expect("told");
        assert_eq!(Query::parse(query).is_ok(), good, "{query} is a query for one of both");
        good
    };
    let wanted: Vec<_> = wanted.iter().filter(is_query).collect();
    for (n, (wanted, engine)) in wanted.iter().zip(engines().cycle()).enumerate() {
        let (count, order) = search(folder, wanted, engine, n % 5 + 1);
        let said = format!("seed {seed}, {engine}, query {}, role {}", wanted["query"], wanted["role"]);
        assert_eq!(count as u64, wanted["count"].as_u64().expect("a count"), "{said}");
        let expected: Vec<&str> =
            wanted["order"].as_array().expect("a list").iter().filter_map(|v| v.as_str()).collect();
        assert_eq!(order, expected, "{said}");
        matched += count;
    }
    (wanted.len(), matched)
}

#[test]
fn the_order_is_the_same_with_any_number_of_threads() {
    let Some(tools) = tools() else { return };
    let folder = corpus(&tools, 1, 0.02);
    let asked = serde_json::json!({"query": "error OR summary", "role": null, "limit": 500});
    let first = search(&folder, &asked, Engine::Threads, 1);
    assert_eq!(first.1.len(), 500);
    for run in 0..20 {
        let threads = [1, 2, 3, 4, 8, 16][run % 6];
        for engine in engines() {
            let again = search(&folder, &asked, engine, threads);
            assert!(again == first, "{engine} with {threads} threads");
        }
    }
}
