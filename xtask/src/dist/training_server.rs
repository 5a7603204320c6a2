//! A server that is talked to for its training.

use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

/// How long it may take to accept, or to answer.
const PATIENCE: Duration = Duration::from_secs(60);

/// See the module. Takes `-p PORT`, and ends well on SIGTERM.
pub(super) struct Server {
    name: String,
    child: Child,
    addr: SocketAddr,
}

impl Server {
    /// Starts it on a free port.
    pub(super) fn start(command: &mut Command) -> Result<Self, String> {
        let name = command.get_program().display().to_string();
        let addr = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).and_then(|free| free.local_addr());
        let addr = addr.map_err(|e| format!("no free port: {e}"))?;
        command.args(["-p", &addr.port().to_string()]).stdin(Stdio::null()).stdout(Stdio::null());
        let child = command.spawn().map_err(|e| format!("{name}: {e}"))?;
        Ok(Server { name, child, addr })
    }

    /// Sends `message` on each of `connections` and reads `answer`, so many times.
    pub(super) fn talk(
        &mut self,
        connections: usize,
        times: usize,
        message: &[u8],
        answer: &[u8],
    ) -> Result<(), String> {
        let streams = (0..connections).map(|_| self.connect()).collect::<Result<Vec<_>, _>>()?;
        let mut told = vec![0; answer.len()];
        let mut talk = || {
            for _ in 0..times {
                for mut stream in &streams {
                    stream.write_all(message)?;
                }
                for mut stream in &streams {
                    stream.read_exact(&mut told)?;
                    if told != answer {
                        return Err(io::Error::other(format!("said {:?}", String::from_utf8_lossy(&told))));
                    }
                }
            }
            Ok(())
        };
        talk().map_err(|e| format!("{}: {e}", self.name))
    }

    fn connect(&mut self) -> Result<TcpStream, String> {
        let start = Instant::now();
        loop {
            let connected = TcpStream::connect(self.addr).and_then(|stream| {
                stream.set_nodelay(true)?;
                stream.set_read_timeout(Some(PATIENCE))?;
                Ok(stream)
            });
            match connected {
                Ok(stream) => return Ok(stream),
                Err(e) if start.elapsed() > PATIENCE => return Err(format!("{}: {e}", self.name)),
                Err(_) => {}
            }
            if let Ok(Some(status)) = self.child.try_wait() {
                return Err(format!("{} ended: {status}", self.name));
            }
            sleep(Duration::from_millis(10));
        }
    }

    /// Asks it to end, which must go well.
    pub(super) fn stop(mut self) -> Result<(), String> {
        let failed = |e: io::Error| format!("{}: {e}", self.name);
        Command::new("kill").args(["-TERM", &self.child.id().to_string()]).status().map_err(failed)?;
        let status = self.child.wait().map_err(failed)?;
        if status.success() { Ok(()) } else { Err(format!("{}: {status}", self.name)) }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if matches!(self.child.try_wait(), Ok(None)) {
            let _ = self.child.kill();
            let _ = self.child.wait();
        }
    }
}
