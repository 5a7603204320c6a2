//! The traced process that moves bytes in every way streams and pipes have, and compares them at their end.

use std::io::{Read, Write};
use std::net::Shutdown;
use std::os::unix::net::UnixStream as StdStream;
use std::path::PathBuf;

use ouzel::Driver;
use ouzel::fs::File;
use ouzel::net::{TcpStream, UnixStream, send_file, splice};
use ouzel::process::{Command, Stdio};
use ouzel_tests::Setup;
use ouzel_tests::sockets::{both, pair, pattern, read_exactly};

/// How many bytes each of the ways moves.
const BYTES: usize = 200_000;

/// The traced process.
pub(crate) fn inside(task: &str) {
    let mut words = task.split(' ');
    let (driver, folder) = (words.next().unwrap(), PathBuf::from(words.next().unwrap()));
    let driver: Driver = driver.parse().unwrap();
    let mut moved = 0;
    for workers in [0, 2] {
        let setup = Setup { driver, workers };
        moved += setup.run(all(setup, folder.clone()));
    }
    println!("counted: {moved}");
}

/// Each way with bytes of its own; how many came through.
async fn all(setup: Setup, folder: PathBuf) -> usize {
    let data = |seed| pattern(BYTES, seed);
    let arrived = [
        ("read_exact", data(1), exact(data(1)).await),
        ("vectored", data(2), vectored(data(2)).await),
        ("recv_stream", data(3), provided(data(3)).await),
        ("lazy", data(4), lazy(data(4)).await),
        ("zero copy", data(5), zero_copy(data(5)).await),
        ("splice", data(6), spliced(setup, data(6)).await),
        ("send_file", data(7), sent_file(folder.join("sent"), data(7)).await),
        ("process", data(8), through_cat(data(8)).await),
        ("vectored file", data(9), vectored_file(folder.join("places"), data(9)).await),
    ];
    for (way, sent, got) in &arrived {
        assert!(got == sent, "{way}: not what was sent, {} bytes of {}", got.len(), sent.len());
    }
    arrived.len() * BYTES
}

async fn exact(data: Vec<u8>) -> Vec<u8> {
    let (client, server) = pair().await;
    let writing = async { client.write_all(data).await.0.unwrap() };
    let reading = async {
        let (result, got) = server.read_exact(vec![0; BYTES]).await;
        result.unwrap();
        got
    };
    both(writing, reading).await
}

/// Writes and reads of several buffers, each as far as it goes.
async fn vectored(data: Vec<u8>) -> Vec<u8> {
    let (client, server) = pair().await;
    let writing = async {
        let mut sent = 0;
        while sent < BYTES {
            let rest = &data[sent..];
            let parts: Vec<Vec<u8>> =
                rest[..rest.len().min(9_000)].chunks(1_000).map(<[u8]>::to_vec).collect();
            sent += client.write_vectored(parts).await.0.unwrap();
        }
        client.shutdown(Shutdown::Write).await.unwrap();
    };
    let reading = async {
        let mut all = Vec::new();
        loop {
            let rooms: Vec<Vec<u8>> = (0..7).map(|_| Vec::with_capacity(700)).collect();
            let (n, got) = server.read_vectored(rooms).await;
            let n = n.unwrap();
            assert_eq!(got.iter().map(Vec::len).sum::<usize>(), n, "the count is not the bytes'");
            // No buffer has any before the one in front of it is full.
            assert!(got.windows(2).all(|two| two[0].len() == 700 || two[1].is_empty()), "a gap");
            all.extend(got.concat());
            if n == 0 {
                return all;
            }
        }
    };
    both(writing, reading).await
}

/// Into the driver's own buffers.
async fn provided(data: Vec<u8>) -> Vec<u8> {
    let (client, server) = pair().await;
    let writing = async {
        client.write_all(data).await.0.unwrap();
        client.shutdown(Shutdown::Write).await.unwrap();
    };
    let reading = async {
        let (mut stream, mut all) = (server.recv_stream(), Vec::new());
        while let Some(piece) = stream.next().await {
            all.extend_from_slice(&piece.unwrap());
        }
        all
    };
    both(writing, reading).await
}

/// Sends that are awaited only when their bytes are there.
async fn lazy(data: Vec<u8>) -> Vec<u8> {
    let ((client, server), mut all) = (pair().await, Vec::new());
    for part in data.chunks(3_000) {
        let sending = client.write_lazy(part.to_vec()).unwrap();
        all.extend(read_exactly(&server, part.len()).await.unwrap());
        let (n, back) = sending.await;
        assert_eq!((n.unwrap(), back.as_slice()), (part.len(), part));
    }
    all
}

async fn zero_copy(data: Vec<u8>) -> Vec<u8> {
    let (client, server) = pair().await;
    let writing = async { client.write_all(data).zero_copy().await.0.unwrap() };
    both(writing, async { read_exactly(&server, BYTES).await.unwrap() }).await
}

/// From a stream to a stream of another kind, and back.
async fn spliced(setup: Setup, data: Vec<u8>) -> Vec<u8> {
    let ((client, front), (back, server)) = (pair().await, UnixStream::pair().unwrap());
    let proxy = setup.spawn(async move {
        assert_eq!(splice(&front, &back).await.unwrap(), BYTES as u64);
        back.shutdown(Shutdown::Write).await.unwrap();
        assert_eq!(splice(&back, &front).await.unwrap(), BYTES as u64);
    });
    let echo = setup.spawn(async move {
        let (result, got) = server.read_exact(vec![0; BYTES]).await;
        result.unwrap();
        server.write_all(got).await.0.unwrap();
    });
    client.write_all(data).await.0.unwrap();
    client.shutdown(Shutdown::Write).await.unwrap();
    let got: Vec<u8> = to_end(&client).await;
    echo.await.unwrap();
    proxy.await.unwrap();
    got
}

async fn to_end(stream: &TcpStream) -> Vec<u8> {
    let mut all = Vec::new();
    loop {
        let (n, got) = stream.read(Vec::with_capacity(10_000)).await;
        if n.unwrap() == 0 {
            return all;
        }
        all.extend(got);
    }
}

async fn sent_file(path: PathBuf, data: Vec<u8>) -> Vec<u8> {
    ouzel::fs::write(&path, data).await.unwrap();
    let file = File::open(&path).await.unwrap();
    let (client, server) = pair().await;
    let sending = async {
        assert_eq!(send_file(&file, 0, 1000, &client).await.unwrap(), 1000);
        assert_eq!(send_file(&file, 1000, u64::MAX, &client).await.unwrap(), BYTES as u64 - 1000);
    };
    both(sending, async { read_exactly(&server, BYTES).await.unwrap() }).await
}

/// Through the pipes of a process.
async fn through_cat(data: Vec<u8>) -> Vec<u8> {
    let mut cat = Command::new("cat").stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let (stdin, stdout) = (cat.stdin.take().unwrap(), cat.stdout.take().unwrap());
    let writing = async move { stdin.write_all(data).await.0.unwrap() };
    let got = both(writing, async { stdout.read_to_end().await.unwrap() }).await;
    assert!(cat.wait().await.unwrap().success());
    got
}

/// Several buffers to and from their places in a file.
async fn vectored_file(path: PathBuf, data: Vec<u8>) -> Vec<u8> {
    let file = File::options().read(true).write(true).create(true).truncate(true).open(&path).await.unwrap();
    let mut written = 0;
    while written < BYTES {
        let rest = &data[written..];
        let parts: Vec<Vec<u8>> = rest[..rest.len().min(9_000)].chunks(1_000).map(<[u8]>::to_vec).collect();
        written += file.write_vectored_at(parts, written as u64).await.0.unwrap();
    }
    let mut all = Vec::new();
    while all.len() < BYTES {
        let rooms: Vec<Vec<u8>> = (0..7).map(|_| Vec::with_capacity(700)).collect();
        let (n, got) = file.read_vectored_at(rooms, all.len() as u64).await;
        assert!(n.unwrap() > 0, "an early end");
        all.extend(got.concat());
    }
    all
}

/// The traced process that takes a short write for a whole one.
pub(crate) fn careless() {
    let (mut from, mut to) = StdStream::pair().unwrap();
    let data = pattern(1_000, 1);
    #[expect(clippy::unused_io_amount, reason = "the planted fault")]
    from.write(&data).unwrap();
    drop(from);
    let mut got = Vec::new();
    to.read_to_end(&mut got).unwrap();
    println!("counted: {}", got == data);
}
