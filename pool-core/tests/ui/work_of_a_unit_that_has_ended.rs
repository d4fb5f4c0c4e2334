//! What a unit works on is borrowed from the unit, and cannot be looked at when it has ended.

use pool_core::TaskError;
use pool_core::backend::{JobCell, Once, Single, Unit};

type Number = Single<Once<fn(u32) -> u32, u32>>;

fn late(cell: &JobCell<Number>, unit: Unit) -> u32 {
    let task = cell.inputs(&unit);
    cell.finish(unit, Err(TaskError::Terminated));
    task.map_or(0, |task| task.arg)
}

fn main() {}
