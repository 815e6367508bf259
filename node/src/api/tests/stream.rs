//! The event stream over a chain that grows, forks and stops.

use super::*;
use axum::body::BodyDataStream;
use futures::StreamExt;
use nupeer_client::api::BlockEvents;

/// One open stream.
struct Reader {
    frames: BodyDataStream,
    text: String,
}

impl Reader {
    async fn open(rig: &Rig, query: &str) -> Self {
        let answer = rig.router.clone().oneshot(get(&format!("/v1/events{query}"))).await.unwrap();
        assert_eq!(answer.headers()["content-type"], "text/event-stream");
        Self { frames: answer.into_body().into_data_stream(), text: String::new() }
    }

    /// Name and data of the next message; none at the end.
    async fn next(&mut self) -> Option<(String, String)> {
        loop {
            if let Some((message, rest)) = self.text.split_once("\n\n") {
                let field = |name: &str| {
                    let line = message.lines().find_map(|line| line.strip_prefix(name));
                    line.map(|value| value.trim_start_matches([':', ' ']).to_string())
                };
                let found = field("event").zip(field("data"));
                self.text = rest.to_string();
                if found.is_some() {
                    return found;
                }
                continue;
            }
            self.text.push_str(std::str::from_utf8(&self.frames.next().await?.unwrap()).unwrap());
        }
    }

    async fn block(&mut self) -> (String, u64, String) {
        let (name, data) = self.next().await.unwrap();
        let message: BlockEvents = serde_json::from_str(&data).unwrap();
        assert_eq!(name, message.kind);
        (message.kind, message.point.height, message.point.id)
    }
}

fn told(kind: &str, height: u64, id: nupeer_primitives::BlockId) -> (String, u64, String) {
    (kind.into(), height, id.to_hex())
}

#[tokio::test]
async fn a_replay_runs_into_the_live_stream_and_forks_are_told() {
    let rig = rig();
    let ids: Vec<_> = (0..3).map(|_| rig.chain.forge(1)).collect();
    let mut reader = Reader::open(&rig, "?from=2").await;
    assert_eq!(reader.block().await, told("applied", 2, ids[1]));
    assert_eq!(reader.block().await, told("applied", 3, ids[2]));
    let live = rig.chain.forge(1);
    assert_eq!(reader.block().await, told("applied", 4, live));
    rig.chain.revert(3);
    let other: Vec<_> = (0..4).map(|_| rig.chain.forge(2)).collect();
    assert_eq!(reader.block().await, told("reverted", 4, live));
    assert_eq!(reader.block().await, told("reverted", 3, ids[2]));
    assert_eq!(reader.block().await, told("reverted", 2, ids[1]));
    for (id, height) in other.iter().zip(2..) {
        assert_eq!(reader.block().await, told("applied", height, *id));
    }
}

#[tokio::test]
async fn without_a_start_the_next_block_is_first_and_its_events_come_along() {
    let rig = rig();
    rig.chain.forge(1);
    let mut reader = Reader::open(&rig, "").await;
    let tx = rig.signed(1, pay(5, 7)).await;
    rig.send(&tx).await;
    rig.chain.forge(1);
    let (name, data) = reader.next().await.unwrap();
    let message: BlockEvents = serde_json::from_str(&data).unwrap();
    assert_eq!((name.as_str(), message.point.height), ("applied", 2));
    assert_eq!(message.events[0].fields["amount"], "7");
}

#[tokio::test]
async fn a_fork_right_after_the_start_is_told_too() {
    let rig = rig();
    let old = rig.chain.forge(1);
    let mut reader = Reader::open(&rig, "?from=99").await;
    rig.chain.revert(1);
    let new = rig.chain.forge(2);
    assert_eq!(reader.block().await, told("reverted", 1, old));
    assert_eq!(reader.block().await, told("applied", 1, new));
}

#[tokio::test]
async fn what_becomes_final_is_told_once_also_after_the_tip_was_reached() {
    let rig = rig();
    let ids: Vec<_> = (0..4).map(|_| rig.chain.forge(1)).collect();
    let mut reader = Reader::open(&rig, "?from=2").await;
    rig.chain.finalise(3);
    // Whether it becomes final before or after the client reads: applied first, once, and nothing above.
    assert_eq!(reader.block().await, told("applied", 2, ids[1]));
    assert_eq!(reader.block().await, told("applied", 3, ids[2]));
    assert_eq!(reader.block().await, told("finalised", 3, ids[2]));
    assert_eq!(reader.block().await, told("applied", 4, ids[3]));
    let waiting = tokio::time::timeout(std::time::Duration::from_millis(50), reader.next()).await;
    assert!(waiting.is_err(), "told once");
    rig.chain.finalise(4);
    assert_eq!(reader.block().await, told("finalised", 4, ids[3]));
    let next = rig.chain.forge(1);
    assert_eq!(reader.block().await, told("applied", 5, next));
}

#[tokio::test]
async fn who_reads_too_slowly_is_told_where_to_go_on() {
    let rig = rig();
    let mut reader = Reader::open(&rig, "?from=0").await;
    rig.chain.forge(1);
    reader.block().await;
    // The stream has to see the tip once before it counts as live.
    let caught_up = tokio::time::timeout(std::time::Duration::from_millis(50), reader.next()).await;
    assert!(caught_up.is_err());
    for _ in 0..=limits::LAG_BLOCKS_MAX {
        rig.chain.forge(1);
    }
    let (name, data) = reader.next().await.unwrap();
    let why: ApiError = serde_json::from_str(&data).unwrap();
    assert_eq!((name.as_str(), why.error.as_str()), ("lagged", "stream.Lagged"));
    assert!(why.detail.contains("?from=2"), "{}", why.detail);
    assert_eq!(reader.next().await, None);
}

#[tokio::test]
async fn a_stopping_node_says_goodbye() {
    for by_service in [true, false] {
        let rig = rig();
        let mut reader = Reader::open(&rig, "").await;
        if by_service {
            rig.api.stopping.send_replace(true);
        } else {
            rig.chain.set_mode(Mode::Stopping);
        }
        assert_eq!(reader.next().await.unwrap().0, "closing");
        assert_eq!(reader.next().await, None);
    }
}

#[tokio::test]
async fn streams_are_counted_and_their_places_come_back() {
    let rig = rig();
    let mut open = Vec::new();
    for _ in 0..STREAMS_MAX {
        open.push(Reader::open(&rig, "").await);
    }
    assert_eq!(rig.problem(get("/v1/events")).await.0, 429);
    open.pop();
    Reader::open(&rig, "").await;
}
