//! `--metrics`: the counters as text, for whoever asks by HTTP.

use std::rc::Rc;
use std::time::Duration;

use ouzel::net::{TcpListener, TcpStream};

use super::stats::prometheus;
use super::thread::Thread;

/// Bytes of a request that are looked at.
const REQUEST: usize = 4096;
/// How long one may take.
const PATIENCE: Duration = Duration::from_secs(5);

/// Answers for ever; one request to a connection.
pub(super) async fn serve(listener: TcpListener, thread: Rc<Thread>) {
    let mut incoming = listener.incoming();
    while let Some(next) = incoming.next().await {
        match next {
            Ok(stream) => {
                let thread = Rc::clone(&thread);
                drop(ouzel::spawn_local(async move {
                    // A client that is too slow, or gone: nothing to be done.
                    let _ = ouzel::timeout(PATIENCE, answer(stream, thread)).await;
                }));
            }
            Err(e) => thread.shared.log(0, || format!("metrics: {e}")),
        }
    }
}

async fn answer(stream: TcpStream, thread: Rc<Thread>) -> std::io::Result<()> {
    let mut request = Vec::new();
    while !request.windows(4).any(|w| w == b"\r\n\r\n") && request.len() < REQUEST {
        let (n, part) = stream.read(Vec::with_capacity(REQUEST)).await;
        if n? == 0 {
            return Ok(());
        }
        request.extend_from_slice(&part);
    }
    let line = request.split(|b| *b == b'\r').next().unwrap_or_default();
    let (status, body) = match line.split(|b| *b == b' ').collect::<Vec<_>>()[..] {
        [b"GET", b"/metrics" | b"/", _] => {
            thread.publish();
            ("200 OK", prometheus(&thread.shared))
        }
        [b"GET", ..] => ("404 Not Found", "try /metrics\n".into()),
        _ => ("400 Bad Request", "try GET /metrics\n".into()),
    };
    let head = format!(
        "HTTP/1.1 {status}\r\nContent-Type: text/plain; version=0.0.4\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
        body.len()
    );
    stream.write_all(head + &body).await.0?;
    Ok(())
}
