//! hyper's client and server on ouzel in one process: streams of one HTTP/2 connection; a codec of tokio-util; futures'
//! own reads and writes.

use std::convert::Infallible;

use http_body_util::{BodyExt, Full};
use hyper::body::{Bytes, Incoming};
use hyper::{Request, Response};
use ouzel::compat::{Compat, HyperExecutor, HyperLocalExecutor, HyperTimer};
use ouzel::net::{TcpListener, TcpStream};
use ouzel::{Driver, Runtime};

const DRIVERS: [Driver; 3] = [Driver::Uring, Driver::Epoll, Driver::Poll];

async fn echo(request: Request<Incoming>) -> Result<Response<Full<Bytes>>, Infallible> {
    // The longer ones answer first: streams must not wait for each other.
    let body = request.into_body().collect().await.map(|b| b.to_bytes()).unwrap_or_default();
    ouzel::sleep(std::time::Duration::from_millis(20 - (body.len() as u64).min(20))).await;
    Ok(Response::new(Full::new(body)))
}

async fn serve(listener: TcpListener) {
    let (stream, _) = listener.accept().await.unwrap();
    let mut builder = hyper::server::conn::http2::Builder::new(HyperExecutor);
    builder.timer(HyperTimer);
    let service = hyper::service::service_fn(echo);
    drop(builder.serve_connection(Compat::new(stream).unwrap(), service).await);
}

async fn many_streams<E>(executor: E, listener: TcpListener)
where
    E: hyper::rt::bounds::Http2ClientConnExec<Full<Bytes>, Compat<TcpStream>> + Clone + Unpin + 'static,
{
    let address = listener.local_addr().unwrap();
    ouzel::spawn_detached(serve(listener));
    let stream = Compat::new(TcpStream::connect(address).await.unwrap()).unwrap();
    let (sender, connection) = hyper::client::conn::http2::handshake(executor, stream).await.unwrap();
    let asked: Vec<_> = (0..20u8)
        .map(|n| {
            let mut sender = sender.clone();
            async move {
                let sent = Bytes::from(vec![n; usize::from(n)]);
                let request = Request::post("http://localhost/").body(Full::new(sent.clone())).unwrap();
                let response = sender.send_request(request).await.unwrap();
                assert_eq!(response.into_body().collect().await.unwrap().to_bytes(), sent);
            }
        })
        .collect();
    drop(sender);
    // The connection ends when nobody can ask any more.
    let (ended, _) = futures_util::join!(connection, futures_util::future::join_all(asked));
    ended.unwrap();
}

#[test]
fn streams_of_one_connection_do_not_wait_for_each_other() {
    for driver in DRIVERS {
        let Ok(runtime) = Runtime::builder().driver(driver).worker_threads(2).build() else {
            println!("skipped: no {driver} here");
            continue;
        };
        runtime.block_on(async {
            many_streams(HyperExecutor, TcpListener::bind("127.0.0.1:0").unwrap()).await;
        });
        Runtime::builder().driver(driver).build_local().unwrap().block_on(async {
            many_streams(HyperLocalExecutor, TcpListener::bind("127.0.0.1:0").unwrap()).await;
        });
    }
}

#[test]
fn a_codec_of_tokio_util_frames_what_comes_in_pieces() {
    use futures_util::{SinkExt, StreamExt};
    use tokio_util::codec::{Framed, LinesCodec};
    for driver in DRIVERS {
        let Ok(runtime) = Runtime::builder().driver(driver).build_local() else { continue };
        runtime.block_on(async {
            let listener = TcpListener::bind("127.0.0.1:0").unwrap();
            let address = listener.local_addr().unwrap();
            let client = ouzel::spawn_local(async move {
                let stream = TcpStream::connect(address).await.unwrap();
                for piece in ["one\ntw", "o\nthr", "ee\n"] {
                    stream.write_all(piece).await.0.unwrap();
                    ouzel::sleep(std::time::Duration::from_millis(5)).await;
                }
                let (n, got) = stream.read(Vec::with_capacity(64)).await;
                assert_eq!((n.unwrap(), &got[..]), (5, &b"done\n"[..]));
            });
            let (stream, _) = listener.accept().await.unwrap();
            let mut lines = Framed::new(Compat::new(stream).unwrap(), LinesCodec::new());
            for expected in ["one", "two", "three"] {
                assert_eq!(lines.next().await.unwrap().unwrap(), expected);
            }
            lines.send("done").await.unwrap();
            client.await.unwrap();
            assert!(lines.next().await.is_none());
        });
    }
}

#[test]
fn futures_reads_wait_are_given_up_and_go_on() {
    use futures_util::io::{AsyncReadExt, AsyncWriteExt};
    use ouzel::net::UnixStream;
    use std::time::Duration;
    for driver in DRIVERS {
        let Ok(runtime) = Runtime::builder().driver(driver).worker_threads(1).build() else { continue };
        runtime.block_on(async {
            let (a, b) = UnixStream::pair().unwrap();
            let (mut a, mut b) = (Compat::new(a).unwrap(), Compat::new(b).unwrap());
            let mut got = [0; 8];
            let given_up = ouzel::timeout(Duration::from_millis(5), b.read(&mut got)).await;
            assert!(given_up.is_err(), "nothing was sent");
            let sent: Vec<u8> = (0..1_000_000u32).map(|i| (i * 7 + i / 255) as u8).collect();
            let (expected, writer) = (
                sent.clone(),
                ouzel::spawn(async move {
                    // More than the buffers hold: it waits for the reader.
                    a.write_all(&sent).await.unwrap();
                    a.close().await.unwrap();
                    a
                }),
            );
            let mut all = Vec::new();
            b.read_to_end(&mut all).await.unwrap();
            assert!(all == expected, "{driver}");
            drop(b);
            let mut a = writer.await.unwrap();
            assert_eq!(a.write(b"x").await.unwrap_err().kind(), std::io::ErrorKind::BrokenPipe);
        });
    }
}
