//! The tour of the DAO: the whole life of an executive and of proposals, played with the `nupeer` that a user has, on a
//! new network.
//!
//! # The story, in ticks of twelve seconds
//! 1. The founders of the three pools hold 5, 3 and 2 million of each staking token, active since genesis. Everybody is
//!    certified; newcomers bond, which counts two epochs later.
//! 2. carol and dan stand as CTO, erin as CFO. The founders elect carol and erin.
//! 3. erin brings a payment with a parameter change (FINANCIAL), carol a parameter change (OPERATIONAL), a founder a
//!    payment by the community (COMMUNITY).
//! 4. The community vetoes carol's. Half of it is against erin's too, which would block it, until the agreement of the
//!    other executive moves the threshold. The community's own needs approval, and gets it.
//! 5. Epoch 2: a newcomer's bond begins to count. It had long supported dan, who now leads carol. erin's proposal pays;
//!    then the founders leave her: grace. dan supersedes carol, whose open proposal is orphaned, and adopts it.
//! 6. Epoch 3: the parameter changes. erin's grace ends without support: the seat is revoked. Rewards are claimed.
//!
//! # Not here
//! Dormancy: an account falls silent after thirty epochs, an hour of the devnet. Its end of a seat is the same as loss of
//! support.

pub mod chronicle;

use super::{Options, Testnet};
use anyhow::{Context, Result, bail};
use chronicle::Chronicle;
use nupeer_primitives::AccountId;
use nupeer_primitives::hash::blake2b_256_of;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

/// Who plays; the first three are the founders, in the order of the pools. alice looks on.
pub const CAST: [&str; 8] = ["vera", "victor", "walt", "carol", "dan", "erin", "nora", "alice"];
/// How many of them own the pools.
pub const FOUNDERS: usize = 3;
/// Longest wait for anything: an epoch of the devnet takes two minutes.
const PATIENCE: Duration = Duration::from_secs(400);
/// Value of the parameter that erin changes, lovelace.
const NEW_FLOOR: u64 = 12_000_000;

/// What one person does, one command after the other.
type Errand<'a> = (&'a str, Vec<Vec<String>>);

/// `$who` does `$command`, words separated by spaces.
fn does<'a>(who: &'a str, commands: &[&str]) -> Errand<'a> {
    (who, commands.iter().map(|command| command.split(' ').map(str::to_string).collect()).collect())
}

/// A tour under way.
struct Tour<'a> {
    net: &'a mut Testnet,
    chronicle: Chronicle,
    began: Instant,
    commands: u64,
}

/// Plays the tour; with `--once` prints its report, else stays until Ctrl-C.
pub fn run(net: &mut Testnet, options: &Options) -> Result<()> {
    let mut names = BTreeMap::new();
    for name in CAST {
        names.insert(net.wallet(name)?.account.to_bech32(AccountId::HRP_TEST), name.to_string());
    }
    let mut tour = Tour { net, chronicle: Chronicle::new(names), began: Instant::now(), commands: 0 };
    tour.play()?;
    let report = tour.report()?;
    if options.once {
        println!("{}", serde_json::to_string_pretty(&report)?);
        return Ok(());
    }
    net.print_voices()?;
    net.stay()
}

impl Tour<'_> {
    fn play(&mut self) -> Result<()> {
        self.certify_and_bond()?;
        let (carol, dan, erin) = self.stand_and_support()?;
        let ids = self.propose()?;
        self.vote(&ids)?;
        let orphan = self.challenge(carol, dan)?;
        self.leave(&ids, erin)?;
        self.succeed(orphan)?;
        self.lose(&ids)?;
        self.rewards()
    }

    fn say(&self, what: &str, text: &str) {
        self.net.narrator().step(what, text);
    }

    /// Everybody does their errands at the same time; gives the answers of the last command of each.
    fn together(&mut self, errands: &[Errand<'_>]) -> Result<Vec<Value>> {
        let net = &*self.net;
        let outcomes: Vec<Result<Value>> = std::thread::scope(|scope| {
            let start = |(who, commands): &Errand<'_>| {
                let (who, commands) = (who.to_string(), commands.clone());
                scope.spawn(move || {
                    let wallet = net.wallet(&who)?;
                    let mut last = Value::Null;
                    for command in &commands {
                        let words: Vec<&str> = command.iter().map(String::as_str).collect();
                        net.narrator().step(&who, &format!("nupeer {}", shown(command)));
                        last = wallet.run(&words)?;
                    }
                    Ok(last)
                })
            };
            let running: Vec<_> = errands.iter().map(start).collect();
            let join = |thread: std::thread::ScopedJoinHandle<'_, Result<Value>>| match thread.join() {
                Ok(outcome) => outcome,
                Err(_) => bail!("a thread of the tour ended badly"),
            };
            running.into_iter().map(join).collect()
        });
        let count = errands.iter().map(|(_, commands)| commands.len() as u64).sum::<u64>();
        self.commands = self.commands.saturating_add(count);
        self.net.must_live()?;
        self.chronicle.follow(self.net)?;
        outcomes.into_iter().collect()
    }

    /// One person, one command.
    fn one(&mut self, who: &str, command: &str) -> Result<Value> {
        self.together(&[does(who, &[command])])?.pop().context("no answer")
    }

    /// Follows the chain until it has told something.
    fn until(&mut self, what: &str, done: impl Fn(&Chronicle) -> bool) -> Result<()> {
        let started = Instant::now();
        loop {
            self.net.must_live()?;
            // A node that is away for a moment is asked again.
            if let Err(error) = self.chronicle.follow(self.net)
                && started.elapsed() > PATIENCE
            {
                return Err(error);
            }
            if done(&self.chronicle) {
                return Ok(());
            }
            if started.elapsed() > PATIENCE {
                bail!("waited {} s for {what} in vain; tick {}", PATIENCE.as_secs(), self.chronicle.tick);
            }
            std::thread::sleep(Duration::from_millis(700));
        }
    }

    fn until_tick(&mut self, tick: u64) -> Result<()> {
        self.until(&format!("tick {tick}"), |told| told.tick >= tick)
    }

    fn until_seat(&mut self, role: &str, change: &str, holder: &str) -> Result<()> {
        let wanted = (change.to_string(), holder.to_string());
        self.until(&format!("{role}: {change} {holder}"), |told| told.seats.get(role) == Some(&wanted))
    }

    fn until_status(&mut self, id: u64, status: &str) -> Result<()> {
        let wanted = Some(status);
        let is_over = |status: Option<&str>| {
            matches!(status, Some("Blocked" | "Executed" | "Failed" | "Expired" | "Lapsed" | "Cancelled" | "Void"))
        };
        self.until(&format!("proposal {id} to be {status}"), |told| {
            let now = told.proposals.get(&id).map(String::as_str);
            now == wanted || is_over(now)
        })?;
        let now = self.chronicle.proposals.get(&id).map(String::as_str);
        if now == wanted { Ok(()) } else { bail!("proposal {id} became {now:?} instead of {status}") }
    }

    /// Waits until a candidate is about to take a seat.
    fn until_streak(&mut self, role: &str, candidate: u64) -> Result<()> {
        let started = Instant::now();
        loop {
            self.net.must_live()?;
            self.chronicle.follow(self.net)?;
            let seats = self.net.wallet("alice")?.run(&["dao", "seats"])?;
            let seat = seats.as_array().and_then(|seats| seats.iter().find(|seat| seat["role"] == role));
            if seat.is_some_and(|seat| seat["streak"]["candidate"] == candidate) {
                return Ok(());
            }
            if started.elapsed() > PATIENCE {
                bail!("candidate {candidate} never came close to the seat of the {role}; tick {}", self.chronicle.tick);
            }
            std::thread::sleep(Duration::from_millis(700));
        }
    }

    fn account(&self, name: &str) -> Result<String> {
        Ok(self.net.wallet(name)?.account.to_bech32(AccountId::HRP_TEST))
    }

    fn certify_and_bond(&mut self) -> Result<()> {
        self.say("people", "certified by the devnet's test issuer; level 1 votes, level 2 may stand for a seat");
        let key = self.net.issuer_key().display().to_string();
        let mut certificates = Vec::new();
        for name in CAST.into_iter().filter(|name| *name != "alice") {
            let level = if ["carol", "dan", "erin"].contains(&name) { "2" } else { "1" };
            let person = blake2b_256_of(&[b"nupeer/kyc/1", name.as_bytes()]).to_hex();
            let holder = self.account(name)?;
            let words = ["dao", "certify", &holder, "--level", level, "--until", "60", "--nullifier", &person];
            let words = words.into_iter().chain(["--issuer-key", &key]);
            certificates.push(words.map(str::to_string).collect());
        }
        let bond = |amount: &str| ["iaas", "paas", "saas"].map(|token| format!("stake bond {amount} --token {token}"));
        let (nora, erin) = (bond("6000000"), bond("1200000"));
        self.together(&[
            ("alice", certificates),
            does("nora", &nora.each_ref().map(String::as_str)),
            does("erin", &erin.each_ref().map(String::as_str)),
        ])?;
        let stake = self.one("nora", "stake show")?;
        let pending = &stake[0]["pending"][0];
        self.say("nora", &format!("has bonded; it votes and earns from epoch {} on", pending["epoch"]));
        Ok(())
    }

    fn stand_and_support(&mut self) -> Result<(u64, u64, u64)> {
        self.say("seats", "candidates stand with a role bond; support is continuous and may move at any time");
        let stood = self.together(&[
            does("carol", &["dao stand CTO --bond 100 --uri https://example.org/carol"]),
            does("dan", &["dao stand CTO --bond 100 --uri https://example.org/dan"]),
            does("erin", &["dao stand CFO --bond 100 --uri https://example.org/erin"]),
        ])?;
        let number = |at: usize| -> Result<u64> {
            let events = stood.get(at).and_then(|tx| tx["events"].as_array()).context("no events of a candidacy")?;
            let stood = events.iter().find(|event| event["name"] == "CandidateStood");
            stood.and_then(|event| event["fields"]["candidate"].as_u64()).context("no number of a candidacy")
        };
        let (carol, dan, erin) = (number(0)?, number(1)?, number(2)?);
        let (for_carol, for_dan) = (format!("dao support CTO {carol}"), format!("dao support CTO {dan}"));
        let for_erin = format!("dao support CFO {erin}");
        self.together(&[
            does("vera", &[&for_carol, &for_erin]),
            does("walt", &[&for_carol, &for_erin]),
            does("victor", &[&for_dan, &for_erin]),
            does("nora", &[&for_dan]),
            does("erin", &[&for_erin]),
        ])?;
        self.say("seats", "a leader with enough of all support for 3 ticks in a row takes a vacant seat");
        self.until("carol to be CTO and erin CFO", |told| {
            let holds = |role: &str, name: &str| told.seats.get(role).is_some_and(|(_, holder)| holder == name);
            holds("CTO", "carol") && holds("CFO", "erin")
        })?;
        Ok((carol, dan, erin))
    }

    /// Three proposals, opening in epoch 1 at the earliest: power counts in votes from the first epoch start on.
    fn propose(&mut self) -> Result<Ids> {
        self.until_tick(8)?;
        let (nora, dan) = (self.account("nora")?, self.account("dan")?);
        let text = "--deposit 10 --uri https://example.org/why";
        let erins = format!("dao propose --spend usd:{nora}:250 --set prop.deposit_floor={NEW_FLOOR}@3 {text}");
        let ours = format!("dao propose --spend usd:{dan}:300 {text}");
        let proposed = self.together(&[
            does("erin", &[&erins]),
            does("carol", &[&format!("dao propose --set role.dev_lapse=25@3 {text}")]),
            does("vera", &[&ours]),
        ])?;
        let id = |at: usize| proposed.get(at).and_then(proposal_of).context("no number of a proposal");
        let ids = Ids { finance: id(0)?, vetoed: id(1)?, community: id(2)? };
        self.one("vera", &format!("dao sponsor {}", ids.community))?;
        let mut classes = Vec::new();
        for (id, class) in [(ids.finance, "FINANCIAL"), (ids.vetoed, "OPERATIONAL"), (ids.community, "COMMUNITY")] {
            let info = self.one("alice", &format!("dao proposal {id}"))?;
            if info["class"] != class {
                bail!("proposal {id} is {}, not {class}", info["class"]);
            }
            classes.push(format!("{id} {class} ({})", info["why"].as_str().unwrap_or("?")));
        }
        self.say("proposals", &classes.join("; "));
        Ok(ids)
    }

    fn vote(&mut self, ids: &Ids) -> Result<()> {
        self.until_status(ids.vetoed, "Voting")?;
        self.one("vera", &format!("dao vote {} against", ids.vetoed))?;
        self.prospect(ids.vetoed, "block")?;
        self.until_status(ids.finance, "Voting")?;
        self.until_status(ids.community, "Voting")?;
        let (finance, ours) = (ids.finance, ids.community);
        self.together(&[
            does("vera", &[&format!("dao vote {finance} for"), &format!("dao vote {ours} for")]),
            does("walt", &[&format!("dao vote {finance} against"), &format!("dao vote {ours} for")]),
            does("victor", &[&format!("dao vote {finance} against"), &format!("dao vote {ours} against")]),
        ])?;
        let before = self.prospect(finance, "block")?;
        self.one("carol", &format!("dao stance {finance} endorse"))?;
        let after = self.prospect(finance, "execute")?;
        let ppm = |info: &Value, name: &str| info[name].as_u64().unwrap_or_default();
        if ppm(&after, "threshold_ppm") <= ppm(&before, "threshold_ppm") {
            bail!("the executives' agreement did not move the threshold of proposal {finance}");
        }
        let text = format!(
            "carol's agreement moves the quorum of a veto from {} to {} ppm and its threshold from {} to {} ppm",
            before["quorum_ppm"], after["quorum_ppm"], before["threshold_ppm"], after["threshold_ppm"]
        );
        self.say("agreement", &text);
        self.until_status(ids.vetoed, "Blocked")?;
        self.say("veto", "the community blocked what an executive wanted; nothing of it was executed");
        Ok(())
    }

    /// What would happen if it closed now.
    fn prospect(&mut self, id: u64, would: &str) -> Result<Value> {
        let info = self.one("alice", &format!("dao proposal {id}"))?;
        self.say("prospect", &format!("proposal {id}, if it closed now: {}", info["why"].as_str().unwrap_or("?")));
        if info["would"] != would {
            bail!("proposal {id} would {}, not {would}", info["would"])
        }
        Ok(info)
    }

    /// A challenger comes close while the holder brings a proposal, which is orphaned later.
    fn challenge(&mut self, carol: u64, dan: u64) -> Result<u64> {
        self.say(
            "activation",
            &format!("nora's bond begins to count with epoch 2; candidate {dan} then leads {carol}"),
        );
        self.until_streak("CTO", dan)?;
        let orphan = self.one("carol", "dao propose --set prop.exec_tries=4@9 --deposit 10")?;
        proposal_of(&orphan).context("no number of a proposal")
    }

    fn succeed(&mut self, orphan: u64) -> Result<()> {
        self.until_seat("CTO", "Supersede", "dan")?;
        self.until_status(orphan, "Orphaned")?;
        self.one("dan", &format!("dao adopt {orphan}"))?;
        self.until_status(orphan, "Review")?;
        self.one("dan", &format!("dao cancel {orphan}"))?;
        self.until_status(orphan, "Cancelled")
    }

    /// The payment is made, then the payer loses her support.
    fn leave(&mut self, ids: &Ids, erin: u64) -> Result<()> {
        let usd = |account: &Value| -> u64 {
            let balances = account["balances"].as_array();
            let row = balances.and_then(|rows| rows.iter().find(|row| row["ticker"] == "usd"));
            row.and_then(|row| row["free"].as_str()).and_then(|text| text.parse().ok()).unwrap_or_default()
        };
        self.until_status(ids.finance, "Executed")?;
        let paid = usd(&self.one("nora", "account")?);
        self.say("paid", &format!("nora owns {paid} micro-usd now, 250 more than at first"));
        let expected = super::network::DEMO_FUNDS.saturating_add(250).saturating_mul(1_000_000);
        if paid != expected {
            bail!("nora owns {paid} micro-usd, {expected} were expected");
        }
        self.say("seats", &format!("the founders leave candidate {erin}: her own stake alone is too little"));
        let none = ["dao support CFO none"];
        self.together(&[does("vera", &none), does("walt", &none), does("victor", &none)])?;
        self.until_seat("CFO", "Grace", "erin")
    }

    fn lose(&mut self, ids: &Ids) -> Result<()> {
        let agenda = self.one("erin", "dao agenda")?;
        let first = &agenda[0];
        let text =
            format!("erin must act before tick {}: {}", first["before_tick"], first["what"].as_str().unwrap_or("?"));
        self.say("agenda", &text);
        self.until_status(ids.community, "Executed")?;
        self.until("the parameter to change", |told| told.parameters.contains_key("prop.deposit_floor"))?;
        let parameters = self.one("alice", "node parameters")?;
        let rows = parameters.as_array().context("no parameters")?;
        let now = rows.iter().find(|row| row["name"] == "prop.deposit_floor").map(|row| row["value"].clone());
        if now != Some(json!(NEW_FLOOR)) {
            bail!("prop.deposit_floor is {now:?} after its change");
        }
        self.until_seat("CFO", "Revoke", "nobody")
    }

    fn rewards(&mut self) -> Result<()> {
        let told = self.one("vera", "stake forecast --token iaas")?;
        self.one("vera", "stake claim --token iaas")?;
        let page = self.one("vera", "stake rewards")?;
        let rows = page["rows"].as_array().context("no page of rewards")?;
        let of = |kind: &str| {
            let row = rows.iter().find(|row| row["kind"] == kind && row["token"] == "IaaS");
            row.and_then(|row| row["pools"].as_str()).map(str::to_string).with_context(|| format!("no {kind} was paid"))
        };
        let text = format!(
            "vera's delegated stake earned {} units of $IaaS (forecast {} an epoch), her pool paid its operator {}",
            of("claim")?,
            told["an_epoch"].as_str().unwrap_or("?"),
            of("operator")?
        );
        self.say("rewards", &text);
        Ok(())
    }

    fn report(&mut self) -> Result<Value> {
        let final_by = self.net.wallet("alice")?.run(&["node", "status"])?;
        let genesis = super::network::read_genesis(&self.net.state.join("genesis.json"))?;
        let seconds = self.began.elapsed().as_secs();
        let line =
            format!("{} commands in {seconds} s, {} ticks; all of it as promised", self.commands, self.chronicle.tick);
        self.say("done", &line);
        Ok(json!({
            "ok": true, "tour": "dao", "network": super::network::short_id(&genesis), "seconds": seconds,
            "commands": self.commands, "tip": final_by["tip"], "final": final_by["final_point"],
            "story": self.chronicle.report(),
        }))
    }
}

/// Proposals of the tour.
struct Ids {
    finance: u64,
    vetoed: u64,
    community: u64,
}

fn proposal_of(tx: &Value) -> Option<u64> {
    let proposed = tx["events"].as_array()?.iter().find(|event| event["name"] == "Proposed")?;
    proposed["fields"]["proposal"].as_u64()
}

/// A command as people read it: long words are cut.
fn shown(command: &[String]) -> String {
    let word = |word: &String| match word.char_indices().nth(60) {
        Some((at, _)) => format!("{}...", word.get(..at).unwrap_or_default()),
        None => word.clone(),
    };
    command.iter().map(word).collect::<Vec<_>>().join(" ")
}
