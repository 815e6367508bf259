//! One file per command; each asks, maybe signs, and gives a [`Report`].

mod account;
mod dao;
mod deploy;
mod keys;
mod lease;
mod look;
mod market;
mod pool;
mod proof;
mod provider;
mod stake;
mod tx;
mod watch;

use crate::args::{Cli, Command, Node};
use crate::context::Context;
use crate::failure::Failure;
use crate::report::Report;
use clap::CommandFactory;

/// Runs one command.
pub async fn run(cli: Cli) -> Result<Report, Failure> {
    let context = Context::new(cli.globals)?;
    match cli.command {
        Command::Keys(command) => keys::run(&context, command).await,
        Command::Account { id } => account::show(&context, id.as_deref()).await,
        Command::Send { to, amount, asset } => account::send(&context, &to, &amount, &asset).await,
        Command::Provider(command) => provider::run(&context, command).await,
        Command::Pool(command) => pool::run(&context, command).await,
        Command::Market(command) => market::run(&context, command).await,
        Command::Deploy(command) => deploy::run(&context, command).await,
        Command::Lease(command) => lease::run(&context, command).await,
        Command::Tx(command) => tx::run(&context, command).await,
        Command::Block { at } => look::block(&context, &at).await,
        Command::Stake(command) => stake::run(&context, command).await,
        Command::Dao(command) => dao::run(&context, command).await,
        Command::Prove(command) => proof::prove(&context, command).await,
        Command::Verify(command) => proof::verify(&command),
        Command::Node(Node::Checkpoint) => proof::checkpoint(&context).await,
        Command::Node(Node::Status) => look::status(&context).await,
        Command::Node(Node::Pools) => look::pools(&context).await,
        Command::Node(Node::Parameters) => look::parameters(&context).await,
        Command::Completions { shell } => Ok(completions(shell)),
    }
}

fn completions(shell: clap_complete::Shell) -> Report {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "nupeer", &mut script);
    let text = String::from_utf8_lossy(&script).into_owned();
    Report::new(text.clone().into(), text)
}
