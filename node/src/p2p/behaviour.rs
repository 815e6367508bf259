//! The protocols that run on every connection, configured.

use super::codec::LimitedBytes;
use super::net_limits::NetLimits;
use super::protocol::{PARALLEL_MAX, Protocol, TIMEOUT, Topic, g8, message_id, named};
use super::{Config, NetworkError};
use libp2p::connection_limits::{self, ConnectionLimits};
use libp2p::gossipsub::{self, MessageAuthenticity, MessageId, PeerScoreParams, PeerScoreThresholds, TopicScoreParams};
use libp2p::identity::Keypair;
use libp2p::kad::{self, store::MemoryStore, store::MemoryStoreConfig};
use libp2p::request_response::{self, ProtocolSupport};
use libp2p::swarm::NetworkBehaviour;
use libp2p::{Swarm, SwarmBuilder, identify, noise, ping, tcp, yamux};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::time::Duration;

pub type Asking = request_response::Behaviour<LimitedBytes>;

/// Connections in the middle of a handshake.
const PENDING_MAX: u32 = 64;
/// Connections to one peer: both sides may dial at once, over two transports.
const PER_PEER_MAX: u32 = 4;
/// Connections of an unused peer are closed after this time.
const IDLE: Duration = Duration::from_secs(120);

#[derive(NetworkBehaviour)]
pub(super) struct Behaviour {
    limits: connection_limits::Behaviour,
    nets: NetLimits,
    pub gossip: gossipsub::Behaviour,
    pub status: Asking,
    pub headers: Asking,
    pub blocks: Asking,
    pub compact: Asking,
    pub txs: Asking,
    pub certificates: Asking,
    pub peers: Asking,
    pub identify: identify::Behaviour,
    pub kad: kad::Behaviour<MemoryStore>,
    ping: ping::Behaviour,
}

impl Behaviour {
    fn new(key: &Keypair, config: &Config) -> Result<Self, String> {
        let Config { genesis, outbound_max, inbound_max, .. } = config;
        let limits = ConnectionLimits::default()
            .with_max_pending_incoming(Some(PENDING_MAX))
            .with_max_pending_outgoing(Some(PENDING_MAX))
            .with_max_established_incoming(Some(*inbound_max))
            .with_max_established_outgoing(Some(*outbound_max))
            .with_max_established_per_peer(Some(PER_PEER_MAX));
        let g8 = g8(genesis);
        let identify = identify::Config::new_with_signed_peer_record(format!("/nup/{g8}/1"), key)
            .with_agent_version(concat!("nupeer-node/", env!("CARGO_PKG_VERSION")).to_owned())
            .with_push_listen_addr_updates(true);
        let ask = |protocol: Protocol| {
            let config = request_response::Config::default()
                .with_request_timeout(TIMEOUT)
                .with_max_concurrent_streams(PARALLEL_MAX * 2);
            let name = protocol.stream(genesis);
            Asking::with_codec(LimitedBytes::of(protocol), [(name, ProtocolSupport::Full)], config)
        };
        Ok(Self {
            limits: connection_limits::Behaviour::new(limits),
            nets: NetLimits::new(config.private_addresses),
            gossip: gossip(config)?,
            status: ask(Protocol::Status),
            headers: ask(Protocol::Headers),
            blocks: ask(Protocol::Blocks),
            compact: ask(Protocol::Compact),
            txs: ask(Protocol::Txs),
            certificates: ask(Protocol::Certificates),
            peers: ask(Protocol::Peers),
            identify: identify::Behaviour::new(identify),
            kad: routing(key, &g8),
            ping: ping::Behaviour::default(),
        })
    }

    /// The behaviour that speaks a protocol.
    pub fn asking(&mut self, protocol: Protocol) -> &mut Asking {
        match protocol {
            Protocol::Status => &mut self.status,
            Protocol::Headers => &mut self.headers,
            Protocol::Blocks => &mut self.blocks,
            Protocol::Compact => &mut self.compact,
            Protocol::Txs => &mut self.txs,
            Protocol::Certificates => &mut self.certificates,
            Protocol::Peers => &mut self.peers,
        }
    }
}

/// Routing only: nobody can store anything here.
fn routing(key: &Keypair, g8: &str) -> kad::Behaviour<MemoryStore> {
    let id = key.public().to_peer_id();
    let nothing =
        MemoryStoreConfig { max_records: 0, max_value_bytes: 0, max_providers_per_key: 0, max_provided_keys: 0 };
    let mut config = kad::Config::new(named(format!("/nup/{g8}/kad/1")));
    config.set_record_filtering(kad::StoreInserts::FilterBoth);
    config.set_publication_interval(None);
    config.set_provider_publication_interval(None);
    let mut kad = kad::Behaviour::with_config(id, MemoryStore::with_config(id, nothing), config);
    kad.set_mode(Some(kad::Mode::Server));
    kad
}

fn gossip(config: &Config) -> Result<gossipsub::Behaviour, String> {
    let genesis = &config.genesis;
    let mut builder = gossipsub::ConfigBuilder::default();
    builder
        .protocol_id_prefix(format!("/nup/{}/meshsub", g8(genesis)))
        .validation_mode(gossipsub::ValidationMode::Anonymous)
        .validate_messages()
        .flood_publish(true)
        .heartbeat_initial_delay(Duration::from_millis(300))
        .max_transmit_size(Topic::Tx.bytes_max())
        .message_id_fn(|message| MessageId::from(message_id(&message.topic, &message.data).0.to_vec()));
    for topic in Topic::ALL {
        builder.max_transmit_size_for_topic(topic.bytes_max(), topic.topic(genesis).hash());
    }
    let settings = builder.build().map_err(|error| error.to_string())?;
    let mut gossip = gossipsub::Behaviour::new(MessageAuthenticity::Anonymous, settings)?;
    let (params, thresholds) = scoring(config);
    gossip.with_peer_score(params, thresholds)?;
    for topic in Topic::ALL {
        gossip.subscribe(&topic.topic(genesis)).map_err(|error| error.to_string())?;
    }
    Ok(gossip)
}

/// Invalid messages weigh most; a slow peer is not a bad one; many peers behind one address cost a little.
fn scoring(config: &Config) -> (PeerScoreParams, PeerScoreThresholds) {
    let topic = TopicScoreParams {
        mesh_message_deliveries_weight: 0.0,
        mesh_failure_penalty_weight: 0.0,
        invalid_message_deliveries_weight: -20.0,
        invalid_message_deliveries_decay: 0.95,
        ..TopicScoreParams::default()
    };
    let mut params = PeerScoreParams { ip_colocation_factor_weight: -1.0, ..PeerScoreParams::default() };
    params.ip_colocation_factor_whitelist.insert(IpAddr::V4(Ipv4Addr::LOCALHOST));
    params.ip_colocation_factor_whitelist.insert(IpAddr::V6(Ipv6Addr::LOCALHOST));
    for name in Topic::ALL {
        params.topics.insert(name.topic(&config.genesis).hash(), topic.clone());
    }
    (params, PeerScoreThresholds::default())
}

/// Builds the swarm; it neither listens nor dials yet.
pub(super) fn swarm(key: Keypair, config: &Config) -> Result<Swarm<Behaviour>, NetworkError> {
    let build = |why: String| NetworkError::Build { why };
    let tcp = SwarmBuilder::with_existing_identity(key)
        .with_tokio()
        .with_tcp(tcp::Config::default().nodelay(true), noise::Config::new, yamux::Config::default)
        .map_err(|error| build(error.to_string()))?;
    let swarm = tcp
        .with_quic()
        .with_behaviour(|key| Behaviour::new(key, config).map_err(Box::<dyn std::error::Error + Send + Sync>::from))
        .map_err(|error| build(error.to_string()))?
        .with_swarm_config(|settings| settings.with_idle_connection_timeout(IDLE))
        .build();
    Ok(swarm)
}
