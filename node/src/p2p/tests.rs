#![allow(clippy::unwrap_used, clippy::panic)]
//! Real swarms on loopback: gossip, questions, finding one another, and peers that misbehave.

use super::codec::{LimitedBytes, Question};
use super::*;
use futures::StreamExt;
use libp2p::request_response::{self, ProtocolSupport};
use libp2p::swarm::SwarmEvent;
use libp2p::{Swarm, SwarmBuilder, noise, tcp, yamux};
use nupeer_primitives::{Cbor, Hash};
use std::time::Duration;
use tempfile::TempDir;
use tokio::io::AsyncWriteExt;
use tokio::task::JoinHandle;

const GENESIS: GenesisHash = GenesisHash(Hash([7; 32]));
/// Nothing here takes a second on an idle machine; a test that hangs fails after this.
const PATIENCE: Duration = Duration::from_secs(60);

struct Node {
    handle: Handle,
    events: Events,
    folder: TempDir,
}

impl Node {
    fn config(folder: &TempDir, bootstrap: &[&Self]) -> Config {
        let mut config = Config::new(folder.path().to_path_buf(), GENESIS);
        config.private_addresses = true;
        config.listen = ["/ip4/127.0.0.1/tcp/0", "/ip4/127.0.0.1/udp/0/quic-v1"].map(|a| a.parse().unwrap()).to_vec();
        config.bootstrap = bootstrap.iter().map(|node| node.handle.listening()[0].clone()).collect();
        config
    }

    async fn start(bootstrap: &[&Self], outbound_max: u32) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut config = Self::config(&folder, bootstrap);
        config.outbound_max = outbound_max;
        Self::start_with(folder, config).await
    }

    async fn start_with(folder: TempDir, config: Config) -> Self {
        let (handle, events) = Network::start(config).await.unwrap();
        Self { handle, events, folder }
    }

    fn name(&self) -> Peer {
        peer_of(&self.handle.peer_id().unwrap())
    }

    async fn until<T>(&mut self, mut pick: impl FnMut(Event) -> Option<T>) -> T {
        let found = async {
            loop {
                if let Some(found) = pick(self.events.next().await.unwrap()) {
                    return found;
                }
            }
        };
        tokio::time::timeout(PATIENCE, found).await.expect("the event comes within a minute")
    }

    async fn connected_to(&mut self, other: Peer) {
        self.until(|event| matches!(event, Event::PeerUp { peer, .. } if peer == other).then_some(())).await;
    }

    /// Serves until it is stopped: judges gossip by its first byte, answers questions with their own bytes.
    fn serve(mut self) -> (Handle, JoinHandle<()>) {
        let handle = self.handle.clone();
        let served = tokio::spawn(async move {
            while let Some(event) = self.events.next().await {
                match event {
                    Event::Gossip { id, bytes, .. } => {
                        let bad = bytes.first() == Some(&b'x');
                        self.handle.judge(id, if bad { Judgement::Ignore } else { Judgement::Accept });
                    }
                    Event::Request { bytes, responder, .. } if bytes != b"silence" => responder.answer(bytes),
                    Event::Request { .. } | Event::PeerUp { .. } | Event::PeerDown { .. } => {}
                }
            }
        });
        (handle, served)
    }
}

/// Publishes numbered headers until it is dropped: nobody knows when the others have subscribed.
fn keep_publishing(handle: Handle) -> JoinHandle<()> {
    tokio::spawn(async move {
        let mut tick = tokio::time::interval(Duration::from_millis(100));
        for n in 0u32.. {
            tick.tick().await;
            handle.publish(Topic::Head, [&b"x"[..], &n.to_be_bytes()].concat());
            handle.publish(Topic::Head, [&b"good"[..], &n.to_be_bytes()].concat());
            handle.publish(Topic::Head, vec![b'x'; Topic::Head.bytes_max() + 1]);
        }
    })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn gossip_is_relayed_only_after_it_was_accepted() {
    let first = Node::start(&[], 0).await;
    let mut middle = Node::start(&[&first], 1).await;
    middle.connected_to(first.name()).await;
    let mut last = Node::start(&[&middle], 1).await;
    last.connected_to(middle.name()).await;
    let middle_name = middle.name();
    let (_middle, served) = middle.serve();
    let publishing = keep_publishing(first.handle.clone());
    for _ in 0..5 {
        let (from, topic, bytes) = last
            .until(|event| match event {
                Event::Gossip { from, topic, bytes, .. } => Some((from, topic, bytes)),
                Event::PeerUp { .. } | Event::PeerDown { .. } | Event::Request { .. } => None,
            })
            .await;
        assert_eq!((from, topic), (middle_name, Topic::Head));
        assert!(bytes.starts_with(b"good"), "{bytes:?}");
    }
    publishing.abort();
    served.abort();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn transactions_travel_in_batches() {
    let mut receiver = Node::start(&[], 4).await;
    let mut sender = Node::start(&[&receiver], 4).await;
    sender.connected_to(receiver.name()).await;
    let handle = sender.handle.clone();
    let sending = tokio::spawn(async move {
        for n in 0u64.. {
            for tx in [n, n + 1, n + 2] {
                handle.relay_tx(tx.to_cbor());
            }
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    });
    let batch = receiver
        .until(|event| match event {
            Event::Gossip { topic: Topic::Tx, bytes, .. } => Some(bytes),
            Event::Gossip { .. } | Event::PeerUp { .. } | Event::PeerDown { .. } | Event::Request { .. } => None,
        })
        .await;
    let numbers = Vec::<u64>::from_cbor(&batch, 64).unwrap();
    assert_eq!(numbers.len() % 3, 0, "{numbers:?}");
    assert_eq!(numbers[1], numbers[0] + 1);
    sending.abort();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn questions_are_answered_refused_or_explained() {
    let server = Node::start(&[], 4).await;
    let name = server.name();
    let mut client = Node::start(&[&server], 4).await;
    let (_server, served) = server.serve();
    client.connected_to(name).await;
    let handle = client.handle.clone();
    for protocol in [Protocol::Status, Protocol::Headers, Protocol::Blocks, Protocol::Txs] {
        assert_eq!(handle.request(name, protocol, b"question".to_vec()).await, Ok(b"question".to_vec()));
    }
    assert_eq!(handle.request(name, Protocol::Blocks, b"silence".to_vec()).await, Err(NetErr::Refused));
    assert_eq!(handle.request(name, Protocol::Status, vec![1; 513]).await, Err(NetErr::Refused));
    assert_eq!(handle.request(Peer([1; 32]), Protocol::Status, vec![1]).await, Err(NetErr::Gone));
    let many = (0..100u8).map(|n| handle.request(name, Protocol::Txs, vec![n + 1]));
    let answers = futures::future::join_all(many).await;
    let answered = answers.iter().filter(|answer| answer.is_ok()).count();
    assert!((16..=100).contains(&answered), "{answered}");
    assert!(answers.iter().all(|answer| matches!(answer, Ok(_) | Err(NetErr::Refused))), "{answers:?}");
    client.handle.disconnect(name);
    client.until(|event| matches!(event, Event::PeerDown { .. }).then_some(())).await;
    served.abort();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn peers_find_one_another_and_remember_each_other() {
    let hub = Node::start(&[], 8).await;
    let left = Node::start(&[&hub], 8).await;
    let mut right = Node::start(&[&hub], 8).await;
    right.connected_to(left.name()).await;
    right.handle.stop().await;
    let folder = right.folder;
    let (handle, events) = Network::start(Node::config(&folder, &[])).await.unwrap();
    let mut right = Node { handle, events, folder };
    right.connected_to(hub.name()).await;
    assert!(right.handle.stats().peers > 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_restarted_node_goes_back_to_its_anchors_although_its_book_is_flooded() {
    let hub = Node::start(&[], 8).await;
    // Its only outbound place is taken by the hub.
    let honest = Node::start(&[&hub], 1).await;
    let victim = Node::start(&[&hub], 8).await;
    // Both of them, dialled by the victim: an inbound connection of the other may come and go meanwhile.
    let dialled = async {
        let mut tick = tokio::time::interval(Duration::from_millis(20));
        while victim.handle.stats().outbound < 2 {
            tick.tick().await;
        }
    };
    tokio::time::timeout(PATIENCE, dialled).await.expect("the victim dials both");
    victim.handle.stop().await;
    hub.handle.stop().await;
    let path = victim.folder.path().join("peers.cbor");
    let mut book = address_book::AddressBook::load(path, PeerId::random(), true);
    assert!(book.anchors().contains(&honest.handle.peer_id().unwrap()), "{:?}", book.anchors());
    let attacker = Node::start(&[], 0).await;
    for port in 1..=600 {
        let told = address_book::Told { source: None, of_itself: false };
        book.learn(PeerId::random(), [format!("/ip4/127.0.0.1/tcp/{port}").parse().unwrap()], told);
    }
    let told = address_book::Told { source: None, of_itself: true };
    book.learn(attacker.handle.peer_id().unwrap(), attacker.handle.listening(), told);
    book.save();
    let mut config = Node::config(&victim.folder, &[]);
    config.outbound_max = 2;
    let (handle, events) = Network::start(config).await.unwrap();
    let mut victim = Node { handle, events, folder: victim.folder };
    victim.connected_to(honest.name()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_ban_outlives_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let mut config = Node::config(&folder, &[]);
    // Below the ports that systems give away, so that nobody has it when the server comes back.
    let port = (20_000..32_000).rev().find(|port| std::net::TcpListener::bind(("127.0.0.1", *port)).is_ok()).unwrap();
    config.listen = vec![format!("/ip4/127.0.0.1/tcp/{port}").parse().unwrap()];
    let mut server = Node::start_with(folder, config).await;
    let mut client = Node::start(&[&server], 4).await;
    server.connected_to(client.name()).await;
    server.handle.ban(client.name(), PATIENCE * 10);
    server.until(|event| matches!(event, Event::PeerDown { .. }).then_some(())).await;
    server.handle.stop().await;
    let mut config = Node::config(&server.folder, &[]);
    config.listen = server.handle.listening().iter().map(|a| a.iter().take(2).collect()).take(1).collect();
    let (handle, _events) = Network::start(config).await.unwrap();
    // The client dials again; its connection is opened and closed, and the server never counts it.
    for _ in 0..2 {
        client.until(|event| matches!(event, Event::PeerDown { .. }).then_some(())).await;
    }
    assert_eq!(handle.stats().peers, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_banned_peer_stays_away() {
    let mut server = Node::start(&[], 0).await;
    let mut client = Node::start(&[&server], 4).await;
    server.connected_to(client.name()).await;
    client.connected_to(server.name()).await;
    server.handle.ban(client.name(), PATIENCE * 10);
    server.until(|event| matches!(event, Event::PeerDown { .. }).then_some(())).await;
    client.until(|event| matches!(event, Event::PeerDown { .. }).then_some(())).await;
    // It dials again; its connection is opened and closed, and the server never speaks of it.
    client.until(|event| matches!(event, Event::PeerDown { .. }).then_some(())).await;
    assert_eq!(server.handle.stats().peers, 0);
}

#[tokio::test]
async fn a_port_in_use_is_named() {
    let node = Node::start(&[], 0).await;
    let folder = tempfile::tempdir().unwrap();
    let mut config = Node::config(&folder, &[]);
    config.listen = vec![node.handle.listening()[0].iter().take(2).collect()];
    let error = Network::start(config).await.map(|_| ()).unwrap_err();
    assert!(matches!(error, NetworkError::Listen { .. }), "{error}");
}

/// A peer that knows the protocol names and none of the limits.
struct Flooder(Swarm<request_response::Behaviour<LimitedBytes>>);

impl Flooder {
    fn new() -> Self {
        let name = Protocol::Status.stream(&GENESIS);
        let behaviour = request_response::Behaviour::with_codec(
            LimitedBytes::unlimited(),
            [(name, ProtocolSupport::Full)],
            request_response::Config::default(),
        );
        let swarm = SwarmBuilder::with_new_identity()
            .with_tokio()
            .with_tcp(tcp::Config::default(), noise::Config::new, yamux::Config::default)
            .unwrap()
            .with_behaviour(|_| behaviour)
            .unwrap()
            .with_swarm_config(|config| config.with_idle_connection_timeout(PATIENCE))
            .build();
        Self(swarm)
    }

    /// Connects, asks too much, and answers too much.
    async fn flood(mut self, victim: Multiaddr, asks: bool) {
        self.0.dial(victim).unwrap();
        loop {
            let event = self.0.select_next_some().await;
            if let SwarmEvent::ConnectionEstablished { peer_id, .. } = event {
                if asks {
                    self.0.behaviour_mut().send_request(&peer_id, Question::Whole(vec![1; 1_000_000]));
                }
            } else if let SwarmEvent::Behaviour(request_response::Event::Message { message, .. }) = event
                && let request_response::Message::Request { channel, .. } = message
            {
                let _ = self.0.behaviour_mut().send_response(channel, vec![1; 1_000_000]);
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_sends_more_than_is_permitted_is_refused_and_banned() {
    let mut victim = Node::start(&[], 0).await;
    let address = victim.handle.listening()[0].clone();
    let asking = tokio::spawn(Flooder::new().flood(address.clone(), true));
    let down = |event| match event {
        Event::Request { .. } => panic!("a question of a megabyte came through"),
        Event::PeerDown { peer } => Some(peer),
        Event::PeerUp { .. } | Event::Gossip { .. } => None,
    };
    victim.until(down).await;
    asking.abort();
    let answering = tokio::spawn(Flooder::new().flood(address, false));
    let flooder = victim
        .until(|event| match event {
            Event::PeerUp { peer, .. } => Some(peer),
            Event::PeerDown { .. } | Event::Gossip { .. } | Event::Request { .. } => None,
        })
        .await;
    assert_eq!(victim.handle.request(flooder, Protocol::Status, vec![1]).await, Err(NetErr::Garbled));
    assert_eq!(victim.until(down).await, flooder);
    answering.abort();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn junk_on_the_wire_harms_nobody() {
    let server = Node::start(&[], 4).await;
    let name = server.name();
    let address = server.handle.listening();
    let mut client = Node::start(&[&server], 4).await;
    let (_server, served) = server.serve();
    client.connected_to(name).await;
    let port = |quic: bool| {
        let wanted = address.iter().find(|address| address.to_string().contains("quic") == quic).unwrap();
        wanted.to_string().split('/').nth(4).unwrap().parse::<u16>().unwrap()
    };
    let hello = b"\x13/multistream/1.0.0\n\x07/noise\n";
    for junk in [vec![0xff; 4_000], b"GET / HTTP/1.1\r\n\r\n".to_vec(), [&hello[..], &[0xff; 2_000]].concat()] {
        let mut stream = tokio::net::TcpStream::connect(("127.0.0.1", port(false))).await.unwrap();
        let _ = stream.write_all(&junk).await;
        let socket = tokio::net::UdpSocket::bind("127.0.0.1:0").await.unwrap();
        let _ = socket.send_to(&junk[..junk.len().min(1_200)], ("127.0.0.1", port(true))).await;
    }
    let answer = client.handle.request(name, Protocol::Status, b"still there".to_vec()).await;
    assert_eq!(answer, Ok(b"still there".to_vec()));
    served.abort();
}
