//! What a job cell holds: the work in units, each done by one worker, and the room for its value.
//!
//! # Safety
//!
//! Everything here is shared between threads without a lock; who may touch what follows from the job's
//! protocol, which [`JobCell`](crate::backend::JobCell) keeps: a unit is owned by the one holder of its
//! [`Unit`](crate::Unit) until it is stored or given up; the value is owned by the resolver once no unit
//! is left, and by the handle after that. The methods that rely on it are `unsafe` and say on which part.
#![expect(
    unsafe_code,
    reason = "units and values are owned by protocol, not by lock"
)]

use std::cell::UnsafeCell;
use std::mem::{self, ManuallyDrop};
use std::ops::Range;
use std::sync::atomic::{AtomicU8, Ordering};

use crate::chunks::Cut;
use crate::error::{CodecError, TaskError};
use crate::fork::{OwnerProcess, end_copy};
use crate::panics;
use crate::task::{Func, Task};

/// The work of one job, in units: sealed; [`Single`] and [`Batch`] implement it.
pub trait Work: sealed::Sealed + Send + Sync {
    /// What the job yields as a whole.
    type Value: Send;
    /// The error that its functions return.
    type Raised: Send;
    /// What one unit yields, where it is not run in place.
    type Output;
    /// What one unit works on, as it is encoded.
    type Inputs<'a>
    where
        Self: 'a;

    /// Number of units.
    fn units(&self) -> usize;

    /// The items of one unit, as indexes of the input; a call has none.
    fn items(&self, unit: usize) -> Option<Range<usize>>;

    /// What a unit works on.
    ///
    /// # Safety
    ///
    /// The caller owns the unit, and has neither run nor stored it.
    #[doc(hidden)]
    unsafe fn inputs(&self, unit: usize) -> Self::Inputs<'_>;

    /// Runs a unit here and keeps what it yields. A panic of the task is an error.
    ///
    /// # Safety
    ///
    /// The caller owns the unit, and has neither run nor stored it.
    #[doc(hidden)]
    unsafe fn run(&self, unit: usize) -> Result<(), TaskError<Self::Raised>>;

    /// Keeps what a unit yielded elsewhere; a chunk of the wrong length is refused.
    ///
    /// # Safety
    ///
    /// The caller owns the unit, and has neither run nor stored it.
    #[doc(hidden)]
    unsafe fn store(&self, unit: usize, output: Self::Output) -> Result<(), CodecError>;

    /// Makes the job's value of the units' results.
    ///
    /// # Safety
    ///
    /// Every unit was stored, and nobody else touches the value until this returns.
    #[doc(hidden)]
    unsafe fn seal(&self);

    /// The value.
    ///
    /// # Safety
    ///
    /// Sealed, not taken, and nobody takes it while the reference lives.
    #[doc(hidden)]
    unsafe fn peek(&self) -> Option<&Self::Value>;

    /// Moves the value out.
    ///
    /// # Safety
    ///
    /// Sealed, and nobody else touches the value.
    #[doc(hidden)]
    unsafe fn take(&self) -> Option<Self::Value>;

    /// The errors within the value: those of an `imap`'s items.
    ///
    /// # Safety
    ///
    /// Sealed, and nobody takes the value meanwhile.
    #[doc(hidden)]
    unsafe fn errors(&self) -> Vec<TaskError<String>> {
        Vec::new()
    }
}

pub(crate) mod sealed {
    pub trait Sealed {}
}

/// The work of one task.
#[derive(Debug)]
pub struct Single<T: Task>(UnsafeCell<Slot<T, T::Out>>);

#[derive(Debug)]
enum Slot<T, R> {
    Task(T),
    Value(R),
    Empty,
}

// SAFETY: the slot is touched by the unit's owner, then by the resolver, then by the handle, one after
// the other with acquire and release between them; the one shared access is `peek`, which the handle
// offers only where `T::Out: Sync`.
unsafe impl<T: Task + Send> Sync for Single<T> where T::Out: Send {}

impl<T: Task> Single<T> {
    /// The work of this task.
    pub fn new(task: T) -> Self {
        Single(UnsafeCell::new(Slot::Task(task)))
    }

    /// The task again; `None` when it was run.
    pub fn into_task(self) -> Option<T> {
        match self.0.into_inner() {
            Slot::Task(task) => Some(task),
            Slot::Value(_) | Slot::Empty => None,
        }
    }
}

impl<T: Task> sealed::Sealed for Single<T> {}

impl<T: Task + Send> Work for Single<T>
where
    T::Out: Send,
    T::Raised: Send,
{
    type Value = T::Out;
    type Raised = T::Raised;
    type Output = T::Out;
    type Inputs<'a>
        = Option<&'a T>
    where
        Self: 'a;

    fn units(&self) -> usize {
        1
    }

    fn items(&self, _unit: usize) -> Option<Range<usize>> {
        None
    }

    unsafe fn inputs(&self, _unit: usize) -> Option<&T> {
        // SAFETY: the caller owns the one unit, so nobody writes the slot.
        match unsafe { &*self.0.get() } {
            Slot::Task(task) => Some(task),
            Slot::Value(_) | Slot::Empty => None,
        }
    }

    unsafe fn run(&self, _unit: usize) -> Result<(), TaskError<T::Raised>> {
        // SAFETY: the caller owns the one unit; the reference ends before the task runs.
        let slot = unsafe { mem::replace(&mut *self.0.get(), Slot::Empty) };
        if let Slot::Task(task) = slot {
            let value = match panics::catch(|| task.run()) {
                Ok(end) => end.map_err(TaskError::raised)?,
                Err(panic) => return Err(TaskError::Panicked(Box::new(panic))),
            };
            // SAFETY: as above; the task may have run long, but the unit is still the caller's.
            unsafe { *self.0.get() = Slot::Value(value) };
        }
        Ok(())
    }

    unsafe fn store(&self, _unit: usize, output: T::Out) -> Result<(), CodecError> {
        // SAFETY: the caller owns the one unit.
        let task = unsafe { mem::replace(&mut *self.0.get(), Slot::Value(output)) };
        panics::contain(|| drop(task));
        Ok(())
    }

    unsafe fn seal(&self) {}

    unsafe fn peek(&self) -> Option<&T::Out> {
        // SAFETY: the caller vouches that the value is sealed and not being taken.
        match unsafe { &*self.0.get() } {
            Slot::Value(value) => Some(value),
            Slot::Task(_) | Slot::Empty => None,
        }
    }

    unsafe fn take(&self) -> Option<T::Out> {
        // SAFETY: the caller vouches that nobody else touches the value.
        match unsafe { mem::replace(&mut *self.0.get(), Slot::Empty) } {
            Slot::Value(value) => Some(value),
            Slot::Task(_) | Slot::Empty => None,
        }
    }
}

/// The work of a map: one function, many items, cut into chunks; results are written at their index. Where a result is as large as
/// an item, and aligned as one, it is written in the place of its item: the map has one buffer and not two.
#[derive(Debug)]
pub struct Batch<F: Func<A>, A> {
    func: F,
    cut: Cut,
    /// The place of the first item in the input that these are a part of.
    first: usize,
    /// The items; length 0, so that dropping the vector drops none of them. Where results take their places, the memory is that of
    /// `results`.
    items: ManuallyDrop<Vec<A>>,
    count: usize,
    /// Room for the results; its length is set when it is sealed.
    results: UnsafeCell<Vec<F::Out>>,
    /// Where the room begins: workers write there without touching the vector.
    room: *mut F::Out,
    /// Per chunk: what is there.
    marks: Box<[AtomicU8]>,
}

/// The chunk's items are there.
const ITEMS: u8 = 0;
/// Neither items nor results are there.
const NOTHING: u8 = 1;
/// The chunk's results are there.
const RESULTS: u8 = 2;

// SAFETY: `room` points into `results`, which moves with it; each chunk's items and results are touched
// by its unit's owner alone, then by the resolver.
unsafe impl<F: Func<A> + Send, A: Send> Send for Batch<F, A> where F::Out: Send {}
// SAFETY: as above; the function is called from many workers at once, hence `F: Sync`. The value is shared
// only through `peek`, which the handle offers only where it is `Sync`.
unsafe impl<F: Func<A> + Send + Sync, A: Send> Sync for Batch<F, A> where F::Out: Send {}

impl<F: Func<A>, A> Batch<F, A> {
    /// Whether results take the places of items: a vector of the ones is then one of the others.
    const IN_PLACE: bool = size_of::<A>() == size_of::<F::Out>()
        && align_of::<A>() == align_of::<F::Out>()
        && size_of::<A>() > 0;

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
        let cut = Cut::new(count, chunksize);
        // SAFETY: shorter than before; from here on the items are owned chunk by chunk, by `marks`.
        unsafe { items.set_len(0) };
        let mut items = ManuallyDrop::new(items);
        let mut results = if Self::IN_PLACE {
            // SAFETY: the memory of `items`, which never frees it from here on, and whose layout is that of a vector of as many
            // results.
            unsafe { Vec::from_raw_parts(items.as_mut_ptr().cast(), 0, items.capacity()) }
        } else {
            buffer.clear();
            buffer.reserve(count);
            buffer
        };
        Batch {
            func,
            cut,
            first: 0,
            items,
            count,
            room: results.as_mut_ptr(),
            results: UnsafeCell::new(results),
            marks: (0..cut.chunks()).map(|_| AtomicU8::new(ITEMS)).collect(),
        }
    }

    /// The same work, as the part of a longer input that begins at this index: errors name items by it.
    pub(crate) fn at(mut self, first: usize) -> Self {
        self.first = first;
        self
    }

    /// The items again; none when some of them were run.
    pub fn into_items(self) -> Vec<A> {
        let untouched = |mark: &AtomicU8| mark.load(Ordering::Relaxed) == ITEMS;
        if !self.marks.iter().all(untouched) {
            return Vec::new();
        }
        for mark in &self.marks {
            mark.store(NOTHING, Ordering::Relaxed);
        }
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

    fn item(&self, index: usize) -> *mut A {
        self.items.as_ptr().cast_mut().wrapping_add(index)
    }

    /// Takes the chunk's items out of the batch's care.
    fn open(&self, unit: usize) -> OpenChunk<'_, F, A> {
        self.marks[unit].store(NOTHING, Ordering::Relaxed);
        let range = self.cut.range(unit);
        OpenChunk {
            batch: self,
            unit,
            next: range.start,
            written: range.start..range.start,
            end: range.end,
        }
    }
}

impl<F: Func<A>, A> Drop for Batch<F, A> {
    fn drop(&mut self) {
        let sealed = !self.results.get_mut().is_empty();
        for (unit, mark) in self.marks.iter().enumerate() {
            let (range, mark) = (self.cut.range(unit), mark.load(Ordering::Relaxed));
            for index in range {
                if mark == ITEMS {
                    // SAFETY: the mark says that the item is there and nobody owns it any more.
                    unsafe { self.item(index).drop_in_place() };
                }
                if mark == RESULTS && !sealed {
                    // SAFETY: the mark says that the result is there; a sealed vector drops its own.
                    unsafe { self.room.add(index).drop_in_place() };
                }
            }
        }
        if !Self::IN_PLACE {
            // SAFETY: dropped once, here; its length is 0, so only the memory goes.
            unsafe { ManuallyDrop::drop(&mut self.items) };
        }
    }
}

/// A chunk in work: on a panic the items that are left and the results so far are dropped.
struct OpenChunk<'a, F: Func<A>, A> {
    batch: &'a Batch<F, A>,
    unit: usize,
    next: usize,
    written: Range<usize>,
    end: usize,
}

impl<F: Func<A>, A> OpenChunk<'_, F, A> {
    fn next_item(&mut self) -> Option<A> {
        (self.next < self.end).then(|| {
            let index = self.next;
            self.next += 1;
            // SAFETY: within the chunk, whose unit the maker of this owns; each index is read once.
            unsafe { self.batch.item(index).read() }
        })
    }

    fn write(&mut self, result: F::Out) {
        if self.written.end < self.end {
            // SAFETY: within the chunk and the room; nobody else writes or reads there until it is sealed.
            unsafe { self.batch.room.add(self.written.end).write(result) };
            self.written.end += 1;
        }
    }

    /// Leaves the results in the batch.
    fn complete(mut self) {
        self.batch.marks[self.unit].store(RESULTS, Ordering::Relaxed);
        self.written = 0..0;
    }
}

impl<F: Func<A>, A> Drop for OpenChunk<'_, F, A> {
    fn drop(&mut self) {
        while let Some(item) = self.next_item() {
            panics::contain(|| drop(item));
        }
        for index in mem::take(&mut self.written) {
            // SAFETY: written by this chunk and not completed.
            panics::contain(|| unsafe { self.batch.room.add(index).drop_in_place() });
        }
    }
}

impl<F: Func<A>, A> sealed::Sealed for Batch<F, A> {}

impl<F: Func<A> + Send + Sync, A: Send> Work for Batch<F, A>
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
        // SAFETY: the caller owns the unit and it was neither run nor stored: its items are there.
        let items = unsafe { std::slice::from_raw_parts(self.item(range.start), range.len()) };
        (&self.func, items)
    }

    unsafe fn run(&self, unit: usize) -> Result<(), TaskError<F::Raised>> {
        let mut chunk = self.open(unit);
        let owner = OwnerProcess::current();
        let end = panics::catch(|| {
            while let Some(item) = chunk.next_item() {
                let result = self.func.call(item);
                end_copy(owner);
                chunk.write(result?);
            }
            Ok(())
        });
        let failed = match end {
            Ok(Ok(())) => {
                chunk.complete();
                return Ok(());
            }
            Ok(Err(raised)) => TaskError::raised(raised),
            Err(panic) => TaskError::Panicked(Box::new(panic)),
        };
        // The item that was read last, counted in the unit.
        let item = chunk.next - self.cut.range(unit).start - 1;
        Err(failed.at_item(item))
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
        let mut chunk = self.open(unit);
        for result in output {
            // The result may take its place.
            let item = chunk.next_item();
            panics::contain(|| drop(item));
            chunk.write(result);
        }
        chunk.complete();
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
        for mark in &self.marks {
            mark.store(NOTHING, Ordering::Relaxed);
        }
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
