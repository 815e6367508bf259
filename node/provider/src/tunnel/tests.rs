#![allow(clippy::unwrap_used, clippy::panic)]
use super::count::{Counted, Counts, Outward};
use super::mux::{self, Side};
use super::tls;
use super::wire::{self, Answer, Ask, Head, MESSAGE_BYTES_MAX, Purpose, Route, Verdict, WireError};
use crate::core::Held;
use crate::keys::SessionKey;
use nupeer_primitives::{Cbor, LeaseId, Signature, VerificationKey};
use proptest::prelude::*;
use std::sync::Arc;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

fn key(n: u8) -> SessionKey {
    SessionKey::from_seed(&[n; 32])
}

async fn pair(host: SessionKey, edge: SessionKey, pinned: VerificationKey) -> Result<VerificationKey, String> {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let acceptor = tls::acceptor(&edge).unwrap();
    let server = async { tls::accept(&acceptor, listener.accept().await.unwrap().0).await };
    let connector = tls::connector(&host, pinned).unwrap();
    let client = async { tls::connect(&connector, TcpStream::connect(address).await.unwrap()).await };
    let (server, client) = tokio::join!(server, client);
    client.map_err(|e| e.to_string())?;
    server.map(|(_, key)| key).map_err(|e| e.to_string())
}

#[tokio::test]
async fn both_ends_learn_each_others_key() {
    assert_eq!(pair(key(1), key(2), key(2).public()).await, Ok(key(1).public()));
}

#[tokio::test]
async fn an_edge_with_another_key_is_refused() {
    assert!(pair(key(1), key(2), key(3).public()).await.is_err());
}

#[tokio::test]
async fn plain_text_is_no_tunnel() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let mut client = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
    client.write_all(b"GET / HTTP/1.1\r\n\r\n").await.unwrap();
    let acceptor = tls::acceptor(&key(2)).unwrap();
    assert!(tls::accept(&acceptor, listener.accept().await.unwrap().0).await.is_err());
}

#[tokio::test]
async fn streams_go_both_ways_and_end_with_their_tunnel() {
    let (a, b) = tokio::io::duplex(4_096);
    let (host, mut to_host) = mux::drive(a, Side::Host);
    let (edge, mut to_edge) = mux::drive(b, Side::Edge);
    let mut sent = host.open().await.unwrap();
    sent.write_all(b"up").await.unwrap();
    sent.flush().await.unwrap();
    let mut got = to_edge.recv().await.unwrap();
    let mut buffer = [0; 2];
    got.read_exact(&mut buffer).await.unwrap();
    assert_eq!(&buffer, b"up");
    let mut down = edge.open().await.unwrap();
    let large = vec![7; 600_000];
    let write = async {
        down.write_all(&large).await.unwrap();
        down.shutdown().await.unwrap();
    };
    let mut all = Vec::new();
    let read = async { to_host.recv().await.unwrap().read_to_end(&mut all).await.unwrap() };
    tokio::join!(write, read);
    assert_eq!(all.len(), 600_000, "more than one window");
    drop((host, sent));
    edge.closed().await;
    assert!(edge.open().await.is_err());
}

#[tokio::test]
async fn both_ends_count_the_same() {
    let (a, b) = tokio::io::duplex(64);
    let (at_host, at_edge) = (Arc::new(Counts::default()), Arc::new(Counts::default()));
    let mut host = Counted::new(a, Outward::Writes, Some(Arc::clone(&at_host)));
    let mut edge = Counted::new(b, Outward::Reads, Some(Arc::clone(&at_edge)));
    let send = async {
        let mut request = [0; 9];
        host.read_exact(&mut request).await.unwrap();
        host.write_all(&[1; 1_000]).await.unwrap();
        drop(host);
    };
    let take = async {
        edge.write_all(b"a request").await.unwrap();
        let mut all = Vec::new();
        edge.read_to_end(&mut all).await.unwrap();
    };
    tokio::join!(send, take);
    assert_eq!((at_host.get(), at_edge.get()), ((1_000, 1), (1_000, 1)));
}

#[tokio::test]
async fn a_message_that_is_too_long_is_not_read() {
    let mut bytes = u32::try_from(MESSAGE_BYTES_MAX + 1).unwrap().to_be_bytes().to_vec();
    bytes.push(0);
    assert!(matches!(wire::receive::<Head>(&mut &bytes[..]).await, Err(WireError::TooLong { .. })));
}

proptest! {
    #[test]
    fn messages_survive_and_junk_is_refused(lease: [u8; 32], epoch: u32, name in "[a-z]{1,20}", junk in prop::collection::vec(any::<u8>(), 0..200)) {
        let held = Held { lease: LeaseId(lease), epoch };
        for purpose in [Purpose::Traffic, Purpose::Probe, Purpose::Daemon] {
            let head = Head { purpose, held };
            prop_assert_eq!(Head::from_cbor(&head.to_cbor(), 100), Ok(head));
        }
        let route = Route { held, names: vec![name.clone()], health: Some("/h".into()) };
        for ask in [Ask::Routes(vec![route]), Ask::Ready { held, endpoint_hash: lease }] {
            prop_assert_eq!(Ask::from_cbor(&ask.to_cbor(), MESSAGE_BYTES_MAX), Ok(ask));
        }
        for answer in [
            Answer::Routes(vec![Verdict { held, refusal: name.clone(), port: 9 }]),
            Answer::Signed { key: VerificationKey(lease), signature: Signature([1; 64]) },
            Answer::Nack { key: VerificationKey(lease), totals: vec![1, 2] },
            Answer::Refused(name),
        ] {
            prop_assert_eq!(Answer::from_cbor(&answer.to_cbor(), MESSAGE_BYTES_MAX), Ok(answer));
        }
        let _ = Ask::from_cbor(&junk, MESSAGE_BYTES_MAX);
        let _ = Answer::from_cbor(&junk, MESSAGE_BYTES_MAX);
    }
}
