//! [`Chain`] over a node's API.
//!
//! A view is what a node says, taken between two equal heads; an absent answer stays absent, and several nodes are tried
//! in turn. What destroys is proven by the [`Notary`] on the way.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::PoisonError;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use nupeer_client::api::{BlockInfo, EdgeInfo, FinalityInfo, HostInfo, LeaseInfo, StateProof, Status};
use nupeer_client::light::{Checkpoint, Step};
use nupeer_client::{Client, ClientError, build, genesis_json};
use nupeer_primitives::genesis::Genesis;
use nupeer_primitives::market::{Family, delegate_scope};
use nupeer_primitives::{
    AccountId, Action, Amount, BlockId, GenesisHash, Height, HostId, InstrumentId, LeaseId, Transaction, TxId,
    VerificationKey, Witness,
};

use crate::keys::SessionKey;
use crate::meter::receipt;
use crate::notary::{Notary, Proofs, Standing};
use crate::ports::{
    Applied, Chain, ChainError, ChainRules, ChainView, HeadRef, HostView, LeaseRoute, LeaseState, LeaseView, MeterTerm,
    Wanted,
};

/// How deep a receipt's anchor lies under the head.
const ANCHOR_DEPTH: u64 = 3;
/// Tries to see one head before and after.
const VIEW_TRIES: usize = 4;
/// How long a transaction may take into a block, and between two looks.
const INCLUSION_TIMEOUT: Duration = Duration::from_secs(45);
const INCLUSION_EVERY: Duration = Duration::from_millis(400);
/// How long hosts and edges are remembered.
const CACHE: Duration = Duration::from_secs(10);
/// Least blocks between two facts: a finality round of devnet, and more than one of mainnet's blocks in a round.
const ROUND_BLOCKS: u64 = 3;

/// A cached answer and when it came.
type Cached<T> = Mutex<Option<(Instant, T)>>;

/// Nodes, and who asks them.
#[derive(Debug)]
pub struct NodeChain {
    nodes: Vec<Client>,
    preferred: AtomicUsize,
    genesis: Genesis,
    genesis_hash: GenesisHash,
    account: AccountId,
    session: SessionKey,
    host: Mutex<Option<HostId>>,
    in_flight: Mutex<BTreeSet<u64>>,
    edges: Cached<BTreeMap<String, VerificationKey>>,
    hosts: Mutex<BTreeMap<u32, (Instant, HostInfo)>>,
    /// Without one nothing is proven, hence nothing destroyed: an edge needs none.
    notary: Option<tokio::sync::Mutex<Notary>>,
}

impl From<ClientError> for ChainError {
    fn from(error: ClientError) -> Self {
        match error {
            ClientError::Refused { name, detail } => Self::Refused { code: format!("{name}: {detail}") },
            ClientError::NotFound { what } => Self::Refused { code: format!("not found: {what}") },
            ClientError::Garbled { why } => Self::ProofInvalid { node: String::new(), why },
            ClientError::Unreachable { .. } | ClientError::Unexpected { .. } | ClientError::TimedOut { .. } => {
                Self::NodeUnreachable { why: error.to_string() }
            }
        }
    }
}

fn garbled(what: &str, found: &str) -> ChainError {
    let found: String = found.chars().take(80).collect();
    ChainError::ProofInvalid { node: String::new(), why: format!("{what} `{found}`") }
}

impl NodeChain {
    /// Asks the nodes for their genesis; `expected` is a network's name or the hash of an own genesis file.
    pub async fn connect(
        nodes: &[String],
        expected: &Network,
        account: AccountId,
        session: SessionKey,
        host: Option<HostId>,
    ) -> Result<Self, ChainError> {
        let nodes = nodes.iter().map(|url| Client::new(url)).collect::<Result<Vec<_>, _>>()?;
        let mut last = ChainError::NodeUnreachable { why: "no node is configured".to_owned() };
        for client in &nodes {
            match genesis_of(client, expected).await {
                Ok(genesis) => return Ok(Self::over(nodes, genesis, account, session, host)),
                Err(error) => last = error,
            }
        }
        Err(last)
    }

    /// With a genesis that was kept, without asking anybody; every later answer is held against it.
    pub fn offline(
        nodes: &[String],
        expected: &Network,
        genesis: &str,
        account: AccountId,
        session: SessionKey,
        host: Option<HostId>,
    ) -> Result<Self, ChainError> {
        let nodes = nodes.iter().map(|url| Client::new(url)).collect::<Result<Vec<_>, _>>()?;
        let genesis = genesis_json::from_json(genesis).map_err(|e| garbled("genesis", &e.to_string()))?;
        if !expected.fits(&genesis) {
            return Err(garbled("genesis of another network", &genesis.name));
        }
        Ok(Self::over(nodes, genesis, account, session, host))
    }

    fn over(
        nodes: Vec<Client>,
        genesis: Genesis,
        account: AccountId,
        session: SessionKey,
        host: Option<HostId>,
    ) -> Self {
        Self {
            nodes,
            preferred: AtomicUsize::new(0),
            genesis_hash: genesis.hash(),
            genesis,
            account,
            session,
            host: Mutex::new(host),
            in_flight: Mutex::default(),
            edges: Mutex::default(),
            hosts: Mutex::default(),
            notary: None,
        }
    }

    /// With a notary, which keeps its checkpoint in `folder` and begins with the owner's, if there is one.
    #[must_use]
    pub fn with_notary(mut self, folder: &Path, first: Option<PathBuf>) -> Self {
        let notary = Notary::new(folder, first, &self.genesis.name, self.genesis_hash);
        self.notary = Some(tokio::sync::Mutex::new(notary));
        self
    }

    /// The network.
    #[must_use]
    pub const fn genesis_hash(&self) -> GenesisHash {
        self.genesis_hash
    }

    /// Its genesis.
    #[must_use]
    pub const fn genesis(&self) -> &Genesis {
        &self.genesis
    }

    /// The client that answered last.
    #[must_use]
    pub fn client(&self) -> Option<&Client> {
        self.nodes.get(self.preferred.load(Ordering::Relaxed).checked_rem(self.nodes.len())?)
    }

    /// Asks the preferred node and, when it is silent, the next one.
    async fn ask<'a, T, F>(&'a self, call: impl Fn(&'a Client) -> F) -> Result<T, ClientError>
    where
        F: Future<Output = Result<T, ClientError>>,
    {
        let first = self.preferred.load(Ordering::Relaxed);
        let mut last = None;
        for step in 0..self.nodes.len() {
            let place = first.wrapping_add(step).checked_rem(self.nodes.len()).unwrap_or(0);
            let Some(client) = self.nodes.get(place) else { continue };
            match call(client).await {
                Err(error) if error.is_retryable() => last = Some(error),
                done => {
                    self.preferred.store(place, Ordering::Relaxed);
                    return done;
                }
            }
        }
        Err(last.unwrap_or(ClientError::Garbled { why: "no node is configured".to_owned() }))
    }

    async fn status(&self) -> Result<Status, ChainError> {
        let status = self.ask(|node| node.status()).await?;
        if build::genesis_hash(&status)? != self.genesis_hash {
            return Err(garbled("genesis of another network", &status.genesis));
        }
        Ok(status)
    }

    async fn lease_info(&self, lease: LeaseId) -> Result<Option<LeaseInfo>, ChainError> {
        let id = lease.to_hex();
        match self.ask(|node| node.lease(&id)).await {
            Ok(info) => Ok(Some(info)),
            Err(ClientError::NotFound { .. }) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    async fn edge_keys(&self) -> Result<BTreeMap<String, VerificationKey>, ChainError> {
        let cached = self.edges.lock().unwrap_or_else(PoisonError::into_inner).clone();
        if let Some((_, edges)) = cached.filter(|(at, _)| at.elapsed() < CACHE) {
            return Ok(edges);
        }
        let edges: Vec<EdgeInfo> = self.ask(|node| node.edges()).await?;
        let keyed = edges.into_iter().filter_map(|edge| Some((edge.account, VerificationKey::from_hex(&edge.key)?)));
        let keyed: BTreeMap<_, _> = keyed.collect();
        *self.edges.lock().unwrap_or_else(PoisonError::into_inner) = Some((Instant::now(), keyed.clone()));
        Ok(keyed)
    }

    async fn host_info(&self, host: u32) -> Result<HostInfo, ChainError> {
        let cached = self.hosts.lock().unwrap_or_else(PoisonError::into_inner).get(&host).cloned();
        if let Some((_, info)) = cached.filter(|(at, _)| at.elapsed() < CACHE) {
            return Ok(info);
        }
        let info: HostInfo = self.ask(|node| node.host(host)).await?;
        let mut hosts = self.hosts.lock().unwrap_or_else(PoisonError::into_inner);
        hosts.insert(host, (Instant::now(), info.clone()));
        Ok(info)
    }

    /// Leases of this host and those asked for, between two equal heads.
    async fn leases(&self, wanted: &Wanted) -> Result<(Status, Vec<LeaseInfo>), ChainError> {
        let host = *self.host.lock().unwrap_or_else(PoisonError::into_inner);
        let mut before = self.status().await?;
        for _ in 0..VIEW_TRIES {
            let mut infos = match host {
                Some(host) => self.ask(|node| node.leases_on(host.0)).await?,
                None => Vec::new(),
            };
            for lease in &wanted.leases {
                let id = lease.to_hex();
                if !infos.iter().any(|info| info.id == id)
                    && let Some(info) = self.lease_info(*lease).await?
                {
                    infos.push(info);
                }
            }
            let after = self.status().await?;
            if after.tip == before.tip {
                return Ok((after, infos));
            }
            before = after;
        }
        Err(ChainError::NodeUnreachable { why: "the head moved during every look".to_owned() })
    }

    async fn block_id(&self, height: u64) -> Result<Option<BlockId>, ChainError> {
        let at = height.to_string();
        let found: Result<BlockInfo, _> = self.ask(|node| node.block(&at)).await;
        match found {
            Ok(block) if block.point.height == height => Ok(BlockId::from_hex(&block.point.id)),
            Ok(_) | Err(ClientError::NotFound { .. }) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    fn clock_skew_ms(&self, status: &Status) -> u64 {
        let elapsed = crate::clock::wall_ms().saturating_sub(self.genesis.system_start_ms);
        let slot = elapsed.checked_div(status.slot_ms).unwrap_or(0);
        // A slot is as fine as the comparison gets, and one boundary may fall between the two clocks.
        slot.abs_diff(status.slot_now).saturating_sub(1).saturating_mul(status.slot_ms)
    }

    fn next_seq(&self, account: &nupeer_client::api::AccountInfo) -> Result<u64, ChainError> {
        let mut in_flight = self.in_flight.lock().unwrap_or_else(PoisonError::into_inner);
        for skip in 0..128 {
            let seq = build::next_seq(account, skip)?;
            if in_flight.insert(seq) {
                return Ok(seq);
            }
        }
        Err(ChainError::NodeUnreachable { why: "128 transactions are in flight".to_owned() })
    }

    async fn send(&self, actions: Vec<Action>, seq: &mut Option<u64>) -> Result<TxId, ChainError> {
        let status = self.status().await?;
        let account = self.ask(|node| node.account(&self.account)).await?;
        let mut body = build::body(&status, &account, self.account, actions)?;
        body.seq = self.next_seq(&account)?;
        *seq = Some(body.seq);
        let id = body.id(&self.genesis_hash);
        let signature = self.session.sign(&id.0);
        let witness = Witness::Session { owner: self.account, key: self.session.public(), signature };
        let tx = Transaction { body, witnesses: vec![witness] };
        self.ask(|node| node.submit(&tx)).await?;
        let deadline = Instant::now().checked_add(INCLUSION_TIMEOUT);
        while deadline.is_some_and(|deadline| Instant::now() < deadline) {
            match self.ask(|node| node.tx(&id)).await {
                Ok(info) if info.block.is_some() => {
                    return match info.outcome.as_deref() {
                        Some("ok") | None => Ok(id),
                        Some(rule) => Err(ChainError::Refused { code: rule.to_owned() }),
                    };
                }
                Ok(_) | Err(ClientError::NotFound { .. }) => {}
                Err(error) if error.is_retryable() => {}
                Err(error) => return Err(error.into()),
            }
            tokio::time::sleep(INCLUSION_EVERY).await;
        }
        Err(ChainError::NodeUnreachable { why: format!("transaction {id} is in no block yet") })
    }
}

/// Which network is meant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Network {
    /// By name.
    Named(String),
    /// By the hash of a genesis file.
    Pinned(GenesisHash),
}

impl Network {
    fn fits(&self, genesis: &Genesis) -> bool {
        match self {
            Self::Named(name) => genesis.name == *name,
            Self::Pinned(hash) => genesis.hash() == *hash,
        }
    }

    /// Reads the config's word.
    pub fn parse(text: &str) -> Result<Self, ChainError> {
        match text {
            "mainnet" | "devnet" | "sim" => Ok(Self::Named(text.to_owned())),
            path => {
                let unreadable = |why: String| ChainError::ProofInvalid { node: path.to_owned(), why };
                let text = std::fs::read_to_string(path).map_err(|e| {
                    unreadable(format!("network is neither mainnet nor devnet nor a genesis file: {e}"))
                })?;
                let genesis = genesis_json::from_json(&text).map_err(|e| unreadable(e.to_string()))?;
                Ok(Self::Pinned(genesis.hash()))
            }
        }
    }
}

async fn genesis_of(client: &Client, expected: &Network) -> Result<Genesis, ChainError> {
    let json = client.genesis().await?.to_string();
    let genesis = genesis_json::from_json(&json).map_err(|e| garbled("genesis", &e.to_string()))?;
    if expected.fits(&genesis) { Ok(genesis) } else { Err(garbled("genesis of another network", &genesis.name)) }
}

fn parse_state(text: &str) -> Result<LeaseState, ChainError> {
    let state = LeaseState::ALL.into_iter().find(|state| state.name().eq_ignore_ascii_case(text));
    state.ok_or_else(|| garbled("lease state", text))
}

fn parse_family(text: &str) -> Result<Family, ChainError> {
    Family::ALL.iter().find(|family| family.name() == text).copied().ok_or_else(|| garbled("family", text))
}

fn parse_account(text: &str) -> Result<AccountId, ChainError> {
    AccountId::from_bech32(text).map(|(_, id)| id).map_err(|_| garbled("account", text))
}

fn head(point: &nupeer_client::api::Point) -> Result<HeadRef, ChainError> {
    let id = BlockId::from_hex(&point.id).ok_or_else(|| garbled("block id", &point.id))?;
    Ok(HeadRef { height: Height(point.height), id })
}

/// `Σ ⌈cap·ms·num / (1000·den)⌉`, without fees (market.md §6).
fn exposure(meters: &[MeterTerm], ms: u64) -> Amount {
    let one = |m: &MeterTerm| {
        let product = u128::from(m.cap_per_s).saturating_mul(u128::from(ms)).saturating_mul(u128::from(m.num));
        product.div_ceil(u128::from(m.den).saturating_mul(1_000).max(1))
    };
    let sum = meters.iter().map(one).fold(0u128, u128::saturating_add);
    Amount::new(u64::try_from(sum).unwrap_or(u64::MAX))
}

fn lease_view(
    info: &LeaseInfo,
    us: Option<HostId>,
    edges: &BTreeMap<String, VerificationKey>,
    market_ms: u64,
    exposure_ms: u64,
) -> Result<(LeaseId, LeaseView), ChainError> {
    let id = LeaseId::from_hex(&info.id).ok_or_else(|| garbled("lease", &info.id))?;
    let meter = |m: &nupeer_client::api::MeterInfo| MeterTerm {
        kind: m.kind,
        num: m.num,
        den: m.den.max(1),
        cap_per_s: m.cap_per_s,
    };
    let meters: Vec<MeterTerm> = info.meters.iter().map(meter).collect();
    let state = parse_state(&info.state)?;
    let active_since_ms = info.active_since_ms.unwrap_or(market_ms);
    let applied = match &info.receipt {
        Some(r) => Applied {
            seq: r.seq,
            t_end_ms: r.t_end_ms,
            up_ms: r.up_ms,
            totals: r.counters.iter().map(|(_, total)| *total).collect(),
            amount: receipt::amount(&meters, &r.counters).unwrap_or_default(),
        },
        None => Applied { t_end_ms: active_since_ms, totals: vec![0; meters.len()], ..Applied::default() },
    };
    let may_sign = info.delegates.iter().filter(|d| d.scopes & delegate_scope::SIGN != 0 && d.expiry_ms > market_ms);
    let wrap = us.and_then(|us| info.wraps.iter().find(|wrap| wrap.host == us.0));
    let view = LeaseView {
        epoch: info.epoch,
        host: info.host.map(HostId),
        state,
        resuming: state == LeaseState::Provisioning && info.active_since_ms.is_some(),
        tenant: parse_account(&info.tenant)?,
        tenant_keys: may_sign.filter_map(|d| VerificationKey::from_hex(&d.key)).collect(),
        edges: info.edges.iter().filter_map(|account| edges.get(account)).copied().collect(),
        instrument: InstrumentId(info.instrument),
        family: parse_family(&info.family)?,
        lots: info.lots,
        manifest_hash: hex::decode(&info.manifest_hash)
            .ok()
            .and_then(|bytes| bytes.try_into().ok())
            .ok_or_else(|| garbled("manifest hash", &info.manifest_hash))?,
        wrap: wrap.and_then(|wrap| hex::decode(&wrap.wrap).ok()),
        exposure: exposure(&meters, exposure_ms),
        meters,
        active_since_ms,
        cosigned_ms: applied.t_end_ms.max(active_since_ms),
        applied,
        pending_seq: info.pending_seq,
        funded_until_ms: info.funded_until_ms.unwrap_or(u64::MAX),
    };
    Ok((id, view))
}

impl Proofs for NodeChain {
    async fn leaf(&self, key: &str) -> Result<StateProof, ClientError> {
        self.ask(|node| node.state(key)).await
    }

    async fn finality(&self, height: u64) -> Result<FinalityInfo, ClientError> {
        self.ask(|node| node.finality(height)).await
    }

    async fn step(&self, epoch: u64) -> Result<Step, ClientError> {
        self.ask(|node| node.epoch_step(epoch)).await
    }

    async fn checkpoint(&self) -> Result<Checkpoint, ClientError> {
        let mut agreed: Option<Checkpoint> = None;
        let mut silent = ClientError::Garbled { why: "no node is configured".to_owned() };
        for client in &self.nodes {
            match client.checkpoint().await {
                Ok(checkpoint) if agreed.as_ref().is_none_or(|agreed| *agreed == checkpoint) => {
                    agreed = Some(checkpoint);
                }
                Ok(_) => return Err(ClientError::Garbled { why: "the nodes name different committees".to_owned() }),
                Err(error) => silent = error,
            }
        }
        agreed.ok_or(silent)
    }
}

impl Chain for NodeChain {
    async fn view(&self, wanted: Wanted) -> Result<ChainView, ChainError> {
        let (status, infos) = self.leases(&wanted).await?;
        let market_ms = status.market_now_ms;
        let edges =
            if infos.iter().any(|info| !info.edges.is_empty()) { self.edge_keys().await? } else { BTreeMap::new() };
        let parameter = |name: &str| self.genesis.parameter(name).unwrap_or(0);
        let exposure_ms = parameter("market.max_unacked_ms").saturating_add(parameter("market.settle_every_ms"));
        let us = *self.host.lock().unwrap_or_else(PoisonError::into_inner);
        let mut leases = BTreeMap::new();
        for info in &infos {
            let (id, view) = lease_view(info, us, &edges, market_ms, exposure_ms)?;
            leases.insert(id, view);
        }
        let head = head(&status.tip)?;
        let mut ids = BTreeMap::from([(head.height, head.id)]);
        for height in wanted.heights.iter().filter(|height| height.0 < head.height.0) {
            if let Some(id) = self.block_id(height.0).await? {
                ids.insert(*height, id);
            }
        }
        let anchor_height = head.height.0.saturating_sub(ANCHOR_DEPTH).max(1);
        let anchor = match self.block_id(anchor_height).await? {
            Some(id) => HeadRef { height: Height(anchor_height), id },
            None => head,
        };
        let facts = match &self.notary {
            Some(notary) if !wanted.prove.is_empty() => {
                let (head, last_final) = (status.tip.height, status.final_point.height);
                let at = Standing { head, last_final, round_blocks: ROUND_BLOCKS };
                notary.lock().await.look(self, &wanted.prove, at).await
            }
            Some(_) | None => BTreeMap::new(),
        };
        Ok(ChainView { head, market_ms, clock_skew_ms: self.clock_skew_ms(&status), anchor, ids, leases, facts })
    }

    async fn hosts(&self) -> Result<Vec<HostView>, ChainError> {
        let infos: Vec<HostInfo> = self.ask(|node| node.hosts_of(&self.account)).await?;
        let mut out = Vec::new();
        for info in infos {
            let session_key = VerificationKey::from_hex(&info.session_key);
            let seal_key = VerificationKey::from_hex(&info.seal_key);
            let (Some(session_key), Some(seal_key)) = (session_key, seal_key) else {
                return Err(garbled("host key", &info.session_key));
            };
            let lots = info.lots.iter().map(|f| Ok((parse_family(&f.family)?, f.lots)));
            out.push(HostView {
                id: HostId(info.id),
                session_key,
                seal_key: seal_key.0,
                lots: lots.collect::<Result<_, ChainError>>()?,
            });
        }
        let configured = *self.host.lock().unwrap_or_else(PoisonError::into_inner);
        let own =
            out.iter().find(|host| configured.map_or(host.session_key == self.session.public(), |id| host.id == id));
        if let Some(own) = own {
            *self.host.lock().unwrap_or_else(PoisonError::into_inner) = Some(own.id);
        }
        Ok(out)
    }

    async fn rules(&self) -> Result<ChainRules, ChainError> {
        let listed = self.ask(|node| node.parameters()).await?;
        let get = |name: &str| {
            let found = listed.iter().find(|parameter| parameter.name == name).map(|parameter| parameter.value);
            found.or_else(|| self.genesis.parameter(name)).ok_or_else(|| garbled("absent parameter", name))
        };
        Ok(ChainRules {
            depth_final: self.genesis.constants.k,
            round_blocks: ROUND_BLOCKS,
            receipt_every_ms: get("market.receipt_every_ms")?,
            max_unacked_ms: get("market.max_unacked_ms")?,
            settle_every_ms: get("market.settle_every_ms")?,
            settle_ms: get("market.settle_ms")?,
            stop_ms: get("market.stop_ms")?,
            provision_ms: get("market.provision_ms")?,
            skew_ms: get("market.skew_ms")?,
        })
    }

    async fn lease(&self, lease: LeaseId) -> Result<Option<LeaseRoute>, ChainError> {
        let Some(info) = self.lease_info(lease).await? else { return Ok(None) };
        let session_key = match info.host {
            Some(host) => VerificationKey::from_hex(&self.host_info(host).await?.session_key),
            None => None,
        };
        Ok(Some(LeaseRoute {
            epoch: info.epoch,
            state: parse_state(&info.state)?,
            session_key,
            tenant: parse_account(&info.tenant)?,
        }))
    }

    async fn submit(&self, actions: Vec<Action>) -> Result<TxId, ChainError> {
        let mut seq = None;
        let sent = self.send(actions, &mut seq).await;
        if let Some(seq) = seq {
            self.in_flight.lock().unwrap_or_else(PoisonError::into_inner).remove(&seq);
        }
        sent
    }
}
