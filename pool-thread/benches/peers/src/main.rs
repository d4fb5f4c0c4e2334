//! `pool-thread` beside other pools of threads: `cargo run --release -- --short`, or `--full`.

use std::process::ExitCode;

use peers::threads::{
    ByHandle, Crossbeam, Ours, RayonHandles, RayonIdioms, RayonScope, RustyPool, ThreadPoolCrate,
};
use peers::{Native, Python, Suite};

fn main() -> ExitCode {
    peers::run(&Suite {
        title: "pool-thread and its peers",
        package: env!("CARGO_MANIFEST_DIR"),
        processes: false,
        rivals: vec![
            Native::<Ours>::column(),
            Native::<ByHandle<RayonHandles>>::column(),
            Native::<RayonIdioms>::column(),
            Native::<RayonScope>::column(),
            Native::<ByHandle<ThreadPoolCrate>>::column(),
            Native::<ByHandle<RustyPool>>::column(),
            Native::<ByHandle<Crossbeam<0>>>::column(),
            Native::<ByHandle<Crossbeam<50>>>::column(),
            Python::Threads.column(),
        ],
    })
}
