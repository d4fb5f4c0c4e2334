//! A pool that can be written by hand: processes on `ipc-channel`, one channel each way for each of them.
//!
//! Tasks go round robin, as many ahead as fit into a socket, so that a burst is not one round trip after the other. Whoever waits takes
//! replies out himself: there is no thread between a worker and its caller. Bytes travel in the crate's shared memory.

use std::collections::HashMap;
use std::process::{Child, Command, ExitCode};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use ipc_channel::ipc::{self, IpcOneShotServer, IpcReceiver, IpcSender, IpcSharedMemory};
use peers::contestant::{Chunks, Items, Order};
use peers::work::{Work, square};
use peers::{Contestant, Outcome, Payload};
use serde::{Deserialize, Serialize};

/// The variable that makes this program a worker.
const SERVER: &str = "PEERS_IPC_SERVER";
/// How many tasks a worker has at most that have no reply yet.
const AHEAD: u64 = 64;

#[derive(Serialize, Deserialize)]
enum Request {
    Call(Work, u64),
    Square(u64),
    Squares(Vec<u64>),
    Echo(IpcSharedMemory),
}

#[derive(Serialize, Deserialize)]
enum Reply {
    Value(u64),
    Values(Vec<u64>),
    Bytes(IpcSharedMemory),
}

type Ends = (IpcSender<Request>, IpcReceiver<Reply>);

/// Works until the program that has started this one ends, if it was started to work.
pub(crate) fn work_if_asked() -> Option<ExitCode> {
    let server = std::env::var(SERVER).ok()?;
    Some(match work(server) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("a worker on ipc-channel: {error}");
            ExitCode::FAILURE
        }
    })
}

fn work(server: String) -> Outcome<()> {
    let (requests, inbox) = ipc::channel::<Request>()?;
    let (outbox, replies) = ipc::channel::<Reply>()?;
    IpcSender::<Ends>::connect(server)?.send((requests, replies))?;
    while let Ok(request) = inbox.recv() {
        outbox.send(match request {
            Request::Call(work, arg) => Reply::Value(work.call(arg)),
            Request::Square(item) => Reply::Value(square(item)),
            Request::Squares(items) => Reply::Values(items.into_iter().map(square).collect()),
            Request::Echo(bytes) => Reply::Bytes(IpcSharedMemory::from_bytes(&bytes)),
        })?;
    }
    Ok(())
}

/// One worker and its channels.
struct Lane {
    process: Child,
    ends: Mutex<Channels>,
}

struct Channels {
    requests: IpcSender<Request>,
    replies: IpcReceiver<Reply>,
    sent: u64,
    received: u64,
    /// Replies that came while somebody waited for another.
    early: HashMap<u64, u64>,
}

impl Channels {
    fn receive(&mut self) -> Outcome<(u64, u64)> {
        match self.replies.recv()? {
            Reply::Value(value) => {
                self.received += 1;
                Ok((self.received, value))
            }
            Reply::Values(_) | Reply::Bytes(_) => Err("a reply to another request".into()),
        }
    }

    fn submit(&mut self, request: Request) -> Outcome<u64> {
        if self.sent - self.received >= AHEAD {
            let (number, value) = self.receive()?;
            self.early.insert(number, value);
        }
        self.requests.send(request)?;
        self.sent += 1;
        Ok(self.sent)
    }

    fn wait(&mut self, number: u64) -> Outcome<u64> {
        if let Some(value) = self.early.remove(&number) {
            return Ok(value);
        }
        loop {
            let (received, value) = self.receive()?;
            if received == number {
                return Ok(value);
            }
            self.early.insert(received, value);
        }
    }

    /// For what is large, nothing goes ahead: both sides would wait for the other to read.
    fn exchange(&mut self, request: Request) -> Outcome<Reply> {
        if self.sent != self.received {
            return Err("a worker that is not idle".into());
        }
        self.requests.send(request)?;
        Ok(self.replies.recv()?)
    }

    /// The squares of chunk after chunk, with their places, until there is none left.
    fn squares<'c>(
        &mut self,
        chunks: &Mutex<impl Iterator<Item = (usize, &'c [u64])>>,
    ) -> Outcome<Vec<(usize, Vec<u64>)>> {
        let mut parts = Vec::new();
        loop {
            let next = chunks.lock().unwrap_or_else(PoisonError::into_inner).next();
            let Some((place, chunk)) = next else {
                return Ok(parts);
            };
            match self.exchange(Request::Squares(chunk.to_vec()))? {
                Reply::Values(values) => parts.push((place, values)),
                Reply::Value(_) | Reply::Bytes(_) => {
                    return Err("a reply to another request".into());
                }
            }
        }
    }
}

/// The pool.
pub(crate) struct IpcPool {
    lanes: Vec<Lane>,
    next: AtomicUsize,
}

/// Which worker, and which of its replies.
pub(crate) struct Handle {
    lane: usize,
    number: u64,
}

impl Lane {
    fn lock(&self) -> MutexGuard<'_, Channels> {
        self.ends.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl IpcPool {
    fn send(&self, request: Request) -> Outcome<Handle> {
        let lane = self.next.fetch_add(1, Ordering::Relaxed) % self.lanes.len();
        let number = self.lanes[lane].lock().submit(request)?;
        Ok(Handle { lane, number })
    }

    fn map_in_chunks(&self, items: &Items) -> Outcome<Vec<u64>> {
        let size = items.len().div_ceil(4 * self.lanes.len()).max(1);
        let chunks = Mutex::new(items.chunks(size).enumerate());
        let mut parts = std::thread::scope(|scope| {
            let threads: Vec<_> = self
                .lanes
                .iter()
                .map(|lane| scope.spawn(|| lane.lock().squares(&chunks)))
                .collect();
            let mut parts = Vec::new();
            for thread in threads {
                parts.extend(thread.join().map_err(|_| "a thread has panicked")??);
            }
            Outcome::Ok(parts)
        })?;
        parts.sort_by_key(|(place, _)| *place);
        let mut output = Vec::with_capacity(items.len());
        for (_, values) in parts {
            output.extend(values);
        }
        Ok(output)
    }

    fn echo_bytes(&self, bytes: &[u8]) -> Outcome<Vec<u8>> {
        let lane = self.next.fetch_add(1, Ordering::Relaxed) % self.lanes.len();
        let request = Request::Echo(IpcSharedMemory::from_bytes(bytes));
        match self.lanes[lane].lock().exchange(request)? {
            Reply::Bytes(bytes) => Ok(bytes.to_vec()),
            Reply::Value(_) | Reply::Values(_) => Err("a reply to another request".into()),
        }
    }
}

impl Contestant for IpcPool {
    const NAME: &'static str = "ipc-channel by hand";
    type Handle = Handle;

    fn start(workers: usize) -> Outcome<Self> {
        let mut started = Vec::new();
        for _ in 0..workers {
            let (server, name) = IpcOneShotServer::<Ends>::new()?;
            let mut command = Command::new(std::env::current_exe()?);
            started.push((command.env(SERVER, name).spawn()?, server));
        }
        let mut lanes = Vec::new();
        for (process, server) in started {
            let (_, (requests, replies)) = server.accept()?;
            let ends = Mutex::new(Channels {
                requests,
                replies,
                sent: 0,
                received: 0,
                early: HashMap::new(),
            });
            lanes.push(Lane { process, ends });
        }
        let next = AtomicUsize::new(0);
        Ok(IpcPool { lanes, next })
    }

    fn submit(&self, work: Work, arg: u64) -> Outcome<Handle> {
        self.send(Request::Call(work, arg))
    }

    fn wait(&self, handle: Handle) -> Outcome<u64> {
        self.lanes[handle.lane].lock().wait(handle.number)
    }

    fn map(&self, items: &Items, chunks: Chunks) -> Outcome<Option<Vec<u64>>> {
        if chunks == Chunks::Own {
            return self.map_in_chunks(items).map(Some);
        }
        let handles: Vec<Handle> = items
            .iter()
            .map(|item| self.send(Request::Square(*item)))
            .collect::<Outcome<_>>()?;
        let output = handles.into_iter().map(|handle| self.wait(handle));
        output.collect::<Outcome<_>>().map(Some)
    }

    /// Of two workers whose replies are taken in turn, the order of completion is that of the input.
    fn stream(&self, items: u64, _order: Order) -> Outcome<Option<u64>> {
        let handles: Vec<Handle> = (0..items)
            .map(|item| self.submit(Work::Noop, item))
            .collect::<Outcome<_>>()?;
        let mut sum = 0;
        for handle in handles {
            sum += self.wait(handle)?;
        }
        Ok(Some(sum))
    }

    fn echo(&self, payload: Payload) -> Outcome<Option<Payload>> {
        let echoed = match payload {
            Payload::Bytes(bytes) => Payload::Bytes(self.echo_bytes(&bytes)?),
            Payload::Text(text) => {
                Payload::Text(String::from_utf8(self.echo_bytes(text.as_bytes())?)?)
            }
        };
        Ok(Some(echoed))
    }

    fn stop(self) -> Outcome<()> {
        for lane in self.lanes {
            drop(lane.ends);
            let mut process = lane.process;
            process.wait()?;
        }
        Ok(())
    }
}
