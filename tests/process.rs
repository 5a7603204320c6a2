//! Child processes on every driver.

use std::future::{Future, poll_fn};
use std::io;
use std::os::unix::process::ExitStatusExt;
use std::pin::pin;
use std::task::Poll;
use std::time::Duration;

use ouzel::process::{Command, Stdio};
use ouzel::time::{sleep, timeout};
use ouzel_tests::{Setup, forbid_call, in_child, on_each, until};

fn sh(script: &str) -> Command {
    let mut command = Command::new("sh");
    command.args(["-c", script]);
    command
}

/// Runs until its input ends.
fn cat() -> Command {
    let mut command = Command::new("cat");
    command.stdin(Stdio::piped()).stdout(Stdio::piped());
    command
}

/// Whether the system knows the process, be it as a zombie.
fn exists(id: u32) -> bool {
    // SAFETY: signal 0 does nothing.
    unsafe { libc::kill(id.cast_signed(), 0) == 0 }
}

async fn waits<F: Future>(future: &mut std::pin::Pin<&mut F>) -> bool {
    poll_fn(|cx| Poll::Ready(future.as_mut().poll(cx).is_pending())).await
}

fn ends_are_told(setup: Setup) {
    setup.run(async {
        for code in [0, 1, 7, 255] {
            let status = sh(&format!("exit {code}")).status().await.unwrap();
            assert_eq!(status.code(), Some(code));
        }
        let status = sh("kill -9 $$").status().await.unwrap();
        assert_eq!((status.code(), status.signal()), (None, Some(libc::SIGKILL)));
        let missing = Command::new("/no/such/program").status().await.unwrap_err();
        assert_eq!(missing.kind(), io::ErrorKind::NotFound);
        let missing = Command::new("/no/such/program").output().await.unwrap_err();
        assert_eq!(missing.kind(), io::ErrorKind::NotFound);
    });
}

fn a_wait_really_waits_and_may_be_dropped(setup: Setup) {
    setup.run(async {
        let mut child = cat().spawn().unwrap();
        let (stdin, id) = (child.stdin.take(), child.id().unwrap());
        assert!(exists(id));
        {
            let mut wait = pin!(child.wait());
            assert!(waits(&mut wait).await);
            sleep(Duration::from_millis(5)).await;
            assert!(waits(&mut wait).await);
        }
        assert!(timeout(Duration::from_millis(1), child.wait()).await.is_err());
        assert_eq!(child.try_wait().unwrap(), None);
        drop(stdin);
        assert!(child.wait().await.unwrap().success());
        assert_eq!((child.id(), exists(id)), (None, false));
        // And again, as often as one likes.
        assert!(child.wait().await.unwrap().success() && child.try_wait().unwrap().is_some());
        child.start_kill().unwrap();
    });
}

fn a_kill_kills(setup: Setup) {
    setup.run(async {
        let mut child = Command::new("sleep").arg("1000").spawn().unwrap();
        let id = child.id().unwrap();
        child.kill().await.unwrap();
        assert_eq!(child.wait().await.unwrap().signal(), Some(libc::SIGKILL));
        assert!(!exists(id));
    });
}

fn what_is_dropped_leaves_no_zombie(setup: Setup) {
    let (killed, left) = setup.run(async {
        let killed = Command::new("sleep").arg("1000").kill_on_drop(true).spawn().unwrap();
        let left = cat().spawn().unwrap();
        let ids = (killed.id().unwrap(), left.id().unwrap());
        drop(killed);
        // Goes on: its input is still open.
        let (mut left, mut output) = (left, None);
        let stdin = left.stdin.take();
        std::mem::swap(&mut output, &mut left.stdout);
        drop(left);
        stdin.as_ref().unwrap().write_all("still there").await.0.unwrap();
        let got = output.as_ref().unwrap().read(Vec::with_capacity(64)).await;
        assert_eq!((got.0.unwrap(), got.1), (11, b"still there".to_vec()));
        // A future that is dropped drops its child.
        let mut endless = Command::new("sleep");
        let status = endless.arg("1000").kill_on_drop(true).status();
        assert!(timeout(Duration::from_millis(1), status).await.is_err());
        ids
    });
    until(|| !exists(killed) && !exists(left));
}

#[test]
fn exit_codes_signals_and_missing_programs_are_told() {
    on_each(ends_are_told);
}

#[test]
fn a_wait_waits_is_dropped_and_goes_on() {
    on_each(a_wait_really_waits_and_may_be_dropped);
}

#[test]
fn a_killed_child_has_ended() {
    on_each(a_kill_kills);
}

#[test]
fn a_dropped_child_is_killed_if_asked_for_and_no_zombie_is_left() {
    on_each(what_is_dropped_leaves_no_zombie);
}

#[test]
fn it_all_works_without_descriptors_of_processes() {
    in_child("it_all_works_without_descriptors_of_processes", || {
        forbid_call(libc::SYS_pidfd_open, libc::ENOSYS);
        on_each(ends_are_told);
        on_each(a_wait_really_waits_and_may_be_dropped);
        on_each(a_kill_kills);
        on_each(what_is_dropped_leaves_no_zombie);
    });
}

#[test]
fn both_outputs_may_be_larger_than_their_pipes() {
    on_each(|setup| {
        setup.run(async {
            const MB: usize = 1 << 20;
            for script in [
                "head -c 1048576 /dev/zero; head -c 1048576 /dev/zero | tr '\\0' x >&2",
                "head -c 1048576 /dev/zero | tr '\\0' x >&2; head -c 1048576 /dev/zero",
            ] {
                let output = sh(script).output().await.unwrap();
                assert!(output.status.success());
                assert!(output.stdout == vec![0; MB], "{} bytes", output.stdout.len());
                assert!(output.stderr == vec![b'x'; MB], "{} bytes", output.stderr.len());
            }
        });
    });
}

#[test]
fn much_goes_in_while_as_much_comes_out() {
    on_each(|setup| {
        setup.run(async move {
            let sent: Vec<u8> = (0..1_000_000u32).map(|n| (n.wrapping_mul(n) / 7) as u8).collect();
            let mut child = cat().spawn().unwrap();
            let (stdin, bytes) = (child.stdin.take().unwrap(), sent.clone());
            let writing = setup.spawn(async move { stdin.write_all(bytes).await.0 });
            let output = child.wait_with_output().await.unwrap();
            writing.await.unwrap().unwrap();
            assert!(output.stdout == sent, "{} bytes came back", output.stdout.len());
        });
    });
}

#[test]
fn a_read_of_a_pipe_waits_is_dropped_and_goes_on() {
    on_each(|setup| {
        setup.run(async {
            let mut child = cat().spawn().unwrap();
            let (stdin, stdout) = (child.stdin.take().unwrap(), child.stdout.take().unwrap());
            for round in 0..10u8 {
                {
                    let mut read = pin!(stdout.read(Vec::with_capacity(8)));
                    assert!(waits(&mut read).await, "nothing was written");
                    assert!(timeout(Duration::from_millis(1), read).await.is_err());
                }
                // Let the kernel hear of it.
                sleep(Duration::from_millis(1)).await;
                stdin.write_all(vec![round; 8]).await.0.unwrap();
                let (result, bytes) = stdout.read_exact(Vec::with_capacity(8)).await;
                result.unwrap();
                assert_eq!(bytes, [round; 8]);
            }
            let mut cancelled = stdout.read(Vec::with_capacity(8));
            assert!(waits(&mut pin!(&mut cancelled)).await);
            cancelled.cancel();
            assert!(cancelled.await.0.is_err_and(|e| ouzel::op::is_cancelled(&e)));
            drop(stdin);
            assert_eq!(stdout.read(Vec::with_capacity(8)).await.0.unwrap(), 0);
            assert!(child.wait().await.unwrap().success());
        });
    });
}

#[test]
fn a_write_to_a_full_pipe_waits_and_one_to_a_closed_pipe_fails() {
    on_each(|setup| {
        setup.run(async {
            let mut child = Command::new("sleep").arg("1000").stdin(Stdio::piped()).spawn().unwrap();
            let stdin = child.stdin.take().unwrap();
            let mut write = stdin.write_all(vec![1; 1 << 22]);
            assert!(timeout(Duration::from_millis(5), &mut write).await.is_err(), "nobody reads");
            let before = write.transferred();
            child.kill().await.unwrap();
            let error = write.await.0.unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::BrokenPipe, "after {before} bytes: {error}");
            let error = stdin.write("x").await.0.unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::BrokenPipe);
        });
    });
}

#[test]
fn one_childs_output_is_anothers_input() {
    on_each(|setup| {
        setup.run(async {
            let mut first = sh("echo one; echo two").stdout(Stdio::piped()).spawn().unwrap();
            let stdout: Stdio = first.stdout.take().unwrap().try_into().unwrap();
            let second = Command::new("cat").stdin(stdout).output().await.unwrap();
            assert_eq!(second.stdout, b"one\ntwo\n");
            assert!(first.wait().await.unwrap().success());
        });
    });
}

#[test]
fn a_command_says_where_how_and_with_what() {
    on_each(|setup| {
        setup.run(async {
            let output = sh("pwd; echo $A$B; cat")
                .env_clear()
                .env("PATH", "/usr/bin:/bin")
                .envs([("A", "1"), ("B", "2")])
                .env_remove("B")
                .current_dir("/")
                .output()
                .await
                .unwrap();
            assert_eq!(output.stdout, b"/\n1\n");
            let output = sh("cat; exit 3").stdin(Stdio::null()).stderr(Stdio::null()).output().await.unwrap();
            assert_eq!((output.status.code(), output.stdout.len(), output.stderr.len()), (Some(3), 0, 0));
        });
    });
}

#[test]
fn many_children_at_once() {
    on_each(|setup| {
        setup.run(async move {
            let tasks: Vec<_> = (0..32)
                .map(|n| {
                    setup.spawn(async move { sh(&format!("echo {n}; exit {n}")).output().await.unwrap() })
                })
                .collect();
            for (n, task) in tasks.into_iter().enumerate() {
                let output = task.await.unwrap();
                assert_eq!(output.status.code(), Some(n as i32));
                assert_eq!(output.stdout, format!("{n}\n").as_bytes());
            }
        });
    });
}
