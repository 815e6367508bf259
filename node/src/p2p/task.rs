//! The one task that owns the swarm.

use super::address_book::{AddressBook, Net, Told, decode_records, encode_records, group, ip};
use super::bans::Bans;
use super::batch::TxBatch;
use super::behaviour::{self, Behaviour, BehaviourEvent};
use super::bucket::TokenBucket;
use super::codec::{Question, is_too_long};
use super::dialer::Dialer;
use super::handle::{QUEUE_MAX, Responder, Shared};
use super::protocol::{PARALLEL_MAX, PEERS_MAX, g8};
use super::{Config, Event, Judgement, MsgId, NetErr, NetworkError, Peer, Protocol, Topic, key, names, peer_of};
use futures::StreamExt;
use libp2p::core::{ConnectedPoint, PeerRecord};
use libp2p::gossipsub::{self, MessageAcceptance, MessageId};
use libp2p::identity::Keypair;
use libp2p::multiaddr::Protocol as Part;
use libp2p::request_response::{
    Event as AskEvent, InboundRequestId, Message, OutboundFailure, OutboundRequestId, ResponseChannel,
};
use libp2p::swarm::SwarmEvent;
use libp2p::swarm::dial_opts::DialOpts;
use libp2p::{Multiaddr, PeerId, Swarm, identify, kad};
use rand::seq::SliceRandom;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::net::{TcpListener, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};
use tokio::sync::{mpsc, oneshot};

/// Messages that wait for a judgement; the oldest is forgotten, and so never relayed.
const UNJUDGED_MAX: usize = 8_192;
/// How often dials and bans are looked at.
const TICK: Duration = Duration::from_millis(500);
/// How often the address book is written.
const SAVE_EVERY: Duration = Duration::from_secs(60);
/// How often a third of a full set of outbound connections is replaced, against a slow encirclement.
const ROTATE_EVERY: Duration = Duration::from_secs(3_600);
/// Time for the listeners to come up.
const LISTEN_TIMEOUT: Duration = Duration::from_secs(5);

/// The bans' file.
const BANS_FILE: &str = "bans.cbor";

/// What a handle wants.
#[derive(Debug)]
pub(super) enum Command {
    Publish(Topic, Vec<u8>),
    RelayTx(Vec<u8>),
    Judge(MsgId, Judgement),
    Ask { peer: Peer, protocol: Protocol, bytes: Vec<u8>, answer: oneshot::Sender<Result<Vec<u8>, NetErr>> },
    Answer { peer: Peer, protocol: Protocol, channel: ResponseChannel<Vec<u8>>, bytes: Vec<u8> },
    Ban(Peer, Duration),
    Disconnect(Peer),
    Blame(Peer),
    LookedUp(usize, Vec<Multiaddr>),
    Stop(oneshot::Sender<()>),
}

struct Connected {
    id: PeerId,
    since: Duration,
    /// The net that it came from.
    net: Option<Net>,
    /// Addresses of connections that we dialled.
    outbound: Vec<Multiaddr>,
    bucket: TokenBucket,
    answering: BTreeSet<(Protocol, InboundRequestId)>,
    asking: usize,
    blame: u32,
    told_peers: bool,
}

enum Waiter {
    Caller(oneshot::Sender<Result<Vec<u8>, NetErr>>),
    Book,
}

pub(super) struct Task {
    swarm: Swarm<Behaviour>,
    key: Keypair,
    config: Config,
    commands: mpsc::WeakSender<Command>,
    events: mpsc::Sender<Event>,
    pending: VecDeque<Event>,
    shared: Arc<Shared>,
    connected: BTreeMap<Peer, Connected>,
    unjudged: BTreeMap<MsgId, (MessageId, PeerId)>,
    unjudged_order: VecDeque<MsgId>,
    asked: BTreeMap<(Protocol, OutboundRequestId), (Peer, Waiter)>,
    bans: Bans,
    bans_changed: bool,
    batch: TxBatch,
    book: AddressBook,
    dialer: Dialer,
    born: Instant,
    saved: Duration,
    rotated: Duration,
    /// When names are looked up next.
    look_up_at: Duration,
}

/// Builds the swarm, waits for its listeners, and runs it in a task of its own.
pub(super) async fn start(
    config: Config,
    commands: mpsc::Receiver<Command>,
    weak: mpsc::WeakSender<Command>,
    events: mpsc::Sender<Event>,
    shared: Arc<Shared>,
) -> Result<(), NetworkError> {
    let key = key::load_or_create(&config.folder)?;
    let mut swarm = behaviour::swarm(key.clone(), &config)?;
    let listening = listen(&mut swarm, &config).await?;
    for address in &config.external {
        swarm.add_external_address(address.clone());
    }
    let own = *swarm.local_peer_id();
    let named = listening.into_iter().filter_map(|address| address.with_p2p(own).ok()).collect();
    let _ = shared.own.set((own, named));
    let book = AddressBook::load(config.folder.join("peers.cbor"), own, config.private_addresses);
    let dialer = Dialer::new(&config.bootstrap, config.outbound_max, book.anchors());
    let bans = Bans::load(&config.folder.join(BANS_FILE), Duration::ZERO, wall());
    let task = Task {
        swarm,
        key,
        config,
        commands: weak,
        events,
        pending: VecDeque::new(),
        shared,
        connected: BTreeMap::new(),
        unjudged: BTreeMap::new(),
        unjudged_order: VecDeque::new(),
        asked: BTreeMap::new(),
        bans,
        bans_changed: false,
        batch: TxBatch::default(),
        book,
        dialer,
        born: Instant::now(),
        saved: Duration::ZERO,
        rotated: Duration::ZERO,
        look_up_at: Duration::ZERO,
    };
    tokio::spawn(task.run(commands));
    Ok(())
}

/// Listens everywhere and gives the addresses with their ports.
async fn listen(swarm: &mut Swarm<Behaviour>, config: &Config) -> Result<Vec<Multiaddr>, NetworkError> {
    let mut waiting = BTreeMap::new();
    for address in &config.listen {
        let failed = |why: String| NetworkError::Listen { address: address.clone(), why };
        check_free(address).map_err(|error| failed(error.to_string()))?;
        let id = swarm.listen_on(address.clone()).map_err(|error| failed(error.to_string()))?;
        waiting.insert(format!("{id:?}"), address.clone());
    }
    let mut found = Vec::new();
    let all = async {
        while !waiting.is_empty() {
            let event = swarm.select_next_some().await;
            if let SwarmEvent::NewListenAddr { listener_id, address } = event {
                waiting.remove(&format!("{listener_id:?}"));
                found.push(address);
            } else if let SwarmEvent::ListenerClosed { listener_id, reason: Err(error), .. } = event
                && let Some(address) = waiting.get(&format!("{listener_id:?}"))
            {
                return Err(NetworkError::Listen { address: address.clone(), why: error.to_string() });
            }
        }
        Ok(())
    };
    match tokio::time::timeout(LISTEN_TIMEOUT, all).await {
        Ok(listening) => listening.map(|()| found),
        Err(_) => match waiting.into_values().next() {
            Some(address) => Err(NetworkError::Listen { address, why: "no answer from the transport".to_owned() }),
            None => Ok(found),
        },
    }
}

/// libp2p shares a port with whoever listens there already; two nodes on one port would each see half of their peers.
fn check_free(address: &Multiaddr) -> std::io::Result<()> {
    match (ip(address), address.iter().nth(1)) {
        (Some(ip), Some(Part::Tcp(port))) if port != 0 => TcpListener::bind((ip, port)).map(drop),
        (Some(ip), Some(Part::Udp(port))) if port != 0 => UdpSocket::bind((ip, port)).map(drop),
        _ => Ok(()),
    }
}

impl Task {
    async fn run(mut self, mut commands: mpsc::Receiver<Command>) {
        let mut tick = tokio::time::interval(TICK);
        loop {
            let due = self.batch.due().map(|due| tokio::time::Instant::from_std(self.born + due));
            let events = self.events.clone();
            tokio::select! {
                command = commands.recv() => match command {
                    Some(Command::Stop(done)) => {
                        self.finish();
                        let _ = done.send(());
                        return;
                    }
                    Some(command) => self.on_command(command),
                    None => return self.finish(),
                },
                permit = events.reserve(), if !self.pending.is_empty() => match (permit, self.pending.pop_front()) {
                    (Ok(permit), Some(event)) => permit.send(event),
                    _ => return self.finish(),
                },
                () = sleep_until(due), if due.is_some() => self.flush_batch(),
                _ = tick.tick() => self.on_tick(),
                event = self.swarm.select_next_some() => self.on_swarm(event),
            }
        }
    }

    fn now(&self) -> Duration {
        self.born.elapsed()
    }

    fn finish(&mut self) {
        self.flush_batch();
        self.save();
        self.save_bans();
    }

    fn save(&mut self) {
        let mut anchors: Vec<(Duration, PeerId)> = self
            .connected
            .values()
            .filter(|connected| !connected.outbound.is_empty() && connected.blame == 0)
            .map(|connected| (connected.since, connected.id))
            .collect();
        anchors.sort();
        self.book.set_anchors(anchors.into_iter().map(|(_, id)| id));
        self.book.save();
    }

    fn save_bans(&mut self) {
        if std::mem::take(&mut self.bans_changed) {
            self.bans.save(&self.config.folder.join(BANS_FILE), self.now(), wall());
        }
    }

    // Commands

    fn on_command(&mut self, command: Command) {
        match command {
            Command::Publish(topic, bytes) => self.publish(topic, bytes),
            Command::RelayTx(tx) => {
                for message in self.batch.push(&tx, self.now()) {
                    self.publish(Topic::Tx, message);
                }
            }
            Command::Judge(id, judgement) => self.judge(id, judgement),
            Command::Ask { peer, protocol, bytes, answer } => self.ask(peer, protocol, bytes, Waiter::Caller(answer)),
            Command::Answer { peer, protocol, channel, bytes } => {
                if let Some(connected) = self.connected.get_mut(&peer) {
                    connected.bucket.take(bytes.len());
                }
                let _ = self.swarm.behaviour_mut().asking(protocol).send_response(channel, bytes);
            }
            Command::Ban(peer, length) => {
                self.bans.set(peer, length, self.now());
                self.bans_changed = true;
                self.disconnect(&peer);
            }
            Command::Disconnect(peer) => self.disconnect(&peer),
            Command::Blame(peer) => {
                if let Some(connected) = self.connected.get_mut(&peer) {
                    connected.blame = connected.blame.saturating_add(1);
                    let score = -f64::from(connected.blame);
                    let id = connected.id;
                    self.swarm.behaviour_mut().gossip.set_application_score(&id, score);
                }
            }
            Command::LookedUp(index, numbered) => self.dialer.looked_up(index, numbered),
            // Answered by the loop itself.
            Command::Stop(_) => {}
        }
    }

    fn publish(&mut self, topic: Topic, bytes: Vec<u8>) {
        if bytes.len() > topic.bytes_max() {
            tracing::warn!(?topic, length = bytes.len(), "own message is too long to be published");
            return;
        }
        let name = topic.topic(&self.config.genesis);
        // Nobody to send it to, or sent before: neither is worth a word.
        if let Err(error) = self.swarm.behaviour_mut().gossip.publish(name, bytes) {
            tracing::debug!(?topic, %error, "not published");
        }
    }

    fn flush_batch(&mut self) {
        if let Some(message) = self.batch.flush() {
            self.publish(Topic::Tx, message);
        }
    }

    fn judge(&mut self, id: MsgId, judgement: Judgement) {
        let Some((message, from)) = self.unjudged.remove(&id) else { return };
        let acceptance = match judgement {
            Judgement::Accept => MessageAcceptance::Accept,
            Judgement::Ignore => MessageAcceptance::Ignore,
            Judgement::Reject => MessageAcceptance::Reject,
        };
        self.swarm.behaviour_mut().gossip.report_message_validation_result(&message, &from, acceptance);
    }

    fn ask(&mut self, peer: Peer, protocol: Protocol, bytes: Vec<u8>, waiter: Waiter) {
        let Some(connected) = self.connected.get_mut(&peer) else { return waiter.tell(Err(NetErr::Gone)) };
        if connected.asking >= PARALLEL_MAX || bytes.len() > protocol.request_max() {
            return waiter.tell(Err(NetErr::Refused));
        }
        connected.asking += 1;
        let id = connected.id;
        let request = self.swarm.behaviour_mut().asking(protocol).send_request(&id, Question::Whole(bytes));
        self.asked.insert((protocol, request), (peer, waiter));
    }

    fn disconnect(&mut self, peer: &Peer) {
        if let Some(connected) = self.connected.get(peer) {
            let _ = self.swarm.disconnect_peer_id(connected.id);
        }
    }

    fn punish(&mut self, peer: Peer, why: &'static str) {
        tracing::warn!(peer = %hex::encode(peer.0), why, "peer banned");
        self.bans.punish(peer, self.now());
        self.bans_changed = true;
        self.disconnect(&peer);
    }

    // Time

    fn on_tick(&mut self) {
        let now = self.now();
        if now >= self.look_up_at {
            self.look_up_at = now.saturating_add(names::LOOK_UP_EVERY);
            self.look_up();
        }
        let outbound = self.outbound();
        let Self { connected, bans, dialer, book, .. } = self;
        let is_off = |peer: &Peer| connected.contains_key(peer) || bans.holds(peer, now);
        for dial in dialer.choose(book, &outbound, &is_off, now) {
            self.dial(dial, now);
        }
        self.save_bans();
        if now.saturating_sub(self.saved) >= SAVE_EVERY {
            self.saved = now;
            self.save();
        }
        if now.saturating_sub(self.rotated) >= ROTATE_EVERY {
            self.rotated = now;
            self.rotate();
        }
    }

    fn look_up(&self) {
        for (index, address) in self.dialer.named() {
            let (address, commands) = (address.clone(), self.commands.clone());
            drop(tokio::spawn(async move {
                let numbered = names::look_up(&address).await;
                if let Some(commands) = commands.upgrade() {
                    let _ = commands.send(Command::LookedUp(index, numbered)).await;
                }
            }));
        }
    }

    fn dial(&mut self, dial: DialOpts, now: Duration) {
        let id = dial.connection_id();
        if let Err(error) = self.swarm.dial(dial) {
            tracing::debug!(%error, "dial refused");
            self.dialer.failed(id, &mut self.book, now);
        }
    }

    fn outbound(&self) -> Vec<Multiaddr> {
        self.connected.values().filter_map(|connected| connected.outbound.first().cloned()).collect()
    }

    fn rotate(&mut self) {
        let mut outbound: Vec<Peer> = self
            .connected
            .iter()
            .filter(|(_, connected)| !connected.outbound.is_empty())
            .map(|(peer, _)| *peer)
            .collect();
        if outbound.len() < usize::try_from(self.config.outbound_max).unwrap_or(usize::MAX) {
            return;
        }
        outbound.shuffle(&mut rand::rng());
        outbound.truncate(outbound.len() / 3);
        let until = self.now().saturating_add(ROTATE_EVERY);
        for peer in outbound {
            if let Some(connected) = self.connected.get(&peer) {
                self.book.rest(&connected.id, until);
            }
            self.disconnect(&peer);
        }
    }

    // Events

    /// Peers coming and going are never lost; anything else is once the node is too slow.
    fn emit(&mut self, event: Event) {
        let must_arrive = matches!(event, Event::PeerUp { .. } | Event::PeerDown { .. });
        if self.pending.len() >= QUEUE_MAX && !must_arrive {
            self.shared.events_lost.fetch_add(1, Relaxed);
            return;
        }
        self.pending.push_back(event);
        while let Ok(permit) = self.events.try_reserve() {
            match self.pending.pop_front() {
                Some(event) => permit.send(event),
                None => break,
            }
        }
    }

    #[expect(clippy::wildcard_enum_match_arm, reason = "libp2p's list is open; what is not named needs no action")]
    fn on_swarm(&mut self, event: SwarmEvent<BehaviourEvent>) {
        match event {
            SwarmEvent::Behaviour(event) => self.on_behaviour(event),
            SwarmEvent::ConnectionEstablished { peer_id, connection_id, endpoint, .. } => {
                if endpoint.is_dialer() {
                    self.dialer.succeeded(connection_id, peer_of(&peer_id));
                    self.book.succeeded(&peer_id);
                }
                self.on_connected(peer_id, &endpoint);
            }
            SwarmEvent::ConnectionClosed { peer_id, endpoint, num_established, .. } => {
                self.on_closed(&peer_of(&peer_id), &endpoint, num_established);
            }
            SwarmEvent::OutgoingConnectionError { connection_id, error, .. } => {
                tracing::debug!(%error, "dial failed");
                let now = self.now();
                self.dialer.failed(connection_id, &mut self.book, now);
            }
            _ => {}
        }
    }

    fn on_connected(&mut self, id: PeerId, endpoint: &ConnectedPoint) {
        let (peer, now) = (peer_of(&id), self.now());
        if self.bans.holds(&peer, now) {
            let _ = self.swarm.disconnect_peer_id(id);
            return;
        }
        let is_new = !self.connected.contains_key(&peer);
        let connected = self.connected.entry(peer).or_insert_with(|| Connected {
            id,
            since: now,
            net: group(endpoint.get_remote_address()),
            outbound: Vec::new(),
            bucket: TokenBucket::new(now),
            answering: BTreeSet::new(),
            asking: 0,
            blame: 0,
            told_peers: false,
        });
        if endpoint.is_dialer() {
            connected.outbound.push(endpoint.get_remote_address().clone());
        }
        self.count();
        if is_new {
            self.emit(Event::PeerUp { peer, outbound: endpoint.is_dialer() });
        }
    }

    fn on_closed(&mut self, peer: &Peer, endpoint: &ConnectedPoint, left: u32) {
        let Some(connected) = self.connected.get_mut(peer) else { return };
        if let Some(at) = connected.outbound.iter().position(|address| address == endpoint.get_remote_address()) {
            connected.outbound.swap_remove(at);
        }
        if left == 0 {
            self.connected.remove(peer);
            self.emit(Event::PeerDown { peer: *peer });
        }
        self.count();
    }

    fn count(&self) {
        self.shared.peers.store(self.connected.len(), Relaxed);
        self.shared.outbound.store(self.outbound().len(), Relaxed);
    }

    fn on_behaviour(&mut self, event: BehaviourEvent) {
        match event {
            BehaviourEvent::Gossip(gossipsub::Event::Message { propagation_source, message_id, message }) => {
                self.on_gossip(propagation_source, message_id, message);
            }
            BehaviourEvent::Status(event) => self.on_asking(Protocol::Status, event),
            BehaviourEvent::Headers(event) => self.on_asking(Protocol::Headers, event),
            BehaviourEvent::Blocks(event) => self.on_asking(Protocol::Blocks, event),
            BehaviourEvent::Compact(event) => self.on_asking(Protocol::Compact, event),
            BehaviourEvent::Txs(event) => self.on_asking(Protocol::Txs, event),
            BehaviourEvent::Certificates(event) => self.on_asking(Protocol::Certificates, event),
            BehaviourEvent::Peers(event) => self.on_asking(Protocol::Peers, event),
            BehaviourEvent::Identify(identify::Event::Received { peer_id, info, .. }) => {
                self.on_identified(peer_id, info);
            }
            BehaviourEvent::Kad(kad::Event::RoutingUpdated { peer, addresses, .. }) => {
                let source = addresses.iter().find_map(group);
                self.book.learn(peer, addresses.iter().cloned(), Told { source, of_itself: false });
            }
            BehaviourEvent::Gossip(_)
            | BehaviourEvent::Identify(_)
            | BehaviourEvent::Kad(_)
            | BehaviourEvent::Ping(_)
            | BehaviourEvent::Limits(_) => {}
        }
    }

    fn on_gossip(&mut self, from: PeerId, message_id: MessageId, message: gossipsub::Message) {
        let peer = peer_of(&from);
        let topic = Topic::of(&message.topic, &self.config.genesis);
        let Some(topic) = topic.filter(|topic| message.data.len() <= topic.bytes_max()) else {
            let gossip = &mut self.swarm.behaviour_mut().gossip;
            gossip.report_message_validation_result(&message_id, &from, MessageAcceptance::Reject);
            return self.punish(peer, "gossip longer than its topic permits");
        };
        let id = super::protocol::message_id(&message.topic, &message.data);
        if self.unjudged.insert(id, (message_id, from)).is_none() {
            self.unjudged_order.push_back(id);
        }
        if self.unjudged_order.len() > UNJUDGED_MAX
            && let Some(oldest) = self.unjudged_order.pop_front()
        {
            self.judge(oldest, Judgement::Ignore);
        }
        self.emit(Event::Gossip { from: peer, id, topic, bytes: message.data });
    }

    fn on_identified(&mut self, id: PeerId, info: identify::Info) {
        let peer = peer_of(&id);
        if info.protocol_version != format!("/nup/{}/1", g8(&self.config.genesis)) {
            tracing::debug!(%id, version = info.protocol_version, "peer of another network");
            return self.disconnect(&peer);
        }
        let source = self.connected.get(&peer).and_then(|connected| connected.net);
        self.book.learn(id, info.listen_addrs.iter().cloned(), Told { source, of_itself: true });
        if let Some(record) = info.signed_peer_record {
            self.book.learn_record(&record.into_protobuf_encoding(), source);
        }
        if self.connected.get(&peer).is_some_and(|connected| !connected.outbound.is_empty()) {
            // A configured peer was reached before its name was known.
            self.book.succeeded(&id);
        }
        let addresses = self.book.get(&id).map(|known| known.addresses.clone()).unwrap_or_default();
        for address in addresses {
            self.swarm.behaviour_mut().kad.add_address(&id, address);
        }
        let asks = self.connected.get_mut(&peer).is_some_and(|connected| {
            !connected.outbound.is_empty() && !std::mem::replace(&mut connected.told_peers, true)
        });
        if asks {
            self.ask(peer, Protocol::Peers, vec![0x80], Waiter::Book);
        }
    }

    // Questions

    fn on_asking(&mut self, protocol: Protocol, event: AskEvent<Question, Vec<u8>>) {
        match event {
            AskEvent::Message { peer, message: Message::Request { request_id, request, channel }, .. } => {
                let peer = peer_of(&peer);
                match request {
                    Question::Whole(bytes) => self.on_request(peer, protocol, request_id, bytes, channel),
                    Question::TooLong => self.punish(peer, "question longer than its protocol permits"),
                }
            }
            AskEvent::Message { message: Message::Response { request_id, response }, .. } => {
                let answer = if response.is_empty() { Err(NetErr::Refused) } else { Ok(response) };
                self.on_answer(protocol, request_id, answer);
            }
            AskEvent::OutboundFailure { peer, request_id, error, .. } => {
                let is_fault = matches!(&error, OutboundFailure::Io(error) if is_too_long(error));
                let reason = match error {
                    OutboundFailure::Timeout => NetErr::TimedOut,
                    OutboundFailure::DialFailure | OutboundFailure::ConnectionClosed => NetErr::Gone,
                    OutboundFailure::UnsupportedProtocols => NetErr::Refused,
                    OutboundFailure::Io(_) if is_fault => NetErr::Garbled,
                    OutboundFailure::Io(_) => NetErr::Refused,
                };
                self.on_answer(protocol, request_id, Err(reason));
                if is_fault {
                    self.punish(peer_of(&peer), "answer longer than its protocol permits");
                }
            }
            AskEvent::InboundFailure { peer, request_id, .. } | AskEvent::ResponseSent { peer, request_id, .. } => {
                self.answered(&peer_of(&peer), protocol, request_id);
            }
        }
    }

    fn on_request(
        &mut self,
        peer: Peer,
        protocol: Protocol,
        id: InboundRequestId,
        bytes: Vec<u8>,
        channel: ResponseChannel<Vec<u8>>,
    ) {
        let now = self.now();
        let Some(connected) = self.connected.get_mut(&peer) else { return };
        if connected.answering.len() >= PARALLEL_MAX || !connected.bucket.may_answer(now) {
            let _ = self.swarm.behaviour_mut().asking(protocol).send_response(channel, Vec::new());
            return;
        }
        connected.answering.insert((protocol, id));
        if protocol == Protocol::Peers {
            let answer = self.own_and_known_records();
            let _ = self.swarm.behaviour_mut().peers.send_response(channel, answer);
            return;
        }
        let Some(commands) = self.commands.upgrade() else { return };
        let responder = Responder { peer, protocol, channel, commands };
        self.emit(Event::Request { from: peer, protocol, bytes, responder });
    }

    fn own_and_known_records(&self) -> Vec<u8> {
        let listening = self.shared.own.get().map(|(_, addresses)| addresses.as_slice()).unwrap_or_default();
        let addresses = self.config.external.iter().chain(listening).cloned().collect();
        let own = PeerRecord::new(&self.key, addresses).map(|record| record.into_signed_envelope());
        let mut records: Vec<Vec<u8>> = own.into_iter().map(|own| own.into_protobuf_encoding()).collect();
        records.extend(self.book.records(PEERS_MAX - 1, rand::random_range(0..usize::MAX)));
        encode_records(records)
    }

    fn answered(&mut self, peer: &Peer, protocol: Protocol, id: InboundRequestId) {
        if let Some(connected) = self.connected.get_mut(peer) {
            connected.answering.remove(&(protocol, id));
        }
    }

    fn on_answer(&mut self, protocol: Protocol, id: OutboundRequestId, answer: Result<Vec<u8>, NetErr>) {
        let Some((peer, waiter)) = self.asked.remove(&(protocol, id)) else { return };
        let mut source = None;
        if let Some(connected) = self.connected.get_mut(&peer) {
            connected.asking = connected.asking.saturating_sub(1);
            source = connected.net;
        }
        if let (Waiter::Book, Ok(bytes)) = (&waiter, &answer) {
            for record in decode_records(bytes, PEERS_MAX).unwrap_or_default() {
                self.book.learn_record(&record, source);
            }
        }
        waiter.tell(answer);
    }
}

impl Waiter {
    fn tell(self, answer: Result<Vec<u8>, NetErr>) {
        match self {
            Self::Caller(caller) => {
                let _ = caller.send(answer);
            }
            Self::Book => {}
        }
    }
}

/// Time since 1970.
fn wall() -> Duration {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default()
}

async fn sleep_until(due: Option<tokio::time::Instant>) {
    if let Some(due) = due {
        tokio::time::sleep_until(due).await;
    }
}
