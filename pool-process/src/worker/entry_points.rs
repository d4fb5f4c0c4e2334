//! The entry points of a worker: for one task they decode the argument, call the function and encode the result.
//!
//! There is one [`Entry`] for each pair of types in use and each [`Shape`] of work: a static that the compiler
//! makes where the work is submitted, so that it is in the image of every worker as well.
//!
//! # Safety
//!
//! Each piece of code turns an address into the function type it was made for. FnAddress and entry are paired
//! in [`task`](crate::task) alone, where both come from the same type parameters.
#![expect(
    unsafe_code,
    reason = "addresses become functions of the type their entry is made for"
)]

use std::any::Any;
use std::cell::Cell;
use std::fmt::Display;

use pool_core::backend::{FnAddress, OwnerProcess, PortableFn, catch, end_copy};
use pool_core::{CodecError, Never, Portable};
use serde::Serialize;

use crate::wire::codec::{self, At};
use crate::wire::token::Entry;
use crate::wire::{Kind, Payload, Reply};

use super::{contexts, spare};

/// How a function is called: with one argument, or with each item of a chunk.
pub(crate) trait Shape<A, F> {
    const ENTRY: &'static Entry;
}

/// One argument, one value.
pub(crate) enum One {}

/// The items of a chunk, the list of their values.
pub(crate) enum Many {}

impl<A: Portable, F: PortableFn<A>> Shape<A, F> for One {
    // SAFETY: `run_one` keeps the contract of `Run` for functions of the type `F::Pointer`.
    const ENTRY: &'static Entry = &unsafe { Entry::new(run_one::<A, F>) };
}

impl<A: Portable, F: PortableFn<A>> Shape<A, F> for Many {
    // SAFETY: `run_many` keeps the contract of `Run` for functions of the type `F::Pointer`.
    const ENTRY: &'static Entry = &unsafe { Entry::new(run_many::<A, F>) };
}

/// One argument, and whatever it returns is dropped: the function of a process of its own.
pub(crate) enum Alone {}

impl<A: Portable, R: 'static> Shape<A, fn(A) -> R> for Alone {
    // SAFETY: `run_alone` keeps the contract of `Run` for functions of the type `fn(A) -> R`.
    const ENTRY: &'static Entry = &unsafe { Entry::new(run_alone::<A, R>) };
}

/// One argument, and what it returns is the worker's state.
pub(crate) enum Making {}

/// As [`Making`], where the function may fail.
pub(crate) enum TryMaking {}

impl<A: Portable, S: 'static> Shape<A, fn(A) -> S> for Making {
    // SAFETY: `run_making` keeps the contract of `Run` for functions of the type `fn(A) -> S`.
    const ENTRY: &'static Entry = &unsafe { Entry::new(run_making::<A, S>) };
}

impl<A: Portable, S: 'static, E: Display + 'static> Shape<A, fn(A) -> Result<S, E>> for TryMaking {
    // SAFETY: `run_try_making` keeps the contract of `Run` for functions of the type `fn(A) -> Result<S, E>`.
    const ENTRY: &'static Entry = &unsafe { Entry::new(run_try_making::<A, S, E>) };
}

/// # Safety
///
/// See [`Run`](crate::wire::token::Run): the address is that of a function of the type `F::Pointer`.
unsafe fn run_one<A: Portable, F: PortableFn<A>>(
    address: usize,
    argument: Payload<'_>,
    reply: &mut Reply<'_>,
) -> Kind {
    // SAFETY: the caller's promise.
    let pointer = unsafe { F::Pointer::from_address(address) };
    with_func(pointer, argument, reply, |func: F, argument, reply| {
        work(argument, reply, |arg: A| func.call(arg))
    })
}

/// # Safety
///
/// See [`Run`](crate::wire::token::Run): the address is that of a function of the type `F::Pointer`.
unsafe fn run_many<A: Portable, F: PortableFn<A>>(
    address: usize,
    argument: Payload<'_>,
    reply: &mut Reply<'_>,
) -> Kind {
    // SAFETY: the caller's promise.
    let pointer = unsafe { F::Pointer::from_address(address) };
    with_func(pointer, argument, reply, |func: F, argument, reply| {
        let owner = OwnerProcess::current();
        let (items, results) = (At::default(), At::default());
        let decode =
            |argument: Payload<'_>| codec::decode_items::<A>(argument, &items, spare::take);
        let call = |arguments: Vec<A>| {
            let one = |(index, item)| {
                items.set(Some(index));
                let result = func.call(item);
                end_copy(owner);
                result
            };
            let arguments = arguments.into_iter().enumerate();
            let values = arguments.map(one).collect::<Result<Vec<_>, _>>()?;
            items.set(None);
            Ok::<_, F::Raised>(values)
        };
        let encode = |values, reply: &mut Reply<'_>| encode_many::<A, F>(values, &results, reply);
        let at = || items.get().or(results.get());
        work_as(argument, reply, at, decode, call, encode)
    })
}

/// Encodes the values of a chunk. Where failures are values, as in an `imap`, one that cannot travel is a failure at its
/// place.
fn encode_many<A, F: PortableFn<A>>(
    mut values: Vec<F::Out>,
    at: &At,
    reply: &mut Reply<'_>,
) -> Result<(), CodecError> {
    let refused = match codec::encode_items(&values, at, &mut reply.bytes) {
        Ok(last) => {
            reply.finish(last)?;
            keep(values, reply);
            return Ok(());
        }
        Err(error) => error,
    };
    if !F::SETTLES {
        return Err(refused);
    }
    let mut lost = false;
    for value in &mut values {
        reply.clear();
        if let Err(error) = codec::encode(value, &mut reply.bytes)
            && let Some(settled) = F::not_encoded(error)
        {
            *value = settled;
            lost = true;
        }
    }
    reply.clear();
    if !lost {
        return Err(refused);
    }
    let last = codec::encode_items(&values, at, &mut reply.bytes)?;
    reply.finish(last)
}

/// Keeps a result whose bytes are in the arena: the next argument may lie in its memory.
fn keep<T: 'static>(result: T, reply: &Reply<'_>) {
    if reply.tail.is_some() {
        spare::keep(result);
    }
}

/// Puts a function together; the number of the context that it gets, if it gets one, comes before its argument.
fn with_func<A, F: PortableFn<A>>(
    pointer: F::Pointer,
    argument: Payload<'_>,
    reply: &mut Reply<'_>,
    run: impl FnOnce(F, Payload<'_>, &mut Reply<'_>) -> Kind,
) -> Kind {
    let mut argument = argument;
    let context = || {
        let (number, head) = contexts::split(argument.head)?;
        argument.head = head;
        contexts::find::<F::Context>(number)
    };
    // A context is decoded here, by the user's code, which may panic.
    match catch(|| F::assemble(pointer, context)) {
        Ok(Ok(func)) => run(func, argument, reply),
        Ok(Err(error)) => report(Kind::BadArgument, &error, reply),
        Err(panic) => report(Kind::Panicked, &panic, reply),
    }
}

/// # Safety
///
/// See [`Run`](crate::wire::token::Run): the address is that of a function of the type `fn(A) -> R`.
unsafe fn run_alone<A: Portable, R: 'static>(
    address: usize,
    argument: Payload<'_>,
    reply: &mut Reply<'_>,
) -> Kind {
    // SAFETY: the caller's promise.
    let func = unsafe { <fn(A) -> R>::from_address(address) };
    work(argument, reply, |arg: A| {
        drop(func(arg));
        Ok::<(), Never>(())
    })
}

/// # Safety
///
/// See [`Run`](crate::wire::token::Run): the address is that of a function of the type `fn(A) -> S`.
unsafe fn run_making<A: Portable, S: 'static>(
    address: usize,
    argument: Payload<'_>,
    reply: &mut Reply<'_>,
) -> Kind {
    // SAFETY: the caller's promise.
    let func = unsafe { <fn(A) -> S>::from_address(address) };
    work(argument, reply, |arg: A| {
        MADE.set(Some(Box::new(func(arg))));
        Ok::<(), Never>(())
    })
}

/// # Safety
///
/// See [`Run`](crate::wire::token::Run): the address is that of a function of the type `fn(A) -> Result<S, E>`.
unsafe fn run_try_making<A: Portable, S: 'static, E: Display + 'static>(
    address: usize,
    argument: Payload<'_>,
    reply: &mut Reply<'_>,
) -> Kind {
    // SAFETY: the caller's promise.
    let func = unsafe { <fn(A) -> Result<S, E>>::from_address(address) };
    work(argument, reply, |arg: A| {
        MADE.set(Some(Box::new(
            func(arg).map_err(|error| error.to_string())?,
        )));
        Ok::<(), String>(())
    })
}

thread_local! {
    /// What an initializer has made, until it is fetched.
    static MADE: Cell<Option<Box<dyn Any>>> = const { Cell::new(None) };
}

/// What the initializer made that was run last on this thread.
pub(crate) fn made() -> Option<Box<dyn Any>> {
    MADE.take()
}

/// A function that a fork server runs before it forks.
// SAFETY: `run_preload` keeps the contract of `Run` for functions of the type `fn()`.
pub(crate) const PRELOAD: &Entry = &unsafe { Entry::new(run_preload) };

/// # Safety
///
/// See [`Run`](crate::wire::token::Run): the address is that of a function of the type `fn()`.
unsafe fn run_preload(address: usize, _: Payload<'_>, _: &mut Reply<'_>) -> Kind {
    // SAFETY: the caller's promise.
    let func = unsafe { std::mem::transmute::<usize, fn()>(address) };
    match catch(func) {
        Ok(()) => Kind::Done,
        Err(_) => Kind::Panicked,
    }
}

fn work<I: Portable, O: Portable, E: Portable>(
    argument: Payload<'_>,
    reply: &mut Reply<'_>,
    call: impl FnOnce(I) -> Result<O, E>,
) -> Kind {
    let encode = |output: O, reply: &mut Reply<'_>| {
        let last = codec::encode_value(&output, &mut reply.bytes)?;
        reply.finish(last)?;
        keep(output, reply);
        Ok(())
    };
    let decode = |argument: Payload<'_>| codec::decode_value::<I>(argument, spare::take);
    work_as(argument, reply, || None, decode, call, encode)
}

/// Decodes, calls and encodes; `item` says which item of a chunk that is at.
fn work_as<I, O, E: Portable>(
    argument: Payload<'_>,
    reply: &mut Reply<'_>,
    item: impl Fn() -> Option<usize>,
    decode: impl FnOnce(Payload<'_>) -> Result<I, CodecError>,
    call: impl FnOnce(I) -> Result<O, E>,
    encode: impl FnOnce(O, &mut Reply<'_>) -> Result<(), CodecError>,
) -> Kind {
    // Decoding and encoding run the user's code as well, which may panic there.
    let ended = catch(|| {
        let input = decode(argument).map_err(|error| (Kind::BadArgument, error))?;
        let (kind, encoded) = match call(input) {
            Ok(output) => (Kind::Done, encode(output, reply)),
            Err(raised) => {
                let encoded = codec::encode(&(item(), raised), &mut reply.bytes);
                (Kind::Raised, encoded.and_then(|()| reply.finish(&[])))
            }
        };
        encoded
            .map(|()| kind)
            .map_err(|error| (Kind::BadResult, error))
    });
    match ended {
        Ok(Ok(kind)) => kind,
        Ok(Err((kind, error))) => report(kind, &error, reply),
        Err(mut panic) => {
            panic.item = item();
            report(Kind::Panicked, &panic, reply)
        }
    }
}

/// Puts one of our own reports into a reply, in place of what was there.
pub(crate) fn report<T: Serialize>(kind: Kind, report: &T, reply: &mut Reply<'_>) -> Kind {
    reply.clear();
    let encoded = codec::encode(report, &mut reply.bytes).and_then(|()| reply.finish(&[]));
    let Err(too_long) = encoded else {
        return kind;
    };
    reply.clear();
    if codec::encode(&too_long, &mut reply.bytes).is_err() {
        // It is plain strings, which no encoder refuses; an empty payload would be named a breach.
        reply.clear();
    }
    Kind::BadResult
}
