//! Handles and callbacks of one call or of a map, behind one face.

use std::pin::Pin;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Wake, Waker};
use std::thread::{self, Thread};
use std::time::Duration;

use pool_core::{AsyncResult, CancelHandle, PoolError};
use serde_json::Value;

use super::named::{Answer, named, timed_out};
use super::parcel::Parcel;
use crate::protocol::ErrorReply;

/// A handle of one call or of a map.
pub(super) enum Handle {
    One(AsyncResult<Parcel<Value>, Parcel<ErrorReply>>),
    Many(AsyncResult<Vec<Parcel<Value>>, Parcel<ErrorReply>>),
}

impl Handle {
    fn ready(&self) -> bool {
        match self {
            Handle::One(result) => result.ready(),
            Handle::Many(result) => result.ready(),
        }
    }

    fn successful(&self) -> Result<bool, PoolError> {
        match self {
            Handle::One(result) => result.successful(),
            Handle::Many(result) => result.successful(),
        }
    }

    /// Waits until it is ready, or the time is over.
    fn wait(&self, limit: Option<Duration>) {
        fn wait<T, E>(result: &AsyncResult<T, E>, limit: Option<Duration>) {
            match limit {
                None => result.wait(),
                Some(limit) => drop(result.wait_timeout(limit)),
            }
        }
        match self {
            Handle::One(result) => wait(result, limit),
            Handle::Many(result) => wait(result, limit),
        }
    }

    /// The value by reference: it stays.
    fn get_ref(&self, limit: Option<Duration>) -> Answer {
        fn get<T>(
            result: &AsyncResult<T, Parcel<ErrorReply>>,
            limit: Option<Duration>,
        ) -> Result<&T, ErrorReply> {
            let outcome = match limit {
                None => result.get_ref(),
                Some(limit) => result.get_ref_timeout(limit).map_err(timed_out)?,
            };
            outcome.map_err(|error| named(&error))
        }
        match self {
            Handle::One(result) => get(result, limit).map(one),
            Handle::Many(result) => get(result, limit).map(list),
        }
    }

    /// The value of one that is ready, moved out: by `get`, or by `get_timeout`.
    fn take(self, by_timeout: bool) -> Answer {
        fn take<T>(
            mut result: AsyncResult<T, Parcel<ErrorReply>>,
            by_timeout: bool,
        ) -> Result<T, ErrorReply> {
            let outcome = match by_timeout {
                false => result.get(),
                true => result.get_timeout(Duration::ZERO).map_err(timed_out)?,
            };
            outcome.map_err(|error| named(&error))
        }
        match self {
            Handle::One(result) => take(result, by_timeout).map(|value| one(&value)),
            Handle::Many(result) => take(result, by_timeout).map(|value| list(&value)),
        }
    }

    /// Asks it as a future.
    fn poll(&mut self, context: &mut Context<'_>) -> Poll<Answer> {
        match self {
            Handle::One(result) => Pin::new(result)
                .poll(context)
                .map_ok(|value| one(&value))
                .map_err(|error| named(&error)),
            Handle::Many(result) => Pin::new(result)
                .poll(context)
                .map_ok(|value| list(&value))
                .map_err(|error| named(&error)),
        }
    }
}

/// How a result is asked for. The program says `get`; a program in Rust has several ways to, and each has to come to the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Way {
    /// By `get_ref`, or `get_ref_timeout`.
    ByReference,
    /// By `get`, when it is there.
    ByValue,
    /// By `get_timeout`, when it is there.
    ByTimeout,
    /// Awaited.
    Awaited,
}

impl Way {
    const ALL: [Way; 4] = [Way::Awaited, Way::ByValue, Way::ByReference, Way::ByTimeout];

    /// That of the call with this number: each in turn.
    pub(super) fn of(number: usize) -> Way {
        Way::ALL[number % Way::ALL.len()]
    }
}

/// A handle as the program keeps it: it may be asked again for what it has given.
pub(super) struct Kept {
    place: Mutex<Place>,
    cancel: CancelHandle,
    /// It is no longer lent.
    back: Condvar,
}

/// Where a handle is.
enum Place {
    Here(Arc<Handle>),
    /// This thread awaits it, and gives it back where another asks for it.
    Lent {
        to: Thread,
        recalled: bool,
    },
    /// The pool's handle has gone: what came of the job, and whether that was a value.
    Spent(Answer, bool),
}

/// The handle, or what it has given.
type Found = Result<Arc<Handle>, (Answer, bool)>;

impl From<Handle> for Kept {
    fn from(handle: Handle) -> Kept {
        let cancel = match &handle {
            Handle::One(result) => result.cancel_handle(),
            Handle::Many(result) => result.cancel_handle(),
        };
        Kept {
            cancel,
            place: Mutex::new(Place::Here(Arc::new(handle))),
            back: Condvar::new(),
        }
    }
}

impl Kept {
    pub(super) fn ready(&self) -> bool {
        self.find().map_or(true, |handle| handle.ready())
    }

    pub(super) fn successful(&self) -> Result<bool, PoolError> {
        match self.find() {
            Ok(handle) => handle.successful(),
            Err((_, successful)) => Ok(successful),
        }
    }

    /// Cancels the job, wherever the handle is.
    pub(super) fn cancel(&self) -> bool {
        self.cancel.cancel()
    }

    /// Waits until it is ready, or the time is over.
    pub(super) fn wait(&self, limit: Option<Duration>) {
        if let Ok(handle) = self.find() {
            handle.wait(limit);
        }
    }

    /// The value, asked for in this way. Where it may not be moved out, because another thread uses it as well, it is looked at.
    pub(super) fn get(&self, limit: Option<Duration>, way: Way) -> Answer {
        if let (Way::Awaited, None) = (way, limit) {
            return self.awaited();
        }
        let handle = match self.find() {
            Ok(handle) => handle,
            Err((answer, _)) => return answer,
        };
        if matches!(way, Way::ByReference | Way::Awaited) {
            return handle.get_ref(limit);
        }
        handle.wait(limit);
        if !handle.ready() {
            // The time is over, or it is refused: the error is that of any way.
            return handle.get_ref(limit.map(|_| Duration::ZERO));
        }
        drop(handle);
        self.spend(|handle| handle.take(way == Way::ByTimeout))
    }

    /// What a future of it comes to, on this very thread.
    fn awaited(&self) -> Answer {
        let mut handle = match self.lend() {
            Ok(handle) => handle,
            // Others use it: it cannot be moved.
            Err(Ok(handle)) => return handle.get_ref(None),
            Err(Err((answer, _))) => return answer,
        };
        let waker = Waker::from(Arc::new(Unpark(thread::current())));
        loop {
            let polled = handle.poll(&mut Context::from_waker(&waker));
            let is_there = handle.ready();
            let recalled = matches!(*self.place(), Place::Lent { recalled: true, .. });
            match polled {
                Poll::Ready(answer) if is_there => {
                    let successful = handle.successful() == Ok(true);
                    self.put(Place::Spent(answer.clone(), successful));
                    return answer;
                }
                // It is refused, and the value stays where it is.
                Poll::Ready(refused) => {
                    self.put(Place::Here(Arc::new(handle)));
                    return refused;
                }
                Poll::Pending if recalled => {
                    let handle = Arc::new(handle);
                    self.put(Place::Here(handle.clone()));
                    return handle.get_ref(None);
                }
                Poll::Pending => thread::park(),
            }
        }
    }

    /// No panic happens under this lock; a poisoned one would still hold a whole place.
    fn place(&self) -> MutexGuard<'_, Place> {
        self.place.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn put(&self, place: Place) {
        *self.place() = place;
        self.back.notify_all();
    }

    /// The handle, as soon as it is not lent.
    fn find(&self) -> Found {
        let mut place = self.place();
        loop {
            match &mut *place {
                Place::Here(handle) => return Ok(handle.clone()),
                Place::Spent(answer, successful) => return Err((answer.clone(), *successful)),
                Place::Lent { to, recalled } => {
                    *recalled = true;
                    to.unpark();
                }
            }
            place = self
                .back
                .wait(place)
                .unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// The handle itself, where nobody else uses it: until it is put back it is lent to this thread.
    fn lend(&self) -> Result<Handle, Found> {
        let handle = self.find().map_err(Err)?;
        let mut place = self.place();
        if let Place::Here(kept) = &*place
            && Arc::ptr_eq(kept, &handle)
        {
            let lent = Place::Lent {
                to: thread::current(),
                recalled: false,
            };
            let kept = std::mem::replace(&mut *place, lent);
            drop(kept);
            match Arc::try_unwrap(handle) {
                Ok(handle) => return Ok(handle),
                Err(shared) => {
                    *place = Place::Here(shared.clone());
                    return Err(Ok(shared));
                }
            }
        }
        Err(Ok(handle))
    }

    /// Moves the value of one that is ready out, where nobody else uses it.
    fn spend(&self, take: impl FnOnce(Handle) -> Answer) -> Answer {
        let handle = match self.lend() {
            Ok(handle) => handle,
            Err(Ok(handle)) => return handle.get_ref(None),
            Err(Err((answer, _))) => return answer,
        };
        let successful = handle.successful() == Ok(true);
        let answer = take(handle);
        self.put(Place::Spent(answer.clone(), successful));
        answer
    }
}

/// Wakes a thread that awaits.
struct Unpark(Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

/// The value of a call.
pub(super) fn one(parcel: &Parcel<Value>) -> Value {
    parcel.content.clone()
}

/// The value of a map.
#[expect(clippy::ptr_arg, reason = "callbacks show the job's own type")]
pub(super) fn list(parcels: &Vec<Parcel<Value>>) -> Value {
    parcels.iter().map(one).collect()
}

/// Gives a submission its limits.
macro_rules! limited {
    ($builder:expr, $limits:expr, $calls:expr) => {{
        let (mut builder, limits): (_, &Limits) = ($builder, $limits);
        if let Some(limit) = limits.deadline {
            builder = builder.deadline(seconds(limit));
        }
        if let Some(limit) = limits.expiry {
            builder = builder.expiry(seconds(limit));
        }
        if let Some(most) = limits.retries {
            builder = builder.retries(u32::try_from(most).unwrap_or(u32::MAX));
        }
        if let Some(pause) = limits.retry_pause {
            builder = builder.retry_pause(seconds(pause));
        }
        if let Some(name) = &limits.cancel_on {
            builder = builder.cancel_on(&$calls.token(name));
        }
        builder
    }};
}
pub(super) use limited;

/// Does the rest with a submission that is tried again after the error that its limits name, if they name one.
macro_rules! retrying {
    ($builder:expr, $limits:expr, |$name:ident| $rest:expr) => {
        match $limits.retry_if.clone() {
            None => {
                let $name = $builder;
                $rest
            }
            Some(kind) => {
                let picks = move |error: &Parcel<ErrorReply>| error.content.kind == kind;
                let $name = $builder.retry_if(picks);
                $rest
            }
        }
    };
}
pub(super) use retrying;

/// Submits a call or a map, with its callbacks; `$show` makes a value of the job's own. Where it may wait for a time
/// only, what is not let in must come back.
macro_rules! submit {
    ($builder:expr, $later:expr, $argument:expr, $show:expr) => {{
        let (mut builder, later) = ($builder, $later);
        if let Some(key) = later.callback {
            builder = builder.callback(move |value| puppet::callback(key, Ok($show(value))));
        }
        if let Some(key) = later.error_callback {
            builder = builder.error_callback(move |error| puppet::callback(key, Err(named(error))));
        }
        match later.timeout.map(seconds) {
            None => builder.submit().map_err(refused),
            Some(limit) => builder.submit_timeout(limit).map_err(|refusal| {
                let (error, argument) = not_submitted(refusal);
                match argument == $argument {
                    true => error,
                    false => bad("a refused submission gives another argument back".into()),
                }
            }),
        }?
    }};
}
pub(super) use submit;

#[cfg(all(test, feature = "cli"))]
mod tests {
    use std::sync::mpsc;

    use pool_thread::ThreadPool;

    use super::*;
    use crate::adapter::puppet::Ended;

    /// A handle of a task that ends when it is told to.
    fn kept(pool: &ThreadPool, end: Ended) -> (Kept, mpsc::Sender<()>) {
        let (go, goes) = mpsc::channel::<()>();
        let task = move |end: Ended| {
            // It goes on as well where nobody is left to tell it.
            let _ = goes.recv();
            end
        };
        let made = pool.try_apply_async(task, end).expect("the pool runs");
        (Handle::One(made).into(), go)
    }

    #[test]
    fn each_way_gives_the_same_and_again() {
        let pool = ThreadPool::builder().size(1).build().expect("a pool");
        let error = ErrorReply {
            kind: "ValueError".into(),
            text: "bad".into(),
        };
        for way in Way::ALL {
            for end in [Ok(Value::from(7)), Err(error.clone())] {
                let sent = end.clone().map(Parcel::sent).map_err(Parcel::sent);
                let (kept, go) = kept(&pool, sent);
                assert!(!kept.ready());
                drop(go);
                assert_eq!(kept.get(None, way), end, "{way:?}");
                assert_eq!(kept.get(None, Way::ByReference), end, "{way:?} again");
                assert_eq!((kept.ready(), kept.successful()), (true, Ok(end.is_ok())));
                let (kept, _go) = self::kept(&pool, Ok(Parcel::sent(Value::Null)));
                let late = kept
                    .get(Some(Duration::ZERO), way)
                    .expect_err("it has not ended");
                assert_eq!(late.kind, "TimedOut", "{way:?}");
            }
        }
    }

    #[test]
    fn one_that_is_awaited_comes_back_where_another_thread_asks() {
        let pool = ThreadPool::builder().size(1).build().expect("a pool");
        let (kept, go) = kept(&pool, Ok(Parcel::sent(Value::from(7))));
        thread::scope(|scope| {
            let lent = kept
                .lend()
                .unwrap_or_else(|_| panic!("nobody else uses it"));
            let asks = scope.spawn(|| kept.ready());
            // Until the other thread asks.
            while !matches!(*kept.place(), Place::Lent { recalled: true, .. }) {
                thread::park();
            }
            kept.put(Place::Here(Arc::new(lent)));
            assert!(!asks.join().expect("it ends"));
            let awaits = scope.spawn(|| kept.get(None, Way::Awaited));
            assert!(!kept.ready(), "whether it is lent already or not");
            drop(go);
            assert_eq!(awaits.join().expect("it ends"), Ok(Value::from(7)));
        });
        assert!(kept.ready());
    }
}
