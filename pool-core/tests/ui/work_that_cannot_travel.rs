//! A backend says which work its workers can be given.

use std::sync::Arc;

use pool_core::{Backend, Carry, Deadline, Erased, Feed, Job, Once, Single, StartError};

struct Far;

struct Parcel;

impl Erased for Parcel {
    fn job(&self) -> &dyn Job<Parcel> {
        unimplemented!()
    }
}

impl Backend for Far {
    type Job = Parcel;
    const KIND: &'static str = "far";
    fn start(&self, _: &Arc<Feed<Parcel>>) -> Result<(), StartError> {
        Ok(())
    }
    fn wake(&self) {}
    fn drain(&self) {}
    fn abandon(&self) {}
    fn reap(&self, _: &Deadline) -> bool {
        true
    }
}

fn carries<B: Carry<Single<Once<fn(u32) -> u32, u32>>>>() {}

fn main() {
    carries::<Far>();
}
