//! `ouzel-http`: serves a small axum application over HTTP/1 and HTTP/2, plain or under TLS, on ouzel.
//!
//! ```text
//!   TcpStream ── Compat ──────────────────────────────▶ hyper ──▶ axum
//!                  └── tokio-rustls ── TokioIo ───────────┘
//! ```

mod app;
mod options;
mod tls;

use std::io;
use std::process::ExitCode;

use hyper_util::rt::TokioIo;
use hyper_util::server::conn::auto;
use hyper_util::service::TowerToHyperService;
use options::Options;
use ouzel::compat::{Compat, HyperExecutor, HyperTimer};
use ouzel::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;

fn main() -> ExitCode {
    let options = match Options::parse(std::env::args_os().skip(1)) {
        Ok(Some(options)) => options,
        Ok(None) => {
            println!("{}", options::USAGE);
            return ExitCode::SUCCESS;
        }
        Err(e) => {
            eprintln!("ouzel-http: {e}; see --help");
            return ExitCode::from(2);
        }
    };
    match serve(&options) {
        Ok(()) => ExitCode::SUCCESS,
        Err(e) => {
            eprintln!("ouzel-http: {e}");
            ExitCode::FAILURE
        }
    }
}

fn serve(options: &Options) -> io::Result<()> {
    let runtime = ouzel::Runtime::builder().driver(options.driver).worker_threads(options.workers).build()?;
    let acceptor = options.tls.then(tls::acceptor).transpose()?;
    runtime.block_on(async {
        let listener = TcpListener::bind(options.addr)?;
        let scheme = if options.tls { "https" } else { "http" };
        println!("listening on {scheme}://{} ({})", listener.local_addr()?, runtime.driver_name());
        ouzel::spawn_detached(accept(listener, acceptor));
        ouzel::signal::ctrl_c().await
    })
}

/// Accepts for ever; when descriptors have run out, after a rest.
async fn accept(listener: TcpListener, acceptor: Option<TlsAcceptor>) {
    loop {
        match listener.accept().await {
            Ok((stream, peer)) => {
                let acceptor = acceptor.clone();
                ouzel::spawn_detached(async move {
                    if let Err(e) = connection(stream, acceptor).await {
                        eprintln!("{peer}: {e}");
                    }
                });
            }
            Err(e) => {
                eprintln!("accept: {e}");
                ouzel::sleep(std::time::Duration::from_millis(10)).await;
            }
        }
    }
}

type Failure = Box<dyn std::error::Error + Send + Sync>;

async fn connection(stream: TcpStream, acceptor: Option<TlsAcceptor>) -> Result<(), Failure> {
    stream.set_nodelay(true)?;
    let stream = Compat::new(stream)?;
    let mut builder = auto::Builder::new(HyperExecutor);
    builder.http1().timer(HyperTimer).header_read_timeout(std::time::Duration::from_secs(10));
    builder.http2().timer(HyperTimer);
    let service = TowerToHyperService::new(app::router());
    match acceptor {
        None => builder.serve_connection(stream, service).await,
        Some(acceptor) => {
            let stream = acceptor.accept(stream).await?;
            builder.serve_connection(TokioIo::new(stream), service).await
        }
    }
}
