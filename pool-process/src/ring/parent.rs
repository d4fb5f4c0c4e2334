//! The parent's side of a ring. Positions are its own; whatever it reads is compared with them.

use std::io;
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{Ordering, fence};

use crate::arena::{Arena, Span};
use crate::sys::listed::NoFork;
use crate::sys::memory_file::MemoryFile;
use crate::wire::{Kind, Payload};

use super::layout::{BYTES, Layout, Meta, Turn};
use super::memory::Shared;

pub(crate) use super::layout::{CAPACITY, SLOTS};

/// A ring, as the parent has it.
#[derive(Debug)]
pub(crate) struct ParentRing {
    shared: Shared<Layout>,
    /// The position of the first task whose answer was not read.
    front: u64,
    /// The position at which the next task is put.
    end: u64,
    /// Where what is too long for a slot lies.
    arena: Option<Arc<Arena>>,
}

/// The answer of a worker.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Answer {
    pub(crate) kind: Kind,
    /// How long the task ran, as the worker says: to be used for nothing but the worker's own share of the work.
    pub(crate) nanos: u32,
    /// Where its bytes lie in the buffer that was given.
    pub(crate) bytes: Range<usize>,
    /// Where those behind them lie.
    pub(crate) tail: Option<(Arc<Arena>, Span)>,
}

impl Answer {
    /// The answer, the first bytes of which are in this buffer.
    pub(crate) fn payload<'a>(&'a self, bytes: &'a [u8]) -> Payload<'a> {
        Payload {
            head: &bytes[self.bytes.clone()],
            tail: self.tail.as_ref().map(|(arena, span)| (&**arena, *span)),
        }
    }
}

/// What a ring says that no worker of ours says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Breach {
    #[error("a slot of its ring says {word:#x} at position {position}")]
    State {
        /// What it says.
        word: u64,
        /// The position that it is used for.
        position: u64,
    },
    #[error("its ring answers request {said} where {asked} was asked")]
    Request {
        /// What it answers.
        said: u64,
        /// What was to be answered.
        asked: u64,
    },
    #[error("its ring holds an answer of unknown kind {0}")]
    Kind(u8),
    #[error("its ring holds an answer of {0} bytes, more than a slot has")]
    Length(u16),
    #[error(
        "its ring holds an answer of {length} bytes at {at} of its arena, where there are none"
    )]
    Tail {
        /// Where they are said to be.
        at: u64,
        /// How many.
        length: u64,
    },
}

impl ParentRing {
    /// A ring, with so many bytes of an arena, and the file that its worker gets. Where the system refuses the arena, there is none.
    pub(crate) fn create(room: u64, alone: &NoFork) -> io::Result<(ParentRing, Arc<MemoryFile>)> {
        let make = |room| MemoryFile::make(c"pool-ring", BYTES.saturating_add(room), BYTES, alone);
        let file = Arc::new(make(room).or_else(|_| make(0))?);
        let shared = Shared::<Layout>::map(&file)?;
        shared.stamp();
        let ring = ParentRing {
            shared,
            front: FIRST,
            end: FIRST,
            arena: Arena::behind(BYTES, &file).map(Arc::new),
        };
        ring.tell_read();
        Ok((ring, file))
    }

    /// Its arena.
    pub(crate) fn arena(&self) -> Option<&Arc<Arena>> {
        self.arena.as_ref()
    }

    /// The worker has no arena.
    pub(crate) fn forget_arena(&mut self) {
        self.arena = None;
    }

    /// How many tasks are in the ring.
    pub(crate) fn len(&self) -> usize {
        (self.end - self.front) as usize
    }

    /// Puts a task into the ring, which must have room. The rest of its payload lies in the arena. The worker wakes the pool when it starts
    /// the task, where it `tells_start`.
    pub(crate) fn put(
        &mut self,
        request: u64,
        frames: u64,
        payload: &[u8],
        tail: Option<Span>,
        tells_start: bool,
    ) {
        debug_assert!(self.len() < SLOTS && payload.len() <= CAPACITY);
        let slot = self.shared.slot(self.end);
        let meta = Meta {
            kind: Kind::Task as u8,
            length: payload.len().min(CAPACITY) as u16,
            nanos: u32::from(tells_start),
        };
        slot.request.store(request, Ordering::Relaxed);
        slot.frames.store(frames, Ordering::Relaxed);
        slot.meta.store(meta.to_word(), Ordering::Relaxed);
        slot.set_tail(tail);
        slot.payload.write(payload);
        slot.state
            .store(Turn::Ready.at(self.end), Ordering::Release);
        self.end += 1;
    }

    /// Reads the answer to the first task, whose request this is; its bytes are appended. `None` while there is none.
    pub(crate) fn read(
        &mut self,
        request: u64,
        out: &mut Vec<u8>,
    ) -> Result<Option<Answer>, Breach> {
        let position = self.front;
        if position == self.end {
            return Ok(None);
        }
        let slot = self.shared.slot(position);
        let word = slot.state.load(Ordering::Acquire);
        if word == Turn::Ready.at(position) || word == Turn::Taken.at(position) {
            return Ok(None);
        }
        if word != Turn::Done.at(position) {
            return Err(Breach::State { word, position });
        }
        let said = slot.request.load(Ordering::Relaxed);
        if said != request {
            return Err(Breach::Request {
                said,
                asked: request,
            });
        }
        let meta = Meta::from_word(slot.meta.load(Ordering::Relaxed));
        let kind = match Kind::of(meta.kind) {
            Some(kind) if kind.is_answer() => kind,
            _ => return Err(Breach::Kind(meta.kind)),
        };
        let length = usize::from(meta.length);
        if length > CAPACITY {
            return Err(Breach::Length(meta.length));
        }
        let tail = match (slot.tail(), &self.arena) {
            (None, _) => None,
            (Some(span), Some(arena)) if arena.has(span) => Some((arena.clone(), span)),
            (Some(Span { at, length }), _) => return Err(Breach::Tail { at, length }),
        };
        let start = out.len();
        slot.payload.read(length, out);
        self.front += 1;
        Ok(Some(Answer {
            kind,
            nanos: meta.nanos,
            bytes: start..out.len(),
            tail,
        }))
    }

    /// Whether the first task has started, and was not answered: a hint, by which its clock runs.
    pub(crate) fn has_started(&self) -> bool {
        let word = &self.shared.slot(self.front).state;
        self.len() > 0 && word.load(Ordering::Acquire) == Turn::Taken.at(self.front)
    }

    /// The answer to the first task has come by another way.
    pub(crate) fn pass(&mut self) {
        debug_assert!(self.len() > 0);
        self.front += 1;
    }

    /// Says which answers were read.
    pub(crate) fn tell_read(&self) {
        self.shared.told.0.read.store(self.front, Ordering::Release);
    }

    /// Takes tasks back that have not started, the last one first, and leaves at least so many in the ring; how many it took.
    pub(crate) fn take_back(&mut self, keep: usize) -> usize {
        let mut count = 0;
        while self.len() > keep {
            let position = self.end - 1;
            let word = &self.shared.slot(position).state;
            let (ready, free) = (Turn::Ready.at(position), Turn::Free.at(position));
            if word
                .compare_exchange(ready, free, Ordering::AcqRel, Ordering::Acquire)
                .is_err()
            {
                break;
            }
            self.end = position;
            count += 1;
        }
        count
    }

    /// Whether the worker is to be woken, since it sleeps. What was put before is there for it when it has been woken; one that does
    /// not sleep sees it before it does.
    pub(crate) fn must_wake(&self) -> bool {
        fence(Ordering::SeqCst);
        let word = &self.shared.worker_sleeps.0;
        word.load(Ordering::Relaxed) != 0 && word.swap(0, Ordering::AcqRel) != 0
    }

    /// Whether the worker says that it sleeps: a hint.
    pub(crate) fn is_asleep(&self) -> bool {
        self.shared.worker_sleeps.0.load(Ordering::Relaxed) != 0
    }

    /// Says that the dispatcher sleeps, or that it does not; whether it was said before.
    pub(crate) fn tell_sleeping(&self, sleeps: bool) -> bool {
        let word = &self.shared.parent_sleeps.0;
        word.swap(u32::from(sleeps), Ordering::AcqRel) != 0
    }

    /// Says whether the worker may look for a while before it sleeps.
    pub(crate) fn tell_hot(&self, hot: bool) {
        let word = &self.shared.told.0.hot;
        word.store(u32::from(hot), Ordering::Relaxed);
    }
}

/// The position of the first task. It is not 0, so that no slot says anything of it before it is used.
pub(super) const FIRST: u64 = SLOTS as u64;

#[cfg(test)]
mod tests {
    use std::os::fd::{AsFd, OwnedFd};
    use std::sync::atomic::Ordering;

    use proptest::prelude::*;
    use proptest::test_runner::{Config, TestRunner};

    use super::super::layout::Turn;
    use super::super::worker::WorkerRing;
    use super::{Answer, CAPACITY, FIRST, ParentRing, SLOTS};
    use crate::arena::Span;
    use crate::sys::listed;
    use crate::wire::Kind;

    fn ring(room: u64) -> (ParentRing, OwnedFd) {
        let made = ParentRing::create(room, &listed::hold_off_forks());
        let (parent, file) = made.expect("memory");
        (parent, file.as_fd().try_clone_to_owned().expect("a copy"))
    }

    fn pair() -> (ParentRing, WorkerRing) {
        let (parent, fd) = ring(0);
        (parent, WorkerRing::open(fd).expect("a ring"))
    }

    fn answer(worker: &mut WorkerRing) -> (u64, Vec<u8>) {
        let head = worker.take().expect("a task");
        let mut argument = Vec::new();
        worker.read(&mut argument);
        let reply: Vec<u8> = argument.iter().rev().copied().collect();
        worker.answer(Kind::Done, 7, &reply, None);
        (head.request, argument)
    }

    #[test]
    fn tasks_and_answers_go_around_many_times() {
        let (mut parent, mut worker) = pair();
        let (mut put, mut read) = (0_u64, 0_u64);
        let payload = |number: u64| vec![number as u8; number as usize % (CAPACITY + 1)];
        while read < 5 * SLOTS as u64 {
            while parent.len() < SLOTS && put - read < 1 + read % 7 {
                parent.put(put, 0, &payload(put), None, false);
                put += 1;
            }
            assert_eq!(parent.read(read, &mut Vec::new()), Ok(None));
            assert_eq!(answer(&mut worker), (read, payload(read)));
            let mut bytes = Vec::new();
            let told = parent.read(read, &mut bytes).expect("no breach");
            assert_eq!(told.expect("an answer").bytes, 0..payload(read).len());
            assert_eq!(bytes, payload(read));
            read += 1;
        }
    }

    #[test]
    fn what_was_taken_is_not_taken_back_and_what_was_taken_back_is_not_taken() {
        let (mut parent, mut worker) = pair();
        (0..3).for_each(|request| parent.put(request, 0, &[], None, false));
        assert_eq!(worker.take().map(|head| head.request), Some(0));
        assert_eq!(parent.take_back(0), 2);
        assert_eq!((parent.len(), parent.take_back(0)), (1, 0));
        worker.answer(Kind::Done, 0, &[], None);
        assert_eq!(worker.next(), None);
        // The same position is used again.
        parent.put(9, 0, &[1], None, false);
        assert_eq!(worker.take().map(|head| head.request), Some(9));
        assert!(
            parent
                .read(0, &mut Vec::new())
                .expect("no breach")
                .is_some()
        );
    }

    #[test]
    fn who_says_that_it_sleeps_is_woken_once_and_does_not_sleep_beside_work() {
        let (mut parent, worker) = pair();
        assert!(!parent.must_wake());
        assert!(worker.fall_asleep());
        parent.put(0, 0, &[], None, false);
        assert!(parent.must_wake() && !parent.must_wake());
        assert!(!worker.fall_asleep(), "there is a task");
        assert!(!parent.must_wake());
        parent.tell_sleeping(true);
        assert!(worker.must_wake() && !worker.must_wake());
    }

    #[test]
    fn memory_that_can_be_cut_off_and_what_is_no_ring_are_refused() {
        use nix::sys::memfd::{MFdFlags, memfd_create};
        let made = memfd_create(c"test", MFdFlags::MFD_CLOEXEC | MFdFlags::MFD_ALLOW_SEALING);
        let unsealed = made.expect("memory");
        nix::unistd::ftruncate(&unsealed, 1 << 20).expect("a size");
        assert!(WorkerRing::open(unsealed).is_err());
        let (parent, fd) = ring(0);
        assert!(
            nix::unistd::ftruncate(&fd, 0).is_err(),
            "the size is sealed"
        );
        parent.shared.forget_stamp();
        assert!(WorkerRing::open(fd).is_err(), "of another version");
    }

    /// What happens to a ring whose worker is hostile.
    #[derive(Debug, Clone)]
    enum Step {
        Put(usize),
        Read,
        Pass,
        TakeBack(usize),
        Wake,
        /// The worker writes this number somewhere.
        Write(usize, Word),
    }

    /// A number that a hostile worker writes: any, or one that is nearly right.
    #[derive(Debug, Clone)]
    enum Word {
        Any(u64),
        /// A slot's word, for a position near the first one.
        State(u64, i64),
        Meta(u8, u16),
        /// Where the rest of an answer lies.
        Tail(u64, u64),
    }

    fn steps() -> impl Strategy<Value = Vec<Step>> {
        let word = prop_oneof![
            any::<u64>().prop_map(Word::Any),
            (0..4_u64, -3..70_i64).prop_map(|(turn, near)| Word::State(turn, near)),
            (any::<u8>(), any::<u16>()).prop_map(|(kind, length)| Word::Meta(kind, length)),
            (16..24_u8, 0..600_u16).prop_map(|(kind, length)| Word::Meta(kind, length)),
            (any::<u64>(), any::<u64>()).prop_map(|(at, length)| Word::Tail(at, length)),
            (0..2_u64 << 20, 0..2_u64 << 20).prop_map(|(at, length)| Word::Tail(at, length)),
        ];
        let step = prop_oneof![
            3 => (0..=CAPACITY).prop_map(Step::Put),
            4 => Just(Step::Read),
            1 => Just(Step::Pass),
            1 => (0..4_usize).prop_map(Step::TakeBack),
            1 => Just(Step::Wake),
            6 => (any::<usize>(), word).prop_map(|(place, word)| Step::Write(place, word)),
        ];
        proptest::collection::vec(step, 1..60)
    }

    /// Whatever a worker writes, positions stay the parent's, bytes within a slot, and answers those that were asked for. The variable
    /// `POOL_HOSTILE_CASES` says how many such workers are tried.
    #[test]
    fn whatever_a_worker_writes_the_parent_keeps_its_books() {
        let cases = std::env::var("POOL_HOSTILE_CASES").ok();
        let cases = cases.and_then(|cases| cases.parse().ok()).unwrap_or(500);
        let mut runner = TestRunner::new(Config {
            cases,
            failure_persistence: None,
            ..Config::default()
        });
        let (parent, _fd) = ring(1 << 20);
        let parent = std::cell::RefCell::new(parent);
        let outcome = runner.run(&steps(), |steps| {
            let parent = &mut *parent.borrow_mut();
            parent.take_back(0);
            parent.end = parent.front;
            hostile(parent, steps)
        });
        outcome.expect("the books are kept");
    }

    fn hostile(parent: &mut ParentRing, steps: Vec<Step>) -> Result<(), TestCaseError> {
        // The requests that are in the ring.
        let mut asked = std::collections::VecDeque::new();
        let mut request = 0_u64;
        for step in steps {
            match step {
                Step::Put(length) if parent.len() < SLOTS => {
                    request += 1;
                    parent.put(request, 0, &vec![1; length], None, false);
                    asked.push_back(request);
                }
                Step::Put(_) => {}
                Step::Read => {
                    let first = asked.front().copied().unwrap_or(u64::MAX);
                    let mut bytes = vec![9];
                    match parent.read(first, &mut bytes) {
                        Ok(None) => prop_assert_eq!(bytes, [9]),
                        Ok(Some(Answer {
                            kind,
                            bytes: range,
                            tail,
                            ..
                        })) => {
                            if let Some((arena, span)) = tail {
                                let mut rest = Vec::<u8>::new();
                                prop_assert!(arena.read(span, &mut rest).is_ok());
                                prop_assert!(rest.len() <= 1 << 20);
                            }
                            prop_assert_eq!(asked.pop_front(), Some(first));
                            prop_assert!(kind.is_answer());
                            prop_assert_eq!(range.clone(), 1..bytes.len());
                            prop_assert!(range.len() <= CAPACITY);
                        }
                        // From here on the pool reads nothing, and kills the worker.
                        Err(_) => {
                            let back = parent.take_back(0);
                            prop_assert!(back <= asked.len());
                            return Ok(());
                        }
                    }
                }
                Step::Pass if parent.len() > 0 => {
                    parent.pass();
                    asked.pop_front();
                }
                Step::Pass => {}
                Step::TakeBack(keep) => {
                    let back = parent.take_back(keep);
                    prop_assert!(back <= asked.len().saturating_sub(keep));
                    asked.truncate(asked.len() - back);
                }
                Step::Wake => {
                    let _ = parent.must_wake();
                    parent.tell_sleeping(true);
                    parent.tell_read();
                    let _ = parent.is_asleep();
                }
                Step::Write(place, word) => write(parent, place, &word),
            }
            prop_assert_eq!(parent.len(), asked.len());
            prop_assert!(parent.len() <= SLOTS && parent.front >= FIRST);
        }
        Ok(())
    }

    fn write(parent: &ParentRing, place: usize, word: &Word) {
        let front = parent.front;
        let near = |near: i64| front.wrapping_add_signed(near);
        let (slot, number) = match word {
            Word::Any(number) => (near((place % SLOTS) as i64), *number),
            Word::State(turn, by) => {
                let turns = [Turn::Free, Turn::Ready, Turn::Taken, Turn::Done];
                let position = near(*by);
                (position, turns[*turn as usize].at(position))
            }
            Word::Meta(kind, length) => {
                let position = near((place % 4) as i64);
                parent.shared.slot(position).meta.store(
                    u64::from(*length) << 8 | u64::from(*kind),
                    Ordering::Relaxed,
                );
                return;
            }
            Word::Tail(at, length) => {
                let span = Span {
                    at: *at,
                    length: *length,
                };
                let position = near((place % 4) as i64);
                parent.shared.slot(position).set_tail(Some(span));
                return;
            }
        };
        let slot = parent.shared.slot(slot);
        let words = [
            &slot.state,
            &slot.request,
            &slot.frames,
            &slot.meta,
            &slot.state,
        ];
        match word {
            Word::Any(_) if place % 7 == 6 => {
                parent
                    .shared
                    .worker_sleeps
                    .0
                    .store(number as u32, Ordering::Relaxed);
                parent
                    .shared
                    .parent_sleeps
                    .0
                    .store(number as u32, Ordering::Relaxed);
                parent.shared.told.0.read.store(number, Ordering::Relaxed);
                parent
                    .shared
                    .told
                    .0
                    .hot
                    .store(number as u32, Ordering::Relaxed);
            }
            Word::Any(_) => words[place % 5].store(number, Ordering::Relaxed),
            _ => slot.state.store(number, Ordering::Relaxed),
        }
    }
}
