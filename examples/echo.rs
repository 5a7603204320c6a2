//! A TCP echo server: `cargo run --release --example echo -- 127.0.0.1:7000`.

use std::io;
use std::net::SocketAddr;

use ouzel::net::{TcpListener, TcpStream};

async fn echo(stream: TcpStream) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let mut buf = Vec::with_capacity(16 * 1024);
    loop {
        let (n, filled) = stream.read(buf).await;
        if n? == 0 {
            return Ok(());
        }
        let (sent, back) = stream.write_all(filled).await;
        sent?;
        buf = back;
    }
}

fn main() -> io::Result<()> {
    let address: SocketAddr = match std::env::args().nth(1).as_deref().unwrap_or("127.0.0.1:7000").parse() {
        Ok(address) => address,
        Err(e) => return Err(io::Error::new(io::ErrorKind::InvalidInput, format!("not an address: {e}"))),
    };
    let runtime = ouzel::Runtime::new()?;
    println!("echo on {address}, {}", runtime.driver_description());
    runtime.block_on(async {
        let listener = TcpListener::bind(address)?;
        loop {
            let (stream, peer) = listener.accept().await?;
            ouzel::spawn_detached(async move {
                if let Err(e) = echo(stream).await {
                    eprintln!("{peer}: {e}");
                }
            });
        }
    })
}
