//! A search from the options to the last line printed.

use std::io::{self, BufWriter, IsTerminal, Write};
use std::sync::Arc;
use std::time::Instant as Clock;

use ouzel_search::{Criteria, Engine, Job, Results, Sources};

use super::measure;
use super::options::{Options, What, When};
use super::output;
use super::progress::Progress;
use super::say::say;

/// Matches printed on a terminal unless told otherwise.
const ON_A_TERMINAL: usize = 50;

/// Searches and prints; whether there was something.
///
/// # Errors
/// What kept it from searching, or from printing.
pub(crate) fn run(options: Options) -> io::Result<bool> {
    let start = Clock::now();
    let mut sources = Sources::with_threads(options.threads);
    options.paths.iter().for_each(|path| sources.add(path));
    if let Some(name) = &options.project {
        sources.keep_project(name);
    }
    let mut criteria = Criteria::new(options.query);
    if options.engine == Engine::Whole {
        criteria = criteria.filtered_plainly();
    }
    if options.only_read {
        criteria = criteria.reading_only();
    }
    criteria.role = options.role;
    criteria.session = options.session;
    (criteria.after, criteria.before) = (options.after, options.before);
    let terminal = io::stdout().is_terminal();
    let limit = match (options.what, options.limit) {
        (What::Count, _) => Some(0),
        (_, Some(limit)) => Some(limit),
        (What::Matches(_), None) if terminal => Some(ON_A_TERMINAL),
        _ => None,
    };
    if limit.is_none() && matches!(options.what, What::Matches(_)) {
        criteria = criteria.numbered();
    }
    let job = Arc::new(Job::new(criteria, sources.files));
    let progress = Progress::of(&job);
    let told = options.engine.run(&job, options.threads)?;
    drop(progress);

    let mut results = Results::new(&job, told, limit, options.oldest);
    let unreadable = sources.unreadable.iter().chain(&results.unreadable);
    let troubles = unreadable.inspect(|u| say(format_args!("{}: {}", u.path.display(), u.error))).count();
    if matches!(options.what, What::Matches(_)) {
        // A file that has gone since is told when its matches are read again.
        let _ = results.number_lines(&job.files);
    }
    let color = match options.color {
        When::Always => true,
        When::Never => false,
        When::Auto => terminal && std::env::var_os("NO_COLOR").is_none_or(|v| v.is_empty()),
    };
    let mut out = BufWriter::with_capacity(64 * 1024, io::stdout().lock());
    let printed = output::print(&job, &results, options.what, color, &mut out).and_then(|()| out.flush());
    match printed {
        // Whoever reads has seen enough.
        Err(e) if e.kind() == io::ErrorKind::BrokenPipe => std::mem::forget(out.into_parts()),
        printed => printed?,
    }
    // Whoever was listening there may have gone.
    let mut err = io::stderr();
    if options.stats {
        let _ = writeln!(
            err,
            "{} matches in {} of {} files, {:.1} MiB, {troubles} unreadable, {:.1} ms, engine {}, {} threads",
            results.count,
            results.files_with_matches,
            job.files.len(),
            results.bytes as f64 / f64::from(1 << 20),
            start.elapsed().as_secs_f64() * 1e3,
            options.engine,
            options.threads,
        );
    }
    if options.measure {
        let _ = writeln!(err, "{}", measure::taken(start)?);
    }
    // The process ends, and takes along what would be thousands of paths to free one by one.
    std::mem::forget(job);
    if results.count == 0 && troubles > 0 {
        return Err(io::Error::other("nothing found, but not everything could be read"));
    }
    Ok(results.count > 0)
}
