//! What the rows of the commands say to every server alike: many servers in a row need it made only once.

use crate::engine::acl::{Catalog, Named};
use crate::engine::command::table::Table;
use crate::engine::config::{Config, LoadError};

/// The commands as they are declared, and what rules of users can say about them. To make it is most of what a server
/// costs to begin; to copy it costs nothing, and nothing that a server does changes it.
#[derive(Clone, Debug)]
pub struct Declared {
    commands: Table,
    catalog: Catalog,
}

impl Declared {
    /// Reads the rows.
    #[allow(clippy::new_without_default)]
    pub fn new() -> Self {
        let commands = Table::new();
        let catalog = Catalog::new(commands.iter().map(|(_, entry)| Named {
            name: entry.full_name.clone(),
            categories: entry.categories,
            children: entry.children.clone(),
            is_child: entry.parent.is_some(),
        }));
        Declared { commands, catalog }
    }

    /// The commands under the names that a configuration gives them.
    pub(super) fn commands(&self, config: &Config) -> Result<Table, String> {
        let mut commands = self.commands.clone();
        for directive in &config.directives.rename_command {
            let [from, to] = &directive.args[..] else { return Err("wrong number of arguments".into()) };
            commands.rename(from, to).map_err(|why| LoadError::of(directive, why).to_string())?;
        }
        Ok(commands)
    }

    /// What rules can say, which knows the commands under their own names only.
    pub(super) fn catalog(&self) -> Catalog {
        self.catalog.clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::loopback::Loopback;
    use crate::engine::server::Environment;

    #[test]
    fn servers_that_share_it_know_nothing_of_each_other() {
        let declared = Declared::new();
        let begin = |file: &[u8]| {
            let mut config = Config::default();
            config.load(file, None, &mut |_| Ok(Vec::new())).expect("it is sound");
            Loopback::sharing(&declared, config, Environment::bare(1)).expect("it is sound")
        };
        let (mut renamed, mut plain) = (begin(b"rename-command get fetch"), begin(b""));
        let (other, client) = (renamed.connect(), plain.connect());
        renamed.send(
            other,
            b"FETCH k\r\nGET k\r\nACL SETUSER u +get\r\nCONFIG SET acl-pubsub-default allchannels\r\n",
        );
        let heard = renamed.take_heard(other);
        assert!(heard.starts_with(b"$-1\r\n-ERR unknown command") && heard.ends_with(b"+OK\r\n+OK\r\n"));
        plain.send(client, b"FETCH k\r\nGET k\r\nACL USERS\r\nACL SETUSER u\r\nACL LIST\r\n");
        let heard = String::from_utf8(plain.take_heard(client)).expect("text");
        assert!(heard.starts_with("-ERR unknown command"), "{heard}");
        assert!(heard.contains("$-1\r\n*1\r\n$7\r\ndefault\r\n+OK\r\n"), "{heard}");
        assert!(heard.contains("user u off sanitize-payload resetchannels -@all"), "{heard}");
    }
}
