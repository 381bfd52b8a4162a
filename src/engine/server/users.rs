//! Users come, change and go: what that means for the clients that are logged in as them.

use super::Server;
use super::describe::Shown;
use crate::engine::acl::{Acl, Catalog, Context, Event, Reason, RuleError, User, UserId, has_spaces};
use crate::engine::acl::{merge_selectors, parse_file};
use crate::engine::config::{AclPubsubDefault, Config, LoadError};
use crate::engine::mark::sometimes;
use crate::engine::mutant;
use crate::engine::session::{ClientId, Closing, Session};
use crate::engine::time::Now;
use std::collections::BTreeSet;

/// The users that a configuration declares.
pub(super) fn configured(catalog: Catalog, config: &Config) -> Result<Acl, String> {
    let mut acl = Acl::new(catalog);
    acl.catalog.all_channels = config.acl_pubsub_default == AclPubsubDefault::Allchannels;
    acl.set_default_password(&config.requirepass);
    let mut names = BTreeSet::new();
    if !config.aclfile.is_empty() && !config.directives.user.is_empty() {
        return Err("Configuring Redis with users defined in redis.conf and at the same setting an ACL file path \
                    is invalid. This setup is very likely to lead to configuration errors and security holes, \
                    please define either an ACL file or declare users directly in your redis.conf, but not both."
            .into());
    }
    for directive in &config.directives.user {
        let fail = |rule: &[u8], why: String| {
            let rule = String::from_utf8_lossy(rule);
            LoadError::of(directive, format!("Error in user declaration '{rule}': {why}")).to_string()
        };
        let (name, rules) = directive.args.split_first().ok_or("wrong number of arguments")?;
        if has_spaces(name) {
            return Err(fail(name, "Usernames can't contain spaces or null characters".into()));
        }
        if !names.insert(name) {
            let why = "Duplicate user found. A user can only be defined once in config files";
            return Err(fail(name, why.into()));
        }
        let rules = merge_selectors(rules.iter().map(Vec::as_slice))
            .map_err(|at| fail(&rules[at], "Unmatched parenthesis in selector definition".into()))?;
        let mut user = User::new(name, &acl.catalog);
        for rule in &rules {
            user.apply(rule, &acl.catalog).map_err(|why| match why {
                // Redis finds out only later, when its modules are there.
                RuleError::Unknown => {
                    let [rule, name] = [&rule[..], name].map(String::from_utf8_lossy);
                    format!("Error loading ACL rule '{rule}' for the user named '{name}': {why}")
                }
                _ => fail(rule, why.to_string()),
            })?;
        }
        acl.set(user);
    }
    Ok(acl)
}

impl Server {
    /// Takes over `requirepass` and `acl-pubsub-default` after the parameters changed from what they were.
    pub(super) fn follow_acl_config(&mut self) {
        self.acl.catalog.all_channels = self.config.acl_pubsub_default == AclPubsubDefault::Allchannels;
        self.acl.set_default_password(&self.config.requirepass);
    }

    /// Whether a client must authenticate first. A server whose default user is open asks nobody.
    #[inline]
    pub fn needs_auth(&self, session: &Session) -> bool {
        !session.authenticated && !self.acl.default_user().is_open()
    }

    /// Makes a client what it is before it logs in.
    pub fn log_out(&self, session: &mut Session) {
        session.user = UserId::DEFAULT;
        session.authenticated = self.acl.default_user().is_open();
    }

    /// Adds or replaces a user. Its clients that listen to what it may not hear any more are closed.
    pub fn set_user(&mut self, caller: &mut Session, user: User) {
        let id = self.acl.set(user);
        self.close_those(Some(caller), |server, session| {
            session.user == id && server.hears_too_much(session)
        });
    }

    /// Removes a user with its clients, the caller after its reply. Whether there was one.
    pub fn delete_user(&mut self, caller: &mut Session, name: &[u8]) -> bool {
        let Some(id) = self.acl.remove(name) else { return false };
        if !mutant::is_on("deleted-user") {
            self.close_those(Some(caller), |_, session| session.user == id);
        }
        true
    }

    /// Replaces all users by those of a file. Fails with everything that is wrong with it, and then nothing changes.
    pub fn load_users(&mut self, text: &[u8], path: &str) -> Result<(), String> {
        let mut users = parse_file(text, path, &self.acl.catalog)?;
        if !users.iter().any(|user| user.name() == b"default") {
            users.push(User::unrestricted(b"default", &self.acl.catalog));
        }
        let stay: BTreeSet<Vec<u8>> = users.iter().map(|user| user.name().to_vec()).collect();
        let go: Vec<Vec<u8>> = self
            .acl
            .iter()
            .map(|(_, user)| user.name().to_vec())
            .filter(|name| !stay.contains(name))
            .collect();
        let gone: Vec<UserId> = go.iter().filter_map(|name| self.acl.remove(name)).collect();
        // Before their numbers name somebody else.
        self.close_those(None, |_, session| gone.contains(&session.user));
        for user in users {
            self.acl.set(user);
        }
        self.close_those(None, Server::hears_too_much);
        Ok(())
    }

    /// Whether a client listens to something that its user may not hear.
    fn hears_too_much(&self, session: &Session) -> bool {
        let Some(heard) = &session.subscriptions else { return false };
        let user = self.acl.user(session.user);
        !heard.channels.iter().chain(&heard.shards).all(|channel| user.may_hear(channel, false))
            || !heard.patterns.iter().all(|pattern| user.may_hear(pattern, true))
    }

    /// Closes clients whose rights are gone. One that still gets a reply, the caller or one that waits for the outside,
    /// gets it first.
    fn close_those(&mut self, caller: Option<&mut Session>, are_meant: impl Fn(&Server, &Session) -> bool) {
        let meant: Vec<ClientId> =
            self.clients.iter().filter(|session| are_meant(self, session)).map(Session::client).collect();
        for client in meant {
            let Some(mut session) = self.clients.take(client) else { continue };
            sometimes!("expelled");
            self.expel(&mut session);
            if session.blocked.as_ref().is_some_and(|blocked| blocked.on.is_outside()) {
                session.closing = Closing::AfterReply;
            } else {
                self.close(&mut session);
            }
            self.clients.put_back(session);
        }
        if let Some(caller) = caller.filter(|caller| are_meant(self, caller)) {
            self.expel(caller);
            caller.closing = Closing::AfterReply;
        }
    }

    /// A client that is to be closed has no rights of its own any more, whatever it still has to say.
    fn expel(&self, session: &mut Session) {
        session.user = UserId::DEFAULT;
        session.authenticated = false;
    }

    /// Counts and logs something that was refused: the object, and who was refused it.
    pub fn note_refusal(
        &mut self,
        shown: Shown,
        reason: Reason,
        context: Context,
        (object, user): (Vec<u8>, Vec<u8>),
        now: Now,
    ) {
        let counter = match reason {
            Reason::Command => &mut self.stats.acl_denied_cmd,
            Reason::Key => &mut self.stats.acl_denied_key,
            Reason::Auth => &mut self.stats.acl_denied_auth,
            Reason::Channel => &mut self.stats.acl_denied_channel,
            Reason::Certificate => &mut self.stats.acl_denied_tls_cert,
        };
        *counter += 1;
        sometimes!("denied");
        let client = self.describe(shown, now);
        let event = Event { reason, context, object, user };
        self.acl.log.add(event, client, now.unix_ms(), self.config.acllog_max_len);
    }
}

#[cfg(test)]
mod tests;
