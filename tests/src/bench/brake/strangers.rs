//! Strangers who hold connections: with a wrong token, without reading what they asked for, or a byte at a time.

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::Result;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpSocket, TcpStream};

use super::site::Site;

/// What a stranger does with a connection, again and again.
#[derive(Debug, Clone, Copy)]
pub(super) enum Stranger {
    /// Guesses tokens, and keeps the connection as long as it may.
    Guesses,
    /// Asks without end, and reads no answer.
    NeverReads,
    /// Sends a header that never ends, byte by byte.
    SlowHeader,
    /// Sends a body that takes hours, byte by byte.
    SlowBody,
}

impl Stranger {
    /// Goes on until it is stopped; `number` tells one from another, and from which address it comes.
    pub(super) async fn bother(self, site: Site, number: usize) {
        loop {
            if let Ok(stream) = connect(site.address, number).await {
                // That the comparator ends it is what it should do.
                let _ = self.use_up(site, stream).await;
            }
            tokio::time::sleep(BETWEEN_CONNECTIONS).await;
        }
    }

    async fn use_up(self, site: Site, mut stream: TcpStream) -> Result<()> {
        match self {
            Self::Guesses => {
                let guess =
                    Site { secret: Some("not-the-right-one"), ..site }.head("GET /v1/status") + "\r\n";
                let mut answer = [0; 4_096];
                loop {
                    stream.write_all(guess.as_bytes()).await?;
                    if stream.read(&mut answer).await? == 0 {
                        return Ok(());
                    }
                }
            }
            Self::NeverReads => {
                let stranger = Site { secret: None, ..site };
                let asked = stranger.head("GET /readyz") + "\r\n" + &stranger.head("GET /healthz") + "\r\n";
                let pipelined = asked.repeat(PIPELINED);
                loop {
                    stream.write_all(pipelined.as_bytes()).await?;
                }
            }
            Self::SlowHeader => {
                let head = Site { secret: None, ..site }.head("GET /healthz") + "x-slow: ";
                drip(&mut stream, head.bytes().chain(std::iter::repeat(b'a'))).await
            }
            Self::SlowBody => {
                let head = site.head("POST /v1/observations");
                let head = head + "content-type: application/json\r\ncontent-length: 1000000\r\n\r\n";
                stream.write_all(head.as_bytes()).await?;
                drip(&mut stream, std::iter::repeat(b' ')).await
            }
        }
    }
}

async fn drip(stream: &mut TcpStream, bytes: impl Iterator<Item = u8>) -> Result<()> {
    for byte in bytes {
        stream.write_all(&[byte]).await?;
        tokio::time::sleep(BETWEEN_BYTES).await;
    }
    Ok(())
}

/// A connection from one of several addresses: together they may hold every place that there is.
async fn connect(to: SocketAddr, number: usize) -> Result<TcpStream> {
    let socket = TcpSocket::new_v4()?;
    #[expect(clippy::cast_possible_truncation, reason = "one of a few")]
    socket.bind(SocketAddr::from(([127, 0, 0, 2 + (number % ADDRESSES) as u8], 0)))?;
    let stream = socket.connect(to).await?;
    stream.set_nodelay(true)?;
    Ok(stream)
}

const ADDRESSES: usize = 8;
/// Requests that are written at once.
const PIPELINED: usize = 100;
const BETWEEN_CONNECTIONS: Duration = Duration::from_millis(20);
const BETWEEN_BYTES: Duration = Duration::from_millis(100);
