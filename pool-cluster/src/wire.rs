//! What client and nodes tell each other, and on which subjects.
//!
//! All subjects begin with `pool.`, so an account needs the right to publish and subscribe to `pool.>` and to nothing else.

use std::time::Duration;

use pool_core::Cause;
use pool_process::remote::{Answer, Request};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use serde_bytes::ByteBuf;

/// Asks nodes of every build who they are; they reply where the message says.
pub(crate) const WHO: &str = "pool.who";

/// Where clients of a build call for nodes.
pub(crate) fn clients(build: &str) -> String {
    format!("pool.{build}.clients")
}

/// Where nodes of a build say that they have come.
pub(crate) fn nodes(build: &str) -> String {
    format!("pool.{build}.nodes")
}

/// The inbox of a client or a node.
pub(crate) fn inbox(build: &str, id: u64) -> String {
    format!("pool.{build}.{id:016x}")
}

/// Where a client hears of nodes of every build.
pub(crate) fn seen(client: u64) -> String {
    format!("pool.seen.{client:016x}")
}

/// From a client to nodes.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum ToNode {
    /// A client is here, and takes nodes. Its nodes stop its work when they have not heard of it for so long.
    Hello { client: u64, contact: Duration },
    /// A part of the conversation with one node.
    Packet { client: u64, packet: Packet },
    /// All work of the client is to stop, and the client to be forgotten.
    End { client: u64, session: u64 },
}

/// From a node to a client.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum ToClient {
    /// A node is here.
    Here(NodeInfo),
    /// A part of the conversation.
    Packet { node: u64, packet: Packet },
    /// Nothing of the client runs on the node any more.
    Ended { node: u64, session: u64 },
}

/// A node, as it says itself.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct NodeInfo {
    pub(crate) id: u64,
    /// The conversation with this client. Another one has nothing of those before.
    pub(crate) session: u64,
    pub(crate) build: String,
    /// The name of its machine.
    pub(crate) host: String,
    pub(crate) pid: u32,
    pub(crate) workers: u32,
    /// It takes no more work, and leaves.
    pub(crate) is_draining: bool,
}

impl NodeInfo {
    /// A node's name for people.
    pub(crate) fn name(&self) -> String {
        format!("{} (pid {})", self.host, self.pid)
    }
}

/// Some items of a conversation, in order, and what was received of the other direction.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Packet {
    pub(crate) session: u64,
    /// All items before this one have arrived.
    pub(crate) received: u64,
    /// The number of the first item.
    pub(crate) first: u64,
    pub(crate) items: Vec<ByteBuf>,
}

/// An item from a client to a node.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum Order {
    /// Run this. Its number is that of the item.
    Run {
        request: Request,
        /// Tell when it starts.
        is_timed: bool,
    },
    /// Keep this context: tasks behind it will use it.
    Context {
        number: u64,
        #[serde(with = "serde_bytes")]
        bytes: Vec<u8>,
    },
    /// Drop a context.
    Forget { number: u64 },
    /// Stop this task.
    Stop { task: u64 },
}

/// An item from a node to a client, about the task of this number.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Event {
    pub(crate) task: u64,
    pub(crate) what: What,
}

/// What has become of a task.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum What {
    /// It was given to a worker that is free.
    Started,
    /// It has run.
    Ran(Answer),
    /// Its worker has ended.
    Lost(Loss),
    /// It was stopped, as it was asked for.
    Stopped,
    /// It has not started, and will not: the node leaves.
    Returned,
    /// The node cannot run it.
    Refused(String),
}

/// How a worker of a node has ended.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Loss {
    pub(crate) pid: u32,
    pub(crate) cause: LossCause,
    pub(crate) begun: bool,
    pub(crate) hint: Option<String>,
    pub(crate) stderr: Option<String>,
}

/// A cause, as it travels.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum LossCause {
    Signal {
        signal: i32,
        name: String,
        core_dumped: bool,
    },
    Exit(i32),
    Start(String),
    Protocol(String),
    Other(String),
}

impl From<Cause> for LossCause {
    fn from(cause: Cause) -> Self {
        match cause {
            Cause::Signal {
                signal,
                name,
                core_dumped,
            } => LossCause::Signal {
                signal,
                name,
                core_dumped,
            },
            Cause::Exit(code) => LossCause::Exit(code),
            Cause::Start(why) => LossCause::Start(why),
            Cause::Protocol(what) => LossCause::Protocol(what),
            other => LossCause::Other(other.to_string()),
        }
    }
}

impl From<LossCause> for Cause {
    fn from(cause: LossCause) -> Self {
        match cause {
            LossCause::Signal {
                signal,
                name,
                core_dumped,
            } => Cause::Signal {
                signal,
                name,
                core_dumped,
            },
            LossCause::Exit(code) => Cause::Exit(code),
            LossCause::Start(why) => Cause::Start(why),
            LossCause::Protocol(what) => Cause::Protocol(what),
            LossCause::Other(why) => Cause::Unknown(why),
        }
    }
}

/// After so long what was not confirmed is sent again.
pub(crate) const RESEND: Duration = Duration::from_secs(1);

/// How often each side hears of the other one, where a node stops its work after so long without a word.
pub(crate) fn beat(contact: Duration) -> Duration {
    contact / 4
}

/// A message as bytes. What has no encoding does not occur: all is plain data.
pub(crate) fn encode<T: Serialize>(message: &T) -> Vec<u8> {
    rmp_serde::to_vec(message).unwrap_or_default()
}

/// A message out of bytes; `None` where they are none, whoever has sent them.
pub(crate) fn decode<T: DeserializeOwned>(bytes: &[u8]) -> Option<T> {
    rmp_serde::from_slice(bytes).ok()
}

/// A number that nobody else has: of a client, a node, a session.
pub(crate) fn unique() -> u64 {
    use std::hash::{BuildHasher, Hasher, RandomState};
    // Its keys come from the system's source of random numbers, once per thread, and differ by one after that; the hash spreads them.
    let mut hasher = RandomState::new().build_hasher();
    hasher.write_u32(std::process::id());
    hasher.finish()
}
