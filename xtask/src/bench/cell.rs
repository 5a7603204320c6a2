//! A process that runs one case on one engine, with a limit of time.

use super::answer::{Answer, ended, figure};
use super::list::Case;
use super::living::Living;
use super::options::Options;
use crate::workspace::build;
use std::io::Read;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// The programs that run a cell.
#[derive(Debug)]
pub(super) struct Programs {
    pub(super) plain: PathBuf,
    /// Under an allocator that counts.
    pub(super) counted: PathBuf,
}

impl Programs {
    /// Adds the programs to a `cargo build`, runs it and finds them.
    pub(super) fn build(cargo: &mut Command) -> Result<Self, String> {
        let bins = ["ouzel-cell", "ouzel-cell-counted", "ouzel-echo"];
        for bin in bins {
            cargo.args(["--bin", bin]);
        }
        let artifacts = build(cargo)?;
        let path = |name: &str| {
            let mut found = artifacts.iter().filter(|a| a.name == name).filter_map(|a| a.executable.clone());
            found.next().ok_or_else(|| format!("cargo names no {name}"))
        };
        Ok(Programs { plain: path(bins[0])?, counted: path(bins[1])? })
    }

    /// What `--list` prints.
    pub(super) fn list(&self) -> Result<String, String> {
        let output = Command::new(&self.plain).arg("--list").output();
        let output = output.map_err(|e| format!("{}: {e}", self.plain.display()))?;
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    }

    /// Runs `case` on `engine` to its end.
    ///
    /// # Errors
    /// The program could not be started at all.
    pub(super) fn run(&self, case: &Case, engine: &str, options: &Options) -> Result<Answer, String> {
        let mut command = self.command(case, engine, options);
        run_limited(&mut command, options.limit)
    }

    /// Starts `case` on `engine`, to be measured as often as it is told.
    ///
    /// # Errors
    /// The program could not be started at all.
    pub(super) fn start(&self, case: &Case, engine: &str, options: &Options) -> Result<Living, String> {
        Living::start(self.command(case, engine, options).arg("--turns"), options.limit)
    }

    fn command(&self, case: &Case, engine: &str, options: &Options) -> Command {
        let ops = if options.quick { (case.ops / 10).max(1) } else { case.ops }.to_string();
        let workers = options.workers.map(|n| n.to_string());
        let mut args = vec!["--engine", engine, "--case", &case.name, "--ops", &ops];
        if let Some(workers) = &workers {
            args.extend(["--workers", workers]);
        }
        let mut command = Command::new(if case.counted { &self.counted } else { &self.plain });
        command.args(args);
        command
    }
}

fn run_limited(command: &mut Command, limit: Duration) -> Result<Answer, String> {
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let program = command.get_program().display().to_string();
    let mut child = command.spawn().map_err(|e| format!("{program}: {e}"))?;
    let start = Instant::now();
    loop {
        match child.try_wait() {
            Ok(Some(_)) => break,
            Ok(None) if start.elapsed() < limit => std::thread::sleep(Duration::from_millis(5)),
            Ok(None) => {
                kill(&mut child);
                return Ok(Answer::Failed(format!("killed after {} s", limit.as_secs())));
            }
            Err(e) => {
                kill(&mut child);
                return Err(format!("{program}: {e}"));
            }
        }
    }
    // A cell says one line, which the pipe holds; it has ended, so this does not wait for it.
    let mut said = String::new();
    let read = child.stdout.take().map(|mut out| out.read_to_string(&mut said));
    let success = child.wait().is_ok_and(|status| status.success()) && matches!(read, Some(Ok(_)));
    if !success {
        return Ok(ended(&mut child));
    }
    Ok(figure(&said).unwrap_or_else(|| Answer::Failed(format!("it said {said:?}"))))
}

/// Ends a cell; an outside load that it started ends when its connections do.
fn kill(child: &mut Child) {
    let _ = child.kill();
    let _ = child.wait();
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(script: &str, limit: Duration) -> Answer {
        run_limited(Command::new("sh").args(["-c", script]), limit).expect("there is a shell")
    }

    #[test]
    fn tells_figures_from_refusals_from_failures() {
        let long = Duration::from_secs(60);
        let said = r#"echo '{"value": 2.5, "cpu_ns": 7, "workers": 2}'"#;
        assert_eq!(run(said, long), Answer::Figure { value: 2.5, cpu_ns: 7.0, workers: 2 });
        assert_eq!(run("exit 3", long), Answer::CannotRun);
        assert_eq!(run("echo no", long), Answer::Failed("it said \"no\\n\"".into()));
        let Answer::Failed(why) = run("echo because >&2; exit 1", long) else { panic!("it passed") };
        assert!(why.ends_with(": because"), "{why}");
    }

    #[test]
    fn what_hangs_is_killed() {
        let answer = run("exec sleep 1000", Duration::from_millis(1));
        assert_eq!(answer, Answer::Failed("killed after 0 s".into()));
    }
}
