//! A server that misbehaves below HTTP: it goes away, says nothing, drips, never ends, talks nonsense, or breaks off.
//!
//! Bytes on a bare socket, because an HTTP library would keep a test from sending what no library sends. While it answers it
//! goes on reading, so that a large request cannot block its sender: what is tested is the answer, except where nothing is read at all.

use std::io;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use anyhow::{Context, Result};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::tcp::WriteHalf;
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::task::{AbortHandle, JoinSet};

/// What the server does to whoever connects.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Misbehaviour {
    /// Nobody listens: connections are refused.
    Refuses,
    /// Answers the first request, then closes that connection and the port for good.
    Dies,
    /// Takes connections, reads nothing and says nothing.
    IsABlackHole,
    /// Gives a valid answer after this time.
    AnswersAfter(Duration),
    /// Sends a byte of a valid answer every 100 ms.
    Drips,
    /// Sends chunks of a body without an end, as fast as the peer reads.
    NeverEnds,
    /// Sends bytes that are no HTTP.
    TalksNonsense,
    /// Resets the connection (RST) after half of the body that it announced.
    BreaksOff,
    /// Sends an answer with 100,000 headers.
    FloodsHeaders,
}

impl Misbehaviour {
    /// Each once; `late` is the time after which the slow one answers.
    pub fn all(late: Duration) -> [Self; 9] {
        [
            Self::Refuses,
            Self::Dies,
            Self::IsABlackHole,
            Self::AnswersAfter(late),
            Self::Drips,
            Self::NeverEnds,
            Self::TalksNonsense,
            Self::BreaksOff,
            Self::FloodsHeaders,
        ]
    }
}

/// The server; it ends when this is dropped.
#[derive(Debug)]
pub struct Misbehaving {
    address: SocketAddr,
    connections: Arc<AtomicUsize>,
    accepting: Option<AbortHandle>,
    /// Keeps the port from others when nobody listens on it.
    _bound: TcpSocket,
}

impl Misbehaving {
    /// On a free port of the loopback interface.
    pub fn start(kind: Misbehaviour) -> Result<Self> {
        Self::start_at(SocketAddr::from(([127, 0, 0, 1], 0)), kind)
    }

    /// In the place of a server that is gone.
    pub fn start_at(address: SocketAddr, kind: Misbehaviour) -> Result<Self> {
        let bound = bind(address)?;
        let address = bound.local_addr()?;
        let connections = Arc::new(AtomicUsize::new(0));
        let accepting = match kind {
            Misbehaviour::Refuses => None,
            _ => {
                let listener = bind(address)?.listen(BACKLOG)?;
                let accepting = accept(listener, kind, Arc::clone(&connections));
                Some(tokio::spawn(accepting).abort_handle())
            }
        };
        Ok(Self { address, connections, accepting, _bound: bound })
    }

    /// Where it listens, or does not.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Connections that it took so far.
    pub fn connections(&self) -> usize {
        self.connections.load(Ordering::Relaxed)
    }
}

impl Drop for Misbehaving {
    fn drop(&mut self) {
        if let Some(accepting) = &self.accepting {
            accepting.abort();
        }
    }
}

/// Both of these options, since one socket keeps the port that another listens on, and a server before may have left connections.
fn bind(address: SocketAddr) -> Result<TcpSocket> {
    let socket = TcpSocket::new_v4()?;
    socket.set_reuseaddr(true)?;
    socket.set_reuseport(true)?;
    socket.bind(address).with_context(|| format!("cannot bind {address}"))?;
    Ok(socket)
}

/// Connections belong to the set of tasks of this one, so they end with it.
async fn accept(listener: TcpListener, kind: Misbehaviour, taken: Arc<AtomicUsize>) {
    let mut connections = JoinSet::new();
    while let Ok((stream, _)) = listener.accept().await {
        taken.fetch_add(1, Ordering::Relaxed);
        if kind == Misbehaviour::Dies {
            drop(converse(stream, kind).await);
            return;
        }
        connections.spawn(converse(stream, kind));
        while connections.try_join_next().is_some() {}
    }
}

/// One answer to one request. An error is a peer that left.
async fn converse(mut stream: TcpStream, kind: Misbehaviour) -> io::Result<()> {
    stream.set_nodelay(true)?;
    if kind == Misbehaviour::IsABlackHole {
        return std::future::pending().await;
    }
    let (mut reading, mut writing) = stream.split();
    read_head(&mut reading).await?;
    let mut rest = tokio::io::sink();
    let answered = tokio::select! {
        answered = answer(&mut writing, kind) => answered,
        left = tokio::io::copy(&mut reading, &mut rest) => left.map(|_| ()),
    };
    if matches!(kind, Misbehaviour::BreaksOff | Misbehaviour::Dies) {
        // No lingering: the connection ends with a reset.
        return answered.and(stream.set_zero_linger());
    }
    answered?;
    // The peer has what it needs to know the end, or never will; it closes.
    tokio::io::copy(&mut reading, &mut rest).await.map(|_| ())
}

async fn read_head(reading: &mut (impl AsyncRead + Unpin)) -> io::Result<()> {
    let mut head = Vec::new();
    while !head.windows(4).any(|end| end == b"\r\n\r\n") {
        if reading.read_buf(&mut head).await? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
    }
    Ok(())
}

async fn answer(writing: &mut WriteHalf<'_>, kind: Misbehaviour) -> io::Result<()> {
    match kind {
        Misbehaviour::Refuses | Misbehaviour::IsABlackHole => Ok(()),
        Misbehaviour::Dies => writing.write_all(VALID).await,
        Misbehaviour::AnswersAfter(late) => {
            tokio::time::sleep(late).await;
            writing.write_all(VALID).await
        }
        Misbehaviour::Drips => {
            for byte in VALID {
                writing.write_all(&[*byte]).await?;
                tokio::time::sleep(DRIP).await;
            }
            Ok(())
        }
        Misbehaviour::NeverEnds => {
            writing.write_all(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n").await?;
            let chunk = [b"4000\r\n".as_slice(), &[b'x'; 0x4000], b"\r\n"].concat();
            loop {
                writing.write_all(&chunk).await?;
            }
        }
        Misbehaviour::TalksNonsense => writing.write_all(b"\x00\xff\x16\x03\x01 220 hello\n\n\r\r\x80").await,
        Misbehaviour::BreaksOff => {
            let half = "x".repeat(50);
            writing
                .write_all(format!("HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n{half}").as_bytes())
                .await?;
            // Else the reset overtakes what was sent.
            tokio::time::sleep(DRIP).await;
            Ok(())
        }
        Misbehaviour::FloodsHeaders => writing.write_all(FLOOD.as_bytes()).await,
    }
}

const VALID: &[u8] =
    b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\nconnection: close\r\ncontent-length: 2\r\n\r\n{}";
const DRIP: Duration = Duration::from_millis(100);
/// Made once: a server that is busy with making it would slow down whoever is on the same machine.
static FLOOD: LazyLock<String> = LazyLock::new(|| {
    let headers: String = (0..100_000).map(|number| format!("x-h-{number}: v\r\n")).collect();
    format!("HTTP/1.1 200 OK\r\n{headers}content-length: 2\r\n\r\n{{}}")
});
const BACKLOG: u32 = 1024;

#[cfg(test)]
mod tests {
    use super::*;

    async fn connect(address: SocketAddr) -> io::Result<TcpStream> {
        let mut stream = TcpStream::connect(address).await?;
        stream.write_all(b"GET / HTTP/1.1\r\nhost: h\r\n\r\n").await?;
        Ok(stream)
    }

    /// What comes until `enough` bytes are there, or the end, or an error.
    async fn answered(kind: Misbehaviour, enough: usize) -> (Vec<u8>, io::Result<()>) {
        let server = Misbehaving::start(kind).unwrap();
        let mut stream = connect(server.address()).await.unwrap();
        let mut bytes = Vec::new();
        while bytes.len() < enough {
            match stream.read_buf(&mut bytes).await {
                Ok(0) => break,
                Ok(_) => {}
                Err(error) => return (bytes, Err(error)),
            }
        }
        assert_eq!(server.connections(), 1);
        (bytes, Ok(()))
    }

    #[tokio::test]
    async fn nobody_is_there() {
        let refusing = Misbehaving::start(Misbehaviour::Refuses).unwrap();
        let refused = connect(refusing.address()).await.unwrap_err();
        assert_eq!((refused.kind(), refusing.connections()), (io::ErrorKind::ConnectionRefused, 0));

        let dying = Misbehaving::start(Misbehaviour::Dies).unwrap();
        let mut first = connect(dying.address()).await.unwrap();
        let mut bytes = vec![0; VALID.len()];
        first.read_exact(&mut bytes).await.unwrap();
        assert_eq!(bytes, VALID);
        // A connection may still come into the backlog of a port that is about to close.
        while connect(dying.address()).await.is_ok() {
            tokio::task::yield_now().await;
        }
        let refused = connect(dying.address()).await.unwrap_err();
        assert_eq!(refused.kind(), io::ErrorKind::ConnectionRefused);
    }

    #[tokio::test]
    async fn a_place_can_be_taken_over() {
        let first = Misbehaving::start(Misbehaviour::TalksNonsense).unwrap();
        let address = first.address();
        let mut stream = connect(address).await.unwrap();
        assert_eq!(stream.read_u8().await.unwrap(), 0);
        drop(first);
        let second = Misbehaving::start_at(address, Misbehaviour::Drips).unwrap();
        while second.connections() == 0 {
            drop(connect(address).await);
            tokio::task::yield_now().await;
        }
    }

    #[tokio::test]
    async fn nothing_is_read_and_nothing_is_said() {
        let server = Misbehaving::start(Misbehaviour::IsABlackHole).unwrap();
        let mut stream = connect(server.address()).await.unwrap();
        let fills = async {
            loop {
                stream.write_all(&[b'x'; 1 << 16]).await.unwrap();
            }
        };
        let full = tokio::time::timeout(Duration::from_secs(1), fills).await;
        assert!(full.is_err(), "the sender runs against a full buffer");
        let said = tokio::time::timeout(Duration::from_millis(100), stream.read_u8()).await;
        assert!(said.is_err());
    }

    #[tokio::test]
    async fn valid_answers_that_take_their_time() {
        let late = Misbehaviour::AnswersAfter(Duration::from_millis(50));
        for (kind, enough) in [(late, VALID.len()), (Misbehaviour::Drips, 3)] {
            let begun = std::time::Instant::now();
            let (bytes, ended) = answered(kind, enough).await;
            ended.unwrap();
            assert_eq!(bytes, VALID[..enough]);
            assert!(begun.elapsed() >= Duration::from_millis(50), "{kind:?}");
        }
    }

    #[tokio::test]
    async fn answers_that_are_none() {
        let (bytes, ended) = answered(Misbehaviour::NeverEnds, 3_000_000).await;
        assert!(ended.is_ok() && bytes.starts_with(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked"));

        let (bytes, _) = answered(Misbehaviour::TalksNonsense, 10).await;
        assert!(bytes.starts_with(b"\x00\xff"));

        let (bytes, ended) = answered(Misbehaviour::BreaksOff, usize::MAX).await;
        assert_eq!(ended.unwrap_err().kind(), io::ErrorKind::ConnectionReset);
        assert!(
            bytes.starts_with(b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n") && bytes.ends_with(&[b'x'; 50])
        );

        let (bytes, ended) = answered(Misbehaviour::FloodsHeaders, FLOOD.len()).await;
        ended.unwrap();
        assert_eq!(bytes.windows(4).filter(|at| at == b"x-h-").count(), 100_000);
    }
}
