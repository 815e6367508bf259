//! The thread that owns the engine. Everything that moves it goes through one bounded queue, in order.

use crate::engine::{Engine, Message, Outbound};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use tokio::sync::{mpsc, oneshot};

/// Messages that wait for the engine. A sender that finds it full waits, and so slows its own source.
const QUEUE_MAX: usize = 1_024;

type Look = Box<dyn FnOnce(&Engine) + Send>;

type Then = Box<dyn FnOnce(Vec<Outbound>) + Send>;

#[allow(clippy::large_enum_variant, reason = "commands are moved once; boxing each message costs more")]
enum Command {
    Handle(Box<Message>, Option<Then>),
    Look(Look),
}

/// To the engine. Clones share the queue; the thread ends with the last of them.
#[derive(Clone)]
pub struct Core(SyncSender<Command>);

impl std::fmt::Debug for Core {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Core")
    }
}

impl Core {
    /// Starts the thread; what the engine wants goes to `out`.
    pub fn start(
        mut engine: Engine,
        out: mpsc::UnboundedSender<Outbound>,
    ) -> std::io::Result<(Self, std::thread::JoinHandle<()>)> {
        let (sender, receiver): (_, Receiver<Command>) = sync_channel(QUEUE_MAX);
        let thread = std::thread::Builder::new().name("engine".into()).spawn(move || {
            while let Ok(command) = receiver.recv() {
                match command {
                    Command::Handle(message, None) => {
                        for effect in engine.handle(*message) {
                            if out.send(effect).is_err() {
                                return;
                            }
                        }
                    }
                    Command::Handle(message, Some(then)) => then(engine.handle(*message)),
                    Command::Look(look) => look(&engine),
                }
            }
        })?;
        Ok((Self(sender), thread))
    }

    /// Sends a message from a thread that may wait.
    pub fn send(&self, message: Message) {
        let _ = self.0.send(Command::Handle(Box::new(message), None));
    }

    /// Sends a message from an async task.
    pub async fn send_async(&self, message: Message) {
        let sender = self.0.clone();
        let _ =
            tokio::task::spawn_blocking(move || sender.send(Command::Handle(Box::new(message), None)).is_ok()).await;
    }

    /// Sends a message from a thread that may wait. What the engine wants because of it goes to `then`, which runs on the
    /// engine's thread and must not wait.
    pub fn send_then(&self, message: Message, then: impl FnOnce(Vec<Outbound>) + Send + 'static) {
        let _ = self.0.send(Command::Handle(Box::new(message), Some(Box::new(then))));
    }

    /// Looks at the engine between two messages.
    pub async fn look<T: Send + 'static>(&self, look: impl FnOnce(&Engine) -> T + Send + 'static) -> Option<T> {
        let (reply, answer) = oneshot::channel();
        let sender = self.0.clone();
        let look: Look = Box::new(move |engine| drop(reply.send(look(engine))));
        let _ = tokio::task::spawn_blocking(move || sender.send(Command::Look(look)).is_ok()).await;
        answer.await.ok()
    }
}
