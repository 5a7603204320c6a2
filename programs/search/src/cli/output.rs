//! What is printed.

use std::collections::HashSet;
use std::io::{self, Write};
use std::path::Path;

use ouzel_search::{Job, Match, Results, Shower};

use super::options::{Format, What};
use super::say::say;
use super::snippet;

/// Prints what was asked for.
///
/// # Errors
/// Of the output. What has gone from a file since it was searched is told, and left out.
pub(crate) fn print(
    job: &Job,
    results: &Results,
    what: What,
    color: bool,
    out: &mut impl Write,
) -> io::Result<()> {
    match what {
        What::Count => writeln!(out, "{}", results.count),
        What::Files => {
            let mut told = HashSet::new();
            for m in results.matches.iter().filter(|m| told.insert(m.file)) {
                writeln!(out, "{}", path(job, m).display())?;
            }
            Ok(())
        }
        What::Matches(format) => matches(job, results, format, color, out),
    }
}

fn matches(
    job: &Job,
    results: &Results,
    format: Format,
    color: bool,
    out: &mut impl Write,
) -> io::Result<()> {
    let (mut shower, mut text) = (Shower::default(), String::new());
    let mut first = true;
    for m in &results.matches {
        let shown = match shower.read(&job.files, m) {
            Ok(shown) => shown,
            Err(e) => {
                say(format_args!("{}: {e}", path(job, m).display()));
                continue;
            }
        };
        text.clear();
        match format {
            Format::Text => {
                head(&mut text, job, m, color);
                snippet::write(&mut text, shown.text, job.criteria.query().spans(shown.text), color);
            }
            Format::Json | Format::JsonLines => {
                let object = serde_json::json!({
                    "file": path(job, m).to_string_lossy(),
                    "line": m.hit.line,
                    "role": m.hit.role.name(),
                    "timestamp": m.hit.time.to_string(),
                    "session": shown.session,
                    "text": shown.text,
                });
                text.push_str(&object.to_string());
            }
        }
        if format == Format::Json {
            out.write_all(if first { b"[\n" } else { b",\n" })?;
            out.write_all(text.as_bytes())?;
        } else {
            text.push('\n');
            out.write_all(text.as_bytes())?;
        }
        first = false;
    }
    match format {
        Format::Json => out.write_all(if first { b"[]\n" } else { b"\n]\n" }),
        _ => Ok(()),
    }
}

fn path<'a>(job: &'a Job, m: &Match) -> &'a Path {
    job.files[m.file as usize].path()
}

fn head(out: &mut String, job: &Job, m: &Match, color: bool) {
    let (file, line, end) = if color { ("\x1b[35m", "\x1b[32m", "\x1b[0m") } else { ("", "", "") };
    let path = path(job, m).display().to_string();
    // A name may hold anything but a slash and a zero.
    let path: String = path.chars().map(|c| if c.is_control() { '?' } else { c }).collect();
    let (time, role) = (m.hit.time.to_string(), m.hit.role.name());
    out.push_str(&format!("{file}{path}{end}:{line}{}{end}: {time} {role}: ", m.hit.line));
}
