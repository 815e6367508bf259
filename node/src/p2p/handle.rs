//! What the rest of the node sees of the network: a [`Handle`] to act, [`Events`] to hear.

use super::task::{self, Command};
use super::{Config, Judgement, MsgId, NetErr, NetworkError, Peer, Protocol, Topic};
use libp2p::request_response::ResponseChannel;
use libp2p::{Multiaddr, PeerId};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, OnceLock};
use std::time::Duration;
use tokio::sync::{mpsc, oneshot};

/// Commands and events that wait; beyond it, what can be asked for again is lost and counted.
pub(super) const QUEUE_MAX: usize = 4_096;

/// Starts the network.
#[derive(Debug)]
pub struct Network;

impl Network {
    /// Listens on all configured addresses, then runs until [`Handle::stop`] or until every handle is gone.
    pub async fn start(config: Config) -> Result<(Handle, Events), NetworkError> {
        let (commands, commands_in) = mpsc::channel(QUEUE_MAX);
        let (events, events_in) = mpsc::channel(QUEUE_MAX);
        let shared = Arc::new(Shared::default());
        let handle = Handle { commands, shared: Arc::clone(&shared) };
        task::start(config, commands_in, handle.commands.downgrade(), events, shared).await?;
        Ok((handle, Events(events_in)))
    }
}

/// Counts for metrics.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Stats {
    /// Connected peers.
    pub peers: usize,
    /// Those among them that this node dialled.
    pub outbound: usize,
    /// Messages of peers lost because the node was too slow.
    pub events_lost: u64,
    /// Messages of the node lost because the network was too slow.
    pub commands_lost: u64,
}

#[derive(Debug, Default)]
pub(super) struct Shared {
    pub own: OnceLock<(PeerId, Vec<Multiaddr>)>,
    pub peers: AtomicUsize,
    pub outbound: AtomicUsize,
    pub events_lost: AtomicU64,
    pub commands_lost: AtomicU64,
}

/// Acts on the network. Nothing here waits for the network, except [`Handle::request`] and [`Handle::stop`].
#[derive(Clone, Debug)]
pub struct Handle {
    commands: mpsc::Sender<Command>,
    shared: Arc<Shared>,
}

impl Handle {
    /// Publishes a message of our own on a topic. One that is longer than the topic permits is dropped.
    pub fn publish(&self, topic: Topic, bytes: Vec<u8>) {
        self.send(Command::Publish(topic, bytes));
    }

    /// Relays an encoded transaction with the next batch.
    pub fn relay_tx(&self, tx: Vec<u8>) {
        self.send(Command::RelayTx(tx));
    }

    /// Answers gossip about a message: nothing is relayed before this. A message is judged once.
    pub fn judge(&self, id: MsgId, judgement: Judgement) {
        self.send(Command::Judge(id, judgement));
    }

    /// Asks a peer. `Refused`: the peer has no answer, or 16 questions are open already. `Garbled`: the answer was
    /// longer than permitted, and the peer is banned for it.
    pub async fn request(&self, peer: Peer, protocol: Protocol, bytes: Vec<u8>) -> Result<Vec<u8>, NetErr> {
        let (answer, answered) = oneshot::channel();
        self.commands.send(Command::Ask { peer, protocol, bytes, answer }).await.map_err(|_| NetErr::Gone)?;
        answered.await.unwrap_or(Err(NetErr::Gone))
    }

    /// Ends the connection and refuses new ones for a while.
    pub fn ban(&self, peer: Peer, length: Duration) {
        self.send(Command::Ban(peer, length));
    }

    /// Ends the connection.
    pub fn disconnect(&self, peer: Peer) {
        self.send(Command::Disconnect(peer));
    }

    /// Lowers a peer's gossip score.
    pub fn blame(&self, peer: Peer) {
        self.send(Command::Blame(peer));
    }

    /// This node's peer id.
    #[must_use]
    pub fn peer_id(&self) -> Option<PeerId> {
        self.shared.own.get().map(|(id, _)| *id)
    }

    /// Where it listens, with its peer id, ready to be another node's bootstrap address.
    #[must_use]
    pub fn listening(&self) -> Vec<Multiaddr> {
        self.shared.own.get().map(|(_, addresses)| addresses.clone()).unwrap_or_default()
    }

    /// Counts for metrics.
    #[must_use]
    pub fn stats(&self) -> Stats {
        let Shared { own: _, peers, outbound, events_lost, commands_lost } = self.shared.as_ref();
        Stats {
            peers: peers.load(Relaxed),
            outbound: outbound.load(Relaxed),
            events_lost: events_lost.load(Relaxed),
            commands_lost: commands_lost.load(Relaxed),
        }
    }

    /// Saves the address book and closes all connections.
    pub async fn stop(&self) {
        let (done, stopped) = oneshot::channel();
        if self.commands.send(Command::Stop(done)).await.is_ok() {
            let _ = stopped.await;
        }
    }

    fn send(&self, command: Command) {
        if self.commands.try_send(command).is_err() {
            self.shared.commands_lost.fetch_add(1, Relaxed);
        }
    }
}

/// What happens on the network, in order.
#[derive(Debug)]
pub struct Events(mpsc::Receiver<Event>);

impl Events {
    /// The next event; `None` after the network stopped.
    pub async fn next(&mut self) -> Option<Event> {
        self.0.recv().await
    }
}

/// One thing that happened.
#[derive(Debug)]
pub enum Event {
    /// A peer is connected. Whether it follows our chain is for its status to say.
    PeerUp {
        /// Who.
        peer: Peer,
        /// Whether this node dialled it.
        outbound: bool,
    },
    /// Its last connection ended.
    PeerDown {
        /// Who.
        peer: Peer,
    },
    /// A message within its topic's limit, to be judged.
    Gossip {
        /// Who passed it on to us.
        from: Peer,
        /// For [`Handle::judge`].
        id: MsgId,
        /// Where.
        topic: Topic,
        /// The message.
        bytes: Vec<u8>,
    },
    /// A question within its protocol's limit.
    Request {
        /// Who asks.
        from: Peer,
        /// What.
        protocol: Protocol,
        /// The question.
        bytes: Vec<u8>,
        /// Takes the answer.
        responder: Responder,
    },
}

/// Takes one answer. Dropped without one, the peer is refused.
#[derive(Debug)]
pub struct Responder {
    pub(super) peer: Peer,
    pub(super) protocol: Protocol,
    pub(super) channel: ResponseChannel<Vec<u8>>,
    pub(super) commands: mpsc::Sender<Command>,
}

impl Responder {
    /// Sends the answer; an empty one is a refusal, and one longer than the protocol permits becomes one.
    pub fn answer(self, bytes: Vec<u8>) {
        let Self { peer, protocol, channel, commands } = self;
        let bytes = if bytes.len() > protocol.response_max() { Vec::new() } else { bytes };
        // A full queue drops the channel, which the peer sees as a refusal.
        let _ = commands.try_send(Command::Answer { peer, protocol, channel, bytes });
    }
}
