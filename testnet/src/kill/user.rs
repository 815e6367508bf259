//! Somebody who writes into the guest book all the time and remembers what was acknowledged.

use crate::up::life::http_within;
use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

/// Entries that are tried: the book is full at 1,000, and one without an answer may be in it too.
const ENTRIES_MAX: u64 = 900;
/// Least pause between two requests.
const PAUSE_MS_MIN: u64 = 150;
/// A request that has no answer by then has none.
const PATIENCE: Duration = Duration::from_secs(4);

#[derive(Debug, Default)]
struct Diary {
    stop: AtomicBool,
    answers: AtomicU64,
    refused: AtomicU64,
    acknowledged: Mutex<BTreeSet<u64>>,
}

/// What the user remembers.
#[derive(Debug)]
pub struct Written {
    /// Numbers of entries that the app said it has.
    pub acknowledged: BTreeSet<u64>,
    /// Requests without a good answer.
    pub refused: u64,
}

/// The user.
#[derive(Debug)]
pub struct User {
    diary: Arc<Diary>,
    thread: Option<JoinHandle<()>>,
}

/// The text of entry `number`.
#[must_use]
pub fn text_of(number: u64) -> String {
    format!("entry-{number}")
}

impl User {
    /// Begins to write; for many rounds with longer pauses, since the book is finite.
    #[must_use]
    pub fn start(gateway_port: u16, rounds: u64) -> Self {
        let diary = Arc::new(Diary::default());
        let theirs = Arc::clone(&diary);
        let pause = Duration::from_millis(PAUSE_MS_MIN.max(rounds.saturating_mul(10)));
        let thread = std::thread::spawn(move || write(&theirs, gateway_port, pause));
        Self { diary, thread: Some(thread) }
    }

    /// Good answers so far.
    #[must_use]
    pub fn answers(&self) -> u64 {
        self.diary.answers.load(Ordering::SeqCst)
    }

    /// Ends writing.
    #[must_use]
    pub fn stop(mut self) -> Written {
        self.join();
        let acknowledged = self.diary.acknowledged.lock().unwrap_or_else(PoisonError::into_inner).clone();
        Written { acknowledged, refused: self.diary.refused.load(Ordering::SeqCst) }
    }

    fn join(&mut self) {
        self.diary.stop.store(true, Ordering::SeqCst);
        if let Some(thread) = self.thread.take() {
            // A thread that panicked wrote nothing more down; the comparison goes by what it did.
            let _ = thread.join();
        }
    }
}

impl Drop for User {
    fn drop(&mut self) {
        self.join();
    }
}

fn write(diary: &Diary, port: u16, pause: Duration) {
    let mut number = 0u64;
    while !diary.stop.load(Ordering::SeqCst) {
        number = number.saturating_add(1);
        let good = if number <= ENTRIES_MAX {
            let body = format!("name=user&text={}", text_of(number));
            let acknowledged = http_within(PATIENCE, port, "POST", "/", &body).is_ok_and(|(status, _)| status == 303);
            if acknowledged {
                diary.acknowledged.lock().unwrap_or_else(PoisonError::into_inner).insert(number);
            }
            acknowledged
        } else {
            http_within(PATIENCE, port, "GET", "/healthz", "").is_ok_and(|(status, _)| status == 200)
        };
        let counter = if good { &diary.answers } else { &diary.refused };
        counter.fetch_add(1, Ordering::SeqCst);
        std::thread::sleep(pause);
    }
}
