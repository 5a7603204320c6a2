//! Every match, and the order of them, against a slow and simple reader of the same corpus.
//!
//! The corpus' generator and that reader stand beside the repository, in `shared/corpus`, or where `OUZEL_CORPUS` says. Corpora are made
//! under the target folder, one for each seed, and kept. `OUZEL_CORPUS_SEEDS`, `OUZEL_CORPUS_SCALE` and
//! `OUZEL_CORPUS_QUERIES` make it more. `OUZEL_CORPUS_FOLDER` names one corpus to take instead of all, and
//! `OUZEL_CORPUS_ANSWERS` a file in which what the reader says of it is kept, as that may take it half an hour.

mod queries;
mod reader;

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use ouzel_search::{Criteria, Engine, Job, Query, Results, Role, Source, Sources};
use queries::{Asked, Queries};
use serde_json::Value;

/// Queries of each corpus beyond the standard ones.
const GENERATED: f64 = 10.0;

fn setting(name: &str, usual: f64) -> f64 {
    std::env::var(name).ok().map_or(usual, |v| v.parse().expect("a number"))
}

/// The one corpus to take.
fn given() -> Option<PathBuf> {
    std::env::var_os("OUZEL_CORPUS_FOLDER").map(PathBuf::from)
}

/// Makes the corpus unless it is there: under a name of nobody else's, as tests run at the same time.
fn corpus(tools: &Path, seed: usize, scale: f64) -> PathBuf {
    let name = format!("corpus-{seed}-{scale}");
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(&name);
    if !folder.is_dir() {
        static MADE: AtomicU32 = AtomicU32::new(0);
        let nth = MADE.fetch_add(1, Ordering::Relaxed);
        let making = folder.with_file_name(format!("{name}.making-{}-{nth}", std::process::id()));
        let (seed, scale) = (seed.to_string(), scale.to_string());
        let generator = tools.join("gen.py");
        let made = Command::new("python3")
            .arg(generator)
            .arg(&making)
            .args(["--seed", &seed, "--scale", &scale])
            .output()
            .expect("python3");
        assert!(made.status.success(), "{name}: {}", String::from_utf8_lossy(&made.stderr));
        if let Err(e) = std::fs::rename(&making, &folder) {
            // Somebody else was faster.
            assert!(folder.is_dir(), "{}: {e}", folder.display());
            std::fs::remove_dir_all(&making).expect("one of the two goes");
        }
    }
    folder
}

/// What a search has found.
#[derive(Debug, PartialEq, Eq)]
struct Answer {
    count: usize,
    /// Of all places in order.
    sum: u64,
    /// The first of them.
    order: Vec<String>,
}

impl Answer {
    fn of(expected: &Value) -> Answer {
        let order = expected["order"].as_array().expect("a list").iter();
        Answer {
            count: expected["count"].as_u64().expect("a count") as usize,
            sum: expected["sum"].as_u64().expect("a sum"),
            order: order.map(|v| v.as_str().expect("a place").to_owned()).collect(),
        }
    }
}

fn sources(folder: &Path) -> Vec<Source> {
    let mut sources = Sources::default();
    sources.add(folder);
    assert!(sources.unreadable.is_empty());
    sources.files
}

fn search(files: Vec<Source>, q: &Value, engine: Engine, threads: usize) -> Answer {
    let query = q["query"].as_str().expect("a query");
    let mut criteria = Criteria::new(Query::parse(query).unwrap_or_else(|e| panic!("{query}: {e}")));
    criteria.role = q["role"].as_str().map(|r| Role::named(r).expect("a role"));
    let job = Arc::new(Job::new(criteria, files));
    let told = engine.run(&job, threads).expect("it runs");
    let limit = q["limit"].as_u64().map(|n| n as usize);
    let mut results = Results::new(&job, told, limit, false);
    assert!(results.unreadable.is_empty());
    results.number_lines(&job.files).expect("files are still there");
    let places = results.matches.iter().map(|m| (job.files[m.file as usize].below(), m.hit.line));
    let told = |(file, line): (&[u8], u32)| format!("{}:{line}", String::from_utf8_lossy(file));
    let order = places.clone().take(reader::TOLD).map(told).collect();
    Answer { count: results.count, sum: reader::sum(places), order }
}

fn engines() -> impl Iterator<Item = Engine> + Clone {
    Engine::ALL.into_iter().filter(|e| e.is_here())
}

#[test]
fn count_and_order_are_those_of_the_slow_reader() {
    let Some(tools) = reader::tools() else { return };
    let generated = setting("OUZEL_CORPUS_QUERIES", GENERATED) as usize;
    let mut queries = Queries::new(0x5eed);
    let mut generate = || (0..generated).map(|_| queries.next()).collect::<Vec<Asked>>();
    let done = match given() {
        Some(folder) => {
            let queries = generate();
            let wanted = match std::env::var_os("OUZEL_CORPUS_ANSWERS") {
                Some(answers) => reader::kept(Path::new(&answers), &tools, &folder, &queries),
                None => reader::expected(&tools, &folder, &queries),
            };
            vec![compare(&folder, &wanted)]
        }
        None => {
            let seeds = setting("OUZEL_CORPUS_SEEDS", 20.0) as usize;
            let scale = setting("OUZEL_CORPUS_SCALE", 0.003);
            let jobs: Vec<_> = (1..=seeds).map(|seed| (seed, generate())).collect();
            let one = |(seed, queries): &(usize, Vec<Asked>)| {
                let folder = corpus(&tools, *seed, scale);
                compare(&folder, &reader::expected(&tools, &folder, queries))
            };
            // Two at a time: half of the work is the reader's.
            let pair = |pair: &[(usize, Vec<Asked>)]| {
                std::thread::scope(|scope| {
                    let threads: Vec<_> = pair.iter().map(|job| scope.spawn(move || one(job))).collect();
                    threads.into_iter().map(|t| t.join().expect("equal results")).collect::<Vec<_>>()
                })
            };
            jobs.chunks(2).flat_map(pair).collect()
        }
    };
    let (compared, matched) = done.into_iter().fold((0, 0), |all, one| (all.0 + one.0, all.1 + one.1));
    println!("{compared} queries, {matched} matches, equal in count and order");
    assert!(matched > compared, "queries that find nothing prove nothing");
}

fn compare(folder: &Path, wanted: &[Value]) -> (usize, usize) {
    let mut matched = 0;
    let is_query = |wanted: &&Value| {
        let query = wanted["query"].as_str().expect("a query");
        let good = wanted["good"].as_bool().expect("told");
        assert_eq!(Query::parse(query).is_ok(), good, "{query} is a query for one of both");
        good
    };
    let wanted: Vec<_> = wanted.iter().filter(is_query).collect();
    let files = sources(folder);
    for (n, (wanted, engine)) in wanted.iter().zip(engines().cycle()).enumerate() {
        let answer = search(files.clone(), wanted, engine, n % 5 + 1);
        let said =
            format!("{}, {engine}, query {}, role {}", folder.display(), wanted["query"], wanted["role"]);
        assert_eq!(answer, Answer::of(wanted), "{said}");
        matched += answer.count;
    }
    (wanted.len(), matched)
}

#[test]
fn the_order_is_the_same_with_any_number_of_threads() {
    let Some(tools) = reader::tools() else { return };
    let folder = given().unwrap_or_else(|| corpus(&tools, 1, 0.005));
    // As a program, for the pool of `blocking` learns its bound but once.
    let search = |engine: Engine, threads: usize| {
        let threads = threads.to_string();
        let output = Command::new(env!("CARGO_BIN_EXE_ouzel-search"))
            .args(["error OR summary", "--limit", "500", "--format", "jsonl"])
            .args(["--engine", engine.name(), "--threads", &threads])
            .env("BLOCKING_MAX_THREADS", &threads)
            .arg(&folder)
            .output()
            .expect("it runs");
        assert!(output.status.success(), "{engine}: {}", String::from_utf8_lossy(&output.stderr));
        output.stdout
    };
    let first = search(Engine::Threads, 1);
    assert_eq!(first.iter().filter(|b| **b == b'\n').count(), 500);
    for run in 0..20 {
        let threads = [1, 2, 3, 4, 8, 16][run % 6];
        for engine in engines() {
            assert!(search(engine, threads) == first, "{engine} with {threads} threads");
        }
    }
    println!("one order, 20 runs of {} engines with 1 to 16 threads", engines().count());
}

#[test]
fn what_is_not_in_memory_is_found_too() {
    let Some(tools) = reader::tools() else { return };
    let folder = corpus(&tools, 2, 0.005);
    let asked = serde_json::json!({"query": "error", "role": null, "limit": null});
    let first = search(sources(&folder), &asked, Engine::Threads, 1);
    for threads in [1, 2, 3, 16] {
        for file in sources(&folder) {
            let file = std::fs::File::open(file.path()).expect("it is there");
            // Only what has reached the disk can be forgotten.
            file.sync_all().expect("it reaches the disk");
            rustix::fs::fadvise(&file, 0, None, rustix::fs::Advice::DontNeed).expect("forgotten");
        }
        assert_eq!(search(sources(&folder), &asked, Engine::Ouzel, threads), first, "{threads} threads");
    }
}
