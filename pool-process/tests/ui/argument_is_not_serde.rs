//! An argument travels as serde data.

struct Opaque(u32);

use pool_process::prelude::*;

fn main() {
    let pool = ProcessPool::new(1).unwrap();
    let _ = pool.apply(|opaque: Opaque| opaque.0, Opaque(1));
}
