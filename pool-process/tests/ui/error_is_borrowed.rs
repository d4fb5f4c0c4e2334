//! An error owns its data: a `String` and not a `&'static str`.

use pool_process::prelude::*;

fn main() {
    let pool = ProcessPool::new(1).unwrap();
    let _ = pool.try_map(|x: i32| if x < 0 { Err("negative") } else { Ok(x) }, 0..8);
}
