//! What a process that is started from the program's file is to be, as its environment says.

use crate::sys::Capabilities;

/// The variable that says what a process is to be.
pub(crate) const ROLE: &str = "POOL_PROCESS_ROLE";

/// What a process was started to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Role {
    /// Runs the tasks of one pool.
    Worker,
    /// Forks workers.
    Server,
}

impl Role {
    /// The role's name in the environment.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Role::Worker => "worker",
            Role::Server => "server",
        }
    }

    /// What stands in the environment of a process that is to play it, and has to set these capabilities.
    pub(crate) fn order(self, capabilities: Option<Capabilities>) -> String {
        let name = self.name();
        match capabilities {
            None => name.to_owned(),
            Some(Capabilities {
                permitted,
                effective,
                inheritable,
                ambient,
            }) => format!("{name} {permitted:x} {effective:x} {inheritable:x} {ambient:x}"),
        }
    }
}
