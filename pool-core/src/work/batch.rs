//! The work of a map.
//!
//! # Safety
//!
//! As in `work.rs`. Of each chunk either its items are there, or its results, or neither; who owns its unit moves it from the first
//! state to one of the others, and `marks` say so to whoever drops the batch. Where neither items nor results have to be dropped
//! there are no marks.
#![expect(
    unsafe_code,
    reason = "chunks are owned by protocol, not by lock; results are written into a vector that is not yet that long"
)]

use std::cell::UnsafeCell;
use std::mem::{self, ManuallyDrop, MaybeUninit, needs_drop};
use std::ops::Range;
use std::sync::atomic::{AtomicBool, AtomicU8, Ordering};

use super::{UnitError, Work, sealed};
use crate::chunks::Cut;
use crate::error::{CodecError, TaskError};
use crate::fork::{OwnerProcess, end_copy};
use crate::observer::TaskEnd;
use crate::panics;
use crate::task::Func;

/// The items of a map: a vector that it owns, or a slice that it borrows; sealed.
pub trait Items<A>: sealed::Sealed {
    /// Whether they are the map's own, to be dropped, and with them the memory that results may take.
    #[doc(hidden)]
    const OWNED: bool;
    /// Where owned items begin.
    #[doc(hidden)]
    fn place(&self) -> *mut A;
    /// One of them.
    ///
    /// # Safety
    ///
    /// The index is one of theirs. Of owned items each is read once.
    #[doc(hidden)]
    unsafe fn read(&self, index: usize) -> A;
}

impl<A> sealed::Sealed for Vec<A> {}

/// Its length is 0: whoever reads an item owns it.
impl<A> Items<A> for Vec<A> {
    const OWNED: bool = true;

    fn place(&self) -> *mut A {
        self.as_ptr().cast_mut()
    }

    unsafe fn read(&self, index: usize) -> A {
        // SAFETY: the caller's promise.
        unsafe { self.as_ptr().add(index).read() }
    }
}

impl<A> sealed::Sealed for &[A] {}

impl<'a, A> Items<&'a A> for &'a [A] {
    const OWNED: bool = false;

    fn place(&self) -> *mut &'a A {
        std::ptr::null_mut()
    }

    unsafe fn read(&self, index: usize) -> &'a A {
        // SAFETY: the caller's promise.
        unsafe { self.get_unchecked(index) }
    }
}

/// The work of a map: one function, many items, cut into chunks; results are written at their index. Where the items are owned, and
/// a result is as large as an item and aligned as one, it is written in the place of its item: the map has one buffer and not two.
#[derive(Debug)]
pub struct Batch<F: Func<A>, A, S: Items<A> = Vec<A>> {
    func: F,
    cut: Cut,
    /// The place of the first item in the input that these are a part of.
    first: usize,
    /// The items; a vector has length 0, so that dropping it drops none of them. Where results take their places, the memory is that
    /// of `results`.
    items: ManuallyDrop<S>,
    count: usize,
    /// Room for the results; its length is set when it is sealed.
    results: UnsafeCell<Vec<F::Out>>,
    /// Where the room begins: workers write there without touching the vector.
    room: *mut F::Out,
    marks: Marks,
    /// A unit was run or stored, or the value taken.
    touched: AtomicBool,
    item: std::marker::PhantomData<A>,
}

/// Per chunk: what is there. None where nothing has to be dropped.
#[derive(Debug)]
enum Marks {
    /// Of a batch of one chunk, or none: it costs no allocation.
    One([AtomicU8; 1]),
    Many(Box<[AtomicU8]>),
}

impl Marks {
    fn new(chunks: usize) -> Marks {
        match chunks {
            0 | 1 => Marks::One([AtomicU8::new(ITEMS)]),
            _ => Marks::Many((0..chunks).map(|_| AtomicU8::new(ITEMS)).collect()),
        }
    }
}

impl std::ops::Deref for Marks {
    type Target = [AtomicU8];

    fn deref(&self) -> &[AtomicU8] {
        match self {
            Marks::One(mark) => mark,
            Marks::Many(marks) => marks,
        }
    }
}

/// The chunk's items are there.
const ITEMS: u8 = 0;
/// Neither items nor results are there.
const NOTHING: u8 = 1;
/// The chunk's results are there.
const RESULTS: u8 = 2;

// SAFETY: `room` points into `results`, which moves with it; each chunk's items and results are touched
// by its unit's owner alone, then by the resolver.
unsafe impl<F: Func<A> + Send, A: Send, S: Items<A>> Send for Batch<F, A, S> where F::Out: Send {}
// SAFETY: as above; the function is called from many workers at once, hence `F: Sync`. The value is shared
// only through `peek`, which the handle offers only where it is `Sync`.
unsafe impl<F: Func<A> + Send + Sync, A: Send, S: Items<A>> Sync for Batch<F, A, S> where
    F::Out: Send
{
}

impl<F: Func<A>, A> Batch<F, A> {
    /// The work of `func` over `items`, in chunks of `chunksize` (at least 1).
    pub fn new(func: F, items: Vec<A>, chunksize: usize) -> Self {
        Batch::with_buffer(func, items, Vec::new(), chunksize)
    }

    /// The items as a vector, in the memory of the buffer where results will take their places; otherwise the buffer comes back.
    pub(crate) fn collect_into(
        items: impl IntoIterator<Item = A>,
        mut buffer: Vec<F::Out>,
    ) -> (Vec<A>, Vec<F::Out>) {
        buffer.clear();
        // A vector gives its own memory.
        if !Self::IN_PLACE || buffer.capacity() == 0 {
            return (items.into_iter().collect(), buffer);
        }
        let mut buffer = ManuallyDrop::new(buffer);
        // SAFETY: an empty vector's memory, which it gives up; its layout is that of a vector of as many items.
        let mut collected =
            unsafe { Vec::from_raw_parts(buffer.as_mut_ptr().cast(), 0, buffer.capacity()) };
        collected.extend(items);
        (collected, Vec::new())
    }

    /// As [`new`](Self::new); the results are written into the buffer where they do not take the places of items.
    pub(crate) fn with_buffer(
        func: F,
        mut items: Vec<A>,
        mut buffer: Vec<F::Out>,
        chunksize: usize,
    ) -> Self {
        let count = items.len();
        // SAFETY: shorter than before; from here on the items are owned chunk by chunk, by `marks`.
        unsafe { items.set_len(0) };
        let results = if Self::IN_PLACE {
            // SAFETY: the memory of `items`, which never frees it from here on, and whose layout is that of a vector of as many
            // results.
            unsafe { Vec::from_raw_parts(items.as_mut_ptr().cast(), 0, items.capacity()) }
        } else {
            buffer.clear();
            buffer.reserve(count);
            buffer
        };
        Batch::of(func, items, count, results, chunksize)
    }

    /// The same work, as the part of a longer input that begins at this index: errors name items by it.
    pub(crate) fn at(mut self, first: usize) -> Self {
        self.first = first;
        self
    }

    /// The items again; none when some of them were run.
    pub fn into_items(self) -> Vec<A> {
        if self.touched.load(Ordering::Relaxed) {
            return Vec::new();
        }
        self.set_all(NOTHING);
        let mut this = self;
        let mut items = mem::take(&mut *this.items);
        if Self::IN_PLACE {
            // The memory is the items'.
            mem::forget(mem::take(this.results.get_mut()));
        }
        // SAFETY: all items are there, and the marks say that nobody else owns them.
        unsafe { items.set_len(this.count) };
        items
    }
}

impl<'a, A, F: Func<&'a A>> Batch<F, &'a A, &'a [A]> {
    /// The work of `func` over a slice, in chunks of `chunksize` (at least 1); the results are written into the buffer.
    pub(crate) fn of_slice(
        func: F,
        items: &'a [A],
        mut buffer: Vec<F::Out>,
        chunksize: usize,
    ) -> Self {
        buffer.clear();
        buffer.reserve(items.len());
        Batch::of(func, items, items.len(), buffer, chunksize)
    }
}

impl<F: Func<A>, A, S: Items<A>> Batch<F, A, S> {
    /// Whether results take the places of items: a vector of the ones is then one of the others.
    const IN_PLACE: bool = S::OWNED
        && size_of::<A>() == size_of::<F::Out>()
        && align_of::<A>() == align_of::<F::Out>()
        && size_of::<A>() > 0;

    /// Whether something is dropped where the job ends early.
    const MARKED: bool = (S::OWNED && needs_drop::<A>()) || needs_drop::<F::Out>();

    /// Of this many items, with an empty vector that has room for as many results.
    fn of(func: F, items: S, count: usize, mut results: Vec<F::Out>, chunksize: usize) -> Self {
        let cut = Cut::new(count, chunksize);
        let marked = if Self::MARKED { cut.chunks() } else { 0 };
        Batch {
            func,
            cut,
            first: 0,
            items: ManuallyDrop::new(items),
            count,
            room: results.as_mut_ptr(),
            results: UnsafeCell::new(results),
            marks: Marks::new(marked),
            touched: AtomicBool::new(false),
            item: std::marker::PhantomData,
        }
    }

    fn set_all(&self, state: u8) {
        for mark in &*self.marks {
            mark.store(state, Ordering::Relaxed);
        }
    }

    fn set(&self, unit: usize, state: u8) {
        if Self::MARKED {
            self.marks[unit].store(state, Ordering::Relaxed);
        }
    }

    fn touch(&self) {
        if !self.touched.load(Ordering::Relaxed) {
            self.touched.store(true, Ordering::Relaxed);
        }
    }

    /// The room for a chunk's results, and where its items begin.
    ///
    /// # Safety
    ///
    /// The caller owns the unit, and has neither run nor stored it.
    #[expect(
        clippy::mut_from_ref,
        reason = "the room of a chunk belongs to the owner of its unit"
    )]
    unsafe fn open(&self, unit: usize) -> (usize, &mut [MaybeUninit<F::Out>]) {
        self.set(unit, NOTHING);
        let range = self.cut.range(unit);
        // SAFETY: within the room; each chunk's part of it is its owner's until it is sealed.
        let room = unsafe {
            std::slice::from_raw_parts_mut(self.room.add(range.start).cast(), range.len())
        };
        (range.start, room)
    }

    /// Runs a chunk; `item` is set to the one that failed, if one does.
    ///
    /// # Safety
    ///
    /// The caller owns the unit, and has neither run nor stored it.
    unsafe fn run_chunk(
        &self,
        unit: usize,
        owner: OwnerProcess,
        item: &mut usize,
    ) -> Result<(), F::Raised> {
        // SAFETY: the caller's promise.
        unsafe {
            let (first, room) = self.open(unit);
            run_items(&self.func, &*self.items, first, room, owner, item)?;
        }
        self.set(unit, RESULTS);
        Ok(())
    }
}

/// Calls the function for each item from `first` on and writes its result into the room. Where it fails, `item` is the one, counted
/// from `first`; the items behind it and the results before it are dropped.
///
/// Not inlined: the compiler knows of its arguments that nothing else writes into the room. So what it reads elsewhere stays as it
/// is, and it can take it out of the loop of a function that it knows.
///
/// # Safety
///
/// The caller owns the items and the room. Where results take the places of items, these are in the room.
#[inline(never)]
unsafe fn run_items<F: Func<A>, A, S: Items<A>>(
    func: &F,
    items: &S,
    first: usize,
    room: &mut [MaybeUninit<F::Out>],
    owner: OwnerProcess,
    item: &mut usize,
) -> Result<(), F::Raised> {
    let mut open = OpenChunk::<F, A, S> {
        items,
        first,
        end: room.len(),
        room: room.as_mut_ptr().cast(),
        done: 0,
        item,
    };
    while open.done < open.end {
        // SAFETY: the item is the caller's, and is read once, as `done` grows with each.
        let item = unsafe { open.read(open.done) };
        let result = func.call(item)?;
        end_copy(owner);
        // SAFETY: within the room, and its item was read.
        unsafe { open.room.add(open.done).write(result) };
        open.done += 1;
    }
    mem::forget(open);
    Ok(())
}

/// A chunk in work. It is dropped where the function fails: then all results so far are dropped, and all items behind.
struct OpenChunk<'a, F: Func<A>, A, S: Items<A>> {
    items: &'a S,
    first: usize,
    room: *mut F::Out,
    /// How many results are written.
    done: usize,
    end: usize,
    /// Set to the item that failed.
    item: &'a mut usize,
}

impl<F: Func<A>, A, S: Items<A>> OpenChunk<'_, F, A, S> {
    /// # Safety
    ///
    /// The item is the caller's, and was not read before.
    unsafe fn read(&self, index: usize) -> A {
        // SAFETY: the caller's promise. Where results take their places, the items are in the room.
        unsafe {
            match Batch::<F, A, S>::IN_PLACE {
                true => self.room.cast::<A>().add(index).read(),
                false => self.items.read(self.first + index),
            }
        }
    }
}

impl<F: Func<A>, A, S: Items<A>> Drop for OpenChunk<'_, F, A, S> {
    #[cold]
    fn drop(&mut self) {
        *self.item = self.done;
        // The one that failed was read.
        for index in self.done + 1..self.end {
            // SAFETY: read once, as the function gets no more of them.
            panics::contain(|| drop(unsafe { self.read(index) }));
        }
        for index in 0..self.done {
            // SAFETY: it was written, and nobody else will drop it: the mark says that nothing is there.
            panics::contain(|| unsafe { self.room.add(index).drop_in_place() });
        }
    }
}

impl<F: Func<A>, A, S: Items<A>> Drop for Batch<F, A, S> {
    fn drop(&mut self) {
        let sealed = !self.results.get_mut().is_empty();
        for (unit, mark) in self.marks.iter().enumerate() {
            let (range, mark) = (self.cut.range(unit), mark.load(Ordering::Relaxed));
            for index in range {
                if mark == ITEMS && S::OWNED {
                    // SAFETY: the mark says that the item is there and nobody owns it any more.
                    unsafe { self.items.place().add(index).drop_in_place() };
                }
                if mark == RESULTS && !sealed {
                    // SAFETY: the mark says that the result is there; a sealed vector drops its own.
                    unsafe { self.room.add(index).drop_in_place() };
                }
            }
        }
        if !Self::IN_PLACE {
            // SAFETY: dropped once, here; a vector's length is 0, so only the memory goes.
            unsafe { ManuallyDrop::drop(&mut self.items) };
        }
    }
}

impl<F: Func<A>, A, S: Items<A>> sealed::Sealed for Batch<F, A, S> {}

impl<F: Func<A> + Send + Sync, A: Send, S: Items<A>> Work for Batch<F, A, S>
where
    F::Out: Send,
    F::Raised: Send,
{
    type Value = Vec<F::Out>;
    type Raised = F::Raised;
    type Output = Vec<F::Out>;
    type Inputs<'a>
        = (&'a F, &'a [A])
    where
        Self: 'a;

    fn units(&self) -> usize {
        self.cut.chunks()
    }

    fn items(&self, unit: usize) -> Option<Range<usize>> {
        let range = self.cut.range(unit);
        Some(self.first + range.start..self.first + range.end)
    }

    unsafe fn inputs(&self, unit: usize) -> (&F, &[A]) {
        let range = self.cut.range(unit);
        if !S::OWNED {
            // Such a job is run where it is.
            return (&self.func, &[]);
        }
        // SAFETY: the caller owns the unit and it was neither run nor stored: its items are there.
        let items =
            unsafe { std::slice::from_raw_parts(self.items.place().add(range.start), range.len()) };
        (&self.func, items)
    }

    unsafe fn run(
        &self,
        unit: usize,
        next: &mut dyn FnMut() -> Option<usize>,
        failed: &mut dyn FnMut(usize, UnitError<F::Raised>),
    ) -> usize {
        self.touch();
        let owner = OwnerProcess::current();
        let (mut unit, mut count, mut item) = (Some(unit), 0, 0);
        loop {
            let end = panics::catch(|| {
                while let Some(index) = unit {
                    count += 1;
                    // SAFETY: the caller's promise.
                    unsafe { self.run_chunk(index, owner, &mut item) }?;
                    unit = next();
                }
                Ok(())
            });
            let error = match end {
                Ok(Ok(())) => return count,
                Ok(Err(raised)) => TaskError::raised(raised),
                Err(panic) => TaskError::Panicked(Box::new(panic)),
            };
            if let Some(index) = unit {
                failed(index, error.at_item(item).into());
            }
            unit = next();
        }
    }

    fn retries(&self) -> bool {
        F::RETRIES && S::OWNED
    }

    unsafe fn run_again(
        &self,
        unit: usize,
        attempt: u32,
        failed: &mut dyn FnMut(usize, UnitError<F::Raised>),
        again: &mut dyn FnMut(TaskEnd) -> bool,
    ) -> bool {
        // With retries a chunk has one item.
        let index = self.cut.range(unit).start;
        // SAFETY: the caller owns the unit, which was not run: its item is there.
        let item = unsafe { &*self.items.place().add(index) };
        let copy = panics::catch(|| self.func.copy_arg(item));
        let copy = match copy {
            Ok(copy) => copy,
            Err(panic) => {
                let error = TaskError::Panicked(Box::new(panic));
                failed(unit, error.at_item(0).into());
                return false;
            }
        };
        let mut failure = None;
        let mut keep = |_, error| failure = Some(error);
        // SAFETY: the caller's promise.
        unsafe { self.run(unit, &mut || None, &mut keep) };
        let (picks, end) = match &failure {
            Some(UnitError::Of(TaskError::Raised { error, .. })) => {
                (self.func.picks(Err(error)), TaskEnd::Failed)
            }
            Some(_) => (false, TaskEnd::Failed),
            // SAFETY: it has not failed, so its result is there, and the caller's.
            None => (
                self.func.picks(Ok(unsafe { &*self.room.add(index) })),
                TaskEnd::Done,
            ),
        };
        match copy.filter(|_| picks) {
            Some(copy) if again(end) => {
                self.set(unit, NOTHING);
                // SAFETY: the item was read, and where there is a result, nobody else has it. The result goes first, since the item
                // may take its place.
                unsafe {
                    if failure.is_none() {
                        panics::contain(|| self.room.add(index).drop_in_place());
                    }
                    self.items.place().add(index).write(copy);
                }
                self.set(unit, ITEMS);
                panics::contain(|| drop(failure));
                return true;
            }
            copy => panics::contain(|| drop(copy)),
        }
        match failure {
            Some(failure) => failed(unit, failure),
            // SAFETY: as above.
            None if attempt > 1 => unsafe { F::tell_attempts(&mut *self.room.add(index), attempt) },
            None => {}
        }
        false
    }

    unsafe fn picks(&self, _unit: usize, end: Result<&Vec<F::Out>, &F::Raised>) -> bool {
        match end {
            Ok(output) => output.iter().any(|out| self.func.picks(Ok(out))),
            Err(error) => self.func.picks(Err(error)),
        }
    }

    fn tell_attempts(output: &mut Vec<F::Out>, attempts: u32) {
        output
            .iter_mut()
            .for_each(|out| F::tell_attempts(out, attempts));
    }

    unsafe fn store(&self, unit: usize, output: Vec<F::Out>) -> Result<(), CodecError> {
        let range = self.cut.range(unit);
        if output.len() != range.len() {
            let reason = format!(
                "a chunk of {} items came back with {}",
                range.len(),
                output.len()
            );
            return Err(CodecError::new(
                std::any::type_name::<Vec<F::Out>>(),
                reason,
            ));
        }
        self.touch();
        // SAFETY: the caller's promise; there is a result for each item, and it may take its place.
        unsafe {
            let (_, room) = self.open(unit);
            if S::OWNED && needs_drop::<A>() {
                for index in range {
                    panics::contain(|| self.items.place().add(index).drop_in_place());
                }
            }
            let mut output = output;
            output.set_len(0);
            std::ptr::copy_nonoverlapping(output.as_ptr().cast(), room.as_mut_ptr(), room.len());
        }
        self.set(unit, RESULTS);
        Ok(())
    }

    unsafe fn seal(&self) {
        // SAFETY: the caller vouches that every unit was stored: `count` results are written, and that
        // nobody else touches the vector.
        unsafe { (*self.results.get()).set_len(self.count) };
    }

    unsafe fn peek(&self) -> Option<&Vec<F::Out>> {
        // SAFETY: the caller vouches that it is sealed and not being taken.
        Some(unsafe { &*self.results.get() })
    }

    unsafe fn take(&self) -> Option<Vec<F::Out>> {
        // The marks must not give the results to `drop` again.
        self.set_all(NOTHING);
        // SAFETY: the caller vouches that it is sealed and that nobody else touches it.
        Some(mem::take(unsafe { &mut *self.results.get() }))
    }

    unsafe fn errors(&self) -> Vec<TaskError<String>> {
        if !F::SETTLES {
            return Vec::new();
        }
        // SAFETY: the caller vouches that it is sealed and not being taken.
        let results = unsafe { &*self.results.get() };
        results.iter().filter_map(F::error_in).collect()
    }
}
