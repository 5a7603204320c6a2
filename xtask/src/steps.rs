//! Steps with a header each, a summary of times, and a last line that counts them.

use std::process::ExitCode;
use std::time::{Duration, Instant};

/// The steps done so far.
#[derive(Debug, Default)]
pub(crate) struct Steps {
    done: Vec<(String, Duration, Option<String>)>,
}

impl Steps {
    /// Runs one step. A failure is kept for the summary; later steps run all the same.
    pub(crate) fn step(&mut self, name: &str, f: impl FnOnce() -> Result<(), String>) {
        println!("\n==> {name}");
        let start = Instant::now();
        let error = f().err();
        let took = start.elapsed();
        match &error {
            None => println!("<== {name}: ok, {:.1} s", took.as_secs_f64()),
            Some(e) => println!("<== {name}: FAILED, {:.1} s: {e}", took.as_secs_f64()),
        }
        self.done.push((name.to_string(), took, error));
    }

    fn failed(&self) -> usize {
        self.done.iter().filter(|(_, _, error)| error.is_some()).count()
    }

    /// Prints the summary. The last line is `N passed, N failed`.
    pub(crate) fn finish(self) -> ExitCode {
        println!("\n{:<52} {:>9}", "step", "seconds");
        for (name, took, error) in &self.done {
            let mark = if error.is_some() { "  FAILED" } else { "" };
            println!("{name:<52} {:>9.1}{mark}", took.as_secs_f64());
        }
        let total: Duration = self.done.iter().map(|(_, took, _)| *took).sum();
        println!("{:<52} {:>9.1}", "total", total.as_secs_f64());
        for (name, _, error) in &self.done {
            if let Some(error) = error {
                println!("FAILED {name}: {}", error.lines().next().unwrap_or_default());
            }
        }
        let failed = self.failed();
        println!("{} passed, {failed} failed", self.done.len() - failed);
        if failed == 0 && !self.done.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failed_step_does_not_stop_the_next_and_fails_the_whole() {
        let mut steps = Steps::default();
        let mut ran = false;
        steps.step("bad", || Err("planted".into()));
        steps.step("good", || {
            ran = true;
            Ok(())
        });
        assert!(ran);
        assert_eq!(steps.failed(), 1);
    }
}
