//! Where clients come in.

use std::io;
use std::net::{IpAddr, SocketAddr, ToSocketAddrs};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixListener as StdUnixListener;
use std::path::Path;
use std::rc::Rc;

use ouzel::net::{Incoming, Stream as Splits, TcpListener, TcpSocket, UnixListener};

use super::conn::{Connection, is_shortage};
use super::error::because;
use super::message::Stream;
use super::thread::Thread;
use crate::options::Options;

/// The listeners of one thread.
#[derive(Debug, Default)]
pub(super) struct Listeners {
    pub(super) tcp: Vec<TcpListener>,
    pub(super) unix: Option<UnixListener>,
}

/// Listeners for each thread, and the port.
pub(super) fn open(options: &Options) -> io::Result<(Vec<Listeners>, u16)> {
    let mut all: Vec<Listeners> = (0..options.threads).map(|_| Listeners::default()).collect();
    if let Some(path) = &options.unix_path {
        let listener =
            bind_path(path, options.unix_mode).map_err(because(format!("-s {}", path.display())))?;
        for listeners in &mut all {
            listeners.unix = Some(UnixListener::from_std(listener.try_clone()?)?);
        }
        return Ok((all, 0));
    }
    let mut port = options.port;
    for listeners in &mut all {
        for address in addresses(options, port)? {
            let listener = match bind(address, options) {
                // A machine without addresses of version six.
                Err(e) if options.listen.is_empty() && e.raw_os_error() == Some(libc::EAFNOSUPPORT) => {
                    bind(SocketAddr::from(([0, 0, 0, 0], port)), options)
                }
                bound => bound,
            }
            .map_err(because(format!("cannot listen on {address}")))?;
            port = listener.local_addr()?.port();
            listeners.tcp.push(listener);
        }
    }
    Ok((all, port))
}

fn bind_path(path: &Path, mode: u32) -> io::Result<StdUnixListener> {
    // What was left of a server that is gone; anything else stays, and is told.
    if std::os::unix::net::UnixStream::connect(path).is_err()
        && std::fs::symlink_metadata(path).is_ok_and(|m| is_socket(&m))
    {
        std::fs::remove_file(path)?;
    }
    let listener = StdUnixListener::bind(path)?;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode))?;
    Ok(listener)
}

fn is_socket(meta: &std::fs::Metadata) -> bool {
    use std::os::unix::fs::FileTypeExt;
    meta.file_type().is_socket()
}

/// What `-l` and `-p` say; without `-l` all addresses of this machine.
fn addresses(options: &Options, port: u16) -> io::Result<Vec<SocketAddr>> {
    if options.listen.is_empty() {
        return Ok(vec![SocketAddr::from(([0u16; 8], port))]);
    }
    let mut found = Vec::new();
    for name in &options.listen {
        let given = name.parse::<SocketAddr>().ok();
        let alone = name.parse::<IpAddr>().ok().map(|ip| SocketAddr::new(ip, port));
        match given.or(alone) {
            Some(address) => found.push(address),
            None => {
                let looked_up = match name.rsplit_once(':') {
                    Some((_, digits)) if digits.parse::<u16>().is_ok() => name.to_socket_addrs(),
                    _ => (name.as_str(), port).to_socket_addrs(),
                };
                found.extend(looked_up.map_err(because(format!("-l {name}")))?);
            }
        }
    }
    Ok(found)
}

fn bind(address: SocketAddr, options: &Options) -> io::Result<TcpListener> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
    socket.set_reuseaddr(true)?;
    if options.threads > 1 {
        socket.set_reuseport(true)?;
    }
    // Accepted connections inherit it.
    socket.set_nodelay(true)?;
    socket.bind(address)?;
    socket.listen(options.backlog)
}

/// Accepts at every listener of the thread, for ever.
pub(super) fn accept(listeners: Listeners, thread: &Rc<Thread>) {
    for listener in listeners.tcp {
        let thread = Rc::clone(thread);
        drop(ouzel::spawn_local(async move { each(listener.incoming(), thread, "TCP").await }));
    }
    if let Some(listener) = listeners.unix {
        let thread = Rc::clone(thread);
        drop(ouzel::spawn_local(async move { each(listener.incoming(), thread, "Unix").await }));
    }
}

async fn each<S: Stream + Splits>(mut incoming: Incoming<S>, thread: Rc<Thread>, kind: &str) {
    let shared = Rc::clone(&thread);
    let shared = &shared.shared;
    while let Some(next) = incoming.next().await {
        match next {
            Ok(stream) if shared.enter() => {
                drop(ouzel::spawn_local(Connection::new(stream, Rc::clone(&thread))));
            }
            Ok(stream) => {
                thread.count.rejected_connections.add(1);
                stream.write_now(b"ERROR Too many open connections\r\n");
            }
            Err(e) if is_shortage(&e) => shared.log(0, || format!("accept: {e}; trying on")),
            Err(e) => shared.log(0, || format!("accept ({kind}): {e}")),
        }
    }
}
