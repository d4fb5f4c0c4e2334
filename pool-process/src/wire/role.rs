//! The role of a process that is started from the program's file, and how its environment names it.

use crate::sys::Capabilities;

/// The environment variable that names the role.
pub(crate) const ROLE: &str = "POOL_PROCESS_ROLE";

/// What a process was started for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Role {
    /// Runs the tasks of one pool.
    Worker,
    /// Forks workers.
    Server,
}

impl Role {
    /// The name of the role.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Role::Worker => "worker",
            Role::Server => "server",
        }
    }

    /// The value of the variable, for a process that has to set these capabilities.
    pub(crate) fn to_variable(self, capabilities: Option<Capabilities>) -> String {
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
