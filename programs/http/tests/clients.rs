//! curl, and wrk where it is installed, against the server: every driver, HTTP/1.1 and HTTP/2, plain and under TLS;
//! bodies are compared byte for byte.

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdout, Command, Stdio};

const DRIVERS: [&str; 3] = ["uring", "epoll", "poll"];

struct Server {
    child: Child,
    _out: BufReader<ChildStdout>,
    url: String,
}

impl Server {
    /// `None`: this machine lacks the driver.
    fn start(driver: &str, more: &[&str]) -> Option<Self> {
        let mut child = Command::new(env!("CARGO_BIN_EXE_ouzel-http"))
            .args(["--addr", "127.0.0.1:0", "--driver", driver])
            .args(more)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut out = BufReader::new(child.stdout.take().unwrap());
        let mut line = String::new();
        out.read_line(&mut line).unwrap();
        let Some(rest) = line.strip_prefix("listening on ") else {
            println!("skipped: no {driver} here");
            child.wait().unwrap();
            return None;
        };
        assert!(rest.contains(&format!("({driver})")), "{rest}");
        // The certificate is made out to a name.
        let url = rest.split(' ').next().unwrap().replace("127.0.0.1", "localhost");
        Some(Server { child, _out: out, url })
    }

    fn curl(&self, version: &str, path: &str, more: &[&str], body: &[u8]) -> Vec<u8> {
        let mut curl = Command::new("curl");
        curl.args(["--silent", "--show-error", "--fail", "--insecure", "--max-time", "60", version])
            .args(more);
        curl.arg(format!("{}{path}", self.url))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let mut child = curl.spawn().unwrap();
        let mut stdin = child.stdin.take().unwrap();
        let body = body.to_vec();
        let writer = std::thread::spawn(move || stdin.write_all(&body));
        let output = child.wait_with_output().unwrap();
        let _ = writer.join().unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "curl {version} {path}: {}: {said}", output.status);
        output.stdout
    }

    /// Ends it as a user would.
    fn stop(mut self) {
        let pid = self.child.id().to_string();
        assert!(Command::new("kill").args(["-INT", &pid]).status().unwrap().success());
        let status = self.child.wait().unwrap();
        assert!(status.success(), "the server ended with {status}");
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn installed(tool: &str) -> bool {
    let there =
        Command::new(tool).arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status().is_ok();
    if !there {
        println!("skipped: no {tool} on this machine (Debian package {tool})");
    }
    there
}

fn pattern(count: usize) -> Vec<u8> {
    (0..count).map(|i| (i * 31 + i / 251) as u8).collect()
}

/// The same requests whatever is below them.
fn ask(server: &Server, version: &str) {
    assert_eq!(server.curl(version, "/", &[], b""), b"hello from ouzel\n");
    for count in [0, 1, 10_000, 5_000_000] {
        assert!(
            server.curl(version, &format!("/bytes/{count}"), &[], b"") == pattern(count),
            "{version} {count}"
        );
    }
    assert_eq!(server.curl(version, "/sleep/30", &[], b""), b"slept 30 ms\n");
    let body = pattern(1_500_000);
    assert!(server.curl(version, "/echo", &["--data-binary", "@-"], &body) == body, "{version} echo");
    if version != "--http2-prior-knowledge" {
        at_once(server, version);
    }
    let refused = Command::new("curl")
        .args(["--silent", "--insecure", "--max-time", "60", "-w", "%{http_code} %{http_version}", version])
        .arg(format!("{}/bytes/99999999999", server.url))
        .output()
        .unwrap();
    let refused = String::from_utf8(refused.stdout).unwrap();
    let spoken = if version == "--http1.1" { "1.1" } else { "2" };
    assert!(refused.ends_with(&format!("400 {spoken}")), "{version}: {refused}");
}

/// Ten requests at once, as streams of one connection where the protocol has them. (curl 7.88 does this with HTTP/2
/// under TLS alone; for the rest see `streams.rs`.)
fn at_once(server: &Server, version: &str) {
    let options = ["--parallel", "--output", "/dev/null", "-w", "%{size_download} "];
    let many = String::from_utf8(server.curl(version, "/bytes/[1001-1010]", &options, b"")).unwrap();
    let mut sizes: Vec<u32> = many.split_whitespace().map(|n| n.parse().unwrap()).collect();
    sizes.sort_unstable();
    assert_eq!(sizes, (1001..=1010).collect::<Vec<_>>());
}

#[test]
fn curl_over_http_1_and_2() {
    if !installed("curl") {
        return;
    }
    for driver in DRIVERS {
        let Some(server) = Server::start(driver, &[]) else { continue };
        ask(&server, "--http1.1");
        ask(&server, "--http2-prior-knowledge");
        server.stop();
    }
}

#[test]
fn curl_under_tls() {
    if !installed("curl") {
        return;
    }
    for driver in DRIVERS {
        let Some(server) = Server::start(driver, &["--tls", "--workers", "1"]) else { continue };
        ask(&server, "--http1.1");
        ask(&server, "--http2");
        server.stop();
    }
}

#[test]
fn wrk_finds_no_errors() {
    if !installed("wrk") {
        return;
    }
    for driver in DRIVERS {
        let Some(server) = Server::start(driver, &[]) else { continue };
        let output = Command::new("wrk")
            .args(["-t1", "-c64", "-d1s"])
            .arg(format!("{}/", server.url))
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(output.status.success() && said.contains("Requests/sec"), "{said}");
        assert!(!said.contains("Socket errors") && !said.contains("Non-2xx"), "{driver}: {said}");
        server.stop();
    }
}

#[test]
fn bad_usage_is_one_line_and_status_2() {
    for args in [&["--workers", "many"][..], &["--driver", "kqueue"], &["there"]] {
        let output = Command::new(env!("CARGO_BIN_EXE_ouzel-http")).args(args).output().unwrap();
        assert_eq!(output.status.code(), Some(2), "{args:?}");
        assert_eq!(String::from_utf8(output.stderr).unwrap().lines().count(), 1, "{args:?}");
    }
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let addr = taken.local_addr().unwrap().to_string();
    let output = Command::new(env!("CARGO_BIN_EXE_ouzel-http")).args(["--addr", &addr]).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
}
