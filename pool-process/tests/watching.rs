//! What a pool of processes tells of its work while it goes on: how far maps have come, what its workers do.

mod common;

use common::{Gate, Outcome, each_way, wait_at};
use pool_process::Pool;

#[test]
fn a_map_tells_how_many_items_are_done() -> Outcome {
    each_way(1, |pool| {
        let gate = Gate::new();
        let map = pool.each(wait_at, [(); 3].map(|()| gate.name()));
        let map = map.chunksize(1).submit()?;
        for done in 0..3 {
            let guest = gate.guests(1);
            let progress = map.progress();
            assert_eq!((progress.done, progress.total), (done, Some(3)));
            drop(guest);
        }
        map.wait();
        assert_eq!(map.progress().done, 3);
        Ok(())
    })
}
