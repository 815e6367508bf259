//! Ends with the process that started us, where that was asked for: `NUPEER_LIFELINE=stdin` makes the end of standard
//! input a SIGTERM. A test network so leaves nothing behind however it ends; a service manager, whose standard input is
//! empty from the start, sets nothing.

use std::io::Read as _;

use tokio::sync::oneshot;

/// Resolves when standard input ends, if that is to be watched; else never.
pub async fn cut() {
    if std::env::var_os("NUPEER_LIFELINE").is_none_or(|value| value != "stdin") {
        return std::future::pending().await;
    }
    let (tell, told) = oneshot::channel();
    // A thread of its own: the runtime would wait for its blocking threads at the end, and this one may never return.
    let watched = std::thread::Builder::new().name("lifeline".to_owned()).spawn(move || {
        let mut waste = [0; 64];
        while std::io::stdin().read(&mut waste).is_ok_and(|bytes| bytes > 0) {}
        let _ = tell.send(());
    });
    match watched {
        Ok(_) => drop(told.await),
        Err(error) => {
            tracing::warn!(%error, "lifeline not watched");
            std::future::pending().await
        }
    }
}
