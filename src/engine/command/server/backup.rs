//! Backups: BACKUP and its subcommands.

use super::SERVER;
use crate::engine::command::{Call, Command, Error, Result};
use crate::engine::effect::{BackupStep, Effect};
use crate::engine::server::persistence::BackupState;
use crate::engine::session::Waiting;
use crate::engine::spec::{Arity::AtLeast, Arity::Exactly, Flags};

const BACKUP: Command = Command { parent: Some("BACKUP"), arity: Exactly(2), since: "8.10.0", ..SERVER };
const CHANGE: Command = Command { flags: Flags::ADMIN.or(Flags::NOSCRIPT), ..BACKUP };
const VIEW: Command = Command { flags: Flags::ADMIN.or(Flags::STALE), ..BACKUP };

pub(super) const COMMANDS: &[Command] = &[
    Command {
        name: "BACKUP",
        parent: None,
        arity: AtLeast(2),
        complexity: "That of the subcommand.",
        summary: "Backups of the data.",
        run: container,
        ..BACKUP
    },
    Command {
        name: "START",
        summary: "Begins a backup in the directory backupdirname.",
        run: start,
        ..CHANGE
    },
    Command { name: "SEAL", summary: "Completes the backup as of now.", run: seal, ..CHANGE },
    Command { name: "ABORT", summary: "Gives up a backup that is not sealed.", run: abort, ..CHANGE },
    Command { name: "CLEANUP", summary: "Deletes the files of a sealed backup.", run: cleanup, ..CHANGE },
    Command { name: "STATUS", summary: "Returns how far the backup is.", run: status, ..VIEW },
    Command { name: "LIST", summary: "Lists the files of the backup that are complete.", run: list, ..VIEW },
    Command {
        name: "HELP",
        flags: Flags::LOADING.or(Flags::STALE),
        summary: "Returns help on the subcommands.",
        run: help,
        ..BACKUP
    },
];

fn container(call: &mut Call) -> Result {
    Err(call.arity_error())
}

/// Files are looked at and changed by somebody else, for whom a transaction cannot wait.
fn wait(call: &mut Call) -> Result {
    if !call.may_block() {
        return Err(Error::new("ERR BACKUP cannot wait for its files inside a transaction"));
    }
    call.block(Waiting::Outside, None);
    Ok(())
}

fn start(call: &mut Call) -> Result {
    call.server.may_start_backup().map_err(|why| Error::text(format!("ERR {why}")))?;
    wait(call)?;
    call.server.ask(Effect::Backup(BackupStep::Prepare(call.session.client())));
    Ok(())
}

fn seal(call: &mut Call) -> Result {
    if call.server.persistence.backup.state != BackupState::Incrementing {
        return Err(Error::new("ERR No backup ready to seal (must be in the incrementing state)"));
    }
    wait(call)?;
    call.server.seal_backup(call.session.client());
    Ok(())
}

fn abort(call: &mut Call) -> Result {
    if !call.server.persistence.backup.is_running() {
        return Err(Error::new("ERR No backup in progress"));
    }
    call.server.fail_backup("aborted by user".to_owned());
    call.reply.ok();
    Ok(())
}

fn cleanup(call: &mut Call) -> Result {
    if call.server.persistence.backup.is_running() {
        return Err(Error::new("ERR Backup is in progress"));
    }
    wait(call)?;
    call.server.clear_backup(Some(call.session.client()));
    Ok(())
}

fn status(call: &mut Call) -> Result {
    call.server.describe_backup(call.reply);
    Ok(())
}

fn list(call: &mut Call) -> Result {
    let (name, backup) = (&call.server.config.backupdirname, &call.server.persistence.backup);
    call.reply.array(backup.files.len());
    for file in &backup.files {
        call.reply.bulk(&[&backup.dir[..], b"/", name, b"/", file].concat());
    }
    Ok(())
}

fn help(call: &mut Call) -> Result {
    call.help(&[
        "START",
        "    Start a new backup into the configured 'backupdirname'.",
        "SEAL",
        "    Freeze the current backup (BASE + INCR + manifest).",
        "ABORT",
        "    Cancel a backup that has not been sealed yet.",
        "CLEANUP",
        "    Remove a sealed backup's files and return to idle.",
        "STATUS",
        "    Report the current backup state.",
        "LIST",
        "    List the immutable files pinned so far.",
    ])
}
